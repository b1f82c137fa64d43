//! What is said about each syntax mistake, as the author reads it.

use feat_dsl::render::{Color, render};
use feat_dsl::{parse, source_map::SourceMap};
use insta::assert_snapshot;

/// The one place that knows how to run the parser: text in, what the author reads out.
fn report(text: &str) -> String {
    let mut sources = SourceMap::new();
    let file = sources.add("spend.feat", text);
    let (_, diagnostics) = parse(file, text);
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.code.0 == "FEAT000"));
    render(&diagnostics, &sources, Color::Never)
}

#[test]
fn one_equals_sign_does_not_compare() {
    assert_snapshot!(report("features f of user from s {\n  n = count() where amount = 3 over 7d\n}\n"), @r#"
    error[FEAT000]: `=` defines a name; it does not compare
     --> spend.feat:2:28
      |
    2 |   n = count() where amount = 3 over 7d
      |                            ^ use `==`
      |
      = help: write `==`
    "#);
}

#[test]
fn logic_is_written_with_words() {
    assert_snapshot!(report("features f of user from s {\n  n = count() where a && b over 7d\n  m = count() where !a or (b || c) over 7d\n}\n"), @r#"
    error[FEAT000]: logic is written with words
     --> spend.feat:2:23
      |
    2 |   n = count() where a && b over 7d
      |                       ^^ use `and`
      |
      = help: `and`, `or`, `not`

    error[FEAT000]: logic is written with words
     --> spend.feat:3:21
      |
    3 |   m = count() where !a or (b || c) over 7d
      |                     ^ use `not`
      |
      = help: `and`, `or`, `not`
    "#);
}

#[test]
fn strings_use_double_quotes() {
    assert_snapshot!(report("features f of user from s {\n  n = count() where kind == 'x' over 7d\n}\n"), @r#"
    error[FEAT000]: strings use double quotes
     --> spend.feat:2:29
      |
    2 |   n = count() where kind == 'x' over 7d
      |                             ^^^ single quotes
      |
      = help: write `"x"`
    "#);
}

#[test]
fn count_takes_no_star() {
    assert_snapshot!(report("features f of user from s {\n  n = count(*) over 7d\n}\n"), @r#"
    error[FEAT000]: `count(*)` is written `count()`
     --> spend.feat:2:13
      |
    2 |   n = count(*) over 7d
      |             ^ no `*` here
    "#);
}

#[test]
fn the_filter_comes_before_the_window() {
    assert_snapshot!(report("features f of user from s {\n  n = count() over 7d where x\n}\n"), @r#"
    error[FEAT000]: the filter comes before the window
     --> spend.feat:2:23
      |
    2 |   n = count() over 7d where x
      |                       ^^^^^ too late
      |
      = help: the order is `agg(…) where … by … over …`
    "#);
}

#[test]
fn the_bucket_comes_before_the_window() {
    assert_snapshot!(report("features f of user from s {\n  n = count() over 7d by kind\n}\n"), @r#"
    error[FEAT000]: the bucket comes before the window
     --> spend.feat:2:23
      |
    2 |   n = count() over 7d by kind
      |                       ^^ too late
      |
      = help: the order is `agg(…) where … by … over …`
    "#);
}

#[test]
fn units_stand_without_a_space() {
    assert_snapshot!(report("features f of user from s {\n  n = count() over 7 days\n  ttl 30 d\n  m = count() over 5min\n}\n"), @r#"
    error[FEAT000]: a unit is one of `us`, `ms`, `s`, `m`, `h`, `d`, `w`, without a space
     --> spend.feat:2:20
      |
    2 |   n = count() over 7 days
      |                    ^^^^^^ not a duration
      |
      = help: write `7d`

    error[FEAT000]: a unit is one of `us`, `ms`, `s`, `m`, `h`, `d`, `w`, without a space
     --> spend.feat:3:7
      |
    3 |   ttl 30 d
      |       ^^^^ not a duration
      |
      = help: write `30d`

    error[FEAT000]: a unit is one of `us`, `ms`, `s`, `m`, `h`, `d`, `w`, without a space
     --> spend.feat:4:20
      |
    4 |   m = count() over 5min
      |                    ^^^^ not a duration
      |
      = help: write `5m`
    "#);
}

#[test]
fn months_have_no_fixed_length() {
    assert_snapshot!(report("features f of user from s {\n  n = count() over 1mo\n  m = count() over 2 years\n}\n"), @r#"
    error[FEAT000]: months and years have no fixed length
     --> spend.feat:2:20
      |
    2 |   n = count() over 1mo
      |                    ^^^ not a duration
      |
      = help: write days, such as `30d`, or a window `calendar("month", tz: "…")`

    error[FEAT000]: months and years have no fixed length
     --> spend.feat:3:20
      |
    3 |   m = count() over 2 years
      |                    ^^^^^^^ not a duration
      |
      = help: write days, such as `30d`, or a window `calendar("year", tz: "…")`
    "#);
}

#[test]
fn keywords_are_lower_case() {
    assert_snapshot!(report("features f of user from s {\n  n = count() OVER 7d\n  m = count() where a AND b over 7d\n}\n"), @r#"
    error[FEAT000]: `OVER` must be lower case
     --> spend.feat:2:15
      |
    2 |   n = count() OVER 7d
      |               ^^^^ a keyword
      |
      = help: write `over`

    error[FEAT000]: `AND` must be lower case
     --> spend.feat:3:23
      |
    3 |   m = count() where a AND b over 7d
      |                       ^^^ a keyword
      |
      = help: write `and`
    "#);
}

#[test]
fn reserved_words_are_no_names() {
    assert_snapshot!(report("features f of user from s {\n  where = count() over 7d\n}\n"), @r#"
    error[FEAT000]: `where` is a reserved word
     --> spend.feat:2:3
      |
    2 |   where = count() over 7d
      |   ^^^^^ not a name
      |
      = help: quote it, `` `where` ``, or choose another name
    "#);
}

#[test]
fn a_timestamp_needs_a_zone() {
    assert_snapshot!(report("source s: events {\n  a: int\n  since 2025-01-01T00:00:00\n}\n"), @r#"
    error[FEAT000]: a timestamp needs a zone
     --> spend.feat:3:9
      |
    3 |   since 2025-01-01T00:00:00
      |         ^^^^^^^^^^^^^^^^^^^ which clock?
      |
      = help: write `2025-01-01T00:00:00Z`, or an offset such as `2025-01-01T00:00:00+01:00`
    "#);
}

#[test]
fn a_timestamp_in_a_table_needs_a_zone() {
    assert_snapshot!(report("test \"t\" {\n  given s\n    | a | ts                  |\n    | 1 | 2025-01-01T00:00:00 |\n  expect f(1) at 2025-01-02T00:00:00Z { n == 1 }\n}\n"), @r#"
    error[FEAT000]: a timestamp needs a zone
     --> spend.feat:4:11
      |
    4 |     | 1 | 2025-01-01T00:00:00 |
      |           ^^^^^^^^^^^^^^^^^^^ which clock?
      |
      = help: write `2025-01-01T00:00:00Z`, or an offset such as `2025-01-01T00:00:00+01:00`
    "#);
}

#[test]
fn there_are_no_semicolons() {
    assert_snapshot!(report("let A = 1;\nlet B = 2\n"), @r#"
    error[FEAT000]: there are no semicolons
     --> spend.feat:1:10
      |
    1 | let A = 1;
      |          ^ not needed
      |
      = help: a statement ends where the next one starts
    "#);
}

#[test]
fn a_missing_brace_at_the_end_is_the_files() {
    assert_snapshot!(report("let A = 1\nfeatures f of user from s {\n  n = count() over 7d\n"), @r#"
    error[FEAT000]: the file ends too early
     --> spend.feat:3:22
      |
    3 |   n = count() over 7d
      |                      ^ expected `}`
    "#);
}

#[test]
fn a_missing_brace_ends_at_the_next_item() {
    assert_snapshot!(report("features f of user from s {\n  n = count() over 7d\n\nlet B = 2\n"), @r#"
    error[FEAT000]: the item ends too early
     --> spend.feat:2:22
      |
    2 |   n = count() over 7d
      |                      ^ expected `}`
    "#);
}

#[test]
fn documentation_of_nothing_is_a_mistake() {
    assert_snapshot!(report("features f of user from s {\n  n = count() over 7d\n  /// the number\n}\n"), @r#"
    error[FEAT000]: this `///` documents nothing
     --> spend.feat:3:3
      |
    3 |   /// the number
      |   ^^^^^^^^^^^^^^ nothing that takes documentation follows
      |
      = help: it stands above an item, a column or a feature; a remark is written `//`
    "#);
}

#[test]
fn documentation_of_a_setting_is_a_mistake() {
    assert_snapshot!(report("features f of user from s {\n  /// three\n  version 3\n}\n"), @r#"
    error[FEAT000]: this `///` documents nothing
     --> spend.feat:2:3
      |
    2 |   /// three
      |   ^^^^^^^^^ nothing that takes documentation follows
      |
      = help: it stands above an item, a column or a feature; a remark is written `//`
    "#);
}

#[test]
fn a_missing_of_is_named() {
    assert_snapshot!(report("features f user from s {\n}\n"), @r#"
    error[FEAT000]: expected `of`, found `user`
     --> spend.feat:1:12
      |
    1 | features f user from s {
      |            ^^^^ expected `of`
    "#);
}

#[test]
fn a_nearly_right_item_is_recognized() {
    assert_snapshot!(report("feature f of user from s {\n  n = count() over 7d\n}\n"), @r#"
    error[FEAT000]: expected an item such as `source` or `features`, found `feature`
     --> spend.feat:1:1
      |
    1 | feature f of user from s {
      | ^^^^^^^ expected an item such as `source` or `features`
      |
      = help: the item's keyword is `features`
    "#);
}

#[test]
fn an_open_string_ends_with_its_line() {
    assert_snapshot!(report("let A = \"abc\nlet B = 2\n"), @r#"
    error[FEAT000]: this string is not closed
     --> spend.feat:1:9
      |
    1 | let A = "abc
      |         ^^^^ no `"` on this line
      |
      = help: a string of several lines is written `"""…"""`
    "#);
}

#[test]
fn an_open_comment_is_found_where_it_starts() {
    assert_snapshot!(report("let A = 1 /* open\nlet B = 2\n"), @r#"
    error[FEAT000]: this comment is not closed
     --> spend.feat:1:11
      |
    1 | let A = 1 /* open
      |           ^^ no `*/` follows
    "#);
}

#[test]
fn impossible_dates_are_mistakes() {
    assert_snapshot!(report("let A = 2025-02-30\nlet B = 2025-13-01T00:00:00Z\nlet C = 2025-01-01T24:00:00Z\nlet D = 2025-01-01T00:00:00+19:00\n"), @r#"
    error[FEAT000]: there is no day `2025-02-30`
     --> spend.feat:1:9
      |
    1 | let A = 2025-02-30
      |         ^^^^^^^^^^ that month has 28 days

    error[FEAT000]: there is no month `13`
     --> spend.feat:2:9
      |
    2 | let B = 2025-13-01T00:00:00Z
      |         ^^^^^^^^^^^^^^^^^^^^ months go from 01 to 12

    error[FEAT000]: there is no time of day `24:00:00`
     --> spend.feat:3:9
      |
    3 | let C = 2025-01-01T24:00:00Z
      |         ^^^^^^^^^^^^^^^^^^^^ hours go to 23, minutes and seconds to 59

    error[FEAT000]: there is no offset `+19:00`
     --> spend.feat:4:9
      |
    4 | let D = 2025-01-01T00:00:00+19:00
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^ offsets go to 18:00
    "#);
}

#[test]
fn numbers_that_do_not_fit_are_mistakes() {
    assert_snapshot!(report("let A = 9223372036854775808\nlet B = 99999999999d\nlet C = 01\n"), @r#"
    error[FEAT000]: integer `9223372036854775808` is greater than the largest, `9223372036854775807`
     --> spend.feat:1:9
      |
    1 | let A = 9223372036854775808
      |         ^^^^^^^^^^^^^^^^^^^ does not fit 64 bits

    error[FEAT000]: duration `99999999999d` is greater than the largest, `106751991d`
     --> spend.feat:2:9
      |
    2 | let B = 99999999999d
      |         ^^^^^^^^^^^^ does not fit 64 bits

    error[FEAT000]: an integer has no leading zeros
     --> spend.feat:3:9
      |
    3 | let C = 01
      |         ^^ starts with `0`
      |
      = help: write `1`
    "#);
}

#[test]
fn unknown_escapes_are_mistakes() {
    assert_snapshot!(report("let A = \"a\\qb\"\nlet B = \"\\u{110000}\"\n"), @r#"
    error[FEAT000]: there is no escape `\q`
     --> spend.feat:1:11
      |
    1 | let A = "a\qb"
      |           ^^ not an escape
      |
      = help: escapes are `\n`, `\t`, `\"`, `\\`, `\u{…}`; `r"…"` takes every character as it is

    error[FEAT000]: there is no escape `\u{110000}`
     --> spend.feat:2:10
      |
    2 | let B = "\u{110000}"
      |          ^^^^^^^^^^ not an escape
      |
      = help: escapes are `\n`, `\t`, `\"`, `\\`, `\u{…}`; `r"…"` takes every character as it is
    "#);
}

#[test]
fn comparisons_do_not_chain() {
    assert_snapshot!(report("let A = a < b < c\n"), @r#"
    error[FEAT000]: comparisons do not chain
     --> spend.feat:1:15
      |
    1 | let A = a < b < c
      |           -   ^ a second comparison
      |           |
      |           the first
      |
      = help: join them with `and`, or put one of them in parentheses
    "#);
}

#[test]
fn a_pinned_feature_is_a_mistake() {
    assert_snapshot!(report("service s of e {\n  g.a@2\n  p@1.g.a\n}\n"), @r#"
    error[FEAT000]: only a group has a version to pin
     --> spend.feat:2:5
      |
    2 |   g.a@2
      |     ^^^
      |
      = help: write `@2` behind the group's name

    error[FEAT000]: only a group has a version to pin
     --> spend.feat:3:3
      |
    3 |   p@1.g.a
      |   ^^^
      |
      = help: write `@1` behind the group's name
    "#);
}

#[test]
fn several_mistakes_of_a_file_are_all_said() {
    assert_snapshot!(report("let A = = 1\n\nfeatures f of user from s {\n  n = sum(a over 7d\n  good = count() over 7d\n  m = count() where a && b over 7d\n}\n\nsource s: evnts {\n  a: int\n}\n\nentity e(id: int)\n"), @r#"
    error[FEAT000]: expected an expression, found `=`
     --> spend.feat:1:9
      |
    1 | let A = = 1
      |         ^ expected an expression

    error[FEAT000]: expected `,` or `)`, found `over`
     --> spend.feat:4:13
      |
    4 |   n = sum(a over 7d
      |             ^^^^ expected `,` or `)`

    error[FEAT000]: logic is written with words
     --> spend.feat:6:23
      |
    6 |   m = count() where a && b over 7d
      |                       ^^ use `and`
      |
      = help: `and`, `or`, `not`

    error[FEAT000]: expected `events`, `table`, `static` or `request`, found `evnts`
     --> spend.feat:9:11
      |
    9 | source s: evnts {
      |           ^^^^^ expected `events`, `table`, `static` or `request`
    "#);
}

#[test]
fn a_package_stands_first() {
    assert_snapshot!(report("let A = 1\npackage a.b\nimport c.d\n"), @r#"
    error[FEAT000]: `package` stands once, first in the file
     --> spend.feat:2:9
      |
    2 | package a.b
      |         ^^^

    error[FEAT000]: an `import` stands above the first item
     --> spend.feat:3:1
      |
    3 | import c.d
      | ^^^^^^^^^^
    "#);
}

#[test]
fn a_brace_too_many_closes_nothing() {
    assert_snapshot!(report("features f of user from s {\n  n = count() over 7d\n}\n}\n"), @r#"
    error[FEAT000]: this `}` closes nothing
     --> spend.feat:4:1
      |
    4 | }
      | ^ nothing is open
    "#);
}

#[test]
fn missing_punctuation_is_named_where_it_is_missing() {
    assert_snapshot!(report("source s: events {\n  a: list<int\n  b  string\n}\nservice t of e { g.{a b} }\n"), @r#"
    error[FEAT000]: expected `>`, found `b`
     --> spend.feat:3:3
      |
    3 |   b  string
      |   ^ expected `>`

    error[FEAT000]: expected `:`, found `string`
     --> spend.feat:3:6
      |
    3 |   b  string
      |      ^^^^^^ expected `:`

    error[FEAT000]: expected `,` or `}`, found `b`
     --> spend.feat:5:23
      |
    5 | service t of e { g.{a b} }
      |                       ^ expected `,` or `}`
    "#);
}

#[test]
fn a_file_of_another_language_is_one_mistake() {
    assert_snapshot!(report("SELECT * FROM t\nWHERE x\n"), @r#"
    error[FEAT000]: expected an item such as `source` or `features`, found `SELECT`
     --> spend.feat:1:1
      |
    1 | SELECT * FROM t
      | ^^^^^^ expected an item such as `source` or `features`
    "#);
}
