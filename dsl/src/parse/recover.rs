//! Texts that are not sound: what can still be read, and one diagnostic for each mistake.
//!
//! The text is cut where a line starts in column 0 with what can only start an item, and each piece
//! is read alone. Inside a broken piece the line at fault is blanked out and the piece is read again,
//! for the mistakes behind it; the piece's items are left out all the same.

use super::grammar::{Grammar, Rule};
use super::item::name_of;
use super::message;
use super::node::{Builder, Node, too_deep};
use crate::ast::File;
use pest::Parser;
use pest::error::{Error, ErrorVariant, InputLocation};

/// A piece with more mistakes than this is of another language; the first ones say so.
const MAX_MISTAKES_OF_A_PIECE: usize = 8;

/// Reads each piece of `text` alone.
pub(super) fn pieces(builder: &mut Builder, text: &str, tree: &mut File) {
    let chunks: Vec<(usize, &str)> = match Grammar::parse(Rule::chunks, text) {
        Ok(pairs) => pairs
            .flat_map(Node::into_inner)
            .filter(|node| node.as_rule() == Rule::chunk)
            .map(|node| (node.as_span().start(), node.as_str()))
            .collect(),
        // Only comments nested beyond the stack get here.
        Err(_) => vec![(0, text)],
    };
    let end = chunks.last().map_or(0, |(base, _)| *base);
    for (base, chunk) in chunks {
        builder.base = base;
        match Grammar::parse(Rule::file, chunk) {
            Ok(pairs) => build(builder, pairs, tree),
            Err(error) => broken(builder, chunk, &error, base == end, tree),
        }
    }
}

fn build(builder: &mut Builder, pairs: pest::iterators::Pairs<Rule>, tree: &mut File) {
    for node in pairs.flat_map(Node::into_inner) {
        builder.top(&node, tree);
    }
}

/// Reports the mistakes of one piece; keeps its items only if what is wrong stands behind them.
fn broken(builder: &mut Builder, text: &str, first: &Error<Rule>, is_last: bool, tree: &mut File) {
    let (mut at, mut expected) = failure(first);
    tree.broken.extend(name_of(text));
    if matches!(&first.variant, ErrorVariant::CustomError { .. }) {
        let span = builder.at(at, at + text[at..].chars().next().map_or(0, char::len_utf8));
        builder.report(too_deep(span));
        return;
    }
    if text[at..].starts_with(['}', ')', ']', ';'])
        && let Ok(pairs) = Grammar::parse(Rule::file, &text[..at])
    {
        build(builder, pairs, tree);
    }
    let before = builder.diagnostics.len();
    let mut scratch = text.to_owned();
    // The line on which a mistake would be the rest of the last one.
    let mut spoilt = None;
    for mistake in 0..MAX_MISTAKES_OF_A_PIECE {
        let closes = mistake > 0 && text[at..].starts_with(['}', ')', ']']);
        if spoilt != Some(line_start(text, at)) && !closes {
            let mistake = message::explain(builder, text, at, &expected, is_last);
            // What stands before the place is sometimes said twice.
            if !builder.diagnostics[before..].contains(&mistake) {
                builder.report(mistake);
            }
        }
        // Outside of items every further word would be a mistake.
        if expected.iter().any(|rule| matches!(rule, Rule::EOI | Rule::file)) {
            return;
        }
        spoilt = match blank(&mut scratch, at, &expected) {
            Blanked::Line => None,
            Blanked::PartOfMore { next_line } => Some(next_line),
            Blanked::Nothing => return,
        };
        match Grammar::parse(Rule::file, &scratch) {
            Ok(pairs) => return build(builder, pairs, &mut File::default()),
            Err(error) => {
                let (next, rules) = failure(&error);
                if next <= at || matches!(error.variant, ErrorVariant::CustomError { .. }) {
                    return;
                }
                (at, expected) = (next, rules);
            }
        }
    }
}

fn failure(error: &Error<Rule>) -> (usize, Vec<Rule>) {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => (at, positives.clone()),
        ErrorVariant::CustomError { .. } => (at, Vec::new()),
    }
}

/// What [`blank`] did.
enum Blanked {
    /// A line that stood for itself.
    Line,
    /// A line with open brackets: a mistake on the next one would only be the rest of this one.
    PartOfMore { next_line: usize },
    /// Nothing: the line starts an item, or its braces belong to other lines.
    Nothing,
}

/// Blanks out the line at fault.
fn blank(scratch: &mut String, at: usize, expected: &[Rule]) -> Blanked {
    let mut from = line_start(scratch, at);
    let ends_a_line = scratch[from..at].trim().is_empty();
    let may_start = expected.iter().any(|rule| matches!(rule, Rule::close_block | Rule::EOI));
    if ends_a_line && !may_start {
        // What is missing is missing from the line before.
        from = line_start(scratch, scratch[..from].trim_end().len());
    }
    let to = scratch[from..].find('\n').map_or(scratch.len(), |length| from + length);
    let line = &scratch[from..to];
    let count = |character| line.matches(character).count();
    if !line.starts_with([' ', '\t']) || line.trim().is_empty() || count('{') != count('}') {
        return Blanked::Nothing;
    }
    let closed = count('(') == count(')') && count('[') == count(']');
    scratch.replace_range(from..to, &" ".repeat(to - from));
    if closed { Blanked::Line } else { Blanked::PartOfMore { next_line: to + 1 } }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}
