//! `feat promote`, `feat rollback`, `feat deprecate`: which version of a service its name stands for.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use feat_compiler::plan::ServicePlan;
use feat_kernel::time::Instant;
use feat_registry::{Deployed, Pin, PinState, Registry};
use feat_store::Store;

use crate::arguments::Arguments;
use crate::arguments::registry::{Deprecate, Promote, Rollback};
use crate::site::{self, Site};
use crate::{output, places, registry, standing};

/// How far what a service reads may be behind what it reads now: a minute.
const BEHIND: i64 = 60_000_000;

/// Makes pins that wait, or one that is named, what their services' names stand for.
pub(crate) fn promote(common: &Arguments, asked: &Promote) -> Result<ExitCode> {
    let promoted = super::block_on(async {
        let (site, registry) = place(common).await?;
        let Some(deployed) = registry.deployed(&site::secrets()).await? else {
            bail!("nothing was ever applied here: `feat apply` makes the first revision");
        };
        let pins = wanted(&deployed, asked.service.as_deref())?;
        if !asked.force {
            let store = places::store_of(&site).await?;
            for pin in &pins {
                filled(&deployed, pin, &store).await?;
            }
        }
        let who = registry::who();
        for pin in &pins {
            registry.promote(pin, &registry::actor(&who)).await?;
        }
        Ok(pins)
    })?;
    if promoted.is_empty() {
        output::line("no version of a service waits");
    }
    for pin in promoted {
        output::line(format!(
            "{} is answered by {} of revision {}",
            pin.service,
            pin.versioned(),
            pin.revision
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The pins that wait; of one service, or the version of one that is named.
fn wanted(deployed: &Deployed, name: Option<&str>) -> Result<Vec<Pin>> {
    let Some(name) = name else {
        let waits = deployed.pins.iter().filter(|pin| pin.state == PinState::Staged);
        return Ok(waits.cloned().collect());
    };
    let (short, version) = super::versioned(name)?;
    let of = |pin: &&Pin| pin.service == short || pin.service.rsplit('.').next() == Some(short);
    let pins: Vec<&Pin> = deployed.pins.iter().filter(of).collect();
    if pins.is_empty() {
        // It says which there are.
        deployed.pin(short)?;
    }
    let found = match version {
        Some(version) => {
            let mut of = pins.iter().filter(|pin| pin.major == version);
            of.clone().find(|pin| pin.state == PinState::Staged).or_else(|| of.next())
        }
        None => pins.iter().find(|pin| pin.state == PinState::Staged),
    };
    match (found, version) {
        (Some(pin), _) => Ok(vec![(*pin).clone()]),
        (None, Some(version)) => bail!("service `{short}` has no version {version} that is kept up"),
        (None, None) => bail!("no version of service `{short}` waits; say which, such as {short}@1"),
    }
}

/// Refuses a pin whose groups have no values, or older ones than those that are answered now.
async fn filled(deployed: &Deployed, pin: &Pin, store: &Arc<dyn Store>) -> Result<()> {
    let active = deployed.pins.iter().find(|one| one.service == pin.service && one.state == PinState::Active);
    let now = match active {
        Some(active) => reached(deployed.plan(active)?, store).await?,
        None => None,
    };
    for used in &deployed.plan(pin)?.groups {
        let group = &used.group;
        let named = format!("group `{}` version {}", group.name, group.version);
        match (standing::complete_to(&**store, group).await?, now) {
            (None, _) => bail!(
                "{named} has no online values yet, and {} reads it: fill it with `feat stream` or `feat load`, or promote with `--force`",
                pin.versioned()
            ),
            (Some(new), Some(now)) if new.0 < now.0.saturating_sub(BEHIND) => bail!(
                "{named} is complete to {new}, and what is answered now to {now}: wait until it has caught up, or promote with `--force`"
            ),
            _ => {}
        }
    }
    Ok(())
}

/// To where all groups of a service are complete; none: one has no values.
async fn reached(plan: &ServicePlan, store: &Arc<dyn Store>) -> Result<Option<Instant>> {
    let mut least = Some(Instant::MAX);
    for used in &plan.groups {
        let at = standing::complete_to(&**store, &used.group).await?;
        least = least.zip(at).map(|(least, at)| least.min(at));
    }
    Ok(least)
}

/// Goes back to the version before.
pub(crate) fn rollback(common: &Arguments, asked: &Rollback) -> Result<ExitCode> {
    let pin = super::block_on(async {
        let (_, registry) = place(common).await?;
        let entry = registry.object(&asked.service).await?;
        let who = registry::who();
        Ok(registry.rollback(&entry.name, &registry::actor(&who)).await?)
    })?;
    output::line(format!("{} is answered by {} of revision {}", pin.service, pin.versioned(), pin.revision));
    Ok(ExitCode::SUCCESS)
}

/// Says that something should no longer be used, or ends a version of a service.
pub(crate) fn deprecate(common: &Arguments, asked: &Deprecate) -> Result<ExitCode> {
    let said = super::block_on(async {
        let (_, registry) = place(common).await?;
        let who = registry::who();
        let actor = registry::actor(&who);
        let (name, version) = super::versioned(&asked.name)?;
        let entry = registry.object(name).await?;
        if !asked.retire {
            registry.deprecate(&entry, &asked.note, &actor).await?;
            return Ok(format!("{} `{}` is deprecated", entry.kind, entry.name));
        }
        let Some(version) = version else { bail!("say which version is to end: {name}@1") };
        let pins = registry.pins().await?;
        let Some(pin) = pins.iter().find(|pin| pin.service == entry.name && pin.major == version) else {
            bail!("service `{}` has no version {version}", entry.name);
        };
        registry.retire(pin, &actor).await?;
        Ok(format!("{} answers no more", pin.versioned()))
    })?;
    output::line(said);
    Ok(ExitCode::SUCCESS)
}

async fn place(common: &Arguments) -> Result<(Site, Registry)> {
    let site = Site::find(common.folder.as_deref(), common.profile.as_deref())?;
    match registry::open(&site).await? {
        Some(registry) => Ok((site, registry)),
        None => bail!("nothing was ever applied here: `feat apply` makes the first revision"),
    }
}
