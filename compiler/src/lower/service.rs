//! Services: which groups and derived groups are needed, and whose keys they are asked with.

use std::sync::Arc;

use feat_kernel::types::Type;

use super::{Names, Reference};
use crate::expr::each_column;
use crate::ir::{Derived, Entity, Model, QName, Role, Service};
use crate::meaning::Meaning;
use crate::plan::{DerivedUse, GroupUse, Plans, RequestInput, SelectedPlan, ServicePlan};

/// Plans `service`; `None` if something it needs was left out.
pub(super) fn plan(
    model: &Model,
    names: &Names<'_>,
    plans: &Plans,
    service: &Service,
) -> Option<ServicePlan> {
    let mut needs =
        Needs { model, names, plans, service, keys: Vec::new(), groups: Vec::new(), derived: Vec::new() };
    for role in &service.of {
        let entity = model.entities.get(&role.entity)?;
        for (input, (_, ty)) in role.inputs.iter().zip(&entity.keys) {
            needs.key(input, ty);
        }
    }
    let mut selected = Vec::with_capacity(service.selected.len());
    for one in &service.selected {
        let prefix = if model.derived.contains_key(&one.group) {
            needs.derive(&one.group)?;
            one.group.name.clone()
        } else {
            let role = service.of.get(one.role)?;
            let entity = &model.groups.get(&one.group)?.entity;
            let other = |it: &&crate::ir::Selected| it.group == one.group && it.role != one.role;
            let prefix = match service.selected.iter().find(other) {
                Some(_) => format!("{}.{}", role.name, one.group.name),
                None => one.group.name.clone(),
            };
            let entity = model.entities.get(entity)?;
            let key = needs.key_of(entity, std::slice::from_ref(role), Some(0));
            let key = key.or_else(|| needs.key_of(entity, &service.of, None))?;
            needs.group(&prefix, &one.group, key)?;
            prefix
        };
        let feature = format!("{prefix}.{}", one.feature);
        selected.push(SelectedPlan {
            name: one.alias.clone().unwrap_or_else(|| feature.clone()),
            column: one.alias.clone().unwrap_or_else(|| feature.replace('.', "__")),
            feature,
            slot: one.slot.clone(),
        });
    }
    let requests: Vec<RequestInput> = service
        .with
        .iter()
        .filter_map(|name| model.sources.get(name))
        .flat_map(|source| {
            let stored = source.columns.iter().filter(|column| column.value.is_none());
            stored.map(|column| RequestInput {
                column: column.name.clone(),
                name: format!("{}.{}", source.name.name, column.name),
                slot: column.slot.clone(),
            })
        })
        .collect();
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

struct Needs<'a> {
    model: &'a Model,
    names: &'a Names<'a>,
    plans: &'a Plans,
    service: &'a Service,
    keys: Vec<(String, Type)>,
    groups: Vec<GroupUse>,
    derived: Vec<DerivedUse>,
}

impl Needs<'_> {
    /// The place of a key input.
    fn key(&mut self, input: &str, ty: &Type) -> usize {
        if let Some(at) = self.keys.iter().position(|(name, _)| name == input) {
            return at;
        }
        self.keys.push((input.to_owned(), ty.clone()));
        self.keys.len() - 1
    }

    /// The places of the inputs that are the key of `entity`, given by the role at `role`, or by
    /// the one of `roles` that is that entity, or covered by the parts of several. `None` if they do
    /// not cover it.
    fn key_of(&mut self, entity: &Entity, roles: &[Role], role: Option<usize>) -> Option<Vec<usize>> {
        let whole = match role {
            Some(role) => roles.get(role).filter(|role| role.entity == entity.name),
            None => roles.iter().find(|role| role.entity == entity.name),
        };
        if let Some(role) = whole {
            let inputs = self.inputs(role);
            let key = inputs.iter().zip(&entity.keys).map(|(input, (_, ty))| self.key(input, ty)).collect();
            return Some(key);
        }
        let mut key = Vec::with_capacity(entity.keys.len());
        for (name, ty) in &entity.keys {
            let mut found = None;
            for role in roles {
                let parts = &self.model.entities.get(&role.entity)?.keys;
                if let Some(at) = parts.iter().position(|part| part.0 == *name && part.1 == *ty) {
                    found = self.inputs(role).get(at).cloned();
                    break;
                }
            }
            key.push(self.key(&found?, ty));
        }
        Some(key)
    }

    /// Under which names the service's caller gives the key of `role`, which may be a derived
    /// group's: that of the service with the same name, or with the same entity.
    fn inputs(&self, role: &Role) -> Vec<String> {
        let of = &self.service.of;
        let same = of.iter().find(|own| own.name == role.name && own.entity == role.entity);
        let mut alike = of.iter().filter(|own| own.entity == role.entity);
        let only = alike.next().filter(|_| alike.next().is_none());
        same.or(only).map_or_else(|| role.inputs.clone(), |own| own.inputs.clone())
    }

    fn group(&mut self, prefix: &str, name: &QName, key: Vec<usize>) -> Option<()> {
        let group = self.plans.groups.get(name)?;
        if !self.groups.iter().any(|group| group.prefix == prefix) {
            self.groups.push(GroupUse { prefix: prefix.to_owned(), group: Arc::clone(group), key });
        }
        Some(())
    }

    /// Adds a derived group behind everything that it reads.
    fn derive(&mut self, name: &QName) -> Option<()> {
        let plan = self.plans.derived.get(name)?;
        if self.derived.iter().any(|known| known.derived.name == *name) {
            return Some(());
        }
        let derived: &Derived = self.model.derived.get(name)?;
        let mut read: Vec<&str> = Vec::new();
        for feature in &derived.features {
            each_column(&feature.value, &mut |column, _| read.push(column));
        }
        read.sort_unstable();
        read.dedup();
        for column in read {
            let Some(Reference::Feature { prefix, group, role }) = self.names.reference(derived, column)
            else {
                continue;
            };
            if self.model.derived.contains_key(group) {
                self.derive(group)?;
                continue;
            }
            let entity = self.model.entities.get(&self.model.groups.get(group)?.entity)?;
            let key = self.key_of(entity, &derived.of, role)?;
            self.group(prefix, group, key)?;
        }
        let mut keys = Vec::new();
        for role in &derived.of {
            let entity = self.model.entities.get(&role.entity)?;
            let inputs = self.inputs(role);
            for ((name, ty), input) in entity.keys.iter().zip(&inputs) {
                keys.push((format!("{}.{name}", role.name), self.key(input, ty)));
            }
        }
        self.derived.push(DerivedUse { prefix: name.name.clone(), derived: Arc::clone(plan), keys });
        Some(())
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
