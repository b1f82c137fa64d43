//! The services of `feat.v1`, over the catalog, the registry and whoever makes training sets.

pub(crate) mod online;
pub(crate) mod registry;
pub mod training;
