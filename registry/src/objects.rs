//! Objects and their versions, as they are listed and shown.

use feat_compiler::objects::Kind;
use feat_kernel::time::Instant;
use serde_json::{Value as Json, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::database::{Registry, instant};
use crate::deployed::listed;
use crate::error::RegistryError;
use crate::journal::{Actor, audit, event};

/// More names than this are not listed in one message.
const MOST_NAMES: i64 = 12;

/// Something that has a name, with its newest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(crate) id: i64,
    /// `urn:feat:KIND:PROJECT/NAME`
    pub urn: String,
    /// `source`, `feature`, …
    pub kind: String,
    /// Its full name.
    pub name: String,
    /// Of a feature its group; else empty.
    pub parent: String,
    /// `active`, `deprecated`, or `archived`: no longer in the text.
    pub lifecycle: String,
    /// Why it is deprecated, and what stands in its place.
    pub note: String,
    /// `///` text.
    pub doc: String,
    /// Who owns it.
    pub owners: Vec<String>,
    /// As written.
    pub tags: Vec<String>,
    /// The newest version.
    pub version: Version,
}

/// A version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// As the text has it.
    pub major: u32,
    /// Counts compatible changes within.
    pub minor: u32,
    /// The hash of what decides its numbers.
    pub meaning: String,
    /// Of a feature, as the language writes it; else empty.
    pub ty: String,
    /// `initial`, `compatible`, `behavioural`, `breaking`.
    pub class: String,
    /// What changed, in words.
    pub reason: String,
    /// `active`, `superseded`, `retired`.
    pub state: String,
    /// Its text.
    pub text: String,
    /// Where that stood: the file, and its first and last line.
    pub path: String,
    /// From 1.
    pub lines: (u32, u32),
    /// The number of the revision that brought it.
    pub revision: u64,
    /// When.
    pub created_at: Instant,
    /// By whom.
    pub created_by: String,
}

impl Registry {
    /// The objects of a kind (empty: all) whose full name holds `contains`; archived ones if asked for.
    ///
    /// Order: by kind, then name.
    pub async fn objects(
        &self,
        kind: &str,
        contains: &str,
        archived: Archived,
    ) -> Result<Vec<Entry>, RegistryError> {
        let Some(project) = self.project_id().await? else { return Ok(Vec::new()) };
        let rows = sqlx::query(
            "SELECT o.id, o.urn, o.kind, o.name, COALESCE(p.name, ''), o.lifecycle, o.note,
               COALESCE((SELECT a.value_json FROM aspect a WHERE a.object_id = o.id AND a.aspect = 'spec'
                         ORDER BY a.version DESC LIMIT 1), '{}'),
               v.major, v.minor, v.meaning, v.value_type, v.change_class, v.reason, v.state, v.source_text, v.source_path,
               v.line_from, v.line_to, r.seq, v.created_at, v.created_by
             FROM object o LEFT JOIN object p ON p.id = o.parent_id
             JOIN object_version v ON v.id = (SELECT MAX(id) FROM object_version WHERE object_id = o.id)
             JOIN revision r ON r.id = v.revision_id
             WHERE o.project_id = $1 AND ($2 = '' OR o.kind = $2) AND ($3 = '' OR o.name LIKE '%' || $3 || '%')
               AND ($4 = 1 OR o.lifecycle <> 'archived')
             ORDER BY o.kind, o.name",
        )
        .bind(project)
        .bind(kind)
        .bind(contains)
        .bind(i64::from(archived == Archived::Shown))
        .fetch_all(&self.pool)
        .await
        .map_err(|cause| self.failed(cause))?;
        Ok(rows.iter().map(entry).collect())
    }

    /// The object with a URN, a full name, or a name that only one has: `group.feature`, `group`.
    ///
    /// Errors: there is none, or several.
    pub async fn object(&self, name: &str) -> Result<Entry, RegistryError> {
        let all = self.objects("", "", Archived::Shown).await?;
        let ends = format!(".{name}");
        let exact: Vec<&Entry> = all.iter().filter(|entry| entry.urn == name || entry.name == name).collect();
        let found = if exact.is_empty() {
            all.iter().filter(|entry| entry.name.ends_with(&ends)).collect()
        } else {
            exact
        };
        match found[..] {
            [entry] => Ok(entry.clone()),
            [] => {
                let word = name.rsplit('.').next().unwrap_or(name);
                let near =
                    all.iter().filter(|entry| entry.name.contains(word)).map(|entry| entry.name.clone());
                let near: Vec<String> = near.take(MOST_NAMES as usize).collect();
                let known = if near.is_empty() { String::new() } else { listed(near.into_iter()) };
                Err(RegistryError::Unknown { what: "object", name: name.to_owned(), known })
            }
            _ => Err(RegistryError::Ambiguous {
                name: name.to_owned(),
                known: listed(found.iter().map(|entry| entry.urn.clone())),
            }),
        }
    }

    /// The versions of an object, newest first.
    pub async fn versions(&self, entry: &Entry) -> Result<Vec<Version>, RegistryError> {
        let rows = sqlx::query(
            "SELECT v.major, v.minor, v.meaning, v.value_type, v.change_class, v.reason, v.state, v.source_text,
               v.source_path, v.line_from, v.line_to, r.seq, v.created_at, v.created_by
             FROM object_version v JOIN revision r ON r.id = v.revision_id
             WHERE v.object_id = $1 ORDER BY v.id DESC",
        )
        .bind(entry.id)
        .fetch_all(&self.pool)
        .await
        .map_err(|cause| self.failed(cause))?;
        Ok(rows.iter().map(|row| version(row, 0)).collect())
    }

    /// Says that an object should no longer be used, and why.
    pub async fn deprecate(&self, entry: &Entry, note: &str, actor: &Actor<'_>) -> Result<(), RegistryError> {
        if entry.lifecycle == "archived" {
            return Err(RegistryError::State(format!("{} `{}` is archived already", entry.kind, entry.name)));
        }
        let mut tx = self.begin().await?;
        let done = async {
            sqlx::query("UPDATE object SET lifecycle = 'deprecated', note = $1 WHERE id = $2")
                .bind(note)
                .bind(entry.id)
                .execute(&mut *tx)
                .await?;
            event(&mut tx, actor.at, "deprecate", &entry.urn, &json!({ "note": note })).await?;
            audit(&mut tx, actor, "deprecate", &entry.urn, true, note).await?;
            tx.commit().await
        };
        done.await.map_err(|cause| self.failed(cause))
    }
}

/// Whether what is no longer in the text is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archived {
    /// It is.
    Shown,
    /// It is not.
    Hidden,
}

fn entry(row: &SqliteRow) -> Entry {
    let said: Json = serde_json::from_str(&row.get::<String, _>(7)).unwrap_or_default();
    let words = |name: &str| {
        let words = said[name].as_array().into_iter().flatten();
        words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    Entry {
        id: row.get(0),
        urn: row.get(1),
        kind: row.get(2),
        name: row.get(3),
        parent: if row.get::<String, _>(2) == Kind::Feature.to_string() { row.get(4) } else { String::new() },
        lifecycle: row.get(5),
        note: row.get(6),
        doc: said["doc"].as_str().unwrap_or_default().to_owned(),
        owners: words("owners"),
        tags: words("tags"),
        version: version(row, 8),
    }
}

fn version(row: &SqliteRow, at: usize) -> Version {
    Version {
        major: row.get::<i64, _>(at) as u32,
        minor: row.get::<i64, _>(at + 1) as u32,
        meaning: row.get(at + 2),
        ty: row.get(at + 3),
        class: row.get(at + 4),
        reason: row.get(at + 5),
        state: row.get(at + 6),
        text: row.get(at + 7),
        path: row.get(at + 8),
        lines: (row.get::<i64, _>(at + 9) as u32, row.get::<i64, _>(at + 10) as u32),
        revision: row.get::<i64, _>(at + 11) as u64,
        created_at: instant(row.get(at + 12)),
        created_by: row.get(at + 13),
    }
}
