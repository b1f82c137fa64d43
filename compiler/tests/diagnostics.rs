//! What the author reads: a case for each file of `cases`, a page and a case for each code.
//!
//! A case is added to the shop of `cases/shop.feat`; `// file: name` begins another file, `// before`
//! the project whose place the case takes: what is refused of the change is said behind what is wrong.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use feat_compiler::diff::{diff, refusals};
use feat_compiler::secrets::Secrets;
use feat_compiler::{Compiled, codes, compile_with};
use feat_dsl::render::{Color, render};
use feat_dsl::source_map::SourceMap;

const SHOP: &str = include_str!("cases/shop.feat");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The one place that knows how to run the compiler: text in, report as the author reads it out.
fn report(text: &str) -> (Compiled, String) {
    let (text, before) = text.split_once("// before\n").map_or((text, None), |(text, old)| (text, Some(old)));
    let (mut compiled, sources) = compiled(text);
    if let Some(before) = before {
        let changes = diff(&self::compiled(before).0.model, &compiled.model);
        compiled.diagnostics.extend(refusals(&compiled.model, &changes));
    }
    let report = render(&compiled.diagnostics, &sources, Color::Never);
    (compiled, report)
}

fn compiled(text: &str) -> (Compiled, SourceMap) {
    let mut sources = SourceMap::new();
    let mut files: Vec<(String, String)> = vec![("case.feat".to_owned(), String::new())];
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("// file: ") {
            files.push((name.to_owned(), String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (name, text) in files.into_iter().filter(|(_, text)| !text.trim().is_empty()) {
        sources.add(name, text);
    }
    sources.add("shop.feat", SHOP);
    let secrets: Secrets = [("USER_SALT".to_owned(), b"pepper".to_vec())].into_iter().collect();
    let mut compiled = compile_with(&sources, &secrets);
    // What a run says is said behind what a check says.
    let unset = compiled.unset.clone();
    compiled.diagnostics.extend(unset);
    (compiled, sources)
}

fn says(compiled: &Compiled, code: &str) -> bool {
    compiled.diagnostics.iter().any(|diagnostic| diagnostic.code.0 == code)
}

#[test]
fn every_case_reports_what_its_snapshot_says() {
    let mut cases: Vec<PathBuf> = fs::read_dir(root().join("compiler/tests/cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "feat") && !path.ends_with("shop.feat")
        })
        .collect();
    cases.sort();
    assert!(cases.len() >= codes::ALL.len(), "{} cases", cases.len());
    for case in cases {
        let name = case.file_stem().unwrap().to_string_lossy().into_owned();
        let (_, report) = report(&fs::read_to_string(&case).unwrap());
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "cases" }, {
            insta::assert_snapshot!(name, report);
        });
    }
}

#[test]
fn every_code_has_a_page_whose_broken_example_is_and_whose_fixed_example_is_not() {
    for (code, title) in codes::ALL {
        let path = root().join(format!("docs/reference/codes/{}.md", code.0));
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(page.starts_with(&format!("# {}: {title}\n", code.0)), "{} has another title", code.0);
        let blocks: Vec<&str> =
            page.split("```feat\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert_eq!(blocks.len(), 2, "{} has a broken and a fixed example", code.0);
        let (broken, text) = report(blocks[0]);
        assert!(says(&broken, code.0), "{} is not reported for its broken example:\n{text}", code.0);
        let (fixed, text) = report(blocks[1]);
        assert!(!says(&fixed, code.0), "{} is reported for its fixed example:\n{text}", code.0);
        assert!(!fixed.has_errors(), "the fixed example of {} has errors:\n{text}", code.0);
    }
}

#[test]
fn the_shop_has_nothing_to_say() {
    let (_, report) = report("");
    assert_eq!(report, "");
}

#[test]
fn a_broken_example_breaks_for_one_reason() {
    for (code, _) in codes::ALL {
        let case = root().join(format!("compiler/tests/cases/{}.feat", code.0));
        let (compiled, text) = report(&fs::read_to_string(case).unwrap());
        assert_eq!(compiled.diagnostics.len(), 1, "{text}");
    }
}

#[test]
fn what_is_too_deep_or_too_large_is_an_error_and_nothing_worse() {
    let sum = vec!["1"; 5_000].join(" + ");
    let (compiled, text) = report(&format!("features f of user from orders {{\n  x = {sum}\n}}\n"));
    assert!(says(&compiled, "FEAT000"), "{text}");

    let mut doubled = "fn f0(x: int) -> int = x + x\n".to_owned();
    for level in 1..60 {
        let below = level - 1;
        writeln!(doubled, "fn f{level}(x: int) -> int = f{below}(f{below}(x))").unwrap();
    }
    let (compiled, text) = report(&doubled);
    assert!(says(&compiled, "FEAT047"), "{text}");

    let loops = "for a in [1, 2, 3, 4, 5, 6, 7, 8, 9] { ".repeat(6) + "let X = 1" + &" }".repeat(6);
    let (compiled, text) = report(&loops);
    assert!(says(&compiled, "FEAT047"), "{text}");
}

#[test]
fn what_could_not_be_read_is_declared_all_the_same() {
    let text = "
source clicks: events { user_id: string  ts: timestamp  time ts  known after 1s }
features of_clicks of user from clicks {
  n = count() over 1d
  m = count( over 7d
}
fn twice(x: int): int = x * * 2
let Days = 7 7
features later of user from clicks { n = sum(twice(Days)) over 1d }
service answers of user { of_clicks.*  later.* }
service one of user { of_clicks.n }
";
    let (compiled, report) = report(text);
    assert!(!says(&compiled, "FEAT003") && !says(&compiled, "FEAT001"), "{report}");
    assert_eq!(compiled.diagnostics.len(), 3, "{report}");
}
