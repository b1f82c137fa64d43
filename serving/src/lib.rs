//! Lookups: what the stored state of an entity is worth at an instant.
//!
//! ```text
//!  keys, request inputs ──► Catalog ──one read──► markers and blobs ──assemble(t)──► group features
//!                              ▲                                                        │
//!                            Plans                         Answer ◄── derived groups ◄──┘
//!                                                (values, statuses, instant, stamp)
//! ```
//!
//! The store holds state, not values: a lookup merges tiles for the instant `t` it is evaluated at and
//! finishes them, so a window slides although no event arrives. Every answer says the instant and the
//! positions of the log it was computed from; its bits equal what a training set over that prefix of
//! the log holds for the same `t`.
//!
//! Nothing is written here: that is `feat-streaming`. What a value means is `feat-kernel`'s business,
//! what an expression means `feat-compiler`'s. The wall clock is an argument.

mod cell;
mod convert;
mod deadline;
mod derive;
mod entities;
mod fetch;
mod gate;
mod group;
mod values;

pub mod answer;
pub mod answer_log;
pub mod auth;
pub mod catalog;
pub mod current;
pub mod error;
pub mod follow;
pub mod inputs;
pub mod metrics;
pub mod server;
pub mod service;
pub mod status;

pub use answer::{Answer, FeatureAnswer, GroupStamp, PartitionStamp};
pub use answer_log::{AnswerLog, Answered};
pub use catalog::{Catalog, Service};
pub use current::{Clock, Current};
pub use error::{LookupError, ServeError};
pub use follow::follow;
pub use inputs::Inputs;
pub use metrics::Metrics;
pub use server::{Access, Limits, Server};
pub use service::training;
pub use status::Status;
