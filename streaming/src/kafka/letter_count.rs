//! How many letters each log has, counted on as they come.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::log_name;
use super::quarantine::Quarantine;
use super::reading::Reading;
use super::{Kind, TopicError};

/// Counts the letters of a topic of dead letters.
pub struct LetterCount {
    quarantine: Quarantine,
    /// What was read; `None` before the first time, and after an error.
    reading: Mutex<Option<Reading>>,
}

impl fmt::Debug for LetterCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LetterCount").field("quarantine", &self.quarantine).finish_non_exhaustive()
    }
}

impl LetterCount {
    /// Of the letters of `quarantine`.
    pub fn of(quarantine: Quarantine) -> Self {
        Self { quarantine, reading: Mutex::new(None) }
    }

    /// How many letters of each kind there are now, by the names of their logs; none while there is no
    /// such topic yet.
    ///
    /// Cost: reads the whole topic at first, then what came since; holds the letters without their
    /// values. Blocks.
    /// Errors: [`TopicError`]: no broker answers. The next call reads from the beginning.
    pub fn read(&self) -> Result<BTreeMap<(String, Kind), u64>, TopicError> {
        let mut held = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        // What is gone from the topic is counted no more.
        let begun = held.take().filter(|reading| reading.may_go_on().unwrap_or(false));
        let mut reading = match begun {
            Some(reading) => reading,
            None => match self.quarantine.reading() {
                Err(TopicError::Missing { .. }) => return Ok(BTreeMap::new()),
                opened => opened?,
            },
        };
        reading.go_on(|_| false)?;
        let mut counts = BTreeMap::new();
        for letter in reading.kept.letters.values() {
            let log = log_name(&letter.place.topic, letter.place.partition as usize);
            *counts.entry((log.to_string(), letter.kind)).or_default() += 1;
        }
        *held = Some(reading);
        Ok(counts)
    }
}
