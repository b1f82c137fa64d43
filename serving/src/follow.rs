//! Follows the registry: when what is deployed changes, lookups are answered from that.

use std::sync::Arc;
use std::time::Duration;

use feat_compiler::secrets::Secrets;
use feat_registry::{Registry, RegistryError};
use feat_store::Store;
use tracing::{info, warn};

use crate::catalog::Catalog;
use crate::current::Current;
use crate::metrics::Metrics;

/// How often the registry is asked: one read of one row.
const EVERY: Duration = Duration::from_millis(250);

/// Replaces `current` whenever what is deployed has changed; never ends.
///
/// A registry that does not answer, or whose texts this build refuses, changes nothing: what was deployed
/// goes on being answered, and the log says why.
pub async fn follow(
    registry: Registry,
    secrets: Secrets,
    store: Arc<dyn Store>,
    current: Current,
    metrics: Metrics,
    mut seen: i64,
) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = false;
    loop {
        ticks.tick().await;
        let replaced = async {
            let last = registry.last_change().await?;
            if last == seen {
                return Ok(None);
            }
            let Some(deployed) = registry.deployed(&secrets).await? else { return Ok(None) };
            let catalog = Catalog::of(deployed.services()?, Arc::clone(&store));
            Ok::<_, RegistryError>(Some((last, deployed.head.revision.seq, catalog)))
        };
        match replaced.await {
            Ok(None) => told = false,
            Ok(Some((last, revision, catalog))) => {
                current.replace(catalog);
                metrics.swapped();
                info!(revision, "lookups are answered from what is deployed now");
                (seen, told) = (last, false);
            }
            Err(error) if !told => {
                warn!(%error, "the registry cannot be followed: lookups go on from what was deployed before");
                told = true;
            }
            Err(_) => {}
        }
    }
}
