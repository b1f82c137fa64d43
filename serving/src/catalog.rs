//! The services that can be asked, with every name settled once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use feat_compiler::ir::QName;
use feat_compiler::plan::{GroupPlan, Plans, ServicePlan, SourcePlan, StoredColumn};
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use feat_store::{Store, ViewId, view_id};

use crate::answer::Answer;
use crate::derive::Derived;
use crate::entities::Entities;
use crate::error::LookupError;
use crate::fetch::{Fetched, fetch};
use crate::group::{Served, evaluate};
use crate::inputs::Inputs;

/// The services of a project over a store. Cheap to share; lookups do not wait for each other.
#[derive(Debug)]
pub struct Catalog {
    store: Arc<dyn Store>,
    services: Vec<Arc<Service>>,
    /// Counts of partitions by view: they never change while a view is kept, so each is read once.
    partitions: RwLock<HashMap<ViewId, u32>>,
}

/// A service with every column and group found.
#[derive(Debug)]
pub struct Service {
    pub(crate) plan: Arc<ServicePlan>,
    /// Its inputs as a source declares columns: keys, then request inputs.
    pub(crate) inputs: SourcePlan,
    /// The distinct lists of key inputs that groups are read by.
    keys: Vec<Vec<usize>>,
    pub(crate) groups: Vec<Group>,
    derived: Vec<Derived>,
    /// For each selected feature its place among those of all groups, derived ones behind.
    selected: Vec<usize>,
}

/// A group of a service.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) plan: Arc<GroupPlan>,
    pub(crate) view: ViewId,
    /// Which list of key inputs.
    pub(crate) entities: usize,
    /// The key columns that its expressions read: name, place among the service's keys.
    pub(crate) key_columns: Vec<(String, usize)>,
}

impl Service {
    /// Its plan.
    pub fn plan(&self) -> &Arc<ServicePlan> {
        &self.plan
    }

    fn new(plan: &Arc<ServicePlan>) -> Self {
        let (mut keys, mut groups): (Vec<Vec<usize>>, Vec<Group>) = (Vec::new(), Vec::new());
        let mut places: HashMap<String, usize> = HashMap::new();
        for used in &plan.groups {
            let entities = keys.iter().position(|key| *key == used.key).unwrap_or_else(|| {
                keys.push(used.key.clone());
                keys.len() - 1
            });
            let group = &used.group;
            let named = group
                .key
                .iter()
                .zip(&used.key)
                .map(|((name, _), &at)| (format!("{}.{name}", group.entity.name), at));
            let key_columns =
                named.filter(|(name, _)| group.evaluator.inputs().any(|input| input == name)).collect();
            let view = view_id(&group.name, group.version, &group.meaning);
            groups.push(Group { plan: Arc::clone(group), view, entities, key_columns });
            for feature in &group.features {
                places.insert(format!("{}.{}", used.prefix, feature.name), places.len());
            }
        }
        let derived = plan.derived.iter().map(|used| Derived::new(plan, used, &mut places)).collect();
        let selected = plan.selected.iter().map(|one| {
            *places
                .get(&one.feature)
                .unwrap_or_else(|| panic!("invariant: `{}` is of a group here", one.feature))
        });
        let selected = selected.collect();
        Self { inputs: inputs(plan), plan: Arc::clone(plan), keys, groups, derived, selected }
    }
}

/// A service's inputs as columns of a source, so that requests conform as files do.
fn inputs(plan: &ServicePlan) -> SourcePlan {
    let keys = plan.keys.iter().map(|(name, ty)| (name, Slot::nullable(Type::clone(ty))));
    let requests = plan.requests.iter().map(|input| (&input.column, input.slot.clone()));
    let column = |(name, slot): (&String, Slot)| StoredColumn { name: name.clone(), slot, zone: None };
    SourcePlan::of_columns(plan.name.clone(), keys.chain(requests).map(column).collect())
}

impl Catalog {
    /// The services of `plans` over `store`.
    pub fn new(plans: &Plans, store: Arc<dyn Store>) -> Self {
        let services = plans.services.values().map(|plan| Arc::new(Service::new(plan))).collect();
        Self { store, services, partitions: RwLock::default() }
    }

    /// The service `name`, by its full name or, where only one has it, its short one.
    pub fn service(&self, name: &str) -> Result<Arc<Service>, LookupError> {
        let full = |service: &&Arc<Service>| service.plan.name.to_string() == name;
        if let Some(found) = self.services.iter().find(full) {
            return Ok(Arc::clone(found));
        }
        let names = |services: &[&Arc<Service>]| {
            let names: Vec<String> =
                services.iter().map(|service| format!("`{}`", service.plan.name)).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let short: Vec<&Arc<Service>> =
            self.services.iter().filter(|service| service.plan.name.name == name).collect();
        match short[..] {
            [found] => Ok(Arc::clone(found)),
            [] => {
                let known = names(&self.services.iter().collect::<Vec<_>>());
                Err(LookupError::UnknownService { name: name.to_owned(), known })
            }
            _ => Err(LookupError::AmbiguousService { name: name.to_owned(), known: names(&short) }),
        }
    }

    /// Looks up every feature of `service` for each row of `inputs`, all at one instant.
    ///
    /// Shape: as many rows as `inputs`, in their order; one column per selected feature, in the order
    /// of the service.
    /// Time: evaluated at `at`, else at the later of `now` (the wall clock, microseconds UTC) and the
    /// first instant after every clock read. Rows of the log at that instant or later do not count. The
    /// instant is part of the answer.
    /// Absent: an entity never seen gives the aggregates of no rows with status `empty` (`absent` in a
    /// group with `ttl`); a null key gives nulls with status `no key`. Never an error.
    /// Cost: one read of the store, whatever the number of rows, groups and windows; each distinct
    /// entity is decoded and assembled once.
    /// Errors: [`LookupError::TooEarly`] for an `at` that the stored state has left behind;
    /// [`LookupError::NotStreamed`] for a group that nothing was ever streamed into.
    pub async fn lookup(
        &self,
        service: &Service,
        inputs: &Inputs,
        at: Option<Instant>,
        now: Instant,
    ) -> Result<Answer, LookupError> {
        let plan = &service.plan;
        let of_keys = |key: &Vec<usize>| {
            let columns: Vec<_> = key.iter().map(|&at| (&inputs.keys[at], &plan.keys[at].1)).collect();
            Entities::new(inputs.rows, &columns)
        };
        let entities: Vec<Entities> = service.keys.iter().map(of_keys).collect();
        let fetched = self.fetch(service, &entities).await?;
        let t = instant(&fetched, at, now)?;
        let mut served: Vec<Served> = Vec::new();
        for (group, blobs) in service.groups.iter().zip(&fetched.blobs) {
            evaluate(group, &entities[group.entities], inputs, blobs, t, &mut served);
        }
        for derived in &service.derived {
            derived.evaluate(inputs, t, &mut served);
        }
        let features = plan.selected.iter().zip(&service.selected);
        Ok(Answer::new(t, inputs.rows, &fetched, features.map(|(one, &at)| (one, served[at].clone()))))
    }

    async fn fetch(&self, service: &Service, entities: &[Entities]) -> Result<Fetched, LookupError> {
        let mut counts = Vec::with_capacity(service.groups.len());
        for group in &service.groups {
            counts.push(self.partitions_of(group).await?);
        }
        fetch(&*self.store, &service.groups, &counts, entities).await
    }

    async fn partitions_of(&self, group: &Group) -> Result<u32, LookupError> {
        let known = self.partitions.read().unwrap_or_else(PoisonError::into_inner).get(&group.view).copied();
        if let Some(count) = known {
            return Ok(count);
        }
        let count = self.store.partitions(&group.view).await?.ok_or_else(|| not_streamed(&group.plan))?;
        self.partitions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(Arc::clone(&group.view), count);
        Ok(count)
    }
}

/// The error of a group without filled markers.
pub(crate) fn not_streamed(group: &GroupPlan) -> LookupError {
    let QName { name, .. } = &group.name;
    LookupError::NotStreamed { group: name.clone(), version: group.version }
}

/// The instant of a lookup: after every clock that was read.
fn instant(fetched: &Fetched, at: Option<Instant>, now: Instant) -> Result<Instant, LookupError> {
    let earliest = fetched.clock.next();
    match at {
        Some(at) if at < earliest => Err(LookupError::TooEarly { at, earliest }),
        Some(at) => Ok(at),
        None => Ok(now.max(earliest)),
    }
}
