//! Nothing is left out without a word: what a project declares is run, or named among what waits.

#![expect(clippy::unwrap_used, reason = "a helper of a test panics like the test itself")]

use std::fs;
use std::path::{Path, PathBuf};

use feat_compiler::{Compiled, compile};
use feat_dsl::ast::{Item, ItemKind, NamePart};
use feat_dsl::source_map::SourceMap;

/// The `.feat` files of a folder, in the order of their names.
fn texts(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|cause| panic!("{}: {cause}", folder.display()));
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == "feat"))
        .collect();
    found.sort();
    found
}

/// Each case beside the shop, and each of the grammar's beside the windows that it imports.
fn projects() -> Vec<(PathBuf, SourceMap)> {
    let mut projects = Vec::new();
    for (folder, other) in [
        ("compiler/tests/cases", include_str!("cases/shop.feat")),
        ("dsl/tests/cases", include_str!("../../dsl/tests/cases/common/windows.feat")),
    ] {
        for path in texts(folder).into_iter().filter(|path| !path.ends_with("shop.feat")) {
            let mut sources = SourceMap::new();
            let text = fs::read_to_string(&path).unwrap();
            for (at, file) in text.split("// file: ").enumerate() {
                // Behind the split stands the rest of a line: the file's name.
                let file = if at == 0 { file } else { file.split_once('\n').map_or("", |(_, file)| file) };
                sources.add(format!("{at}.feat"), file);
            }
            sources.add("other.feat", other);
            projects.push((path, sources));
        }
    }
    projects
}

/// A project in which nothing waits but what a test adds to it.
const SHOP: &str = include_str!("cases/shop.feat");

/// A line of a project that waits, and what reads it, directly and through others.
const WAITS: [&str; 14] = [
    "features f of user from orders { x = count() over last(3) }",
    "features f of user from orders where label(status) == 1.0 { x = count() over 7d }\n\
     extern fn label(s: string) -> float = wasm(\"a.wasm\", \"a\")",
    "features f of user from orders { x = score(sum(amount) over 7d as float) }\n\
     fn score(a: float) -> float? = risk(a)\n\
     extern fn risk(a: float) -> float? = wasm(\"a.wasm\", \"a\")",
    "features f of user from orders join accounts on user_id as a { x = sum(a.balance) over 7d }",
    "features f of user from accounts { x = sum(balance) over all }",
    "features f of user from both { x = count() over 7d }\nsource both: events from union(orders, orders) {}",
    "features f of user from late { x = count() over 7d }\n\
     source late: events from orders { odd: bool? = risk(weight) == 1.0 }\n\
     extern fn risk(a: float) -> float? = wasm(\"a.wasm\", \"a\")",
    "features f of user from child { x = count() over 7d }\n\
     source child: events from parent { odd: bool? = risk(weight) == 1.0 }\n\
     source parent: events from orders { even: bool = weight > 1.0 }\n\
     extern fn risk(a: float) -> float? = wasm(\"a.wasm\", \"a\")",
    "features f of user from vectors { x = count() over 7d }\n\
     source vectors: events { user_id: string  v: embedding<8>  ts: timestamp  time ts  known after 1s }",
    "derived f of user { x = g.x }\nfeatures g of user from orders { x = count() by status over 7d }",
    "derived f of user { x = g.x  y = spending.total }\n\
     features g of user from orders { x = count() over session(30m) }",
    "derived f of user { x = risk(spending.total as float) }\n\
     extern fn risk(a: float) -> float? = wasm(\"a.wasm\", \"a\")",
    "features f of user from orders { x = g.x }\nfeatures g of user from orders { x = count() over 7d }",
    "features f of user from orders { version 2  x = count() over 7d  y = count() over last(2) }",
];

/// What reads `f.x` of a line of [`WAITS`].
const READERS: &str = "
derived second of user { y = f.x }
service direct of user { f.x }
service whole of user { f.* }
service through of user { second.y }
service mixed of user { spending.total  second.* }
service alone of user { spending.total }
dataset rows_of_direct { service direct  spine orders at ts }
dataset rows_of_mixed { service mixed  spine orders at ts }
dataset rows_of_alone { service alone  spine orders at ts }
";

/// Datasets that wait by themselves.
const DATASETS: &str = "
extern fn risk(a: float) -> float? = wasm(\"a.wasm\", \"a\")
labels slow of user from orders { n = count() by status next 7d }
source both: events from union(orders, orders) {}
service s of user { spending.total }
service asks of user with checkout { spending.total }
source ask: request { a: int  v: embedding<8> }
derived asked of user with ask { x = ask.a }
derived asked_too of user with ask { y = asked.x }
service asks_more of user with ask { asked.x }
service asks_most of user with ask { asked_too.y }
service old of user { spending@1.total }
dataset a { service s  spine orders at ts where risk(weight) > 0.5 }
dataset b { service s  spine orders at ts  label slow.n }
dataset c { service s  spine both at ts }
dataset d { service asks  spine accounts at opened_at }
dataset e { service old  spine orders at ts  sample 10% }
";

/// The full names of what a project's files declare outside of loops, and that runs.
fn declared(sources: &SourceMap) -> Vec<String> {
    let mut names = Vec::new();
    for id in sources.files() {
        let (file, _) = feat_dsl::parse(id, sources.text(id));
        let plain = |part: &NamePart| match part {
            NamePart::Text(text) => text.clone(),
            NamePart::Hole(_) => String::new(),
        };
        let dotted = |names: &[feat_dsl::ast::Name]| -> String {
            let names: Vec<String> =
                names.iter().map(|name| name.parts.iter().map(plain).collect()).collect();
            names.join(".")
        };
        let package = file.package.map(|package| dotted(&package.name.segments));
        let name = |item: &Item| match &item.kind {
            ItemKind::Features(decl) | ItemKind::Labels(decl) => Some(decl.name.clone()),
            ItemKind::Derived(decl) => Some(decl.name.clone()),
            ItemKind::Service(decl) => Some(decl.name.clone()),
            ItemKind::Dataset(decl) => Some(decl.name.clone()),
            ItemKind::Source(decl) => Some(decl.name.clone()),
            _ => None,
        };
        for name in file.items.iter().filter_map(name) {
            let name = dotted(&[name]);
            names.push(match &package {
                Some(package) => format!("{package}.{name}"),
                None => name,
            });
        }
    }
    names
}

/// Whether engines have a plan of the item of this full name.
fn planned(compiled: &Compiled, name: &str) -> bool {
    let plans = &compiled.plans;
    let runs = plans.groups.keys().chain(plans.labels.keys()).chain(plans.derived.keys());
    let rest = plans.services.keys().chain(plans.datasets.keys()).chain(plans.sources.keys());
    runs.chain(rest).any(|found| found.to_string() == name)
}

/// What of a sound project is neither planned nor named among what waits, and how many items are.
fn check(what: &str, sources: &SourceMap) -> (usize, usize) {
    let compiled = compile(sources);
    if compiled.has_errors() {
        return (0, 0);
    }
    let (runs, rest): (Vec<String>, Vec<String>) =
        declared(sources).into_iter().partition(|name| planned(&compiled, name));
    for name in &rest {
        let inside = format!("{name}.");
        let said = compiled.pending.iter().any(|it| it.item == *name || it.item.starts_with(&inside));
        assert!(said, "{what}: `{name}` is missing without a word");
    }
    (runs.len(), rest.len())
}

#[test]
fn what_is_declared_is_planned_or_named_among_what_waits() {
    let (mut runs, mut waits) = (0, 0);
    for (path, sources) in projects() {
        let found = check(&path.display().to_string(), &sources);
        (runs, waits) = (runs + found.0, waits + found.1);
    }
    assert!(runs > 50 && waits > 20, "{runs} planned, {waits} wait");
}

#[test]
fn whatever_reads_what_waits_is_named_too() {
    for text in WAITS.iter().map(|line| format!("{line}\n{READERS}")).chain([DATASETS.to_owned()]) {
        let mut sources = SourceMap::new();
        sources.add("case.feat", text.as_str());
        sources.add("shop.feat", SHOP);
        let compiled = compile(&sources);
        let report =
            feat_dsl::render::render(&compiled.diagnostics, &sources, feat_dsl::render::Color::Never);
        assert!(!compiled.has_errors(), "{text}\n{report}");
        let (_, waits) = check(&text, &sources);
        assert!(waits > 0, "nothing waits in {text}");
    }
}

#[test]
fn what_is_checked_is_planned() {
    for (path, sources) in projects() {
        let compiled = compile(&sources);
        if compiled.has_errors() {
            continue;
        }
        let (model, plans) = (&compiled.model, &compiled.plans);
        let counts = [
            (model.sources.len(), plans.sources.len()),
            (model.groups.len(), plans.groups.len()),
            (model.labels.len(), plans.labels.len()),
            (model.derived.len(), plans.derived.len()),
            (model.services.len(), plans.services.len()),
            (model.datasets.len(), plans.datasets.len()),
            (model.groups.len() + model.derived.len(), plans.alone.len()),
        ];
        for (checked, planned) in counts {
            assert_eq!(checked, planned, "{}: {counts:?}", path.display());
        }
    }
}
