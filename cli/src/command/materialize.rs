//! `feat materialize`: offline values of a group as a Delta table.

use std::process::ExitCode;

use anyhow::{Result, bail};
use feat_batch::Grid;
use feat_compiler::objects::Kind;
use feat_registry::runs::Counts;
use feat_registry::urn::Urn;
use serde_json::json;

use crate::arguments::{Arguments, Materialize};
use crate::places::{self, Role};
use crate::recorded::Recorded;
use crate::{output, registry, text};

/// Writes one row per known entity and instant of the grid.
pub(crate) fn run(common: &Arguments, wanted: &Materialize) -> Result<ExitCode> {
    let project = super::runnable(common)?;
    let group = super::group(&project, &wanted.group)?;
    let every = match (&wanted.every, group.refresh) {
        (Some(every), _) => match text::length(every) {
            Some(every) if every.0 > 0 => every,
            _ => bail!("--every {every} is not a duration, such as 1d"),
        },
        (None, Some(refresh)) => refresh.every,
        (None, None) => bail!("group `{}` has no `refresh`: say `--every 1d`", wanted.group),
    };
    let grid = Grid {
        from: super::instant("--from", &wanted.from)?,
        to: super::instant("--to", &wanted.to)?,
        every,
    };
    let tables = places::tables(&project, [&group.source], Role::Batch)?;
    let session = places::session(&project)?;
    let root = places::offline(&project)?;
    let root = root.to_string_lossy();
    super::quiet_writers();
    let name = registry::name(&project.site)?;
    let urn = Urn::new(Kind::Group, &name, &group.name.to_string()).to_string();
    let done = super::block_on(async {
        let run = Recorded::begin(&project, "materialize", &urn).await?;
        let done = feat_batch::materialize(&session, &tables, &group, grid, &root).await;
        run.end(done.map_err(Into::into), |done| {
            let counts = Counts {
                rows_in: done.counts.read,
                admitted: done.counts.admitted,
                rejected: done.counts.rejected(),
                rows_out: done.rows,
            };
            (counts, json!({ "location": done.location, "version": done.version }))
        })
        .await
    })?;
    if wanted.json {
        output::json(&json!({
            "location": done.location,
            "version": done.version,
            "rows": done.rows,
            "read": done.counts.read,
            "admitted": done.counts.admitted,
            "rejected": done.counts.rejected(),
        }))?;
    } else {
        let rows = output::thousands(done.rows);
        output::line(format!("{}: {rows} rows, version {}", done.location, done.version));
    }
    Ok(ExitCode::SUCCESS)
}
