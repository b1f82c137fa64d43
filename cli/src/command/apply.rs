//! `feat apply`: the files become what is run.

use std::process::ExitCode;

use anyhow::{Result, bail};

use super::plan;
use crate::arguments::Arguments;
use crate::arguments::registry::Apply;
use crate::{output, registry, site};

/// Plans and applies: everything, or nothing.
pub(crate) fn run(common: &Arguments, asked: &Apply) -> Result<ExitCode> {
    let project = super::sound(common)?;
    let (plan, revision) = super::block_on(async {
        let registry = registry::make(&project.site).await?;
        let deployed = registry.deployed(&site::secrets()).await?;
        let plan = plan::of_files(&project, deployed.as_ref())?;
        if let Some(wanted) = asked.plan.as_ref().filter(|wanted| **wanted != plan.hash) {
            bail!(
                "plan {wanted} is stale: the files or what is deployed are no longer what it was made of; `feat plan` makes a new one"
            );
        }
        let who = registry::who();
        let revision =
            registry.apply(&plan, &project.compiled, &project.texts, &registry::actor(&who)).await?;
        Ok((plan, revision))
    })?;
    if asked.json {
        output::json(&plan::document(&plan, Some(revision)))?;
    } else if plan.is_empty() {
        output::line(format!("nothing to apply: revision {revision} is what the files say"));
    } else {
        output::line(plan::text(&plan, &format!("Revision {revision} is deployed.")));
    }
    Ok(ExitCode::SUCCESS)
}
