//! The works that one process measures, each by the median of several runs:
//!
//! ```text
//! cargo bench -p feat-tests -- compile
//! cargo bench -p feat-tests -- lookup DATA_DIR
//! cargo bench -p feat-tests -- replay DATA_DIR
//! cargo bench -p feat-tests --features cluster -- cluster
//! cargo bench -p feat-tests -- serve
//! ```
//!
//! `DATA_DIR` is what `clicks/generate.py` writes, `replay` with its `--json`; `cluster` and `serve`
//! start their servers, as `tests/servers` finds them, and `serve` the binary of feat that stands beside it.
//! Beside other programs
//! feat is measured by `compare.py`. Nothing here is asserted: machines differ.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

mod bare;
mod clicks;
#[cfg(feature = "cluster")]
mod cluster;
mod compile;
mod load;
mod lookup;
mod replay;
mod serve;
mod site;
mod stopwatch;

use std::path::PathBuf;

/// That of the binary, which is what users run.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), String> {
    // Cargo says `--bench` to every bench.
    let mut given = std::env::args().skip(1).filter(|word| word != "--bench");
    let work = given.next().unwrap_or_default();
    let words: Vec<String> = given.collect();
    let data = words.first().map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|cause| cause.to_string())?;
    match (work.as_str(), data) {
        ("compile", _) => compile::measure(),
        ("lookup", Some(data)) => runtime.block_on(lookup::measure(&data)),
        ("replay", Some(data)) => runtime.block_on(replay::measure(&data)),
        #[cfg(feature = "cluster")]
        ("cluster", _) => runtime.block_on(cluster::measure()),
        ("serve", _) => runtime.block_on(serve::measure(&words)),
        // What `serve` starts.
        ("bare", _) => runtime.block_on(bare::run(&words)),
        _ => Err("say which work: compile, lookup DATA_DIR, replay DATA_DIR, cluster, serve".to_owned()),
    }
}
