//! `feat audit skew`: a sample of answers, computed again offline at their stamps.
//!
//! ```text
//!  answers ──► had all been read that was known at their instant?
//!                yes: one training set over the whole log
//!                no:  one training set for each stamp, over the log before it; and what the whole log says
//! ```
//!
//! The first number is the promise: an answer is what its prefix of the log gives. The second is the price of
//! not waiting: what the answer would have been, had the stream been there already.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use feat_batch::{Archive, Clocks, Format, Session, Table, Tables};
use feat_compiler::ir::QName;
use feat_compiler::plan::{GroupPlan, GroupUse, ServicePlan, SourcePlan};
use feat_kernel::column;
use feat_kernel::time::Instant;
use feat_serving::answer_log::{AT, STAMP};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::compare::{Compared, compare, offline};
use crate::arguments::Arguments;
use crate::arguments::serve::Skew;
use crate::places::{self, Role};
use crate::project::Project;
use crate::{answers, output};

/// Differences that are shown of each service.
const SHOWN: usize = 5;

/// What the stamp of a row says of one group.
#[derive(Debug, Deserialize)]
struct Stamp {
    meaning: String,
    next: BTreeMap<String, u64>,
}

/// How far each log's partitions had been read, of one group.
type Positions = BTreeMap<u32, u64>;

/// What was found of one version of a service.
#[derive(Default)]
struct Found {
    answers: usize,
    /// Answers of groups with another meaning.
    other: usize,
    /// Answers that had not read what was known.
    behind: usize,
    compared: Compared,
    /// Of those behind, the values that the whole log would have given otherwise.
    stale: Compared,
    differences: Vec<Json>,
}

/// Exit code 1 if a value differs.
pub(crate) fn run(common: &Arguments, asked: &Skew) -> Result<ExitCode> {
    let project = super::runnable(common)?;
    let mut kept = answers::read(&asked.answers)?;
    if let Some(wanted) = &asked.service {
        let (name, version) = super::versioned(wanted)?;
        let is = |service: &str| {
            let (of, at) = super::versioned(service).unwrap_or((service, None));
            (of == name || of.rsplit('.').next() == Some(name)) && (version.is_none() || version == at)
        };
        let there: Vec<String> = kept.keys().map(|service| format!("`{service}`")).collect();
        kept.retain(|service, _| is(service));
        if kept.is_empty() {
            bail!("no answer of service `{wanted}` was kept; there are those of {}", there.join(", "));
        }
    }
    let found = super::block_on(async {
        let mut found = BTreeMap::new();
        for (name, batches) in kept {
            let audited = audit(&project, &name, &batches, asked.limit).await;
            found.insert(name.clone(), audited.with_context(|| format!("answers of service `{name}`"))?);
        }
        Ok(found)
    })?;
    tell(&found, asked.json)?;
    let differ = found.values().any(|found| found.compared.differ > 0);
    Ok(if differ { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

async fn audit(project: &Project, name: &str, batches: &[RecordBatch], limit: usize) -> Result<Found> {
    let service = super::service(project, name)?;
    let rows = concat_batches(&batches[0].schema(), batches)
        .context("were kept with other columns than one another: keep those of one version in a folder")?;
    let kept = rows.num_rows();
    let rows = evenly(&rows, limit)?;
    let stamps = stamps(&rows)?;
    let is_ours = |stamp: &BTreeMap<String, Stamp>| {
        let meaning = |used: &GroupUse| stamp.get(&used.prefix).map(|stamp| stamp.meaning.as_str());
        service.groups.iter().all(|used| meaning(used).is_none_or(|of| of == used.group.meaning.to_string()))
    };
    let ours: Vec<u32> = (0..).zip(&stamps).filter(|(_, stamp)| is_ours(stamp)).map(|(row, _)| row).collect();
    let mut found = Found { answers: ours.len(), other: rows.num_rows() - ours.len(), ..Found::default() };
    if kept > rows.num_rows() {
        output::note(format!("{} of {kept} answers of {name} are computed again", rows.num_rows()));
    }
    if ours.is_empty() {
        return Ok(found);
    }
    let session = places::session(project)?;
    let logs = Logs::open(project, &session, &service, &stamps).await?;
    // By how far their groups had come; those who had read everything are together.
    let mut cuts: BTreeMap<Vec<Option<Positions>>, Vec<u32>> = BTreeMap::new();
    let at = instants(&rows)?;
    for &row in &ours {
        let cut = service.groups.iter().map(|used| {
            let positions = positions(stamps[row as usize].get(&used.prefix)?);
            logs.is_behind(&used.group.source, &positions, at[row as usize]).then_some(positions)
        });
        cuts.entry(cut.collect()).or_default().push(row);
    }
    let bar = output::progress("computing again", cuts.len() as u64);
    for (cut, places) in cuts {
        let taken = take_record_batch(&rows, &UInt32Array::from(places.clone()))?;
        let at: Vec<Instant> = places.iter().map(|&row| at[row as usize]).collect();
        let inputs = taken.project(&(0..service.keys.len() + service.requests.len()).collect::<Vec<_>>())?;
        let (cut_service, tables) = logs.cut(&service, &cut);
        let computed = offline(&session, &tables, &cut_service, &inputs, &at).await?;
        found.compared += judged(&service, &taken, &computed, &at, &mut found.differences)?;
        if cut.iter().any(Option::is_some) {
            found.behind += places.len();
            let whole = offline(&session, &logs.tables, &service, &inputs, &at).await?;
            found.stale += judged(&service, &taken, &whole, &at, &mut Vec::new())?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(found)
}

/// At most `limit` of the rows, evenly.
fn evenly(rows: &RecordBatch, limit: usize) -> Result<RecordBatch> {
    let all = rows.num_rows();
    if all <= limit {
        return Ok(rows.clone());
    }
    let places: UInt32Array = (0..limit).map(|at| Some((at * all / limit) as u32)).collect();
    Ok(take_record_batch(rows, &places)?)
}

fn stamps(rows: &RecordBatch) -> Result<Vec<BTreeMap<String, Stamp>>> {
    let column = rows.column_by_name(STAMP).and_then(|column| column.as_string_opt::<i32>());
    let column = column.with_context(|| format!("have no text column `{STAMP}`"))?;
    let stamps = column.iter().map(|stamp| serde_json::from_str(stamp.unwrap_or_default()));
    stamps.collect::<Result<_, _>>().context("have a stamp that cannot be read")
}

fn instants(rows: &RecordBatch) -> Result<Vec<Instant>> {
    let column =
        rows.column_by_name(AT).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let column = column.with_context(|| format!("have no column `{AT}` of instants"))?;
    Ok(column.values().iter().map(|&at| Instant(at)).collect())
}

/// The positions of a stamp by the partition of each log: the number behind its name's last slash, before the
/// offset that it may begin at.
fn positions(stamp: &Stamp) -> Positions {
    let partition = |log: &str| {
        let (_, rest) = log.rsplit_once('/')?;
        rest.split('@').next()?.parse().ok()
    };
    stamp.next.iter().map(|(log, next)| (partition(log).unwrap_or_default(), *next)).collect()
}

/// Compares what was answered with what was computed, and keeps the first differences.
fn judged(
    service: &ServicePlan,
    answered: &RecordBatch,
    computed: &RecordBatch,
    at: &[Instant],
    differences: &mut Vec<Json>,
) -> Result<Compared> {
    let mut all = Compared::default();
    for (place, selected) in service.selected.iter().enumerate() {
        let (name, ty) = (&selected.column, &selected.slot.ty);
        let online = answered.column_by_name(name);
        let online = online.with_context(|| format!("have no column `{name}`: are they of this version?"))?;
        let offline = computed.column(place);
        if online.data_type() != offline.data_type() {
            bail!("have {} in column `{name}`, which is {}", online.data_type(), offline.data_type());
        }
        let found = compare(ty, online, offline);
        all += found;
        if found.differ == 0 {
            continue;
        }
        for (row, at) in at.iter().enumerate() {
            let (was, is) = (column::value(online, ty, row), column::value(offline, ty, row));
            if was == is || differences.len() >= SHOWN {
                continue;
            }
            let shown = |column: &Arc<dyn Array>| arrow::util::display::array_value_to_string(column, row);
            let keys = service.keys.iter().map(|(key, _)| -> Result<(String, Json)> {
                let column = answered.column_by_name(key).with_context(|| format!("have no key `{key}`"))?;
                Ok((key.clone(), shown(column)?.into()))
            });
            let keys: serde_json::Map<String, Json> = keys.collect::<Result<_>>()?;
            differences.push(json!({
                "feature": selected.name, "entity": keys, "at": at.to_string(),
                "answered": shown(online)?, "computed": shown(offline)?,
            }));
        }
    }
    Ok(all)
}

/// The logs of a service's sources: what its stamps are positions in.
struct Logs {
    tables: Tables,
    clocks: BTreeMap<QName, Clocks>,
}

impl Logs {
    /// Where each source's log is, by the name that its stamps have for it: the archive of a topic, or the file
    /// that was replayed or loaded.
    async fn open(
        project: &Project,
        session: &Session,
        service: &ServicePlan,
        stamps: &[BTreeMap<String, Stamp>],
    ) -> Result<Self> {
        let (mut tables, mut clocks) = (Tables::default(), BTreeMap::new());
        for used in &service.groups {
            let source = &used.group.source;
            let of_topic = stamps
                .iter()
                .filter_map(|stamp| stamp.get(&used.prefix))
                .any(|stamp| stamp.next.keys().any(|log| log.starts_with("kafka:")));
            if clocks.contains_key(&source.root) {
                continue;
            }
            let found = if of_topic {
                let mut found = Tables::default();
                found.insert(source.root.clone(), archive(project, source)?);
                found
            } else {
                places::tables(project, [source], Role::Replay)?
            };
            if source.rows.is_none() {
                tables.insert(source.root.clone(), found.get(source)?);
            }
            clocks.insert(source.root.clone(), Clocks::read(session, source, &found).await?);
        }
        Ok(Self { tables, clocks })
    }

    /// Whether who had read a source's log to `positions` had not read all that was known at `t`.
    fn is_behind(&self, source: &SourcePlan, positions: &Positions, t: Instant) -> bool {
        let clocks = &self.clocks[&source.root];
        let position = |partition| positions.get(&partition).copied().unwrap_or_default();
        clocks.partitions().any(|partition| clocks.is_behind(partition, position(partition), t))
    }

    /// The service with each group's log as it was before its positions; the whole log where there are none.
    ///
    /// Groups of one source may have stood at different records: each that is cut gets a source of its own.
    fn cut(&self, service: &Arc<ServicePlan>, cut: &[Option<Positions>]) -> (Arc<ServicePlan>, Tables) {
        let (mut own, mut tables) = (ServicePlan::clone(service), self.tables.clone());
        for (used, positions) in own.groups.iter_mut().zip(cut) {
            let Some(positions) = positions else { continue };
            let mut source = SourcePlan::clone(&used.group.source);
            let Ok(table) = self.tables.get(&source) else { continue };
            source.root.name = format!("{}~{}", source.root.name, used.prefix);
            tables.insert(source.root.clone(), table.before(positions));
            used.group = Arc::new(GroupPlan { source: Arc::new(source), ..GroupPlan::clone(&used.group) });
        }
        (Arc::new(own), tables)
    }
}

/// The archive of a source's topic.
fn archive(project: &Project, source: &SourcePlan) -> Result<Table> {
    let location = PathBuf::from(Archive::location(&places::offline(project)?.to_string_lossy(), source));
    if !location.is_dir() {
        bail!(
            "are stamped with positions in the topic of source `{}`, which has no archive at {}: `feat archive --until-end` makes it",
            source.root,
            location.display()
        );
    }
    Ok(Table::open(&location, Some(Format::Delta))?)
}

fn tell(found: &BTreeMap<String, Found>, as_json: bool) -> Result<()> {
    let mut all = Compared::default();
    for found in found.values() {
        all += found.compared;
    }
    if as_json {
        let services = found.iter().map(|(name, found)| {
            let Found { answers, other, behind, compared, stale, differences } = found;
            let of = json!({
                "answers": answers, "of_another_meaning": other, "values": compared.values,
                "differ": compared.differ, "behind": behind, "stale_values": stale.differ,
                "differences": differences,
            });
            (name.clone(), of)
        });
        let services: serde_json::Map<String, Json> = services.collect();
        return output::json(&json!({ "services": services, "values": all.values, "differ": all.differ }));
    }
    let row = |(name, found): (&String, &Found)| {
        let numbers = [
            found.answers as u64,
            found.compared.values,
            found.compared.differ,
            found.behind as u64,
            found.stale.differ,
        ];
        std::iter::once(name.clone()).chain(numbers.map(output::thousands)).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    output::line(output::table(&["service", "answers", "values", "differ", "behind", "stale values"], &rows));
    for (name, found) in found {
        for difference in &found.differences {
            output::line(format!(
                "{name}: {} of {} at {} was answered {} and is {}",
                difference["feature"].as_str().unwrap_or_default(),
                difference["entity"],
                difference["at"].as_str().unwrap_or_default(),
                difference["answered"].as_str().unwrap_or_default(),
                difference["computed"].as_str().unwrap_or_default(),
            ));
        }
        if found.other > 0 {
            output::note(format!(
                "{} answers of {name} are of groups whose meaning is another now, and were not compared",
                found.other
            ));
        }
    }
    output::line(format!("compared {} values, {} differ", output::thousands(all.values), all.differ));
    Ok(())
}
