//! Fresh numbers for markers.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Numbers that no other run gives: 64 bits of the operating system's randomness, then a walk over
/// all 64-bit numbers.
#[derive(Debug)]
pub(crate) struct Nonces {
    state: u64,
}

impl Nonces {
    pub(crate) fn fresh() -> Self {
        // The standard library seeds its hash maps from the operating system.
        Self { state: RandomState::new().build_hasher().finish() }
    }

    pub(crate) fn next(&mut self) -> u64 {
        // Adding an odd constant visits every number once; the mixing is SplitMix64's.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_do_not_share_their_numbers() {
        let (mut a, mut b) = (Nonces::fresh(), Nonces::fresh());
        let numbers: std::collections::BTreeSet<u64> = (0..500).flat_map(|_| [a.next(), b.next()]).collect();
        assert_eq!(numbers.len(), 1000);
    }
}
