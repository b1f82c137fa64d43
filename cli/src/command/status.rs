//! `feat status`: how far the online values are behind their logs, and what was put aside.

use std::process::ExitCode;

use anyhow::Result;
use feat_store::StoreError;

use crate::arguments::{Arguments, Status};
use crate::standing::{GroupStanding, Letters, LogStanding, Standing, Survey};
use crate::{output, places};

/// Says what the store and the topics say; a running stream that can be asked says it itself.
pub(crate) fn run(common: &Arguments, status: &Status) -> Result<ExitCode> {
    let project = super::deployed(common)?;
    let groups = super::stream::chosen(&project, &status.groups)?;
    let standing = super::block_on(async {
        #[cfg(feature = "kafka")]
        if let Some(address) = super::live::address(&project, status.metrics)? {
            match crate::endpoint::ask(address, "/status").await? {
                Some(text) => {
                    let standing: Standing = serde_json::from_str(&text)?;
                    for name in groups.iter().map(|group| group.versioned()) {
                        if standing.groups.iter().all(|group| group.group != name) {
                            output::note(format!("the stream at {address} does not keep group `{name}`"));
                        }
                    }
                    return Ok(standing);
                }
                None => output::note(format!("no stream answers at {address}: this is what the store says")),
            }
        }
        let store = places::store(&project).await.map_err(held)?;
        Survey::of(&project, store, groups.clone(), None).await?.read(Letters::Counted).await
    })?;
    let named = |of: &GroupStanding| groups.iter().any(|group| group.versioned() == of.group);
    let Standing { running, groups } = standing;
    let standing = Standing { running, groups: groups.into_iter().filter(named).collect() };
    if status.json {
        output::json(&serde_json::to_value(&standing)?)?;
    } else {
        output::line(text(&standing));
    }
    Ok(ExitCode::SUCCESS)
}

/// A store of one process that another one has: which that is, and how to ask it.
fn held(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::InUse { .. }) => error.context(
            "the online store is held, by a stream perhaps: give the stream an address to be asked at, `metrics = \"127.0.0.1:9100\"` under `[stream]` in feat.toml, and start it again",
        ),
        _ => error,
    }
}

fn text(standing: &Standing) -> String {
    let columns = ["group", "log", "next", "end", "lag", "seconds", "complete to", "unreadable", "late"];
    let mut rows = Vec::new();
    for group in &standing.groups {
        if group.logs.is_empty() {
            let nothing = std::iter::repeat_n("-".to_owned(), columns.len() - 1);
            rows.push(std::iter::once(group.group.clone()).chain(nothing).collect());
        }
        rows.extend(group.logs.iter().map(|log| row(&group.group, log)));
    }
    let mut text = output::table(&columns, &rows);
    if standing.running {
        let counts = standing.groups.iter().filter_map(|group| Some((group, group.rows.as_ref()?)));
        let rows: Vec<Vec<String>> = counts
            .map(|(group, rows)| {
                let numbers = [rows.admitted, rows.folded, rows.duplicate, rows.late, rows.rejected];
                std::iter::once(group.group.clone()).chain(numbers.map(|number| number.to_string())).collect()
            })
            .collect();
        text += "\n\nsince the stream began\n";
        text += &output::table(&["group", "admitted", "folded", "duplicate", "late", "rejected"], &rows);
    }
    text
}

fn row(group: &str, log: &LogStanding) -> Vec<String> {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    vec![
        group.to_owned(),
        log.log.clone(),
        log.next.to_string(),
        number(log.end),
        number(log.lag_records),
        log.lag_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.3}")),
        log.complete_to.clone().unwrap_or_else(|| "-".to_owned()),
        number(log.letters.map(|letters| letters.unreadable)),
        number(log.letters.map(|letters| letters.late)),
    ]
}
