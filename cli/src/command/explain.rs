//! `feat explain`: what a feature, group, service or diagnostic code is.

use std::process::ExitCode;

use anyhow::{Result, bail};
use feat_compiler::explain;
use feat_compiler::ir::QName;
use feat_compiler::plan::Plans;

use crate::arguments::Arguments;
use crate::output;

/// The pages of `docs/reference/codes`, by code.
const CODES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/codes.rs"));

/// Prints the explanation; exit code 1 if nothing has that name.
pub(crate) fn run(common: &Arguments, name: &str) -> Result<ExitCode> {
    if let Some((_, page)) = CODES.iter().find(|(code, _)| code.eq_ignore_ascii_case(name)) {
        output::line(page.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let project = super::sound(common)?;
    match explained(&project.compiled.plans, name) {
        Some(text) => output::line(text.trim_end()),
        None => bail!(
            "nothing is called `{name}`: give a feature (`group.feature`), a group, a service, a dataset or a code such as FEAT001"
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// A feature is explained by its group.
fn explained(plans: &Plans, name: &str) -> Option<String> {
    let names = |full: &QName, name: &str| full.name == name || full.to_string() == name;
    let group = |name: &str| {
        let group = plans
            .groups
            .iter()
            .find(|(full, _)| names(full, name))
            .map(|(_, group)| explain::explain_group(group));
        let label = || {
            plans.labels.iter().find(|(full, _)| names(full, name)).map(|(_, it)| explain::explain_label(it))
        };
        let derived = || {
            plans
                .derived
                .iter()
                .find(|(full, _)| names(full, name))
                .map(|(_, it)| explain::explain_derived(it))
        };
        group.or_else(label).or_else(derived)
    };
    let service = || {
        plans.services.iter().find(|(full, _)| names(full, name)).map(|(_, it)| explain::explain_service(it))
    };
    let dataset = || {
        plans.datasets.iter().find(|(full, _)| names(full, name)).map(|(_, it)| explain::explain_dataset(it))
    };
    let feature = || {
        let (of, feature) = name.rsplit_once('.')?;
        let group = group(of)?;
        group.contains(&format!("\n{feature}: ")).then_some(group)
    };
    group(name).or_else(service).or_else(dataset).or_else(feature)
}
