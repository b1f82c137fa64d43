//! What CSV and JSON files hold becomes what the source declares, exactly, or is refused with the file,
//! the line, the column and what to do. What a number is, is asked of Python.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::feat::{feat, printed, words};

const SPEC: &str = r#"package p
entity u(k: string)
source s: events {
  k: string
  x: int?
  d: decimal(12, 2)?
  w: timestamp?
  day: date?
  f: float?
  n: list<int>?
  ts: timestamp
  time ts
  known after 0s
  batch FORMAT("data/s.FORMAT")
}
features g of u from s {
  c = count() over all
  x = last(x) over all
  d = last(d) over all
  w = last(w) over all
  day = last(day) over all
  f = last(f) over all
  n = last(n) over all
}
service v of u { g.* }
"#;

const COLUMNS: [&str; 6] = ["x", "d", "w", "day", "f", "n"];

fn project(format: &str, rows: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path();
    let toml =
        format!("[project]\nname = \"p\"\nspecs = [\"*.feat\"]\n[sources.s]\nreplay = \"data/s.{format}\"\n");
    fs::write(path.join("feat.toml"), toml).expect("a file can be written");
    let spec = SPEC.replace("FORMAT", format);
    // A field of CSV holds no list.
    let spec = if format == "csv" {
        spec.replace("  n: list<int>?\n", "").replace("  n = last(n) over all\n", "")
    } else {
        spec
    };
    fs::write(path.join("p.feat"), spec).expect("a file can be written");
    fs::write(path.join("spine.csv"), "k,t\na,2025-01-02T00:00:00Z\n").expect("a file can be written");
    fs::create_dir(path.join("data")).expect("a folder can be made");
    fs::write(path.join(format!("data/s.{format}")), rows).expect("a file can be written");
    place
}

/// A row of key `key` whose column `column` is written as `value`.
fn row(format: &str, key: &str, column: &str, value: &str) -> String {
    if format == "jsonl" {
        return format!("{{\"k\": \"{key}\", \"{column}\": {value}, \"ts\": \"2025-01-01T00:00:00Z\"}}\n");
    }
    let fields = COLUMNS[..5].iter().map(|name| if *name == column { value.trim_matches('"') } else { "" });
    format!("{key},{},2025-01-01T00:00:00Z\n", fields.collect::<Vec<_>>().join(","))
}

fn head(format: &str) -> String {
    if format == "jsonl" {
        let nulls = COLUMNS.map(|name| format!("\"{name}\": null")).join(", ");
        return format!("{{\"k\": \"other\", {nulls}, \"ts\": \"2025-01-01T00:00:00Z\"}}\n");
    }
    format!("k,{},ts\n", COLUMNS[..5].join(","))
}

const TRAIN: &str = "train --service v --spine spine.csv --time t --out o.parquet";

/// Both engines refuse the row, which stands on line 2, and say each of `says`.
fn refused(format: &str, column: &str, value: &str, says: &[&str]) {
    let place = project(format, &(head(format) + &row(format, "a", column, value)));
    for command in [TRAIN, "stream --replay --until-end"] {
        let output = feat(place.path(), &words(command));
        let text = printed(&output);
        assert_eq!(output.status.code(), Some(1), "{format} {column} {value}: `{command}` printed:\n{text}");
        let line = format!("data/s.{format}:2: column `{column}`: ");
        for words in says.iter().copied().chain([line.as_str()]) {
            assert!(text.contains(words), "{format} {column} {value}: no `{words}` in:\n{text}");
        }
    }
    assert!(!place.path().join("o.parquet").exists());
}

#[test]
fn a_value_that_would_change_is_refused_with_its_line_and_a_remedy() {
    for format in ["jsonl", "csv"] {
        refused(format, "x", "1.5", &["`1.5` has a fraction", "float"]);
        refused(format, "x", "5.0000000001", &["fraction"]);
        refused(format, "x", "9223372036854775808", &["64 bits", "decimal(20, 0)"]);
        refused(format, "x", "\"seven\"", &["seven", "int"]);
        refused(format, "d", "1.005", &["`1.005` has more digits", "scale"]);
        refused(format, "d", "1e-3", &["scale"]);
        refused(format, "d", "99999999999.99", &["precision"]);
        refused(format, "w", "\"2025-01-01T00:00:00.1234567Z\"", &["below a microsecond"]);
        refused(format, "w", "\"2025-01-01T00:00:60Z\"", &["leap second"]);
        refused(format, "w", "\"2025-01-01T00:00:00\"", &["no zone", "timestamp in"]);
        refused(format, "w", "\"noon\"", &["`noon` is not a time such as"]);
        refused(format, "day", "\"2025-01-01T10:00:00Z\"", &["time of day", "timestamp"]);
        refused(format, "day", "20000", &["is not a date such as"]);
        refused(format, "f", "\"much\"", &["much", "float"]);
    }
    refused("jsonl", "n", "[1, 2.5]", &["`2.5` has a fraction"]);
}

/// What Python's `json` and `decimal` make of numbers: the integer, or `no`.
const JUDGE: &str = r"
import json, sys
from decimal import Decimal
for text in sys.argv[1:]:
    n = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    whole = n == n.to_integral_value() and -2**63 <= n < 2**63
    print(int(n) if whole else 'no')
";

#[test]
fn python_is_the_judge_of_what_an_int_is() {
    let texts = [
        "0",
        "-0",
        "7",
        "1e2",
        "1.50e1",
        "12e-1",
        "1200e-2",
        "-0.0",
        "9007199254740993.0",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "-9223372036854775809",
        "9.3e18",
        "1E+3",
        "1e-3",
        "0.1",
        "123456789012345678901234567890e-12",
        "100000000000000000000e-2",
        "1e30",
        "0e50",
    ];
    let python = std::env::var("FEAT_PYTHON").expect("FEAT_PYTHON names a Python: ./test sets it");
    let output = Command::new(python).args(["-c", JUDGE]).args(texts).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let judged = String::from_utf8_lossy(&output.stdout).into_owned();
    let judged: Vec<(&str, &str)> = texts.into_iter().zip(judged.lines()).collect();
    assert_eq!(judged.len(), texts.len());
    for format in ["jsonl", "csv"] {
        let whole = judged.iter().filter(|(_, said)| *said != "no");
        let rows: String =
            whole.clone().map(|(text, _)| row(format, &format!("n{text}"), "x", text)).collect();
        let place = project(format, &(head(format) + &rows));
        let output = feat(place.path(), &words("stream --replay --until-end"));
        assert!(output.status.success(), "{}", printed(&output));
        for (text, said) in whole {
            let command = format!("get v k=n{text} --at 2025-01-01T00:00:00.000001Z --json");
            assert_eq!(value(place.path(), &command, "x"), *said, "{format} {text}");
        }
        for (text, _) in judged.iter().filter(|(_, said)| *said == "no") {
            refused(format, "x", text, &[]);
        }
    }
}

fn value(place: &Path, command: &str, feature: &str) -> String {
    let output = feat(place, &words(command));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|cause| panic!("`{command}` printed no JSON ({cause}): {}", printed(&output)));
    answer["features"][format!("g.{feature}")]["value"].to_string()
}

#[test]
fn what_loses_nothing_is_read_however_it_is_written() {
    for format in ["jsonl", "csv"] {
        let rows = [
            ("a", "d", "1.500", "\"1.50\""),
            ("b", "d", "\"2.50\"", "\"2.50\""),
            ("c", "d", "1e2", "\"100.00\""),
            ("d", "w", "\"2025-01-01T00:00:00.123456000Z\"", "\"2025-01-01T00:00:00.123456Z\""),
            ("e", "day", "\"2025-01-01\"", "\"2025-01-01\""),
            ("f", "f", "0.1", "0.1"),
            ("g", "f", "NaN", "null"),
            ("h", "f", "1e400", "null"),
        ];
        let text: String =
            rows.iter().map(|(key, column, value, _)| row(format, key, column, value)).collect();
        let place = project(format, &(head(format) + &text));
        let output = feat(place.path(), &words("stream --replay --until-end"));
        assert!(output.status.success(), "{}", printed(&output));
        for (key, column, written, read) in rows {
            let command = format!("get v k={key} --at 2025-01-01T00:00:00.000001Z --json");
            assert_eq!(value(place.path(), &command, column), read, "{format} {column} {written}");
        }
    }
}

#[test]
fn a_column_that_no_line_of_a_json_file_has_is_missing_and_one_that_some_have_is_null_elsewhere() {
    let wrong = "{\"k\": \"a\", \"x\": 1, \"ff\": 1.0, \"ts\": \"2025-01-01T00:00:00Z\"}\n";
    let place = project("jsonl", wrong);
    for command in [TRAIN, "stream --replay --until-end"] {
        let output = feat(place.path(), &words(command));
        let text = printed(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("s.jsonl has no column `d`") && text.contains("`ff`"), "{text}");
    }
    let place = project("jsonl", &(head("jsonl") + &row("jsonl", "a", "x", "1")));
    assert!(feat(place.path(), &words(TRAIN)).status.success());
    // A file without a line lacks nothing.
    let place = project("jsonl", "");
    let output = feat(place.path(), &words(TRAIN));
    assert!(output.status.success(), "{}", printed(&output));
}

/// `feat train` in a project of `rows` fails and says each of `says`, and nothing of the other file.
fn wrong_file(format: &str, rows: &str, spine: &str, time: &str, says: &[&str]) {
    let place = project(format, rows);
    fs::write(place.path().join("spine.csv"), spine).expect("a file can be written");
    let output = feat(place.path(), &words(&TRAIN.replace("--time t", &format!("--time {time}"))));
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for words in says {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
    if says[0].contains("spine.csv") {
        assert!(!text.contains("data/s."), "an error of the spine names the source:\n{text}");
    }
}

#[test]
fn an_error_names_its_own_file_and_its_line_as_an_editor_counts() {
    let spine = "k,t\na,2025-01-02T00:00:00Z\n";
    let good = head("csv") + &row("csv", "a", "x", "1");
    // A record with a newline in quotes takes two lines.
    let broken = head("csv") + "\"a\nb\",1,,,,,2025-01-01T00:00:00Z\na,1,,,,2025-01-01T00:00:00Z\n";
    wrong_file("csv", &broken, spine, "t", &["s.csv:4: has 6 fields, and the header 7"]);
    wrong_file("csv", "", spine, "t", &["s.csv: is empty: it has no header"]);
    wrong_file("csv", "k,x,x\n", spine, "t", &["s.csv: has two columns `x`"]);
    let json = head("jsonl") + "\n{\"k\": \"a\" \"x\": 1}\n";
    wrong_file("jsonl", &json, spine, "t", &["s.jsonl:3: is not one JSON object: expected `,` or `}`"]);
    wrong_file("jsonl", &(head("jsonl") + "[1]\n"), spine, "t", &["s.jsonl:2: is not one JSON object"]);
    wrong_file("jsonl", "[{}]\n", spine, "t", &["s.jsonl:1: is not one JSON object: expected `{`"]);
    let number = head("jsonl") + "{\"k\": 7, \"ts\": \"2025-01-01T00:00:00Z\"}\n";
    wrong_file("jsonl", &number, spine, "t", &["s.jsonl:2: column `k`: `7` is not of type `string`"]);
    wrong_file(
        "csv",
        &good,
        "k,t\na,notatime\n",
        "t",
        &["spine.csv:2: column `t`: `notatime` is not a time"],
    );
    wrong_file("csv", &good, "k,t\na,2025-01-02T00:00:00\n", "t", &["spine.csv:2: column `t`:", "--zone"]);
    wrong_file("csv", &good, "k,t,t\na,,\n", "t", &["spine.csv: has two columns `t`"]);
    wrong_file("csv", &good, "", "t", &["spine.csv: is empty"]);
    wrong_file("csv", &good, spine, "zz", &["spine spine.csv: has no column `zz`", "it has `k`, `t`"]);
    wrong_file("csv", &good, "k,t\na,\n", "t", &["spine.csv: time column `t` is null in row 1"]);
}

#[test]
fn an_output_that_cannot_be_written_is_named_as_it_was_given() {
    let place = project("jsonl", &head("jsonl"));
    let output = feat(place.path(), &words(&TRAIN.replace("o.parquet", "none/o.parquet")));
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("none/o.parquet: cannot be written") && !text.contains("s.jsonl"), "{text}");
}

#[test]
fn an_error_far_into_a_file_names_its_line() {
    let rows = row("jsonl", "a", "x", "1").repeat(120_000);
    let rows = head("jsonl") + &rows + &row("jsonl", "a", "x", "0.5") + &rows;
    wrong_file("jsonl", &rows, "k,t\na,2025-01-02T00:00:00Z\n", "t", &["data/s.jsonl:120002: column `x`"]);
    let times = row("csv", "a", "x", "1").repeat(120_000);
    let times = head("csv") + &times + "a,1,,,,,2025-01-01T05:00:00\n";
    wrong_file("csv", &times, "k,t\na,2025-01-02T00:00:00Z\n", "t", &["data/s.csv:120002: column `ts`"]);
}

#[test]
fn a_damaged_parquet_file_is_named() {
    let place = project("parquet", "PAR1 and nothing else");
    let output = feat(place.path(), &words(TRAIN));
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("data/s.parquet: cannot be read: it is damaged"), "{text}");
}

#[test]
fn a_large_csv_file_is_not_cut_within_a_record() {
    const ROWS: usize = 300_000;
    let record = "\"a\nb\",1,,,,,2025-01-01T00:00:00Z\n\"c\n\nd\",2,,,,,2025-01-01T00:00:00Z\n";
    let place = project("csv", &(head("csv") + &record.repeat(ROWS / 2)));
    let output = feat(place.path(), &words(&format!("{TRAIN} --json")));
    assert!(output.status.success(), "{}", printed(&output));
    let manifest: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the manifest is JSON");
    assert_eq!(manifest["tables"]["p.s"]["rows"].as_u64(), Some(ROWS as u64));
}
