//! What engines get: views, features over their outputs, services, labels, datasets, meanings.

#![expect(clippy::unwrap_used, reason = "a helper of a test panics like the test itself")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Float64Type, Int64Type, Schema};
use feat_compiler::plan::{GroupPlan, Plans};
use feat_compiler::secrets::Secrets;
use feat_compiler::{compile, compile_with, explain, print};
use feat_dsl::source_map::SourceMap;
use feat_kernel::agg::Part;
use feat_kernel::column;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::Type;
use feat_kernel::value::Value;
use feat_kernel::window::{Reach, bounds};

const PROJECT: &str = r#"
package shop

entity user(user_id: string)
entity item(item_id: int)
entity pair(user_id: string, item_id: int)

let SHORT = [1h, 1d]

source views: events {
  user_id: string
  item_id: int
  price:   decimal(10, 2)
  clicked: bool
  amount:  float
  ts:      timestamp
  cheap:   bool = price < 10
  time ts
  dedupe by user_id, item_id within 1h
  batch parquet("views/")
}

source profiles: table {
  user_id: string
  country: string?
  born:    timestamp
  at:      timestamp
  key user_id
  time at
  batch parquet("profiles/")
}

source cart: request { amount: float }

features user_stats of user from views {
  views   = count() over SHORT
  clicks  = count() where clicked over SHORT
  same    = count() where clicked over 1d
  spent   = sum(price) where clicked over 1d
  mean    = avg(price) over all
  _ctr    = clicks_1d / views_1d
  ctr     = _ctr ?? 0.0
}

features pair_stats of pair from views { seen = count() over 1d }

features profile of user from profiles {
  keep country
  home = country == "DE" ?? false
  age  = days_between(born, as_of)
}

derived fit of user, item with cart {
  share = pair_stats.seen / user_stats.views_1d ?? 0.0
  dear  = cart.amount > 5.0
  late  = share > 0.5 and dear
}

derived again of user, item with cart { twice = fit.share * 2.0 }

labels bought of user from views {
  soon  = count() where clicked next 1d
  later = count() next 2d after 1d
}

service rank of user, item with cart {
  user_stats.{ctr, views_1d}
  profile.home as at_home
  again.twice
}

dataset train {
  service rank
  spine views at ts where clicked
  label bought.soon, bought.later
  period 2025-01-01 to 2025-02-01
  sample 10% by user_id
}
"#;

fn plans(text: &str) -> Plans {
    let mut sources = SourceMap::new();
    sources.add("test.feat", text);
    let compiled = compile(&sources);
    let report = feat_dsl::render::render(&compiled.diagnostics, &sources, feat_dsl::render::Color::Never);
    assert!(!compiled.has_errors() && compiled.pending.is_empty(), "{report}");
    compiled.plans
}

fn group(plans: &Plans, name: &str) -> Arc<GroupPlan> {
    Arc::clone(plans.groups.iter().find(|(found, _)| found.name == name).unwrap().1)
}

#[test]
fn equal_aggregates_share_their_states_and_outputs() {
    let plan = group(&plans(PROJECT), "user_stats");
    let view = &plan.view;
    // count(), count() where clicked, sum(price) where clicked, avg(price)
    assert_eq!(view.cells.len(), 4);
    assert_eq!(view.masks, 1);
    assert_eq!(view.args, [Type::Decimal(10, 2)]);
    assert_eq!(view.windows.len(), 3);
    // `same` is `clicks_1d`.
    assert_eq!(view.outputs.len(), 6);
    assert!(view.reaches_all() && view.ties && view.dedupe.unwrap().within == Some(Micros::HOUR));
    let names: Vec<&str> = plan.features.iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(
        names,
        ["views_1h", "views_1d", "clicks_1h", "clicks_1d", "same", "spent", "mean", "_ctr", "ctr"]
    );
    let outputs = |name: &str| &plan.features.iter().find(|feature| feature.name == name).unwrap().outputs;
    assert_eq!(outputs("same"), outputs("clicks_1d"));
    let mut both = [outputs("views_1d").clone(), outputs("clicks_1d").clone()].concat();
    both.sort_unstable();
    assert_eq!(outputs("ctr"), &both);
    assert!(plan.features[7].private);
    assert_eq!(plan.prepare.columns(), ["user_id", "item_id", "price", "clicked", "ts"]);
}

#[test]
fn what_a_mean_keeps_is_kept_once() {
    let text = PROJECT.to_owned()
        + "\nfeatures paid of user from views {\n  s = sum(price) over 1d\n  a = avg(price) over [1d, 7d]\n  \
           c = count(price) over 1d\n  all = count() over 1d\n  cheap = sum(price) where clicked over 1d\n}\n";
    let paid = group(&plans(&text), "paid");
    let view = &paid.view;
    assert_eq!(view.cells.len(), 3, "the mean, the rows, the sum with a condition: {:?}", view.cells);
    let read: Vec<(usize, usize, Part)> =
        view.outputs.iter().map(|output| (output.cell, output.window, output.part)).collect();
    assert_eq!(
        read,
        [
            (0, 0, Part::Sum),
            (0, 0, Part::Whole),
            (0, 1, Part::Whole),
            (0, 0, Part::Count),
            (1, 0, Part::Whole),
            (2, 0, Part::Whole)
        ]
    );
}

#[test]
fn a_secret_decides_values_and_is_shown_nowhere() {
    let text = r#"
        entity user(user_id: string)
        source visits: events { user_id: string  ts: timestamp  time ts  known after 5s }
        features who of user from visits { token = last(hmac_sha256(user_id, key: secret("user_salt"))) over 7d }
    "#;
    let mut sources = SourceMap::new();
    sources.add("test.feat", text);
    let with = |value: &str| {
        let secrets: Secrets = [("User_Salt".to_owned(), value.as_bytes().to_vec())].into_iter().collect();
        assert!(!format!("{secrets:?}").contains("pepper"));
        compile_with(&sources, &secrets)
    };
    let (one, other, empty, none) = (with("pepper"), with("salt"), with(""), compile(&sources));
    let plan = group(&one.plans, "who");
    for compiled in [&one, &other, &empty, &none] {
        assert!(compiled.diagnostics.is_empty());
        assert_eq!(group(&compiled.plans, "who").meaning, plan.meaning);
    }
    assert!(one.unset.is_empty() && other.unset.is_empty());
    assert_eq!(empty.unset, none.unset);
    assert_eq!(none.unset.len(), 1);
    let bytes = format!("{:?}", b"pepper");
    let shown = [
        explain::explain_group(&plan),
        print::model(&one.model),
        format!("{:?}", one.model),
        format!("{plan:?}"),
    ];
    for text in shown {
        assert!(!text.contains("pepper") && !text.contains(&bytes), "{text}");
    }
    let value = &one.model.groups[0].features[0].value;
    assert!(print::expr(value).contains("secret(\"user_salt\")"), "{}", print::expr(value));
}

#[test]
fn features_are_expressions_over_outputs_and_earlier_features() {
    let plan = group(&plans(PROJECT), "user_stats");
    let inputs: Vec<String> = plan.evaluator.inputs().map(str::to_owned).collect();
    let columns: Vec<ArrayRef> = inputs
        .iter()
        .map(|name| {
            let at: usize = name.strip_prefix('~').unwrap().parse().unwrap();
            let value = match &plan.outputs[at].ty {
                Type::Int => Value::Int(at as i64 + 1),
                Type::Decimal(..) => Value::Decimal(250),
                _ => Value::Null,
            };
            column::array(&plan.outputs[at].ty, &[value])
        })
        .collect();
    let fields: Vec<Field> = inputs
        .iter()
        .zip(&columns)
        .map(|(name, column)| Field::new(name, column.data_type().clone(), true))
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let evaluated = plan.evaluator.evaluate(&batch);
    let at = |name: &str| plan.features.iter().position(|feature| feature.name == name).unwrap();
    let views = evaluated.columns[at("views_1d")].as_primitive::<Int64Type>().value(0);
    let clicks = evaluated.columns[at("clicks_1d")].as_primitive::<Int64Type>().value(0);
    let ctr = evaluated.columns[at("ctr")].as_primitive::<Float64Type>().value(0);
    assert_eq!(ctr.to_bits(), (clicks as f64 / views as f64).to_bits());
    assert!(evaluated.errors.iter().all(Option::is_none));
}

#[test]
fn every_feature_of_a_row_is_null_without_one() {
    let plan = group(&plans(PROJECT), "profile");
    let view = &plan.view;
    assert_eq!((view.cells.len(), view.outputs.len(), view.masks), (1, 1, 0));
    assert_eq!(view.windows[0].reach, Reach::All(Instant::MIN));
    assert!(view.ties);
    let Type::Struct(fields) = &view.args[0] else { panic!("a struct") };
    assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["country", "born"]);
    assert!(plan.features.iter().all(|feature| feature.slot.nullable && feature.outputs == [0]));
    let rows = [
        Value::Struct(vec![Value::Str("DE".into()), Value::Int(0)]),
        Value::Struct(vec![Value::Null, Value::Int(0)]),
        Value::Null,
    ];
    let newest = column::array(&view.args[0], &rows);
    let as_of = column::array(&Type::Timestamp, &vec![Value::Int(86_400_000_000); 3]);
    let schema = Schema::new(vec![
        Field::new("as_of", as_of.data_type().clone(), true),
        Field::new("~0", newest.data_type().clone(), true),
    ]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![as_of, newest]).unwrap();
    let columns = plan.evaluator.evaluate(&batch).columns;
    assert_eq!(columns[0].as_string::<i32>().iter().collect::<Vec<_>>(), [Some("DE"), None, None]);
    assert_eq!(columns[1].as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
    assert_eq!(
        columns[2].as_primitive::<Float64Type>().iter().collect::<Vec<_>>(),
        [Some(1.0), Some(1.0), None]
    );
}

#[test]
fn a_label_is_a_view_asked_later() {
    let plans = plans(PROJECT);
    let label = plans.labels.values().next().unwrap();
    assert_eq!(label.horizon, Micros(3 * Micros::DAY.0));
    let t = Instant(1_000_000_007);
    let asked = t.plus(label.horizon);
    let interval = |name: &str| {
        let feature = label.group.features.iter().find(|feature| feature.name == name).unwrap();
        let output = label.group.view.outputs[feature.outputs[0]];
        bounds(&label.group.view.windows[output.window], asked)
    };
    assert_eq!((interval("soon").start, interval("soon").end), (t, t.plus(Micros::DAY)));
    assert_eq!((interval("later").start, interval("later").end), (t.plus(Micros::DAY), asked));
}

#[test]
fn a_service_names_what_it_needs_in_the_order_of_need() {
    let plans = plans(PROJECT);
    let service = plans.services.values().next().unwrap();
    let keys: Vec<&str> = service.keys.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(keys, ["user_id", "item_id"]);
    let groups: Vec<(&str, &[usize])> =
        service.groups.iter().map(|group| (group.prefix.as_str(), &group.key[..])).collect();
    assert_eq!(groups, [("user_stats", &[0][..]), ("profile", &[0]), ("pair_stats", &[0, 1])]);
    let derived: Vec<&str> = service.derived.iter().map(|derived| derived.prefix.as_str()).collect();
    assert_eq!(derived, ["fit", "again"]);
    let selected: Vec<(&str, &str)> =
        service.selected.iter().map(|one| (one.name.as_str(), one.column.as_str())).collect();
    assert_eq!(
        selected,
        [
            ("user_stats.ctr", "user_stats__ctr"),
            ("user_stats.views_1d", "user_stats__views_1d"),
            ("at_home", "at_home"),
            ("again.twice", "again__twice"),
        ]
    );
    let requests: Vec<&str> = service.requests.iter().map(|request| request.name.as_str()).collect();
    assert_eq!(requests, ["cart.amount"]);
    assert_eq!(service.derived[1].keys, [("user.user_id".to_owned(), 0), ("item.item_id".to_owned(), 1)]);
}

#[test]
fn a_derived_group_names_what_it_reads() {
    let plans = plans(PROJECT);
    let fit = plans.derived.values().next().unwrap();
    let mut inputs: Vec<&str> = fit.evaluator.inputs().collect();
    inputs.sort_unstable();
    assert_eq!(inputs, ["cart.amount", "pair_stats.seen", "user_stats.views_1d"]);
    assert_eq!(fit.features[2].inputs, ["pair_stats.seen", "user_stats.views_1d"]);
}

#[test]
fn a_dataset_knows_its_spine_and_labels() {
    let plans = plans(PROJECT);
    let dataset = plans.datasets.values().next().unwrap();
    assert_eq!(dataset.at, "ts");
    assert_eq!(dataset.labels.len(), 1);
    assert_eq!(dataset.labels[0].key, ["user_id"]);
    assert_eq!(
        dataset.labels[0].features,
        [("soon".to_owned(), "bought__soon".to_owned()), ("later".to_owned(), "bought__later".to_owned())]
    );
    assert_eq!(dataset.sample, Some((100_000, "user_id".to_owned())));
    assert!(dataset.filter.is_some() && dataset.period.is_some());
}

#[test]
fn a_spine_keeps_the_rows_that_its_source_has() {
    let text = r#"
entity user(user_id: string)
source pays: events {
  user_id: string
  kind:    enum("card", "cash")?
  amount:  int
  ts:      timestamp
  twice:   int = amount * 2
  time ts
  known after 1s
  since 1970-01-01T00:00:01Z
  expect twice > 0 else drop
  expect amount != 7 else warn
  batch parquet("pays/")
}
features f of user from pays { n = count() over 1h }
"#;
    let plans = plans(text);
    let source = plans.sources.values().next().unwrap();
    let texts = |values: &[Option<&str>]| -> Vec<Value> {
        values.iter().map(|x| x.map_or(Value::Null, |x| Value::Str(x.into()))).collect()
    };
    let ints = |values: &[i64]| -> Vec<Value> { values.iter().map(|x| Value::Int(*x)).collect() };
    let second = 1_000_000;
    let columns = vec![
        column::array(
            &Type::String,
            &texts(&[Some("u"), None, Some("u"), Some("u"), Some("u"), Some("u"), Some("u")]),
        ),
        column::array(&Type::String, &texts(&[None, None, Some("coin"), Some("card"), None, None, None])),
        column::array(&Type::Int, &ints(&[7, 1, 1, 1, 1, -1, i64::MAX])),
        column::array(&Type::Timestamp, &ints(&[second, second, second, second, 5, second, second])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&source.schema), columns).unwrap();
    let kept = source.keep.evaluate(&batch).columns.remove(0);
    let kept: Vec<bool> = kept.as_boolean().iter().map(|keep| keep == Some(true)).collect();
    assert_eq!(kept, [true, false, false, true, false, false, false]);
    let known = column::int64(&source.known.as_ref().unwrap().evaluate(&batch).columns[0]);
    assert_eq!(known.value(0), 2 * second);
    let computed = source.computed.evaluate(&batch);
    assert_eq!(source.computed.outputs().map(|(name, _)| name).collect::<Vec<_>>(), ["twice"]);
    assert_eq!(computed.columns[0].as_primitive::<Int64Type>().value(0), 14);
    assert!(computed.erred(0, 6) && computed.columns[0].is_null(6) && !computed.erred(0, 0));
}

#[test]
fn meaning_does_not_depend_on_how_it_is_written() {
    let before = plans(PROJECT);
    let text = PROJECT
        .replace("let SHORT = [1h, 1d]", "/* a comment */ let BRIEF = [1h, 1d]")
        .replace("over SHORT", "over\n    BRIEF")
        .replace("features user_stats", "/// Says more.\n@owner(\"a@b.c\")\nfeatures user_stats")
        .replace("parquet(\"views/\")", "parquet(\"elsewhere/\")");
    let after = plans(&text);
    for (name, plan) in &before.groups {
        assert_eq!(plan.meaning, after.groups[name].meaning, "{name}");
    }
    for (name, plan) in &before.services {
        assert_eq!(plan.meaning, after.services[name].meaning, "{name}");
    }
    for (name, plan) in &before.datasets {
        assert_eq!(plan.meaning, after.datasets[name].meaning, "{name}");
    }
}

#[test]
fn whatever_changes_numbers_changes_the_meaning_of_all_that_reads_them() {
    let before = plans(PROJECT);
    let changed = |from: &str, to: &str| -> Vec<String> {
        assert!(PROJECT.contains(from));
        let after = plans(&PROJECT.replace(from, to));
        let mut names: Vec<String> = Vec::new();
        let mut note = |name: &str, same: bool| {
            if !same {
                names.push(name.to_owned());
            }
        };
        before
            .groups
            .iter()
            .for_each(|(name, plan)| note(&name.name, plan.meaning == after.groups[name].meaning));
        before
            .derived
            .iter()
            .for_each(|(name, plan)| note(&name.name, plan.meaning == after.derived[name].meaning));
        before.labels.iter().for_each(|(name, plan)| {
            note(&name.name, plan.group.meaning == after.labels[name].group.meaning);
        });
        before
            .services
            .iter()
            .for_each(|(name, plan)| note(&name.name, plan.meaning == after.services[name].meaning));
        before
            .datasets
            .iter()
            .for_each(|(name, plan)| note(&name.name, plan.meaning == after.datasets[name].meaning));
        names
    };
    assert_eq!(
        changed("{ seen = count() over 1d }", "{ seen = count() over 2d }"),
        ["pair_stats", "fit", "again", "rank", "train"]
    );
    assert_eq!(
        changed("mean    = avg(price) over all", "mean    = avg(price) over 1d"),
        ["user_stats", "fit", "again", "rank", "train"]
    );
    assert_eq!(changed("next 1d", "next 25h"), ["bought", "train"]);
    assert_eq!(changed("sample 10%", "sample 20%"), ["train"]);
    assert_eq!(changed("within 1h", "within 2h").len(), 7);
    assert_eq!(changed("country == \"DE\"", "country == \"FR\""), ["profile", "rank", "train"]);
    // No group reads it.
    assert_eq!(changed("cheap:   bool = price < 10", "cheap:   bool = price < 20"), Vec::<String>::new());
}

#[test]
fn explanations_say_what_is_computed_stored_and_read() {
    let plans = plans(PROJECT);
    let hash = |text: String| -> String {
        text.lines()
            .map(|line| if line.starts_with("meaning ") { "meaning …" } else { line })
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!("explain_group", hash(explain::explain_group(&group(&plans, "user_stats"))));
    insta::assert_snapshot!("explain_row", hash(explain::explain_group(&group(&plans, "profile"))));
    insta::assert_snapshot!("explain_label", hash(explain::explain_label(&plans.labels[0])));
    insta::assert_snapshot!("explain_derived", hash(explain::explain_derived(&plans.derived[0])));
    insta::assert_snapshot!("explain_service", hash(explain::explain_service(&plans.services[0])));
    insta::assert_snapshot!("explain_dataset", hash(explain::explain_dataset(&plans.datasets[0])));
}

#[test]
fn an_evaluator_without_inputs_still_has_a_value_for_every_row() {
    let text = "entity user(user_id: string)\nsource r: request { a: int }\nderived d of user with r { x = pi() * 2.0  y = x + 1.0 }";
    let plans = plans(text);
    let options = RecordBatchOptions::new().with_row_count(Some(4));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
    let columns = plans.derived[0].evaluator.evaluate(&batch).columns;
    assert_eq!(columns[1].as_primitive::<Float64Type>().len(), 4);
}
