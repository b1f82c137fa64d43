//! The reading of the kernel alone: rows are appended to blobs under a clock, and values assembled.
//!
//! No engine, no text: the view is made by hand from the oracle's specification. What an engine does
//! around it (stops, restarts, sweeps, chunks of any size) is drawn at random, as are clocks that lag
//! behind what rows say of themselves, so rows wait in blobs and are seen there.

use std::collections::BTreeMap;

use feat_kernel::agg::{Outcome, Part, bind};
use feat_kernel::assemble::assemble;
use feat_kernel::blob::Blob;
use feat_kernel::order;
use feat_kernel::presence::Presence;
use feat_kernel::row::Kept;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use feat_kernel::view::{Cell, Dedupe, Output, View};
use feat_kernel::window::{Reach, Window};
use num_traits::ToPrimitive;
use serde_json::{Map, Value as Json};

use crate::dice::Dice;
use crate::oracle::spec::{Arg, Feature, Group, Params, Source};
use crate::oracle::value::Val;
use crate::oracle::{Answer, Facts, Oracle, Status, hop, time};

/// A mistake: which value of which key at which instant is not what the definition says.
pub type Differs = String;

/// How many values were compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    /// With the definition over the prefix of the log.
    pub values: u64,
    /// With the definition over the whole log, since the answer was complete.
    pub complete: u64,
}

/// Plays the log of `group` into blobs and compares random lookups with the definition.
///
/// Errors: the first value that differs, with everything needed to look at it.
pub fn compare(oracle: &Oracle, group: &Group, seed: u64) -> Result<Compared, Differs> {
    let mut dice = Dice::new(seed ^ 0x7113_5eed);
    let source = oracle.source(group);
    let log = oracle.log(&group.source);
    let facts = log.facts(source, group);
    let mut keys: Vec<Vec<Val>> = facts.iter().flatten().map(|facts| facts.key.clone()).collect();
    keys.sort();
    keys.dedup();
    let (view, types) = view(source, group);
    let mut play = Play { view, types, blobs: BTreeMap::new(), swept_to: i64::MIN };
    let mut compared = Compared::default();
    let (mut next, sweeps) = (0, dice.once_in(2));
    while next < facts.len() {
        let chunk = dice.between(1, 5) as usize;
        let end = (next + chunk).min(facts.len());
        play.read(&facts[next..end], log.clock(end));
        next = end;
        if dice.once_in(4) {
            play.restart()?;
        }
        if sweeps {
            play.sweep(log.clock(next));
        }
        for _ in 0..3 {
            let key = dice.pick(&keys);
            let reach = group
                .features
                .iter()
                .filter_map(|feature| feature.over.length)
                .max()
                .map_or(1, |length| length.0);
            let clock = log.clock(next);
            let at = match dice.between(0, 7) {
                0 => clock,
                1 => clock + dice.between(0, 3),
                2 => clock - dice.between(0, reach / 4 + 2),
                3..=4 => {
                    // Where a row read before leaves a window, or is just as old as the ttl allows.
                    let tau = log.tau(dice.between(0, next as i64) as usize).max(clock - 4 * reach);
                    let over = &dice.pick(&group.features).over;
                    let length = |length: Option<time::Length>| length.map_or(0, |length| length.0);
                    let past = length(over.length) + length(over.offset);
                    tau + dice.pick(&[past, length(group.ttl)]) + dice.pick(&[0, 0, 1, -1])
                }
                _ => clock + dice.between(0, reach + reach / 4 + 2),
            };
            let t = at.max(play.clock(key).saturating_add(1));
            let answers = play.lookup(key, t);
            let inputs = inputs(group, key);
            let mut whole = vec![("the prefix", next)];
            // Complete: whatever is still to come becomes known at the clock or later.
            whole.extend((t < log.clock(next)).then_some(("the whole log", facts.len())));
            for (what, prefix) in whole {
                for ((name, want), got) in oracle.group(group, &inputs, t, prefix).iter().zip(&answers) {
                    if !want.value.admits(&got.value) || want.status != got.status {
                        return Err(format!(
                            "seed {seed}: tiles differ from the definition over {what} ({prefix} rows, {next} read) at \
                             key {inputs:?}, {}: {name} is {got}, not {want}",
                            time::instant_text(t)
                        ));
                    }
                }
                if prefix == next {
                    compared.values += answers.len() as u64;
                } else {
                    compared.complete += answers.len() as u64;
                }
            }
        }
    }
    Ok(compared)
}

/// The state of one partition.
struct Play {
    view: View,
    /// The types of the view's outputs.
    types: Vec<Type>,
    blobs: BTreeMap<Vec<Val>, Blob>,
    swept_to: i64,
}

impl Play {
    fn read(&mut self, rows: &[Option<Facts>], clock: i64) {
        let mut touched = Vec::new();
        for facts in rows.iter().flatten() {
            let row = kept(facts);
            self.blobs.entry(facts.key.clone()).or_default().append(&self.view, &&row);
            touched.push(facts.key.clone());
        }
        touched.sort();
        touched.dedup();
        for key in touched {
            if let Some(blob) = self.blobs.get_mut(&key) {
                blob.advance(&self.view, Instant(clock));
            }
        }
    }

    /// Every blob goes through its bytes, which are canonical.
    fn restart(&mut self) -> Result<(), Differs> {
        for blob in self.blobs.values_mut() {
            let bytes = blob.encode(&self.view);
            *blob = Blob::decode(&self.view, &bytes)
                .map_err(|cause| format!("a blob does not decode: {cause}"))?;
            if blob.encode(&self.view) != bytes {
                return Err("a blob's bytes change when it is decoded and encoded".to_owned());
            }
        }
        Ok(())
    }

    fn sweep(&mut self, clock: i64) {
        let before = self.blobs.len();
        self.blobs.retain(|_, blob| !blob.is_idle(&self.view, Instant(clock)));
        if self.blobs.len() < before {
            self.swept_to = self.swept_to.max(clock);
        }
    }

    /// The clock that an instant asked of `key` must be greater than.
    fn clock(&self, key: &[Val]) -> i64 {
        self.blobs.get(key).map_or(self.swept_to, |blob| blob.clock().0)
    }

    fn lookup(&self, key: &[Val], t: i64) -> Vec<Answer> {
        let assembled = assemble(&self.view, self.blobs.get(key), Instant(t));
        let status = match assembled.presence {
            Presence::Present => Status::Present,
            Presence::Empty => Status::Empty,
            Presence::Absent => Status::Absent,
        };
        let answer = |(outcome, ty): (Outcome, &Type)| match outcome {
            Outcome::Overflow => Answer { value: Val::Null, status: Status::Overflow },
            Outcome::Value(value) => Answer { value: val(&value, ty), status },
        };
        assembled.outcomes.into_iter().zip(&self.types).map(answer).collect()
    }
}

/// The view of a group, a cell, a mask and its own arguments for each feature; and its outputs' types.
fn view(source: &Source, group: &Group) -> (View, Vec<Type>) {
    let mut results = Vec::new();
    let mut view = View {
        args: Vec::new(),
        masks: group.features.len(),
        cells: Vec::new(),
        windows: Vec::new(),
        outputs: Vec::new(),
        dedupe: source
            .dedupe
            .as_ref()
            .map(|dedupe| Dedupe { within: dedupe.within.map(|within| Micros(within.0)) }),
        ttl: group.ttl.map(|ttl| Micros(ttl.0)),
        ties: true,
    };
    for (at, feature) in group.features.iter().enumerate() {
        let types: Vec<Type> = feature.args.iter().map(|arg| arg_type(source, arg)).collect();
        let slots: Vec<Slot> = types.iter().cloned().map(Slot::nullable).collect();
        let bound = bind(&feature.aggregate, &slots, &params(&feature.params))
            .unwrap_or_else(|cause| panic!("`{}`: {cause}", feature.aggregate));
        let args = (view.args.len()..view.args.len() + types.len()).collect();
        view.args.extend(types);
        results.push(bound.result.ty);
        view.cells.push(Cell { aggregator: bound.aggregator, args, mask: Some(at) });
        let window = window(source, feature);
        let place = view.windows.iter().position(|other| *other == window).unwrap_or_else(|| {
            view.windows.push(window);
            view.windows.len() - 1
        });
        view.outputs.push(Output { cell: at, window: place, part: Part::Whole });
    }
    (view, results)
}

fn window(source: &Source, feature: &Feature) -> Window {
    let since = source.since.as_deref().and_then(time::instant).map_or(Instant::MIN, Instant);
    Window {
        reach: feature.over.length.map_or(Reach::All(since), |length| Reach::Length(Micros(length.0))),
        hop: Micros(hop(&feature.over).unwrap_or(1)),
        offset: Micros(feature.over.offset.unwrap_or_default().0),
    }
}

fn params(params: &Params) -> Vec<(String, Value)> {
    let whole = |name: &str, x: Option<usize>| x.map(|x| (name.to_owned(), Value::Int(x as i64)));
    let q = match params.q.as_slice() {
        [] => None,
        [q] => Some(Value::Float(*q)),
        list => Some(Value::List(list.iter().copied().map(Value::Float).collect())),
    };
    whole("n", params.n)
        .into_iter()
        .chain(whole("max", params.max))
        .chain(whole("precision", params.precision.map(|bits| bits as usize)))
        .chain(q.map(|q| ("q".to_owned(), q)))
        .chain(params.accuracy.map(|accuracy| ("accuracy".to_owned(), Value::Float(accuracy))))
        .collect()
}

fn arg_type(source: &Source, arg: &Arg) -> Type {
    let Arg::Column(name) = arg else { return Type::Bool };
    let column = source.columns.iter().find(|column| column.name == *name);
    kernel_type(column.map_or("", |column| column.ty.trim_end_matches('?')))
}

/// The kernel's type of a column's.
pub fn kernel_type(ty: &str) -> Type {
    match ty {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "float" => Type::Float,
        "string" => Type::String,
        "timestamp" => Type::Timestamp,
        decimal => {
            let digits: Vec<&str> = decimal
                .trim_start_matches("decimal(")
                .trim_end_matches(')')
                .split(',')
                .map(str::trim)
                .collect();
            Type::Decimal(
                digits[0].parse().unwrap_or_else(|_| panic!("no type `{ty}`")),
                digits.get(1).and_then(|scale| scale.parse().ok()).unwrap_or(0),
            )
        }
    }
}

fn kept(facts: &Facts) -> Kept {
    let bytes = |values: &[Val]| {
        let mut bytes = Vec::new();
        for value in values {
            order::put(&mut bytes, value_of(value).as_ref());
        }
        bytes
    };
    Kept {
        known: Instant(facts.known),
        tau: Instant(facts.tau),
        tie: bytes(&facts.tie),
        id: facts.id.as_deref().map(bytes),
        pass: facts.pass,
        args: facts.args.iter().flatten().map(value_of).collect(),
        masks: facts.masks.clone(),
    }
}

/// The kernel's value of the definition's.
pub fn value_of(val: &Val) -> Value {
    match val {
        Val::Null | Val::Between(..) => Value::Null,
        Val::Bool(x) => Value::Bool(*x),
        Val::Int(x) | Val::Time(x) => Value::Int(*x),
        Val::Float(x) => Value::Float(*x),
        Val::Decimal(x, _) => Value::Decimal(x.to_i128().unwrap_or_default()),
        Val::Str(x) => Value::Str(x.as_str().into()),
        Val::List(items) => Value::List(items.iter().map(value_of).collect()),
    }
}

/// The definition's value of the kernel's, which is of type `ty`: instants and decimals are plain
/// numbers in the kernel.
pub fn val(value: &Value, ty: &Type) -> Val {
    match (value, ty) {
        (Value::Null, _) => Val::Null,
        (Value::Bool(x), _) => Val::Bool(*x),
        (Value::Int(x), Type::Timestamp) => Val::Time(*x),
        (Value::Int(x), _) => Val::Int(*x),
        (Value::Float(x), _) => Val::Float(*x),
        (Value::Decimal(x), Type::Decimal(_, scale)) => {
            Val::Decimal((*x).into(), u32::from(scale.unsigned_abs()))
        }
        (Value::Str(x), _) => Val::Str(x.to_string()),
        (Value::List(items), Type::List(item)) => {
            Val::List(items.iter().map(|value| val(value, &item.ty)).collect())
        }
        (other, ty) => panic!("no feature of a draw has the value {other:?} of type {ty}"),
    }
}

fn inputs(group: &Group, key: &[Val]) -> Map<String, Json> {
    let json = |val: &Val| match val {
        Val::Int(x) => Json::from(*x),
        Val::Str(x) => Json::from(x.as_str()),
        other => panic!("no key of a draw has the value {other}"),
    };
    group.inputs().iter().cloned().zip(key.iter().map(json)).collect()
}
