//! A project's place: its folder and its `feat.toml`, which says facts of the place and never meaning.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use feat_compiler::ir::QName;
use feat_compiler::secrets::{PREFIX, Secrets};
use serde::Deserialize;

/// The name of the file that makes a folder a project.
pub(crate) const CONFIG: &str = "feat.toml";

/// What `feat.toml` says: facts of the place, never meaning.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) project: ProjectConfig,
    pub(crate) registry: UrlConfig,
    pub(crate) online: UrlConfig,
    pub(crate) offline: UrlConfig,
    pub(crate) engine: EngineConfig,
    /// Passed on as it is by what speaks to Kafka.
    pub(crate) kafka: toml::Table,
    pub(crate) stream: StreamConfig,
    pub(crate) sources: BTreeMap<String, SourceConfig>,
    /// Laid over the rest by `--profile`; each has the form of the whole file.
    pub(crate) profiles: toml::Table,
}

/// `[project]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProjectConfig {
    pub(crate) name: Option<String>,
    /// Glob patterns of the `.feat` files; `*.feat` when not written.
    pub(crate) specs: Vec<String>,
}

/// A section that is a URL.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UrlConfig {
    pub(crate) url: Option<String>,
}

/// `[engine]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EngineConfig {
    pub(crate) url: Option<String>,
    /// Cores to use; all when not written.
    pub(crate) threads: Option<usize>,
    /// Memory for sorting and merging, such as `"1GB"`; what does not fit spills.
    pub(crate) memory: Option<String>,
}

/// `[stream]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StreamConfig {
    /// Where a running stream can be asked: `IP:PORT`.
    pub(crate) metrics: Option<String>,
}

/// `[sources.NAME]`: where the spec's source is found.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SourceConfig {
    /// Instead of the spec's `batch` or `snapshot`.
    pub(crate) batch: Option<String>,
    /// A file that is read as the source's log.
    pub(crate) replay: Option<String>,
}

/// Where a project is, and what its `feat.toml` says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    pub(crate) root: PathBuf,
    pub(crate) config: Config,
}

impl Site {
    /// That at `folder`, or, without one, at the nearest folder upward that has a `feat.toml`.
    pub(crate) fn find(folder: Option<&Path>, profile: Option<&str>) -> Result<Self> {
        let root = match folder {
            Some(folder) => folder.to_owned(),
            None => nearest(&std::env::current_dir()?)?,
        };
        let config = read_config(&root, profile)?;
        Ok(Self { root, config })
    }

    /// What `feat.toml` says of a source that owns its rows, under its full or its short name.
    pub(crate) fn source(&self, name: &QName) -> Option<&SourceConfig> {
        let sources = &self.config.sources;
        sources.get(&name.to_string()).or_else(|| sources.get(&name.name))
    }

    /// A path of `feat.toml`, which counts from the project's folder.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }
}

/// The secrets that the environment holds.
pub(crate) fn secrets() -> Secrets {
    let held = std::env::vars_os().filter_map(|(variable, value)| {
        let name = variable.to_str()?.strip_prefix(PREFIX)?;
        Some((name.to_owned(), value.into_encoded_bytes()))
    });
    held.collect()
}

fn nearest(start: &Path) -> Result<PathBuf> {
    match start.ancestors().find(|folder| folder.join(CONFIG).is_file()) {
        Some(folder) => Ok(folder.to_owned()),
        None => bail!(
            "no {CONFIG} in {} or above it: run this in a project, name one with `-C DIR`, or make one with `feat new DIR`",
            start.display()
        ),
    }
}

fn read_config(root: &Path, profile: Option<&str>) -> Result<Config> {
    let path = root.join(CONFIG);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut table: toml::Table = text.parse().map_err(|cause: toml::de::Error| {
        // Its own words show the line, which may hold a secret.
        let before = cause.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow::anyhow!("{} is not TOML as it stands: line {line}: {}", path.display(), cause.message())
    })?;
    if let Some(name) = profile {
        let over =
            table.get("profiles").and_then(|profiles| profiles.get(name)).and_then(toml::Value::as_table);
        let Some(over) = over.cloned() else {
            let known: Vec<String> = table
                .get("profiles")
                .and_then(toml::Value::as_table)
                .map(|profiles| profiles.keys().cloned().collect())
                .unwrap_or_default();
            bail!("{} has no [profiles.{name}]; it has {known:?}", path.display());
        };
        overlay(&mut table, over);
    }
    table.remove("profiles");
    let mut value = toml::Value::Table(table);
    substitute(&mut value).with_context(|| format!("in {}", path.display()))?;
    value.try_into().with_context(|| format!("{} says something that feat does not know", path.display()))
}

fn overlay(base: &mut toml::Table, over: toml::Table) {
    for (name, value) in over {
        match (base.get_mut(&name), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => overlay(base, over),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

/// Replaces `${NAME}` in every string by the environment's variable.
fn substitute(value: &mut toml::Value) -> Result<()> {
    match value {
        toml::Value::String(text) => {
            let mut done = String::new();
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once("${") {
                // What stands around it may be a secret.
                let Some((name, after)) = after.split_once('}') else {
                    bail!("a value has a `${{` without its `}}`");
                };
                let Ok(found) = std::env::var(name) else {
                    bail!("the environment has no {name}, which `${{{name}}}` asks for");
                };
                done += before;
                // What the environment says is a value, not a text to look for names in.
                done += &found;
                rest = after;
            }
            done += rest;
            *text = done;
            Ok(())
        }
        toml::Value::Table(table) => table.iter_mut().try_for_each(|(_, value)| substitute(value)),
        toml::Value::Array(items) => items.iter_mut().try_for_each(substitute),
        _ => Ok(()),
    }
}
