//! The messages and calls of `feat.v1`, as `feat/v1/*.proto` beside this crate has them.
//!
//! ```text
//!  feat/v1/*.proto ──build.rs──► messages, clients, servers;  DESCRIPTOR for reflection
//! ```
//!
//! The `.proto` files are the contract, and say units, absence, ordering and errors; nothing is added here.
//! What a message means in terms of the engine is `feat-serving`'s `convert`.

/// Package `feat.v1`.
#[expect(missing_docs, clippy::allow_attributes, clippy::all, clippy::pedantic, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("feat.v1");
}

/// The files above as a `FileDescriptorSet`, for reflection.
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/feat.v1.bin"));
