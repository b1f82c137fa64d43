//! Which revision answers a version of a service, and how it comes and goes.
//!
//! ```text
//!             promote              promote another
//!  staged ─────────────► active ─────────────────────► superseded ───► retired
//!                          ▲                               │  deprecate
//!                          └──────────── rollback ─────────┘
//! ```
//!
//! A staged pin waits until the views that it reads are filled. A superseded one still answers who asks for
//! its version by number, and its groups are kept up, until it is retired.

use std::fmt;
use std::str::FromStr;

use feat_compiler::objects::Kind;
use feat_kernel::time::Instant;
use serde_json::json;
use sqlx::{Row, Sqlite, Transaction};

use crate::database::{Registry, instant, word};
use crate::error::RegistryError;
use crate::journal::{Actor, audit, event};
use crate::urn::Urn;

/// Where a pin stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PinState {
    /// Waits until what it reads is filled.
    Staged,
    /// Answers the service's name.
    Active,
    /// Answers its version, by number.
    Superseded,
    /// Answers nobody.
    Retired,
}

impl fmt::Display for PinState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Staged => "staged",
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Retired => "retired",
        })
    }
}

impl FromStr for PinState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Staged, Self::Active, Self::Superseded, Self::Retired]
            .into_iter()
            .find(|state| state.to_string() == text)
            .ok_or(())
    }
}

/// Which revision answers a version of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub(crate) id: i64,
    pub(crate) object: i64,
    /// The service's full name.
    pub service: String,
    /// Its version.
    pub major: u32,
    /// The revision's number.
    pub revision: u64,
    /// The hash of what decides its numbers.
    pub meaning: String,
    /// Where it stands.
    pub state: PinState,
    /// When it was made.
    pub created_at: Instant,
    /// By whom.
    pub created_by: String,
}

impl Pin {
    /// `name@version`.
    pub fn versioned(&self) -> String {
        format!("{}@{}", self.service, self.major)
    }
}

impl Registry {
    /// Every pin of the project, newest first.
    pub async fn pins(&self) -> Result<Vec<Pin>, RegistryError> {
        let Some(project) = self.project_id().await? else { return Ok(Vec::new()) };
        let rows = sqlx::query(
            "SELECT p.id, p.object_id, o.name, p.major, r.seq, p.meaning, p.state, p.created_at, p.created_by
             FROM pin p JOIN object o ON o.id = p.object_id JOIN revision r ON r.id = p.revision_id
             WHERE o.project_id = $1 ORDER BY p.id DESC",
        )
        .bind(project)
        .fetch_all(&self.pool)
        .await
        .map_err(|cause| self.failed(cause))?;
        let pin = |row: &sqlx::sqlite::SqliteRow| {
            Ok(Pin {
                id: row.get(0),
                object: row.get(1),
                service: row.get(2),
                major: row.get::<i64, _>(3) as u32,
                revision: row.get::<i64, _>(4) as u64,
                meaning: row.get(5),
                state: word("the state of a pin,", &row.get::<String, _>(6))?,
                created_at: instant(row.get(7)),
                created_by: row.get(8),
            })
        };
        rows.iter().map(pin).collect()
    }

    /// Makes `pin` what its service's name stands for. The one before is superseded.
    ///
    /// The caller has seen that what it reads is filled. Errors: it is retired, or no longer there.
    pub async fn promote(&self, pin: &Pin, actor: &Actor<'_>) -> Result<(), RegistryError> {
        self.activate(pin, actor, "promote").await
    }

    /// Makes the pin that was active before what `service`'s name stands for again.
    ///
    /// Errors: there is none that is still kept up.
    pub async fn rollback(&self, service: &str, actor: &Actor<'_>) -> Result<Pin, RegistryError> {
        let pins = self.pins().await?;
        let of = |pin: &&Pin| pin.service == service;
        let active = pins.iter().filter(of).find(|pin| pin.state == PinState::Active);
        let before = pins
            .iter()
            .filter(of)
            .filter(|pin| active.is_none_or(|active| pin.id < active.id))
            .find(|pin| pin.state == PinState::Superseded);
        let Some(before) = before else {
            return Err(RegistryError::State(format!(
                "service `{service}` has no older version to go back to that is not retired"
            )));
        };
        self.activate(before, actor, "rollback").await?;
        Ok(before.clone())
    }

    async fn activate(&self, pin: &Pin, actor: &Actor<'_>, action: &str) -> Result<(), RegistryError> {
        let mut tx = self.begin().await?;
        let urn = Urn::new(Kind::Service, self.project(), &pin.service).to_string();
        let done = async {
            let found: Option<String> = sqlx::query_scalar("SELECT state FROM pin WHERE id = $1")
                .bind(pin.id)
                .fetch_optional(&mut *tx)
                .await?;
            if found.as_deref().is_none_or(|state| state == PinState::Retired.to_string()) {
                return Ok(false);
            }
            replace(&mut tx, pin.object, "active", "superseded").await?;
            sqlx::query("UPDATE pin SET state = 'active' WHERE id = $1")
                .bind(pin.id)
                .execute(&mut *tx)
                .await?;
            let payload = json!({ "version": pin.major, "revision": pin.revision });
            event(&mut tx, actor.at, action, &urn, &payload).await?;
            audit(&mut tx, actor, action, &urn, true, &pin.versioned()).await?;
            tx.commit().await?;
            Ok(true)
        };
        if done.await.map_err(|cause| self.failed(cause))? {
            return Ok(());
        }
        Err(RegistryError::State(format!("{} is retired: apply it anew", pin.versioned())))
    }

    /// Ends a version of a service: it answers nobody, and what only it reads is no longer kept up.
    ///
    /// Errors: it is what the service's name stands for: another must be promoted first.
    pub async fn retire(&self, pin: &Pin, actor: &Actor<'_>) -> Result<(), RegistryError> {
        let mut tx = self.begin().await?;
        let urn = Urn::new(Kind::Service, self.project(), &pin.service).to_string();
        let done = async {
            let active: Option<i64> = sqlx::query_scalar(
                "SELECT id FROM pin WHERE object_id = $1 AND major = $2 AND state = 'active'",
            )
            .bind(pin.object)
            .bind(i64::from(pin.major))
            .fetch_optional(&mut *tx)
            .await?;
            if active.is_some() {
                return Ok(false);
            }
            sqlx::query("UPDATE pin SET state = 'retired' WHERE object_id = $1 AND major = $2")
                .bind(pin.object)
                .bind(i64::from(pin.major))
                .execute(&mut *tx)
                .await?;
            event(&mut tx, actor.at, "retire", &urn, &json!({ "version": pin.major })).await?;
            audit(&mut tx, actor, "retire", &urn, true, &pin.versioned()).await?;
            tx.commit().await?;
            Ok(true)
        };
        if done.await.map_err(|cause| self.failed(cause))? {
            return Ok(());
        }
        Err(RegistryError::State(format!(
            "{} is what the name `{}` stands for: promote another version first",
            pin.versioned(),
            pin.service
        )))
    }
}

/// Moves the pins of an object from one state to another.
pub(crate) async fn replace(
    tx: &mut Transaction<'static, Sqlite>,
    object: i64,
    from: &str,
    to: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE pin SET state = $1 WHERE object_id = $2 AND state = $3")
        .bind(to)
        .bind(object)
        .bind(from)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
