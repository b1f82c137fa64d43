//! The grammar's rules in the author's words: the one table from [`Rule`] to text.

use super::grammar::Rule;
use std::borrow::Cow;

/// A rule in the author's words; `None` for what may always go on, such as one more operator.
pub(super) fn describe(rule: Rule) -> Option<Cow<'static, str>> {
    let words = match rule {
        Rule::EOI => "the end of the file",
        Rule::file | Rule::item | Rule::package | Rule::import => "an item such as `source` or `features`",
        Rule::ident | Rule::tident | Rule::qname | Rule::path | Rule::callee | Rule::arg_name => "a name",
        Rule::expr | Rule::operand | Rule::sum | Rule::row_expr | Rule::row_operand | Rule::row_sum => {
            "an expression"
        }
        Rule::literal | Rule::assert_value | Rule::attr_value | Rule::pattern | Rule::cell => "a value",
        Rule::type_expr => "a type such as `int` or `list<string>`",
        Rule::duration | Rule::length => "a duration such as `10m`",
        Rule::window | Rule::window_list => "a window such as `7d`, `[1d, 7d]` or `all`",
        Rule::window_item => "a window such as `7d`",
        Rule::timestamp => "an instant such as `2025-01-01T00:00:00Z`",
        Rule::date => "a date such as `2025-01-01`",
        Rule::clock => "a time of day such as `02:00`",
        Rule::percent | Rule::share => "a share such as `10%`",
        Rule::int => "an integer",
        Rule::string => "a string in double quotes",
        Rule::source_kind => "`events`, `table`, `static` or `request`",
        Rule::action => "`warn`, `drop`, `quarantine` or `fail`",
        Rule::call | Rule::agg_call | Rule::origin => "a call such as `csv(\"…\")`",
        Rule::of_entity | Rule::of_list => "an entity",
        Rule::key_column => "a key column such as `user_id: string`",
        Rule::column => "a column such as `amount: float`",
        Rule::feature_def => "a feature such as `n = count() over 7d`",
        Rule::setting_value | Rule::schedule => "the setting's value",
        Rule::select => "a selection such as `group.*`",
        Rule::assertion => "an assertion such as `n == 1`",
        Rule::assert_op => "`==`, `!=`, `~=` or another comparison",
        Rule::test_expect => "`expect group(key) at …`",
        Rule::table_row | Rule::table_data => "a row such as `| a | b |`",
        Rule::match_arm => "an arm such as `1 => 2`",
        Rule::param => "a parameter such as `x: float`",
        Rule::params | Rule::args | Rule::open_paren | Rule::paren => "`(`",
        Rule::close_paren => "`)`",
        Rule::open_bracket => "`[`",
        Rule::close_bracket => "`]`",
        Rule::open_angle => "`<`",
        Rule::close_angle => "`>`",
        Rule::open_block | Rule::open_brace | Rule::open_set | Rule::inputs => "`{`",
        Rule::close_block | Rule::close_brace | Rule::close_set => "`}`",
        Rule::equals => "`=`",
        Rule::colon => "`:`",
        Rule::comma => "`,`",
        Rule::bar => "`|`",
        Rule::arrow => "`->`",
        Rule::fat_arrow => "`=>`",
        Rule::same => "`==`",
        // The rules of the other keywords are their words.
        _ => {
            let name = format!("{rule:?}");
            return name.strip_prefix("kw_").map(|word| Cow::Owned(format!("`{word}`")));
        }
    };
    Some(Cow::Borrowed(words))
}

/// Whether `rule` only continues what could as well be complete: said only where nothing else fits.
pub(super) fn goes_on(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::binary_op
            | Rule::sum_op
            | Rule::member_op
            | Rule::is_null
            | Rule::between
            | Rule::row_between
            | Rule::suffix
            | Rule::field
            | Rule::index
            | Rule::cast
            | Rule::attr
            | Rule::doc
            | Rule::optional_mark
            | Rule::neg
            | Rule::agg_where
            | Rule::agg_by
            | Rule::over
            | Rule::next
            | Rule::every
            | Rule::offset
            | Rule::along
            | Rule::kw_not
            | Rule::kw_and
            | Rule::kw_or
            | Rule::kw_as
            | Rule::kw_is
            | Rule::kw_in
            | Rule::kw_like
            | Rule::kw_matches
            | Rule::kw_between
            | Rule::kw_where
            | Rule::kw_by
            | Rule::kw_over
            | Rule::kw_next
            | Rule::kw_every
            | Rule::kw_offset
            | Rule::kw_along
            | Rule::kw_limit
            | Rule::kw_within
            | Rule::kw_after
            | Rule::kw_wait
            | Rule::kw_except
            | Rule::kw_else
            | Rule::kw_for
            | Rule::kw_expect
            | Rule::kw_keep
            | Rule::kw_given
            | Rule::kw_join
            | Rule::kw_with
            | Rule::at_sign
            | Rule::dot
            | Rule::open_paren
            | Rule::open_index
            | Rule::args
            | Rule::fat_arrow
            | Rule::file
            | Rule::import
            | Rule::package
            | Rule::module_doc
            | Rule::filter
            | Rule::join
            | Rule::setting
            | Rule::keep
            | Rule::expect
            | Rule::member_loop
    )
}
