//! What the author reads about a syntax mistake.
//!
//! pest knows where the text stopped making sense and which rules could have gone on there. The
//! words around that place often show what was meant: [`HINTS`] is the table from such places to
//! sentences. Where none fits, the sentence is made of rules that are [`describe`]d.

use super::describe::{describe, goes_on};
use super::grammar::Rule;
use super::hint::HINTS;
use super::node::{Builder, syntax};
use crate::diagnostic::Diagnostic;
use std::borrow::Cow;

/// Where the text stopped making sense.
pub(super) struct Stop<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) expected: &'t [Rule],
}

/// What is said about a range of the text.
pub(super) struct Said {
    range: (usize, usize),
    message: String,
    label: String,
    help: Option<String>,
    fix: Option<String>,
}

impl Said {
    pub(super) fn new(range: (usize, usize), message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { range, message: message.into(), label: label.into(), help: None, fix: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// What to write instead of the range.
    pub(super) fn fix(self, text: impl Into<String>) -> Self {
        Self { fix: Some(text.into()), ..self }
    }
}

/// The diagnostic for the place `at` of `text`, where one of `expected` could have stood.
///
/// `is_last` says that no piece of the file follows.
pub(super) fn explain(
    builder: &Builder,
    text: &str,
    at: usize,
    expected: &[Rule],
    is_last: bool,
) -> Diagnostic {
    let stop = Stop { text, at, expected };
    let said = HINTS
        .iter()
        .find_map(|hint| hint(&stop))
        .or_else(|| stop.ends_early(is_last))
        .unwrap_or_else(|| stop.generic());
    let span = builder.at(said.range.0, said.range.1);
    let mut diagnostic = syntax(span, said.message).label(said.label);
    diagnostic.help = said.help;
    if let Some(text) = said.fix {
        diagnostic = diagnostic.fix(span, text);
    }
    diagnostic
}

impl Stop<'_> {
    pub(super) fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    pub(super) fn starts(&self, prefix: &str) -> bool {
        self.rest().starts_with(prefix)
    }

    pub(super) fn expects(&self, rule: Rule) -> bool {
        self.expected.contains(&rule)
    }

    /// The range of the next `length` bytes.
    pub(super) fn next(&self, length: usize) -> (usize, usize) {
        (self.at, self.at + length)
    }

    /// The word, number or sign that stands here.
    fn token(&self) -> &str {
        let word = word_at_start(self.rest());
        if word.is_empty() { first_character(self.rest()) } else { word }
    }

    /// The word before this place on blanks, and where it starts.
    pub(super) fn word_before(&self) -> (usize, &str) {
        let before = self.text[..self.at].trim_end();
        let start = before.rfind(|c: char| !is_word(c)).map_or(0, |at| at + character_length(before, at));
        (start, &before[start..])
    }

    /// The statement so far: back to its line's start, or further where the line continues another.
    pub(super) fn statement(&self) -> &str {
        let before = &self.text[..self.at];
        let start = before.rmatch_indices(['=', '{', '}']).map(|(at, _)| at).find(|at| {
            !before[..*at].ends_with(['=', '!', '<', '>', '~']) && !before[at + 1..].starts_with(['=', '>'])
        });
        &before[start.unwrap_or(0)..]
    }

    fn ends_early(&self, is_last: bool) -> Option<Said> {
        if !self.rest().trim().is_empty() {
            return None;
        }
        let end = self.text[..self.at].trim_end().len();
        let closer = self.expected.iter().copied().find(|rule| CLOSERS.contains(rule));
        let missing = closer.and_then(describe).unwrap_or_else(|| self.expectation().into());
        let message = if is_last { "the file ends too early" } else { "the item ends too early" };
        Some(Said::new((end, end), message, format!("expected {missing}")))
    }

    fn generic(&self) -> Said {
        let (expectation, token) = (self.expectation(), self.token());
        let label = format!("expected {expectation}");
        let message = format!("{label}, found `{token}`");
        let meant = ITEM_SLIPS.iter().find(|(slip, _)| *slip == token && self.expects_item());
        let help = meant.map(|(_, meant)| format!("the item's keyword is `{meant}`"));
        Said { range: self.next(token.len()), message, label, help, fix: None }
    }

    fn expects_item(&self) -> bool {
        [Rule::file, Rule::item, Rule::EOI].iter().any(|rule| self.expects(*rule))
    }

    /// What could have stood here, in words.
    fn expectation(&self) -> String {
        // Inside a list, a colon would only make the word before it a name.
        let listed = self.expects(Rule::comma);
        let says = |rule: &Rule| !(goes_on(*rule) || listed && *rule == Rule::colon);
        let strong: Vec<Rule> = self.expected.iter().copied().filter(says).collect();
        let rules = if strong.is_empty() { self.expected } else { &strong };
        let mut words: Vec<Cow<str>> = Vec::new();
        for word in rules.iter().filter_map(|rule| describe(*rule)) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        match words.split_last() {
            None => "an operator or the end of the expression".to_owned(),
            Some((last, [])) => last.to_string(),
            Some((last, before)) => format!("{} or {last}", before.join(", ")),
        }
    }
}

/// What ends something that was opened.
const CLOSERS: [Rule; 6] = [
    Rule::close_block,
    Rule::close_paren,
    Rule::close_bracket,
    Rule::close_brace,
    Rule::close_set,
    Rule::close_angle,
];

/// The words that the grammar's `reserved` lists.
const RESERVED: [&str; 23] = [
    "and", "or", "not", "in", "is", "between", "like", "matches", "if", "then", "else", "match", "where",
    "by", "over", "as_of", "as", "for", "true", "false", "null", "struct", "map",
];

/// Whether `word` must be quoted to be a name.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// Words that are nearly an item's keyword.
const ITEM_SLIPS: [(&str, &str); 10] = [
    ("feature", "features"),
    ("label", "labels"),
    ("derive", "derived"),
    ("sources", "source"),
    ("entities", "entity"),
    ("services", "service"),
    ("datasets", "dataset"),
    ("tests", "test"),
    ("const", "let"),
    ("def", "fn"),
];

pub(super) fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

pub(super) fn word_at_start(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

pub(super) fn first_character(text: &str) -> &str {
    &text[..text.chars().next().map_or(0, char::len_utf8)]
}

pub(super) fn character_length(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::super::grammar::Grammar;
    use super::*;
    use pest::Parser;

    #[test]
    fn the_reserved_words_are_the_grammars() {
        let grammar = include_str!("../../grammar.pest");
        let rule = grammar.split("\nreserved ").nth(1).unwrap().split('~').next().unwrap();
        assert_eq!(rule.matches('"').count() / 2, RESERVED.len());
        for word in RESERVED {
            assert!(Grammar::parse(Rule::reserved, word).is_ok(), "{word}");
            assert!(Grammar::parse(Rule::ident, word).is_err(), "{word}");
        }
    }
}
