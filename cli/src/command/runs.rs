//! `feat runs`: what was run, and which training sets were made.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::arguments::Arguments;
use crate::arguments::registry::Runs;
use crate::output;

/// Lists runs, or training sets.
pub(crate) fn run(common: &Arguments, asked: &Runs) -> Result<ExitCode> {
    if asked.training_sets { sets(common, asked) } else { runs(common, asked) }
}

fn runs(common: &Arguments, asked: &Runs) -> Result<ExitCode> {
    let runs =
        super::block_on(async { Ok(super::objects::existing(common).await?.runs(asked.limit).await?) })?;
    let ended = |run: &feat_registry::runs::Run| run.ended_at.map(|at| at.to_string());
    if asked.json {
        let runs = runs.iter().map(|run| {
            json!({
                "id": run.id, "kind": run.kind, "urn": run.urn, "revision": run.revision, "state": run.state,
                "started_at": run.started_at.to_string(), "ended_at": ended(run),
                "rows_in": run.counts.rows_in, "admitted": run.counts.admitted, "rejected": run.counts.rejected,
                "rows_out": run.counts.rows_out, "detail": run.detail, "error": run.error, "by": run.created_by,
            })
        });
        output::json(&runs.collect())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let counts = run.counts;
            let numbers = [counts.rows_in, counts.admitted, counts.rejected, counts.rows_out];
            let mut row = vec![run.id.clone(), run.kind.clone(), run.urn.clone(), run.state.clone()];
            row.push(run.started_at.to_string());
            row.extend(numbers.map(output::thousands));
            row
        })
        .collect();
    let columns = ["id", "kind", "of", "state", "started", "rows in", "admitted", "rejected", "rows out"];
    output::line(output::table(&columns, &rows));
    Ok(ExitCode::SUCCESS)
}

fn sets(common: &Arguments, asked: &Runs) -> Result<ExitCode> {
    let sets = super::block_on(async {
        Ok(super::objects::existing(common).await?.training_sets("", asked.limit).await?)
    })?;
    if asked.json {
        let sets = sets.iter().map(|set| {
            json!({
                "id": set.id, "urn": set.urn, "version": set.major, "revision": set.revision,
                "request": set.request, "manifest": set.manifest, "checksum": set.checksum, "rows": set.rows,
                "location": set.location, "created_at": set.created_at.to_string(), "by": set.created_by,
            })
        });
        output::json(&sets.collect())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = sets
        .iter()
        .map(|set| {
            vec![
                set.id.clone(),
                format!("{}@{}", set.urn, set.major),
                set.created_at.to_string(),
                output::thousands(set.rows),
                set.checksum.clone(),
                set.location.clone(),
            ]
        })
        .collect();
    output::line(output::table(&["id", "of", "made", "rows", "checksum", "written to"], &rows));
    Ok(ExitCode::SUCCESS)
}
