//! The catalog that requests are answered from, replaced whole when what is deployed changes.

use std::sync::{Arc, PoisonError, RwLock};

use feat_kernel::time::Instant;

use crate::catalog::Catalog;

/// The wall clock, as an argument.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The catalog of now. A request takes it once and keeps it to its end, so that what is replaced meanwhile
/// fails no request; clones are the same.
#[derive(Clone, Debug)]
pub struct Current(Arc<RwLock<Arc<Catalog>>>);

impl Current {
    /// Begins with `catalog`.
    pub fn new(catalog: Catalog) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(catalog))))
    }

    /// The catalog of now.
    pub fn get(&self) -> Arc<Catalog> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in its place.
    pub fn replace(&self, catalog: Catalog) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }
}
