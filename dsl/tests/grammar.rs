//! What the grammar must get right, each lesson with its test.

use feat_dsl::ast::{
    BinaryOp, Cell, Expr, ExprKind, FeatureMember, File, Item, ItemKind, Literal, NamePart, SelectWhich,
    ServiceMember, SourceMember, TypeKind, WindowClause,
};
use feat_dsl::span::FileId;
use feat_dsl::{format, parse};

fn file(text: &str) -> File {
    let (file, diagnostics) = parse(FileId(0), text);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}\nin\n{text}");
    file
}

fn item(text: &str) -> ItemKind {
    let mut items = file(text).items;
    assert_eq!(items.len(), 1);
    items.remove(0).kind
}

fn value(text: &str) -> Expr {
    let ItemKind::Let(decl) = item(&format!("let X = {text}")) else { panic!("not a let") };
    decl.value
}

fn literal(text: &str) -> Literal {
    let ExprKind::Literal(literal) = *value(text).kind else { panic!("not a literal: {text}") };
    literal
}

fn members(body: &str) -> Vec<FeatureMember> {
    let ItemKind::Features(group) = item(&format!("features f of e from s {{\n{body}\n}}")) else {
        panic!("not a group")
    };
    group.members
}

/// The text with every group in parentheses, to see the precedence.
fn grouped(text: &str) -> String {
    fn show(expr: &Expr) -> String {
        match &*expr.kind {
            ExprKind::Binary(op, a, b) => format!("({} {:?} {})", show(a), op.node, show(b)),
            ExprKind::Not(a) => format!("(not {})", show(a)),
            ExprKind::Neg(a) => format!("(-{})", show(a)),
            ExprKind::IsNull(a, not) => {
                format!("({} {})", show(a), if *not { "is not null" } else { "is null" })
            }
            ExprKind::Between(a, b, c, _) => format!("({} between {} and {})", show(a), show(b), show(c)),
            ExprKind::Cast(a, _) => format!("({} as)", show(a)),
            _ => format::expr(expr),
        }
    }
    show(&value(text))
}

#[test]
fn a_slash_does_not_take_the_start_of_documentation() {
    let members = members("a = count() over 1d\n/// doc\nb = x / y // remark\nc = x /* remark */ / y");
    assert_eq!(members.len(), 3);
    let FeatureMember::Feature(b) = &members[1] else { panic!("not a feature") };
    assert_eq!(b.docs, ["doc"]);
}

#[test]
fn keywords_end_where_words_end() {
    let ItemKind::Let(decl) = item("let notes = android + inner") else { panic!("not a let") };
    assert_eq!(format::expr(&decl.value), "android + inner");
    assert_eq!(grouped("nothing and orange"), "(nothing And orange)");
    assert_eq!(grouped("not (a)"), "(not a)");
}

#[test]
fn the_filter_behind_a_connector_is_the_sources() {
    let text = "source s: events from sessions(a, by: b, gap: 30m) where c > 1 { x: int }";
    let ItemKind::Source(source) = item(text) else { panic!("not a source") };
    assert!(source.filter.is_some());
}

#[test]
fn the_window_behind_a_filter_with_a_call_is_the_aggregates() {
    for filter in [
        "starts_with(a, \"x\")",
        "not f(x) == g(y)",
        "if f(x) then g(x) else h(x)",
        "x between f(a) and g(b)",
    ] {
        let ExprKind::Call(_, Some(suffix)) = *value(&format!("count() where {filter} over 7d")).kind else {
            panic!("no suffix")
        };
        assert!(matches!(suffix.window, Some(WindowClause::Over(_))), "{filter}");
        assert_eq!(suffix.filter.map(|filter| format::expr(&filter)).as_deref(), Some(filter));
    }
    let ExprKind::Call(_, Some(suffix)) = *value("count() by bucketize(x, [1, 2]) over 7d").kind else {
        panic!("no suffix")
    };
    assert!(suffix.window.is_some());
}

#[test]
fn selections_are_not_taken_for_holes() {
    let text =
        "service s of e { g.{a} h@2.{a, b} p.i.* except {x} j.c as d @allow_pii(\"why\") k.\u{0020}l }";
    let (_, diagnostics) = parse(FileId(0), text);
    assert_eq!(diagnostics.len(), 1, "a blank inside a selection");
    let ItemKind::Service(service) = item(&text.replace(" k. l", "")) else { panic!("not a service") };
    let selects: Vec<_> = service
        .members
        .iter()
        .map(|member| match member {
            ServiceMember::Select(select) => select,
            ServiceMember::Setting(_) => panic!("not a selection"),
        })
        .collect();
    assert_eq!(selects.len(), 4);
    assert!(matches!(&selects[0].which, SelectWhich::Some(names) if names.len() == 1));
    assert_eq!(selects[1].version, Some(2));
    assert_eq!(selects[2].group.segments.len(), 2);
    assert!(matches!(&selects[2].which, SelectWhich::All(except) if except.len() == 1));
    assert!(matches!(&selects[3].which, SelectWhich::One(c, Some(d)) if c.node == "c" && d.node == "d"));
    assert_eq!(selects[3].attrs.len(), 1);
}

#[test]
fn spans_end_with_the_last_word() {
    let text = "let A = f(x) // remark\n\n/* more */ let B = 1  \n";
    let items = file(text).items;
    let written = |item: &Item| &text[item.span.0.start as usize..item.span.0.end as usize];
    assert_eq!(written(&items[0]), "let A = f(x)");
    assert_eq!(written(&items[1]), "let B = 1");
    let ItemKind::Let(decl) = &items[0].kind else { panic!("not a let") };
    assert_eq!((decl.value.span.0.start, decl.value.span.0.end), (8, 12));
}

#[test]
fn attributes_trail_members_and_lead_items() {
    let text = "@owner(\"a\") source s: events { a: int @unit(\"x\")\n b: int } @tags(\"t\", [1, x.y], k: 2) let A = 1";
    let items = file(text).items;
    let ItemKind::Source(source) = &items[0].kind else { panic!("not a source") };
    let [SourceMember::Column(a), SourceMember::Column(b)] = &*source.members else {
        panic!("not two columns")
    };
    assert_eq!(
        (a.attrs.len(), b.attrs.len(), items[0].attrs.len(), items[1].attrs[0].args.len()),
        (1, 0, 1, 3)
    );
}

#[test]
fn defaults_cover_everything_to_their_left_up_to_logic() {
    assert_eq!(grouped("amount > limit ?? true"), "((amount Gt limit) Coalesce true)");
    assert_eq!(grouped("a / b ?? 0.0"), "((a Div b) Coalesce 0.0)");
    assert_eq!(grouped("not a ?? b and c"), "((not (a Coalesce b)) And c)");
    assert_eq!(grouped("a ?? b ?? c"), "((a Coalesce b) Coalesce c)");
    assert_eq!(grouped("x as float? ?? 1.0"), "((x as) Coalesce 1.0)");
    assert_eq!(grouped("x as float ?? 1.0"), "((x as) Coalesce 1.0)");
}

#[test]
fn operators_have_their_precedence() {
    assert_eq!(grouped("a or b and not c == d + e * -f"), "(a Or (b And (not (c Eq (d Add (e Mul (-f)))))))");
    assert_eq!(grouped("a - b - c / d % e"), "((a Sub b) Sub ((c Div d) Rem e))");
    assert_eq!(
        grouped("a between 1 and 2 + 3 and b is not null"),
        "((a between 1 and (2 Add 3)) And (b is not null))"
    );
    assert_eq!(grouped("-a as int"), "(-(a as))");
    assert_eq!(grouped("a not in [1] or b not like \"x\""), "((a NotIn [1]) Or (b NotLike \"x\"))");
    assert_eq!(grouped("(a == b) == (c is null)"), "((a Eq b) Eq (c is null))");
}

#[test]
fn reserved_words_are_the_only_ones_that_need_quotes() {
    let text = "source s: events { time: timestamp key: int source: int version: int label: int last: int order: int \
                `where`: int time time key key }";
    let ItemKind::Source(source) = item(text) else { panic!("not a source") };
    assert_eq!(source.members.len(), 10);
    let SourceMember::Column(quoted) = &source.members[7] else { panic!("not a column") };
    assert_eq!(quoted.name.node, "where");
    let members =
        members("every = count() over 7d\nexpect = 1\nkeep = 2\nversion = 3\noffset: int = 4\nfor_x = 5");
    assert!(members.iter().all(|member| matches!(member, FeatureMember::Feature(_))), "{members:#?}");
}

#[test]
fn names_have_holes() {
    let members = members("for w in [1h, 1d] { ctr_{w}_{x} = {w}_a }");
    let FeatureMember::For(body) = &members[0] else { panic!("not a loop") };
    let FeatureMember::Feature(feature) = &body.members[0] else { panic!("not a feature") };
    let hole = |name: &str| NamePart::Hole(name.to_owned());
    let text = |name: &str| NamePart::Text(name.to_owned());
    assert_eq!(feature.name.parts, [text("ctr_"), hole("w"), text("_"), hole("x")]);
    let ExprKind::Name(name) = &*feature.value.kind else { panic!("not a name") };
    assert_eq!(name.parts, [hole("w"), text("_a")]);
}

#[test]
fn constants_are_decoded() {
    let second = 1_000_000;
    assert_eq!(literal("1_000"), Literal::Int(1000));
    assert_eq!(literal("9223372036854775807"), Literal::Int(i64::MAX));
    assert_eq!(literal("1_0.50"), Literal::Fraction("10.50".to_owned()));
    assert_eq!(literal("2.5e-1"), Literal::Fraction("2.5e-1".to_owned()));
    assert_eq!(literal("1e3"), Literal::Fraction("1e3".to_owned()));
    assert_eq!(literal("99.9%"), Literal::Percent("99.9".to_owned()));
    assert_eq!(literal("1h30m"), Literal::Duration(5400 * second));
    assert_eq!(literal("2w"), Literal::Duration(14 * 86400 * second));
    assert_eq!(literal("5us"), Literal::Duration(5));
    assert_eq!(literal("1970-01-02"), Literal::Date(1));
    assert_eq!(literal("2024-02-29"), Literal::Date(19782));
    assert_eq!(literal("1970-01-01T00:00:01.5Z"), Literal::Instant(1_500_000));
    assert_eq!(literal("1970-01-01T05:30+05:30"), Literal::Instant(0));
    assert_eq!(literal("2013-01-01T05:15:00-05:00"), Literal::Instant(1_357_035_300 * second));
    assert_eq!(literal("1969-12-31T23:59:59.999999Z"), Literal::Instant(-1));
    assert_eq!(literal(r#""a\n\t\"\\\u{e9}é""#), Literal::String("a\n\t\"\\éé".to_owned()));
    assert_eq!(literal(r#"r"\d+""#), Literal::String("\\d+".to_owned()));
    assert_eq!(literal("\"\"\"a\n \"b\" \\n\"\"\""), Literal::String("a\n \"b\" \\n".to_owned()));
    assert_eq!((literal("true"), literal("null")), (Literal::Bool(true), Literal::Null));
}

#[test]
fn a_percent_is_not_a_remainder() {
    assert_eq!(grouped("5 % 3"), "(5 Rem 3)");
    assert_eq!(grouped("5%x"), "(5 Rem x)");
    assert_eq!(grouped("5%(x)"), "(5 Rem x)");
}

#[test]
fn types_nest() {
    let ItemKind::Type(decl) = item("type T = map<string, list<struct { a: int?, b: decimal(18, 4) }?>>?")
    else {
        panic!("not a type")
    };
    assert!(decl.ty.nullable);
    assert!(matches!(decl.ty.kind, TypeKind::Map(_, list) if matches!(list.kind, TypeKind::List(_))));
}

#[test]
fn tables_hold_names_nulls_and_constants() {
    let ItemKind::Source(source) = item("source s: static { rows | a | b | | _ | -1 | | insert | null | }")
    else {
        panic!("not a source")
    };
    let SourceMember::Rows(table) = &source.members[0] else { panic!("no rows") };
    assert_eq!(table.rows.len(), 3);
    assert_eq!(table.rows[1][0].node, Cell::Null);
    assert!(matches!(&table.rows[1][1].node, Cell::Value(value) if matches!(*value.kind, ExprKind::Neg(_))));
    assert_eq!(table.rows[2][0].node, Cell::Name("insert".to_owned()));
}

#[test]
fn file_documentation_package_and_imports_are_read() {
    let file =
        file("//! one\n//!two\n@owner(\"x\") package a.b import c.d import e as f import g { h as i, j, }");
    assert_eq!(file.docs, ["one", "two"]);
    assert_eq!(file.package.map(|package| package.attrs.len()), Some(1));
    assert_eq!(file.imports.len(), 3);
}

#[test]
fn a_broken_item_does_not_hide_the_others() {
    let text = "let A = 1\n\n/// doc\n@tags(\"}\")\nfeatures f of e from s {\n  n = count( over 7d\n}\n\n/// doc\nlet B = \"\n\n\
                let C = \"\"\"\nlet D = 1\n\"\"\"\n/* let E\nlet F = = */\nlet G = 1 + 1\n";
    let (file, diagnostics) = parse(FileId(0), text);
    assert_eq!(diagnostics.len(), 2, "{diagnostics:#?}");
    let names: Vec<_> = file
        .items
        .iter()
        .filter_map(|item| match &item.kind {
            ItemKind::Let(decl) => Some(decl.name.node.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["A", "C", "G"]);
}

#[test]
fn diagnostics_stand_in_the_order_of_the_text() {
    let (_, diagnostics) = parse(FileId(3), "let A = 2025-02-30\nlet B = =\nlet C = 1 < 2 < 3\n");
    let starts: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.span.start).collect();
    assert_eq!(starts, [8, 27, 43]);
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.span.file == FileId(3)));
}

#[test]
fn deep_nesting_is_a_mistake_and_not_an_overflow() {
    let shapes = [
        ("(", ")"),
        ("[", "]"),
        ("not ", ""),
        ("-", ""),
        ("f(", ")"),
        ("if a then ", " else b"),
        ("if ", " then a else b"),
        ("f() where (", ")"),
        ("map { 1: ", " }"),
        ("match ", " { _ => b }"),
        ("a + ", ""),
        ("xs[", "]"),
    ];
    for (open, close) in shapes {
        for depth in [90, 2_000] {
            let text = format!("let X = {}a{}\nlet Y = 1\n", open.repeat(depth), close.repeat(depth));
            let (file, diagnostics) = parse(FileId(0), &text);
            if depth == 90 {
                assert!(diagnostics.is_empty() && file.items.len() == 2, "{open} {depth}: {diagnostics:?}");
            } else {
                assert_eq!(file.items.len(), 1, "{open} {depth}");
                assert!(
                    diagnostics.iter().any(|said| said.message.contains("200 levels")),
                    "{open}: {diagnostics:?}"
                );
            }
        }
    }
    let types = format!("type T = {}int{}\n", "list<".repeat(2_000), ">".repeat(2_000));
    assert!(parse(FileId(0), &types).1[0].message.contains("200 levels"));
    let comments = "/*".repeat(20_000);
    assert_eq!(parse(FileId(0), &comments).1.len(), 1);
}

#[test]
fn long_rows_of_operators_are_bounded_from_the_tree_up() {
    let fields = format!("let X = a{}\n", ".b".repeat(5_000));
    assert!(parse(FileId(0), &fields).1[0].message.contains("200 levels"));
    let ItemKind::Let(decl) = item(&format!("let X = a{}", " + 1".repeat(90))) else { panic!("not a let") };
    assert!(matches!(&*decl.value.kind, ExprKind::Binary(op, ..) if op.node == BinaryOp::Add));
}

#[test]
fn a_flat_chain_is_not_nesting() {
    fn depth(expr: &feat_dsl::ast::Expr) -> usize {
        match &*expr.kind {
            ExprKind::Binary(_, a, b) => 1 + depth(a).max(depth(b)),
            _ => 0,
        }
    }
    fn operands(expr: &feat_dsl::ast::Expr, into: &mut Vec<String>) {
        match &*expr.kind {
            ExprKind::Binary(op, a, b)
                if matches!(op.node, BinaryOp::And | BinaryOp::Or | BinaryOp::Coalesce) =>
            {
                operands(a, into);
                operands(b, into);
            }
            _ => into.push(feat_dsl::format::expr(expr)),
        }
    }
    for op in ["and", "or", "??"] {
        for length in [2, 33, 34, 60, 1_000] {
            let parts: Vec<String> = (0..length).map(|at| format!("x{at}")).collect();
            let ItemKind::Let(decl) = item(&format!("let X = {}", parts.join(&format!(" {op} ")))) else {
                panic!("not a let")
            };
            let mut found = Vec::new();
            operands(&decl.value, &mut found);
            assert_eq!(found, parts, "{op} {length}");
            // A short chain groups from the left.
            let deep = if length <= 33 { length - 1 } else { 40 };
            assert!(depth(&decl.value) <= deep, "{op} {length}: {}", depth(&decl.value));
        }
    }
    let mixed =
        (0..500).map(|at| format!("not x != {at} + 1 and y ?? z is null")).collect::<Vec<_>>().join(" or ");
    let (file, diagnostics) = parse(FileId(0), &format!("let X = {mixed}\n"));
    assert!(diagnostics.is_empty() && file.items.len() == 1, "{diagnostics:?}");
    let sum = format!("let X = a{}\n", " + 1".repeat(190));
    assert!(parse(FileId(0), &sum).1.is_empty());
}
