//! The scripts: what must happen in one step.
//!
//! A script runs alone. What it wrote goes to the append-only file and to the replicas as one
//! transaction (`MULTI` … `EXEC`), of which a load or a replica takes all or nothing, so it is as whole
//! there as in memory. The server refuses a write for want of memory, or because it is a replica, only
//! before a script's first write; once that is done it lets the others through. What may fail for the
//! type of a key (the index) comes before what the readers see.

use std::collections::HashMap;

use bytes::Bytes;
use feat_kernel::layout;
use redis::Cmd;

use crate::{Commit, ViewId};

/// Compares the marker and writes.
///
/// Keys: marker, index, blobs that are written, blobs that are deleted. Arguments: the marker expected
/// (`=` and its bytes, or `-`), the marker to write, the count of blobs written, the length of the
/// tag, the blobs. Answers 1, or the marker that stands there in a list.
///
/// `unpack` is bounded by Lua's stack of 8000, so lists go in slices. Up to 3000 written blobs are one
/// `MSET` with the marker; beyond it is several, in the same step. A commit that only deletes begins
/// with a deletion, so it goes through when memory is full: that is how memory is won back.
const COMMIT: &str = r"
local found = redis.call('GET', KEYS[1])
if (found and '=' .. found or '-') ~= ARGV[1] then return {found} end
local written, tag = tonumber(ARGV[3]), tonumber(ARGV[4])
local function slices(list, call)
  for from = 1, #list, 6000 do call(unpack(list, from, math.min(from + 5999, #list))) end
end
local members, pairs = {}, {KEYS[1], ARGV[2]}
for at = 1, written do
  local key = KEYS[2 + at]
  members[2 * at - 1], members[2 * at] = 0, string.sub(key, tag + 1)
  pairs[2 * at + 1], pairs[2 * at + 2] = key, ARGV[4 + at]
end
local gone, left = {}, {}
for at = written + 3, #KEYS do
  gone[#gone + 1], left[#left + 1] = KEYS[at], string.sub(KEYS[at], tag + 1)
end
slices(members, function(...) redis.call('ZADD', KEYS[2], ...) end)
slices(left, function(...) redis.call('ZREM', KEYS[2], ...) end)
slices(pairs, function(...) redis.call('MSET', ...) end)
slices(gone, function(...) redis.call('UNLINK', ...) end)
return 1
";

/// Some entities of a partition in the order of their keys, with their blobs.
///
/// Keys: index. Arguments: where to begin, how many, the tag. Answers keys and blobs in turn.
const SCAN: &str = r"
local members = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
if #members == 0 then return {} end
local keys = {}
for at, member in ipairs(members) do keys[at] = ARGV[3] .. member end
local blobs, found = redis.call('MGET', unpack(keys)), {}
for at, member in ipairs(members) do
  found[2 * at - 1], found[2 * at] = member, blobs[at]
end
return found
";

/// Deletes some entities of a partition, and its marker first: who reads in between finds no marker,
/// never half a partition. Answers how many were deleted; 0: nothing is left.
///
/// Keys: marker, index. Arguments: how many, the tag.
const DROP: &str = r"
redis.call('UNLINK', KEYS[1])
local members = redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1)
if #members == 0 then return 0 end
local keys = {}
for at, member in ipairs(members) do keys[at] = ARGV[2] .. member end
redis.call('UNLINK', unpack(keys))
redis.call('ZREM', KEYS[2], unpack(members))
return #members
";

/// How many entities one run of a script looks at: others wait meanwhile, for about a millisecond.
pub(super) const PORTION: usize = 1000;

/// One commit. Where a key occurs twice the later counts, so the earlier is left out.
///
/// `first`: the first of a pipeline brings the text along, which makes the server know it; the others
/// name it by its digest. They go over one connection in order, so there is no time at which the
/// server could not know it but a `SCRIPT FLUSH` right in between, after which the commit is absent.
pub(super) fn commit(commit: &Commit, digest: &str, first: bool) -> Cmd {
    let marker = layout::marker_key(&commit.view, commit.partition);
    let tag = layout::blob_key(&commit.view, commit.partition, &[]);
    let mut last = HashMap::with_capacity(commit.writes.len());
    for (at, (key, _)) in commit.writes.iter().enumerate() {
        last.insert(key, at);
    }
    let writes = || {
        let kept = commit.writes.iter().enumerate().filter(|(at, (key, _))| last[key] == *at);
        kept.map(|(_, write)| write)
    };
    let mut cmd = if first { redis::cmd("EVAL") } else { redis::cmd("EVALSHA") };
    cmd.arg(if first { COMMIT } else { digest });
    cmd.arg(2 + last.len()).arg(marker).arg(layout::index_key(&commit.view, commit.partition));
    let mut key = tag.clone();
    let mut name = |cmd: &mut Cmd, entity: &Bytes| {
        key.truncate(tag.len());
        key.extend_from_slice(entity);
        cmd.arg(&key[..]);
    };
    writes().filter(|(_, blob)| blob.is_some()).for_each(|(entity, _)| name(&mut cmd, entity));
    writes().filter(|(_, blob)| blob.is_none()).for_each(|(entity, _)| name(&mut cmd, entity));
    match &commit.expected {
        None => cmd.arg("-"),
        Some(expected) => cmd.arg([b"=", &expected[..]].concat()),
    };
    let blobs = || writes().filter_map(|(_, blob)| blob.as_ref());
    cmd.arg(&commit.marker[..]).arg(blobs().count()).arg(tag.len());
    for blob in blobs() {
        cmd.arg(&blob[..]);
    }
    cmd
}

/// The name by which the server knows the script of [`commit`].
pub(super) fn digest() -> String {
    redis::Script::new(COMMIT).get_hash().to_owned()
}

/// The next entities of a partition after `after`.
pub(super) fn scan(view: &ViewId, partition: u32, after: Option<&Bytes>, limit: usize) -> Cmd {
    let mut cmd = redis::cmd("EVAL");
    cmd.arg(SCAN).arg(1).arg(layout::index_key(view, partition));
    match after {
        None => cmd.arg("-"),
        Some(after) => cmd.arg([b"(", &after[..]].concat()),
    };
    cmd.arg(limit.min(PORTION)).arg(layout::blob_key(view, partition, &[]));
    cmd
}

/// A portion of what is kept of a partition, deleted.
pub(super) fn drop_portion(view: &ViewId, partition: u32) -> Cmd {
    let mut cmd = redis::cmd("EVAL");
    cmd.arg(DROP).arg(2);
    cmd.arg(layout::marker_key(view, partition)).arg(layout::index_key(view, partition));
    cmd.arg(PORTION).arg(layout::blob_key(view, partition, &[]));
    cmd
}
