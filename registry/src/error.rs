//! Why the registry refuses.

/// Why the registry refuses.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// `[registry] url` is of a kind that this build does not open.
    #[error("registry `{url}` is of a kind that this build does not open: write \"sqlite:PATH\"")]
    Kind {
        /// As written, without who asks.
        url: String,
    },
    /// The database does not answer, or says no.
    #[error("the registry at {place} does not answer")]
    Database {
        /// The file or server.
        place: String,
        /// In its words.
        #[source]
        cause: sqlx::Error,
    },
    /// It was made by a newer build.
    #[error(
        "the registry at {place} was made by a newer build: it has migration {found}, this build knows {known}"
    )]
    Newer {
        /// The file or server.
        place: String,
        /// Its last migration.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Its tables are not those that its migrations make.
    #[error("the registry at {place} is not as its migrations made it")]
    Schema {
        /// The file or server.
        place: String,
        /// What is wrong.
        #[source]
        cause: sqlx::migrate::MigrateError,
    },
    /// The plan is about what is no longer deployed.
    #[error(
        "the plan is stale: it was made over revision {planned}, and revision {found} is deployed now; plan again"
    )]
    Stale {
        /// What the plan was made over; 0: nothing.
        planned: u64,
        /// What is deployed.
        found: u64,
    },
    /// The plan holds changes that may not be applied.
    #[error("{}", .reasons.join("\n"))]
    Blocked {
        /// One a change, with its code.
        reasons: Vec<String>,
    },
    /// What is stored is not what was applied.
    #[error(
        "{what} was changed in the registry by hand: it is not what was applied. Restore the registry from a copy"
    )]
    Edited {
        /// Which text or entry.
        what: String,
    },
    /// A stored text has errors for this compiler.
    #[error(
        "revision {revision} no longer compiles with this build ({ours}); it was applied with {theirs}:\n{report}"
    )]
    Uncompilable {
        /// Which.
        revision: u64,
        /// This compiler's version.
        ours: String,
        /// The version it was applied with.
        theirs: String,
        /// The diagnostics.
        report: String,
    },
    /// A stored text means something else to this compiler.
    #[error(
        "this build would give other numbers for {names} of revision {revision} than the build that applied it ({theirs}, semantics {semantics}): run that build, or apply the files anew with a new version of what changed"
    )]
    OtherMeaning {
        /// Which.
        revision: u64,
        /// What of it.
        names: String,
        /// The compiler's version it was applied with.
        theirs: String,
        /// The kernel's.
        semantics: u32,
    },
    /// There is none by that name.
    #[error("{what} `{name}` is not in the registry{}", if .known.is_empty() { String::new() } else { format!("; there is {}", .known) })]
    Unknown {
        /// Kind of thing.
        what: &'static str,
        /// As asked.
        name: String,
        /// Those there are, or close ones.
        known: String,
    },
    /// Several have the name.
    #[error("`{name}` is the name of several: say one of {known}")]
    Ambiguous {
        /// As asked.
        name: String,
        /// Their full names.
        known: String,
    },
    /// The object or version is not in a state for what is asked.
    #[error("{0}")]
    State(String),
}

impl RegistryError {
    /// Whether asking again later may help: the database did not answer.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Database { .. })
    }
}
