//! Compiles the `.proto` files, without protoc, and keeps their description for reflection.

use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 4] =
    ["feat/v1/value.proto", "feat/v1/online.proto", "feat/v1/training.proto", "feat/v1/registry.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let described = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("feat.v1.bin"), described.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(described)?;
    Ok(())
}
