//! Seals: every value stands in the file behind a checksum of its key and itself.
//!
//! The library reads pages without looking at their checksums. A disk that changed a bit would
//! otherwise change a value, or make it seem never written, without a word.

use std::fmt::Write as _;
use std::ops::Bound;

use bytes::Bytes;
use redb::ReadableTable;
use twox_hash::XxHash3_64;

/// The length of a seal.
const SEAL: usize = size_of::<u64>();

/// `value` as it stands in the file under `key`.
pub(super) fn sealed(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(SEAL + value.len());
    sealed.extend_from_slice(&seal(key, value).to_le_bytes());
    sealed.extend_from_slice(value);
    sealed
}

fn seal(key: &[u8], value: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(key), value)
}

/// The value that [`sealed`] put under `key`.
///
/// Errors: it is another.
pub(super) fn opened(key: &[u8], sealed: &[u8]) -> Result<Bytes, redb::Error> {
    match sealed.split_first_chunk() {
        Some((found, value)) if u64::from_le_bytes(*found) == seal(key, value) => {
            Ok(Bytes::copy_from_slice(value))
        }
        _ => {
            let what = format!("what it holds of key `{}` does not have its checksum", shown(key));
            Err(redb::Error::Corrupted(what))
        }
    }
}

/// The value under `key`; `None` where there is none.
///
/// Cost: a missing key costs two more steps, to see that its neighbours are what was written there:
/// a key that a disk has changed stands where it stood.
pub(super) fn find(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
) -> Result<Option<Bytes>, redb::Error> {
    if let Some(found) = table.get(key)? {
        return Ok(Some(opened(key, found.value())?));
    }
    let before = table.range::<&[u8]>((Bound::Unbounded, Bound::Excluded(key)))?.next_back();
    let after = table.range::<&[u8]>((Bound::Excluded(key), Bound::Unbounded))?.next();
    for neighbour in before.into_iter().chain(after) {
        let (key, value) = neighbour?;
        opened(key.value(), value.value())?;
    }
    Ok(None)
}

/// A key for a person: the tag as it is, the entity's bytes in hexadecimal.
fn shown(key: &[u8]) -> String {
    let tag = key.iter().position(|byte| *byte == b'}').map_or(key.len(), |at| at + 1);
    let mut text = String::from_utf8_lossy(&key[..tag]).into_owned();
    for byte in &key[tag..] {
        // Writing to a string never fails.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_under_its_own_key_only() {
        let written = sealed(b"{v:0}\x01i", b"blob");
        assert_eq!(opened(b"{v:0}\x01i", &written).unwrap(), "blob");
        for at in 0..written.len() {
            let mut changed = written.clone();
            changed[at] ^= 4;
            opened(b"{v:0}\x01i", &changed).unwrap_err();
            opened(b"{v:0}\x01i", &written[..at]).unwrap_err();
        }
        let error = opened(b"{v:0}\x01j", &written).unwrap_err();
        assert!(error.to_string().contains("`{v:0}016a`"), "{error}");
    }
}
