//! Apply: everything of a plan, in one transaction, or nothing.

use std::collections::{BTreeMap, BTreeSet};

use feat_compiler::diff::Class;
use feat_compiler::objects::{Kind, Object};
use feat_compiler::{Compiled, SourceMap};
use serde_json::json;
use sqlx::{Row, Sqlite, Transaction};

use crate::database::{Registry, next};
use crate::error::RegistryError;
use crate::journal::{Actor, audit, event};
use crate::pins::replace;
use crate::plan::{Move, Plan};
use crate::revision::{meaning, text_hash};
use crate::urn::Urn;

/// What an object's entry and its newest version are.
struct Entry {
    object: i64,
    version: Option<(u32, u32, String, String)>,
}

impl Registry {
    /// Applies `plan`, which was made of `compiled` and `texts`.
    ///
    /// Gives the number of the revision that is deployed then: the one before, if there was nothing to
    /// apply. Errors: the plan is blocked, or stale: of two that were made over one revision, one is applied.
    /// Whatever happens in between, the old state stands, or the new one.
    pub async fn apply(
        &self,
        plan: &Plan,
        compiled: &Compiled,
        texts: &SourceMap,
        actor: &Actor<'_>,
    ) -> Result<u64, RegistryError> {
        let reasons = plan.blocked();
        if !reasons.is_empty() {
            return Err(RegistryError::Blocked { reasons });
        }
        let mut tx = self.begin().await?;
        let done = async {
            let project = self.enter_project(&mut tx, actor).await?;
            let found: i64 =
                sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM revision WHERE project_id = $1")
                    .bind(project)
                    .fetch_one(&mut *tx)
                    .await?;
            if found as u64 != plan.base {
                return Ok(Err(found as u64));
            }
            if plan.is_empty() {
                return Ok(Ok(plan.base));
            }
            let mut apply = Apply { registry: self, actor, project, revision: 0, tx };
            apply.revision(plan.base + 1, compiled, texts).await?;
            apply.objects(plan, compiled, texts).await?;
            apply.lineage(compiled).await?;
            apply.pins(plan, compiled).await?;
            let urn = format!("urn:feat:project:{}", self.project());
            let summary =
                json!({ "revision": plan.base + 1, "changes": plan.changes.len(), "plan": plan.hash });
            event(&mut apply.tx, actor.at, "apply", &urn, &summary).await?;
            audit(&mut apply.tx, actor, "apply", &urn, true, &summary.to_string()).await?;
            apply.tx.commit().await?;
            Ok(Ok(plan.base + 1))
        };
        let applied = done.await.map_err(|cause| self.failed(cause))?;
        applied.map_err(|found| RegistryError::Stale { planned: plan.base, found })
    }
}

/// An apply under way.
struct Apply<'a> {
    registry: &'a Registry,
    actor: &'a Actor<'a>,
    project: i64,
    revision: i64,
    tx: Transaction<'static, Sqlite>,
}

impl Apply<'_> {
    async fn revision(
        &mut self,
        seq: u64,
        compiled: &Compiled,
        texts: &SourceMap,
    ) -> Result<(), sqlx::Error> {
        self.revision = next(&mut self.tx, "SELECT COALESCE(MAX(id), 0) + 1 FROM revision").await?;
        sqlx::query(
            "INSERT INTO revision (id, project_id, seq, compiler_version, semantics_version, meaning, created_at, created_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.revision)
        .bind(self.project)
        .bind(seq as i64)
        .bind(feat_compiler::VERSION)
        .bind(i64::from(feat_compiler::meaning::KERNEL_VERSION))
        .bind(meaning(compiled, texts))
        .bind(self.actor.at.0)
        .bind(self.actor.principal)
        .execute(&mut *self.tx)
        .await?;
        for file in texts.files() {
            let (path, text) = (texts.path(file), texts.text(file));
            let hash = text_hash(text);
            sqlx::query("INSERT INTO spec_text (hash, text) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING")
                .bind(&hash)
                .bind(text)
                .execute(&mut *self.tx)
                .await?;
            sqlx::query("INSERT INTO revision_file (revision_id, path, text_hash) VALUES ($1, $2, $3)")
                .bind(self.revision)
                .bind(path)
                .bind(&hash)
                .execute(&mut *self.tx)
                .await?;
        }
        Ok(())
    }

    /// Enters new objects, versions of those that mean or offer something else, and what is said of them.
    async fn objects(
        &mut self,
        plan: &Plan,
        compiled: &Compiled,
        texts: &SourceMap,
    ) -> Result<(), sqlx::Error> {
        let changed = |object: &Object| {
            let of = plan.changes.iter().filter(|one| one.kind == object.kind && one.name == object.name);
            of.map(|change| (change.class, change.reason.clone()))
                .reduce(|(one, first), (other, then)| (one.max(other), format!("{first}; {then}")))
        };
        let objects = feat_compiler::objects::objects(&compiled.model, texts);
        let majors: BTreeMap<&str, u32> =
            objects.iter().filter_map(|object| Some((object.name.as_str(), object.version?))).collect();
        for object in &objects {
            let entry = self.entry(object).await?;
            let change = changed(object);
            let declared = object
                .version
                .or_else(|| object.parent.as_deref().and_then(|parent| majors.get(parent).copied()));
            let (meaning, interface) = (object.meaning.to_string(), object.interface.to_string());
            let (class, reason) = change.clone().unwrap_or((Class::Compatible, String::new()));
            let number = match &entry.version {
                None => Some((declared.unwrap_or(1), 0)),
                Some((major, minor, old, offered)) => {
                    let to = declared.unwrap_or(if class == Class::Breaking { major + 1 } else { *major });
                    if to != *major {
                        Some((to, 0))
                    } else if (old, offered) != (&meaning, &interface) {
                        Some((to, minor + 1))
                    } else {
                        None
                    }
                }
            };
            if let Some((major, minor)) = number {
                let first = entry.version.is_none();
                let class = if first { Class::Initial } else { class };
                self.version(entry.object, object, (major, minor), class, &reason).await?;
            }
            self.said(entry.object, object).await?;
            if change.is_some() {
                let urn = self.urn(object.kind, &object.name);
                let payload = json!({ "class": class.to_string(), "reason": reason });
                event(&mut self.tx, self.actor.at, "changed", &urn, &payload).await?;
            }
        }
        let kept: BTreeSet<String> =
            objects.iter().map(|object| self.urn(object.kind, &object.name)).collect();
        let known: Vec<String> = sqlx::query_scalar(
            "SELECT urn FROM object WHERE project_id = $1 AND lifecycle <> 'archived' ORDER BY id",
        )
        .bind(self.project)
        .fetch_all(&mut *self.tx)
        .await?;
        for urn in known.into_iter().filter(|urn| !kept.contains(urn)) {
            sqlx::query("UPDATE object SET lifecycle = 'archived' WHERE urn = $1")
                .bind(&urn)
                .execute(&mut *self.tx)
                .await?;
            event(&mut self.tx, self.actor.at, "archived", &urn, &json!({})).await?;
        }
        Ok(())
    }

    fn urn(&self, kind: Kind, name: &str) -> String {
        Urn::new(kind, self.registry.project(), name).to_string()
    }

    /// The object's entry; it is made if it was not there, and taken back if it was archived.
    async fn entry(&mut self, object: &Object) -> Result<Entry, sqlx::Error> {
        let urn = self.urn(object.kind, &object.name);
        let found: Option<i64> = sqlx::query_scalar("SELECT id FROM object WHERE urn = $1")
            .bind(&urn)
            .fetch_optional(&mut *self.tx)
            .await?;
        if let Some(id) = found {
            sqlx::query("UPDATE object SET lifecycle = 'active' WHERE id = $1 AND lifecycle = 'archived'")
                .bind(id)
                .execute(&mut *self.tx)
                .await?;
            let row = sqlx::query(
                "SELECT major, minor, meaning, interface_hash FROM object_version WHERE object_id = $1
                 ORDER BY id DESC LIMIT 1",
            )
            .bind(id)
            .fetch_optional(&mut *self.tx)
            .await?;
            let version = row.map(|row| {
                (row.get::<i64, _>(0) as u32, row.get::<i64, _>(1) as u32, row.get(2), row.get(3))
            });
            return Ok(Entry { object: id, version });
        }
        let parent: Option<i64> = match &object.parent {
            Some(parent) => {
                sqlx::query_scalar(
                    "SELECT id FROM object WHERE project_id = $1 AND name = $2 ORDER BY id LIMIT 1",
                )
                .bind(self.project)
                .bind(parent)
                .fetch_optional(&mut *self.tx)
                .await?
            }
            None => None,
        };
        let id = next(&mut self.tx, "SELECT COALESCE(MAX(id), 0) + 1 FROM object").await?;
        sqlx::query(
            "INSERT INTO object (id, urn, kind, project_id, parent_id, name, lifecycle, created_at, created_by)
             VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8)",
        )
        .bind(id)
        .bind(&urn)
        .bind(object.kind.to_string())
        .bind(self.project)
        .bind(parent)
        .bind(&object.name)
        .bind(self.actor.at.0)
        .bind(self.actor.principal)
        .execute(&mut *self.tx)
        .await?;
        Ok(Entry { object: id, version: None })
    }

    async fn version(
        &mut self,
        id: i64,
        object: &Object,
        (major, minor): (u32, u32),
        class: Class,
        reason: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE object_version SET state = 'superseded' WHERE object_id = $1 AND state = 'active'",
        )
        .bind(id)
        .execute(&mut *self.tx)
        .await?;
        let version = next(&mut self.tx, "SELECT COALESCE(MAX(id), 0) + 1 FROM object_version").await?;
        // What changes no number and yet another version is written for, such as a greater `version`.
        let class = if class == Class::Metadata { Class::Compatible } else { class };
        sqlx::query(
            "INSERT INTO object_version (id, object_id, major, minor, revision_id, meaning, interface_hash, value_type,
               change_class, reason, source_text, source_path, line_from, line_to, state, created_at, created_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'active', $15, $16)",
        )
        .bind(version)
        .bind(id)
        .bind(i64::from(major))
        .bind(i64::from(minor))
        .bind(self.revision)
        .bind(object.meaning.to_string())
        .bind(object.interface.to_string())
        .bind(object.ty.as_deref().unwrap_or_default())
        .bind(class.to_string())
        .bind(reason)
        .bind(&object.text)
        .bind(&object.path)
        .bind(i64::from(object.lines.0))
        .bind(i64::from(object.lines.1))
        .bind(self.actor.at.0)
        .bind(self.actor.principal)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Enters docs, owners and tags where they are not what was said last.
    async fn said(&mut self, id: i64, object: &Object) -> Result<(), sqlx::Error> {
        let said = json!({ "doc": object.doc, "owners": object.owners, "tags": object.tags }).to_string();
        let last = sqlx::query(
            "SELECT version, value_json FROM aspect WHERE object_id = $1 AND aspect = 'spec' ORDER BY version DESC LIMIT 1",
        )
        .bind(id)
        .fetch_optional(&mut *self.tx)
        .await?;
        let (number, before): (i64, String) = last.map_or((0, String::new()), |row| (row.get(0), row.get(1)));
        if before == said {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO aspect (object_id, aspect, version, value_json, created_at, created_by)
             VALUES ($1, 'spec', $2, $3, $4, $5)",
        )
        .bind(id)
        .bind(number + 1)
        .bind(said)
        .bind(self.actor.at.0)
        .bind(self.actor.principal)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    async fn lineage(&mut self, compiled: &Compiled) -> Result<(), sqlx::Error> {
        for edge in feat_compiler::lineage::lineage(&compiled.model) {
            sqlx::query(
                "INSERT INTO lineage_edge (revision_id, src_urn, dst_urn, kind, expr_text) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (revision_id, src_urn, dst_urn, kind) DO NOTHING",
            )
            .bind(self.revision)
            .bind(&edge.from)
            .bind(&edge.to)
            .bind(edge.kind.to_string())
            .bind(&edge.text)
            .execute(&mut *self.tx)
            .await?;
        }
        Ok(())
    }

    /// Pins services as the plan moves them.
    async fn pins(&mut self, plan: &Plan, compiled: &Compiled) -> Result<(), sqlx::Error> {
        for moved in &plan.moves {
            let (service, state) = match moved {
                Move::Active { service } => (service.as_str(), "active"),
                Move::Staged { service } => (service.as_str(), "staged"),
                Move::Held { .. } => continue,
                Move::Retired { service } => (service.as_str(), "retired"),
            };
            let name = service.split_once('@').map_or(service, |(name, _)| name);
            let object: i64 = sqlx::query_scalar("SELECT id FROM object WHERE urn = $1")
                .bind(self.urn(Kind::Service, name))
                .fetch_one(&mut *self.tx)
                .await?;
            if state == "retired" {
                for from in ["staged", "active", "superseded"] {
                    replace(&mut self.tx, object, from, state).await?;
                }
                continue;
            }
            let services = &compiled.plans.services;
            let Some(plan) = services.iter().find(|(full, _)| full.to_string() == name).map(|(_, plan)| plan)
            else {
                continue;
            };
            // What waited is overtaken, whatever comes.
            replace(&mut self.tx, object, "staged", "retired").await?;
            if state == "active" {
                replace(&mut self.tx, object, "active", "superseded").await?;
            }
            let id = next(&mut self.tx, "SELECT COALESCE(MAX(id), 0) + 1 FROM pin").await?;
            sqlx::query(
                "INSERT INTO pin (id, object_id, major, revision_id, meaning, state, created_at, created_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(id)
            .bind(object)
            .bind(i64::from(plan.version))
            .bind(self.revision)
            .bind(plan.meaning.to_string())
            .bind(state)
            .bind(self.actor.at.0)
            .bind(self.actor.principal)
            .execute(&mut *self.tx)
            .await?;
        }
        Ok(())
    }
}
