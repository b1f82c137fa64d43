//! `feat`: the command line. It composes the other crates and prints; it holds no semantics.
//!
//! ```text
//!  check fmt test explain            the spec
//!  train materialize sample          the offline side
//!  stream produce get                the online side
//!  status quarantine                 running it
//!  plan apply diff list show …       the registry: what is deployed
//!  serve key audit                   answering others
//!  new demo                          a start
//! ```
//!
//! Exit code 0: done; 1: the input or the world is wrong, and the message says what to do; 2: wrong
//! usage.

mod answers;
mod arguments;
mod command;
#[cfg(feature = "kafka")]
mod endpoint;
mod log;
mod output;
mod parquet;
mod places;
mod project;
mod recorded;
mod registry;
mod scratch;
mod site;
mod standing;
mod text;
mod trainer;

use std::process::ExitCode;

/// Sorting and assembling make many short-lived values: this allocator takes a tenth off a training
/// set's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    match command::run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::from(1)
        }
    }
}
