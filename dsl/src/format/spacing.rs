//! Whether a blank stands between two leaves of a line.

use crate::parse::grammar::Rule;

/// Whether a blank stands between leaves of these rules when they follow each other.
pub(super) fn blank_between(left: Rule, right: Rule) -> bool {
    let opens = matches!(
        left,
        Rule::open_paren
            | Rule::open_bracket
            | Rule::open_index
            | Rule::open_angle
            | Rule::open_set
            | Rule::sel_some
            | Rule::at_sign
            | Rule::neg
            | Rule::dot
    );
    let closes = matches!(
        right,
        Rule::close_paren
            | Rule::close_bracket
            | Rule::close_angle
            | Rule::close_set
            | Rule::comma
            | Rule::colon
            | Rule::dot
            | Rule::optional_mark
            | Rule::open_index
            | Rule::open_angle
    );
    let called = right == Rule::open_paren && takes_arguments(left);
    let empty = matches!(
        (left, right),
        (Rule::open_brace, Rule::close_brace) | (Rule::open_block, Rule::close_block)
    );
    !(opens || closes || called || empty)
}

/// Whether a `(` behind it holds its arguments.
fn takes_arguments(left: Rule) -> bool {
    matches!(
        left,
        Rule::callee
            | Rule::ident
            | Rule::tident
            | Rule::path
            | Rule::window_fn
            | Rule::kw_decimal
            | Rule::kw_enum
    )
}

/// Whether a comma before it is a trailing one.
pub(super) fn ends_list(rule: Rule) -> bool {
    matches!(rule, Rule::close_paren | Rule::close_bracket | Rule::close_brace | Rule::close_set)
}

/// Whether the formatter takes its text as one word, whatever it is made of.
pub(super) fn is_word(rule: Rule) -> bool {
    matches!(rule, Rule::path | Rule::qname | Rule::sel_all | Rule::sel_some | Rule::sel_one)
}
