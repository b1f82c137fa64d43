//! The database: opened, brought up to this build's schema, and written in whole transactions.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use feat_kernel::time::Instant;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlSafeStr, Sqlite, SqlitePool, Transaction};

use crate::error::RegistryError;
use crate::journal::Actor;

/// Every change of the schema, in order. One that was released is never edited.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "spec", include_str!("../migrations/sqlite/0001_spec.sql")),
    (2, "fixed", include_str!("../migrations/sqlite/0002_fixed.sql")),
];

/// How long a writer waits for another: an apply of thousands of features takes less than a second.
const BUSY: Duration = Duration::from_secs(15);

/// A registry, open. Cheap to clone; its connections are shared.
#[derive(Clone, Debug)]
pub struct Registry {
    pub(crate) pool: SqlitePool,
    project: String,
    place: String,
}

impl Registry {
    /// The registry of `url` (`sqlite:PATH`) for `project`, if there is one.
    ///
    /// Absent: `None` if the file is not there: nothing was ever applied. An older schema is brought up to
    /// this build's.
    /// Errors: another kind of database, one that does not answer, one of a newer build.
    pub async fn open(url: &str, root: &Path, project: &str) -> Result<Option<Self>, RegistryError> {
        let path = file(url, root)?;
        if !path.exists() {
            return Ok(None);
        }
        Self::connect(&path, project).await.map(Some)
    }

    /// The same; made if it is not there.
    pub async fn make(url: &str, root: &Path, project: &str) -> Result<Self, RegistryError> {
        let path = file(url, root)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|cause| RegistryError::Database {
                place: folder.display().to_string(),
                cause: sqlx::Error::Io(cause),
            })?;
        }
        Self::connect(&path, project).await
    }

    async fn connect(path: &Path, project: &str) -> Result<Self, RegistryError> {
        let place = path.display().to_string();
        let failed = |cause| RegistryError::Database { place: place.clone(), cause };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An apply that was said to be done survives a loss of power.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new().max_connections(8).connect_with(options).await.map_err(failed)?;
        migrate(&pool, &place).await?;
        Ok(Self { pool, project: project.to_owned(), place })
    }

    /// The project whose entries are meant.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Where it is, as messages say it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The error of a query.
    pub(crate) fn failed(&self, cause: sqlx::Error) -> RegistryError {
        RegistryError::Database { place: self.place.clone(), cause }
    }

    /// A transaction that will write: it holds the right to from its beginning.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, RegistryError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(|cause| self.failed(cause))
    }

    /// The project's number, if anything was ever written for it.
    pub(crate) async fn project_id(&self) -> Result<Option<i64>, RegistryError> {
        sqlx::query_scalar("SELECT id FROM project WHERE name = $1")
            .bind(&self.project)
            .fetch_optional(&self.pool)
            .await
            .map_err(|cause| self.failed(cause))
    }

    /// The project's number; it is entered if it was not there.
    pub(crate) async fn enter_project(
        &self,
        tx: &mut Transaction<'static, Sqlite>,
        actor: &Actor<'_>,
    ) -> Result<i64, sqlx::Error> {
        let found = sqlx::query_scalar("SELECT id FROM project WHERE name = $1")
            .bind(&self.project)
            .fetch_optional(&mut **tx)
            .await?;
        if let Some(id) = found {
            return Ok(id);
        }
        let id = next(tx, "SELECT COALESCE(MAX(id), 0) + 1 FROM project").await?;
        sqlx::query("INSERT INTO project (id, name, created_at, created_by) VALUES ($1, $2, $3, $4)")
            .bind(id)
            .bind(&self.project)
            .bind(actor.at.0)
            .bind(actor.principal)
            .execute(&mut **tx)
            .await?;
        Ok(id)
    }
}

/// The next number of a table, within a transaction that alone writes.
pub(crate) async fn next(
    tx: &mut Transaction<'static, Sqlite>,
    query: &'static str,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(query).fetch_one(&mut **tx).await
}

/// An instant of a column.
pub(crate) fn instant(micros: i64) -> Instant {
    Instant(micros)
}

/// The file of a `sqlite:` url.
fn file(url: &str, root: &Path) -> Result<std::path::PathBuf, RegistryError> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        return Ok(root.join(path.trim_start_matches("//")));
    }
    let kind = url.split_once(':').map_or(url, |(kind, _)| kind);
    Err(RegistryError::Kind { url: format!("{kind}:…") })
}

async fn migrate(pool: &SqlitePool, place: &str) -> Result<(), RegistryError> {
    let migrations = MIGRATIONS.iter().map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let known = MIGRATIONS[MIGRATIONS.len() - 1].0;
    Migrator::with_migrations(migrations.collect()).run(pool).await.map_err(|cause| match cause {
        MigrateError::VersionMissing(found) if found > known => {
            RegistryError::Newer { place: place.to_owned(), found, known }
        }
        MigrateError::Execute(cause) => RegistryError::Database { place: place.to_owned(), cause },
        cause => RegistryError::Schema { place: place.to_owned(), cause },
    })
}

/// A word of a column, as one of ours.
pub(crate) fn word<T: FromStr>(column: &str, text: &str) -> Result<T, RegistryError> {
    text.parse().map_err(|_| RegistryError::Edited { what: format!("{column} `{text}`") })
}
