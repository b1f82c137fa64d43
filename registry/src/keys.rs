//! Who may call the server: principals, their roles, and hashes of their keys. Keys themselves are never
//! stored.

use feat_kernel::time::Instant;
use serde_json::json;
use sqlx::Row;

use crate::database::{Registry, instant, next};
use crate::error::RegistryError;
use crate::journal::{Actor, audit, event};

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// What it begins with, by which it is found.
    pub prefix: String,
    /// Argon2id, in the form that names its settings.
    pub hash: String,
    /// Whose it is.
    pub principal: String,
    /// What they may do: `reader`, `author`, `operator`, `admin`.
    pub roles: Vec<String>,
    /// When it was made.
    pub created_at: Instant,
    /// When it ends; none: never.
    pub expires_at: Option<Instant>,
    /// When it was taken back.
    pub revoked_at: Option<Instant>,
}

impl Registry {
    /// Enters a key of `principal`, who gets `roles` beside those they have.
    pub async fn add_key(
        &self,
        principal: &str,
        roles: &[String],
        prefix: &str,
        hash: &str,
        expires_at: Option<Instant>,
        actor: &Actor<'_>,
    ) -> Result<(), RegistryError> {
        let mut tx = self.begin().await?;
        let urn = format!("urn:feat:principal:{principal}");
        let done = async {
            let found = sqlx::query_scalar("SELECT id FROM principal WHERE name = $1")
                .bind(principal)
                .fetch_optional(&mut *tx)
                .await?;
            let id: i64 = if let Some(id) = found {
                id
            } else {
                let id = next(&mut tx, "SELECT COALESCE(MAX(id), 0) + 1 FROM principal").await?;
                sqlx::query(
                    "INSERT INTO principal (id, name, created_at, created_by) VALUES ($1, $2, $3, $4)",
                )
                .bind(id)
                .bind(principal)
                .bind(actor.at.0)
                .bind(actor.principal)
                .execute(&mut *tx)
                .await?;
                id
            };
            for role in roles {
                sqlx::query(
                    "INSERT INTO role_binding (principal_id, role, granted_at, granted_by) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (principal_id, role) DO NOTHING",
                )
                .bind(id)
                .bind(role)
                .bind(actor.at.0)
                .bind(actor.principal)
                .execute(&mut *tx)
                .await?;
            }
            let key = next(&mut tx, "SELECT COALESCE(MAX(id), 0) + 1 FROM api_key").await?;
            sqlx::query(
                "INSERT INTO api_key (id, prefix, argon2id_hash, principal_id, created_at, created_by, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(key)
            .bind(prefix)
            .bind(hash)
            .bind(id)
            .bind(actor.at.0)
            .bind(actor.principal)
            .bind(expires_at.map(|at| at.0))
            .execute(&mut *tx)
            .await?;
            let payload = json!({ "key": prefix, "roles": roles });
            event(&mut tx, actor.at, "key", &urn, &payload).await?;
            audit(&mut tx, actor, "add key", &urn, true, &payload.to_string()).await?;
            tx.commit().await
        };
        done.await.map_err(|cause| self.failed(cause))
    }

    /// Takes a key back.
    ///
    /// Errors: there is none that begins with `prefix`.
    pub async fn revoke_key(&self, prefix: &str, actor: &Actor<'_>) -> Result<(), RegistryError> {
        let mut tx = self.begin().await?;
        let done = async {
            let changed =
                sqlx::query("UPDATE api_key SET revoked_at = $1 WHERE prefix = $2 AND revoked_at IS NULL")
                    .bind(actor.at.0)
                    .bind(prefix)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
            audit(&mut tx, actor, "revoke key", prefix, true, "").await?;
            tx.commit().await?;
            Ok(changed)
        };
        match done.await.map_err(|cause| self.failed(cause))? {
            0 => Err(RegistryError::Unknown { what: "key", name: prefix.to_owned(), known: String::new() }),
            _ => Ok(()),
        }
    }

    /// Every key, oldest first.
    pub async fn keys(&self) -> Result<Vec<StoredKey>, RegistryError> {
        let rows = sqlx::query(
            "SELECT k.prefix, k.argon2id_hash, p.name, k.created_at, k.expires_at, k.revoked_at, p.id
             FROM api_key k JOIN principal p ON p.id = k.principal_id ORDER BY k.id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|cause| self.failed(cause))?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            let roles: Vec<String> =
                sqlx::query_scalar("SELECT role FROM role_binding WHERE principal_id = $1 ORDER BY role")
                    .bind(row.get::<i64, _>(6))
                    .fetch_all(&self.pool)
                    .await
                    .map_err(|cause| self.failed(cause))?;
            keys.push(StoredKey {
                prefix: row.get(0),
                hash: row.get(1),
                principal: row.get(2),
                roles,
                created_at: instant(row.get(3)),
                expires_at: row.get::<Option<i64>, _>(4).map(instant),
                revoked_at: row.get::<Option<i64>, _>(5).map(instant),
            });
        }
        Ok(keys)
    }

    /// The key that begins with `prefix`, if it was not taken back.
    pub async fn key(&self, prefix: &str) -> Result<Option<StoredKey>, RegistryError> {
        let keys = self.keys().await?;
        Ok(keys.into_iter().find(|key| key.prefix == prefix && key.revoked_at.is_none()))
    }
}
