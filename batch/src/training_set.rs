//! A training set: exactly the spine's rows in the spine's order, one typed column per feature
//! beside them, then labels.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use feat_compiler::ir::QName;
use feat_compiler::plan::{DatasetPlan, GroupPlan, LabelUse, ServicePlan, SourcePlan};
use feat_compiler::prepare::Mode;
use feat_kernel::time::{Instant, Micros};
use futures::{Stream, StreamExt, TryStreamExt};

use crate::answers::{Answers, Ask, Sight, Tally};
use crate::columns::{Columns, Errors, Member, PassStream};
use crate::counts::Outcomes;
use crate::error::BatchError;
use crate::log::last_known;
use crate::manifest::{Checksum, DatasetEntry, GroupEntry, Manifest, TableEntry};
use crate::parquet_file::ParquetFile;
use crate::session::{Progress, Session};
use crate::spine::{Extent, Spine, SpineFile};
use crate::tables::Tables;
use crate::zip::AnswerStream;

/// What a training set is made from.
#[derive(Clone, Debug)]
pub enum Request {
    /// The features of a service for the rows of a file.
    Service {
        /// The service.
        service: Arc<ServicePlan>,
        /// The rows.
        spine: SpineFile,
    },
    /// A dataset of the spec.
    Dataset(Arc<DatasetPlan>),
}

impl Request {
    fn service(&self) -> &Arc<ServicePlan> {
        match self {
            Self::Service { service, .. } => service,
            Self::Dataset(dataset) => &dataset.service,
        }
    }

    fn labels(&self) -> &[LabelUse] {
        match self {
            Self::Service { .. } => &[],
            Self::Dataset(dataset) => &dataset.labels,
        }
    }
}

/// A training set that is being made: planned, and checked as far as that goes without its rows.
pub struct TrainingSet {
    session: Session,
    tables: Tables,
    request: Request,
    mode: Mode,
    spine: Spine,
    extent: Extent,
    unsettled: u64,
    complete_to: Option<Instant>,
    passes: Vec<Pass>,
    errors: Errors,
    schema: SchemaRef,
}

/// Groups and labels that one pass answers.
struct Pass {
    answers: Answers,
    /// Which: places in the service's groups, then those of the labels.
    members: Vec<usize>,
}

/// Makes a training set and writes it as Parquet to `out`, its manifest beside it
/// (`FILE.manifest.json` beside `FILE.parquet`).
///
/// Shape: the spine's rows in the spine's order; all its columns, then one per selected feature, then
/// labels. A dataset leaves out rows whose labels' windows have not passed.
/// Absent: a row whose key is null has null for every feature of that key.
/// Cost: one scan and one sort per group, in parallel, spilling under the session's limit.
/// Errors: nothing is left at `out` by a run that fails; what was there before stays. An `out` that
/// the run reads is refused before anything is written.
pub async fn build(
    session: &Session,
    tables: &Tables,
    request: &Request,
    mode: Mode,
    out: &Path,
) -> Result<Manifest, BatchError> {
    let beside = manifest_of(out);
    for path in [out, &beside] {
        refuse_input(request, tables, path)?;
    }
    let set = TrainingSet::plan(session, tables, request, mode).await?;
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = out.file_name().and_then(|name| name.to_str()).unwrap_or("training-set");
    let unfinished = Unfinished(folder.join(format!(".{name}.unfinished")));
    let checksum = set.write(&unfinished.0).await.map_err(|error| match error {
        // Nobody has heard of the unfinished file.
        BatchError::Write { cause, .. } => BatchError::Write { path: out.to_owned(), cause },
        other => other,
    })?;
    let manifest = set.manifest(checksum)?;
    let text = serde_json::to_vec_pretty(&manifest).map_err(|cause| write_error(&beside, cause))?;
    // The manifest comes last: a file with an older manifest is noticed by its checksum.
    std::fs::rename(&unfinished.0, out).map_err(|cause| write_error(out, cause))?;
    std::fs::write(&beside, text).map_err(|cause| write_error(&beside, cause))?;
    Ok(manifest)
}

/// `o.manifest.json` of `o.parquet`.
fn manifest_of(out: &Path) -> PathBuf {
    match out.extension() {
        Some(extension) if extension == "parquet" => out.with_extension("manifest.json"),
        _ => PathBuf::from(format!("{}.manifest.json", out.display())),
    }
}

/// Refuses to write what the run reads.
fn refuse_input(request: &Request, tables: &Tables, path: &Path) -> Result<(), BatchError> {
    let spine = match request {
        Request::Service { spine, .. } => Some(("the spine".to_owned(), &spine.table)),
        Request::Dataset(_) => None,
    };
    let sources = tables.iter().map(|(name, table)| (format!("source `{name}`"), table));
    for (what, table) in spine.into_iter().chain(sources) {
        if let Some(why) = table.reads(path) {
            let reason = format!("would be written over what {what} reads ({why}): write to another place");
            return Err(BatchError::File { path: path.to_owned(), reason });
        }
    }
    Ok(())
}

/// A file that is removed if it does not become its final one.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Nothing to remove once it was renamed.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl TrainingSet {
    /// Plans the training set of `request`.
    ///
    /// Cost: one look at the spine's times; with labels, one at when their sources' rows became known.
    /// Errors: what a file holds is not what the spec declares; a spine time that is null or has no
    /// zone; spine columns with the names of features.
    pub async fn plan(
        session: &Session,
        tables: &Tables,
        request: &Request,
        mode: Mode,
    ) -> Result<Self, BatchError> {
        let service = request.service();
        let mut complete_to: Option<Instant> = None;
        let mut settled: Option<Instant> = None;
        for label in request.labels() {
            let known = last_known(session, &label.label.group.source, tables).await?.unwrap_or(Instant::MIN);
            complete_to = Some(complete_to.map_or(known, |before| before.min(known)));
            let last = known.minus(label.label.horizon);
            settled = Some(settled.map_or(last, |before| before.min(last)));
        }
        let spine = match request {
            Request::Service { service, spine } => Spine::of_file(session, service, spine).await?,
            Request::Dataset(dataset) => Spine::of_dataset(session, dataset, tables, settled).await?,
        };
        let extent = spine.extent(session).await?;
        let unsettled = spine.unsettled();
        let schema = schema(&spine, service, request.labels())?;
        let groups = service.groups.iter().map(|used| Ask {
            group: &used.group,
            key: used.key.iter().map(|&at| service.keys[at].0.clone()).collect(),
            mode,
            sight: Sight::Foresight,
            later: Micros::ZERO,
        });
        let label_groups: Vec<Arc<GroupPlan>> =
            request.labels().iter().map(|label| Arc::new(label.label.group.clone())).collect();
        let labels = request.labels().iter().zip(&label_groups).map(|(label, group)| Ask {
            group,
            key: label.key.clone(),
            mode: Mode::AsKnown,
            sight: Sight::Hindsight,
            later: label.label.horizon,
        });
        let mut waiting: Vec<(usize, Ask<'_>)> = groups.chain(labels).enumerate().collect();
        let mut passes = Vec::new();
        while !waiting.is_empty() {
            let mut room = session.groups();
            let (together, others) = {
                let first = &waiting[0].1;
                let alike: Vec<bool> = waiting
                    .iter()
                    .map(|(_, ask)| {
                        room > 0 && ask.is_asked_as(first) && {
                            room -= 1;
                            true
                        }
                    })
                    .collect();
                let mut alike = alike.into_iter();
                waiting.into_iter().partition::<Vec<_>, _>(|_| alike.next().unwrap_or_default())
            };
            waiting = others;
            let (members, asks): (Vec<usize>, Vec<Ask<'_>>) = together.into_iter().unzip();
            let answers = Answers::plan(session, tables, &spine, extent, &asks).await?;
            passes.push(Pass { answers, members });
        }
        Ok(Self {
            session: session.clone(),
            tables: tables.clone(),
            request: request.clone(),
            mode,
            spine,
            extent,
            unsettled,
            complete_to,
            passes,
            errors: Errors::default(),
            schema,
        })
    }

    /// The columns in their order.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.extent.rows
    }

    /// The physical plans, and whose answers are their columns behind the first, in their order: places in the
    /// service's groups, then those of the labels.
    pub fn plans(&self) -> impl Iterator<Item = (&[usize], &Arc<dyn ExecutionPlan>)> {
        self.passes.iter().map(|pass| (pass.members.as_slice(), &pass.answers.plan))
    }

    /// The physical plans, as indented text, each under the names of the groups and labels it answers.
    pub fn explain(&self) -> String {
        let groups = self.request.service().groups.iter().map(|used| used.prefix.as_str());
        let labels = self.request.labels().iter().map(|label| label.label.group.name.name.as_str());
        let names: Vec<&str> = groups.chain(labels).collect();
        let passes = self.passes.iter().map(|pass| {
            let members: Vec<&str> = pass.members.iter().map(|&member| names[member]).collect();
            format!("{}\n{}", members.join(", "), displayable(pass.answers.plan.as_ref()).indent(false))
        });
        passes.collect::<Vec<_>>().join("\n")
    }

    /// The rows, in the spine's order.
    ///
    /// Each batch is one of the spine's. Groups run as many at a time as cores and memory allow.
    pub async fn stream(
        &self,
    ) -> Result<impl Stream<Item = Result<RecordBatch, BatchError>> + Send + use<>, BatchError> {
        let task = self.session.task();
        let widest = self.passes.iter().map(|pass| pass.members.len()).max().unwrap_or(1);
        let passes: Vec<PassStream> = futures::stream::iter(&self.passes)
            .map(|pass| {
                let (plan, task) = (Arc::clone(&pass.answers.plan), Arc::clone(&task));
                let mut first = 0;
                let members = pass.members.iter().zip(&pass.answers.tallies).map(|(&member, tally)| {
                    first += tally.outputs;
                    (member, first - tally.outputs..first)
                });
                let members = members.collect();
                async move {
                    Ok(PassStream {
                        stream: AnswerStream::start(execute_stream(plan, task)?).await?,
                        members,
                    })
                }
            })
            .buffered(self.session.groups().div_ceil(widest))
            .try_collect::<Vec<_>>()
            .await
            .map_err(|cause: BatchError| cause)?;
        let spine = execute_stream(self.spine.plan(&self.session, None).await?, task)?;
        let service = Arc::clone(self.request.service());
        let columns = Columns {
            spine: self.spine.clone(),
            schema: Arc::clone(&self.schema),
            service,
            labels: self.request.labels().to_vec(),
            passes,
            errors: Arc::clone(&self.errors),
            next: 0,
        };
        let state = (spine, columns);
        Ok(futures::stream::try_unfold(state, |(mut spine, mut columns)| async move {
            let Some(batch) = spine.next().await else { return Ok(None) };
            let batch = columns.beside(&batch?).await?;
            Ok(Some((batch, (spine, columns))))
        }))
    }

    /// Writes the rows as Parquet.
    async fn write(&self, path: &Path) -> Result<Checksum, BatchError> {
        let progress: &Arc<Progress> = self.session.progress();
        let mut file = ParquetFile::create(path, &self.schema, self.session.cores())?;
        let mut checksum = Checksum::default();
        let mut rows = Box::pin(self.stream().await?);
        while let Some(batch) = rows.try_next().await? {
            checksum.add(&batch)?;
            file.write(&batch).await?;
            progress.add_written(batch.num_rows());
        }
        file.close().await?;
        Ok(checksum)
    }

    /// What it was made of. Counts are those of the stream that has been read to its end.
    ///
    /// Cost: reads every byte of every table once, for the fingerprints.
    pub fn manifest(&self, checksum: Checksum) -> Result<Manifest, BatchError> {
        let service = self.request.service();
        let errors = self.errors.lock().map(|errors| errors.clone()).unwrap_or_default();
        let (mut groups, mut labels) = (BTreeMap::new(), BTreeMap::new());
        let mut tables = BTreeMap::new();
        let uses =
            service.groups.iter().map(|used| (Member::Features(used.prefix.clone()), used.group.as_ref()));
        let labelled = self.request.labels().iter().map(|label| &label.label.group);
        let labelled = labelled.map(|group| (Member::Labels(group.name.clone()), group));
        let mut tallies: BTreeMap<usize, &Tally> = BTreeMap::new();
        for pass in &self.passes {
            tallies.extend(pass.members.iter().copied().zip(&pass.answers.tallies));
        }
        for ((member, group), tally) in uses.chain(labelled).zip(tallies.values()) {
            let counts = tally.counts();
            let mut outcomes = tally.outcomes();
            outcomes.error = errors.get(&member).copied().unwrap_or_default();
            outcomes.no_key = self.extent.rows - outcomes.present - outcomes.empty - outcomes.absent;
            let admission = [
                ("read", counts.read),
                ("admitted", counts.admitted),
                ("filtered", counts.filtered),
                ("before_since", counts.before_since),
                ("dropped", counts.dropped),
                ("quarantined", counts.quarantined),
                ("late", counts.late),
                ("null_key", counts.null_key),
                ("clamped", counts.clamped),
                ("warned", counts.warned),
                ("errors", counts.errors),
            ];
            let entry = GroupEntry {
                name: group.name.to_string(),
                version: group.version,
                meaning: group.meaning.to_string(),
                outcomes,
                admission: admission.into_iter().map(|(name, rows)| (name.to_owned(), rows)).collect(),
            };
            match member {
                Member::Features(prefix) => groups.insert(full(&group.name, prefix), entry),
                Member::Labels(name) => labels.insert(name.to_string(), entry),
            };
            self.table(&group.source, counts.read, &mut tables)?;
        }
        for used in &service.derived {
            let entry = GroupEntry {
                name: used.derived.name.to_string(),
                version: used.derived.version,
                meaning: used.derived.meaning.to_string(),
                outcomes: Outcomes {
                    error: errors.get(&Member::Features(used.prefix.clone())).copied().unwrap_or_default(),
                    ..Outcomes::default()
                },
                admission: BTreeMap::new(),
            };
            groups.insert(full(&used.derived.name, used.prefix.clone()), entry);
        }
        let dataset = match &self.request {
            Request::Service { .. } => None,
            Request::Dataset(dataset) => {
                Some(DatasetEntry { name: dataset.name.to_string(), meaning: dataset.meaning.to_string() })
            }
        };
        Ok(Manifest {
            service: service.name.to_string(),
            service_version: service.version,
            service_meaning: service.meaning.to_string(),
            dataset,
            kernel_version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: match self.mode {
                Mode::AsKnown => "as-known",
                Mode::EventTime => "event-time",
            },
            groups,
            labels,
            tables,
            spine: TableEntry {
                path: self.spine.table.origin(),
                rows: self.extent.rows,
                fingerprint: self.spine.table.fingerprint()?,
                prefix: self.spine.table.prefix,
            },
            rows: self.extent.rows,
            checksum: checksum.to_string(),
            columns: self.schema.fields().iter().map(|field| field.name().clone()).collect(),
            labels_complete_to: self.complete_to.map(|to| to.to_string()),
            rows_without_labels: self.unsettled,
        })
    }

    fn table(
        &self,
        source: &SourcePlan,
        rows: u64,
        into: &mut BTreeMap<String, TableEntry>,
    ) -> Result<(), BatchError> {
        let name = source.root.to_string();
        if into.contains_key(&name) {
            return Ok(());
        }
        let table = self.tables.get(source)?;
        let entry = TableEntry {
            path: table.origin(),
            rows,
            fingerprint: table.fingerprint()?,
            prefix: table.prefix,
        };
        into.insert(name, entry);
        Ok(())
    }
}

/// The full name of a group that a service calls `prefix`.
fn full(group: &QName, prefix: String) -> String {
    QName { package: group.package.clone(), name: prefix }.to_string()
}

/// The columns of a training set: the spine's, the features, the labels.
fn schema(spine: &Spine, service: &ServicePlan, labels: &[LabelUse]) -> Result<SchemaRef, BatchError> {
    let mut fields: Vec<Arc<Field>> = spine.schema.fields().to_vec();
    let mut add = |name: &str, ty: DataType| {
        if fields.iter().any(|field| field.name() == name) {
            return Err(BatchError::Spine {
                origin: spine.table.origin(),
                reason: format!(
                    "column `{name}` has the name of a feature: rename one of them, a feature by `as`"
                ),
            });
        }
        fields.push(Arc::new(Field::new(name, ty, true)));
        Ok(())
    };
    for selected in &service.selected {
        add(&selected.column, selected.slot.ty.arrow())?;
    }
    for label in labels {
        for (feature, column) in &label.features {
            let found = label.label.group.features.iter().find(|found| &found.name == feature);
            let found = found.ok_or_else(|| {
                BatchError::Request(format!(
                    "label group `{}` has no feature `{feature}`",
                    label.label.group.name
                ))
            })?;
            add(column, found.slot.ty.arrow())?;
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn write_error(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BatchError {
    BatchError::Write { path: path.to_owned(), cause: cause.into() }
}
