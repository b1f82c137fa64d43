//! A source's log: its rows in the order in which they became known, and which of them count.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::spec::{Arg, Condition, Feature, Group, Op, Source};
use super::time::instant;
use super::value::{Unreadable, Val};

/// How long ids are remembered where `dedupe` has no `within`.
const DAY: i64 = 86_400_000_000;

/// A row of a log.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Every column of its source; null where the cell could not be read.
    pub(super) columns: BTreeMap<String, Val>,
    /// The columns that could not be read.
    unreadable: BTreeSet<String>,
    /// When it happened; the beginning of time for a row without time.
    pub(super) time: i64,
    /// When it became known.
    pub(super) known: i64,
    /// `min(time, known)`: a row cannot come from the future.
    pub(super) tau: i64,
    /// Its place in the row order of a group: tau, `order by` columns, dedupe id, columns read.
    pub(super) order: (i64, Vec<Val>),
}

/// A log.
#[derive(Clone, Debug)]
pub struct Log {
    rows: Vec<Row>,
    clocks: Vec<i64>,
}

impl Log {
    /// A file as a log: its rows in the order of their declared known, rows of one known in the
    /// file's order. A row whose known cannot be read stands behind its predecessor in the file.
    pub fn replay(source: &Source, rows: &[Map<String, Json>]) -> Self {
        let mut before = i64::MIN;
        let mut log: Vec<(i64, Row)> = Vec::new();
        for json in rows {
            before = declared(source, json).unwrap_or(before);
            log.push((before, row(source, json, before)));
        }
        // The sort is stable: rows of equal known stay in the file's order.
        log.sort_by_key(|(known, _)| *known);
        let clocks = log.iter().map(|(known, _)| *known).collect();
        Self { clocks, rows: log.into_iter().map(|(_, row)| row).collect() }
    }

    /// A log as a broker keeps it: rows in the order of their offsets, each with the timestamp of its
    /// record. The clock is the running maximum of those; a row is known when it says so, and never
    /// before its clock.
    pub fn stamped(source: &Source, rows: &[(i64, Map<String, Json>)]) -> Self {
        let clocks = rows.iter().scan(i64::MIN, |clock, (stamp, _)| {
            *clock = (*clock).max(*stamp);
            Some(*clock)
        });
        Self::clocked(source, clocks.zip(rows.iter().map(|(_, row)| row)))
    }

    /// Rows with the clock of the log at each: a part of a log's rows, or those of several logs, each of
    /// which has a clock of its own. Their order means nothing.
    pub fn clocked<'a>(source: &Source, rows: impl Iterator<Item = (i64, &'a Map<String, Json>)>) -> Self {
        let mut log = Self { rows: Vec::new(), clocks: Vec::new() };
        for (clock, json) in rows {
            log.clocks.push(clock);
            // What declares nothing is known when the log says so, be its time yet to come.
            let said = source.known.as_ref().and_then(|_| declared(source, json));
            log.rows.push(row(source, json, said.map_or(clock, |said| said.max(clock))));
        }
        log
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The clock once the first `prefix` rows have been read; the beginning of time before any.
    pub fn clock(&self, prefix: usize) -> i64 {
        prefix.checked_sub(1).map_or(i64::MIN, |at| self.clocks[at])
    }

    /// When row `at` became known.
    pub fn known(&self, at: usize) -> i64 {
        self.rows[at].known
    }

    /// When row `at` is effective: `min(time, known)`.
    pub fn tau(&self, at: usize) -> i64 {
        self.rows[at].tau
    }

    /// The last known of the log.
    pub fn last_known(&self) -> Option<i64> {
        self.clocks.last().copied()
    }

    /// The rows of entity `key` among the first `prefix` that are admitted, in (known, row order).
    ///
    /// Tested in this order: readable in every column that the group needs (a column that no part of
    /// it names is not looked at), the source's `where`, `since`, `lateness`, dedupe. A row is a duplicate
    /// if an admitted row of the same key and id precedes it in (known, row order) and lies at most
    /// `within` earlier in known. An id with a null repeats nothing.
    pub(super) fn admitted(&self, source: &Source, group: &Group, prefix: usize, key: &[Val]) -> Vec<Row> {
        let needed = needed(source, group);
        let mut rows: Vec<Row> = self.rows.iter().take(prefix).cloned().collect();
        rows.retain(|row| {
            row.unreadable.is_disjoint(&needed)
                && group.key.iter().map(|column| &row.columns[column]).eq(key)
                && passes(source, row)
        });
        for row in &mut rows {
            row.order = (row.tau, place(source, group, row));
        }
        rows.sort_by(|a, b| (a.known, &a.order).cmp(&(b.known, &b.order)));
        let Some(dedupe) = &source.dedupe else { return rows };
        let within = dedupe.within.map_or(DAY, |within| within.0);
        let mut admitted: Vec<(Vec<Val>, i64)> = Vec::new();
        rows.retain(|row| {
            let Some(id) = id(source, row) else { return true };
            let repeats = |(other, known): &(Vec<Val>, i64)| *other == id && row.known - known <= within;
            let duplicate = admitted.iter().any(repeats);
            if !duplicate {
                admitted.push((id, row.known));
            }
            !duplicate
        });
        rows
    }
}

/// What a row gives to a group before its key's history decides on duplicates: what an engine knows of
/// a row once it has evaluated its expressions.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its key.
    pub key: Vec<Val>,
    /// When it became known.
    pub known: i64,
    /// Its place in event time.
    pub tau: i64,
    /// What decides between rows of one tau.
    pub tie: Vec<Val>,
    /// Its dedupe id; `None` if a part is null or the source has none.
    pub id: Option<Vec<Val>>,
    /// Whether it passes the group's `where`.
    pub pass: bool,
    /// For each feature its arguments.
    pub args: Vec<Vec<Val>>,
    /// For each feature whether its own `where` is true.
    pub masks: Vec<bool>,
}

impl Log {
    /// For each row of the log what it gives to `group`; `None` for one that is not admitted by itself.
    pub fn facts(&self, source: &Source, group: &Group) -> Vec<Option<Facts>> {
        let needed = needed(source, group);
        let all = |conditions: &[Condition], row: &Row| {
            conditions.iter().all(|condition| truth(source, condition, row) == Some(true))
        };
        let facts = |row: &Row| {
            (row.unreadable.is_disjoint(&needed) && passes(source, row)).then(|| Facts {
                key: group.key.iter().map(|column| row.columns[column].clone()).collect(),
                known: row.known,
                tau: row.tau,
                tie: place(source, group, row),
                id: id(source, row),
                pass: all(&group.filter, row),
                args: group.features.iter().map(|feature| args(source, feature, row)).collect(),
                masks: group.features.iter().map(|feature| all(&feature.filter, row)).collect(),
            })
        };
        self.rows.iter().map(facts).collect()
    }
}

/// What a row gives to a feature's aggregate.
pub(super) fn args(source: &Source, feature: &Feature, row: &Row) -> Vec<Val> {
    let arg = |arg: &Arg| match arg {
        Arg::Column(column) => row.columns[column].clone(),
        Arg::Condition(condition) => truth(source, condition, row).map_or(Val::Null, Val::Bool),
    };
    feature.args.iter().map(arg).collect()
}

/// Whether a row is admitted by itself: the source's `where`, `since`, `lateness`.
///
/// `since` goes by tau, where the row stands: `over all` begins there, and a row clamped to before it
/// would otherwise be admitted and yet in no window.
fn passes(source: &Source, row: &Row) -> bool {
    let since = source.since.as_deref().and_then(instant).unwrap_or(i64::MIN);
    source.filter.iter().all(|condition| truth(source, condition, row) == Some(true))
        && row.time.min(row.known) >= since
        && source.lateness.is_none_or(|lateness| row.known.saturating_sub(row.time) <= lateness.0)
}

/// The dedupe id of a row; `None` where a part of it is null, which repeats nothing.
fn id(source: &Source, row: &Row) -> Option<Vec<Val>> {
    let by = &source.dedupe.as_ref()?.by;
    let id: Vec<Val> = by.iter().map(|column| row.columns[column].clone()).collect();
    id.iter().all(|part| !part.is_null()).then_some(id)
}

/// What decides between rows of one tau: the columns of `order by`, the dedupe id, then every column
/// that the group reads in name order. Nulls come first.
fn place(source: &Source, group: &Group, row: &Row) -> Vec<Val> {
    let id = source.dedupe.iter().flat_map(|dedupe| &dedupe.by);
    let reads = reads(group);
    source
        .order_by
        .iter()
        .chain(id)
        .chain(reads.iter().copied())
        .map(|column| row.columns[column].clone())
        .collect()
}

/// The columns that a group reads, in name order.
fn reads(group: &Group) -> BTreeSet<&String> {
    let conditions = group.filter.iter().chain(group.features.iter().flat_map(|feature| &feature.filter));
    let args = group.features.iter().flat_map(|feature| &feature.args).map(|arg| match arg {
        Arg::Column(column) => column,
        Arg::Condition(condition) => &condition.column,
    });
    conditions.map(|condition| &condition.column).chain(args).collect()
}

/// Whether a condition holds; `None` where a part of it is null.
pub(super) fn truth(source: &Source, condition: &Condition, row: &Row) -> Option<bool> {
    let value = &row.columns[&condition.column];
    let Some(op) = condition.op else {
        return match value {
            Val::Bool(x) => Some(*x),
            _ => None,
        };
    };
    match op {
        Op::IsNull => return Some(value.is_null()),
        Op::IsNotNull => return Some(!value.is_null()),
        _ if value.is_null() => return None,
        _ => {}
    }
    let ty = ty(source, &condition.column).trim_end_matches('?');
    let literal = Val::read(Some(&condition.value), ty).unwrap_or_else(|Unreadable| {
        panic!("{} is no {ty}, as column `{}` is", condition.value, condition.column)
    });
    let order = value.cmp(&literal);
    Some(match op {
        Op::Eq => order.is_eq(),
        Op::Ne => order.is_ne(),
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        Op::Gt => order.is_gt(),
        Op::Ge | Op::IsNull | Op::IsNotNull => order.is_ge(),
    })
}

/// The type of a column as the source declares it.
pub(super) fn ty<'a>(source: &'a Source, column: &str) -> &'a str {
    let found = source.columns.iter().find(|declared| declared.name == column);
    found.map_or_else(|| panic!("source `{}` has no column `{column}`", source.name), |declared| &declared.ty)
}

/// Every column that a group needs to be read.
fn needed(source: &Source, group: &Group) -> BTreeSet<String> {
    let known = source.known.iter().filter_map(|known| known.column.as_ref());
    let id = source.dedupe.iter().flat_map(|dedupe| &dedupe.by);
    let filter = source.filter.iter().map(|condition| &condition.column);
    let clauses = source.time.iter().chain(known).chain(&source.order_by).chain(id).chain(filter);
    reads(group).into_iter().chain(&group.key).chain(clauses).cloned().collect()
}

fn row(source: &Source, json: &Map<String, Json>, known: i64) -> Row {
    let (mut columns, mut unreadable) = (BTreeMap::new(), BTreeSet::new());
    for column in &source.columns {
        let value = Val::read(json.get(&column.name), &column.ty).unwrap_or_else(|Unreadable| {
            unreadable.insert(column.name.clone());
            Val::Null
        });
        columns.insert(column.name.clone(), value);
    }
    let time = time(source, &columns);
    Row { time, known, tau: time.min(known), columns, unreadable, order: (0, Vec::new()) }
}

/// The event time; for a source without one, before every instant.
fn time(source: &Source, columns: &BTreeMap<String, Val>) -> i64 {
    match source.time.as_ref().map(|column| &columns[column]) {
        Some(Val::Time(time)) => *time,
        _ => i64::MIN,
    }
}

/// The `known` column plus `after`; with `known after d` alone, `time + d`; without `known`, `time`.
/// `None` where the column cannot be read.
fn declared(source: &Source, json: &Map<String, Json>) -> Option<i64> {
    let Some(time) = &source.time else { return Some(i64::MIN) };
    let known = source.known.clone().unwrap_or_default();
    match Val::read(json.get(known.column.as_ref().unwrap_or(time)), "timestamp") {
        Ok(Val::Time(at)) => Some(at + known.after.0),
        _ => None,
    }
}
