//! One module per command, and what they share.

mod apply;
#[cfg(feature = "kafka")]
mod archive;
mod check;
mod compare;
mod demo;
mod explain;
mod fmt;
mod get;
mod key;
mod lineage;
mod load;
mod materialize;
mod new;
mod objects;
mod pins;
mod plan;
#[cfg(feature = "kafka")]
mod produce;
#[cfg(feature = "kafka")]
mod quarantine;
mod reproduce;
mod runs;
mod sample;
mod serve;
mod skew;
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
use feat_registry::lineage::Direction;
use indexmap::IndexMap;

use crate::arguments::{Arguments, Command};
use crate::project::Project;
use crate::site::{self, Site};
use crate::{output, registry};
pub(crate) use reproduce::again;
#[cfg(feature = "kafka")]
pub(crate) use stream::live;
pub(crate) use train::of_dataset;

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
        Command::Plan(plan) => plan::run(arguments, plan),
        Command::Apply(apply) => apply::run(arguments, apply),
        Command::Diff(diff) => plan::diff(arguments, diff),
        Command::List(list) => objects::list(arguments, list),
        Command::Show(named) => objects::show(arguments, named),
        Command::History(named) => objects::history(arguments, named),
        Command::Promote(promote) => pins::promote(arguments, promote),
        Command::Rollback(rollback) => pins::rollback(arguments, rollback),
        Command::Deprecate(deprecate) => pins::deprecate(arguments, deprecate),
        Command::Lineage(asked) => lineage::run(arguments, asked, Direction::Upstream),
        Command::Impact(asked) => lineage::run(arguments, asked, Direction::Downstream),
        Command::Runs(runs) => runs::run(arguments, runs),
        Command::Reproduce(reproduce) => reproduce::run(arguments, reproduce),
        Command::Serve(serve) => serve::run(arguments, serve),
        Command::Key { what } => key::run(arguments, what),
        Command::Audit { what } => key::audit(arguments, what),
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

/// The project's files, if they have no error; otherwise the diagnostics are shown.
fn sound(common: &Arguments) -> Result<Project> {
    let project = Project::open(common.folder.as_deref(), common.profile.as_deref())?;
    refuse_errors(&project)?;
    project.check_sources()?;
    Ok(project)
}

/// What is run of the project: what is deployed, or, where nothing was ever applied or with `--draft`, the
/// files as they are.
fn deployed(common: &Arguments) -> Result<Project> {
    if common.draft {
        return sound(common);
    }
    let site = Site::find(common.folder.as_deref(), common.profile.as_deref())?;
    match block_on(registry::deployed(&site, &site::secrets()))? {
        Some(deployed) => {
            let project = Project::of_deployed(site, deployed)?;
            project.check_sources()?;
            Ok(project)
        }
        None => sound(common),
    }
}

/// The same, if it can be run: the environment has its secrets.
fn runnable(common: &Arguments) -> Result<Project> {
    let project = deployed(common)?;
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

/// The service `name`, or `name@version`: of what is deployed the one that the name is pinned to.
pub(crate) fn service(project: &Project, name: &str) -> Result<Arc<ServicePlan>> {
    if let Some(deployed) = &project.deployed {
        return match (deployed.pin(name), project.left_out(name)) {
            (Ok(pin), _) => Ok(Arc::clone(deployed.plan(pin)?)),
            (Err(_), Some(why)) => bail!("service {why}"),
            (Err(error), None) => Err(error.into()),
        };
    }
    let (short, version) = versioned(name)?;
    let found = find(project, "service", &project.compiled.plans.services, short)?;
    match version {
        Some(version) if version != found.version => {
            bail!("service `{short}` is version {}: version {version} was never applied", found.version)
        }
        _ => Ok(Arc::clone(found)),
    }
}

/// The dataset `name`, over the service that its service's name is pinned to.
fn dataset(project: &Project, name: &str) -> Result<Arc<DatasetPlan>> {
    let found = find(project, "dataset", &project.compiled.plans.datasets, name)?;
    let pinned = project.deployed.is_some().then(|| {
        let service = &found.service;
        self::service(project, &format!("{}@{}", service.name, service.version))
    });
    Ok(match pinned.transpose()? {
        Some(service) => Arc::new(DatasetPlan { service, ..DatasetPlan::clone(found) }),
        None => Arc::clone(found),
    })
}

/// The group `name`; `name@version` is any version that is kept up.
fn group(project: &Project, name: &str) -> Result<Arc<GroupPlan>> {
    let (short, version) = versioned(name)?;
    if let (Some(version), Some(deployed)) = (version, &project.deployed) {
        let is = |group: &GroupPlan| group.name.name == short || group.name.to_string() == short;
        let live = deployed.live_groups()?;
        let mut found = live.iter().filter(|live| is(&live.group) && live.group.version == version);
        return match found.next() {
            Some(live) => Ok(Arc::clone(&live.group)),
            None => bail!("no version {version} of group `{short}` is kept up"),
        };
    }
    let found = find(project, "group", &project.compiled.plans.groups, short)?;
    match version {
        Some(version) if version != found.version => {
            bail!("group `{short}` is version {}, not {version}", found.version)
        }
        _ => Ok(Arc::clone(found)),
    }
}

/// Every group that is kept up: of what is deployed, those that services are pinned to among them.
fn groups(project: &Project) -> Result<Vec<Arc<GroupPlan>>> {
    match &project.deployed {
        Some(deployed) => Ok(deployed.live_groups()?.into_iter().map(|live| live.group).collect()),
        None => Ok(project.compiled.plans.groups.values().cloned().collect()),
    }
}

/// `name@2` in its parts.
fn versioned(name: &str) -> Result<(&str, Option<u32>)> {
    match name.split_once('@') {
        Some((short, version)) => match version.parse() {
            Ok(version) => Ok((short, Some(version))),
            Err(_) => bail!("`{name}`: a version is a number, such as {short}@2"),
        },
        None => Ok((name, None)),
    }
}

/// The sources that the groups of a service read.
pub(crate) fn sources_of(service: &ServicePlan) -> impl Iterator<Item = &Arc<SourcePlan>> {
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
