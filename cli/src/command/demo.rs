//! `feat demo`: every flight out of New York in 2013, end to end, in a scratch folder.
//!
//! The spec and the data of `examples/flights` are in the binary. The training set of all departures
//! is built; landings and weather are streamed; at random positions of the log the online values of
//! every entity then known are compared with batch at that instant.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant as Clock;

use anyhow::{Context, Result};
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Field, Schema};
use feat_batch::{Mode, Request, Session, SpineFile, Table, Tables, build};
use feat_compiler::plan::{GroupPlan, Plans, ServicePlan};
use feat_kernel::row::Rows;
use feat_kernel::time::Instant;
use feat_kernel::value::Value;
use feat_kernel::{column, key};
use feat_serving::{Answer, Catalog, Inputs};
use feat_streaming::{LogBatch, Options, Replay, run as run_log};
use futures::TryStreamExt;

use super::compare::{Compared, compare, offline};
use crate::arguments::Demo;
use crate::output;
use crate::places::{self, Role};
use crate::project::Project;
use crate::scratch::Scratch;

/// The example, as it stands in `examples/flights`.
const FILES: [(&str, &[u8]); 6] = [
    ("feat.toml", include_bytes!("../../../examples/flights/feat.toml")),
    ("flights.feat", include_bytes!("../../../examples/flights/flights.feat")),
    ("data/departures.parquet", include_bytes!("../../../examples/flights/data/departures.parquet")),
    ("data/landings.parquet", include_bytes!("../../../examples/flights/data/landings.parquet")),
    ("data/planes.parquet", include_bytes!("../../../examples/flights/data/planes.parquet")),
    ("data/weather.parquet", include_bytes!("../../../examples/flights/data/weather.parquet")),
];

/// How many positions of the log are compared.
const POSITIONS: usize = 20;

/// Exit code 1 if a value differs.
pub(crate) fn run(demo: &Demo) -> Result<ExitCode> {
    let scratch = Scratch::new("demo", demo.dir.clone())?;
    for (name, bytes) in FILES {
        let path = scratch.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(scratch.path()))
            .context("cannot make the scratch folder")?;
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut steps = Steps { start: Clock::now() };
    let project = Project::open(Some(scratch.path()), None)?;
    super::refuse_errors(&project)?;
    let plans = &project.compiled.plans;
    let features = plans.services.values().map(|service| service.selected.len()).sum::<usize>();
    steps.done("check", &format!("flights.feat: {} groups, {features} features served", plans.groups.len()));

    let compared = super::block_on(async {
        train(&project, scratch.path(), &mut steps).await?;
        stream_and_compare(&project, demo.seed, &mut steps).await
    })?;
    output::line("");
    let rows: Vec<Vec<String>> = compared
        .iter()
        .map(|(group, found)| {
            let share = 100.0 * found.telling as f64 / found.values.max(1) as f64;
            vec![
                group.clone(),
                output::thousands(found.values),
                output::thousands(found.telling),
                format!("{share:.0} %"),
            ]
        })
        .collect();
    output::line(output::table(&["group", "compared", "neither null nor zero", "share"], &rows));
    let mut all = Compared::default();
    for found in compared.values() {
        all += *found;
    }
    output::line(format!("\ncompared {} values, {} differ", all.values, all.differ));
    Ok(if all.differ == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Builds the training set of all departures and shows some of its rows.
async fn train(project: &Project, folder: &Path, steps: &mut Steps) -> Result<()> {
    let session = places::session(project)?;
    let service = super::service(project, "flight_risk")?;
    let tables = places::tables(project, super::sources_of(&service), Role::Batch)?;
    let spine = SpineFile {
        table: Table::open(&folder.join("data/departures.parquet"), None)?,
        time: "scheduled_at".to_owned(),
        zone: Some("UTC".to_owned()),
    };
    let request = Request::Service { service: Arc::clone(&service), spine };
    let out = folder.join("training.parquet");
    let manifest = build(&session, &tables, &request, Mode::AsKnown, &out).await?;
    steps.done(
        "train",
        &format!("{} departures, {} features each", output::thousands(manifest.rows), service.selected.len()),
    );
    output::line("");
    output::line(some_rows(&out)?);
    output::line("");
    Ok(())
}

/// A few departures of a summer evening with some of their features.
fn some_rows(training: &Path) -> Result<String> {
    const FIRST: usize = 180_000;
    const STEP: usize = 40;
    const COLUMNS: [&str; 9] = [
        "carrier",
        "origin",
        "dest",
        "scheduled_at",
        "late",
        "airport_delays__late_rate_1d",
        "rotation__last_delay",
        "airport_weather__wind_mph",
        "dep__plane_age",
    ];
    let batch = crate::parquet::read(training)?;
    let mut rows = Vec::new();
    for row in (FIRST..batch.num_rows()).step_by(STEP).take(6) {
        let mut cells = Vec::new();
        for name in COLUMNS {
            let column =
                batch.column_by_name(name).with_context(|| format!("the training set lacks {name}"))?;
            cells.push(arrow::util::display::array_value_to_string(column, row)?);
        }
        rows.push(cells);
    }
    let names = COLUMNS.map(|name| name.rsplit("__").next().unwrap_or(name));
    Ok(output::table(&names, &rows))
}

/// Streams the logs with pauses at random positions, asks every known entity there, and compares the
/// answers with one training set per group afterwards.
async fn stream_and_compare(
    project: &Project,
    seed: u64,
    steps: &mut Steps,
) -> Result<BTreeMap<String, Compared>> {
    let plans = &project.compiled.plans;
    let session = places::session(project)?;
    let store = places::store(project).await?;
    let groups: Vec<Arc<GroupPlan>> = plans.groups.values().cloned().collect();
    let tables = places::tables(project, groups.iter().map(|group| &group.source), Role::Replay)?;
    let logs = logs(&session, &groups, &tables).await?;
    let alone = Plans { services: plans.alone.clone(), ..Plans::default() };
    let catalog = Catalog::new(&alone, Arc::clone(&store));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let options = Options { workers, chunk_keys: super::stream::REPLAY_KEYS, ..Options::default() };
    let mut asked: BTreeMap<String, Vec<(RecordBatch, Answer)>> = BTreeMap::new();
    let mut records = 0;
    let (mut streaming, mut asking) = (0.0, 0.0);
    for instant in instants(&logs, seed) {
        let start = Clock::now();
        for log in &logs {
            let until = log.until(instant);
            let options = Options { until: Some(until), ..options.clone() };
            let source = Replay::of(log.name.as_str(), log.batches.clone());
            records += run_log(&store, &log.groups, &source, &options, &|_| {}).await?.progress.records;
        }
        streaming += start.elapsed().as_secs_f64();
        let start = Clock::now();
        for log in &logs {
            for (group, met) in log.groups.iter().zip(&log.met) {
                let keys = met.before(log.until(instant));
                let service = catalog.service(&group.name.to_string())?;
                let inputs = Inputs::from_batch(&service, &keys, "the log's keys")?;
                let answer = catalog.lookup(&service, &inputs, Some(instant.next()), Instant::MIN).await?;
                asked.entry(group.name.name.clone()).or_default().push((keys, answer));
            }
        }
        asking += start.elapsed().as_secs_f64();
    }
    steps.took(
        "stream",
        streaming,
        &format!("{} records of {} logs", output::thousands(records), logs.len()),
    );
    let entities: usize = asked.values().flatten().map(|(keys, _)| keys.num_rows()).sum();
    steps.took(
        "get",
        asking,
        &format!(
            "{} entities at {POSITIONS} random positions of the log",
            output::thousands(entities as u64)
        ),
    );
    let mut compared = BTreeMap::new();
    for group in &groups {
        let found = &asked[&group.name.name];
        let service = &plans.alone[&group.name];
        compared.insert(group.name.name.clone(), compare_group(&session, &tables, service, found).await?);
    }
    steps.done("compare", "the same entities and instants by batch");
    Ok(compared)
}

/// One training set for every entity and instant that was asked online.
async fn compare_group(
    session: &Session,
    tables: &Tables,
    service: &Arc<ServicePlan>,
    asked: &[(RecordBatch, Answer)],
) -> Result<Compared> {
    let schema = asked.first().map_or_else(|| Arc::new(Schema::empty()), |(keys, _)| keys.schema());
    let keys = arrow::compute::concat_batches(&schema, asked.iter().map(|(keys, _)| keys))?;
    let at: Vec<Instant> =
        asked.iter().flat_map(|(keys, answer)| vec![answer.evaluated_at; keys.num_rows()]).collect();
    let offline = offline(session, tables, service, &keys, &at).await?;
    let mut found = Compared::default();
    let mut first = 0;
    for (keys, answer) in asked {
        for (at, feature) in answer.features.iter().enumerate() {
            let offline = offline.column(at).slice(first, keys.num_rows());
            found += compare(&feature.selected.slot.ty, &feature.column(), &offline);
        }
        first += keys.num_rows();
    }
    Ok(found)
}

/// A source's log in memory, with the groups that read it.
struct Log {
    name: String,
    groups: Vec<Arc<GroupPlan>>,
    batches: Vec<LogBatch>,
    /// The known of every record, in order.
    known: Vec<i64>,
    /// One a group.
    met: Vec<Met>,
}

impl Log {
    /// The offset of the first record that is not known at `instant`.
    fn until(&self, instant: Instant) -> u64 {
        self.known.partition_point(|&known| known <= instant.0) as u64
    }
}

async fn logs(session: &Session, groups: &[Arc<GroupPlan>], tables: &Tables) -> Result<Vec<Log>> {
    let mut logs: Vec<Log> = Vec::new();
    for group in groups {
        let name = format!("{}/0", group.source.root.name);
        if let Some(log) = logs.iter_mut().find(|log| log.name == name) {
            log.met.push(Met::new(group, &log.batches)?);
            log.groups.push(Arc::clone(group));
            continue;
        }
        let batches: Vec<_> =
            feat_batch::read_log(session, &group.source, tables).await?.try_collect().await?;
        let known = batches.iter().flat_map(|batch| batch.known.values().to_vec()).collect();
        let batches = batches.into_iter();
        let batches: Vec<LogBatch> =
            batches.map(|log| LogBatch::consecutive(log.batch, log.known, log.first_offset)).collect();
        let met = vec![Met::new(group, &batches)?];
        logs.push(Log { name, groups: vec![Arc::clone(group)], batches, known, met });
    }
    Ok(logs)
}

/// The instants of random records of the longest log, in order, each once.
fn instants(logs: &[Log], seed: u64) -> Vec<Instant> {
    let Some(longest) = logs.iter().max_by_key(|log| log.known.len()) else { return Vec::new() };
    let mut state = seed;
    let mut random = || {
        // SplitMix64: a seed gives the same positions on every machine.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut instants = std::collections::BTreeSet::new();
    while instants.len() < POSITIONS.min(longest.known.len()) {
        instants.insert(Instant(longest.known[(random() % longest.known.len() as u64) as usize]));
    }
    instants.into_iter().collect()
}

/// The keys that a group meets in its log, in the order of their first record.
struct Met {
    /// The offset of each key's first record.
    first: Vec<u64>,
    /// The keys under the names of the group's key columns.
    keys: RecordBatch,
}

impl Met {
    fn new(group: &GroupPlan, log: &[LogBatch]) -> Result<Self> {
        let mut first = Vec::new();
        let mut columns: Vec<Vec<Value>> = vec![Vec::new(); group.key.len()];
        let mut seen = HashSet::new();
        for part in log {
            let prepared = group.prepare.prepare(&part.batch, Mode::AsKnown, None)?;
            let rows = Rows::new(&group.view, &prepared.rows);
            for (at, row) in prepared.place.values().iter().enumerate() {
                if seen.insert(rows.key(at).to_vec()) {
                    first.push(part.offsets.value(*row as usize));
                    let values = key::decode(rows.key(at)).context("a prepared key does not read")?;
                    columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
                }
            }
        }
        let fields: Vec<Field> =
            group.key.iter().map(|(name, ty)| Field::new(name, ty.arrow(), true)).collect();
        let arrays =
            columns.iter().zip(&group.key).map(|(values, (_, ty))| column::array(ty, values)).collect();
        Ok(Self { first, keys: RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)? })
    }

    /// The keys met before offset `until`.
    fn before(&self, until: u64) -> RecordBatch {
        self.keys.slice(0, self.first.partition_point(|&first| first < until))
    }
}

/// What a step took, as it is printed.
struct Steps {
    start: Clock,
}

impl Steps {
    fn done(&mut self, step: &str, what: &str) {
        let now = Clock::now();
        self.took(step, (now - self.start).as_secs_f64(), what);
        self.start = now;
    }

    fn took(&mut self, step: &str, seconds: f64, what: &str) {
        output::line(format!("{step:8} {seconds:6.2} s  {what}"));
        self.start = Clock::now();
    }
}
