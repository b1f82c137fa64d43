//! Which partition a key belongs to, as the producers of the world decide it.
//!
//! | declared | who does so by default | partition of a key |
//! | --- | --- | --- |
//! | `murmur2` | the Java client, and librdkafka told `murmur2_random` | murmur2 without its sign, modulo |
//! | `crc32` | librdkafka (`consistent_random`): C, Python, Go, .NET | CRC-32 of IEEE 802.3, modulo |
//!
//! A record without a key goes anywhere under both; so does an empty key under `crc32`.

/// The partition, of `partitions`, where the Java client puts `key`.
pub fn murmur2_partition(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions
}

/// The partition, of `partitions`, where librdkafka's default puts a `key` that is not empty.
pub fn crc32_partition(key: &[u8], partitions: u32) -> u32 {
    crc32(key) % partitions
}

/// Austin Appleby's `MurmurHash2`, 32 bits, with the Java client's seed.
pub fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const MIX: u32 = 0x5bd1_e995;
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash = SEED ^ bytes.len() as u32;
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(MIX);
        hash = hash.wrapping_mul(MIX) ^ (word ^ (word >> 24)).wrapping_mul(MIX);
    }
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(MIX);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

/// The CRC-32 of Ethernet, zip and PNG.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| (sum >> 8) ^ TABLE[usize::from(sum as u8 ^ byte)])
}

/// What each low byte adds, eight steps at once.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut low = 0;
    while low < 256 {
        let mut sum = low as u32;
        let mut step = 0;
        while step < 8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
            step += 1;
        }
        table[low] = sum;
        low += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_that_of_the_java_client() {
        // The vectors of the Java client's own test of `Utils.murmur2`.
        let vectors: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (text, hash) in vectors {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }

    #[test]
    fn crc32_has_its_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_partition_is_one_of_them() {
        // Their hashes have the top bit set: one drops it, the other does not.
        assert_eq!(murmur2_partition(b"foobar", 7), (murmur2(b"foobar") - (1 << 31)) % 7);
        assert_eq!(crc32_partition(b"123456789", 7), 0xcbf4_3926 % 7);
    }
}
