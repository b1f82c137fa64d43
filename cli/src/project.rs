//! A project: its folder, its `feat.toml`, its `.feat` files compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use feat_compiler::Compiled;
use feat_compiler::ir::QName;
use feat_compiler::pending::{self, Effect, Pending};
use feat_compiler::secrets::{PREFIX, Secrets};
use feat_dsl::source_map::SourceMap;
use serde::Deserialize;

/// What some editors put first in a file of UTF-8.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// More places than this are not listed in one message.
const MOST_PLACES: usize = 3;

/// The name of the file that makes a folder a project.
pub(crate) const CONFIG: &str = "feat.toml";

/// What `feat.toml` says: facts of the place, never meaning.
#[derive(Debug, Default, Deserialize)]
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
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProjectConfig {
    pub(crate) name: Option<String>,
    /// Glob patterns of the `.feat` files; `*.feat` when not written.
    pub(crate) specs: Vec<String>,
}

/// A section that is a URL.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UrlConfig {
    pub(crate) url: Option<String>,
}

/// `[engine]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EngineConfig {
    pub(crate) url: Option<String>,
    /// Cores to use; all when not written.
    pub(crate) threads: Option<usize>,
    /// Memory for sorting and merging, such as `"1GB"`; what does not fit spills.
    pub(crate) memory: Option<String>,
}

/// `[stream]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StreamConfig {
    /// Where a running stream can be asked: `IP:PORT`.
    pub(crate) metrics: Option<String>,
}

/// `[sources.NAME]`: where the spec's source is found.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SourceConfig {
    /// Instead of the spec's `batch` or `snapshot`.
    pub(crate) batch: Option<String>,
    /// A file that is read as the source's log.
    pub(crate) replay: Option<String>,
}

/// A project that was found and read. Its text may still have errors: `compiled.diagnostics`.
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    pub(crate) config: Config,
    pub(crate) texts: SourceMap,
    pub(crate) compiled: Compiled,
}

impl Project {
    /// The project at `folder`, or, without one, at the nearest folder upward that has a
    /// `feat.toml`.
    pub(crate) fn open(folder: Option<&Path>, profile: Option<&str>) -> Result<Self> {
        let root = match folder {
            Some(folder) => folder.to_owned(),
            None => nearest(&std::env::current_dir()?)?,
        };
        let config = read_config(&root, profile)?;
        let files = spec_files(&root, &config)?;
        Self::read(root, config, &files)
    }

    /// The `.feat` files of the project at `folder` or, without one, of the nearest one upward.
    pub(crate) fn files(folder: Option<&Path>, profile: Option<&str>) -> Result<Vec<PathBuf>> {
        let root = match folder {
            Some(folder) => folder.to_owned(),
            None => nearest(&std::env::current_dir()?)?,
        };
        spec_files(&root, &read_config(&root, profile)?)
    }

    /// The files at `paths` alone, as `feat check a.feat` wants them.
    pub(crate) fn of_paths(paths: &[PathBuf]) -> Result<Self> {
        let root = std::env::current_dir()?;
        Self::read(root, Config::default(), &expand(paths)?)
    }

    fn read(root: PathBuf, config: Config, files: &[PathBuf]) -> Result<Self> {
        let mut texts = SourceMap::new();
        for file in files {
            let shown = file.strip_prefix(&root).unwrap_or(file);
            texts.add(shown.to_string_lossy(), read_spec(file)?.trim_start_matches(BYTE_ORDER_MARK));
        }
        let compiled = feat_compiler::compile_with(&texts, &secrets());
        let project = Self { root, config, texts, compiled };
        project.refuse_ambiguous_sources()?;
        Ok(project)
    }

    /// What `feat.toml` says of a source that owns its rows, under its full or its short name.
    pub(crate) fn source(&self, name: &QName) -> Option<&SourceConfig> {
        let sources = &self.config.sources;
        sources.get(&name.to_string()).or_else(|| sources.get(&name.name))
    }

    /// A short name in `feat.toml` must be one source's.
    fn refuse_ambiguous_sources(&self) -> Result<()> {
        for written in self.config.sources.keys() {
            let roots: BTreeSet<&QName> =
                self.compiled.plans.sources.values().map(|source| &source.root).collect();
            if roots.iter().any(|root| root.to_string() == *written) {
                continue;
            }
            let called: Vec<String> =
                roots.iter().filter(|root| root.name == *written).map(|root| format!("\"{root}\"")).collect();
            if called.len() > 1 {
                bail!(
                    "{CONFIG}: [sources.{written}] may be any of {}: write the full name in quotes, such as [sources.{}]",
                    called.join(", "),
                    called[0]
                );
            }
        }
        Ok(())
    }

    /// Refuses a `[sources.NAME]` of `feat.toml` for which the spec has no source: what it says would
    /// have no effect.
    pub(crate) fn check_sources(&self) -> Result<()> {
        let sources: Vec<&QName> = self.compiled.model.sources.keys().collect();
        let left_out: Vec<&str> = self.compiled.pending.iter().map(|pending| pending.item.as_str()).collect();
        let is = |full: &str, name: &str| full == name || full.ends_with(&format!(".{name}"));
        for name in self.config.sources.keys() {
            let known = sources.iter().any(|source| is(&source.to_string(), name))
                || left_out.iter().any(|item| is(item, name));
            if !known {
                let names: Vec<String> = sources.iter().map(|source| format!("`{}`", source.name)).collect();
                bail!(
                    "[sources.{name}] of {CONFIG}: the spec has no source `{name}`; it has {}",
                    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
                );
            }
        }
        Ok(())
    }

    /// Why `name` (an item, or `group.feature`) is not there although it is written: what it uses is
    /// not compiled yet, and where that stands.
    pub(crate) fn left_out(&self, name: &str) -> Option<String> {
        let left_out = || self.compiled.pending.iter().filter(|one| one.construct.effect == Effect::LeftOut);
        let place = |one: &Pending| {
            let ((line, column), _) = self.texts.line_column(one.span);
            format!("`{}` ({}:{line}:{column})", one.construct.name, self.texts.path(one.span.file))
        };
        // The item itself, or, of a group, one of its features.
        let inside = format!(".{name}.");
        let of = |one: &&Pending| format!(".{}.", one.item).contains(&inside);
        let mut uses: Vec<&Pending> = left_out().filter(of).collect();
        let itself = uses.first()?.construct != pending::READS_PENDING;
        if !itself {
            // What it reads waits for one of these.
            uses = left_out().filter(|one| one.construct != pending::READS_PENDING).collect();
        }
        let mut places: Vec<String> = uses.into_iter().map(place).collect();
        places.dedup();
        places.truncate(MOST_PLACES);
        let how = if itself { "uses" } else { "reads what uses" };
        Some(format!(
            "`{name}` is written but left out: it {how} {}, which this build does not compile yet; `feat check` shows every such place",
            places.join(", ")
        ))
    }

    /// A path of `feat.toml`, which counts from the project's folder.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }
}

/// The secrets that the environment holds.
fn secrets() -> Secrets {
    let held = std::env::vars_os().filter_map(|(variable, value)| {
        let name = variable.to_str()?.strip_prefix(PREFIX)?;
        Some((name.to_owned(), value.into_encoded_bytes()))
    });
    held.collect()
}

/// The text of a `.feat` file.
pub(crate) fn read_spec(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    String::from_utf8(bytes)
        .map_err(|cause| anyhow::anyhow!("{} is not UTF-8: {cause}; save it as UTF-8", file.display()))
}

/// `paths` with each folder replaced by the `.feat` files in it.
pub(crate) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found = matches(&format!("{}/**/*.feat", glob::Pattern::escape(&path.to_string_lossy())))?;
            if found.is_empty() {
                bail!("folder {} holds no .feat file", path.display());
            }
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// The `.feat` files that the project's `specs` name, in the order of their names.
pub(crate) fn spec_files(root: &Path, config: &Config) -> Result<Vec<PathBuf>> {
    let default = vec!["*.feat".to_owned()];
    let patterns = if config.project.specs.is_empty() { &default } else { &config.project.specs };
    let mut files = Vec::new();
    for pattern in patterns {
        files.extend(matches(&format!("{}/{pattern}", glob::Pattern::escape(&root.to_string_lossy())))?);
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        bail!("no file matches specs = {patterns:?} in {}: `feat new DIR` makes a first one", root.display());
    }
    Ok(files)
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>> {
    let found = glob::glob(pattern).with_context(|| format!("`{pattern}` is not a pattern of files"))?;
    let mut files = found.collect::<Result<Vec<_>, _>>()?;
    // `*.feat` matches the folder `.feat` too.
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
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
