//! How far the answers are: the positions that their stamps name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use feat_serving::Answer;

/// The positions seen so far, shared by those who ask and those who wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamps(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// The last position by group, partition of the view, and log.
    at: BTreeMap<(String, u32, String), u64>,
    advanced: u64,
    back: u64,
    furthest: u64,
}

impl Stamps {
    /// Takes up the stamps of an answer.
    pub(crate) fn note(&self, answer: &Answer) {
        let mut seen = self.lock();
        for stamp in &answer.stamp {
            for (partition, found) in &stamp.partitions {
                let mut fell = 0;
                for (log, &position) in &found.positions {
                    let place = (stamp.group.clone(), *partition, log.clone());
                    let before = seen.at.insert(place, position).unwrap_or_default();
                    seen.advanced += position.saturating_sub(before);
                    fell += before.saturating_sub(position);
                }
                seen.back += u64::from(fell > 0);
                seen.furthest = seen.furthest.max(fell);
            }
        }
    }

    /// By how much positions advanced, all together: it only grows.
    pub(crate) fn advanced(&self) -> u64 {
        self.lock().advanced
    }

    /// How often a position was seen to have gone back, and by how much at most.
    pub(crate) fn back(&self) -> (u64, u64) {
        let seen = self.lock();
        (seen.back, seen.furthest)
    }

    /// The last position of each log, that of the partition which is furthest behind.
    pub(crate) fn positions(&self) -> BTreeMap<String, u64> {
        let mut least = BTreeMap::new();
        for ((_, _, log), &position) in &self.lock().at {
            let least = least.entry(log.clone()).or_insert(position);
            *least = position.min(*least);
        }
        least
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
