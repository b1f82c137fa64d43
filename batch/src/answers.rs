//! The physical plan of one group over one spine.

use std::sync::{Arc, Mutex};

use datafusion::physical_expr::Partitioning;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use feat_compiler::plan::{GroupPlan, SourcePlan};
use feat_compiler::prepare::{Counts, Mode};
use feat_kernel::time::Micros;

use crate::counts::{OutcomeCounter, Outcomes};
use crate::desk::Join;
use crate::error::BatchError;
use crate::log::{LogPrefix, by_place};
use crate::place::KeyHash;
use crate::point_in_time::PointInTimeExec;
use crate::prepared::{Needed, Packing, Preparation};
use crate::scan::{Conformer, Order, scan};
use crate::session::Session;
use crate::slide::Layout;
use crate::spine::{Extent, Spine};
use crate::tables::Tables;

/// What is asked of a group.
pub(crate) struct Ask<'a> {
    /// The group.
    pub(crate) group: &'a Arc<GroupPlan>,
    /// The spine's columns that are its key.
    pub(crate) key: Vec<String>,
    /// As known or by event time.
    pub(crate) mode: Mode,
    /// How much later than the spine's time: a label's horizon.
    pub(crate) later: Micros,
}

/// A group's plan and what is counted while it runs.
pub(crate) struct Answers {
    /// Answers in the order of the spine's rows, one partition.
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    counts: Arc<Mutex<Counts>>,
    outcomes: Arc<OutcomeCounter>,
}

impl Answers {
    /// Plans the answers of `ask` over `spine`, whose times lie in `extent`.
    pub(crate) async fn plan(
        session: &Session,
        tables: &Tables,
        spine: &Spine,
        extent: Extent,
        ask: Ask<'_>,
    ) -> Result<Self, BatchError> {
        let Ask { group, key, mode, later } = ask;
        let packing = Arc::new(Packing::new(group));
        let (counts, outcomes) =
            (Arc::new(Mutex::new(Counts::default())), Arc::new(OutcomeCounter::default()));
        let (input, conformer) = rows(session, tables, &group.source, group.prepare.columns()).await?;
        let preparation = Preparation {
            group: Arc::clone(group),
            conformer: Arc::new(conformer),
            mode,
            packing: Arc::clone(&packing),
            needed: Needed::new(&group.view, extent.earliest.plus(later), extent.latest.plus(later)),
            counts: Arc::clone(&counts),
            progress: Arc::clone(session.progress()),
        };
        let types = group.key.iter().map(|(_, ty)| ty.clone()).collect();
        let questions = spine.questions(session, key, types, KeyHash::of(group), later).await?;
        let join = Join {
            name: group.name.to_string(),
            packing,
            layout: Arc::new(Layout::new(Arc::clone(&group.view))),
            outputs: group.outputs.clone().into(),
            counter: Arc::clone(&outcomes),
        };
        let rows = by_key(Arc::new(preparation.over(input)), session.cores())?;
        let questions = by_key(Arc::new(questions), session.cores())?;
        let joined = Arc::new(PointInTimeExec::new(rows, questions, join));
        let by_row = by_place(&joined.schema())?;
        let sorted = SortExec::new(by_row.clone(), joined).with_preserve_partitioning(true);
        let plan = Arc::new(SortPreservingMergeExec::new(by_row, Arc::new(sorted)));
        Ok(Self { plan, counts, outcomes })
    }

    /// What became of the source's rows; settled once the plan has run.
    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().map(|counts| *counts).unwrap_or_default()
    }

    /// What became of the questions; settled once the plan has run.
    pub(crate) fn outcomes(&self) -> Outcomes {
        self.outcomes.outcomes()
    }
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
        return scan(session, source, &table, columns, Order::Any).await;
    }
    let prefix: Arc<dyn PartitionStream> = Arc::new(LogPrefix::new(session, source, tables));
    let schema = Arc::clone(prefix.schema());
    let plan = StreamingTableExec::try_new(schema, vec![prefix], None, [], false, None)?;
    Ok((Arc::new(plan), Conformer::new(Arc::clone(source), columns, table.origin())))
}

/// Brings the rows of a key together, in the order of their places.
pub(crate) fn by_key(
    input: Arc<dyn ExecutionPlan>,
    partitions: usize,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let schema = input.schema();
    let order = by_place(&schema)?;
    if partitions == 1
        && datafusion::physical_plan::ExecutionPlanProperties::output_partitioning(&input).partition_count()
            == 1
    {
        return Ok(Arc::new(SortExec::new(order, input)));
    }
    let hashed =
        RepartitionExec::try_new(input, Partitioning::Hash(vec![col("hash", &schema)?], partitions))?;
    Ok(Arc::new(SortExec::new(order, Arc::new(hashed)).with_preserve_partitioning(true)))
}
