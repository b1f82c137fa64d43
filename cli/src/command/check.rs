//! `feat check`: parses and type-checks.

use std::process::ExitCode;

use anyhow::Result;

use crate::arguments::{Arguments, Check};
use crate::output;
use crate::project::Project;

/// Exit code 1 if any diagnostic is an error.
pub(crate) fn run(common: &Arguments, check: &Check) -> Result<ExitCode> {
    let project = super::project_or_paths(common, &check.paths)?;
    let Project { compiled, texts, .. } = &project;
    if check.json {
        output::json(&output::diagnostics_json(compiled, texts))?;
    } else {
        output::diagnostics(compiled, texts);
    }
    let (errors, warnings) = output::counts(&compiled.diagnostics);
    let plans = &compiled.plans;
    output::note(format!(
        "{} features in {} groups, {} services, {} datasets: {errors} errors, {warnings} warnings",
        plans.groups.values().map(|group| group.features.len()).sum::<usize>()
            + plans.derived.values().map(|group| group.features.len()).sum::<usize>(),
        plans.groups.len() + plans.derived.len(),
        plans.services.len(),
        plans.datasets.len(),
    ));
    Ok(if errors > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
