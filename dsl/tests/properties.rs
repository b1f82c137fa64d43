//! What holds for every text and every tree.

use feat_dsl::ast::{
    Arg, BinaryOp, Call, Expr, ExprKind, ItemKind, LengthExpr, Literal, Name, NamePart, Over, Path, Pattern,
    Place, Suffix, TypeExpr, TypeKind, WindowClause, WindowExpr, Windows,
};
use feat_dsl::format;
use feat_dsl::parse;
use feat_dsl::render::{Color, render};
use feat_dsl::source_map::SourceMap;
use feat_dsl::span::{FileId, Span, Spanned};
use proptest::prelude::*;

const EXAMPLES: [&str; 3] = [
    include_str!("cases/kitchen_sink.feat"),
    include_str!("cases/fraud.feat"),
    include_str!("cases/flights.feat"),
];

fn at<T>(node: T) -> Spanned<T> {
    Spanned::new(node, Span::default())
}

fn expr(kind: ExprKind) -> Expr {
    Expr { kind: Box::new(kind), span: Place::default() }
}

fn name(text: &str) -> Name {
    Name { parts: vec![NamePart::Text(text.to_owned())], span: Place::default() }
}

fn named_type(text: &str, nullable: bool) -> TypeExpr {
    let path = Path { segments: vec![name(text)], span: Place::default() };
    TypeExpr { kind: TypeKind::Named(path), nullable, span: Place::default() }
}

fn literals() -> impl Strategy<Value = Literal> {
    prop_oneof![
        (0..=i64::MAX).prop_map(Literal::Int),
        "[0-9]{1,3}\\.[0-9]{1,3}".prop_map(Literal::Fraction),
        any::<String>().prop_map(Literal::String),
        any::<bool>().prop_map(Literal::Bool),
        Just(Literal::Null),
        (0..=i64::MAX).prop_map(Literal::Duration),
        // The years 0000 to 9999.
        (-719_528..=2_932_896).prop_map(Literal::Date),
        (-62_167_219_200_000_000i64..=253_402_300_799_999_999).prop_map(Literal::Instant),
        "[1-9][0-9]?".prop_map(Literal::Percent),
    ]
}

fn operators() -> impl Strategy<Value = BinaryOp> {
    use BinaryOp as B;
    prop::sample::select(vec![
        B::Or,
        B::And,
        B::Coalesce,
        B::Eq,
        B::Ne,
        B::Lt,
        B::Le,
        B::Gt,
        B::Ge,
        B::In,
        B::NotIn,
        B::Like,
        B::NotLike,
        B::Matches,
        B::NotMatches,
        B::Add,
        B::Sub,
        B::Mul,
        B::Div,
        B::Rem,
    ])
}

fn call(function: &str, args: Vec<Arg>) -> Call {
    Call { function: at(function.to_owned()), args, span: Place::default() }
}

fn suffix(filter: Option<Expr>, by: Option<Expr>, window: Option<i64>) -> Option<Suffix> {
    let over = |micros| {
        WindowClause::Over(Over {
            windows: Windows::One(at(WindowExpr::Length(micros))),
            every: Some(at(LengthExpr::Name("h".to_owned()))),
            offset: None,
            along: None,
            span: Place::default(),
        })
    };
    let any = filter.is_some() || by.is_some() || window.is_some();
    any.then(|| Suffix {
        filter,
        by: by.map(|by| (by, Some(at(3)))),
        window: window.map(over),
        span: Place::default(),
    })
}

fn exprs() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        literals().prop_map(|literal| expr(ExprKind::Literal(literal))),
        prop::sample::select(vec!["a", "where", "over_x", "x y"])
            .prop_map(|text| expr(ExprKind::Name(name(text)))),
        Just(expr(ExprKind::AsOf)),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let one = inner.clone();
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner.clone());
        prop_oneof![
            4 => (operators(), two.clone()).prop_map(|(op, (a, b))| expr(ExprKind::Binary(at(op), a, b))),
            1 => one.clone().prop_map(|a| expr(ExprKind::Neg(a))),
            1 => one.clone().prop_map(|a| expr(ExprKind::Not(a))),
            1 => (one.clone(), any::<bool>()).prop_map(|(a, not)| expr(ExprKind::IsNull(a, not))),
            1 => (three.clone(), any::<bool>()).prop_map(|((a, b, c), not)| expr(ExprKind::Between(a, b, c, not))),
            1 => three.clone().prop_map(|(a, b, c)| expr(ExprKind::If(a, b, c))),
            1 => (one.clone(), any::<bool>()).prop_map(|(a, q)| expr(ExprKind::Cast(a, named_type("int", q)))),
            1 => one.clone().prop_map(|a| expr(ExprKind::Field(a, name("f")))),
            1 => two.clone().prop_map(|(a, b)| expr(ExprKind::Index(a, b))),
            1 => two.clone().prop_map(|(a, b)| expr(ExprKind::List(vec![a, b]))),
            1 => one.clone().prop_map(|a| expr(ExprKind::Struct(vec![(at("s".to_owned()), a)]))),
            1 => two.clone().prop_map(|(a, b)| expr(ExprKind::Map(vec![(a, b)]))),
            1 => three.clone().prop_map(|(a, b, c)| {
                let one = Pattern::Values(vec![at(Literal::Int(-1)), at(Literal::String("x".to_owned()))]);
                expr(ExprKind::Match(a, vec![(one, b), (Pattern::Any, c)]))
            }),
            1 => two.clone().prop_map(|(a, b)| {
                let args = vec![Arg::Value(a), Arg::Named(at("by".to_owned()), b.clone()), Arg::Lambda(at("t".to_owned()), b)];
                expr(ExprKind::Call(call("pkg.f", args), None))
            }),
            2 => (prop::option::of(inner.clone()), prop::option::of(inner.clone()), prop::option::of(1..i64::MAX)).prop_map(
                |(filter, by, window)| expr(ExprKind::Call(call("sum", Vec::new()), suffix(filter, by, window))),
            ),
        ]
    })
}

/// A text of words that mean something and of characters that mean nothing.
fn texts() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "let",
        "A",
        "=",
        "1",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "\n",
        "\nlet ",
        "\nsource ",
        "\nfeatures ",
        "\n/// d\n",
        "@x",
        "over",
        "where",
        "7d",
        "count()",
        "\"",
        "\"\"\"",
        "/*",
        "*/",
        "//",
        "|",
        "'",
        "é",
        "`",
        "2025-01-01T00:00:00",
        "*",
        "&&",
        "!",
        ";",
        ":",
        "events",
        "of",
        "from",
        "\u{0}",
        "🦀",
        "01",
        "\\",
        ".{",
        "g.",
        "<",
        ">",
        "?",
        "\r\n",
        "mo",
    ]);
    prop::collection::vec((word, prop::sample::select(vec!["", " "])), 0..60)
        .prop_map(|words| words.into_iter().flat_map(|(word, gap)| [word, gap]).collect())
}

/// Parses, renders and formats; whatever the text is, none of it panics.
fn check(text: &str) -> Result<(), TestCaseError> {
    let mut sources = SourceMap::new();
    let file = sources.add("any.feat", text);
    let (tree, diagnostics) = parse(file, text);
    for diagnostic in &diagnostics {
        let (start, end) = (diagnostic.span.start as usize, diagnostic.span.end as usize);
        prop_assert!(
            start <= end && end <= text.len() && text.is_char_boundary(start) && text.is_char_boundary(end)
        );
    }
    prop_assert_eq!(render(&diagnostics, &sources, Color::Never).is_empty(), diagnostics.is_empty());
    if diagnostics.is_empty() {
        let once = format::format(text).expect("a text without diagnostics");
        prop_assert_eq!(&parse(file, &once).0, &tree);
        prop_assert_eq!(format::format(&once), Ok(once.clone()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_expression_printed_is_read_again(value in exprs()) {
        let text = format!("let X = {}", format::expr(&value));
        let (file, diagnostics) = parse(FileId(0), &text);
        prop_assert!(diagnostics.is_empty(), "{}\n{:#?}", text, diagnostics);
        let ItemKind::Let(decl) = &file.items[0].kind else { panic!("not a let") };
        prop_assert_eq!(&decl.value, &value, "{}", text);
    }

    #[test]
    fn any_text_is_parsed_without_a_panic(text in texts()) {
        check(&text)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_example_with_a_hole_in_it_is_parsed_without_a_panic(
        example in 0..EXAMPLES.len(),
        from in 0.0..1.0f64,
        length in 0..40usize,
        put in prop::sample::select(vec!["", "}", "\"", "(", ";", " where ", "\n", "/*", "=", "é"]),
    ) {
        let text = EXAMPLES[example];
        let start = text.floor_char_boundary((text.len() as f64 * from) as usize);
        let end = text.ceil_char_boundary((start + length).min(text.len()));
        check(&format!("{}{put}{}", &text[..start], &text[end..]))?;
    }
}
