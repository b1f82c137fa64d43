//! The flags of the registry's commands.

use std::path::PathBuf;

use clap::Args;

/// `feat plan`
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Prints one JSON document on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat apply`
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Applies this plan, as `feat plan` named it, and no other.
    #[arg(long, value_name = "HASH")]
    pub(crate) plan: Option<String>,
    /// Prints one JSON document on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat diff`
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The older revision; the one that is deployed when not written.
    pub(crate) from: Option<u64>,
    /// The newer revision; the project's files when not written.
    pub(crate) to: Option<u64>,
    /// Prints one JSON document on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat list`
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Of one kind only: source, field, entity, group, feature, service, …
    pub(crate) kind: Option<String>,
    /// Those whose full name holds this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) contains: Option<String>,
    /// Those that are no longer in the text, too.
    #[arg(long)]
    pub(crate) archived: bool,
    /// Prints one JSON list on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat show`, `feat history`
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// A URN, a full name, or one that only one object has, such as `group.feature`.
    pub(crate) name: String,
    /// Prints one JSON document on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat promote`
#[derive(Debug, Args)]
pub(crate) struct Promote {
    /// The service, or `service@version`; every one that waits when none is named.
    pub(crate) service: Option<String>,
    /// Although what it reads is not filled, or is behind.
    #[arg(long)]
    pub(crate) force: bool,
}

/// `feat rollback`
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The service.
    pub(crate) service: String,
}

/// `feat deprecate`
#[derive(Debug, Args)]
pub(crate) struct Deprecate {
    /// What should no longer be used; `service@version` with `--retire`.
    pub(crate) name: String,
    /// Why, and what stands in its place.
    #[arg(long, default_value = "")]
    pub(crate) note: String,
    /// Ends a version of a service: it answers nobody, and what only it reads is no longer kept up.
    #[arg(long)]
    pub(crate) retire: bool,
}

/// `feat lineage`, `feat impact`
#[derive(Debug, Args)]
pub(crate) struct Lineage {
    /// A source's column, a feature, a group, a service.
    pub(crate) name: String,
    /// At most so many steps.
    #[arg(long, value_name = "N")]
    pub(crate) depth: Option<usize>,
    /// Prints one JSON list on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat runs`
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// At most so many, the newest.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u32,
    /// Training sets, instead of runs.
    #[arg(long)]
    pub(crate) training_sets: bool,
    /// Prints one JSON list on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `feat reproduce`
#[derive(Debug, Args)]
pub(crate) struct Reproduce {
    /// The training set, as `feat train` and `feat runs --training-sets` name it.
    pub(crate) id: String,
    /// Where to write it; nowhere when not written: it is compared and thrown away.
    #[arg(long, value_name = "FILE.parquet")]
    pub(crate) out: Option<PathBuf>,
}
