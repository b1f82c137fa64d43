//! Types: what a type expression means, and what two types have in common.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ast::TypeExpr`] | [`Slot`] | unknown types, aliases in a circle, sizes out of range |

use feat_dsl::ast::{self, ExprKind, ItemKind, Literal, TypeKind};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::{Span, Spanned};
use feat_kernel::types::{Slot, Type};

use crate::codes;
use crate::functions::cast::widens;
use crate::project::{Project, plain_path};
use crate::report::{Checked, Report, Stop};
use crate::similar::suggestion;

/// Aliases of aliases end here: deeper is a circle.
const DEEPEST: usize = 64;

const NAMES: [&str; 12] = [
    "bool",
    "int",
    "float",
    "string",
    "bytes",
    "timestamp",
    "date",
    "duration",
    "list",
    "map",
    "decimal",
    "enum",
];

/// What `ty` means in `file`.
pub(crate) fn slot(
    ty: &ast::TypeExpr,
    file: usize,
    project: &Project<'_>,
    report: &mut Report,
) -> Checked<Slot> {
    slot_at(ty, file, project, report, 0)
}

fn slot_at(
    ty: &ast::TypeExpr,
    file: usize,
    project: &Project<'_>,
    report: &mut Report,
    depth: usize,
) -> Checked<Slot> {
    let span = ty.span.0;
    let kind = match &ty.kind {
        TypeKind::Named(path) => {
            let name = plain_path(path);
            if let Some(simple) = simple(&name) {
                simple
            } else {
                let slot = alias(&name, span, file, project, report, depth)?;
                return Ok(Slot { nullable: slot.nullable || ty.nullable, ..slot });
            }
        }
        TypeKind::List(item) => Type::List(Box::new(slot_at(item, file, project, report, depth)?)),
        TypeKind::Map(key, value) => {
            let key_slot = slot_at(key, file, project, report, depth)?;
            let fits =
                matches!(key_slot.ty, Type::String | Type::Int | Type::Bool | Type::Enum(_) | Type::Date);
            if !fits || key_slot.nullable {
                return Err(report.push(
                    Diagnostic::error(
                        codes::TYPE,
                        key.span.0,
                        format!("the key of a map cannot be `{key_slot}`"),
                    )
                    .label("string, int, bool, enum or date"),
                ));
            }
            Type::Map(Box::new(key_slot.ty), Box::new(slot_at(value, file, project, report, depth)?))
        }
        TypeKind::Embedding(size) if (1..=65_536).contains(size) => Type::Embedding(*size as u32),
        TypeKind::Embedding(size) => {
            return Err(range(
                span,
                format!("an embedding cannot have {size} elements"),
                "from 1 to 65536",
                report,
            ));
        }
        TypeKind::Decimal(precision, scale) => {
            if !(1..=38).contains(precision) || scale > precision {
                return Err(range(
                    span,
                    format!("there is no decimal({precision}, {scale})"),
                    "at most 38 digits, the scale among them",
                    report,
                ));
            }
            Type::Decimal(*precision as u8, *scale as i8)
        }
        TypeKind::Enum(names) => Type::Enum(domain(names, report)?.into()),
        TypeKind::TimestampIn(_) => Type::Timestamp,
        TypeKind::Struct(fields) => {
            let mut slots: Vec<(String, Slot)> = Vec::new();
            for (name, ty) in fields {
                let slot = slot_at(ty, file, project, report, depth)?;
                if slots.iter().any(|(known, _)| *known == name.node) {
                    return Err(report.push(
                        Diagnostic::error(
                            codes::FEATURE_TWICE,
                            name.span,
                            format!("field `{}` is defined twice in this struct", name.node),
                        )
                        .label("again here"),
                    ));
                }
                slots.push((name.node.clone(), slot));
            }
            Type::Struct(slots)
        }
    };
    Ok(Slot { ty: kind, nullable: ty.nullable })
}

fn simple(name: &str) -> Option<Type> {
    Some(match name {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "float" => Type::Float,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "timestamp" => Type::Timestamp,
        "date" => Type::Date,
        "duration" => Type::Duration,
        _ => return None,
    })
}

fn alias(
    name: &str,
    span: Span,
    file: usize,
    project: &Project<'_>,
    report: &mut Report,
    depth: usize,
) -> Checked<Slot> {
    let segments: Vec<&str> = name.split('.').collect();
    let Some(found) = project.find(file, &segments) else {
        let visible = project.visible(file, |kind| matches!(kind, ItemKind::Type(_)));
        let known = NAMES.into_iter().chain(visible.iter().map(String::as_str));
        let mut diagnostic = Diagnostic::error(codes::TYPE, span, format!("no type is named `{name}`"))
            .label("not a type of the language, nor declared here");
        diagnostic.help = synonym(name).map(str::to_owned).or_else(|| suggestion(name, known));
        return Err(report.push(diagnostic));
    };
    project.may_see(found, span, file, report)?;
    let ItemKind::Type(decl) = &found.item.kind else {
        let is = crate::report::word(&found.item.kind);
        return Err(report.push(
            Diagnostic::error(
                codes::WRONG_KIND,
                span,
                format!("`{name}` is a {is}, and a type is needed here"),
            )
            .label(format!("a {is}"))
            .also(found.span, "declared here"),
        ));
    };
    if depth > DEEPEST {
        return Err(report.push(
            Diagnostic::error(codes::ORDER, found.span, format!("type `{name}` needs itself"))
                .label("defined by a circle"),
        ));
    }
    slot_at(&decl.ty, found.file, project, report, depth + 1)
}

fn synonym(name: &str) -> Option<&'static str> {
    Some(match name.to_lowercase().as_str() {
        "int64" | "integer" | "bigint" | "long" | "int32" | "i64" => "whole numbers are `int`",
        "double" | "float64" | "real" | "f64" => "binary fractions are `float`",
        "str" | "text" | "varchar" | "utf8" => "text is `string`",
        "boolean" => "truth is `bool`",
        "datetime" | "instant" | "time" | "timestamptz" => "an instant is `timestamp`",
        "numeric" => "exact fractions are `decimal(precision, scale)`",
        "array" | "vec" => "a list is `list<T>`",
        "binary" | "blob" => "raw bytes are `bytes`",
        _ => return None,
    })
}

fn range(span: Span, message: String, label: &str, report: &mut Report) -> Stop {
    report.push(Diagnostic::error(codes::RANGE, span, message).label(label.to_owned()))
}

fn domain(names: &[Spanned<String>], report: &mut Report) -> Checked<Vec<String>> {
    let mut domain: Vec<String> = Vec::new();
    for name in names {
        if domain.contains(&name.node) {
            return Err(report.push(
                Diagnostic::error(
                    codes::TYPE,
                    name.span,
                    format!("{:?} stands twice in this enum", name.node),
                )
                .label("again here"),
            ));
        }
        domain.push(name.node.clone());
    }
    Ok(domain)
}

/// A type written where an expression is expected: the second argument of `try_cast`.
pub(crate) fn of_expr(expr: &ast::Expr) -> Option<ast::TypeExpr> {
    let kind = match &*expr.kind {
        ExprKind::Name(name) => TypeKind::Named(ast::Path { segments: vec![name.clone()], span: expr.span }),
        ExprKind::Call(call, None) if call.function.node == "decimal" => match call.args.as_slice() {
            [ast::Arg::Value(precision), ast::Arg::Value(scale)] => match (&*precision.kind, &*scale.kind) {
                (ExprKind::Literal(Literal::Int(precision)), ExprKind::Literal(Literal::Int(scale))) => {
                    TypeKind::Decimal(u64::try_from(*precision).ok()?, u64::try_from(*scale).ok()?)
                }
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    };
    Some(ast::TypeExpr { kind, nullable: false, span: expr.span })
}

/// The narrowest type that both widen to.
pub(crate) fn common(a: &Type, b: &Type) -> Option<Type> {
    if widens(a, b) {
        return Some(b.clone());
    }
    if widens(b, a) {
        return Some(a.clone());
    }
    match (a, b) {
        (Type::Enum(_), Type::Enum(_)) => Some(Type::String),
        (Type::Decimal(digits, scale), Type::Decimal(other_digits, other_scale)) => {
            let whole = |digits: u8, scale: i8| i16::from(digits) - i16::from(scale);
            let most = whole(*digits, *scale).max(whole(*other_digits, *other_scale));
            let scale = (*scale).max(*other_scale);
            let precision = most + i16::from(scale);
            (precision <= 38).then_some(Type::Decimal(precision as u8, scale))
        }
        _ => None,
    }
}
