//! `feat lineage` and `feat impact`: what something is made of, and what is made of it.

use std::process::ExitCode;

use anyhow::Result;
use feat_registry::lineage::Direction;
use serde_json::json;

use crate::arguments::Arguments;
use crate::arguments::registry::Lineage;
use crate::output;

/// Walks from a name; a group stands for its features too.
pub(crate) fn run(common: &Arguments, asked: &Lineage, direction: Direction) -> Result<ExitCode> {
    let edges = super::block_on(async {
        let registry = super::objects::existing(common).await?;
        let entry = registry.object(&asked.name).await?;
        Ok(registry.lineage(&entry.name, direction, asked.depth.unwrap_or(0)).await?)
    })?;
    if asked.json {
        let edges = edges
            .iter()
            .map(|edge| json!({ "from": edge.from, "to": edge.to, "kind": edge.kind, "text": edge.text }));
        output::json(&edges.collect())?;
        return Ok(ExitCode::SUCCESS);
    }
    if edges.is_empty() {
        output::line(match direction {
            Direction::Upstream => format!("`{}` is made of nothing", asked.name),
            Direction::Downstream => format!("nothing is made of `{}`", asked.name),
        });
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = edges
        .iter()
        .map(|edge| vec![edge.from.clone(), edge.kind.clone(), edge.to.clone(), edge.text.clone()])
        .collect();
    output::line(output::table(&["from", "as", "to", "text"], &rows));
    Ok(ExitCode::SUCCESS)
}
