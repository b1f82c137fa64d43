//! Typecheck, the forms that choose and build: `if`, `match`, `as`, lists, structs, maps, `xs[i]`.

use feat_dsl::ast::{self, Expr, Literal, Pattern};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::{Span, Spanned};
use feat_kernel::types::{Slot, Type};

use super::{Checker, widen};
use crate::codes;
use crate::functions::cast::{castable, widens};
use crate::ir::{self, ExprKind};
use crate::pending;
use crate::report::Checked;
use crate::types;

impl Checker<'_, '_, '_> {
    pub(super) fn choice(
        &mut self,
        condition: &Expr,
        then: &Expr,
        otherwise: &Expr,
        want: Option<&Type>,
        span: Span,
    ) -> Checked<ir::Expr> {
        let condition = self.condition(condition, "`if`");
        let mut branches = self.branches(&[then, otherwise], want)?;
        let condition = condition?;
        let (Some(otherwise), Some(then)) = (branches.pop(), branches.pop()) else {
            return Err(crate::report::Stop::Error);
        };
        let slot = Slot { ty: then.slot.ty.clone(), nullable: then.slot.nullable || otherwise.slot.nullable };
        Ok(ir::Expr { kind: ExprKind::Case(vec![(condition, then)], Box::new(otherwise)), slot, span })
    }

    pub(super) fn matched(
        &mut self,
        subject: &Expr,
        arms: &[(Pattern, Expr)],
        want: Option<&Type>,
        span: Span,
    ) -> Checked<ir::Expr> {
        let subject = self.expr(subject, None)?;
        let values: Vec<&Expr> = arms.iter().map(|(_, value)| value).collect();
        let values = self.branches(&values, want)?;
        let mut covered: Vec<&Literal> = Vec::new();
        let mut cases: Vec<(ir::Expr, ir::Expr)> = Vec::new();
        let mut last = None;
        for ((pattern, _), value) in arms.iter().zip(values) {
            match pattern {
                Pattern::Any => last = last.or(Some(value)),
                Pattern::Values(literals) => {
                    let condition = self.any_of(&subject, literals)?;
                    covered.extend(literals.iter().map(|literal| &literal.node));
                    // What stands behind `_` is never reached.
                    if last.is_none() {
                        cases.push((condition, value));
                    }
                }
            }
        }
        let missing = missing(&subject.slot, &covered);
        let last = match (last, missing) {
            (Some(last), _) => last,
            (None, missing) if !missing.is_empty() => {
                let help = match missing[0].as_str() {
                    "every other value" => "add `_ => …`".to_owned(),
                    first => format!("add `{first} => …` or `_ => …`"),
                };
                return Err(self.report(
                    Diagnostic::error(codes::MATCH, span, "this `match` does not cover every value")
                        .label(format!("missing {}", missing.join(", ")))
                        .help(help),
                ));
            }
            (None, _) => match cases.pop() {
                Some((_, value)) => value,
                None => {
                    return Err(self.report(
                        Diagnostic::error(codes::MATCH, span, "this `match` does not cover every value")
                            .label("covers none"),
                    ));
                }
            },
        };
        let slot = Slot {
            ty: last.slot.ty.clone(),
            nullable: last.slot.nullable || cases.iter().any(|(_, value)| value.slot.nullable),
        };
        if cases.is_empty() {
            return Ok(last);
        }
        Ok(ir::Expr { kind: ExprKind::Case(cases, Box::new(last)), slot, span })
    }

    /// Whether `subject` is one of `literals`.
    fn any_of(&mut self, subject: &ir::Expr, literals: &[Spanned<Literal>]) -> Checked<ir::Expr> {
        let mut whole: Option<ir::Expr> = None;
        for literal in literals {
            let test = if literal.node == Literal::Null {
                self.function("is_null", "is null", vec![subject.clone()], literal.span)?
            } else {
                let value = self.literal(&literal.node, Some(&subject.slot.ty), literal.span)?;
                self.function("eq", "match", vec![subject.clone(), value], literal.span)?
            };
            whole = Some(match whole {
                None => test,
                Some(before) => self.function("or", "or", vec![before, test], literal.span)?,
            });
        }
        whole.ok_or(crate::report::Stop::Error)
    }

    pub(super) fn cast(&mut self, inner: &Expr, ty: &ast::TypeExpr, span: Span) -> Checked<ir::Expr> {
        let to = types::slot(ty, self.frame.file, self.cx.project, &mut self.cx.report)?;
        let typed = self.expr(inner, Some(&to.ty))?;
        self.cast_to(typed, &to, span)
    }

    /// `typed as to`.
    pub(super) fn cast_to(&mut self, typed: ir::Expr, to: &Slot, span: Span) -> Checked<ir::Expr> {
        if let Some(widened) = widen(&typed, &to.ty) {
            return Ok(ir::Expr { span, ..widened });
        }
        if castable(&typed.slot.ty, &to.ty) {
            let slot = Slot { ty: to.ty.clone(), nullable: typed.slot.nullable };
            return Ok(ir::Expr { kind: ExprKind::Cast(Box::new(typed)), slot, span });
        }
        Err(self.report(
            Diagnostic::error(
                codes::ARGUMENT_TYPE,
                span,
                format!("`{}` has no conversion to `{}`", typed.slot.ty, to.ty),
            )
            .label("no such conversion"),
        ))
    }

    pub(super) fn list(&mut self, items: &[Expr], want: Option<&Type>, span: Span) -> Checked<ir::Expr> {
        let want = match want {
            Some(Type::List(item)) => Some(item.ty.clone()),
            Some(Type::Embedding(_)) => Some(Type::Float),
            _ => None,
        };
        if items.is_empty() {
            let Some(item) = want else {
                return Err(self.report(
                    Diagnostic::error(codes::TYPE, span, "nothing here says which type this list has")
                        .label("of what?")
                        .help("declare the type: `list<T>`"),
                ));
            };
            let slot = Slot::required(Type::List(Box::new(Slot::required(item))));
            return Ok(ir::Expr { kind: ExprKind::List(Vec::new()), slot, span });
        }
        let items: Vec<&Expr> = items.iter().collect();
        let items = self.branches(&items, want.as_ref())?;
        let nullable = items.iter().any(|item| item.slot.nullable);
        let item = Slot { ty: items[0].slot.ty.clone(), nullable };
        Ok(ir::Expr { kind: ExprKind::List(items), slot: Slot::required(Type::List(Box::new(item))), span })
    }

    pub(super) fn structure(
        &mut self,
        fields: &[(ast::Ident, Expr)],
        want: Option<&Type>,
        span: Span,
    ) -> Checked<ir::Expr> {
        let hints: Vec<(String, Slot)> = match want {
            Some(Type::Struct(slots)) => slots.clone(),
            _ => Vec::new(),
        };
        let hint =
            |name: &str| hints.iter().find(|(known, _)| known == name).map(|(_, slot)| slot.ty.clone());
        let mut parts: Vec<(String, ir::Expr)> = Vec::new();
        for (name, value) in fields {
            if parts.iter().any(|(known, _)| *known == name.node) {
                return Err(self.report(
                    Diagnostic::error(
                        codes::FEATURE_TWICE,
                        name.span,
                        format!("field `{}` is defined twice in this struct", name.node),
                    )
                    .label("again here"),
                ));
            }
            parts.push((name.node.clone(), self.expr(value, hint(&name.node).as_ref())?));
        }
        // A struct has its fields in the order of its type, whatever the order of the text.
        if hints.len() == parts.len()
            && hints.iter().all(|(name, _)| parts.iter().any(|(have, _)| have == name))
        {
            parts.sort_by_key(|(name, _)| hints.iter().position(|(hint, _)| hint == name));
        }
        let slots = parts.iter().map(|(name, part)| (name.clone(), part.slot.clone())).collect();
        let parts = parts.into_iter().map(|(_, part)| part).collect();
        Ok(ir::Expr { kind: ExprKind::Struct(parts), slot: Slot::required(Type::Struct(slots)), span })
    }

    pub(super) fn map(
        &mut self,
        entries: &[(Expr, Expr)],
        want: Option<&Type>,
        span: Span,
    ) -> Checked<ir::Expr> {
        let (want_key, want_value) = match want {
            Some(Type::Map(key, value)) => (Some((**key).clone()), Some(value.ty.clone())),
            _ => (None, None),
        };
        if entries.is_empty() {
            let (Some(key), Some(value)) = (want_key, want_value) else {
                return Err(self.report(
                    Diagnostic::error(codes::TYPE, span, "nothing here says which type this map has")
                        .label("of what?")
                        .help("declare the type: `map<K, V>`"),
                ));
            };
            let slot = Slot::required(Type::Map(Box::new(key), Box::new(Slot::required(value))));
            return Ok(ir::Expr { kind: ExprKind::Map(Vec::new()), slot, span });
        }
        let keys: Vec<&Expr> = entries.iter().map(|(key, _)| key).collect();
        let values: Vec<&Expr> = entries.iter().map(|(_, value)| value).collect();
        let keys = self.branches(&keys, want_key.as_ref())?;
        let values = self.branches(&values, want_value.as_ref())?;
        let key = keys[0].slot.ty.clone();
        let fits = matches!(key, Type::String | Type::Int | Type::Bool | Type::Enum(_) | Type::Date);
        if !fits || keys.iter().any(|key| key.slot.nullable) {
            return Err(self.report(
                Diagnostic::error(
                    codes::TYPE,
                    span,
                    format!("the key of a map cannot be `{}`", keys[0].slot),
                )
                .label("string, int, bool, enum or date"),
            ));
        }
        let value =
            Slot { ty: values[0].slot.ty.clone(), nullable: values.iter().any(|value| value.slot.nullable) };
        let slot = Slot::required(Type::Map(Box::new(key), Box::new(value)));
        Ok(ir::Expr { kind: ExprKind::Map(keys.into_iter().zip(values).collect()), slot, span })
    }

    pub(super) fn index(&mut self, base: &Expr, index: &Expr, span: Span) -> Checked<ir::Expr> {
        let base = self.expr(base, None)?;
        let (key, value) = match &base.slot.ty {
            Type::List(item) => (Type::Int, item.ty.clone()),
            Type::Map(key, value) => ((**key).clone(), value.ty.clone()),
            other => {
                let message = format!("`[…]` needs a list or a map, found {other}");
                return Err(self.report(
                    Diagnostic::error(codes::ARGUMENT_TYPE, base.span, message).label("not a list or a map"),
                ));
            }
        };
        let index = self.expr(index, Some(&key))?;
        if !widens(&index.slot.ty, &key) {
            let message = format!("`[…]` needs `{key}` here, found {}", index.slot.ty);
            return Err(self.report(
                Diagnostic::error(codes::ARGUMENT_TYPE, index.span, message).label(format!("not `{key}`")),
            ));
        }
        if crate::functions::find("index").is_some() {
            return self.function("index", "[…]", vec![base, index], span);
        }
        // The type is known, so what reads it is still checked.
        self.cx.report.pending(pending::INDEX, span, "");
        self.pending = true;
        let nothing = ExprKind::Literal(feat_kernel::value::Value::Null);
        Ok(ir::Expr { kind: nothing, slot: Slot::nullable(value), span })
    }
}

/// The values of `slot` that are not among `covered`, as the text would write them.
fn missing(slot: &Slot, covered: &[&Literal]) -> Vec<String> {
    let mut missing: Vec<String> = match &slot.ty {
        Type::Enum(names) => names
            .iter()
            .filter(|name| {
                !covered.iter().any(|literal| matches!(literal, Literal::String(text) if text == *name))
            })
            .map(|name| format!("{name:?}"))
            .collect(),
        Type::Bool => [true, false]
            .iter()
            .filter(|value| !covered.contains(&&Literal::Bool(**value)))
            .map(ToString::to_string)
            .collect(),
        _ => vec!["every other value".to_owned()],
    };
    if slot.nullable
        && !covered.contains(&&Literal::Null)
        && missing.first().is_none_or(|first| first != "every other value")
    {
        missing.push("null".to_owned());
    }
    missing
}
