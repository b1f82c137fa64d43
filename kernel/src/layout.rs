//! The keys and the marker that every online store shares.
//!
//! `{<view>:<p>}#m` is the marker of partition `p` of a view, `{<view>:<p>}<entity bytes>` the blob
//! of an entity, and `{<view>:<p>}#i` the index of its entities where a store keeps no order of its
//! own. What stands in braces is the tag that keeps a partition's data in one slot of a cluster. An
//! entity's bytes begin with [`key::VERSION`](crate::key::VERSION), never with `#`.

use std::collections::BTreeMap;

use crate::codec::{CodecError, Reader, put_bytes, put_varint, put_zigzag};
use crate::time::Instant;

/// The key of the marker of partition `partition` of `view`.
pub fn marker_key(view: &str, partition: u32) -> Vec<u8> {
    format!("{{{view}:{partition}}}#m").into_bytes()
}

/// The key of the index of the entities in partition `partition` of `view`.
pub fn index_key(view: &str, partition: u32) -> Vec<u8> {
    format!("{{{view}:{partition}}}#i").into_bytes()
}

/// The key under which a store keeps which views it knows. It has no tag: it is of no partition.
pub const VIEWS_KEY: &[u8] = b"feat:views";

/// The key of the blob of `entity` (its key's bytes) in partition `partition` of `view`.
pub fn blob_key(view: &str, partition: u32, entity: &[u8]) -> Vec<u8> {
    let mut key = format!("{{{view}:{partition}}}").into_bytes();
    key.extend_from_slice(entity);
    key
}

/// The version that the bytes of a marker begin with. 1 knew a single log.
pub const MARKER_VERSION: u8 = 2;

/// What a partition of a view includes: committed together with the blobs, in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// How far each partition of the source's log was read, by its name, such as `landings/0`. Empty
    /// until a run has read something: nothing can be said of entities yet.
    pub logs: BTreeMap<String, LogMark>,
    /// An entity without a blob answers as one whose blob has this clock.
    pub swept_to: Instant,
    /// Fresh for every commit, so that two writers never mistake each other's marker for theirs.
    pub nonce: u64,
}

/// How far a log was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogMark {
    /// The offset of the next record.
    pub next: u64,
    /// The log's clock after the records before `next`: the greatest of theirs.
    pub clock: Instant,
    /// How far the log is known to be complete beyond the clock; [`Instant::MIN`] when nothing is.
    pub seen_to: Instant,
    /// The low half of the [fingerprint](crate::fingerprint) of the record right before `next`, to notice a log
    /// that was made anew; `None` where it is not known.
    pub last: Option<u32>,
    /// The sum of the [fingerprints](crate::fingerprint) of the records before `next`, in the columns
    /// that the view reads, to notice a log that was rewritten.
    pub checksum: u64,
}

impl Default for LogMark {
    /// Nothing was read.
    fn default() -> Self {
        Self { next: 0, clock: Instant::MIN, seen_to: Instant::MIN, last: None, checksum: 0 }
    }
}

impl LogMark {
    /// Every row of the log with `known` before this is included.
    pub fn complete_to(&self) -> Instant {
        self.clock.max(self.seen_to)
    }
}

impl Default for Marker {
    /// The marker of a partition that includes nothing.
    fn default() -> Self {
        Self { logs: BTreeMap::new(), swept_to: Instant::MIN, nonce: 0 }
    }
}

impl Marker {
    /// Whether some run has read the log, be it that there was nothing in it.
    pub fn is_filled(&self) -> bool {
        !self.logs.is_empty()
    }

    /// The instant up to which rows are folded: the clock of the log that is furthest behind.
    pub fn clock(&self) -> Instant {
        self.logs.values().map(|log| log.clock).min().unwrap_or(Instant::MIN)
    }

    /// Every row with `known` before this is included.
    pub fn complete_to(&self) -> Instant {
        self.logs.values().map(LogMark::complete_to).min().unwrap_or(Instant::MIN)
    }

    /// The next offset of each log.
    pub fn positions(&self) -> BTreeMap<String, u64> {
        self.logs.iter().map(|(log, mark)| (log.clone(), mark.next)).collect()
    }

    /// The marker's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![MARKER_VERSION];
        put_varint(&mut out, self.logs.len() as u64);
        for (log, mark) in &self.logs {
            put_bytes(&mut out, log.as_bytes());
            put_varint(&mut out, mark.next);
            put_zigzag(&mut out, mark.clock.0);
            put_zigzag(&mut out, mark.seen_to.0);
            put_zigzag(&mut out, mark.last.map_or(-1, i64::from));
            put_varint(&mut out, mark.checksum);
        }
        put_zigzag(&mut out, self.swept_to.0);
        put_varint(&mut out, self.nonce);
        out
    }

    /// Reads what [`Marker::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = Reader::new(bytes);
        let found = from.version(MARKER_VERSION)?;
        if found < MARKER_VERSION {
            return Err(CodecError::Older { found, reads: MARKER_VERSION });
        }
        let mut logs = BTreeMap::new();
        for _ in 0..from.count(6)? {
            let log = std::str::from_utf8(from.bytes()?).map_err(|_| CodecError::invalid("name of a log"))?;
            let log = log.to_owned();
            let next = from.varint()?;
            let [clock, seen_to] = [from.zigzag()?, from.zigzag()?].map(Instant);
            let last = match from.zigzag()? {
                -1 => None,
                last => {
                    Some(u32::try_from(last).map_err(|_| CodecError::invalid("last record of a marker"))?)
                }
            };
            let checksum = from.varint()?;
            logs.insert(log, LogMark { next, clock, seen_to, last, checksum });
        }
        let (swept_to, nonce) = (Instant(from.zigzag()?), from.varint()?);
        if !from.is_empty() {
            return Err(CodecError::invalid("end of a marker"));
        }
        Ok(Self { logs, swept_to, nonce })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_partition_share_its_tag() {
        assert_eq!(marker_key("lanes@1#00", 3), b"{lanes@1#00:3}#m");
        assert_eq!(index_key("lanes@1#00", 3), b"{lanes@1#00:3}#i");
        assert_eq!(blob_key("lanes@1#00", 3, b"\x01i"), b"{lanes@1#00:3}\x01i");
    }

    #[test]
    fn the_log_that_is_furthest_behind_decides() {
        let mark = |clock, seen_to| LogMark {
            clock: Instant(clock),
            seen_to: Instant(seen_to),
            ..LogMark::default()
        };
        let logs =
            [("a".to_owned(), mark(5, 90)), ("b".to_owned(), mark(7, 20)), ("c".to_owned(), mark(30, 0))];
        let marker = Marker { logs: logs.into(), ..Marker::default() };
        assert_eq!((marker.clock(), marker.complete_to()), (Instant(5), Instant(20)));
        assert_eq!(Marker::default().complete_to(), Instant::MIN);
    }

    #[test]
    fn markers_go_through_bytes_and_back() {
        let landed = LogMark { next: 42, clock: Instant(1_357_034_400_000_000), ..LogMark::default() };
        let most = LogMark { next: u64::MAX, last: Some(u32::MAX), checksum: 99, ..landed };
        let marker = Marker {
            logs: [("landings/0".to_owned(), landed), ("landings/1".to_owned(), most)].into(),
            nonce: u64::MAX,
            ..Marker::default()
        };
        let bytes = marker.encode();
        assert_eq!(Marker::decode(&bytes), Ok(marker));
        for cut in 0..bytes.len() {
            assert!(Marker::decode(&bytes[..cut]).is_err());
        }
    }
}
