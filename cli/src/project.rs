//! A project: its folder, its `feat.toml`, its `.feat` files compiled.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use feat_compiler::Compiled;
use feat_compiler::ir::QName;
use feat_compiler::pending::{self, Effect, Pending};
use feat_dsl::source_map::SourceMap;
use feat_registry::Deployed;

use crate::site::{self, CONFIG, Site};

/// What some editors put first in a file of UTF-8.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// More places than this are not listed in one message.
const MOST_PLACES: usize = 3;

/// A project that was found and read. Its text may still have errors: `compiled.diagnostics`.
#[derive(Clone)]
pub(crate) struct Project {
    pub(crate) site: Site,
    pub(crate) texts: SourceMap,
    pub(crate) compiled: Compiled,
    /// What is deployed, if that is what `texts` and `compiled` are: the newest revision, and what services
    /// are pinned to.
    pub(crate) deployed: Option<Deployed>,
}

impl Project {
    /// The files of the project at `folder` or, without one, of the nearest one upward.
    pub(crate) fn open(folder: Option<&Path>, profile: Option<&str>) -> Result<Self> {
        let site = Site::find(folder, profile)?;
        let files = spec_files(&site)?;
        Self::read(site, &files)
    }

    /// What is deployed of the project.
    pub(crate) fn of_deployed(site: Site, deployed: Deployed) -> Result<Self> {
        let head = &deployed.head;
        let (texts, compiled) = (head.texts.clone(), head.compiled.clone());
        let project = Self { site, texts, compiled, deployed: Some(deployed) };
        project.refuse_ambiguous_sources()?;
        Ok(project)
    }

    /// The `.feat` files of the project at `folder` or, without one, of the nearest one upward.
    pub(crate) fn files(folder: Option<&Path>, profile: Option<&str>) -> Result<Vec<PathBuf>> {
        spec_files(&Site::find(folder, profile)?)
    }

    /// The files at `paths` alone, as `feat check a.feat` wants them.
    pub(crate) fn of_paths(paths: &[PathBuf]) -> Result<Self> {
        let site = Site { root: std::env::current_dir()?, ..Site::default() };
        Self::read(site, &expand(paths)?)
    }

    /// The project's files, compiled.
    pub(crate) fn read(site: Site, files: &[PathBuf]) -> Result<Self> {
        let mut texts = SourceMap::new();
        for file in files {
            let shown = file.strip_prefix(&site.root).unwrap_or(file);
            texts.add(shown.to_string_lossy(), read_spec(file)?.trim_start_matches(BYTE_ORDER_MARK));
        }
        let compiled = feat_compiler::compile_with(&texts, &site::secrets());
        let project = Self { site, texts, compiled, deployed: None };
        project.refuse_ambiguous_sources()?;
        Ok(project)
    }

    /// A short name in `feat.toml` must be one source's.
    fn refuse_ambiguous_sources(&self) -> Result<()> {
        for written in self.site.config.sources.keys() {
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
        for name in self.site.config.sources.keys() {
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
pub(crate) fn spec_files(site: &Site) -> Result<Vec<PathBuf>> {
    let (root, config) = (&site.root, &site.config);
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
