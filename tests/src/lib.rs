//! Does every reading of a feature give the same bits?
//!
//! ```text
//!  case or random draw ──┬── definition: oracle (filter, sort, fold; integers and fractions)
//!                        ├── batch: a training set over the same rows
//!                        └── stream + lookup: replay, stop, restart, repeat, shuffle; then ask
//!                                │
//!                        compared cell by cell, to the bit
//! ```
//!
//! [`oracle`] is a second, slow implementation of what a value is and imports nothing of the first.
//! The readings under `read` call the engines as the command line does. A corpus case is a folder;
//! adding one needs no change here. [`conformance`] is what every store must do, and [`servers`] starts
//! the real ones that some of them need. The tests themselves are in `it/`, one binary.

#[cfg(feature = "engines")]
pub mod agree;
pub mod case;
#[cfg(feature = "stores")]
pub mod conformance;
pub mod coverage;
pub mod dice;
pub mod draw;
pub mod oracle;
pub mod read;
#[cfg(any(feature = "brokers", feature = "stores"))]
pub mod servers;
pub mod shrink;
pub mod text;
