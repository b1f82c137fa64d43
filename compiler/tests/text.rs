//! A row is the same whichever way its text comes: as a line of a file, as a field of CSV, as a record
//! of a topic.

#![expect(clippy::unwrap_used, reason = "a helper of a test panics like the test itself")]

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use feat_compiler::compile;
use feat_compiler::conform::conform;
use feat_compiler::plan::{SourcePlan, StoredColumn};
use feat_compiler::text::{Fault, Reader, Records, Rows, with_times};
use feat_dsl::source_map::SourceMap;
use feat_kernel::column;
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use proptest::prelude::*;

/// A source of the types that text writes.
const SOURCE: &str = r#"
entity user(k: string)
source rows: events {
  k: string
  b: bool?
  i: int?
  f: float?
  d: decimal(12, 2)?
  day: date?
  e: enum("card", "cash")?
  w: timestamp in "America/New_York"?
  raw: bytes?
  l: list<float>?
  m: map<string, int>?
  s: struct { a: int, t: timestamp? }?
  ts: timestamp
  big: bool? = f > 100.0
  time ts
  batch json("rows/")
}
"#;

fn planned(text: &str) -> Arc<SourcePlan> {
    let mut sources = SourceMap::new();
    sources.add("test.feat", text);
    let compiled = compile(&sources);
    let report = feat_dsl::render::render(&compiled.diagnostics, &sources, feat_dsl::render::Color::Never);
    assert!(!compiled.has_errors(), "{report}");
    assert_eq!(compiled.pending, []);
    Arc::clone(&compiled.plans.sources[0])
}

/// [`SOURCE`], and a vector beside its columns.
fn source() -> Arc<SourcePlan> {
    let SourcePlan { name, mut stored, .. } = (*planned(SOURCE)).clone();
    stored.push(StoredColumn { name: "v".to_owned(), slot: Slot::nullable(Type::Embedding(2)), zone: None });
    Arc::new(SourcePlan::of_columns(name, stored))
}

fn records(source: &Arc<SourcePlan>) -> Records {
    Records::of(Arc::clone(source), "topic `rows`").unwrap()
}

/// A line whose field `name` is `value`.
fn line(name: &str, value: &str) -> String {
    format!(r#"{{"k": "a", "{name}": {value}, "ts": "2025-01-01T00:00:00Z"}}"#)
}

/// Values of every column, of which some do not become their type.
const VALUES: [(&str, &[&str]); 12] = [
    ("b", &["true", "false", "null", "1", "\"true\""]),
    ("i", &["7", "-0", "1e2", "5.0", "\"7\"", "1.5", "9223372036854775808", "NaN", "[1]"]),
    ("f", &["1", "0.1", "-0.0", "1e400", "NaN", "-Infinity", "\"2.5\"", "\"much\"", "true"]),
    ("d", &["1", "1.50", "1e-2", "1.005", "99999999999.99", "\"3\""]),
    ("day", &["\"2025-01-01\"", "\"2025-01-01T10:00:00Z\"", "20000", "\"\""]),
    ("e", &["\"card\"", "\"cheque\"", "\"\"", "1"]),
    (
        "w",
        &[
            "\"2025-01-01T10:00:00Z\"",
            "\"2025-01-01 10:00:00\"",
            "\" 2025-07-01T10:00:00.123456 \"",
            "\"2025-11-02T01:30:00\"",
            "\"2025-03-09T02:30:00\"",
            "\"2025-01-01\"",
            "\"0001-01-01 00:00\"",
            "\"+262142-12-31T23:59:59\"",
            "\"-262143-01-01T00:00:00\"",
            "\"+262142-12-31T23:59:59-10:00\"",
            "\"2025-01-01T10:00:00.1234567\"",
            "\"2025-01-01T00:00:60Z\"",
            "\"noon\"",
            "\"\"",
            "1735689600",
        ],
    ),
    ("raw", &["\"00ff\"", "\"0\"", "\"xy\"", "1"]),
    ("l", &["[]", "[1, 2.5]", "[1, null]", "[1, NaN]", "[\"x\"]", "{}"]),
    ("v", &["[1, 2]", "[1]", "[1, 2, 3]", "[1, null, 3]", "[NaN]", "[]", "\"x\""]),
    ("m", &["{}", "{\"a\": 1, \"b\": 2, \"a\": 3}", "{\"a\": null}", "{\"a\": 1.5}", "[]"]),
    (
        "s",
        &[
            "{\"a\": 1}",
            "{\"t\": \"2025-01-01T00:00:00Z\"}",
            "{\"a\": 1, \"t\": \"2025-01-01T00:00:00Z\", \"c\": []}",
            "{\"a\": 1, \"t\": \"2025-01-01T00:00:00\"}",
            "{\"a\": \"x\"}",
            "[]",
        ],
    ),
];

fn every_line() -> Vec<String> {
    let lines = VALUES.iter().flat_map(|(name, values)| values.iter().map(|value| line(name, value)));
    let odd = [
        "{}",
        r#"{"k": "b"}"#,
        r#"{"ts": "2025-01-01T00:00:00", "k": "no zone"}"#,
        r#"{"k": "a", "k": "\u00fc\n", "else": [{"k": 1}], "ts": "2025-01-01T00:00:00.5+01:00"}"#,
        r#"{"k": 1}"#,
        r#"{"k": "cut"#,
        "{} {}",
    ];
    lines.chain(odd.map(str::to_owned)).collect()
}

/// What a line gives on the way of files that keep times as they are written.
fn by_file(source: &SourcePlan, line: &str) -> Result<RecordBatch, Fault> {
    let mut rows = Rows::as_written(source.stored.as_slice().into());
    rows.push(line)?;
    let batch = with_times(&rows.finish(), &source.stored, Reader::Source)?;
    Ok(conform(source, &batch, "rows.jsonl").unwrap())
}

#[test]
fn a_record_is_the_row_that_its_line_in_a_file_is() {
    let source = source();
    let (mut together, mut alone, mut expected) = (records(&source), records(&source), Vec::new());
    let mut refused = 0;
    for line in every_line() {
        let pushed = together.push(line.as_bytes());
        match by_file(&source, &line) {
            Ok(row) => {
                assert_eq!(pushed, Ok(()), "{line}");
                alone.push(line.as_bytes()).unwrap();
                assert_eq!(alone.finish(), row, "{line}");
                expected.push(row);
            }
            Err(fault) => {
                let found = pushed.unwrap_err();
                assert_eq!((found.column, found.reason), (fault.column, fault.reason), "{line}");
                refused += 1;
            }
        }
    }
    assert!(expected.len() > 30 && refused > 30, "{} read, {refused} refused", expected.len());
    assert_eq!(together.len(), expected.len());
    let found = together.finish();
    assert_eq!(found.schema(), source.schema);
    assert_eq!(found, concat_batches(&source.schema, &expected).unwrap());
    assert!(together.is_empty());
    assert_eq!(together.finish().num_rows(), 0);
}

#[test]
fn a_field_of_csv_is_the_instant_that_the_string_of_a_record_is() {
    let source = source();
    let column = source.stored.iter().find(|column| column.name == "w").unwrap();
    let field = Field::new("w", DataType::Utf8, true);
    let values = VALUES.iter().find(|(name, _)| *name == "w").unwrap().1;
    let mut read = 0;
    for value in values.iter().filter(|value| value.starts_with('"')) {
        let text = StringArray::from(vec![value.trim_matches('"')]);
        let batch =
            RecordBatch::try_new(Arc::new(Schema::new(vec![field.clone()])), vec![Arc::new(text)]).unwrap();
        let by_csv = with_times(&batch, std::slice::from_ref(column), Reader::Source);
        let mut records = records(&source);
        let pushed = records.push(line("w", value).as_bytes());
        match by_csv {
            Ok(batch) => {
                pushed.unwrap();
                let found = records.finish();
                let w = column::int64(found.column_by_name("w").unwrap());
                assert_eq!(w, column::int64(batch.column(0)), "{value}");
                read += 1;
            }
            Err(fault) => assert_eq!(pushed, Err(fault), "{value}"),
        }
    }
    assert!(read >= 6, "{read} read");
}

#[test]
fn numbers_and_times_are_those_that_were_written() {
    let source = source();
    let mut records = records(&source);
    for (name, value) in [
        ("i", "9007199254740993.0"),
        ("f", "-0.0"),
        ("f", "1e400"),
        ("w", "\"2025-01-01 10:00:00\""),
        ("w", "\"2025-01-01T10:00:00Z\""),
    ] {
        records.push(line(name, value).as_bytes()).unwrap();
    }
    let batch = records.finish();
    let column = |name| batch.column_by_name(name).unwrap();
    assert_eq!(column("i").as_primitive::<Int64Type>().value(0), 9_007_199_254_740_993);
    let f = column("f").as_primitive::<Float64Type>();
    assert_eq!(f.value(1).to_bits(), 0);
    assert!(f.is_null(2));
    let w = column::int64(column("w"));
    let w: Vec<String> = w.iter().flatten().map(|micros| Instant(micros).to_string()).collect();
    assert_eq!(w, ["2025-01-01T15:00:00Z", "2025-01-01T10:00:00Z"]);
}

#[test]
fn a_record_that_cannot_be_read_says_what_to_do() {
    let source = source();
    let mut records = records(&source);
    for (value, says) in [
        (
            &b""[..],
            "is empty: write one object a record, its fields the columns of source `rows`: `{\"k\": …}`",
        ),
        (b" \n", "is empty: write one object a record"),
        (b"[1]", "is not a JSON object: write one object a record"),
        (b"null", "is not a JSON object: write one object a record"),
        (b"a,b", "is not a JSON object: write one object a record"),
        (b"{\"k\": \"\xff\"}", "is not UTF-8: write the record in UTF-8"),
        (b"\xff", "is not UTF-8: write the record in UTF-8"),
        (b"{\"k\": \"a\" \"i\": 1}", "is not one JSON object: expected `,` or `}` at column 11"),
        (b"{} {}", "is not one JSON object: expected the end of the line at column 4"),
        (b"{\"v\": [1]}", "column `v`: `[1]` is 1 long, and `embedding<2>` 2: write as many numbers"),
        (b"{\"ts\": \"2025-01-01\"}", "column `ts`: `2025-01-01` has no zone: say whose wall clock it is"),
    ] {
        let fault = records.push(value).unwrap_err().to_string();
        assert!(fault.starts_with(says), "{fault}");
    }
    assert!(records.is_empty());
    assert_eq!(records.finish(), RecordBatch::new_empty(Arc::clone(&source.schema)));
}

#[test]
fn a_type_that_text_does_not_write_is_refused_before_any_record() {
    let source = planned(
        "entity user(k: string)\nsource rows: events {\n  k: string\n  long: duration?\n  ts: timestamp\n  \
         time ts\n  batch json(\"rows/\")\n}\n",
    );
    let refused = Records::of(source, "topic `rows`").unwrap_err().to_string();
    assert!(refused.starts_with("column `long` of topic `rows` is Int64"), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_record_decides_what_becomes_of_another(picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let source = source();
        let lines = every_line();
        let (mut together, mut alone, mut expected) = (records(&source), records(&source), Vec::new());
        for pick in &picks {
            let line = pick.get(&lines).as_bytes();
            let pushed = together.push(line).is_ok();
            prop_assert_eq!(pushed, alone.push(line).is_ok());
            if pushed {
                expected.push(alone.finish());
            }
        }
        prop_assert_eq!(together.len(), expected.len());
        prop_assert_eq!(together.finish(), concat_batches(&source.schema, &expected).unwrap());
    }

    #[test]
    fn no_bytes_stop_what_reads_them(
        pick in any::<prop::sample::Index>(),
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let source = source();
        let lines = every_line();
        let mut bytes = pick.get(&lines).clone().into_bytes();
        for (place, byte, how) in places {
            let at = place.index(bytes.len() + 1);
            match how {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                _ => bytes.insert(at, *br#"{}[]",:\-eN"#.get(usize::from(byte) % 12).unwrap_or(&b' ')),
            }
        }
        let mut records = records(&source);
        let pushed = records.push(&bytes).is_ok();
        records.push(line("i", "7").as_bytes()).unwrap();
        prop_assert_eq!(records.finish().num_rows(), 1 + usize::from(pushed));
    }
}
