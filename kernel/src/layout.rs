//! The keys and the marker that every online store shares.
//!
//! `{<view>:<p>}#m` is the marker of partition `p` of a view, `{<view>:<p>}<entity bytes>` the blob
//! of an entity. What stands in braces is the tag that keeps a partition's data in one slot of a
//! cluster. An entity's bytes begin with [`key::VERSION`](crate::key::VERSION), never with `#`.

use std::collections::BTreeMap;

use crate::codec::{CodecError, Reader, VERSION, put_bytes, put_varint, put_zigzag};
use crate::time::Instant;

/// The key of the marker of partition `partition` of `view`.
pub fn marker_key(view: &str, partition: u32) -> Vec<u8> {
    format!("{{{view}:{partition}}}#m").into_bytes()
}

/// The key of the blob of `entity` (its key's bytes) in partition `partition` of `view`.
pub fn blob_key(view: &str, partition: u32, entity: &[u8]) -> Vec<u8> {
    let mut key = format!("{{{view}:{partition}}}").into_bytes();
    key.extend_from_slice(entity);
    key
}

/// What a partition of a view includes: committed together with the blobs, in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The next offset per partition of the source's log, such as `landings/0`. Empty until a run has
    /// read something: nothing can be said of entities yet.
    pub positions: BTreeMap<String, u64>,
    /// The greatest clock of the records before the positions.
    pub clock: Instant,
    /// How far the log is known to be complete beyond the clock; [`Instant::MIN`] when nothing is.
    pub seen_to: Instant,
    /// An entity without a blob answers as one whose blob has this clock.
    pub swept_to: Instant,
    /// Fresh for every commit, so that two writers never mistake each other's marker for theirs.
    pub nonce: u64,
    /// The leader epoch of the last record read; -1 where the log has none.
    pub leader_epoch: i32,
    /// The sum of the [fingerprints](crate::fingerprint) of the records before the positions, in the
    /// columns that the view reads, to notice a log that was rewritten.
    pub checksum: u64,
}

impl Default for Marker {
    /// The marker of a partition that includes nothing.
    fn default() -> Self {
        Self {
            positions: BTreeMap::new(),
            clock: Instant::MIN,
            seen_to: Instant::MIN,
            swept_to: Instant::MIN,
            nonce: 0,
            leader_epoch: -1,
            checksum: 0,
        }
    }
}

impl Marker {
    /// Whether some run has read the log, be it that there was nothing in it.
    pub fn is_filled(&self) -> bool {
        !self.positions.is_empty()
    }

    /// Every row with `known` before this is included.
    pub fn complete_to(&self) -> Instant {
        self.clock.max(self.seen_to)
    }

    /// The marker's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_varint(&mut out, self.positions.len() as u64);
        for (log, offset) in &self.positions {
            put_bytes(&mut out, log.as_bytes());
            put_varint(&mut out, *offset);
        }
        for time in [self.clock, self.seen_to, self.swept_to] {
            put_zigzag(&mut out, time.0);
        }
        put_varint(&mut out, self.nonce);
        put_zigzag(&mut out, i64::from(self.leader_epoch));
        put_varint(&mut out, self.checksum);
        out
    }

    /// Reads what [`Marker::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = Reader::new(bytes);
        from.version(VERSION)?;
        let mut positions = BTreeMap::new();
        for _ in 0..from.count(2)? {
            let log = std::str::from_utf8(from.bytes()?).map_err(|_| CodecError::invalid("name of a log"))?;
            positions.insert(log.to_owned(), from.varint()?);
        }
        let [clock, seen_to, swept_to] = [from.zigzag()?, from.zigzag()?, from.zigzag()?].map(Instant);
        let nonce = from.varint()?;
        let leader_epoch =
            i32::try_from(from.zigzag()?).map_err(|_| CodecError::invalid("leader epoch of a marker"))?;
        let checksum = from.varint()?;
        if !from.is_empty() {
            return Err(CodecError::invalid("end of a marker"));
        }
        Ok(Self { positions, clock, seen_to, swept_to, nonce, leader_epoch, checksum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_partition_share_its_tag() {
        assert_eq!(marker_key("lanes@1#00", 3), b"{lanes@1#00:3}#m");
        assert_eq!(blob_key("lanes@1#00", 3, b"\x01i"), b"{lanes@1#00:3}\x01i");
    }

    #[test]
    fn markers_go_through_bytes_and_back() {
        let marker = Marker {
            positions: [("landings/0".to_owned(), 42), ("landings/1".to_owned(), u64::MAX)].into(),
            clock: Instant(1_357_034_400_000_000),
            nonce: u64::MAX,
            leader_epoch: 7,
            checksum: 99,
            ..Marker::default()
        };
        let bytes = marker.encode();
        assert_eq!(Marker::decode(&bytes), Ok(marker));
        for cut in 0..bytes.len() {
            assert!(Marker::decode(&bytes[..cut]).is_err());
        }
    }
}
