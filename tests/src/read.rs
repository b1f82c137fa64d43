//! The readings: every way in which the project answers what a feature's value is.

#[cfg(feature = "engines")]
pub mod batch;
#[cfg(feature = "engines")]
pub mod online;
#[cfg(feature = "engines")]
pub mod project;
pub mod tiles;
