//! Training sets that were made: what of, from what, and by which checksum they are known again.

use feat_kernel::time::Instant;
use serde_json::Value as Json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::database::{Registry, instant};
use crate::error::RegistryError;
use crate::journal::{Actor, audit, event};

/// A training set that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingSet {
    /// Its name: that of the run that made it.
    pub id: String,
    /// The service or dataset.
    pub urn: String,
    /// Its version.
    pub major: u32,
    /// The number of the revision it was made with; none: of files that were not applied.
    pub revision: Option<u64>,
    /// What was asked for: service or dataset, spine, time, zone, mode.
    pub request: Json,
    /// Versions, meanings and tables it was made from.
    pub manifest: Json,
    /// Of all rows, whatever their order.
    pub checksum: String,
    /// How many rows.
    pub rows: u64,
    /// Where it was written; empty: it was sent.
    pub location: String,
    /// When.
    pub created_at: Instant,
    /// By whom.
    pub created_by: String,
}

impl Registry {
    /// Enters a training set that was made.
    pub async fn record_training_set(
        &self,
        set: &TrainingSet,
        actor: &Actor<'_>,
    ) -> Result<(), RegistryError> {
        let mut tx = self.begin().await?;
        let done = async {
            let project = self.enter_project(&mut tx, actor).await?;
            sqlx::query(
                "INSERT INTO training_set (id, project_id, run_id, urn, major, revision_id, request_json, manifest_json,
                   checksum, row_count, location, created_at, created_by)
                 VALUES ($1, $2, $1, $3, $4, (SELECT id FROM revision WHERE project_id = $2 AND seq = $5), $6, $7, $8, $9,
                   $10, $11, $12)",
            )
            .bind(&set.id)
            .bind(project)
            .bind(&set.urn)
            .bind(i64::from(set.major))
            .bind(set.revision.map(|seq| seq as i64))
            .bind(set.request.to_string())
            .bind(set.manifest.to_string())
            .bind(&set.checksum)
            .bind(set.rows as i64)
            .bind(&set.location)
            .bind(actor.at.0)
            .bind(actor.principal)
            .execute(&mut *tx)
            .await?;
            let payload = serde_json::json!({ "training_set": set.id, "checksum": set.checksum });
            event(&mut tx, actor.at, "training set", &set.urn, &payload).await?;
            audit(&mut tx, actor, "train", &set.urn, true, &set.id).await?;
            tx.commit().await
        };
        done.await.map_err(|cause| self.failed(cause))
    }

    /// The last `limit` training sets, newest first; of one service or dataset, or of all.
    pub async fn training_sets(&self, of: &str, limit: u32) -> Result<Vec<TrainingSet>, RegistryError> {
        let Some(project) = self.project_id().await? else { return Ok(Vec::new()) };
        let rows = sqlx::query(
            "SELECT s.id, s.urn, s.major, r.seq, s.request_json, s.manifest_json, s.checksum, s.row_count, s.location,
               s.created_at, s.created_by
             FROM training_set s LEFT JOIN revision r ON r.id = s.revision_id
             WHERE s.project_id = $1 AND ($2 = '' OR s.urn = $2 OR s.urn LIKE '%/' || $2 OR s.urn LIKE '%.' || $2)
             ORDER BY s.created_at DESC, s.id LIMIT $3",
        )
        .bind(project)
        .bind(of)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(|cause| self.failed(cause))?;
        rows.iter().map(set).collect()
    }

    /// The training set `id`.
    pub async fn training_set(&self, id: &str) -> Result<TrainingSet, RegistryError> {
        let row = sqlx::query(
            "SELECT s.id, s.urn, s.major, r.seq, s.request_json, s.manifest_json, s.checksum, s.row_count, s.location,
               s.created_at, s.created_by
             FROM training_set s LEFT JOIN revision r ON r.id = s.revision_id
             JOIN project p ON p.id = s.project_id WHERE s.id = $1 AND p.name = $2",
        )
        .bind(id)
        .bind(self.project())
        .fetch_optional(&self.pool)
        .await
        .map_err(|cause| self.failed(cause))?;
        match row {
            Some(row) => set(&row),
            None => Err(RegistryError::Unknown {
                what: "training set",
                name: id.to_owned(),
                known: String::new(),
            }),
        }
    }
}

fn set(row: &SqliteRow) -> Result<TrainingSet, RegistryError> {
    let json = |at: usize| {
        serde_json::from_str(&row.get::<String, _>(at)).map_err(|_| RegistryError::Edited {
            what: format!("training set `{}`", row.get::<String, _>(0)),
        })
    };
    Ok(TrainingSet {
        id: row.get(0),
        urn: row.get(1),
        major: row.get::<i64, _>(2) as u32,
        revision: row.get::<Option<i64>, _>(3).map(|seq| seq as u64),
        request: json(4)?,
        manifest: json(5)?,
        checksum: row.get(6),
        rows: row.get::<i64, _>(7) as u64,
        location: row.get(8),
        created_at: instant(row.get(9)),
        created_by: row.get(10),
    })
}
