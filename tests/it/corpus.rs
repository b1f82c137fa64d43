//! Every case of the corpus, by definition. A case is a folder; this file needs no edit to add one.

use feat_tests::case::cases;

/// Writes the tables instead of comparing them. To be read before it is committed.
const UPDATE: &str = "UPDATE";

#[test]
fn every_case_has_the_values_of_its_table() {
    let cases = cases().unwrap();
    assert!(cases.len() >= 20, "the corpus has {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let (path, table) = (case.folder.join("values.snap"), case.table());
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(&path, &table).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        if kept != table {
            wrong.push(format!("{}: the table says\n{kept}the definition says\n{table}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_says_what_it_is_about_and_asks_something() {
    for case in cases().unwrap() {
        let about = std::fs::read_to_string(case.folder.join("case.md")).unwrap();
        assert!(about.len() > 80, "{}: case.md is a paragraph", case.name);
        assert!(!case.requests.is_empty(), "{}: nothing is asked", case.name);
    }
}
