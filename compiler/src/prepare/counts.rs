//! What became of rows, in numbers and by row.

use std::ops::AddAssign;
use std::sync::Arc;

/// Why a row was not admitted: the first test that it did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A column that must have a value has none.
    Null(Arc<str>),
    /// The column's value is not in the domain of its enum.
    Domain(Arc<str>),
    /// A computed column, a `where` or an `expect` is an evaluation error.
    Error(Arc<str>),
    /// A `where` of the source is not true.
    Filtered,
    /// Its tau lies before the source's `since`.
    BeforeSince,
    /// `expect … else drop`, with the condition.
    Dropped(Arc<str>),
    /// `expect … else quarantine`, with the condition.
    Quarantined(Arc<str>),
    /// It became known later than the source's `lateness` allows.
    Late,
    /// A column of its key is null: it belongs to no entity.
    NullKey,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null(column) => write!(f, "column `{column}` is null"),
            Self::Domain(column) => write!(f, "column `{column}` is outside its enum"),
            Self::Error(what) => write!(f, "`{what}` is an evaluation error"),
            Self::Filtered => f.write_str("filtered by `where`"),
            Self::BeforeSince => f.write_str("before `since`"),
            Self::Dropped(text) => write!(f, "dropped by `expect {text}`"),
            Self::Quarantined(text) => write!(f, "quarantined by `expect {text}`"),
            Self::Late => f.write_str("later than `lateness`"),
            Self::NullKey => f.write_str("the key is null"),
        }
    }
}

/// How many rows came to what. `read` is the sum of `admitted`, `filtered`, `before_since`,
/// `dropped`, `quarantined`, `late` and `null_key`; the rest count rows that are among those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows in.
    pub read: u64,
    /// Rows out, duplicates still among them.
    pub admitted: u64,
    /// Rows that a `where` of the source left out.
    pub filtered: u64,
    /// Rows before `since`.
    pub before_since: u64,
    /// Rows that an `expect … else drop` left out.
    pub dropped: u64,
    /// Rows that are unreadable or that an `expect … else quarantine` left out.
    pub quarantined: u64,
    /// Rows later than `lateness`.
    pub late: u64,
    /// Rows of no entity.
    pub null_key: u64,
    /// Admitted rows whose event time lies after the instant they became known.
    pub clamped: u64,
    /// Expectations with `warn`, or with a share, that a row did not meet.
    pub warned: u64,
    /// Admitted rows whose group filter, mask or argument is an evaluation error; they do not pass.
    pub errors: u64,
}

impl Counts {
    /// Counts one rejected row.
    pub(super) fn reject(&mut self, reason: &Reason, rows: u64) {
        let count = match reason {
            Reason::Null(_) | Reason::Domain(_) | Reason::Error(_) | Reason::Quarantined(_) => {
                &mut self.quarantined
            }
            Reason::Filtered => &mut self.filtered,
            Reason::BeforeSince => &mut self.before_since,
            Reason::Dropped(_) => &mut self.dropped,
            Reason::Late => &mut self.late,
            Reason::NullKey => &mut self.null_key,
        };
        *count += rows;
    }

    /// Rows that were not admitted.
    pub fn rejected(&self) -> u64 {
        self.filtered + self.before_since + self.dropped + self.quarantined + self.late + self.null_key
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.admitted += other.admitted;
        self.filtered += other.filtered;
        self.before_since += other.before_since;
        self.dropped += other.dropped;
        self.quarantined += other.quarantined;
        self.late += other.late;
        self.null_key += other.null_key;
        self.clamped += other.clamped;
        self.warned += other.warned;
        self.errors += other.errors;
    }
}
