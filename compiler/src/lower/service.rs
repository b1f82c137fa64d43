//! Services: which groups and derived groups are needed, and whose keys they are asked with.
//!
//! A group is read once for each key that it is asked with. What it is called inside the service is
//! settled here: packages may have groups of one short name, and two roles may read one group.

use std::sync::Arc;

use feat_kernel::types::Type;

use super::derived;
use crate::ir::{Model, QName, Selected, Service};
use crate::meaning::Meaning;
use crate::plan::{DerivedUse, GroupUse, Plans, RequestInput, SelectedPlan, ServicePlan};

/// Plans `service`; `None` if something it needs was left out.
pub(super) fn plan(model: &Model, plans: &Plans, service: &Service) -> Option<ServicePlan> {
    let mut needs =
        Needs { model, plans, service, keys: Vec::new(), groups: Vec::new(), derived: Vec::new() };
    for role in &service.of {
        let entity = model.entities.get(&role.entity)?;
        for (input, (_, ty)) in role.inputs.iter().zip(&entity.keys) {
            if !needs.keys.iter().any(|(name, _)| name == input) {
                needs.keys.push((input.clone(), ty.clone()));
            }
        }
    }
    let selected =
        service.selected.iter().map(|one| needs.selected(one)).collect::<Option<Vec<SelectedPlan>>>()?;
    let requests = requests(model, service);
    let Needs { keys, groups, derived, .. } = needs;
    let meaning = meaning(&keys, &requests, &groups, &derived, &selected);
    Some(ServicePlan {
        name: service.name.clone(),
        version: service.version,
        keys,
        requests,
        groups,
        derived,
        selected,
        meaning,
    })
}

fn requests(model: &Model, service: &Service) -> Vec<RequestInput> {
    let sources = service.with.iter().filter_map(|name| model.sources.get(name));
    sources
        .flat_map(|source| {
            let stored = source.columns.iter().filter(|column| column.value.is_none());
            stored.map(|column| RequestInput {
                column: column.name.clone(),
                name: format!("{}.{}", source.name.name, column.name),
                slot: column.slot.clone(),
            })
        })
        .collect()
}

struct Needs<'a> {
    model: &'a Model,
    plans: &'a Plans,
    service: &'a Service,
    keys: Vec<(String, Type)>,
    groups: Vec<GroupUse>,
    derived: Vec<DerivedUse>,
}

impl Needs<'_> {
    fn selected(&mut self, one: &Selected) -> Option<SelectedPlan> {
        // Two roles that select from one name are told apart by theirs.
        let name = self.service.dotted(one);
        let group = name.strip_suffix(&one.feature)?.strip_suffix('.')?;
        let place = |input: &String| self.keys.iter().position(|(name, _)| name == input);
        let key = one.key.iter().map(place).collect::<Option<Vec<usize>>>()?;
        let prefix = self.read(group, &one.group, key)?;
        Some(SelectedPlan {
            feature: format!("{prefix}.{}", one.feature),
            column: self.service.column(one),
            name: one.alias.clone().unwrap_or(name),
            slot: one.slot.clone(),
        })
    }

    /// The prefix under which the service has the features of a group, or derived group, for a key:
    /// `wanted`, unless that is another's.
    fn read(&mut self, wanted: &str, name: &QName, key: Vec<usize>) -> Option<String> {
        if let Some(group) = self.plans.groups.get(name) {
            if let Some(known) = self.groups.iter().find(|it| it.group.name == *name && it.key == key) {
                return Some(known.prefix.clone());
            }
            let prefix = self.free(wanted);
            self.groups.push(GroupUse { prefix: prefix.clone(), group: Arc::clone(group), key });
            return Some(prefix);
        }
        let same = |it: &&DerivedUse| {
            it.derived.name == *name && it.keys.iter().map(|(_, at)| *at).eq(key.iter().copied())
        };
        match self.derived.iter().find(same) {
            Some(known) => Some(known.prefix.clone()),
            None => self.derive(wanted, name, &key),
        }
    }

    /// Adds a derived group behind everything that it reads.
    fn derive(&mut self, wanted: &str, name: &QName, key: &[usize]) -> Option<String> {
        let (plan, derived) = (self.plans.derived.get(name)?, self.model.derived.get(name)?);
        let mut keys: Vec<(String, usize)> = Vec::with_capacity(key.len());
        let mut places = key.iter();
        for role in &derived.of {
            for (column, _) in &self.model.entities.get(&role.entity)?.keys {
                keys.push((format!("{}.{column}", role.name), *places.next()?));
            }
        }
        let place = |column: &String| keys.iter().find(|(name, _)| name == column).map(|(_, at)| *at);
        // By name: in which order the features of a derived group mention others is not of the service.
        let mut order: Vec<usize> = (0..derived.reads.len()).collect();
        order.sort_by_key(|&at| &derived.reads[at].prefix);
        let mut prefixes = vec![String::new(); order.len()];
        for at in order {
            let read = &derived.reads[at];
            let key = read.key.iter().map(place).collect::<Option<Vec<usize>>>()?;
            prefixes[at] = self.read(&read.prefix, &read.group, key)?;
        }
        let same = derived.reads.iter().map(|read| &read.prefix).eq(&prefixes);
        let derived =
            if same { Arc::clone(plan) } else { Arc::new(derived::renamed(plan, derived, &prefixes)) };
        let prefix = self.free(wanted);
        self.derived.push(DerivedUse { prefix: prefix.clone(), derived, keys });
        Some(prefix)
    }

    /// `wanted`, with a number behind it if something else has this prefix. No name of the language
    /// has a `~`.
    fn free(&self, wanted: &str) -> String {
        let taken = |prefix: &str| {
            self.groups.iter().any(|it| it.prefix == prefix)
                || self.derived.iter().any(|it| it.prefix == prefix)
                || self.service.with.iter().any(|request| request.name == prefix)
        };
        let mut prefix = wanted.to_owned();
        let mut uses = 1;
        while taken(&prefix) {
            uses += 1;
            prefix = format!("{wanted}~{uses}");
        }
        prefix
    }
}

fn meaning(
    keys: &[(String, Type)],
    requests: &[RequestInput],
    groups: &[GroupUse],
    derived: &[DerivedUse],
    selected: &[SelectedPlan],
) -> crate::plan::MeaningHash {
    let mut meaning = Meaning::new("service");
    meaning.list(keys, |meaning, (name, ty)| {
        meaning.text(name);
        meaning.ty(ty);
    });
    meaning.list(requests, |meaning, request| {
        meaning.text(&request.name);
        meaning.slot(&request.slot);
    });
    meaning.list(groups, |meaning, group| {
        meaning.text(&group.prefix);
        meaning.other(group.group.meaning);
        meaning.list(&group.key, |meaning, at| meaning.number(*at as i64));
    });
    meaning.list(derived, |meaning, derived| {
        meaning.text(&derived.prefix);
        meaning.other(derived.derived.meaning);
        meaning.list(&derived.keys, |meaning, (name, at)| {
            meaning.text(name);
            meaning.number(*at as i64);
        });
    });
    meaning.list(selected, |meaning, selected| {
        meaning.text(&selected.feature);
        meaning.text(&selected.name);
        meaning.slot(&selected.slot);
    });
    meaning.hash()
}
