//! The store in a Redis, or in a Redis Cluster: for many processes, and for lookups from anywhere.
//!
//! ```text
//!  read    ──► one MGET a partition: marker and blobs ─┐
//!  commit  ──► one script a partition: compare, MSET  ─┼─► one block of commands a server ──► Redis
//!  scan    ──► one script: the index, then MGET       ─┘
//! ```
//!
//! Keys are those of [`feat_kernel::layout`]. Redis has no order of keys, so a sorted set per
//! partition holds the names of its entities: without it a sweep would walk over all keys of all views
//! for each partition. It costs some 110 bytes an entity beside a blob of 1000, and is written in the
//! commit's own script, so it always tells the truth.
//!
//! **What a crash leaves.** A commit is whole or absent in memory, in the append-only file and on a
//! replica. How many of the last ones a crash takes is what the server is set to (`appendonly`,
//! `appendfsync`, `save`): [`Durability`] makes no difference, an applied commit is one that the server
//! has applied. That is safe, since the marker always belongs to the blobs beside it: a server that
//! comes back with an older state is answered with [`Committed::Conflict`] and the log is read again
//! from there.
//!
//! **Errors.** Every call ends within the url's `timeout_ms`, a `scan` or `drop_view` within that for
//! each thousand entities. A commit is sent once and never again: after an error it was applied, was
//! not, or (where the answer did not come in time) may yet be. The markers say which, and the compare
//! keeps a latecomer from doing harm.
//!
//! **Rights.** A user of one's own needs the keys `{*` and `feat:views`, and of commands
//! `+@read +@write +@scripting +@connection +info`; in a cluster also `+cluster|slots`.

mod address;
mod failure;
mod node;
mod script;
mod servers;

use async_trait::async_trait;
use bytes::Bytes;
use feat_kernel::layout;
use redis::Value;

use crate::{Commit, Committed, Durability, Read, Snapshot, Store, StoreError, ViewEntry, ViewId};
use address::{Address, Place};
use servers::{Said, Servers};

/// A [`Store`] in a Redis.
pub struct RedisStore {
    servers: Servers,
    /// The name of the script of commits.
    digest: String,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RedisStore({})", self.servers.address)
    }
}

impl RedisStore {
    /// Connects to the server, or to all masters of the cluster, that `url` names:
    /// `redis://[user[:password]@]host[:port][/database]`, `rediss://…` for TLS,
    /// `redis-cluster://host:port,host:port` and `rediss-cluster://…` for a cluster; then
    /// `?timeout_ms=5000` bounds every call and `?ca=FILE` names a certificate authority.
    ///
    /// Cost: ends within the timeout.
    /// Errors: not reached, not let in, or a server that cannot be a store: older than 6.2, one that
    /// evicts, a replica, one of a cluster under another kind of url. None of them shows the password.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let servers = Servers::connect(Address::parse(url)?).await?;
        Ok(Self { servers, digest: script::digest() })
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn register(&self, view: &ViewId, partitions: u32) -> Result<u32, StoreError> {
        let keys = [layout::VIEWS_KEY.to_vec(), layout::VIEWS_KEY.to_vec()];
        loop {
            let answers = self.servers.ask(&keys, |at, _| match at {
                0 => {
                    let mut set = redis::cmd("HSETNX");
                    set.arg(layout::VIEWS_KEY).arg(&**view).arg(partitions);
                    set
                }
                _ => count_of(view),
            });
            // None if the view was dropped in between.
            if let Some(count) = count(&answers.await?[1])? {
                return Ok(count);
            }
        }
    }

    async fn partitions(&self, view: &ViewId) -> Result<Option<u32>, StoreError> {
        count(&self.servers.ask_one(layout::VIEWS_KEY.to_vec(), count_of(view)).await?)
    }

    async fn views(&self) -> Result<Vec<ViewEntry>, StoreError> {
        let mut all = redis::cmd("HGETALL");
        all.arg(layout::VIEWS_KEY);
        let (place, answer) = self.servers.ask_one(layout::VIEWS_KEY.to_vec(), all).await?;
        let mut fields = list(&place, answer)?.into_iter();
        let mut found = Vec::new();
        while let (Some(view), Some(partitions)) = (fields.next(), fields.next()) {
            let view = String::from_utf8_lossy(&bytes(&place, view)?.unwrap_or_default()).into();
            let partitions = count(&(place.clone(), partitions))?.unwrap_or_default();
            found.push(ViewEntry { view, partitions });
        }
        found.sort_unstable();
        Ok(found)
    }

    async fn read(&self, reads: Vec<Read>) -> Result<Vec<Snapshot>, StoreError> {
        let keys: Vec<_> = reads.iter().map(|read| layout::marker_key(&read.view, read.partition)).collect();
        let answers = self.servers.ask(&keys, |at, _| {
            let read = &reads[at];
            let mut get = redis::cmd("MGET");
            get.arg(&keys[at]);
            let mut key = layout::blob_key(&read.view, read.partition, &[]);
            let tag = key.len();
            for entity in &read.keys {
                key.truncate(tag);
                key.extend_from_slice(entity);
                get.arg(&key);
            }
            get
        });
        let snapshots = answers.await?.into_iter().map(|(place, answer)| {
            let mut values = list(&place, answer)?.into_iter();
            let marker = bytes(&place, values.next().unwrap_or_default())?;
            let blobs = values.map(|value| bytes(&place, value)).collect::<Result<_, _>>()?;
            Ok(Snapshot { marker, blobs })
        });
        snapshots.collect()
    }

    async fn commit(&self, commits: Vec<Commit>, _: Durability) -> Result<Vec<Committed>, StoreError> {
        let keys: Vec<_> =
            commits.iter().map(|commit| layout::marker_key(&commit.view, commit.partition)).collect();
        let answers = self.servers.ask(&keys, |at, first| script::commit(&commits[at], &self.digest, first));
        let committed = answers.await?.into_iter().map(|(place, answer)| match answer {
            Value::Int(1) => Ok(Committed::Applied),
            conflict => {
                let marker = list(&place, conflict)?.pop().unwrap_or_default();
                Ok(Committed::Conflict(bytes(&place, marker)?))
            }
        });
        committed.collect()
    }

    async fn scan(
        &self,
        view: &ViewId,
        partition: u32,
        after: Option<Bytes>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let (mut found, mut after) = (Vec::new(), after);
        while found.len() < limit {
            let asked = (limit - found.len()).min(script::PORTION);
            let portion = script::scan(view, partition, after.as_ref(), asked);
            let (place, answer) = self.servers.ask_one(layout::index_key(view, partition), portion).await?;
            let mut values = list(&place, answer)?.into_iter();
            let mut looked = 0;
            while let (Some(key), Some(blob)) = (values.next(), values.next()) {
                looked += 1;
                after = bytes(&place, key)?;
                if let (Some(key), Some(blob)) = (&after, bytes(&place, blob)?) {
                    found.push((key.clone(), blob));
                }
            }
            if looked < asked {
                break;
            }
        }
        Ok(found)
    }

    /// A crash in between leaves partitions without a marker, of which nothing is read, and the view
    /// known, so that it can be dropped again.
    async fn drop_view(&self, view: &ViewId) -> Result<(), StoreError> {
        let Some(partitions) = self.partitions(view).await? else { return Ok(()) };
        for partition in 0..partitions {
            loop {
                let key = layout::marker_key(view, partition);
                match self.servers.ask_one(key, script::drop_portion(view, partition)).await? {
                    (_, Value::Int(0)) => break,
                    (_, Value::Int(_)) => {}
                    (place, other) => return Err(failure::odd(&place, &other)),
                }
            }
        }
        let mut forget = redis::cmd("HDEL");
        forget.arg(layout::VIEWS_KEY).arg(&**view);
        self.servers.ask_one(layout::VIEWS_KEY.to_vec(), forget).await.map(|_| ())
    }

    async fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Asks how many partitions a view has.
fn count_of(view: &ViewId) -> redis::Cmd {
    let mut get = redis::cmd("HGET");
    get.arg(layout::VIEWS_KEY).arg(&**view);
    get
}

fn count((place, answer): &Said) -> Result<Option<u32>, StoreError> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(text) => {
            let count = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            count.map(Some).ok_or_else(|| failure::odd(place, answer))
        }
        other => Err(failure::odd(place, other)),
    }
}

fn list(place: &Place, answer: Value) -> Result<Vec<Value>, StoreError> {
    match answer {
        Value::Array(values) => Ok(values),
        other => Err(failure::odd(place, &other)),
    }
}

fn bytes(place: &Place, answer: Value) -> Result<Option<Bytes>, StoreError> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes.into())),
        other => Err(failure::odd(place, &other)),
    }
}
