//! Hashes of values: of their canonical bytes, with a fixed seed, so that every engine and every
//! version of a program gives a value the same one.

use twox_hash::{XxHash3_64, XxHash3_128};

use crate::codec::put_value;
use crate::value::ValueRef;

/// 128 bits of a value: two different values never meet in practice.
#[inline]
pub(super) fn hash_128(x: ValueRef<'_>) -> u128 {
    with_bytes(x, XxHash3_128::oneshot)
}

/// 64 bits of a value.
#[inline]
pub(super) fn hash_64(x: ValueRef<'_>) -> u64 {
    with_bytes(x, XxHash3_64::oneshot)
}

/// Calls `hash` with the bytes that [`put_value`] writes for `x`. The memory they are written to is
/// kept for the next value.
#[inline]
fn with_bytes<H>(x: ValueRef<'_>, hash: impl FnOnce(&[u8]) -> H) -> H {
    thread_local! {
        static SCRATCH: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|bytes| {
        bytes.clear();
        put_value(bytes, x);
        hash(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_never_change() {
        assert_eq!(hash_64(ValueRef::Int(1)), XxHash3_64::oneshot(&[3, 2]));
        assert_eq!(hash_64(ValueRef::Str("user")), XxHash3_64::oneshot(b"\x06\x04user"));
        assert_eq!(hash_128(ValueRef::Bool(true)), XxHash3_128::oneshot(&[2]));
        assert_ne!(hash_128(ValueRef::Int(1)), hash_128(ValueRef::Decimal(1)));
    }
}
