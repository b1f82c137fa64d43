//! Membership: the partitions of views that Kafka's protocol for consumer groups gives to this process.
//!
//! ```text
//!  processes ──join──► consumer group over `GROUP.shares`, a topic without records
//!      ▲                  │ partition 3 of the topic: partition 3 of every view
//!      └─────Share────────┘
//! ```
//!
//! The protocol hands out partitions, no more: where to go on in the log is told by the markers.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::admin::{AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tracing::{info, warn};

use super::{ANSWER, Admin, Settings, TopicError, partitions};
use crate::share::{Share, Shares};

/// How long one poll may take: as long may a leave.
const POLL: Duration = Duration::from_millis(100);

/// How long a member that leaves waits for the broker to hear it.
const FAREWELL: Duration = Duration::from_secs(5);

/// A place among the processes that keep views together, until it is dropped.
#[derive(Debug)]
pub struct Membership {
    shares: Shares,
    /// Dropped, it tells the thread that polls to leave.
    stays: Option<watch::Sender<()>>,
    left: oneshot::Receiver<()>,
}

impl Membership {
    /// Joins consumer group `group`, whose members keep views of up to `count` partitions.
    ///
    /// Makes the topic `GROUP.shares`, or gives it more partitions, where need be.
    /// Errors: the broker does not answer, or refuses the topic.
    pub async fn join(settings: &Settings, group: &str, count: u32) -> Result<Self, TopicError> {
        let topic = format!("{group}.shares");
        provide(&topic, settings, count).await?;
        let (share, _) = watch::channel(Share::Of(BTreeSet::new()));
        let shares = Shares::of(&share);
        let consumer = settings.member(group, Handing { share })?;
        consumer.subscribe(&[&topic]).map_err(|cause| TopicError::client(&topic, cause))?;
        let (stays, stay) = watch::channel(());
        let (leaves, left) = oneshot::channel();
        std::thread::spawn(move || {
            while stay.has_changed().is_ok() {
                // No record is ever written there; what comes is trouble that the client gets over.
                if let Some(Err(cause)) = consumer.poll(POLL) {
                    warn!(topic, %cause, "the consumer group of the shares");
                }
            }
            // It leaves the group, and the others are given its share.
            drop(consumer);
            leaves.send(()).ok();
        });
        Ok(Self { shares, stays: Some(stays), left })
    }

    /// The share of this process: empty until the group has given it one, and after it has left.
    pub fn shares(&self) -> Shares {
        self.shares.clone()
    }

    /// Leaves the group, so that its other members need not find out by themselves.
    pub async fn leave(mut self) {
        self.stays = None;
        timeout(FAREWELL, &mut self.left).await.ok();
    }
}

/// Sees to it that `topic` has `count` partitions or more.
async fn provide(topic: &str, settings: &Settings, count: u32) -> Result<(), TopicError> {
    let admin: Admin = settings.client()?;
    let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
    let client = |cause| TopicError::client(topic, cause);
    let new = NewTopic::new(topic, count as i32, TopicReplication::Fixed(-1));
    match admin.create_topics([&new], &options).await.map_err(client)?.into_iter().next() {
        None | Some(Ok(_)) => return Ok(()),
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {}
        Some(Err((_, code))) => return Err(client(KafkaError::AdminOp(code))),
    }
    if has(topic, settings).await? >= count as usize {
        return Ok(());
    }
    let more = NewPartitions::new(topic, count as usize);
    let made = admin.create_partitions([&more], &options).await.map_err(client)?.into_iter().next();
    match made {
        // Another process may have been first.
        Some(Err(_)) if has(topic, settings).await? >= count as usize => Ok(()),
        Some(Err((_, code))) => Err(client(KafkaError::AdminOp(code))),
        _ => Ok(()),
    }
}

/// How many partitions `topic` has.
async fn has(topic: &str, settings: &Settings) -> Result<usize, TopicError> {
    let (name, settings) = (topic.to_owned(), settings.clone());
    let asked = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = settings.consumer()?;
        partitions(&consumer, &name, settings.brokers())
    });
    asked.await.map_err(|cause| TopicError::Internal { topic: topic.to_owned(), what: cause.to_string() })?
}

/// Hears what is handed out.
struct Handing {
    share: watch::Sender<Share>,
}

impl ClientContext for Handing {}

impl ConsumerContext for Handing {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let numbers = |list: &rdkafka::TopicPartitionList| -> BTreeSet<u32> {
            list.elements().iter().map(|one| one.partition() as u32).collect()
        };
        self.share.send_if_modified(|share| {
            let mut kept = match share {
                Share::Of(kept) => kept.clone(),
                Share::Whole => BTreeSet::new(),
            };
            match rebalance {
                Rebalance::Assign(list) => kept.extend(numbers(list)),
                Rebalance::Revoke(list) => {
                    let gone = numbers(list);
                    kept.retain(|one| !gone.contains(one));
                }
                Rebalance::Error(cause) => warn!(%cause, "the shares could not be handed out"),
            }
            let next = Share::Of(kept);
            let other = next != *share;
            if other {
                info!(partitions = ?next, "a share of every view is kept here");
            }
            *share = next;
            other
        });
    }
}
