//! What was run: when, on what, and how many rows went which way.

use feat_kernel::time::Instant;
use serde_json::Value as Json;
use sqlx::Row;

use crate::database::{Registry, instant};
use crate::error::RegistryError;
use crate::journal::{Actor, event};

/// How many rows of a run went which way: `rows_in = admitted + rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows read.
    pub rows_in: u64,
    /// Rows that counted.
    pub admitted: u64,
    /// Rows that did not, for whatever reason.
    pub rejected: u64,
    /// Rows written: values, blobs, rows of a training set.
    pub rows_out: u64,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its name.
    pub id: String,
    /// `materialize`, `load`, `stream`, `train`.
    pub kind: String,
    /// Of what.
    pub urn: String,
    /// The number of the revision it ran; none: of files that were not applied.
    pub revision: Option<u64>,
    /// `running`, `completed`, `failed`.
    pub state: String,
    /// From when.
    pub started_at: Instant,
    /// To when.
    pub ended_at: Option<Instant>,
    /// How many rows.
    pub counts: Counts,
    /// More, by kind of run.
    pub detail: Json,
    /// Why it failed.
    pub error: String,
    /// Who ran it.
    pub created_by: String,
}

impl Registry {
    /// Enters a run that begins, and gives its name.
    pub async fn begin_run(
        &self,
        kind: &str,
        urn: &str,
        revision: Option<u64>,
        actor: &Actor<'_>,
    ) -> Result<String, RegistryError> {
        let mut tx = self.begin().await?;
        let done = async {
            let project = self.enter_project(&mut tx, actor).await?;
            let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM run").fetch_one(&mut *tx).await?;
            let said = format!("{project} {kind} {urn} {} {count}", actor.at.0);
            let id = blake3::hash(said.as_bytes()).to_hex()[..12].to_owned();
            sqlx::query(
                "INSERT INTO run (id, project_id, revision_id, kind, urn, state, started_at, rows_in, admitted, rejected,
                   rows_out, detail_json, error, created_by)
                 VALUES ($1, $2, (SELECT id FROM revision WHERE project_id = $2 AND seq = $3), $4, $5, 'running', $6,
                   0, 0, 0, 0, '{}', '', $7)",
            )
            .bind(&id)
            .bind(project)
            .bind(revision.map(|seq| seq as i64))
            .bind(kind)
            .bind(urn)
            .bind(actor.at.0)
            .bind(actor.principal)
            .execute(&mut *tx)
            .await?;
            event(&mut tx, actor.at, "run begins", urn, &serde_json::json!({ "run": id, "kind": kind }))
                .await?;
            tx.commit().await?;
            Ok(id)
        };
        done.await.map_err(|cause| self.failed(cause))
    }

    /// Enters how a run ended: its counts, or why it failed.
    ///
    /// Errors: counts that do not chain are refused by the database.
    pub async fn end_run(
        &self,
        id: &str,
        ended: Result<(Counts, Json), String>,
        actor: &Actor<'_>,
    ) -> Result<(), RegistryError> {
        let mut tx = self.begin().await?;
        let (state, counts, detail, error) = match ended {
            Ok((counts, detail)) => ("completed", counts, detail, String::new()),
            Err(error) => ("failed", Counts::default(), Json::Object(serde_json::Map::new()), error),
        };
        let done = async {
            sqlx::query(
                "UPDATE run SET state = $2, ended_at = $3, rows_in = $4, admitted = $5, rejected = $6, rows_out = $7,
                   detail_json = $8, error = $9 WHERE id = $1",
            )
            .bind(id)
            .bind(state)
            .bind(actor.at.0)
            .bind(counts.rows_in as i64)
            .bind(counts.admitted as i64)
            .bind(counts.rejected as i64)
            .bind(counts.rows_out as i64)
            .bind(detail.to_string())
            .bind(&error)
            .execute(&mut *tx)
            .await?;
            let payload = serde_json::json!({ "run": id, "state": state });
            event(&mut tx, actor.at, "run ends", "", &payload).await?;
            tx.commit().await
        };
        done.await.map_err(|cause| self.failed(cause))
    }

    /// The last `limit` runs, newest first.
    pub async fn runs(&self, limit: u32) -> Result<Vec<Run>, RegistryError> {
        let Some(project) = self.project_id().await? else { return Ok(Vec::new()) };
        let rows = sqlx::query(
            "SELECT u.id, u.kind, u.urn, r.seq, u.state, u.started_at, u.ended_at, u.rows_in, u.admitted, u.rejected,
               u.rows_out, u.detail_json, u.error, u.created_by
             FROM run u LEFT JOIN revision r ON r.id = u.revision_id
             WHERE u.project_id = $1 ORDER BY u.started_at DESC, u.id LIMIT $2",
        )
        .bind(project)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(|cause| self.failed(cause))?;
        let count = |row: &sqlx::sqlite::SqliteRow, at: usize| row.get::<i64, _>(at) as u64;
        let run = |row: &sqlx::sqlite::SqliteRow| Run {
            id: row.get(0),
            kind: row.get(1),
            urn: row.get(2),
            revision: row.get::<Option<i64>, _>(3).map(|seq| seq as u64),
            state: row.get(4),
            started_at: instant(row.get(5)),
            ended_at: row.get::<Option<i64>, _>(6).map(instant),
            counts: Counts {
                rows_in: count(row, 7),
                admitted: count(row, 8),
                rejected: count(row, 9),
                rows_out: count(row, 10),
            },
            detail: serde_json::from_str(&row.get::<String, _>(11)).unwrap_or_default(),
            error: row.get(12),
            created_by: row.get(13),
        };
        Ok(rows.iter().map(run).collect())
    }
}
