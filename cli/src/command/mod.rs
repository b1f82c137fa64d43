//! One module per command, and what they share.

#[cfg(feature = "kafka")]
mod archive;
mod check;
mod compare;
mod demo;
mod explain;
mod fmt;
mod get;
mod load;
mod materialize;
mod new;
#[cfg(feature = "kafka")]
mod produce;
#[cfg(feature = "kafka")]
mod quarantine;
mod sample;
mod status;
mod stream;
mod test;
mod train;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use feat_compiler::ir::QName;
use feat_compiler::plan::{DatasetPlan, GroupPlan, ServicePlan, SourcePlan};
use feat_kernel::time::Instant;
use indexmap::IndexMap;

use crate::arguments::{Arguments, Command};
use crate::output;
use crate::project::Project;
#[cfg(feature = "kafka")]
pub(crate) use stream::live;

/// Carries out a command; the exit code is 0 or 1.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::Demo(demo) => demo::run(demo),
        Command::New { dir } => new::run(dir),
        Command::Check(check) => check::run(arguments, check),
        Command::Fmt { paths, check } => fmt::run(arguments, paths, *check),
        Command::Test { paths, seed } => test::run(arguments, paths, *seed),
        Command::Explain { name } => explain::run(arguments, name),
        Command::Train(train) => train::run(arguments, train),
        Command::Materialize(materialize) => materialize::run(arguments, materialize),
        Command::Stream(stream) => stream::run(arguments, stream),
        #[cfg(feature = "kafka")]
        Command::Produce(produce) => produce::run(arguments, produce),
        #[cfg(feature = "kafka")]
        Command::Archive(archive) => archive::run(arguments, archive),
        #[cfg(feature = "kafka")]
        Command::Quarantine { what } => quarantine::run(arguments, what),
        Command::Load(load) => load::run(arguments, load),
        Command::Status(status) => status::run(arguments, status),
        Command::Get(get) => get::run(arguments, get),
        Command::Sample(sample) => sample::run(arguments, sample),
    }
}

/// The project, or the files that were named.
fn project_or_paths(common: &Arguments, paths: &[PathBuf]) -> Result<Project> {
    if paths.is_empty() {
        Project::open(common.folder.as_deref(), common.profile.as_deref())
    } else {
        Project::of_paths(paths)
    }
}

/// The files that were named, those of named folders, or the project's.
fn feat_files(common: &Arguments, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    if paths.is_empty() {
        Project::files(common.folder.as_deref(), common.profile.as_deref())
    } else {
        crate::project::expand(paths)
    }
}

/// The project, if its text has no error; otherwise the diagnostics are shown.
fn sound(common: &Arguments) -> Result<Project> {
    let project = Project::open(common.folder.as_deref(), common.profile.as_deref())?;
    refuse_errors(&project)?;
    project.check_sources()?;
    Ok(project)
}

/// The same, if it can be run: the environment has its secrets.
fn runnable(common: &Arguments) -> Result<Project> {
    let project = sound(common)?;
    refuse_unset(&project)?;
    Ok(project)
}

/// Shows the diagnostics and refuses to go on if one is an error.
fn refuse_errors(project: &Project) -> Result<()> {
    if project.compiled.has_errors() {
        output::diagnostics(&project.compiled, &project.texts);
        bail!("the project has errors; mend them and `feat check`");
    }
    Ok(())
}

/// Says which secrets are not set, and refuses to go on if one is not.
fn refuse_unset(project: &Project) -> Result<()> {
    if !project.compiled.unset.is_empty() {
        output::unset(&project.compiled, &project.texts);
        bail!("the environment lacks secrets that the project needs to run");
    }
    Ok(())
}

/// The runtime of the commands that read, write or wait.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads to be had")?;
    runtime.block_on(work)
}

/// The entry called `name`, by its short or its full name.
fn find<'a, T>(project: &Project, what: &str, entries: &'a IndexMap<QName, T>, name: &str) -> Result<&'a T> {
    let mut found = entries.iter().filter(|(full, _)| full.name == name || full.to_string() == name);
    match (found.next(), found.next()) {
        (Some((_, entry)), None) => Ok(entry),
        (Some((first, _)), Some((second, _))) => {
            bail!("{what} `{name}` is in two packages: say `{first}` or `{second}`")
        }
        (None, _) => {
            if let Some(why) = project.left_out(name) {
                bail!("{what} {why}");
            }
            let known: Vec<String> = entries.keys().map(|name| format!("`{}`", name.name)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            bail!("there is no {what} `{name}`; there are: {known}")
        }
    }
}

fn service<'a>(project: &'a Project, name: &str) -> Result<&'a Arc<ServicePlan>> {
    find(project, "service", &project.compiled.plans.services, name)
}

fn dataset<'a>(project: &'a Project, name: &str) -> Result<&'a Arc<DatasetPlan>> {
    find(project, "dataset", &project.compiled.plans.datasets, name)
}

fn group<'a>(project: &'a Project, name: &str) -> Result<&'a Arc<GroupPlan>> {
    find(project, "group", &project.compiled.plans.groups, name)
}

/// The sources that the groups of a service read.
fn sources_of(service: &ServicePlan) -> impl Iterator<Item = &Arc<SourcePlan>> {
    service.groups.iter().map(|part| &part.group.source)
}

/// An instant that was written with a zone.
fn instant(flag: &str, text: &str) -> Result<Instant> {
    match Instant::parse(text) {
        Some(instant) => Ok(instant),
        None => bail!("{flag} {text} is not an instant with a zone, such as 2013-07-04T12:00:00Z"),
    }
}

/// The wall clock: read here and nowhere else.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub(crate) fn now() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// `name=value` pairs as they were written.
fn pairs(texts: &[String]) -> Result<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::with_capacity(texts.len());
    for text in texts {
        match text.split_once('=') {
            Some((name, _)) if pairs.iter().any(|(known, _)| known == name) => {
                bail!("`{name}` is given twice: say it once")
            }
            Some((name, value)) if !name.is_empty() => pairs.push((name.to_owned(), value.to_owned())),
            _ => bail!("`{text}` is not NAME=VALUE, such as user_id=ann"),
        }
    }
    Ok(pairs)
}

/// On a full disk the writer of Delta tables panics in a task of its own while it gives up a file; the
/// error that stopped it comes back all the same, and is the one that is shown.
fn quiet_writers() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let gives_up = panic.location().is_some_and(|place| place.file().contains("object_store"));
        if !gives_up {
            tell(panic);
        }
    }));
}
