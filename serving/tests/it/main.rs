//! The crate from outside: lookups by the catalog, and the same over gRPC.

#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do is a failure of the test")]

mod access;
mod grpc;
mod lanes;
mod lookups;
mod served;
mod trouble;
