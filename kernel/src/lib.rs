//! What a feature's value is: time, windows, tiles, aggregates, admission, and their bytes.
//!
//! ```text
//!  prepared rows ──admit──► blob: tiles + kept rows ──assemble(t)──► outcomes
//!                            │   ▲
//!                            ▼   │
//!                        codec, layout: the bytes a store keeps
//! ```
//!
//! Three engines share this crate and none owns it: batch folds rows with it, streaming keeps blobs
//! with it, a lookup assembles values with it. It does no I/O and reads no clock. What a `.feat`
//! file says is `feat-compiler`'s business; where blobs are kept is `feat-store`'s.

pub mod admit;
pub mod agg;
pub mod assemble;
pub mod blob;
pub mod codec;
pub mod column;
pub mod exact;
pub mod fingerprint;
pub mod key;
#[cfg(test)]
pub(crate) mod laws;
pub mod layout;
pub mod order;
pub mod presence;
pub mod row;
pub mod tile;
pub mod time;
pub mod types;
pub mod value;
pub mod view;
pub mod window;

/// The version of what numbers mean: part of every group's meaning hash and of every stamp. It goes
/// up when a change here alters a bit of any value.
pub const KERNEL_VERSION: u32 = 1;
