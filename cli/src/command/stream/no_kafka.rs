//! `feat stream` in a build without a Kafka client.

use std::sync::Arc;

use anyhow::{Result, bail};
use feat_compiler::plan::GroupPlan;
use feat_store::Store;
use feat_streaming::{GroupReport, Options};

use crate::project::Project;

/// Says what to build, or what this build can do.
#[expect(clippy::unused_async, reason = "the other build waits for a broker")]
pub(super) async fn run(
    _: &Project,
    _: &Arc<dyn Store>,
    _: &[Arc<GroupPlan>],
    _: &Options,
    _: bool,
) -> Result<Vec<GroupReport>> {
    bail!(
        "this build has no Kafka client: build it with `cargo build --release --features kafka`, or replay files with `feat stream --replay --until-end`"
    )
}
