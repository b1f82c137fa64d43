//! What is deployed: immutable versions of everything a project says, and what was done with them.
//!
//! ```text
//!  .feat texts ──compile──► Plan ──apply, one transaction──► revision · objects · versions · pins · lineage
//!                             ▲                                  │         events, audit
//!                             └────── Deployed ◄──recompile──────┘
//!                                        │
//!                              batch, stream, load, lookups
//! ```
//!
//! The registry stores texts, the version of the compiler and hashes of meaning, never plans: what is
//! deployed is compiled anew when it is opened ([`Deployed`]), and refused if it would give other numbers
//! than those it was applied with. A *revision* is everything that one apply deployed; a *pin* says which
//! revision answers a version of a service, so that a service stays on a group's old version until it
//! moves.
//!
//! Every write is one transaction with its event and its audit row. What was published is fixed by triggers
//! of the database itself (`migrations/`). The SQL is what `SQLite` and `PostgreSQL` have in common; this
//! build opens `SQLite`.
//!
//! Nothing is run here and no rows are read: that is for the engines. What a change is, and what is made of
//! what, the compiler says (`feat_compiler::diff`, `feat_compiler::lineage`).

mod database;
mod journal;

pub mod apply;
pub mod deployed;
pub mod error;
pub mod keys;
pub mod lineage;
pub mod objects;
pub mod pins;
pub mod plan;
pub mod revision;
pub mod runs;
pub mod training_sets;
pub mod urn;

pub use database::Registry;
pub use deployed::{Deployed, LiveGroup, Snapshot};
pub use error::RegistryError;
pub use journal::{Actor, AuditEntry};
pub use pins::{Pin, PinState};
pub use plan::{Move, Plan};
pub use revision::Revision;
