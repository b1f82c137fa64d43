//! Everything that one apply deployed: the texts, and what they meant.

use feat_compiler::secrets::Secrets;
use feat_compiler::{Compiled, SourceMap, compile_with};
use feat_kernel::time::Instant;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::database::{Registry, instant};
use crate::deployed::Snapshot;
use crate::error::RegistryError;

/// Everything that one apply deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    pub(crate) id: i64,
    /// Its number in the project, from 1.
    pub seq: u64,
    /// The compiler's version it was applied with.
    pub compiler_version: String,
    /// The kernel's version: what the same expressions give.
    pub semantics_version: u32,
    /// The hash over the meanings of everything in it.
    pub meaning: String,
    /// When it was applied.
    pub created_at: Instant,
    /// By whom.
    pub created_by: String,
}

impl Registry {
    /// The revision that is deployed now.
    ///
    /// Absent: nothing was ever applied.
    pub async fn head(&self) -> Result<Option<Revision>, RegistryError> {
        let Some(project) = self.project_id().await? else { return Ok(None) };
        let row = sqlx::query(
            "SELECT id, seq, compiler_version, semantics_version, meaning, created_at, created_by
             FROM revision WHERE project_id = $1 ORDER BY seq DESC LIMIT 1",
        )
        .bind(project)
        .fetch_optional(&self.pool)
        .await
        .map_err(|cause| self.failed(cause))?;
        Ok(row.as_ref().map(revision))
    }

    /// Every revision, newest first.
    pub async fn revisions(&self) -> Result<Vec<Revision>, RegistryError> {
        let Some(project) = self.project_id().await? else { return Ok(Vec::new()) };
        let rows = sqlx::query(
            "SELECT id, seq, compiler_version, semantics_version, meaning, created_at, created_by
             FROM revision WHERE project_id = $1 ORDER BY seq DESC",
        )
        .bind(project)
        .fetch_all(&self.pool)
        .await
        .map_err(|cause| self.failed(cause))?;
        Ok(rows.iter().map(revision).collect())
    }

    /// The texts of a revision, by the order of their paths.
    ///
    /// Errors: a text is missing or is not what was applied.
    pub async fn texts(&self, revision: &Revision) -> Result<SourceMap, RegistryError> {
        let rows = sqlx::query(
            "SELECT f.path, f.text_hash, t.text FROM revision_file f
             LEFT JOIN spec_text t ON t.hash = f.text_hash WHERE f.revision_id = $1 ORDER BY f.path",
        )
        .bind(revision.id)
        .fetch_all(&self.pool)
        .await
        .map_err(|cause| self.failed(cause))?;
        let mut texts = SourceMap::new();
        for row in rows {
            let (path, hash, text): (String, String, Option<String>) = (row.get(0), row.get(1), row.get(2));
            match text {
                Some(text) if text_hash(&text) == hash => {
                    texts.add(path, text);
                }
                _ => {
                    let what = format!("file `{path}` of revision {}", revision.seq);
                    return Err(RegistryError::Edited { what });
                }
            }
        }
        Ok(texts)
    }

    /// What a revision deployed, compiled anew.
    ///
    /// Errors: this build does not compile it, or makes other numbers of it.
    pub async fn snapshot(&self, revision: Revision, secrets: &Secrets) -> Result<Snapshot, RegistryError> {
        let texts = self.texts(&revision).await?;
        let compiled = compile_with(&texts, secrets);
        if compiled.has_errors() {
            return Err(RegistryError::Uncompilable {
                revision: revision.seq,
                ours: feat_compiler::VERSION.to_owned(),
                theirs: revision.compiler_version,
                report: report(&compiled, &texts),
            });
        }
        if meaning(&compiled, &texts) != revision.meaning {
            return Err(RegistryError::OtherMeaning {
                revision: revision.seq,
                names: self.changed(&revision, &compiled, &texts).await?,
                theirs: revision.compiler_version,
                semantics: revision.semantics_version,
            });
        }
        Ok(Snapshot { revision, texts, compiled })
    }

    /// What of a revision has another meaning now, by name.
    async fn changed(
        &self,
        revision: &Revision,
        compiled: &Compiled,
        texts: &SourceMap,
    ) -> Result<String, RegistryError> {
        let mut names = Vec::new();
        for object in feat_compiler::objects::objects(&compiled.model, texts) {
            let stored: Option<String> = sqlx::query_scalar(
                "SELECT v.meaning FROM object_version v JOIN object o ON o.id = v.object_id
                 JOIN revision r ON r.id = v.revision_id
                 WHERE o.kind = $1 AND o.name = $2 AND r.project_id = (SELECT project_id FROM revision WHERE id = $3)
                   AND r.seq <= $4 ORDER BY v.id DESC LIMIT 1",
            )
            .bind(object.kind.to_string())
            .bind(&object.name)
            .bind(revision.id)
            .bind(revision.seq as i64)
            .fetch_optional(&self.pool)
            .await
            .map_err(|cause| self.failed(cause))?;
            if stored != Some(object.meaning.to_string()) {
                names.push(format!("`{}`", object.name));
            }
        }
        Ok(if names.is_empty() { "something".to_owned() } else { names.join(", ") })
    }
}

/// A revision of a row of the columns above.
pub(crate) fn revision(row: &SqliteRow) -> Revision {
    Revision {
        id: row.get(0),
        seq: row.get::<i64, _>(1) as u64,
        compiler_version: row.get(2),
        semantics_version: row.get::<i64, _>(3) as u32,
        meaning: row.get(4),
        created_at: instant(row.get(5)),
        created_by: row.get(6),
    }
}

/// The name of a text: a hash of it.
pub(crate) fn text_hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// The hash over the meanings of everything that was compiled.
pub(crate) fn meaning(compiled: &Compiled, texts: &SourceMap) -> String {
    let mut hash = blake3::Hasher::new();
    for object in feat_compiler::objects::objects(&compiled.model, texts) {
        let line = format!("{} {} {:?} {}\n", object.kind, object.name, object.version, object.meaning);
        hash.update(line.as_bytes());
    }
    hash.finalize().to_hex().to_string()
}

/// The errors of a text, a line each.
pub(crate) fn report(compiled: &Compiled, texts: &SourceMap) -> String {
    let errors = compiled.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let lines = errors.map(|error| {
        let ((line, column), _) = texts.line_column(error.span);
        format!("{}:{line}:{column}: {}: {}", texts.path(error.span.file), error.code, error.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}
