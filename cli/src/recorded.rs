//! What is run, entered in the registry: its beginning, its counts or its error, and the training set it made.
//!
//! Only what is deployed is recorded: a project that was never applied has no registry, and a draft is
//! nobody else's business.

use anyhow::Result;
use feat_batch::{Manifest, Request};
use feat_compiler::objects::Kind;
use feat_registry::Registry;
use feat_registry::runs::Counts;
use feat_registry::training_sets::TrainingSet;
use feat_registry::urn::Urn;
use feat_streaming::GroupReport;
use serde_json::{Value as Json, json};

use crate::project::Project;
use crate::registry;

/// A run under way; of what is not recorded it does nothing.
pub(crate) struct Recorded(Option<Entry>);

struct Entry {
    registry: Registry,
    id: String,
    revision: u64,
    who: String,
}

impl Recorded {
    /// Enters that a run of `urn` begins.
    pub(crate) async fn begin(project: &Project, kind: &str, urn: &str) -> Result<Self> {
        let Some(deployed) = &project.deployed else { return Ok(Self(None)) };
        let registry = registry::make(&project.site).await?;
        let (revision, who) = (deployed.head.revision.seq, registry::who());
        let id = registry.begin_run(kind, urn, Some(revision), &registry::actor(&who)).await?;
        Ok(Self(Some(Entry { registry, id, revision, who })))
    }

    /// Enters how it ended, and gives that back.
    pub(crate) async fn end<T>(
        &self,
        ended: Result<T>,
        counts: impl FnOnce(&T) -> (Counts, Json),
    ) -> Result<T> {
        if let Some(entry) = &self.0 {
            let told = match &ended {
                Ok(done) => Ok(counts(done)),
                Err(error) => Err(format!("{error:#}")),
            };
            entry.registry.end_run(&entry.id, told, &registry::actor(&entry.who)).await?;
        }
        ended
    }

    /// Enters the training set it made; its name.
    pub(crate) async fn training_set(
        &self,
        urn: &str,
        major: u32,
        request: Json,
        manifest: &Manifest,
        location: &str,
    ) -> Result<Option<String>> {
        let Some(entry) = &self.0 else { return Ok(None) };
        let actor = registry::actor(&entry.who);
        let set = TrainingSet {
            id: entry.id.clone(),
            urn: urn.to_owned(),
            major,
            revision: Some(entry.revision),
            request,
            manifest: serde_json::to_value(manifest)?,
            checksum: manifest.checksum.clone(),
            rows: manifest.rows,
            location: location.to_owned(),
            created_at: actor.at,
            created_by: entry.who.clone(),
        };
        entry.registry.record_training_set(&set, &actor).await?;
        Ok(Some(entry.id.clone()))
    }
}

/// The URN of what a training set is made of, and its service's version.
pub(crate) fn of_request(project: &Project, request: &Request) -> Result<(String, u32)> {
    let name = registry::name(&project.site)?;
    Ok(match request {
        Request::Service { service, .. } => {
            (Urn::new(Kind::Service, &name, &service.name.to_string()).to_string(), service.version)
        }
        Request::Dataset(dataset) => {
            (Urn::new(Kind::Dataset, &name, &dataset.name.to_string()).to_string(), dataset.service.version)
        }
    })
}

/// The counts of a training set: the rows of its groups' sources, each group's by itself.
pub(crate) fn of_manifest(manifest: &Manifest) -> (Counts, Json) {
    let mut counts = Counts { rows_out: manifest.rows, ..Counts::default() };
    for entry in manifest.groups.values().chain(manifest.labels.values()) {
        let rows = |outcome: &str| entry.admission.get(outcome).copied().unwrap_or_default();
        counts.rows_in += rows("read");
        counts.admitted += rows("admitted");
    }
    counts.rejected = counts.rows_in - counts.admitted;
    (counts, json!({ "checksum": manifest.checksum }))
}

/// The counts of streams and loads: the rows that each group read of its log.
pub(crate) fn of_streams<'a>(reports: impl IntoIterator<Item = &'a GroupReport>) -> Counts {
    let mut counts = Counts::default();
    for report in reports {
        counts.rows_in += report.counts.read;
        counts.admitted += report.counts.admitted;
        counts.rows_out += report.folded;
    }
    counts.rejected = counts.rows_in - counts.admitted;
    counts
}
