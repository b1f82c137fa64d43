//! The codes of what can go wrong in this crate. Later stages have their own; all share one numbering.

use crate::diagnostic::Code;

/// The text is not in the language: a character, word or literal stands where it cannot.
pub const SYNTAX: Code = Code("FEAT000");

/// Every code of this crate, for the test that each has a page.
pub const ALL: [Code; 1] = [SYNTAX];
