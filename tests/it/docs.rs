//! The documents tell the truth: their commands run and print what stands there, and what is generated
//! is current.
//!
//! A block marked `console FOLDER` holds commands (`$ feat …`) and what they print, run one after the
//! other in a copy of the folder. `…` stands for anything: within a line, or for whole lines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::feat::{copy, feat, printed, root, words};

/// Every document of the repository that a reader may follow.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("a folder can be listed").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "codes" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The `console` blocks of a document: folder and lines.
fn blocks(text: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(folder) = line.strip_prefix("```console") {
            let body = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
            blocks.push((folder.trim().to_owned(), body));
        }
    }
    blocks
}

#[test]
fn commands_in_the_documents_print_what_stands_there() {
    let mut commands = 0;
    for path in documents() {
        let text = std::fs::read_to_string(&path).expect("a document is text");
        for (folder, lines) in blocks(&text) {
            let place =
                if folder.is_empty() { tempfile::tempdir().expect("a folder") } else { copy(&folder) };
            let mut lines = lines.iter().peekable();
            while let Some(line) = lines.next() {
                let Some(command) = line.strip_prefix("$ feat ") else {
                    panic!("{}: `{line}` is not a command", path.display())
                };
                let mut expected = Vec::new();
                while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                    expected.push(squeezed(line));
                }
                let output = feat(place.path(), &words(command));
                let found = printed(&output);
                assert!(output.status.success(), "{}: `{command}` failed:\n{found}", path.display());
                let lines: Vec<String> = found.lines().map(squeezed).collect();
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
                assert!(
                    expected.is_empty() || matches(&expected, &lines),
                    "{}: `{command}` printed\n{}",
                    path.display(),
                    found
                );
                commands += 1;
            }
        }
    }
    assert!(commands >= 10, "only {commands} commands were found in the documents");
}

/// A line without its alignment: how wide a column is depends on how long a run takes.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the lines found are those expected, `…` standing for anything; lines that stand before a
/// document's first one (warnings) may be left out.
fn matches(expected: &[&str], found: &[&str]) -> bool {
    match expected.split_first() {
        None => found.is_empty(),
        Some((&"…", [])) => true,
        Some((&"…", rest)) => (0..found.len()).any(|skip| matches(rest, &found[skip..])),
        Some((line, rest)) => {
            found.split_first().is_some_and(|(first, others)| like(line, first) && matches(rest, others))
        }
    }
}

fn like(expected: &str, found: &str) -> bool {
    match expected.split_once('…') {
        None => expected.trim_end() == found,
        Some((start, rest)) => {
            found.starts_with(start)
                && (start.len()..=found.len())
                    .filter(|&at| found.is_char_boundary(at))
                    .any(|at| like(rest, &found[at..]))
        }
    }
}

#[test]
fn what_the_readme_shows_of_a_guide_stands_there() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).expect("a document is text");
    let readme = read("README.md");
    let (mut lines, mut shown) = (readme.lines(), 0);
    while let Some(line) = lines.next() {
        let Some(guide) = line.strip_prefix("```text ") else { continue };
        let guide = read(guide);
        for line in lines.by_ref().take_while(|line| *line != "```") {
            assert!(guide.lines().any(|said| said == line), "`{line}` does not stand in the guide");
            shown += 1;
        }
    }
    assert!(shown > 0, "README shows nothing of a guide");
}

#[test]
fn three_dots_stand_for_anything_and_nothing_else_does() {
    assert!(matches(&["a … c", "…", "z"], &["a b c", "x", "y", "z"]));
    assert!(!matches(&["a … c"], &["a b d"]));
    assert!(!matches(&["a"], &["a", "b"]));
    assert!(!matches(&["…", "z"], &["a"]));
}

#[test]
fn the_reference_of_aggregates_is_current() {
    let mut text = String::from(
        "# Aggregates\n\nGenerated from the kernel's table. The states are exact and merge in any order; a sketch is \
         deterministic. A deletable one can take a row back.\n\n\
         | aggregate | empty | class | deletable | what |\n| --- | --- | --- | --- | --- |\n",
    );
    for signature in feat_kernel::agg::signatures() {
        let deletable = if signature.deletable { "yes" } else { "" };
        let class = format!("{:?}", signature.class).to_lowercase();
        let _ = writeln!(
            text,
            "| `{}` | {} | {class} | {deletable} | {} |",
            signature.usage, signature.empty, signature.doc
        );
    }
    current(&root().join("docs/reference/aggregates.md"), &text);
}

#[test]
fn a_features_life_in_the_architecture_is_what_explain_prints() {
    let path = root().join("ARCHITECTURE.md");
    let document = std::fs::read_to_string(&path).expect("the document is there");
    let opening = "<!-- explain: ";
    let start = document.find(opening).expect("the document shows an explanation") + opening.len();
    let (head, rest) = document[start..].split_once(" -->\n").expect("the mark ends");
    let (folder, name) = head.split_once(' ').expect("a folder and a name");
    let place = copy(folder);
    let output = feat(place.path(), &["explain".to_owned(), name.to_owned()]);
    assert!(output.status.success(), "{}", printed(&output));
    let shown = format!("```text\n{}```\n", String::from_utf8_lossy(&output.stdout));
    let (_, after) = rest.split_once("<!-- end -->").expect("the explanation ends");
    let before = &document[..start + head.len() + " -->\n".len()];
    current(&path, &format!("{before}{shown}<!-- end -->{after}"));
}

/// Compares a document with what is generated; with `UPDATE_DOCS=1` in the environment, writes it.
fn current(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, text).expect("a document can be written");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == text, "{} is not current: run with UPDATE_DOCS=1", path.display());
}
