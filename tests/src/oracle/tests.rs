//! The definition itself, against answers worked by hand.

use super::*;
use serde_json::json;

fn spec(text: Json) -> OracleSpec {
    serde_json::from_value(text).unwrap()
}

fn rows(rows: &[Json]) -> BTreeMap<String, Vec<Map<String, Json>>> {
    BTreeMap::from([("events".to_owned(), rows.iter().map(|row| row.as_object().unwrap().clone()).collect())])
}

fn at(second: i64) -> String {
    time::instant_text(second * 1_000_000)
}

/// The values of `u` at `second` over the first `prefix` rows.
fn ask(spec: &Json, log: &[Json], second: i64, prefix: usize) -> String {
    let oracle = Oracle::new(self::spec(spec.clone()), &rows(log));
    let request = json!({"user": "u"});
    let answers = oracle.answer(
        request.as_object().unwrap(),
        second * 1_000_000,
        &BTreeMap::from([("events".into(), prefix)]),
    );
    answers.iter().map(|(_, answer)| answer.to_string()).collect::<Vec<_>>().join(" | ")
}

/// A source of `user, id, x, ts, seen` with `clauses`, and one group of `features`.
fn one(clauses: &Json, group: &Json) -> Json {
    let mut source = json!({
        "name": "events",
        "columns": [
            {"name": "user", "type": "string"}, {"name": "id", "type": "int?"}, {"name": "x", "type": "int?"},
            {"name": "ts", "type": "timestamp"}, {"name": "seen", "type": "timestamp"}
        ],
        "time": "ts"
    });
    let mut all = json!({"name": "g", "source": "events", "key": ["user"]});
    for (into, from) in [(&mut source, clauses), (&mut all, group)] {
        into.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
    }
    json!({"sources": [source], "groups": [all]})
}

fn event(id: i64, x: i64, time: i64, seen: i64) -> Json {
    json!({"user": "u", "id": id, "x": x, "ts": at(time), "seen": at(seen)})
}

fn features(sentences: &[(&str, Json)]) -> Json {
    let feature = |(at, (aggregate, over)): (usize, &(&str, Json))| {
        let args = if *aggregate == "count" { json!([]) } else { json!(["x"]) };
        json!({"name": format!("f{at}"), "aggregate": aggregate, "args": args, "over": over})
    };
    json!({"features": sentences.iter().enumerate().map(feature).collect::<Vec<_>>()})
}

#[test]
fn a_row_at_the_instant_does_not_count_and_the_tail_stands_on_a_hop() {
    // The default hop of 60s is 1s: the largest of the ladder that is at most 60s / 12 = 5s.
    // At 100.0s the window is [40, 100): the row at 40 is in, the one at 100 and the one at 39 are not.
    let spec =
        one(&json!({}), &features(&[("count", json!({"length": "1m"})), ("sum", json!({"length": "1m"}))]));
    let log = [event(1, 1, 39, 0), event(2, 10, 40, 0), event(3, 100, 100, 0)];
    assert_eq!(ask(&spec, &log, 100, 3), "1 | 10");
    assert_eq!(ask(&spec, &log, 101, 3), "1 | 100");
}

#[test]
fn a_hop_holds_the_tail_back_until_it_is_past() {
    // over 20s every 10s at 105: floor(85, 10) = 80, so [80, 105). At 110: [90, 110).
    let spec = one(&json!({}), &features(&[("count", json!({"length": "20s", "every": "10s"}))]));
    let log = [event(1, 1, 80, 0), event(2, 1, 89, 0), event(3, 1, 90, 0)];
    assert_eq!(ask(&spec, &log, 105, 3), "3");
    assert_eq!(ask(&spec, &log, 110, 3), "1");
}

#[test]
fn with_an_offset_both_edges_stand_on_hops() {
    // over 20s every 10s offset 7s at 105: [floor(78), floor(98)) = [70, 90).
    let spec =
        one(&json!({}), &features(&[("sum", json!({"length": "20s", "every": "10s", "offset": "7s"}))]));
    let log = [event(1, 1, 69, 0), event(2, 10, 70, 0), event(3, 100, 89, 0), event(4, 1000, 90, 0)];
    assert_eq!(ask(&spec, &log, 105, 4), "110");
}

#[test]
fn a_row_counts_once_it_is_known_and_never_from_the_future() {
    let spec = one(&json!({"known": {"column": "seen", "after": "5s"}}), &features(&[("sum", json!({}))]));
    // Known at 20 + 5; the second happened "later" than it was known: tau is clamped to 30.
    let log = [event(1, 1, 10, 20), event(2, 10, 50, 25)];
    assert_eq!(ask(&spec, &log, 24, 2), "0 (empty)");
    assert_eq!(ask(&spec, &log, 25, 2), "1");
    // At 30 the second is known, but tau = 30 is not before 30.
    assert_eq!(ask(&spec, &log, 30, 2), "1");
    assert_eq!(ask(&spec, &log, 31, 2), "11");
    // The log is in known order: its first row is the one known at 25.
    assert_eq!(ask(&spec, &log, 31, 1), "1");
}

#[test]
fn duplicates_are_counted_from_the_last_admitted_row() {
    let spec = one(
        &json!({"known": {"column": "seen"}, "dedupe": {"by": ["id"], "within": "10s"}}),
        &features(&[("sum", json!({}))]),
    );
    // Known 0, 10, 11, 21: the second lies 10 after the first and repeats it; the third lies 11 after
    // the first and counts; the fourth lies 10 after the third and repeats that.
    let log = [event(7, 1, 0, 0), event(7, 10, 1, 10), event(7, 100, 2, 11), event(7, 1000, 3, 21)];
    assert_eq!(ask(&spec, &log, 50, 4), "101");
}

#[test]
fn of_rows_known_together_the_first_in_row_order_is_admitted() {
    let spec = one(
        &json!({"known": {"column": "seen"}, "dedupe": {"by": ["id"], "within": "10s"}}),
        &features(&[("last", json!({})), ("count", json!({}))]),
    );
    // Equal known and id: the lower tau comes first, whatever the order of arrival.
    let log = [event(7, 5, 9, 10), event(7, 6, 8, 10)];
    assert_eq!(ask(&spec, &log, 50, 2), "6 | 1");
    // Equal tau too: the lower x.
    let log = [event(7, 6, 8, 10), event(7, 5, 8, 10)];
    assert_eq!(ask(&spec, &log, 50, 2), "5 | 1");
}

#[test]
fn ties_go_by_the_order_columns_then_by_what_is_read() {
    let last = features(&[("last", json!({})), ("first_n", json!({}))]);
    let mut spec = one(&json!({}), &last);
    spec["groups"][0]["features"][1]["params"] = json!({"n": 2});
    let log = [event(3, 1, 5, 0), event(1, 2, 5, 0), event(2, 3, 5, 0)];
    // Without `order by` the greatest x is last.
    assert_eq!(ask(&spec, &log, 9, 3), "3 | [1, 2]");
    spec["sources"][0]["order_by"] = json!(["id"]);
    assert_eq!(ask(&spec, &log, 9, 3), "1 | [2, 3]");
}

#[test]
fn rows_too_late_and_rows_before_since_do_not_count() {
    let clauses = json!({"known": {"column": "seen"}, "lateness": "10s", "since": at(5)});
    let spec = one(&clauses, &features(&[("sum", json!({}))]));
    // 1 is before since; 10 is 10s late, which is allowed; 100 is 11s late.
    let log = [event(1, 1, 4, 4), event(2, 10, 10, 20), event(3, 100, 10, 21)];
    assert_eq!(ask(&spec, &log, 50, 3), "10");
}

#[test]
fn a_key_is_absent_once_its_newest_row_is_older_than_the_ttl() {
    let mut group = features(&[("count", json!({"length": "1m"})), ("last", json!({}))]);
    group["ttl"] = json!("100s");
    let spec = one(&json!({}), &group);
    let log = [event(1, 1, 10, 0)];
    assert_eq!(ask(&spec, &log, 10, 1), "null (absent) | null (absent)");
    assert_eq!(ask(&spec, &log, 110, 1), "0 | 1");
    assert_eq!(ask(&spec, &log, 111, 1), "null (absent) | null (absent)");
}

#[test]
fn an_empty_key_has_the_values_of_no_rows_and_says_so() {
    let spec =
        one(&json!({}), &features(&[("sum", json!({"length": "1m"})), ("avg", json!({"length": "1m"}))]));
    assert_eq!(ask(&spec, &[], 10, 0), "0 (empty) | null (empty)");
    // A row outside the longest window leaves the key empty.
    assert_eq!(ask(&spec, &[event(1, 1, 10, 0)], 1_000, 1), "0 (empty) | null (empty)");
}

#[test]
fn a_log_with_clocks_makes_no_row_known_before_its_clock() {
    let spec: OracleSpec =
        self::spec(one(&json!({"known": {"column": "seen"}}), &features(&[("sum", json!({}))])));
    let stamped = |stamp: i64, row: Json| (stamp * 1_000_000, row.as_object().unwrap().clone());
    // The second record's stamp went back, its clock did not: it is known at 20, not at 3.
    let log =
        Log::stamped(&spec.sources[0], &[stamped(20, event(1, 1, 1, 1)), stamped(2, event(2, 10, 3, 3))]);
    assert_eq!((log.known(0), log.known(1), log.clock(2)), (20_000_000, 20_000_000, 20_000_000));
    let oracle = Oracle::new(spec, &BTreeMap::new()).with_log("events", log);
    let request = json!({"user": "u"});
    let value = |t: i64| oracle.answer(request.as_object().unwrap(), t, &BTreeMap::new())[0].1.to_string();
    assert_eq!(value(19_999_999), "0 (empty)");
    assert_eq!(value(20_000_000), "11");
}

#[test]
fn a_row_that_declares_nothing_is_known_when_its_log_says_so() {
    let spec: OracleSpec = self::spec(one(&json!({}), &features(&[("sum", json!({}))])));
    // Two logs, each with its own clock; the second row's time is yet to come.
    let rows = [(20, event(1, 1, 1, 1)), (5, event(2, 10, 30, 1))];
    let rows = rows.iter().map(|(clock, row)| (clock * 1_000_000, row.as_object().unwrap()));
    let log = Log::clocked(&spec.sources[0], rows);
    assert_eq!((log.known(0), log.tau(0)), (20_000_000, 1_000_000));
    assert_eq!((log.known(1), log.tau(1)), (5_000_000, 5_000_000));
}

#[test]
fn labels_look_forward_and_wait_until_their_window_has_passed() {
    let mut text = one(&json!({}), &features(&[]));
    text["labels"] = json!([{"name": "l", "source": "events", "key": ["user"], "features": [
        {"name": "n", "aggregate": "count", "over": {"next": "10s"}},
        {"name": "s", "aggregate": "sum", "args": ["x"], "over": {"next": "10s", "after": "5s"}}
    ]}]);
    let log = [event(1, 1, 20, 0), event(2, 10, 25, 0), event(3, 100, 30, 0), event(4, 1000, 35, 0)];
    let oracle = Oracle::new(spec(text), &rows(&log));
    let request = json!({"user": "u"});
    let labels = |second: i64| oracle.labels(request.as_object().unwrap(), second * 1_000_000);
    // [20, 30) holds two rows, the one at 20 itself among them; [25, 35) holds 10 and 100.
    let values: Vec<String> = labels(20).unwrap().iter().map(|(_, answer)| answer.to_string()).collect();
    assert_eq!(values, ["2", "110"]);
    // 21 + 15 is beyond the last known, 35: not negative, missing.
    assert_eq!(labels(21), None);
}

#[test]
fn a_row_is_unreadable_only_for_groups_that_need_the_column() {
    let mut text = one(&json!({}), &features(&[("count", json!({})), ("sum", json!({}))]));
    text["sources"][0]["columns"][2]["type"] = json!("int");
    let log = [event(1, 1, 1, 1), json!({"user": "u", "x": null, "ts": at(2), "seen": at(2)})];
    assert_eq!(ask(&text, &log, 9, 2), "1 | 1");
    // A group that only counts does not read `x`.
    text["groups"][0]["features"].as_array_mut().unwrap().truncate(1);
    assert_eq!(ask(&text, &log, 9, 2), "2");
}

#[test]
fn a_null_key_has_no_values_and_rows_with_one_belong_to_nobody() {
    let spec = one(&json!({}), &features(&[("count", json!({}))]));
    let oracle = Oracle::new(self::spec(spec), &rows(&[event(1, 1, 1, 1)]));
    let request = json!({"user": null});
    let answers = oracle.answer(request.as_object().unwrap(), 10_000_000, &BTreeMap::new());
    assert_eq!(answers[0].1.to_string(), "null (no key)");
}
