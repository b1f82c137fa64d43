//! The commands and their flags, as the shell gives them.

pub(crate) mod registry;
pub(crate) mod serve;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
#[cfg(feature = "kafka")]
use feat_streaming::kafka::Place;

use crate::log::Form;

/// A feature store whose online answer equals its offline answer, bit for bit.
#[derive(Debug, Parser)]
#[command(name = "feat", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The project's folder; by default the nearest parent with a feat.toml.
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub(crate) folder: Option<PathBuf>,
    /// Lays [profiles.NAME] of feat.toml over the rest.
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) profile: Option<String>,
    /// Runs the files as they are, not what was applied of them.
    #[arg(long, global = true)]
    pub(crate) draft: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the flights example end to end in a scratch folder, without any server.
    Demo(Demo),
    /// Makes a small working project.
    New {
        /// The folder to make.
        dir: PathBuf,
    },
    /// Parses and type-checks.
    Check(Check),
    /// Formats .feat files in place.
    Fmt {
        /// Files or folders; the project's specs when none is named.
        paths: Vec<PathBuf>,
        /// Changes nothing; exits 1 if a file is not formatted.
        #[arg(long)]
        check: bool,
    },
    /// Runs the specs' test blocks through batch and stream.
    Test {
        /// Files or folders; the project's specs when none is named.
        paths: Vec<PathBuf>,
        /// Seeds the order in which the stream gets rows that became known at one instant.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Explains a feature, group, service or diagnostic code.
    Explain {
        /// `group.feature`, `group`, `service` or `FEAT001`.
        name: String,
    },
    /// Builds a point-in-time training set.
    Train(Train),
    /// Writes the offline values of a group as a Delta table.
    Materialize(Materialize),
    /// Runs stream operators.
    Stream(Stream),
    /// Puts online values of groups that no stream keeps up into the store.
    Load(Load),
    /// Writes the rows of a source's file to its Kafka topic.
    #[cfg(feature = "kafka")]
    Produce(Produce),
    /// Keeps the records of topics in Delta tables, from which views can be filled when Kafka has deleted them.
    #[cfg(feature = "kafka")]
    Archive(Archive),
    /// Records that were put aside: those that could not be read, and late ones.
    #[cfg(feature = "kafka")]
    Quarantine {
        #[command(subcommand)]
        what: Quarantine,
    },
    /// How far the online values are behind their logs, and what was put aside.
    Status(Status),
    /// Looks up online values.
    Get(Get),
    /// Shows the rows behind a value, and those left out and why.
    Sample(Sample),
    /// Says what applying the files would change; exit code 0: nothing, 10: something, 11: numbers or types.
    Plan(registry::Plan),
    /// Makes the files what is run.
    Apply(registry::Apply),
    /// Says what is different between two revisions, or one and the files.
    Diff(registry::Diff),
    /// Lists what is deployed.
    List(registry::List),
    /// Shows an object of the registry: what it is, who owns it, its text.
    Show(registry::Named),
    /// Lists the versions of an object, and what changed.
    History(registry::Named),
    /// Makes a version of a service that waits what its name stands for.
    Promote(registry::Promote),
    /// Makes the version before what a service's name stands for again.
    Rollback(registry::Rollback),
    /// Says that something should no longer be used; ends versions of services.
    Deprecate(registry::Deprecate),
    /// What something is made of, down to the columns of sources.
    Lineage(registry::Lineage),
    /// What is made of something.
    Impact(registry::Lineage),
    /// Lists what was run, or the training sets that were made.
    Runs(registry::Runs),
    /// Makes a training set again and compares it.
    Reproduce(registry::Reproduce),
    /// Answers lookups, makes training sets and applies specs over gRPC.
    Serve(serve::Serve),
    /// Who may call the server.
    Key {
        #[command(subcommand)]
        what: serve::Key,
    },
    /// Who did what.
    Audit {
        #[command(subcommand)]
        what: serve::Audit,
    },
}

/// `feat demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where to work; by default a folder of its own under the system's temporary one.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Chooses the random positions of the log.
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
}

/// `feat check`
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files or folders; the project's specs when none is named.
    pub(crate) paths: Vec<PathBuf>,
    /// Prints the diagnostics as one JSON list on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat train`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["dataset", "service"]))]
pub(crate) struct Train {
    /// The dataset to build.
    #[arg(long)]
    pub(crate) dataset: Option<String>,
    /// The service whose features to build, for the rows of `--spine`.
    #[arg(long, requires = "spine", requires = "time")]
    pub(crate) service: Option<String>,
    /// Parquet or CSV: entity keys, a time, any other columns.
    #[arg(long, value_name = "FILE", conflicts_with = "dataset")]
    pub(crate) spine: Option<PathBuf>,
    /// The spine's time column.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time: Option<String>,
    /// Whose wall clock the spine's time shows, if it has no zone.
    #[arg(long)]
    pub(crate) zone: Option<String>,
    /// Where to write the Parquet file; FILE.manifest.json comes beside FILE.parquet.
    #[arg(long, value_name = "FILE.parquet")]
    pub(crate) out: PathBuf,
    /// `as-known`: what the online store could have answered; `event-time`: arrival ignored.
    #[arg(long, default_value = "as-known", value_parser = ["as-known", "event-time"])]
    pub(crate) mode: String,
    /// Prints the manifest as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat materialize`
#[derive(Debug, Args)]
pub(crate) struct Materialize {
    /// The group.
    pub(crate) group: String,
    /// The first instant, RFC 3339 with a zone.
    #[arg(long, value_name = "T")]
    pub(crate) from: String,
    /// The end, exclusive.
    #[arg(long, value_name = "T")]
    pub(crate) to: String,
    /// The step between instants, such as `1d`; the group's `refresh` when not written.
    #[arg(long, value_name = "P")]
    pub(crate) every: Option<String>,
    /// Prints the counts as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat stream`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a flag of the command line is one")]
pub(crate) struct Stream {
    /// The groups to keep; every streamed one when none is named.
    #[arg(long, value_name = "G", num_args = 1..)]
    pub(crate) group: Vec<String>,
    /// Reads the sources' files as their logs.
    #[arg(long)]
    pub(crate) replay: bool,
    /// Stops when it has read what was there at the start.
    #[arg(long)]
    pub(crate) until_end: bool,
    /// Forgets what the store holds of the groups and fills it from the beginning of their logs.
    #[arg(long)]
    pub(crate) refill: bool,
    /// How many workers share the partitions.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<std::num::NonZeroUsize>,
    /// Tells how it goes at this address: /metrics for Prometheus, /healthz, /status for `feat status`.
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "IP:PORT", conflicts_with = "replay")]
    pub(crate) metrics: Option<std::net::SocketAddr>,
    /// How lines of the log look, on standard error.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log: Form,
    /// Logs every commit, too. The environment's `FEAT_LOG` says it finer.
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Prints the counts as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat load`
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The groups; every one that no stream keeps up when none is named.
    #[arg(value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
    /// The instant whose values are loaded, RFC 3339 with a zone; now when not written.
    #[arg(long, value_name = "T")]
    pub(crate) at: Option<String>,
    /// Prints the counts as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat produce`
#[cfg(feature = "kafka")]
#[derive(Debug, Args)]
pub(crate) struct Produce {
    /// The source; its `replay` file is read, or its history.
    pub(crate) source: String,
    /// Waits between rows as long as passed between them, so many times faster; writes at once when
    /// not written.
    #[arg(long, value_name = "X", value_parser = speed)]
    pub(crate) speed: Option<f64>,
    /// The column that is the records' key. Without it records are spread over the partitions.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) key: Option<String>,
    /// Stops after so many rows.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

/// How many times faster: above zero.
#[cfg(feature = "kafka")]
fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
        _ => Err("write a number above zero, such as 60 for an hour a minute".to_owned()),
    }
}

/// `feat archive`
#[cfg(feature = "kafka")]
#[derive(Debug, Args)]
pub(crate) struct Archive {
    /// The sources; every one with a topic when none is named.
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Stops when it has kept what was there at the start.
    #[arg(long)]
    pub(crate) until_end: bool,
    /// How long a record may wait to be written, in seconds: each write is a file of its own.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) every: u64,
    /// Prints what was kept as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat status`
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The groups; every streamed one when none is named.
    #[arg(value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
    /// Where a running stream can be asked; `metrics` under [stream] of feat.toml when not written.
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) metrics: Option<std::net::SocketAddr>,
    /// Prints one JSON document on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat quarantine`
#[cfg(feature = "kafka")]
#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// Lists the letters: where their records stand, when they were written, why they were put aside.
    List {
        /// Prints one JSON list on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Shows a record with its reason, text as text and anything else as hexadecimal numbers.
    Show {
        /// Where it stands.
        #[arg(value_name = "TOPIC/PARTITION/OFFSET")]
        place: Place,
        /// Prints the value's bytes and nothing else.
        #[arg(long)]
        raw: bool,
        /// Prints one JSON document on standard output.
        #[arg(long, conflicts_with = "raw")]
        json: bool,
    },
    /// Writes records to the ends of their partitions again, each once.
    Replay(Replay),
}

/// `feat quarantine replay`
#[cfg(feature = "kafka")]
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Where they stand.
    #[arg(value_name = "TOPIC/PARTITION/OFFSET", required_unless_present = "all")]
    pub(crate) places: Vec<Place>,
    /// Every one that is not late.
    #[arg(long, conflicts_with = "places")]
    pub(crate) all: bool,
    /// What to write instead of the one record that is named.
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub(crate) value: Option<PathBuf>,
}

/// `feat get`
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The service.
    pub(crate) service: String,
    /// `key=value` for the entity's key and the request's inputs.
    #[arg(value_name = "NAME=VALUE")]
    pub(crate) inputs: Vec<String>,
    /// Looks up every row of this Parquet file, at one instant.
    #[arg(long, value_name = "FILE.parquet", requires = "out", conflicts_with = "inputs")]
    pub(crate) keys: Option<PathBuf>,
    /// Where `--keys` writes its answer.
    #[arg(long, value_name = "FILE.parquet", requires = "keys")]
    pub(crate) out: Option<PathBuf>,
    /// The instant, RFC 3339 with a zone; now when not written.
    #[arg(long, value_name = "T")]
    pub(crate) at: Option<String>,
    /// Prints one JSON document on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat sample`
#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// `group.feature`
    pub(crate) feature: String,
    /// `key=value` for the entity's key.
    #[arg(value_name = "NAME=VALUE", required = true)]
    pub(crate) key: Vec<String>,
    /// The instant, RFC 3339 with a zone.
    #[arg(long, value_name = "T")]
    pub(crate) at: String,
    /// Shows rows that are not known or not past yet, too.
    #[arg(long)]
    pub(crate) all: bool,
    /// Prints one JSON document on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
