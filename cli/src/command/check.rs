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
    if check.paths.is_empty() && !compiled.has_errors() {
        project.check_sources()?;
    }
    let (errors, warnings) = output::counts(&compiled.diagnostics);
    let plans = &compiled.plans;
    let features = plans.groups.values().map(|group| group.features.len()).sum::<usize>()
        + plans.derived.values().map(|group| group.features.len()).sum::<usize>();
    output::note(format!(
        "{} in {}, {}, {}: {}, {}",
        output::counted(features, "feature"),
        output::counted(plans.groups.len() + plans.derived.len(), "group"),
        output::counted(plans.services.len(), "service"),
        output::counted(plans.datasets.len(), "dataset"),
        output::counted(errors, "error"),
        output::counted(warnings, "warning"),
    ));
    Ok(if errors > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
