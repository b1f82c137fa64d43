//! Shares: which partitions of every view a process keeps, where several keep them together.
//!
//! Whoever hands out shares may be late or wrong: two processes that keep the same partition do the work
//! twice and change nothing, since every commit is compared with the marker.

use std::collections::BTreeSet;

use tokio::sync::watch;

/// The partitions of every view that one process keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// Every one.
    #[default]
    Whole,
    /// Those of these numbers, in each view.
    Of(BTreeSet<u32>),
}

impl Share {
    /// Whether `partition` of a view is in it.
    pub fn has(&self, partition: u32) -> bool {
        match self {
            Self::Whole => true,
            Self::Of(partitions) => partitions.contains(&partition),
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Of(partitions) if partitions.is_empty())
    }
}

/// The share of this process, which may be another one at any time. Without a sender it stays as it is,
/// and if it is empty then, nothing is left to do.
#[derive(Clone, Debug)]
pub struct Shares(watch::Receiver<Share>);

impl Shares {
    /// What `sender` says of the share.
    pub fn of(sender: &watch::Sender<Share>) -> Self {
        Self(sender.subscribe())
    }

    /// The share, once something is in it; `None` if that will never be.
    pub(crate) async fn next(&mut self) -> Option<Share> {
        self.0.wait_for(|share| !share.is_empty()).await.ok().map(|share| share.clone())
    }

    /// Returns when the share has become another one.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
