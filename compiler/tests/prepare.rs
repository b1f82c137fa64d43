//! Which rows a group admits, when they were known, and what they give.

#![expect(clippy::unwrap_used, reason = "a helper of a test panics like the test itself")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{Field, Int64Type, Schema};
use feat_compiler::compile;
use feat_compiler::plan::GroupPlan;
use feat_compiler::prepare::{Counts, Mode, PrepareError, Prepared, STATIC};
use feat_dsl::source_map::SourceMap;
use feat_kernel::column;
use feat_kernel::key::EntityKey;
use feat_kernel::types::Type;
use feat_kernel::value::{Value, ValueRef};

const SOURCE: &str = r#"
entity user(user_id: string)

source pays: events {
  user_id: string?
  amount:  float?
  kind:    enum("card", "cash")
  cents:   int
  id:      string
  text:    string
  ts:      timestamp
  seen:    timestamp
  big:     bool? = amount > 100.0
  number:  int = text as int
  unused:  int = cents * 9_000_000_000_000_000_000
  time ts
  CLAUSES
  batch parquet("pays/")
}

features spend of user from pays FILTER {
  n     = count() over 1h
  total = sum(amount) over 1h
  large = count() where big over [1h, 2h]
  worth = sum(number) over 1h
  BODY
}
"#;

fn group(clauses: &str, filter: &str, body: &str) -> Arc<GroupPlan> {
    let text = SOURCE.replace("CLAUSES", clauses).replace("FILTER", filter).replace("BODY", body);
    plan(&text, "spend")
}

fn plan(text: &str, name: &str) -> Arc<GroupPlan> {
    let mut sources = SourceMap::new();
    sources.add("test.feat", text);
    let compiled = compile(&sources);
    let report = feat_dsl::render::render(&compiled.diagnostics, &sources, feat_dsl::render::Color::Never);
    assert!(!compiled.has_errors(), "{report}");
    let found = compiled.plans.groups.iter().find(|(found, _)| found.name == name);
    Arc::clone(found.unwrap_or_else(|| panic!("{report}")).1)
}

/// user, amount, kind, cents, id, text, ts, seen
type Row<'a> = (Option<&'a str>, Option<f64>, &'a str, Option<i64>, &'a str, &'a str, i64, i64);

const GOOD: Row<'static> = (Some("u"), Some(5.0), "card", Some(1), "a", "7", 1_000, 2_000);

fn batch(rows: &[Row<'_>]) -> RecordBatch {
    let text = |x: &str| Value::Str(x.into());
    let opt = |x: Option<Value>| x.unwrap_or(Value::Null);
    let columns: Vec<(&str, Type, Vec<Value>)> = vec![
        ("seen", Type::Timestamp, rows.iter().map(|r| Value::Int(r.7)).collect()),
        ("user_id", Type::String, rows.iter().map(|r| opt(r.0.map(text))).collect()),
        ("amount", Type::Float, rows.iter().map(|r| opt(r.1.map(Value::Float))).collect()),
        ("kind", Type::String, rows.iter().map(|r| text(r.2)).collect()),
        ("cents", Type::Int, rows.iter().map(|r| opt(r.3.map(Value::Int))).collect()),
        ("id", Type::String, rows.iter().map(|r| text(r.4)).collect()),
        ("text", Type::String, rows.iter().map(|r| text(r.5)).collect()),
        ("ts", Type::Timestamp, rows.iter().map(|r| Value::Int(r.6)).collect()),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, ty, _)| Field::new(*name, ty.arrow(), true)).collect();
    let columns: Vec<ArrayRef> = columns.iter().map(|(_, ty, values)| column::array(ty, values)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn prepared(group: &GroupPlan, rows: &[Row<'_>], mode: Mode, known: Option<&Int64Array>) -> Prepared {
    let prepared = group.prepare.prepare(&batch(rows), mode, known).unwrap();
    let Counts { read, admitted, .. } = prepared.counts;
    assert_eq!(read, rows.len() as u64);
    assert_eq!(read, admitted + prepared.counts.rejected());
    assert_eq!(prepared.rejected.len() as u64, prepared.counts.rejected());
    assert_eq!(prepared.rows.num_rows() as u64, admitted);
    assert_eq!(prepared.rows.schema(), feat_kernel::row::schema(&group.view));
    prepared
}

fn ints(prepared: &Prepared, name: &str) -> Vec<i64> {
    prepared.rows.column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn bools(prepared: &Prepared, name: &str) -> Vec<bool> {
    prepared.rows.column_by_name(name).unwrap().as_boolean().iter().map(Option::unwrap).collect()
}

fn reasons(prepared: &Prepared) -> Vec<String> {
    prepared.rejected.iter().map(|(row, reason)| format!("{row}: {reason}")).collect()
}

#[test]
fn only_columns_that_the_group_reads_are_scanned_and_computed() {
    let group = group("", "", "");
    assert_eq!(group.prepare.columns(), ["user_id", "amount", "text", "ts"]);
    // `unused` would overflow for this row, and `cents` is null: neither matters to this group.
    let prepared = prepared(&group, &[(Some("u"), None, "card", None, "a", "7", 1, 1)], Mode::AsKnown, None);
    assert_eq!(prepared.counts.admitted, 1);
}

#[test]
fn rows_are_rejected_by_the_first_test_they_fail_and_counts_add_up() {
    let clauses = "known seen\n  since 1970-01-01T00:00:00.000500Z\n  lateness 5ms\n  order by id, cents\n  \
                   expect kind == \"card\" else quarantine\n  expect amount > 0.0 else drop\n  \
                   expect amount < 1000.0 else warn";
    let source = group(clauses, "", "").source.name.clone();
    assert_eq!(source.name, "pays");
    let text = SOURCE
        .replace("CLAUSES", clauses)
        .replace("from pays FILTER", "from some")
        .replace("BODY", "newest = last(id) over 1h")
        .replace(
            "features spend",
            "source some: events from pays where id != \"filtered\" {}\n\nfeatures spend",
        );
    let group = plan(&text, "spend");
    let rows: Vec<Row<'_>> = vec![
        GOOD,
        (Some("u"), Some(5.0), "card", None, "a", "7", 1_000, 2_000),
        (Some("u"), Some(5.0), "coin", Some(1), "a", "7", 1_000, 2_000),
        (Some("u"), Some(5.0), "card", Some(1), "a", "x", 1_000, 2_000),
        (Some("u"), Some(-5.0), "cash", Some(1), "filtered", "7", 1_000, 2_000),
        (Some("u"), Some(5.0), "card", Some(1), "a", "7", 499, 2_000),
        (Some("u"), Some(-5.0), "cash", Some(1), "a", "7", 1_000, 2_000),
        (Some("u"), Some(-5.0), "card", Some(1), "a", "7", 1_000, 2_000),
        (Some("u"), None, "card", Some(1), "a", "7", 1_000, 2_000),
        (Some("u"), Some(5.0), "card", Some(1), "a", "7", 1_000, 6_001),
        (None, Some(5.0), "card", Some(1), "a", "7", 1_000, 2_000),
        (Some("v"), Some(2_000.0), "card", Some(1), "a", "7", 3_000, 2_000),
    ];
    let prepared = prepared(&group, &rows, Mode::AsKnown, None);
    assert_eq!(
        reasons(&prepared),
        [
            "1: column `cents` is null",
            "2: column `kind` is outside its enum",
            "3: `number` is an evaluation error",
            "4: filtered by `where`",
            "5: before `since`",
            "6: quarantined by `expect kind == \"card\"`",
            "7: dropped by `expect amount > 0.0`",
            "8: dropped by `expect amount > 0.0`",
            "9: later than `lateness`",
            "10: the key is null",
        ]
    );
    let expected = Counts {
        read: 12,
        admitted: 2,
        filtered: 1,
        before_since: 1,
        dropped: 2,
        quarantined: 4,
        late: 1,
        null_key: 1,
        clamped: 1,
        warned: 1,
        errors: 0,
    };
    assert_eq!(prepared.counts, expected);
    assert_eq!(prepared.place, UInt32Array::from(vec![0, 11]));
    let mut twice = prepared.counts;
    twice += prepared.counts;
    assert_eq!((twice.read, twice.admitted + twice.rejected()), (24, 24));
}

#[test]
fn an_expectation_that_warns_changes_neither_rows_nor_meaning() {
    let clauses = "expect cents > 0 else warn\n  expect unused > 0 else warn";
    let (plain, warned) = (group("", "", ""), group(clauses, "", ""));
    assert_eq!(plain.meaning, warned.meaning);
    assert_eq!(plain.prepare.deciding(), warned.prepare.deciding());
    // `cents`, which only the expectations read, is null, and `unused` of another row overflows.
    let rows: Vec<Row<'_>> = vec![
        (Some("u"), None, "card", None, "a", "7", 1, 1),
        (Some("u"), None, "card", Some(9), "a", "7", 1, 1),
        (Some("u"), None, "card", Some(1), "a", "7", 1, 1),
    ];
    let prepared = prepared(&warned, &rows, Mode::AsKnown, None);
    assert_eq!(reasons(&prepared), [""; 0]);
    assert_eq!((prepared.counts.admitted, prepared.counts.warned), (3, 3));
}

#[test]
fn a_row_counts_from_the_later_of_its_declaration_and_the_log() {
    let rows = [GOOD, (Some("u"), None, "card", Some(1), "b", "7", 3_000, 2_000)];
    let clock = Int64Array::from(vec![1_500, 9_000]);
    let times = |clauses: &str, mode, known: Option<&Int64Array>| {
        let prepared = prepared(&group(clauses, "", ""), &rows, mode, known);
        (ints(&prepared, "known"), ints(&prepared, "tau"), prepared.counts.clamped)
    };
    // Nothing is declared: a file is known at its event time, a log by its clock.
    assert_eq!(times("", Mode::AsKnown, None), (vec![1_000, 3_000], vec![1_000, 3_000], 0));
    assert_eq!(times("", Mode::AsKnown, Some(&clock)), (vec![1_500, 9_000], vec![1_000, 3_000], 0));
    // A row cannot come from the future: its event time is held at the instant it became known.
    assert_eq!(times("known seen", Mode::AsKnown, None), (vec![2_000, 2_000], vec![1_000, 2_000], 1));
    assert_eq!(times("known seen", Mode::AsKnown, Some(&clock)), (vec![2_000, 9_000], vec![1_000, 3_000], 0));
    assert_eq!(
        times("known seen after 1ms", Mode::AsKnown, None),
        (vec![3_000, 3_000], vec![1_000, 3_000], 0)
    );
    assert_eq!(times("known after 1ms", Mode::AsKnown, None), (vec![2_000, 4_000], vec![1_000, 3_000], 0));
    // A label looks at what happened.
    assert_eq!(
        times("known seen", Mode::EventTime, Some(&clock)),
        (vec![1_000, 3_000], vec![1_000, 3_000], 0)
    );
}

#[test]
fn a_row_outside_the_groups_filter_is_kept_for_dedupe_but_does_not_pass() {
    let group = group("dedupe by id within 1d", "where amount > 1.0", "");
    let rows = [
        GOOD,
        (Some("u"), Some(0.5), "card", Some(1), "b", "7", 1_000, 1_000),
        (Some("u"), None, "card", Some(1), "c", "7", 1_000, 1_000),
    ];
    let prepared = prepared(&group, &rows, Mode::AsKnown, None);
    assert_eq!(bools(&prepared, "pass"), [true, false, false]);
    assert_eq!(prepared.counts.admitted, 3);
    let ids = prepared.rows.column_by_name("id").unwrap().as_binary::<i32>().clone();
    assert!(ids.null_count() == 0 && ids.value(0) != ids.value(1));
    assert!(group.view.ties && group.view.dedupe.is_some());
}

#[test]
fn an_error_in_an_argument_matters_only_where_some_cell_looks_at_it() {
    let text = SOURCE
        .replace("CLAUSES", "")
        .replace("FILTER", "")
        .replace("worth = sum(number) over 1h", "worth = sum(text as int) where amount > 1.0 over 1h")
        .replace("BODY", "");
    let group = plan(&text, "spend");
    let rows = [
        (Some("u"), Some(5.0), "card", Some(1), "a", "x", 1_000, 1_000),
        (Some("u"), Some(0.5), "card", Some(1), "a", "x", 1_000, 1_000),
        (Some("u"), Some(500.0), "card", Some(1), "a", "9", 1_000, 1_000),
    ];
    let prepared = prepared(&group, &rows, Mode::AsKnown, None);
    assert_eq!(bools(&prepared, "pass"), [false, true, true]);
    assert_eq!(prepared.counts.errors, 1);
    let worth = group.view.args.iter().position(|ty| *ty == Type::Int).unwrap();
    let worth =
        prepared.rows.column_by_name(&format!("a{worth}")).unwrap().as_primitive::<Int64Type>().clone();
    assert_eq!(worth.iter().collect::<Vec<_>>(), [None, None, Some(9)]);
    let masks: Vec<Vec<bool>> = (0..group.view.masks).map(|at| bools(&prepared, &format!("m{at}"))).collect();
    assert!(masks.contains(&vec![false, false, true]), "{masks:?}");
    assert!(masks.contains(&vec![true, false, true]), "{masks:?}");
}

#[test]
fn an_expectation_that_must_hold_stops_at_the_row_that_breaks_it() {
    let group = group("expect amount > 0.0 else fail \"refunds are elsewhere\"", "", "");
    let rows = [GOOD, (Some("u"), Some(-1.0), "card", Some(1), "b", "7", 1_000, 1_000)];
    let cause = group.prepare.prepare(&batch(&rows), Mode::AsKnown, None).unwrap_err();
    let PrepareError::Expect { row, .. } = &cause;
    assert_eq!(*row, 1);
    assert_eq!(
        cause.to_string(),
        "row 1 of source `pays` does not satisfy `expect amount > 0.0`: refunds are elsewhere"
    );
}

#[test]
fn keys_are_the_kernels_and_ties_compare_as_rows_do() {
    let group = group("order by cents", "", "newest = last(id) over 1h");
    let rows = [
        (Some("u"), Some(5.0), "card", Some(2), "a", "7", 1_000, 1_000),
        (Some("u"), Some(5.0), "card", Some(-1), "b", "7", 1_000, 1_000),
        (Some("u"), Some(5.0), "card", Some(-1), "c", "7", 1_000, 1_000),
    ];
    let prepared = prepared(&group, &rows, Mode::AsKnown, None);
    let keys = prepared.rows.column_by_name("key").unwrap().as_binary::<i32>().clone();
    let key = EntityKey::new([ValueRef::Str("u")].into_iter()).unwrap();
    assert_eq!(keys.value(0), key.0);
    let ties = prepared.rows.column_by_name("tie").unwrap().as_binary::<i32>().clone();
    assert!(ties.value(1) < ties.value(2) && ties.value(2) < ties.value(0));
}

#[test]
fn rows_of_a_static_source_were_always_known() {
    let text = r"
entity code(mcc: int)
source risk: static { mcc: int  bps: float  key mcc  rows | mcc | bps | | 5732 | 41.0 | | 1 | 0.5 | }
features now of code from risk { keep bps }
";
    let group = plan(text, "now");
    let rows = group.source.rows.clone().unwrap();
    let prepared = group.prepare.prepare(&rows, Mode::AsKnown, None).unwrap();
    assert_eq!(ints(&prepared, "known"), [STATIC.0, STATIC.0]);
    assert_eq!(ints(&prepared, "tau"), [STATIC.0, STATIC.0]);
    assert_eq!(prepared.counts.clamped, 0);
}

#[test]
fn an_empty_batch_gives_an_empty_one() {
    let group = group("dedupe by id within 1d", "where amount > 1.0", "");
    let prepared = prepared(&group, &[], Mode::AsKnown, None);
    assert_eq!(prepared.rows.num_rows(), 0);
}
