//! The physical plan of groups over one spine.

use std::sync::{Arc, Mutex};

use datafusion::physical_expr::Partitioning;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use feat_compiler::plan::{GroupPlan, SourcePlan};
use feat_compiler::prepare::{Counts, Mode};
use feat_kernel::time::Micros;

use crate::counts::{OutcomeCounter, Outcomes};
use crate::desk::Join;
use crate::error::BatchError;
use crate::hindsight;
use crate::log::{LogPrefix, by_place};
use crate::place::KeyHash;
use crate::point_in_time::PointInTimeExec;
use crate::prepared::{Needed, Packing, Placing, Preparation};
use crate::scan::{Conformer, Order, scan};
use crate::session::Session;
use crate::slide::Layouts;
use crate::spine::{Extent, Spine};
use crate::tables::Tables;

/// Which of a group's rows are seen at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Those that were known by then: what a feature sees.
    Foresight,
    /// Those that had happened by then, however late they became known: what a label sees.
    Hindsight,
}

/// What is asked of a group.
pub(crate) struct Ask<'a> {
    /// The group.
    pub(crate) group: &'a Arc<GroupPlan>,
    /// The spine's columns that are its key.
    pub(crate) key: Vec<String>,
    /// As known or by event time.
    pub(crate) mode: Mode,
    /// Which rows it sees.
    pub(crate) sight: Sight,
    /// How much later than the spine's time: a label's horizon.
    pub(crate) later: Micros,
}

impl Ask<'_> {
    /// Whether the questions of both are the same, so that one pass can answer them.
    pub(crate) fn is_asked_as(&self, other: &Self) -> bool {
        (&self.key, self.later, KeyHash::of(self.group))
            == (&other.key, other.later, KeyHash::of(other.group))
            && self.group.key.iter().map(|(_, ty)| ty).eq(other.group.key.iter().map(|(_, ty)| ty))
    }
}

/// A plan that answers groups that are asked alike, and what is counted while it runs.
pub(crate) struct Answers {
    /// Answers in the order of the spine's rows, one partition.
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    /// What is counted of each group, in their order.
    pub(crate) tallies: Vec<Tally>,
}

/// What is counted of one group; settled once the plan has run.
#[derive(Clone)]
pub(crate) struct Tally {
    counts: Arc<Mutex<Counts>>,
    outcomes: Arc<OutcomeCounter>,
    /// How many outputs it has.
    pub(crate) outputs: usize,
}

impl Answers {
    /// Plans the answers of `asks`, which are asked alike, over `spine`, whose times lie in `extent`.
    pub(crate) async fn plan(
        session: &Session,
        tables: &Tables,
        spine: &Spine,
        extent: Extent,
        asks: &[Ask<'_>],
    ) -> Result<Self, BatchError> {
        let (mut groups, mut tallies) = (Vec::new(), Vec::new());
        for Ask { group, mode, sight, later, .. } in asks {
            let (packing, admitted_first) = match sight {
                Sight::Foresight => (Arc::new(Packing::new(group, placing(tables, group, *mode)?)), None),
                Sight::Hindsight => {
                    let first = group.view.dedupe.map(|_| Arc::new(Packing::by_known(group)));
                    (Arc::new(Packing::by_tau(group)), first)
                }
            };
            let tally = Tally {
                counts: Arc::new(Mutex::new(Counts::default())),
                outcomes: Arc::new(OutcomeCounter::default()),
                outputs: group.outputs.len(),
            };
            let (input, conformer) = rows(session, tables, &group.source, group.prepare.columns()).await?;
            let needed = Needed::new(&group.view, extent.earliest.plus(*later), extent.latest.plus(*later));
            let preparation = Preparation {
                group: Arc::clone(group),
                conformer: Arc::new(conformer),
                mode: *mode,
                packing: Arc::clone(admitted_first.as_ref().unwrap_or(&packing)),
                needed,
                counts: Arc::clone(&tally.counts),
                progress: Arc::clone(session.progress()),
            };
            let prepared: Arc<dyn ExecutionPlan> = Arc::new(preparation.over(input));
            let rows = match admitted_first {
                None => by_key(prepared, session.cores())?,
                Some(first) => {
                    hindsight::admitted(prepared, session.cores(), first, Arc::clone(&packing), needed)?
                }
            };
            let join = Join {
                name: group.name.to_string(),
                layouts: Layouts::new(&packing.view),
                packing,
                outputs: group.outputs.clone().into(),
                counter: Arc::clone(&tally.outcomes),
            };
            groups.push((rows, join));
            tallies.push(tally);
        }
        let Ask { group, key, later, .. } = &asks[0];
        let types = group.key.iter().map(|(_, ty)| ty.clone()).collect();
        let questions = spine.questions(session, key.clone(), types, KeyHash::of(group), *later).await?;
        let questions = by_key(Arc::new(questions), session.cores())?;
        let joined = Arc::new(PointInTimeExec::new(groups, questions));
        let by_row = by_place(&joined.schema())?;
        let sorted = SortExec::new(by_row.clone(), joined).with_preserve_partitioning(true);
        let plan = Arc::new(SortPreservingMergeExec::new(by_row, Arc::new(sorted)));
        Ok(Self { plan, tallies })
    }
}

impl Tally {
    /// What became of the source's rows.
    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().map(|counts| *counts).unwrap_or_default()
    }

    /// What became of the questions.
    pub(crate) fn outcomes(&self) -> Outcomes {
        self.outcomes.outcomes()
    }
}

/// Where rows of `group` stand that are asked in `mode`. Those of a log are known when the log says so,
/// whatever is declared.
pub(crate) fn placing(tables: &Tables, group: &GroupPlan, mode: Mode) -> Result<Placing, BatchError> {
    let table = tables.get(&group.source)?;
    let known_at_once = group.prepare.is_known_at_once() && table.prefix.is_none() && !table.is_archive();
    Ok(Placing::visible(mode == Mode::EventTime || known_at_once))
}

/// The rows of a source's table: all of them in any order, or the first of its log.
pub(crate) async fn rows(
    session: &Session,
    tables: &Tables,
    source: &Arc<SourcePlan>,
    columns: &[String],
) -> Result<(Arc<dyn ExecutionPlan>, Conformer), BatchError> {
    let table = tables.get(source)?;
    if table.prefix.is_none() {
        let (plan, conformer) = scan(session, source, &table, columns, Order::Any).await?;
        return Ok((spread(plan, session.cores())?, conformer));
    }
    let prefix: Arc<dyn PartitionStream> = Arc::new(LogPrefix::new(session, source, tables));
    let schema = Arc::clone(prefix.schema());
    let plan = StreamingTableExec::try_new(schema, vec![prefix], None, [], false, None)?;
    Ok((Arc::new(plan), Conformer::new(Arc::clone(source), columns, table.origin())))
}

/// Deals the batches of a scan to all cores: what is done with them costs more than reading them, and
/// of the parts of a file that has one row group all but one are empty.
fn spread(input: Arc<dyn ExecutionPlan>, cores: usize) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    if cores == 1 {
        return Ok(input);
    }
    Ok(Arc::new(RepartitionExec::try_new(input, Partitioning::RoundRobinBatch(cores))?))
}

/// Brings the rows of a key together, in the order of their places. The hash, by which they are
/// brought together, is left behind.
pub(crate) fn by_key(
    input: Arc<dyn ExecutionPlan>,
    partitions: usize,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let together = together(input, partitions)?;
    let order = by_place(&together.schema())?;
    Ok(Arc::new(SortExec::new(order, together).with_preserve_partitioning(true)))
}

/// Brings the rows of a key together, in any order. The hash is left behind.
pub(crate) fn together(
    input: Arc<dyn ExecutionPlan>,
    partitions: usize,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let hash = col("hash", &input.schema())?;
    let input: Arc<dyn ExecutionPlan> =
        if partitions == 1 && input.output_partitioning().partition_count() == 1 {
            input
        } else {
            Arc::new(RepartitionExec::try_new(input, Partitioning::Hash(vec![hash], partitions))?)
        };
    without_hash(input)
}

/// The other columns of packed rows, once those of a key are together.
pub(crate) fn without_hash(input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let schema = input.schema();
    let kept = schema.fields().iter().filter(|field| field.name() != "hash");
    let kept = kept.map(|field| Ok(ProjectionExpr::new(col(field.name(), &schema)?, field.name().clone())));
    Ok(Arc::new(ProjectionExec::try_new(kept.collect::<Result<Vec<_>, BatchError>>()?, input)?))
}
