//! How a served value came to be.

use std::fmt;

/// How a value came to be, from the plainest to the worst: what is made of several values has the
/// worst of their statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Status {
    /// From rows within the group's longest window.
    Present,
    /// No row lies within the group's longest window: the value of no rows.
    Empty,
    /// By the group's `ttl` the entity is not there; its outputs are null.
    Absent,
    /// A column of the entity's key is null; so is the value.
    NoKey,
    /// The value does not fit its type, or the window holds more than its bound: null.
    Overflow,
    /// The expression cannot be evaluated: null.
    Error,
}

impl Status {
    /// Every one, in their order.
    pub const ALL: [Self; 6] =
        [Self::Present, Self::Empty, Self::Absent, Self::NoKey, Self::Overflow, Self::Error];

    /// As answers write it: `present`, `empty`, `absent`, `no key`, `overflow`, `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Empty => "empty",
            Self::Absent => "absent",
            Self::NoKey => "no key",
            Self::Overflow => "overflow",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
