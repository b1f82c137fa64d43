//! Where things are: the tables and the online store that a project's `feat.toml` and specs name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use feat_batch::{Archive, Format, Resources, Session, Table, Tables};
use feat_compiler::plan::SourcePlan;
use feat_store::{EmbeddedStore, MemoryStore, RedisStore, Store};

use crate::project::Project;
use crate::site::Site;

/// Where the online values are when `feat.toml` does not say.
const ONLINE: &str = "embedded:.feat/online";
/// With less than this the engine cannot even begin to sort, and says so in its own words.
const LEAST_MEMORY: usize = 64 << 20;
/// Where offline tables are when `feat.toml` does not say.
const OFFLINE: &str = ".feat/offline";

/// Which of a source's files is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// History, for training.
    Batch,
    /// The log that `stream --replay` reads; history where no other file is named.
    Replay,
}

/// The tables of `sources`, those that the text itself holds left out.
///
/// Errors: a source without any place, with the line of `feat.toml` that would give it one.
pub(crate) fn tables<'a>(
    project: &Project,
    sources: impl IntoIterator<Item = &'a Arc<SourcePlan>>,
    role: Role,
) -> Result<Tables> {
    let mut tables = Tables::default();
    let mut done = BTreeSet::new();
    for source in sources {
        if source.rows.is_some() || !done.insert(&source.root) {
            continue;
        }
        tables.insert(source.root.clone(), table(project, source, role)?);
    }
    Ok(tables)
}

fn table(project: &Project, source: &SourcePlan, role: Role) -> Result<Table> {
    let name = &source.root.name;
    let config = project.site.source(&source.root);
    let replay = config.and_then(|config| config.replay.as_deref()).filter(|_| role == Role::Replay);
    if let Some(path) = replay.or(config.and_then(|config| config.batch.as_deref())) {
        return open(name, &project.site.path(path), None);
    }
    let Some(connector) = &source.batch else {
        // Whatever was archived of its topic is its history.
        let archive = PathBuf::from(Archive::location(&offline(project)?.to_string_lossy(), source));
        if source.stream.is_some() && archive.is_dir() {
            return open(name, &archive, Some(Format::Delta));
        }
        bail!(
            "source `{name}` has no rows to read: write `batch parquet(\"…\")` in the spec, or\n  [sources.{name}]\n  batch = \"…\"\nin feat.toml"
        );
    };
    let Some(format) = Format::named(&connector.kind) else {
        bail!(
            "source `{name}` is read by `{}(\"{}\")`, which this build does not read: it reads parquet, csv, jsonl and delta. Say where a file is:\n  [sources.{name}]\n  batch = \"…\"\nin feat.toml",
            connector.kind,
            without_secrets(&connector.location)
        );
    };
    if connector.location.contains("://") {
        let location = without_secrets(&connector.location);
        bail!("source `{name}` is at {location}, and this build reads local paths only");
    }
    open(name, &project.site.path(&connector.location), Some(format))
}

fn open(name: &str, path: &Path, format: Option<Format>) -> Result<Table> {
    Table::open(path, format).with_context(|| format!("source `{name}` cannot be read"))
}

/// Whether `feat stream --replay` reads the source: it is declared as streamed, or has a replay
/// file, or holds no time at all and is loaded once.
pub(crate) fn is_streamed(project: &Project, source: &SourcePlan) -> bool {
    source.stream.is_some()
        || project.site.source(&source.root).is_some_and(|config| config.replay.is_some())
        || source.kind == feat_compiler::ir::SourceKind::Static
}

/// The online store.
///
/// Errors: it cannot be opened or reached; a server is waited for no longer than its url says.
pub(crate) async fn store(project: &Project) -> Result<Arc<dyn Store>> {
    store_of(&project.site).await
}

/// The same, of a place.
pub(crate) async fn store_of(site: &Site) -> Result<Arc<dyn Store>> {
    let url = site.config.online.url.as_deref().unwrap_or(ONLINE);
    match url.split_once(':') {
        Some(("embedded", path)) => {
            let path = site.path(path);
            std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
            Ok(Arc::new(EmbeddedStore::open(&path)?))
        }
        Some(("memory", _)) => Ok(Arc::new(MemoryStore::default())),
        Some(("redis" | "rediss" | "redis-cluster" | "rediss-cluster", _)) => {
            Ok(Arc::new(RedisStore::connect(url).await?))
        }
        _ => bail!(
            "[online] url = \"{}\" is not a store of this build: write \"embedded:PATH\", \"redis://HOST:PORT\", \"redis-cluster://HOST:PORT,HOST:PORT\" or \"memory:\"",
            without_secrets(url)
        ),
    }
}

/// The folder of offline tables.
pub(crate) fn offline(project: &Project) -> Result<PathBuf> {
    let url = project.site.config.offline.url.as_deref().unwrap_or(OFFLINE);
    if url.contains("://") {
        bail!("[offline] url = \"{}\": this build writes local folders only", without_secrets(url));
    }
    Ok(project.site.path(url))
}

/// The batch engine's session, within the limits of `[engine]`.
pub(crate) fn session(project: &Project) -> Result<Session> {
    let engine = &project.site.config.engine;
    if let Some(url) = engine.url.as_deref().filter(|url| *url != "local") {
        bail!("[engine] url = \"{}\": this build runs \"local\" only", without_secrets(url));
    }
    if engine.threads == Some(0) {
        bail!("[engine] threads = 0 runs nothing: write 1 or more, or leave it out for all cores");
    }
    let memory = engine.memory.as_deref().map(bytes).transpose()?;
    Ok(Session::new(&Resources { cores: engine.threads, memory, spill: None })?)
}

/// `"512MB"`, `"2GB"`.
fn bytes(text: &str) -> Result<usize> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim();
    let unit = match text[digits.len()..].trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        other => bail!("[engine] memory = \"{text}\": `{other}` is no unit; write B, KB, MB or GB"),
    };
    let number: usize = digits.parse().with_context(|| format!("[engine] memory = \"{text}\" is no size"))?;
    let bytes =
        number.checked_mul(unit).with_context(|| format!("[engine] memory = \"{text}\" is too much"))?;
    if bytes < LEAST_MEMORY {
        bail!("[engine] memory = \"{text}\" is too little to sort anything: write \"64MB\" or more");
    }
    Ok(bytes)
}

/// A URL as it may be printed: neither who asks nor with what.
fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    // Settings behind `?` may be keys and passwords as well.
    let (place, asks) = match rest.split_once(['?', '#']) {
        Some((place, _)) => (place, "?…"),
        None => (rest, ""),
    };
    // A password may hold a `/` or an `@` that should have been escaped.
    let (who, place) = match place.rsplit_once('@') {
        Some((_, place)) => ("…@", place),
        None => ("", place),
    };
    format!("{scheme}://{who}{place}{asks}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_in_a_url_is_not_shown() {
        for (url, shown) in [
            ("s3://AKIA:sekret@bucket/x", "s3://…@bucket/x"),
            ("redis://:se/kr@et@host:6379/0", "redis://…@host:6379/0"),
            ("postgres://host/db?user=u&password=sekret", "postgres://host/db?…"),
            ("kafka://host:9092/topic", "kafka://host:9092/topic"),
            ("data/x.parquet", "data/x.parquet"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn sizes_have_units_and_a_least() {
        assert_eq!(bytes("1 GB").ok(), Some(1 << 30));
        for (text, says) in
            [("1KB", "64MB"), ("5 furlongs", "furlongs"), ("many", "no unit"), ("-1MB", "no size")]
        {
            let error = format!("{:#}", bytes(text).expect_err(text));
            assert!(error.contains(says), "{error}");
        }
    }
}
