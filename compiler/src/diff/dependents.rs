//! Who reads what: the services that depend on a feature or column, near or far.

use std::collections::{BTreeMap, BTreeSet};

use crate::ir::Model;
use crate::lineage::lineage;

/// What depends on what in one model.
#[derive(Debug, Default)]
pub(super) struct Dependents {
    /// By full name: what it decides about directly.
    onwards: BTreeMap<String, Vec<String>>,
    /// Columns of services, with the service.
    served: BTreeMap<String, String>,
}

impl Dependents {
    pub(super) fn new(model: &Model) -> Self {
        let mut dependents = Self::default();
        for edge in lineage(model) {
            dependents.onwards.entry(edge.from).or_default().push(edge.to);
        }
        for (name, service) in &model.services {
            for one in &service.selected {
                dependents.served.insert(format!("{name}.{}", service.column(one)), name.to_string());
            }
        }
        dependents
    }

    /// Everything that `names` decide about, near and far.
    pub(super) fn reached(&self, names: impl IntoIterator<Item = String>) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<String> = names.into_iter().collect();
        while let Some(next) = open.pop() {
            for to in self.onwards.get(&next).into_iter().flatten() {
                if found.insert(to) {
                    open.push(to.clone());
                }
            }
        }
        found
    }

    /// The services that read one of `names`, directly or through derived groups, by name.
    pub(super) fn services(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let reached = self.reached(names);
        let found: BTreeSet<&String> = reached.iter().filter_map(|name| self.served.get(*name)).collect();
        found.into_iter().cloned().collect()
    }
}
