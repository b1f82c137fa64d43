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
    if is_code(name) {
        let last = CODES.last().map_or("", |(code, _)| code);
        bail!("there is no code `{name}`: codes go from FEAT000 to {last}, not all of them in use");
    }
    let project = super::sound(common)?;
    if let (None, Some(why)) = (explained(&project.compiled.plans, name), project.left_out(name)) {
        bail!("{why}");
    }
    match explained(&project.compiled.plans, name) {
        Some(text) => output::line(text.trim_end()),
        None => bail!(
            "nothing is called `{name}`: give a feature (`group.feature`), a group, a service, a dataset or a code such as FEAT001"
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether `name` has the form of a diagnostic code.
fn is_code(name: &str) -> bool {
    let word = name.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("FEAT"));
    word && name.len() == 7 && name.bytes().skip(4).all(|byte| byte.is_ascii_digit())
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
