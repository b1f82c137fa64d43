//! The services that can be asked, with every name settled once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use feat_compiler::ir::QName;
use feat_compiler::plan::{GroupPlan, Plans, SelectedPlan, ServicePlan, SourcePlan, StoredColumn};
use feat_kernel::key;
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use feat_store::{Store, ViewId, view_id};

use crate::answer::Answer;
use crate::convert::{Listing, listing};
use crate::derive::Derived;
use crate::entities::Entities;
use crate::error::LookupError;
use crate::fetch::{Fetched, Wanted, fetch};
use crate::group::{Repeated, Served, evaluate, repeated};
use crate::inputs::Inputs;

/// The services of a project over a store. Cheap to share; lookups do not wait for each other.
#[derive(Debug)]
pub struct Catalog {
    store: Arc<dyn Store>,
    services: Vec<Listed>,
    /// Counts of partitions by view: they never change while a view is kept, so each is read once.
    partitions: RwLock<HashMap<ViewId, u32>>,
}

/// A version of a service that can be asked.
#[derive(Debug)]
struct Listed {
    service: Arc<Service>,
    /// Whether it is what the service's name without a version stands for.
    active: bool,
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
    /// The types of the features of all groups, derived ones behind.
    types: Vec<Type>,
    /// The selected features, each with its place among those.
    selected: Vec<(Arc<SelectedPlan>, usize)>,
    /// Those as answers list them.
    pub(crate) listing: Listing,
}

/// A group of a service.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) plan: Arc<GroupPlan>,
    /// Its full name.
    pub(crate) name: Arc<str>,
    pub(crate) view: ViewId,
    /// Which list of key inputs.
    pub(crate) entities: usize,
    /// The key columns that its expressions read: name, place among the service's keys.
    pub(crate) key_columns: Vec<(String, usize)>,
    /// What its features repeat, if they compute nothing.
    pub(crate) repeated: Option<Vec<Repeated>>,
}

impl Service {
    /// Its plan.
    pub fn plan(&self) -> &Arc<ServicePlan> {
        &self.plan
    }

    /// Whether `name` is its full name.
    fn is_named(&self, name: &str) -> bool {
        let QName { package, name: short } = &self.plan.name;
        match name.strip_suffix(short.as_str()) {
            Some("") => package.is_empty(),
            Some(before) => before.strip_suffix('.') == Some(package),
            None => false,
        }
    }

    /// The distinct entities of `inputs`, for each list of key inputs.
    fn entities(&self, inputs: &Inputs) -> Vec<Entities> {
        let of_keys = |key: &Vec<usize>| {
            let columns: Vec<_> = key.iter().map(|&at| (&inputs.keys[at], &self.plan.keys[at].1)).collect();
            Entities::new(inputs.rows, &columns)
        };
        self.keys.iter().map(of_keys).collect()
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
            let repeated = repeated(group);
            let (plan, name) = (Arc::clone(group), group.name.to_string().into());
            groups.push(Group { plan, name, view, entities, key_columns, repeated });
            for feature in &group.features {
                places.insert(format!("{}.{}", used.prefix, feature.name), places.len());
            }
        }
        let derived = plan.derived.iter().map(|used| Derived::new(plan, used, &mut places)).collect();
        let selected = plan.selected.iter().map(|one| {
            let place = places.get(&one.feature);
            let place = place.unwrap_or_else(|| panic!("invariant: `{}` is of a group here", one.feature));
            (Arc::new(one.clone()), *place)
        });
        let selected = selected.collect();
        let features = plan.groups.iter().flat_map(|used| &used.group.features);
        let features = features.chain(plan.derived.iter().flat_map(|used| &used.derived.features));
        let types = features.map(|feature| feature.slot.ty.clone()).collect();
        let (inputs, listing) = (inputs(plan), listing(plan));
        Self { inputs, plan: Arc::clone(plan), keys, groups, derived, types, selected, listing }
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
        Self::of(plans.services.values().map(|plan| (Arc::clone(plan), true)), store)
    }

    /// Versions of services over `store`, each with whether it is what the service's name stands for.
    pub fn of(services: impl IntoIterator<Item = (Arc<ServicePlan>, bool)>, store: Arc<dyn Store>) -> Self {
        let listed = services
            .into_iter()
            .map(|(plan, active)| Listed { service: Arc::new(Service::new(&plan)), active });
        Self { store, services: listed.collect(), partitions: RwLock::default() }
    }

    /// Every version of a service that can be asked.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.iter().map(|listed| &listed.service)
    }

    /// The service `name`, by its full name or, where only one has it, its short one; either may say the
    /// version that is wanted, `name@2`.
    pub fn service(&self, name: &str) -> Result<Arc<Service>, LookupError> {
        let (wanted, version) = match name.split_once('@') {
            Some((wanted, version)) => (wanted, Some(version.parse::<u32>().ok())),
            None => (name, None),
        };
        let versions = self.services.iter().filter(|listed| match version {
            Some(version) => version == Some(listed.service.plan.version),
            None => listed.active,
        });
        let versions: Vec<&Arc<Service>> = versions.map(|listed| &listed.service).collect();
        if let Some(found) = versions.iter().find(|service| service.is_named(wanted)) {
            return Ok(Arc::clone(found));
        }
        let names = |services: &mut dyn Iterator<Item = &Arc<Service>>| {
            let names: Vec<String> =
                services.map(|service| format!("`{}@{}`", service.plan.name, service.plan.version)).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let short: Vec<&Arc<Service>> =
            versions.into_iter().filter(|service| service.plan.name.name == wanted).collect();
        match short[..] {
            [found] => Ok(Arc::clone(found)),
            [] => {
                let known = names(&mut self.services());
                Err(LookupError::UnknownService { name: name.to_owned(), known })
            }
            _ => Err(LookupError::AmbiguousService {
                name: name.to_owned(),
                known: names(&mut short.iter().copied()),
            }),
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
        let mut answers = self.lookup_all(&[(service, inputs)], at, now).await?;
        Ok(answers.remove(0))
    }

    /// [`Catalog::lookup`] of several services at one instant, each with its inputs, in their order.
    ///
    /// Cost: one read of the store for all of them. Every answer has the stamp of all.
    pub async fn lookup_all(
        &self,
        asked: &[(&Service, &Inputs)],
        at: Option<Instant>,
        now: Instant,
    ) -> Result<Vec<Answer>, LookupError> {
        let entities: Vec<Vec<Entities>> =
            asked.iter().map(|(service, inputs)| service.entities(inputs)).collect();
        let mut wanted = Vec::new();
        for ((service, _), entities) in asked.iter().zip(&entities) {
            for group in &service.groups {
                let partitions = self.partitions_of(group).await?;
                wanted.push(Wanted { group, partitions, entities: &entities[group.entities] });
            }
        }
        let fetched = fetch(&*self.store, &wanted).await?;
        let t = instant(&fetched, at, now)?;
        let mut blobs = fetched.blobs.iter();
        let mut answers = Vec::with_capacity(asked.len());
        for ((service, inputs), entities) in asked.iter().zip(&entities) {
            let mut served: Vec<Served> = Vec::new();
            for (group, blobs) in service.groups.iter().zip(&mut blobs) {
                evaluate(group, &entities[group.entities], inputs, blobs, t, &mut served);
            }
            for derived in &service.derived {
                derived.evaluate(inputs, t, &service.types, &mut served);
            }
            let features = service.selected.iter().map(|(one, at)| (one, served[*at].clone()));
            answers.push(Answer::new(t, inputs.rows, &fetched, features));
        }
        Ok(answers)
    }

    /// For each group of `service`, the partition of each row's entity: none of a row without a key, or of a
    /// group that was never read.
    pub(crate) fn partitions(&self, service: &Service, inputs: &Inputs) -> Vec<Vec<Option<u32>>> {
        let entities = service.entities(inputs);
        let counts = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        let of_group = |group: &Group| {
            let count = counts.get(&group.view).copied();
            let partition = |key: Option<&Bytes>| Some(key::partition(key?, count?));
            entities[group.entities].of_rows().map(partition).collect()
        };
        service.groups.iter().map(of_group).collect()
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
