//! What applying texts would change: classes of changes, and where services would stand.

use std::collections::BTreeSet;
use std::sync::Arc;

use feat_compiler::diff::{Change, Class, What, diff};
use feat_compiler::ir::Model;
use feat_compiler::objects::Kind;
use feat_compiler::plan::{GroupPlan, ServicePlan};
use feat_compiler::{Compiled, SourceMap};

use crate::deployed::Deployed;
use crate::error::RegistryError;
use crate::pins::{Pin, PinState};
use crate::revision::{report, text_hash};

/// What applying texts would change. Made over one revision: over another it is stale.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The revision it was made over; 0: nothing was deployed.
    pub base: u64,
    /// What changes, in the order of kinds and names.
    pub changes: Vec<Change>,
    /// Where services go.
    pub moves: Vec<Move>,
    /// Groups whose online values are filled anew, by full name and version, with why.
    pub fills: Vec<(String, u32)>,
    /// Names the plan: what it was made over, and of what.
    pub hash: String,
}

/// Where a version of a service goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// It is answered by the new revision at once.
    Active {
        /// `name@version`
        service: String,
    },
    /// It will be, once what it reads is filled: `feat promote`.
    Staged {
        /// `name@version`
        service: String,
    },
    /// It stays where it is.
    Held {
        /// `name@version`
        service: String,
        /// The groups whose versions it stays on, as `group@version`.
        on: Vec<String>,
    },
    /// It is no longer in the text: it answers nobody any more.
    Retired {
        /// Its full name.
        service: String,
    },
}

impl Plan {
    /// What applying `compiled`, made of `texts`, would change over what is deployed.
    ///
    /// Errors: [`RegistryError::Blocked`] with the diagnostics if the texts have errors.
    pub fn new(
        project: &str,
        deployed: Option<&Deployed>,
        compiled: &Compiled,
        texts: &SourceMap,
    ) -> Result<Self, RegistryError> {
        if compiled.has_errors() {
            return Err(RegistryError::Blocked { reasons: vec![report(compiled, texts)] });
        }
        let nothing = Model::default();
        let old = deployed.map_or(&nothing, |deployed| &deployed.head.compiled.model);
        let mut changes = diff(old, &compiled.model);
        if let Some(deployed) = deployed {
            keep_what_is_read(deployed, &mut changes)?;
        }
        let base = deployed.map_or(0, |deployed| deployed.head.revision.seq);
        let moves = moves(deployed, compiled)?;
        let live = deployed.map(Deployed::live_groups).transpose()?.unwrap_or_default();
        let known: BTreeSet<_> = live.iter().map(|live| view(&live.group)).collect();
        let fills = compiled.plans.groups.values().filter(|group| !known.contains(&view(group)));
        let fills = fills.map(|group| (group.name.to_string(), group.version)).collect();
        Ok(Self { base, changes, moves, fills, hash: hash(project, base, texts) })
    }

    /// Whether there is nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The worst class among the changes.
    pub fn worst(&self) -> Option<Class> {
        self.changes.iter().map(|change| change.class).max()
    }

    /// Why it cannot be applied, one a change.
    pub fn blocked(&self) -> Vec<String> {
        let blocked = self.changes.iter().filter_map(|change| {
            let code = change.code.as_ref()?;
            Some(format!("{code}: {} `{}`: {}", change.kind, change.name, change.reason))
        });
        blocked.collect()
    }
}

/// What tells one view of a group from another.
fn view(group: &GroupPlan) -> (String, u32, [u8; 16]) {
    (group.name.to_string(), group.version, group.meaning.0)
}

/// Refuses to take away what a pinned service reads, although the newest text no longer does.
fn keep_what_is_read(deployed: &Deployed, changes: &mut [Change]) -> Result<(), RegistryError> {
    for change in changes.iter_mut().filter(|change| change.what == What::Removed) {
        let mut readers = Vec::new();
        for pin in deployed.pins.iter().filter(|pin| pin.revision != deployed.head.revision.seq) {
            let gone = match change.kind {
                Kind::Feature => change.name.rsplit_once('.').map(|(group, feature)| (group, Some(feature))),
                Kind::Group => Some((change.name.as_str(), None)),
                _ => None,
            };
            let Some((group, feature)) = gone else { continue };
            let newest = deployed.head.compiled.plans.groups.values();
            let version =
                newest.filter(|plan| plan.name.to_string() == group).map(|plan| plan.version).next();
            let plan = deployed.plan(pin)?;
            let of = plan
                .groups
                .iter()
                .filter(|used| used.group.name.to_string() == group && Some(used.group.version) == version);
            let reads = of.into_iter().any(|used| feature.is_none_or(|name| reads(plan, &used.prefix, name)));
            if reads {
                readers.push(pin.versioned());
            }
        }
        if !readers.is_empty() && change.code.is_none() {
            change.code = Some(feat_compiler::codes::STILL_READ);
            change.reason = format!("{}; read by {}", change.reason, readers.join(", "));
        }
    }
    Ok(())
}

/// Whether a service selects `feature` of the group with `prefix`, or derives from it.
fn reads(plan: &ServicePlan, prefix: &str, feature: &str) -> bool {
    let name = format!("{prefix}.{feature}");
    let derived = plan.derived.iter().flat_map(|used| &used.derived.features);
    plan.selected.iter().any(|selected| selected.feature == name)
        || derived.into_iter().any(|one| one.inputs.contains(&name))
}

/// Where the services of `compiled`, and those that are gone, would go.
fn moves(deployed: Option<&Deployed>, compiled: &Compiled) -> Result<Vec<Move>, RegistryError> {
    let mut moves = Vec::new();
    for (name, plan) in &compiled.plans.services {
        let name = name.to_string();
        let service = format!("{name}@{}", plan.version);
        let pins = || deployed.iter().flat_map(|deployed| &deployed.pins).filter(|pin| pin.service == name);
        let Some(deployed) = deployed.filter(|_| pins().next().is_some()) else {
            moves.push(Move::Active { service });
            continue;
        };
        let now = pins().find(|pin| pin.major == plan.version && pin.state != PinState::Staged);
        if let Some(pin) = now {
            let old = deployed.plan(pin)?;
            let on = held(old, plan);
            if !on.is_empty() {
                moves.push(Move::Held { service, on });
                continue;
            }
        }
        let filled = |group: &Arc<GroupPlan>, pin: &Pin| {
            Ok(deployed.plan(pin)?.groups.iter().any(|used| view(&used.group) == view(group)))
        };
        let active = pins().find(|pin| pin.state == PinState::Active);
        let same = match active.filter(|active| active.major == plan.version) {
            Some(active) => {
                let all: Result<Vec<bool>, RegistryError> =
                    plan.groups.iter().map(|used| filled(&used.group, active)).collect();
                all?.into_iter().all(|filled| filled)
            }
            None => false,
        };
        moves.push(if same { Move::Active { service } } else { Move::Staged { service } });
    }
    if let Some(deployed) = deployed {
        let names: BTreeSet<&String> = deployed.pins.iter().map(|pin| &pin.service).collect();
        let kept = |name: &str| compiled.plans.services.keys().any(|kept| kept.to_string() == name);
        let gone = names.into_iter().filter(|name| !kept(name));
        moves.extend(gone.map(|name| Move::Retired { service: name.clone() }));
    }
    Ok(moves)
}

/// The groups of `old` whose versions `new` leaves, as `group@version`.
fn held(old: &ServicePlan, new: &ServicePlan) -> Vec<String> {
    let left = old.groups.iter().filter(|used| {
        let now = new.groups.iter().find(|now| now.group.name == used.group.name);
        now.is_some_and(|now| now.group.version != used.group.version)
    });
    left.map(|used| format!("{}@{}", used.group.name, used.group.version)).collect()
}

fn hash(project: &str, base: u64, texts: &SourceMap) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(format!("{project}\n{base}\n{}\n", feat_compiler::VERSION).as_bytes());
    let mut files: Vec<(&str, String)> =
        texts.files().map(|file| (texts.path(file), text_hash(texts.text(file)))).collect();
    files.sort();
    for (path, text) in files {
        hash.update(format!("{path}\n{text}\n").as_bytes());
    }
    hash.finalize().to_hex()[..16].to_owned()
}
