//! Layout never matters: the words of the examples, laid out anew in many ways, are the same files.

use super::format;
use super::lines::leaves;
use crate::ast::File;
use crate::parse::grammar::{Grammar, Rule};
use crate::parse::parse;
use crate::span::FileId;
use pest::Parser;
use proptest::prelude::*;

const EXAMPLES: [&str; 7] = [
    include_str!("../../tests/cases/ads.feat"),
    include_str!("../../tests/cases/churn.feat"),
    include_str!("../../tests/cases/common/windows.feat"),
    include_str!("../../tests/cases/flights.feat"),
    include_str!("../../tests/cases/fraud.feat"),
    include_str!("../../tests/cases/hello.feat"),
    include_str!("../../tests/cases/kitchen_sink.feat"),
];

/// The tree of a text that has no mistakes.
fn tree(text: &str) -> File {
    let (file, diagnostics) = parse(FileId(0), text);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}\nin\n{text}");
    file
}

/// The words of `text`; documentation keeps its line break.
fn words(text: &str) -> Vec<String> {
    let file = Grammar::parse(Rule::file, text).unwrap();
    let leaves = file.flat_map(|node| leaves(&node)).filter(|leaf| leaf.as_rule() != Rule::EOI);
    let word = |rule, text: &str| match rule {
        Rule::doc | Rule::module_doc => format!("{text}\n"),
        _ => text.to_owned(),
    };
    leaves.map(|leaf| word(leaf.as_rule(), leaf.as_str().trim_end())).collect()
}

/// The words of `text` with `gap` behind each.
fn relaid(text: &str, gap: impl FnMut(usize) -> &'static str) -> String {
    let words = words(text);
    let gaps = (0..words.len()).map(gap);
    let mut text = String::new();
    for (word, gap) in words.iter().zip(gaps) {
        text.push_str(word);
        if !(word.ends_with('\n') && gap == "\n") {
            text.push_str(gap);
        }
    }
    text
}

/// Formatting keeps the tree and every comment, and twice is once.
fn check_format(text: &str) {
    let once = format(text).unwrap();
    assert_eq!(tree(&once), tree(text), "the tree changed:\n{once}");
    assert_eq!(format(&once).unwrap(), once, "formatting again changed\n{once}");
    for mark in ["//", "/*"] {
        assert_eq!(once.matches(mark).count(), text.matches(mark).count(), "`{mark}` in\n{once}");
    }
    assert!(once.lines().all(|line| line.trim_end() == line || text.contains("\"\"\"")), "{once}");
}

#[test]
fn every_example_is_formatted_to_the_same_tree() {
    for text in EXAMPLES {
        check_format(text);
    }
}

#[test]
fn every_word_may_stand_on_its_own_line_or_all_on_one() {
    for text in EXAMPLES {
        for gap in
            ["\n", " ", "\t", "\r\n", " /* c */ ", " // c\n", " /* /* nested */ // */\n\n", " //// c\n"]
        {
            let relaid = relaid(text, |_| gap);
            assert_eq!(tree(&relaid), tree(text), "with {gap:?}");
        }
    }
}

#[test]
fn formatting_does_not_depend_on_the_layout_before() {
    for text in EXAMPLES {
        let one_line = format(&relaid(text, |_| " ")).unwrap();
        let many_lines = format(&relaid(text, |_| "\n")).unwrap();
        assert_eq!(one_line, many_lines);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mixture_of_blanks_and_comments_is_formatted_to_the_same_tree(
        example in 0..EXAMPLES.len(),
        gaps in prop::collection::vec(
            prop::sample::select(vec![
                " ", " ", " ", " ", " ", " ", "\n", "\n\n\n", " /* c */ ", " // c\n", "\n// own\n", "\n\n/* a\n b */\n",
            ]),
            64..256,
        ),
    ) {
        let relaid = relaid(EXAMPLES[example], |index| gaps[index % gaps.len()]);
        prop_assert_eq!(tree(&relaid), tree(EXAMPLES[example]));
        check_format(&relaid);
    }
}
