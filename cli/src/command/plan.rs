//! `feat plan` and `feat diff`: what is different between files and what is deployed, or between revisions.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use feat_compiler::Compiled;
use feat_compiler::diff::{Change, Class, What, diff as changes_between};
use feat_registry::{Deployed, Move, Plan, Registry, RegistryError, Snapshot};
use serde_json::{Value as Json, json};

use crate::arguments::Arguments;
use crate::arguments::registry::{Diff, Plan as Asked};
use crate::project::Project;
use crate::{output, registry, site};

/// Something would change.
const CHANGES: u8 = 10;
/// Numbers or types would.
const BREAKING: u8 = 11;

/// Says what applying the files would change.
pub(crate) fn run(common: &Arguments, asked: &Asked) -> Result<ExitCode> {
    let project = super::sound(common)?;
    let plan = super::block_on(async {
        let deployed = registry::deployed(&project.site, &site::secrets()).await?;
        of_files(&project, deployed.as_ref())
    })?;
    if asked.json {
        output::json(&document(&plan, None))?;
    } else {
        output::line(text(&plan, "Nothing was changed."));
    }
    Ok(match plan.worst() {
        None => ExitCode::SUCCESS,
        Some(Class::Breaking) => ExitCode::from(BREAKING),
        Some(_) => ExitCode::from(CHANGES),
    })
}

/// The plan of the project's files over what is deployed.
pub(super) fn of_files(project: &Project, deployed: Option<&Deployed>) -> Result<Plan> {
    let name = registry::name(&project.site)?;
    Ok(Plan::new(&name, deployed, &project.compiled, &project.texts)?)
}

/// Says what is different between two revisions, or between one and the files.
pub(crate) fn diff(common: &Arguments, asked: &Diff) -> Result<ExitCode> {
    let project = super::sound(common)?;
    let changes = super::block_on(async {
        let Some(registry) = registry::open(&project.site).await? else {
            bail!("nothing was ever applied here: `feat apply` makes the first revision");
        };
        let from = revision(&registry, asked.from).await?;
        let new: Arc<Compiled> = match asked.to {
            Some(_) => Arc::new(revision(&registry, asked.to).await?.compiled),
            None => Arc::new(project.compiled.clone()),
        };
        Ok(changes_between(&from.compiled.model, &new.model))
    })?;
    if asked.json {
        output::json(&changes.iter().map(change).collect())?;
    } else if changes.is_empty() {
        output::line("no difference");
    } else {
        output::line(table(&changes));
    }
    Ok(ExitCode::SUCCESS)
}

/// A revision, compiled; the newest if no number is said.
async fn revision(registry: &Registry, seq: Option<u64>) -> Result<Snapshot> {
    let revisions = registry.revisions().await?;
    let found = match seq {
        Some(seq) => revisions.iter().find(|revision| revision.seq == seq),
        None => revisions.first(),
    };
    match found {
        Some(found) => Ok(registry.snapshot(found.clone(), &site::secrets()).await?),
        None => Err(RegistryError::Unknown {
            what: "revision",
            name: seq.unwrap_or_default().to_string(),
            known: format!("1 to {}", revisions.first().map_or(0, |newest| newest.seq)),
        }
        .into()),
    }
}

/// The plan as programs read it; `revision` once it was applied.
pub(super) fn document(plan: &Plan, revision: Option<u64>) -> Json {
    let moved = |moved: &Move| match moved {
        Move::Active { service } => json!({ "service": service, "to": "active" }),
        Move::Staged { service } => json!({ "service": service, "to": "staged" }),
        Move::Held { service, on } => json!({ "service": service, "to": "held", "on": on }),
        Move::Retired { service } => json!({ "service": service, "to": "retired" }),
    };
    let fill = |(group, version): &(String, u32)| json!({ "group": group, "version": version });
    json!({
        "plan": plan.hash,
        "over_revision": plan.base,
        "revision": revision,
        "changes": plan.changes.iter().map(change).collect::<Vec<_>>(),
        "services": plan.moves.iter().map(moved).collect::<Vec<_>>(),
        "fills": plan.fills.iter().map(fill).collect::<Vec<_>>(),
        "blocked": plan.blocked(),
    })
}

fn change(change: &Change) -> Json {
    json!({
        "kind": change.kind.to_string(),
        "name": change.name,
        "what": what(change.what),
        "class": change.class.to_string(),
        "reason": change.reason,
        "code": change.code.as_ref().map(ToString::to_string),
        "dependents": change.dependents,
    })
}

fn what(what: What) -> &'static str {
    match what {
        What::Added => "added",
        What::Changed => "changed",
        What::Removed => "removed",
    }
}

/// The plan as people read it.
pub(super) fn text(plan: &Plan, last: &str) -> String {
    if plan.is_empty() {
        return "nothing to apply: what is deployed is what the files say".to_owned();
    }
    let mut text = table(&plan.changes);
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = write!(text, "\n\n{title}\n  {}", lines.join("\n  "));
        }
    };
    let moved = plan.moves.iter().map(|moved| match moved {
        Move::Active { service } => format!("{service}: this revision answers at once"),
        Move::Staged { service } => {
            format!("{service}: waits until what it reads is filled, then `feat promote`")
        }
        Move::Held { service, on } => {
            format!("{service}: stays on {}; a new `version` in the service moves it", on.join(", "))
        }
        Move::Retired { service } => format!("{service}: answers no more"),
    });
    section("services", moved.collect());
    let fills = plan.fills.iter().map(|(group, version)| {
        format!("{group}@{version}: online values are filled from the beginning of its log")
    });
    section("fills", fills.collect());
    let count = |of: &dyn Fn(&Change) -> bool| plan.changes.iter().filter(|change| of(change)).count();
    let blocked = plan.blocked();
    let _ = write!(
        text,
        "\n\n{} to add, {} to change, {} to remove, {} blocked. {last}",
        count(&|change| change.what == What::Added && change.code.is_none()),
        count(&|change| change.what == What::Changed && change.code.is_none()),
        count(&|change| change.what == What::Removed && change.code.is_none()),
        blocked.len(),
    );
    if blocked.is_empty() {
        let _ = write!(text, "\nplan {} over revision {}", plan.hash, plan.base);
    }
    text
}

/// A line a change: `+` added, `~` changed, `-` removed, `!` refused.
fn table(changes: &[Change]) -> String {
    let mut rows = Vec::new();
    for change in changes {
        let mark = match (&change.code, change.what) {
            (Some(_), _) => "!",
            (None, What::Added) => "+",
            (None, What::Changed) => "~",
            (None, What::Removed) => "-",
        };
        let mut reason = change.reason.clone();
        if let Some(code) = &change.code {
            reason = format!("{code}: {reason}");
        }
        if !change.dependents.is_empty() {
            let _ = write!(reason, " (read by {})", change.dependents.join(", "));
        }
        rows.push(vec![
            mark.to_owned(),
            change.kind.to_string(),
            change.name.clone(),
            change.class.to_string(),
            reason,
        ]);
    }
    output::table(&["", "kind", "name", "class", "what changes"], &rows)
}
