//! What is deployed, compiled: what batch, streams, loads and lookups run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use feat_compiler::plan::{GroupPlan, ServicePlan};
use feat_compiler::secrets::Secrets;
use feat_compiler::{Compiled, SourceMap};

use crate::database::Registry;
use crate::error::RegistryError;
use crate::pins::{Pin, PinState};
use crate::revision::Revision;

/// A revision, compiled.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which.
    pub revision: Revision,
    /// Its texts.
    pub texts: SourceMap,
    /// What this build makes of them: the meaning it was applied with.
    pub compiled: Compiled,
}

/// What is deployed of a project.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The newest revision.
    pub head: Arc<Snapshot>,
    /// What answers each version of each service that is not retired, older pins of a version left out.
    pub pins: Vec<Pin>,
    snapshots: BTreeMap<u64, Arc<Snapshot>>,
}

/// A group that must be kept up, with the revision that it is compiled from.
#[derive(Clone, Debug)]
pub struct LiveGroup {
    /// Its revision.
    pub snapshot: Arc<Snapshot>,
    /// The group.
    pub group: Arc<GroupPlan>,
}

impl Registry {
    /// What is deployed, compiled anew, with the secrets that expressions name.
    ///
    /// Absent: nothing was ever applied.
    /// Cost: one compilation a revision that a service is pinned to.
    /// Errors: a text was edited, no longer compiles, or means something else to this build.
    pub async fn deployed(&self, secrets: &Secrets) -> Result<Option<Deployed>, RegistryError> {
        let Some(head) = self.head().await? else { return Ok(None) };
        let pins = answering(self.pins().await?);
        let wanted: BTreeSet<u64> = pins.iter().map(|pin| pin.revision).collect();
        let mut snapshots = BTreeMap::new();
        for revision in self.revisions().await? {
            if revision.seq == head.seq || wanted.contains(&revision.seq) {
                snapshots.insert(revision.seq, Arc::new(self.snapshot(revision, secrets).await?));
            }
        }
        let head = Arc::clone(&snapshots[&head.seq]);
        let deployed = Deployed { head, pins, snapshots };
        for pin in &deployed.pins {
            let plan = deployed.plan(pin)?;
            if plan.meaning.to_string() != pin.meaning {
                return Err(RegistryError::OtherMeaning {
                    revision: pin.revision,
                    names: format!("service `{}`", pin.service),
                    theirs: deployed.snapshots[&pin.revision].revision.compiler_version.clone(),
                    semantics: deployed.snapshots[&pin.revision].revision.semantics_version,
                });
            }
        }
        Ok(Some(deployed))
    }
}

/// Of each version of a service the pin that answers it and the one that will.
fn answering(pins: Vec<Pin>) -> Vec<Pin> {
    // The newest of a version stands first.
    let mut kept: Vec<Pin> = Vec::new();
    for pin in pins {
        let same = |other: &&Pin| (&other.service, other.major) == (&pin.service, pin.major);
        let answered = kept.iter().filter(same).any(|other| other.state != PinState::Staged);
        let older = pin.state != PinState::Active && answered;
        if pin.state == PinState::Active {
            kept.retain(|other| {
                (&other.service, other.major) != (&pin.service, pin.major) || other.state == PinState::Staged
            });
        }
        if !older && pin.state != PinState::Retired {
            kept.push(pin);
        }
    }
    kept
}

impl Deployed {
    /// The revision of a pin.
    pub fn snapshot(&self, pin: &Pin) -> &Arc<Snapshot> {
        &self.snapshots[&pin.revision]
    }

    /// The plan of a pinned service.
    ///
    /// Errors: the pinned revision has no such service: the registry was edited.
    pub fn plan(&self, pin: &Pin) -> Result<&Arc<ServicePlan>, RegistryError> {
        let services = &self.snapshots[&pin.revision].compiled.plans.services;
        services
            .iter()
            .find(|(name, plan)| name.to_string() == pin.service && plan.version == pin.major)
            .map(|(_, plan)| plan)
            .ok_or_else(|| RegistryError::Edited { what: format!("the pin of service `{}`", pin.service) })
    }

    /// The pin that answers `name`: the short or full name of a service, or either with the version that
    /// is wanted, `name@2`.
    ///
    /// Errors: there is none, or several packages have one of this name.
    pub fn pin(&self, name: &str) -> Result<&Pin, RegistryError> {
        let (wanted, major) = match name.split_once('@') {
            Some((wanted, major)) => (wanted, Some(major.parse::<u32>().ok())),
            None => (name, None),
        };
        let short = |full: &str| full.rsplit('.').next() == Some(wanted);
        let answers = |pin: &&Pin| match major {
            Some(major) => pin.state != PinState::Staged && Some(pin.major) == major,
            None => pin.state == PinState::Active,
        };
        let full: Vec<&Pin> = self.pins.iter().filter(answers).filter(|pin| pin.service == wanted).collect();
        let found = if full.is_empty() {
            self.pins.iter().filter(answers).filter(|pin| short(&pin.service)).collect()
        } else {
            full
        };
        match found[..] {
            [pin] => Ok(pin),
            [] => Err(RegistryError::Unknown {
                what: "service",
                name: name.to_owned(),
                known: listed(
                    self.pins.iter().filter(|pin| pin.state != PinState::Staged).map(Pin::versioned),
                ),
            }),
            _ => Err(RegistryError::Ambiguous {
                name: name.to_owned(),
                known: listed(found.iter().map(|pin| pin.service.clone())),
            }),
        }
    }

    /// The services that can be asked: each with its plan, and whether it is what its name without a
    /// version stands for.
    pub fn services(&self) -> Result<Vec<(Arc<ServicePlan>, bool)>, RegistryError> {
        let answering = self.pins.iter().filter(|pin| pin.state != PinState::Staged);
        answering.map(|pin| Ok((Arc::clone(self.plan(pin)?), pin.state == PinState::Active))).collect()
    }

    /// Every group that must be kept up: those of the newest revision, and those that pinned services read,
    /// each view once.
    pub fn live_groups(&self) -> Result<Vec<LiveGroup>, RegistryError> {
        let mut live: Vec<LiveGroup> = Vec::new();
        let mut add = |snapshot: &Arc<Snapshot>, group: &Arc<GroupPlan>| {
            let view = |group: &GroupPlan| (group.name.clone(), group.version, group.meaning);
            if live.iter().all(|one| view(&one.group) != view(group)) {
                live.push(LiveGroup { snapshot: Arc::clone(snapshot), group: Arc::clone(group) });
            }
        };
        for group in self.head.compiled.plans.groups.values() {
            add(&self.head, group);
        }
        for pin in &self.pins {
            for used in &self.plan(pin)?.groups {
                add(self.snapshot(pin), &used.group);
            }
        }
        Ok(live)
    }
}

/// Names as messages list them.
pub(crate) fn listed(names: impl Iterator<Item = String>) -> String {
    let names: BTreeSet<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") }
}
