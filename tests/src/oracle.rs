//! What a feature's value is, by definition: filter the log, sort it, fold it.
//!
//! ```text
//!  rows as JSON ──log order──► log[..n] ──admit──► visible at t ──window──► fold ──► value, status
//! ```
//!
//! Integers and exact fractions, no state, no tiles, no increments: every answer starts again from
//! the rows. Nothing of the kernel, the compiler, Arrow or `DataFusion` is imported here, so that a
//! mistake there cannot be repeated here (a test reads these files and checks it).

mod aggregate;
mod exact;
mod log;
pub mod spec;
pub mod time;
pub mod value;

use std::collections::BTreeMap;

pub use log::{Facts, Log};
use log::{Row, truth};
use serde_json::{Map, Value as Json};

use aggregate::{Said, aggregate};
use spec::{Arg, Derived, Feature, Formula, Group, OracleSpec, Over, Source};
use time::floor;
use value::Val;

/// How a value came to be, from best to worst: a derived feature has the worst of its inputs'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// A visible row lies within the group's longest window.
    Present,
    /// None does.
    Empty,
    /// By `ttl` the key is not there.
    Absent,
    /// A part of the key is null.
    NoKey,
    /// The value does not fit its type.
    Overflow,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Present => "present",
            Self::Empty => "empty",
            Self::Absent => "absent",
            Self::Overflow => "overflow",
            Self::NoKey => "no key",
        })
    }
}

/// A value and how it came to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value; null unless the status is present or empty.
    pub value: Val,
    /// How it came to be.
    pub status: Status,
}

impl std::fmt::Display for Answer {
    /// The value, followed by its status where that is not `present`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Status::Present => write!(f, "{}", self.value),
            status => write!(f, "{} ({status})", self.value),
        }
    }
}

/// Feature columns by name, `group.feature`, in the order in which they are served.
pub type Answers = Vec<(String, Answer)>;

/// A specification with the logs of its sources.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    spec: OracleSpec,
    logs: BTreeMap<String, Log>,
}

impl Oracle {
    /// The definition of `spec` over `rows` by source, each a file that is put in the order of its
    /// known times. A source without rows has an empty log.
    pub fn new(spec: OracleSpec, rows: &BTreeMap<String, Vec<Map<String, Json>>>) -> Self {
        let log = |source: &Source| {
            let rows = rows.get(&source.name).map_or(&[][..], Vec::as_slice);
            (source.name.clone(), Log::replay(source, rows))
        };
        let logs = spec.sources.iter().map(log).collect();
        Self { spec, logs }
    }

    /// The same with a log given as it is, not as a file to be sorted.
    #[must_use]
    pub fn with_log(mut self, source: &str, log: Log) -> Self {
        self.logs.insert(source.to_owned(), log);
        self
    }

    /// The specification.
    pub fn spec(&self) -> &OracleSpec {
        &self.spec
    }

    /// The log of a source.
    pub fn log(&self, source: &str) -> &Log {
        &self.logs[source]
    }

    /// The source of a group.
    pub fn source(&self, group: &Group) -> &Source {
        let found = self.spec.sources.iter().find(|source| source.name == group.source);
        found.unwrap_or_else(|| panic!("group `{}` names a source that is not there", group.name))
    }

    /// Every feature of every group and every derived feature for one request at `t`, over the first
    /// `prefix` rows of each source's log that `prefix` names and the whole log of the others.
    ///
    /// `request` holds the keys by their input names and the request's other columns.
    pub fn answer(&self, request: &Map<String, Json>, t: i64, prefix: &BTreeMap<String, usize>) -> Answers {
        let mut answers = Answers::new();
        for group in &self.spec.groups {
            let n = prefix.get(&group.source).copied().unwrap_or(usize::MAX);
            answers.extend(self.group(group, request, t, n));
        }
        for derived in &self.spec.derived {
            answers.push((derived.name.clone(), self::derived(derived, request, &answers)));
        }
        answers
    }

    /// The features of one group for one request at `t` over the first `prefix` rows of its log.
    pub fn group(&self, group: &Group, request: &Map<String, Json>, t: i64, prefix: usize) -> Answers {
        let name = |feature: &Feature| format!("{}.{}", group.name, feature.name);
        let Some(key) = self.key(group, request) else {
            let answer = Answer { value: Val::Null, status: Status::NoKey };
            return group.features.iter().map(|feature| (name(feature), answer.clone())).collect();
        };
        let source = self.source(group);
        let rows = self.visible(group, &key, t, prefix);
        let status = presence(source, group, &rows, t);
        let answer = |feature: &Feature| {
            if status == Status::Absent {
                return Answer { value: Val::Null, status };
            }
            match fold(source, feature, &rows, bounds(source, &feature.over, t)) {
                Said::Value(value) => Answer { value, status },
                Said::Overflow => Answer { value: Val::Null, status: Status::Overflow },
            }
        };
        group.features.iter().map(|feature| (name(feature), answer(feature))).collect()
    }

    /// The labels of one request at `t`: the rows that features see, those whose tau lies in
    /// `[t, t + h)`, however late they became known. `None` until every label window has passed for
    /// the log that it looks at.
    pub fn labels(&self, request: &Map<String, Json>, t: i64) -> Option<Answers> {
        let mut answers = Answers::new();
        for group in &self.spec.labels {
            let length = |length: Option<time::Length>| length.map_or(0, |length| length.0);
            let end = |over: &Over| length(over.after) + length(over.next);
            let horizon = group.features.iter().map(|feature| end(&feature.over)).max().unwrap_or(0);
            if self.log(&group.source).last_known().is_none_or(|last| t + horizon > last) {
                return None;
            }
            let source = self.source(group);
            let key = self.key(group, request);
            let admitted = key.map(|key| self.admitted(group, &key, usize::MAX));
            for feature in &group.features {
                let start = t + length(feature.over.after);
                let interval = (start, start + length(feature.over.next));
                let answer = match &admitted {
                    None => Answer { value: Val::Null, status: Status::NoKey },
                    Some(rows) => match fold(source, feature, &passing(source, group, rows), interval) {
                        Said::Value(value) => Answer { value, status: Status::Present },
                        Said::Overflow => Answer { value: Val::Null, status: Status::Overflow },
                    },
                };
                answers.push((format!("{}.{}", group.name, feature.name), answer));
            }
        }
        Some(answers)
    }

    /// The key that a request asks for; `None` if a part of it is null.
    fn key(&self, group: &Group, request: &Map<String, Json>) -> Option<Vec<Val>> {
        let source = self.source(group);
        let part = |(column, input): (&String, &String)| {
            Val::read(request.get(input), log::ty(source, column).trim_end_matches('?')).ok()
        };
        group.key.iter().zip(group.inputs()).map(part).collect()
    }

    /// The admitted rows of `key` in (known, row order).
    fn admitted(&self, group: &Group, key: &[Val], prefix: usize) -> Vec<Row> {
        self.log(&group.source).admitted(self.source(group), group, prefix, key)
    }

    /// The rows of `key` that are visible at `t` and pass the group's `where`, in row order.
    fn visible(&self, group: &Group, key: &[Val], t: i64, prefix: usize) -> Vec<Row> {
        let source = self.source(group);
        let mut rows = passing(source, group, &self.admitted(group, key, prefix));
        // Strictly before: the event that asks the question never answers it.
        rows.retain(|row| row.known <= t && row.tau < t);
        rows
    }
}

fn derived(derived: &Derived, request: &Map<String, Json>, answers: &Answers) -> Answer {
    Answer { value: evaluate(&derived.value, request, answers), status: worst(&derived.value, answers) }
}

fn worst(formula: &Formula, answers: &Answers) -> Status {
    match formula {
        Formula::Feature(name) => served(name, answers).status,
        Formula::Request(_) | Formula::Int(_) => Status::Present,
        Formula::Add(a, b) | Formula::Sub(a, b) | Formula::Greater(a, b) | Formula::Coalesce(a, b) => {
            worst(a, answers).max(worst(b, answers))
        }
    }
}

fn served<'a>(name: &str, answers: &'a Answers) -> &'a Answer {
    let found = answers.iter().find(|(served, _)| served == name);
    &found.unwrap_or_else(|| panic!("there is no feature `{name}`")).1
}

/// Those rows that pass the group's `where`, in row order.
fn passing(source: &Source, group: &Group, rows: &[Row]) -> Vec<Row> {
    let mut rows: Vec<Row> = rows
        .iter()
        .filter(|row| group.filter.iter().all(|c| truth(source, c, row) == Some(true)))
        .cloned()
        .collect();
    rows.sort_by(|a, b| a.order.cmp(&b.order));
    rows
}

/// The interval `[start, end)` of a window seen from `t`.
///
/// `[floor(t - W, h), t)`; with an offset `[floor(t - d - W, h), floor(t - d, h))`; `over all`
/// begins at the source's `since`.
pub fn bounds(source: &Source, over: &Over, t: i64) -> (i64, i64) {
    let Some(length) = over.length else {
        return (source.since.as_deref().and_then(time::instant).unwrap_or(i64::MIN), t);
    };
    let hop = hop(over).unwrap_or_else(|| panic!("a window of {length} needs `every`"));
    match over.offset {
        None => (floor(t - length.0, hop), t),
        Some(offset) => (floor(t - offset.0 - length.0, hop), floor(t - offset.0, hop)),
    }
}

/// The hop of a window with a length: what `every` says, or the largest of 1s 10s 1m 5m 1h 1d that
/// divides the length and is not above a twelfth of it. `None` where there is none.
pub fn hop(over: &Over) -> Option<i64> {
    const SECOND: i64 = 1_000_000;
    let length = over.length?.0;
    let ladder = [86_400, 3_600, 300, 60, 10, 1].map(|seconds| seconds * SECOND);
    let default = || ladder.into_iter().find(|hop| length % hop == 0 && hop * 12 <= length);
    over.every.map(|every| every.0).or_else(default)
}

fn presence(source: &Source, group: &Group, rows: &[Row], t: i64) -> Status {
    let newest = rows.iter().map(|row| row.tau).max();
    if let Some(ttl) = group.ttl
        && newest.is_none_or(|newest| newest < t - ttl.0)
    {
        return Status::Absent;
    }
    let start = group.features.iter().map(|feature| bounds(source, &feature.over, t).0).min();
    let within = rows.iter().any(|row| start.is_some_and(|start| row.tau >= start));
    if within { Status::Present } else { Status::Empty }
}

/// The value of a feature over rows in row order and an interval.
fn fold(source: &Source, feature: &Feature, rows: &[Row], (start, end): (i64, i64)) -> Said {
    let mut inside = rows
        .iter()
        .filter(|row| start <= row.tau && row.tau < end)
        .filter(|row| feature.filter.iter().all(|c| truth(source, c, row) == Some(true)));
    if feature.aggregate == "keep" {
        // The newest row as it is: a null in it is the answer.
        return Said::Value(
            inside.next_back().map_or(Val::Null, |row| log::args(source, feature, row)[0].clone()),
        );
    }
    let rows: Vec<Vec<Val>> = inside.map(|row| log::args(source, feature, row)).collect();
    let ty = match feature.args.first() {
        Some(Arg::Column(column)) => log::ty(source, column),
        _ => "bool",
    };
    aggregate(&feature.aggregate, &feature.params, ty, &rows)
}

/// Arithmetic over ints, null-strict but for `??`.
fn evaluate(formula: &Formula, request: &Map<String, Json>, answers: &Answers) -> Val {
    let two = |a: &Formula, b: &Formula, f: fn(i64, i64) -> Val| match (
        evaluate(a, request, answers),
        evaluate(b, request, answers),
    ) {
        (Val::Int(a), Val::Int(b)) => f(a, b),
        _ => Val::Null,
    };
    match formula {
        Formula::Feature(name) => served(name, answers).value.clone(),
        Formula::Request(column) => Val::read(request.get(column), "int?").unwrap_or(Val::Null),
        Formula::Int(x) => Val::Int(*x),
        Formula::Add(a, b) => two(a, b, |a, b| Val::Int(a + b)),
        Formula::Sub(a, b) => two(a, b, |a, b| Val::Int(a - b)),
        Formula::Greater(a, b) => two(a, b, |a, b| Val::Bool(a > b)),
        Formula::Coalesce(a, b) => match evaluate(a, request, answers) {
            Val::Null => evaluate(b, request, answers),
            value => value,
        },
    }
}

#[cfg(test)]
mod tests;
