//! What the operators of this crate do, for those who walk a plan: nodes of the engine say it themselves.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use feat_compiler::plan::GroupPlan;
use feat_kernel::view::View;

use crate::map::MapExec;
use crate::point_in_time::PointInTimeExec;

/// An operator whose columns are not simply those of its input.
#[derive(Clone, Debug)]
pub enum Node<'p> {
    /// Makes the rows of a source those of a group. Columns: `key`, `known`, `tau`, `tie`, `id`, `pass` as far
    /// as they are needed, `a0`, `a1`, … and `m0`, `m1`, … for the view's arguments and masks, `t0`, `t1`, … for
    /// what orders rows of one instant beside these, and `place` and `hash` of instants and key.
    Prepare(&'p Arc<GroupPlan>),
    /// Answers questions from the rows of views, one an input; questions come last. Columns: `row`, then the
    /// outputs of the views, one behind the other.
    PointInTime(Vec<&'p Arc<View>>),
}

/// What `plan` is, if it is an operator that makes columns of others.
pub fn node(plan: &dyn ExecutionPlan) -> Option<Node<'_>> {
    if let Some(join) = plan.downcast_ref::<PointInTimeExec>() {
        return Some(Node::PointInTime(join.work().views().collect()));
    }
    plan.downcast_ref::<MapExec>()?.work().prepares().map(Node::Prepare)
}
