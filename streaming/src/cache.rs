//! Blobs of entities that were written lately, decoded.

use std::collections::HashMap;

use bytes::Bytes;
use feat_kernel::blob::Blob;

/// What an entity costs in memory beside its encoded bytes: map slots, tree nodes, vectors.
const OVERHEAD: usize = 256;
/// How much larger a decoded blob is than its bytes.
const EXPANSION: usize = 4;

/// An approximation of least recently used in two generations: what is taken comes back young; when
/// the young ones reach half the budget they become the old ones, and the old ones are forgotten.
/// No lists to relink, one hash a use.
#[derive(Debug)]
pub(crate) struct Cache {
    young: HashMap<Bytes, Blob>,
    old: HashMap<Bytes, Blob>,
    weight: usize,
    half: usize,
}

impl Cache {
    /// A cache of about `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), weight: 0, half: budget / 2 }
    }

    /// Whether `key` is there.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    /// Takes the blob of `key` out, to be changed.
    pub(crate) fn take(&mut self, key: &[u8]) -> Option<(Bytes, Blob)> {
        // The weight of a young one is not given back: it returns at once, and a little haste in
        // forgetting does no harm.
        self.young.remove_entry(key).or_else(|| self.old.remove_entry(key))
    }

    /// Puts a blob in whose encoding has `length` bytes.
    pub(crate) fn put(&mut self, key: Bytes, blob: Blob, length: usize) {
        self.weight += length * EXPANSION + OVERHEAD;
        self.young.insert(key, blob);
        if self.weight >= self.half {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
    }

    /// Forgets `key`.
    pub(crate) fn forget(&mut self, key: &[u8]) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.weight = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut cache = Cache::new(20 * OVERHEAD);
        let key = |number: u32| Bytes::from(number.to_be_bytes().to_vec());
        cache.put(key(0), Blob::default(), 0);
        for number in 1..100 {
            cache.put(key(number), Blob::default(), 0);
            if number % 5 == 0 {
                let (key, blob) = cache.take(&key(0)).expect("it was used five entities ago");
                cache.put(key, blob, 0);
            }
        }
        assert!(cache.contains(&key(0)) && cache.contains(&key(99)) && !cache.contains(&key(50)));
        assert!(cache.young.len() + cache.old.len() <= 20);
        cache.forget(&key(99));
        assert!(!cache.contains(&key(99)));
        cache.clear();
        assert!(cache.take(&key(0)).is_none());
    }
}
