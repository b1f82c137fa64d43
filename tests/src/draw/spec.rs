//! Random sources and groups.

use serde_json::{Value as Json, json};

use super::AGGREGATES;
use super::scale::{Form, Scale};
use crate::dice::Dice;
use crate::oracle::spec::{
    Arg, Column, Condition, Dedupe, Feature, Group, Known, Op, OracleSpec, Over, Params, Source,
};
use crate::oracle::time::{Length, instant_text};

/// The source `events` and one or two groups over it.
pub(super) fn events(dice: &mut Dice, scale: &Scale, wild: bool) -> OracleSpec {
    let mut spec = OracleSpec { sources: vec![source(dice, scale, wild)], ..OracleSpec::default() };
    let mut deck = AGGREGATES.to_vec();
    dice.shuffle(&mut deck);
    spec.groups.push(group(dice, scale, "by_user", &["user"], &deck[..6]));
    if dice.once_in(2) {
        spec.groups.push(group(dice, scale, "by_pair", &["a", "b"], &deck[6..10]));
    }
    spec
}

/// A table of versions, `versions`, and a group that looks the newest one up.
pub(super) fn versions(dice: &mut Dice, scale: &Scale, spec: &mut OracleSpec) {
    let columns = [
        ("user", "string"),
        ("tier", "string?"),
        ("level", "int?"),
        ("hour", "timestamp"),
        ("seen", "timestamp"),
    ];
    spec.sources.push(Source {
        name: "versions".to_owned(),
        columns: columns.map(|(name, ty)| Column { name: name.to_owned(), ty: ty.to_owned() }).to_vec(),
        time: Some("hour".to_owned()),
        known: dice.once_in(2).then(|| Known { column: Some("seen".to_owned()), after: Length(0) }),
        order_by: if dice.once_in(2) { vec!["level".to_owned()] } else { vec![] },
        ..Source::default()
    });
    let keep = |name: &str| Feature {
        name: name.to_owned(),
        aggregate: "keep".to_owned(),
        args: vec![Arg::Column(name.to_owned())],
        ..Feature::default()
    };
    spec.groups.push(Group {
        name: "version".to_owned(),
        source: "versions".to_owned(),
        key: vec!["user".to_owned()],
        ttl: dice.once_in(2).then(|| Length(scale.longest() / 2)),
        features: vec![keep("tier"), keep("level")],
        ..Group::default()
    });
}

/// A group of labels over `events`.
pub(super) fn labels(dice: &mut Dice, scale: &Scale, spec: &mut OracleSpec) {
    let mut features = Vec::new();
    for at in 0..dice.between(1, 4) {
        let aggregate = *dice.pick(&["count", "sum", "any", "last", "max", "avg"]);
        let (args, params) = call(dice, aggregate);
        let filter = if dice.once_in(3) { vec![condition(dice)] } else { vec![] };
        let next = Length(*dice.pick(&scale.lengths));
        let after = dice.once_in(2).then(|| Length(dice.between(1, next.0)));
        let over = Over { next: Some(next), after, ..Over::default() };
        features.push(Feature {
            name: format!("l{at}"),
            aggregate: aggregate.to_owned(),
            args,
            params,
            filter,
            over,
        });
    }
    spec.labels.push(Group {
        name: "later".to_owned(),
        source: "events".to_owned(),
        key: vec!["user".to_owned()],
        features,
        ..Group::default()
    });
}

fn source(dice: &mut Dice, scale: &Scale, wild: bool) -> Source {
    let decimal = if wild { "decimal(38,2)?" } else { "decimal(12,2)?" };
    let columns = [
        ("user", "string"),
        ("a", "int"),
        ("b", "string"),
        ("id", "int?"),
        ("x", "int?"),
        ("y", "float?"),
        ("z", "float"),
        ("amount", decimal),
        ("name", "string?"),
        ("ok", "bool?"),
        ("due", "timestamp?"),
        ("ts", "timestamp"),
        ("seen", "timestamp"),
    ];
    let part = |dice: &mut Dice, n: i64| Length((scale.longest() / n).max(1) + dice.between(0, 2));
    let known = match dice.between(0, 5) {
        0 => None,
        1 => Some(Known { column: None, after: part(dice, 20) }),
        2 => Some(Known { column: Some("seen".to_owned()), after: part(dice, 30) }),
        _ => Some(Known { column: Some("seen".to_owned()), after: Length(0) }),
    };
    let dedupe = dice.once_in(2).then(|| {
        let by: &[&str] = if dice.once_in(4) { &["id", "name"] } else { &["id"] };
        let n = *dice.pick(&[1, 4, 20]);
        Dedupe { by: by.iter().map(|&column| column.to_owned()).collect(), within: Some(part(dice, n)) }
    });
    Source {
        name: "events".to_owned(),
        columns: columns.map(|(name, ty)| Column { name: name.to_owned(), ty: ty.to_owned() }).to_vec(),
        time: Some("ts".to_owned()),
        known,
        order_by: match dice.between(0, 4) {
            0 => vec!["id".to_owned()],
            1 => vec!["name".to_owned(), "y".to_owned()],
            _ => vec![],
        },
        dedupe,
        lateness: dice.once_in(4).then(|| part(dice, 3)),
        since: dice.once_in(5).then(|| instant_text(scale.start + scale.longest() / 2)),
        filter: if dice.once_in(6) { vec![condition(dice)] } else { vec![] },
    }
}

fn group(dice: &mut Dice, scale: &Scale, name: &str, key: &[&str], deck: &[&str]) -> Group {
    let mut features = Vec::new();
    for (at, aggregate) in deck.iter().enumerate() {
        let form = *dice.pick(&[Form::Duration, Form::Every, Form::Offset, Form::List, Form::All]);
        let (args, params) = call(dice, aggregate);
        let filter = if dice.once_in(3) { vec![condition(dice)] } else { vec![] };
        for over in scale.over(dice, form) {
            let suffix = over
                .length
                .filter(|_| form == Form::List)
                .map_or(String::new(), |length| format!("_{length}"));
            features.push(Feature {
                name: format!("f{at}{suffix}"),
                aggregate: (*aggregate).to_owned(),
                args: args.clone(),
                params: params.clone(),
                filter: filter.clone(),
                over,
            });
        }
    }
    Group {
        name: name.to_owned(),
        source: "events".to_owned(),
        key: key.iter().map(|&column| column.to_owned()).collect(),
        inputs: vec![],
        filter: if dice.once_in(4) { vec![condition(dice)] } else { vec![] },
        ttl: dice.once_in(3).then(|| Length(dice.between(scale.longest() / 8, 2 * scale.longest()))),
        features,
    }
}

/// Arguments and parameters that suit an aggregate.
pub(super) fn call(dice: &mut Dice, aggregate: &str) -> (Vec<Arg>, Params) {
    let column = |dice: &mut Dice, names: &[&str]| Arg::Column((*dice.pick(names)).to_owned());
    let numbers = ["x", "y", "z", "amount"];
    let any = ["x", "y", "amount", "name", "ok", "due", "z"];
    let mut params = Params::default();
    let args = match aggregate {
        "count" if dice.once_in(2) => vec![],
        "count" | "min" | "max" | "first" | "last" => vec![column(dice, &any)],
        "first_n" | "last_n" => {
            params.n = Some(dice.between(1, 5) as usize);
            vec![column(dice, &any)]
        }
        "ratio" => vec![column(dice, &numbers), column(dice, &numbers)],
        "fraction" | "any" | "all" => {
            vec![if dice.once_in(2) { column(dice, &["ok"]) } else { Arg::Condition(condition(dice)) }]
        }
        "count_distinct" => {
            params.max = Some(dice.between(1, 6) as usize);
            vec![column(dice, &["x", "y", "name", "due", "amount"])]
        }
        "approx_count_distinct" => {
            params.precision = dice.once_in(2).then(|| dice.between(6, 13) as u32);
            vec![column(dice, &["x", "name", "due"])]
        }
        "approx_quantile" => {
            params.q.clone_from(dice.pick(&[vec![0.5], vec![0.0], vec![1.0], vec![0.1, 0.5, 0.9]]));
            params.accuracy = dice.once_in(3).then_some(0.05);
            vec![column(dice, &["x", "z", "amount"])]
        }
        _ => vec![column(dice, &numbers)],
    };
    (args, params)
}

pub(super) fn condition(dice: &mut Dice) -> Condition {
    let with =
        |column: &str, op: Op, value: Json| Condition { column: column.to_owned(), op: Some(op), value };
    match dice.between(0, 8) {
        0 => with("x", Op::Gt, json!(0)),
        1 => with("x", Op::Ne, json!(2)),
        2 => with("y", Op::Le, json!(0.5)),
        3 => with("amount", Op::Ge, json!("0.50")),
        4 => with("name", Op::Ne, json!("c")),
        5 => with("name", Op::IsNotNull, Json::Null),
        6 => with("x", Op::Lt, json!(5)),
        _ => Condition { column: "ok".to_owned(), op: None, value: Json::Null },
    }
}
