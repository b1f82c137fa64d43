//! What happened, and who did it: an event and an audit row beside every write.

use feat_kernel::time::Instant;
use serde_json::Value as Json;
use sqlx::{Row, Sqlite, Transaction};

use crate::database::{Registry, instant, next};
use crate::error::RegistryError;

/// Who does something, by which door, and when.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// A name: of a key's holder, or of the user of this machine.
    pub principal: &'a str,
    /// `cli`, `grpc`.
    pub channel: &'a str,
    /// The wall clock.
    pub at: Instant,
}

/// A row of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place, from 1.
    pub seq: i64,
    /// When.
    pub at: Instant,
    /// Who.
    pub principal: String,
    /// By which door.
    pub channel: String,
    /// What: a command or a call.
    pub action: String,
    /// Of what.
    pub urn: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// More, in words.
    pub detail: String,
}

/// Appends what happened to `urn`.
pub(crate) async fn event(
    tx: &mut Transaction<'static, Sqlite>,
    at: Instant,
    kind: &str,
    urn: &str,
    payload: &Json,
) -> Result<(), sqlx::Error> {
    let seq = next(tx, "SELECT COALESCE(MAX(seq), 0) + 1 FROM registry_event").await?;
    sqlx::query("INSERT INTO registry_event (seq, at, kind, urn, payload_json) VALUES ($1, $2, $3, $4, $5)")
        .bind(seq)
        .bind(at.0)
        .bind(kind)
        .bind(urn)
        .bind(payload.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Appends who did it.
pub(crate) async fn audit(
    tx: &mut Transaction<'static, Sqlite>,
    actor: &Actor<'_>,
    action: &str,
    urn: &str,
    allowed: bool,
    detail: &str,
) -> Result<(), sqlx::Error> {
    let last = sqlx::query("SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1")
        .fetch_optional(&mut **tx)
        .await?;
    let (seq, before): (i64, String) = match last {
        Some(row) => (row.get::<i64, _>(0) + 1, row.get(1)),
        None => (1, String::new()),
    };
    let entry = AuditEntry {
        seq,
        at: actor.at,
        principal: actor.principal.to_owned(),
        channel: actor.channel.to_owned(),
        action: action.to_owned(),
        urn: urn.to_owned(),
        allowed,
        detail: detail.to_owned(),
    };
    sqlx::query(
        "INSERT INTO audit_log (seq, at, principal, channel, action, urn, decision, detail, prev_hash, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(seq)
    .bind(actor.at.0)
    .bind(actor.principal)
    .bind(actor.channel)
    .bind(action)
    .bind(urn)
    .bind(decision(allowed))
    .bind(detail)
    .bind(&before)
    .bind(entry.chained(&before))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn decision(allowed: bool) -> &'static str {
    if allowed { "allowed" } else { "refused" }
}

impl AuditEntry {
    /// The hash of the entry behind one whose hash is `before`.
    fn chained(&self, before: &str) -> String {
        let mut hash = blake3::Hasher::new();
        let (seq, at) = (self.seq.to_string(), self.at.0.to_string());
        let fields = [
            before,
            &seq,
            &at,
            &self.principal,
            &self.channel,
            &self.action,
            &self.urn,
            decision(self.allowed),
            &self.detail,
        ];
        for field in fields {
            hash.update(&(field.len() as u64).to_le_bytes());
            hash.update(field.as_bytes());
        }
        hash.finalize().to_hex().to_string()
    }
}

impl Registry {
    /// Enters a decision that no write of the registry stands for: a refused call, a lookup of secrets.
    pub async fn audit(
        &self,
        actor: &Actor<'_>,
        action: &str,
        urn: &str,
        allowed: bool,
        detail: &str,
    ) -> Result<(), RegistryError> {
        let mut tx = self.begin().await?;
        let written = async {
            audit(&mut tx, actor, action, urn, allowed, detail).await?;
            tx.commit().await
        };
        written.await.map_err(|cause| self.failed(cause))
    }

    /// The number of the last event that changed what is deployed; it only grows.
    pub async fn last_change(&self) -> Result<i64, RegistryError> {
        sqlx::query_scalar(
            "SELECT COALESCE(MAX(seq), 0) FROM registry_event WHERE kind IN ('apply', 'promote', 'rollback', 'retire')",
        )
            .fetch_one(&self.pool)
            .await
            .map_err(|cause| self.failed(cause))
    }

    /// The audit log from its beginning.
    ///
    /// Errors: [`RegistryError::Edited`] at the first entry that is not what was written, or is missing.
    pub async fn audit_log(&self) -> Result<Vec<AuditEntry>, RegistryError> {
        let rows = sqlx::query(
            "SELECT seq, at, principal, channel, action, urn, decision, detail, prev_hash, hash
             FROM audit_log ORDER BY seq",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|cause| self.failed(cause))?;
        let mut before = String::new();
        let mut entries = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let entry = AuditEntry {
                seq: row.get(0),
                at: instant(row.get(1)),
                principal: row.get(2),
                channel: row.get(3),
                action: row.get(4),
                urn: row.get(5),
                allowed: row.get::<String, _>(6) == decision(true),
                detail: row.get(7),
            };
            let (previous, hash): (String, String) = (row.get(8), row.get(9));
            if entry.seq != at as i64 + 1 || previous != before || hash != entry.chained(&before) {
                return Err(RegistryError::Edited { what: format!("the audit log at entry {}", at + 1) });
            }
            before = hash;
            entries.push(entry);
        }
        Ok(entries)
    }
}
