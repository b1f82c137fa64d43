//! Where messages and the engine's types meet; nowhere else does anything see both.
//!
//! | from | to | |
//! | --- | --- | --- |
//! | [`v1::GetFeaturesRequest`]'s entities | [`Inputs`] of a service | `inputs` |
//! | [`Answer`]s | [`v1::GetFeaturesResponse`] | `answers` |
//! | [`v1::Value`] | [`Value`] of a type | `value` |

mod answers;
mod inputs;
mod value;

use feat_kernel::time::Instant;
use feat_proto::v1;
use prost_types::Timestamp;

pub(crate) use answers::{Form, Listing, describe, listing, response};
pub(crate) use inputs::Asked;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// An instant as messages write it.
pub(crate) fn timestamp(at: Instant) -> Timestamp {
    Timestamp { seconds: at.0.div_euclid(SECOND), nanos: (at.0.rem_euclid(SECOND) * 1_000) as i32 }
}

/// The instant of a message; none if it is finer than a microsecond or beyond what instants reach.
pub(crate) fn instant(at: &Timestamp) -> Option<Instant> {
    if at.nanos % 1_000 != 0 || !(0..1_000_000_000).contains(&at.nanos) {
        return None;
    }
    let micros = at.seconds.checked_mul(SECOND)?.checked_add(i64::from(at.nanos) / 1_000)?;
    Some(Instant(micros))
}

/// How a value came to be, as messages write it.
pub(crate) fn status(status: crate::Status) -> v1::Status {
    match status {
        crate::Status::Present => v1::Status::Present,
        crate::Status::Empty => v1::Status::Empty,
        crate::Status::Absent => v1::Status::Absent,
        crate::Status::NoKey => v1::Status::NoKey,
        crate::Status::Overflow => v1::Status::Overflow,
        crate::Status::Error => v1::Status::Error,
    }
}
