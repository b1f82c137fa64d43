//! Pages of the reference that are made from tables of the compiler are current.
//!
//! `UPDATE_DOCS=1` writes them anew.

use std::fs;
use std::path::Path;

use feat_compiler::pending;

#[test]
fn the_page_of_what_is_not_yet_compiled_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/pending.md");
    let page = pending::reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), page, "run with UPDATE_DOCS=1");
}

#[test]
fn a_construct_is_listed_once() {
    for (at, construct) in pending::ALL.iter().enumerate() {
        assert!(
            pending::ALL[..at].iter().all(|earlier| earlier.name != construct.name),
            "{}",
            construct.name
        );
        assert!(construct.doc.ends_with('.'), "{}", construct.doc);
    }
}
