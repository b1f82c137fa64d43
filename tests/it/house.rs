//! The house rules that a program can check: who imports whom, module docs, lengths, codes and pages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

/// For each crate the crates of ours that it may import. `feat-cli` and `feat-tests` see everything.
const MAY_IMPORT: [(&str, &[&str]); 9] = [
    ("feat-dsl", &[]),
    ("feat-kernel", &[]),
    ("feat-proto", &[]),
    ("feat-compiler", &["feat-dsl", "feat-kernel"]),
    ("feat-store", &["feat-kernel"]),
    ("feat-batch", &["feat-compiler", "feat-kernel"]),
    ("feat-streaming", &["feat-compiler", "feat-kernel", "feat-store"]),
    ("feat-registry", &["feat-compiler", "feat-kernel"]),
    ("feat-serving", &["feat-compiler", "feat-kernel", "feat-store", "feat-registry", "feat-proto"]),
];

/// For each crate what of the world outside it must never import. A name that ends in `*` stands for
/// every name that begins so.
const NEVER_IMPORTS: [(&str, &[&str]); 9] = [
    ("feat-dsl", &["arrow*", "tokio", "datafusion*"]),
    ("feat-kernel", &["datafusion*", "tokio", "redis", "rdkafka", "tonic", "pest*"]),
    ("feat-compiler", &["datafusion", "tokio", "tonic", "redis", "rdkafka"]),
    ("feat-store", &["datafusion*", "tonic", "rdkafka"]),
    ("feat-batch", &["rdkafka", "redis", "redb"]),
    ("feat-streaming", &["datafusion", "redis", "redb", "tonic"]),
    ("feat-proto", &["datafusion*", "arrow*", "redis", "rdkafka", "tokio"]),
    ("feat-registry", &["datafusion*", "tonic*", "redis", "redb", "rdkafka", "pest*"]),
    ("feat-serving", &["datafusion*", "rdkafka", "redis", "redb", "pest*"]),
];

/// A file this long, its tests not counted, says in its module doc why.
const LONG: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// The crates of the workspace, each with its normal dependencies.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Json = serde_json::from_slice(&output.stdout).unwrap();
    let name = |json: &Json| json["name"].as_str().unwrap().to_owned();
    let normal = |package: &Json| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"].is_null()).map(name).collect()
    };
    metadata["packages"].as_array().unwrap().iter().map(|package| (name(package), normal(package))).collect()
}

/// Files with an extension, below the workspace's folders.
fn files(extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    walk(&path, extension, into);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                into.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), extension, &mut found);
    found.sort();
    assert!(!found.is_empty());
    found
}

fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn crates_import_only_what_the_house_allows() {
    let crates = crates();
    for (name, allowed) in MAY_IMPORT {
        let ours = crates[name].iter().filter(|import| import.starts_with("feat-"));
        let wrong: Vec<&String> = ours.filter(|import| !allowed.contains(&import.as_str())).collect();
        assert!(wrong.is_empty(), "`{name}` imports {wrong:?}");
    }
    let known: BTreeSet<&str> =
        MAY_IMPORT.iter().map(|(name, _)| *name).chain(["feat-cli", "feat-tests"]).collect();
    let found: BTreeSet<&str> = crates.keys().map(String::as_str).collect();
    assert_eq!(found, known, "a crate that the table above does not know");
}

#[test]
fn crates_stay_away_from_what_is_not_theirs() {
    let crates = crates();
    for (name, never) in NEVER_IMPORTS {
        for import in &crates[name] {
            let hit = never.iter().find(|banned| match banned.strip_suffix('*') {
                Some(prefix) => import.starts_with(prefix),
                None => import == *banned,
            });
            assert!(hit.is_none(), "`{name}` imports `{import}`");
        }
    }
}

#[test]
fn nobody_imports_the_tests_or_the_command_line() {
    for (name, imports) in crates() {
        assert!(!imports.contains("feat-tests") && !imports.contains("feat-cli"), "`{name}` does");
    }
}

#[test]
fn every_file_begins_with_what_it_is() {
    let bare: Vec<String> =
        files("rs").iter().filter(|path| !read(path).starts_with("//! ")).map(|path| short(path)).collect();
    assert!(bare.is_empty(), "no `//!` on the first line of {bare:#?}");
}

#[test]
fn a_long_file_says_why() {
    let mut silent = Vec::new();
    for path in files("rs") {
        let text = read(&path);
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let doc: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        if code.lines().count() > LONG && !["length", "long"].iter().any(|word| doc.contains(word)) {
            silent.push(format!("{}: {} lines", short(&path), code.lines().count()));
        }
    }
    assert!(silent.is_empty(), "longer than {LONG} lines and no word on its length: {silent:#?}");
}

/// The codes that a crate declares, from its text.
fn codes(path: &str) -> BTreeSet<String> {
    let text = read(&root().join(path));
    let quoted = text.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.len() == 7 && text.starts_with("FEAT")).map(str::to_owned).collect()
}

#[test]
fn every_code_has_a_page_and_a_case() {
    let mut lacking = Vec::new();
    let (dsl, compiler) = (codes("dsl/src/codes.rs"), codes("compiler/src/codes.rs"));
    assert!(!dsl.is_empty() && compiler.len() > 20, "the codes are not where they were");
    for code in dsl.iter().chain(&compiler) {
        if !root().join(format!("docs/reference/codes/{code}.md")).exists() {
            lacking.push(format!("{code}: no page"));
        }
    }
    for code in &compiler {
        if !root().join(format!("compiler/tests/cases/{code}.feat")).exists() {
            lacking.push(format!("{code}: no case"));
        }
    }
    for entry in fs::read_dir(root().join("docs/reference/codes")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let code = name.trim_end_matches(".md").to_owned();
        if code.starts_with("FEAT") && !dsl.contains(&code) && !compiler.contains(&code) {
            lacking.push(format!("{name}: a page without a code"));
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?}");
}

#[test]
fn no_test_is_switched_off() {
    // Written in two parts, so that this file is not found.
    let ignore = concat!("#[", "ignore");
    let off: Vec<String> =
        files("rs").iter().filter(|path| read(path).contains(ignore)).map(|path| short(path)).collect();
    assert!(off.is_empty(), "{off:#?}");
}

#[test]
fn the_definition_imports_nothing_of_what_it_judges() {
    let folder = root().join("tests/src");
    let mut paths = vec![folder.join("oracle.rs")];
    paths.extend(fs::read_dir(folder.join("oracle")).unwrap().map(|entry| entry.unwrap().path()));
    for path in paths {
        let text = read(&path);
        for word in ["feat_", "arrow::", "datafusion::", "polars::", "crate::read", "crate::draw"] {
            assert!(!text.contains(word), "{} has `{word}`", short(&path));
        }
    }
}

#[test]
fn the_architecture_speaks_of_every_crate() {
    let text = read(&root().join("ARCHITECTURE.md"));
    for name in crates().keys() {
        let folder = name.trim_start_matches("feat-");
        assert!(text.contains(&format!("`{folder}`")), "ARCHITECTURE.md does not mention `{folder}`");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut broken = Vec::new();
    for path in files("md") {
        let text = read(&path);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            let outside = target.is_empty() || target.contains("://") || target.contains(' ');
            if !outside && !path.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {target}", short(&path)));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_mutation_names_its_test() {
    let mut patches = 0;
    for path in files("patch") {
        let text = read(&path);
        assert!(text.starts_with("# test: "), "{} does not begin with `# test: `", short(&path));
        patches += 1;
    }
    assert!(patches >= 8, "{patches} mutations");
}
