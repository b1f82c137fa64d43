//! The beginning of a view: empty partitions, each with a marker that nothing was read into it.

use std::sync::Arc;

use feat_store::{Committed, Durability, Store, ViewId};
use tracing::warn;

use crate::error::StreamError;
use crate::nonce::Nonces;
use crate::operator::Operator;

/// Entities that are deleted at a time where a drop was cut short.
const LEFT: usize = 1000;

/// Commits empty markers of partitions that have none, so that a store that is emptied under a run is noticed at
/// the next commit. Entities without a filled marker are what a drop left that was cut short: they go.
pub(crate) async fn begin(
    store: &Arc<dyn Store>,
    view: &ViewId,
    partitions: u32,
    operators: &mut [Operator],
) -> Result<(), StreamError> {
    let mut nonces = Nonces::fresh();
    let mut begun = false;
    loop {
        let (mut begins, mut commits) = (Vec::new(), Vec::new());
        for operator in operators.iter_mut().filter(|operator| operator.is_empty()) {
            let (view, partition) = operator.place();
            let left = store.scan(view, partition, None, LEFT).await?;
            if left.is_empty() && !operator.is_new() {
                continue;
            }
            if !left.is_empty() {
                warn!(%view, partition, entities = left.len(), "deleted what a drop that was cut short had left");
            }
            let (pending, commit) = operator.begin(left.into_iter().map(|(key, _)| key), nonces.next());
            begins.push((operator, pending));
            commits.push(commit);
        }
        if commits.is_empty() {
            break;
        }
        begun = true;
        let committed = store.commit(commits, Durability::Eventual).await?;
        for ((operator, pending), committed) in begins.into_iter().zip(committed) {
            match committed {
                Committed::Applied => {
                    operator.sent(pending);
                    operator.landed();
                }
                Committed::Conflict(current) => operator.conflict(current)?,
            }
        }
    }
    if begun {
        // Were the store emptied since the view was registered, its markers would stand there unregistered.
        store.register(view, partitions).await?;
    }
    Ok(())
}
