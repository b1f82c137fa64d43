//! Training sets and offline tables: the batch engine's evaluation of a group.
//!
//! ```text
//!  Tables ──scan──► Prepare ──► partition by key, sort by time ─┐
//!                                                               ├─► PointInTimeExec ─► sort by row ─┐
//!  spine ──number─► questions ► partition by key, sort by time ─┘     (slide: one key)              │
//!    └────────────────────────────────────────────────────────────────────────────────────► zip ───┴─► file + manifest
//! ```
//!
//! Semantics are elsewhere: what a row gives is `feat-compiler`'s `Prepare`, what a window is and
//! what a state does is `feat-kernel`. This crate moves rows: it finds them ([`Tables`]), orders
//! them, slides each key's windows over them, and writes what comes out. It keeps nothing online and
//! knows no stream; [`read_log`] only says in which order a file would have been one.

mod answers;
mod archive;
mod clocks;
mod columns;
mod counts;
mod delta;
mod delta_folder;
mod desk;
mod error;
mod grid;
mod hindsight;
mod log;
mod manifest;
mod map;
mod materialize;
mod newest;
mod node;
mod offline;
mod operator;
mod parquet_file;
mod place;
mod point_in_time;
mod prepared;
mod scan;
mod session;
mod slide;
mod spine;
mod tables;
mod text;
mod training_set;
mod zip;

pub use archive::{Archive, Held, Record, Records, Segment};
pub use clocks::Clocks;
pub use counts::Outcomes;
pub use error::BatchError;
pub use feat_compiler::prepare::Mode;
pub use grid::Grid;
pub use log::{LogBatch, read_log};
pub use manifest::{Checksum, DatasetEntry, GroupEntry, Manifest, TableEntry};
pub use materialize::{Materialized, materialize};
pub use node::{Node, node};
pub use session::{Progress, Resources, Session};
pub use spine::SpineFile;
pub use tables::{Format, Table, Tables};
pub use training_set::{Request, TrainingSet, build};
