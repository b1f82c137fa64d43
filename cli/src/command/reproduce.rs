//! `feat reproduce`: a training set made again, and compared.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use feat_batch::{Manifest, Mode, Request, SpineFile, Table, Tables, build};
use feat_registry::Registry;
use feat_registry::training_sets::TrainingSet;
use serde_json::Value as Json;

use crate::arguments::Arguments;
use crate::arguments::registry::Reproduce;
use crate::places::{self, Role};
use crate::project::Project;
use crate::scratch::Scratch;
use crate::site::{self, Site};
use crate::{output, registry};

/// Exit code 1 if it is not the same.
pub(crate) fn run(common: &Arguments, asked: &Reproduce) -> Result<ExitCode> {
    let site = Site::find(common.folder.as_deref(), common.profile.as_deref())?;
    let scratch = Scratch::new("reproduce", None)?;
    let out = asked.out.clone().unwrap_or_else(|| scratch.path().join("again.parquet"));
    let (set, manifest) = super::block_on(async {
        let Some(registry) = registry::open(&site).await? else {
            bail!("nothing was ever applied here, so no training set is known");
        };
        let set = registry.training_set(&asked.id).await?;
        let (project, request, tables, mode) = again(site, &registry, &set, None).await?;
        let manifest = build(&places::session(&project)?, &tables, &request, mode, &out).await?;
        Ok((set, manifest))
    })?;
    let changed = changed(&set.manifest, &manifest);
    if manifest.checksum == set.checksum {
        output::line(format!(
            "training set {}: {} rows, checksum {}, the same",
            set.id,
            output::thousands(manifest.rows),
            manifest.checksum
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let why = if changed.is_empty() {
        "although nothing it is made of has changed".to_owned()
    } else {
        format!("since {} is no longer what it was", changed.join(", "))
    };
    bail!(
        "training set {} is another now: checksum {} of {} rows, it was {} of {}, {why}",
        set.id,
        manifest.checksum,
        manifest.rows,
        set.checksum,
        set.rows
    );
}

/// What a training set is made of again: the revision it was made with, and its inputs where they were;
/// `spine` is what was sent, if it was.
pub(crate) async fn again(
    site: Site,
    registry: &Registry,
    set: &TrainingSet,
    spine: Option<Table>,
) -> Result<(Project, Request, Tables, Mode)> {
    let id = &set.id;
    let secrets = site::secrets();
    let revisions = registry.revisions().await?;
    let Some(revision) = revisions.into_iter().find(|revision| Some(revision.seq) == set.revision) else {
        bail!("training set `{id}` was made of files that were not applied");
    };
    let snapshot = registry.snapshot(revision, &secrets).await?;
    let project =
        Project { site, texts: snapshot.texts.clone(), compiled: snapshot.compiled.clone(), deployed: None };
    // Its service may be pinned to an older revision than the one it was made with.
    let deployed = registry.deployed(&secrets).await?;
    let said = |name: &str| set.request[name].as_str().map(str::to_owned);
    let mode = if said("mode").as_deref() == Some("event-time") { Mode::EventTime } else { Mode::AsKnown };
    let wanted = set.manifest["service_meaning"].as_str().unwrap_or_default().to_owned();
    let pinned = |name: &str| {
        let pins = deployed.iter().flat_map(|deployed| deployed.pins.iter().map(move |pin| (deployed, pin)));
        let mut of = pins.filter(|(_, pin)| pin.versioned() == name && pin.meaning == wanted);
        of.next().and_then(|(deployed, pin)| deployed.plan(pin).ok().cloned())
    };
    let kept = said("spine").map(|path| {
        Table::open(Path::new(&path), None)
            .with_context(|| format!("the spine of training set `{id}` cannot be read"))
    });
    let spine = match spine {
        Some(table) => Some(table),
        None => kept.transpose()?,
    };
    let (request, tables) = match (said("dataset"), said("service"), spine) {
        (Some(name), ..) => {
            let (mut request, tables, _) = super::train::of_dataset(&project, &name, "as-known")?;
            if let Request::Dataset(dataset) = &mut request {
                let service = format!("{}@{}", dataset.service.name, dataset.service.version);
                if let Some(service) = pinned(&service) {
                    Arc::make_mut(dataset).service = service;
                }
            }
            (request, tables)
        }
        (None, Some(name), Some(table)) => {
            let service = match pinned(&name) {
                Some(service) => service,
                None => super::service(&project, &name)?,
            };
            let spine = SpineFile { table, time: said("time").unwrap_or_default(), zone: said("zone") };
            let tables = places::tables(&project, super::sources_of(&service), Role::Batch)?;
            (Request::Service { service, spine }, tables)
        }
        _ => bail!(
            "the spine of training set `{id}` was sent and not kept: send it again, by the client that made it"
        ),
    };
    Ok((project, request, tables, mode))
}

/// What it is made of that is no longer what it was.
fn changed(old: &Json, new: &Manifest) -> Vec<String> {
    let mut names = Vec::new();
    for (name, entry) in &new.tables {
        if old["tables"][name]["fingerprint"].as_str() != Some(entry.fingerprint.as_str()) {
            names.push(format!("table `{name}` ({})", entry.path));
        }
    }
    if old["spine"]["fingerprint"].as_str() != Some(new.spine.fingerprint.as_str()) {
        names.push(format!("the spine ({})", new.spine.path));
    }
    if old["service_meaning"].as_str() != Some(new.service_meaning.as_str()) {
        names.push(format!("service `{}`", new.service));
    }
    names
}
