//! Tables that feat writes are read by another implementation of Delta: Python's `deltalake`.

use std::process::Command;

use crate::feat::{copy, feat, printed, words};

/// Prints the rows, the columns and, for each carrier, its last day's count.
const READ: &str = r#"
import os, sys, deltalake
table = deltalake.DeltaTable(sys.argv[1])
rows = table.to_pyarrow_table()
print(rows.num_rows, table.version(), sorted(table.metadata().partition_columns))
days = {}
for row in rows.to_pylist():
    days.setdefault(row["day"], 0)
    days[row["day"]] += row["landings_1d"]
print(sorted(days.items()), flush=True)
# Arrow's threads sometimes abort an interpreter that ends the long way.
os._exit(0)
"#;

fn python(table: &str) -> String {
    let python =
        std::env::var("FEAT_PYTHON").expect("FEAT_PYTHON names a Python with deltalake: ./test sets it");
    let output = Command::new(python).args(["-c", READ, table]).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn offline_values_are_read_by_python_and_a_repeated_run_changes_no_row() {
    let place = copy("examples/flights");
    let command =
        "materialize carrier_delays --from 2013-06-01T00:00:00Z --to 2013-06-04T00:00:00Z --every 1d --json";
    let output = feat(place.path(), &words(command));
    assert!(output.status.success(), "{}", printed(&output));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the answer is JSON");
    let location = place.path().join(answer["location"].as_str().expect("a location"));
    let first = python(&location.to_string_lossy());
    let rows = answer["rows"].as_u64().expect("a number of rows");
    assert_eq!(first.split(' ').next(), Some(rows.to_string().as_str()), "{first}");
    // Landings known in the 24 hours (and up to an hour more) before each midnight: 05-31, 06-01, 06-02.
    assert!(first.contains("'2013-06-01', ") && first.contains("'2013-06-03', "), "{first}");
    assert!(feat(place.path(), &words(command)).status.success());
    let second = python(&location.to_string_lossy());
    assert_eq!(first.replace(" 0 ", " 1 "), second, "one commit later the rows are the same");
}
