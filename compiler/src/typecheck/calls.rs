//! Typecheck, the calls: functions of the project, inlined; functions of the language; `try_cast`.

use std::rc::Rc;

use feat_dsl::ast::{self, Arg, Call, Expr, FnDecl, ItemKind, Suffix};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use super::{Checker, Frame, Place, Scope, constant_value, is_aggregate};
use crate::codes;
use crate::context::Context;
use crate::functions::{self, cast};
use crate::ir;
use crate::pending;
use crate::project::Declared;
use crate::report::{Checked, Fate, Stop};
use crate::similar::suggestion;
use crate::types;

/// Functions of the language that are not compiled by this version.
const WAITING: [&str; 45] = [
    "bucketize",
    "one_hot",
    "log1p_signed",
    "winsorize",
    "cyclic",
    "json_get_str",
    "json_get_int",
    "json_get_float",
    "json_get_bool",
    "url_host",
    "url_path",
    "url_param",
    "url_tld",
    "ip_in_cidr",
    "ip_prefix",
    "parse_user_agent",
    "geo_cell",
    "geo_distance_km",
    "geo_bearing",
    "geo_in_polygon",
    "geohash",
    "cardinality",
    "list_contains",
    "list_has_any",
    "list_position",
    "list_sort",
    "list_distinct",
    "list_sum",
    "list_avg",
    "list_max",
    "list_min",
    "list_filter",
    "list_transform",
    "list_any_match",
    "map_keys",
    "map_values",
    "map_sum",
    "map_top",
    "map_cosine",
    "cosine_similarity",
    "dot",
    "l2_distance",
    "l2_norm",
    "cosine_distance",
    "inner_product",
];

/// Aggregates of expectations, which wait with them.
const EXPECTATIONS: [&str; 4] = ["null_rate", "distinct_rate", "mean", "psi"];

impl<'p> Checker<'_, '_, 'p> {
    pub(super) fn call(
        &mut self,
        call: &Call,
        suffix: Option<&Suffix>,
        want: Option<&Type>,
        span: Span,
    ) -> Checked<ir::Expr> {
        let name = call.function.node.as_str();
        let project = self.cx.project;
        let segments: Vec<&str> = name.split('.').collect();
        let own = project
            .find(self.frame.file, &segments)
            .filter(|found| matches!(found.item.kind, ItemKind::Fn(_) | ItemKind::ExternFn(_)));
        if own.is_none() && is_aggregate(self.cx, name) {
            return self.aggregate(call, suffix, span);
        }
        let known = own.is_some()
            || matches!(name, "try_cast" | "secret")
            || functions::find(name).is_some()
            || WAITING.contains(&name);
        if let Some(suffix) = suffix.filter(|_| known) {
            return Err(self.report(
                Diagnostic::error(
                    codes::MISPLACED_AGGREGATE,
                    suffix.span.0,
                    format!("`{name}` is not an aggregate, so it has no `where`, `by`, `over` or `next`"),
                )
                .label("belongs to an aggregate")
                .also(call.function.span, "a function of one row"),
            ));
        }
        if let Some(found) = own {
            project.may_see(found, call.function.span, self.frame.file, &mut self.cx.report)?;
            return match &found.item.kind {
                ItemKind::Fn(decl) => self.inline(found, decl, call, span),
                ItemKind::ExternFn(decl) => {
                    self.arguments(call, &decl.params, found)?;
                    let result = types::slot(&decl.result, found.file, project, &mut self.cx.report)?;
                    self.cx.report.pending(pending::EXTERN, span, name);
                    self.pending = true;
                    // A column that no plan will ask for: what holds it is left out.
                    Ok(ir::Expr { kind: ir::ExprKind::Column(name.to_owned()), slot: result, span })
                }
                _ => Err(Stop::Error),
            };
        }
        if name == "try_cast" {
            return self.try_cast(call, span);
        }
        if name == "secret" {
            return self.secret(call, span);
        }
        if name == "hmac_sha256" {
            self.expect_key(call)?;
        }
        if let Some(function) = functions::find(name) {
            let mut args = self.placed(function, call, want)?;
            if name == "date_trunc" && args.len() == 2 && args[1].slot.ty == Type::Timestamp {
                args.push(self.in_utc(name, call.span.0));
            }
            return self.function(function.name, name, args, call.span.0);
        }
        self.waiting(call, span)
    }

    /// The zone of a truncation that names none: the grid of the hops, which is UTC's.
    fn in_utc(&mut self, name: &str, span: Span) -> ir::Expr {
        self.cx.report.push(
            Diagnostic::warning(
                codes::TIME_ZONE,
                span,
                format!("`{name}` without a time zone truncates in UTC"),
            )
            .label("whose midnight?")
            .help("add `tz: \"UTC\"`, or the zone that is meant"),
        );
        let kind = ir::ExprKind::Literal(crate::values::text("UTC"));
        ir::Expr { kind, slot: Slot::required(Type::String), span }
    }

    /// A call of a function that this version does not have.
    fn waiting(&mut self, call: &Call, span: Span) -> Checked<ir::Expr> {
        let name = call.function.node.as_str();
        let expectation = EXPECTATIONS.contains(&name);
        if WAITING.contains(&name) || expectation {
            // Its arguments are still checked.
            let mut broken = false;
            for arg in &call.args {
                if let Arg::Value(expr) | Arg::Named(_, expr) = arg {
                    broken |= matches!(self.expr(expr, None), Err(Stop::Error));
                }
            }
            if broken {
                return Err(Stop::Error);
            }
            let construct = if expectation { pending::EXPECT_SHARE } else { pending::FUNCTION };
            return Err(self.cx.report.pending(construct, span, name));
        }
        if self.cx.project.is_broken(self.frame.file, &name.split('.').collect::<Vec<_>>()) {
            return Err(Stop::Error);
        }
        let own = self
            .cx
            .project
            .visible(self.frame.file, |kind| matches!(kind, ItemKind::Fn(_) | ItemKind::ExternFn(_)));
        let known = functions::all()
            .map(|function| function.name)
            .chain(self.cx.aggregates.keys().copied())
            .chain(WAITING)
            .chain(own.iter().map(String::as_str));
        let mut diagnostic = Diagnostic::error(
            codes::UNKNOWN_ITEM,
            call.function.span,
            format!("no function is named `{name}`"),
        )
        .label("not a function of the language, nor declared here");
        diagnostic.help = match name {
            "now" | "current_timestamp" | "today" => {
                Some("the instant that is asked about is `as_of`".to_owned())
            }
            "random" | "rand" | "uuid" => Some("a feature has one value: use `hash64` of a key".to_owned()),
            "if" | "case" | "iff" => Some("write `if a then b else c`".to_owned()),
            _ => suggestion(name, known),
        };
        Err(self.report(diagnostic))
    }

    /// Typed arguments of a function of the language, each in its place.
    fn placed(
        &mut self,
        function: &'static functions::Function,
        call: &Call,
        want: Option<&Type>,
    ) -> Checked<Vec<ir::Expr>> {
        let name = call.function.node.as_str();
        let mut exprs: Vec<Option<&Expr>> = Vec::new();
        for arg in &call.args {
            match arg {
                Arg::Value(expr) => exprs.push(Some(expr)),
                Arg::Lambda(param, _) => {
                    return Err(self.report(
                        Diagnostic::error(codes::ARGUMENTS, param.span, format!("`{name}` takes no lambda"))
                            .label("a value is needed here"),
                    ));
                }
                Arg::Named(ident, expr) => {
                    let Some(at) = function.parameters.iter().position(|known| *known == ident.node) else {
                        let mut diagnostic = Diagnostic::error(
                            codes::ARGUMENTS,
                            ident.span,
                            format!("`{name}` has no argument `{}`", ident.node),
                        )
                        .label("not an argument of it")
                        .note(format!("it is written `{}`", function.usage));
                        diagnostic.help = suggestion(&ident.node, function.parameters.iter().copied());
                        return Err(self.report(diagnostic));
                    };
                    exprs.resize(exprs.len().max(at + 1), None);
                    if exprs[at].is_some() {
                        return Err(self.report(
                            Diagnostic::error(
                                codes::ARGUMENTS,
                                ident.span,
                                format!("argument `{}` of `{name}` is given twice", ident.node),
                            )
                            .label("again here"),
                        ));
                    }
                    exprs[at] = Some(expr);
                }
            }
        }
        if let Some(gap) = exprs.iter().position(Option::is_none) {
            let missing = function.parameters.get(gap).copied().unwrap_or("…");
            return Err(self.report(
                Diagnostic::error(
                    codes::ARGUMENTS,
                    call.span.0,
                    format!("`{name}` needs its argument `{missing}`"),
                )
                .label("missing")
                .note(format!("it is written `{}`", function.usage)),
            ));
        }
        let exprs: Vec<&Expr> = exprs.into_iter().flatten().collect();
        // Literals follow the first argument that has a type of its own.
        let mut typed: Vec<Option<Checked<ir::Expr>>> =
            exprs.iter().map(|expr| (!self.flexible(expr)).then(|| self.expr(expr, None))).collect();
        let hint = typed.iter().flatten().flatten().map(|typed| typed.slot.ty.clone()).find(follows);
        let hint = hint.or_else(|| want.filter(|ty| follows(ty)).cloned());
        for (slot, expr) in typed.iter_mut().zip(&exprs) {
            if slot.is_none() {
                *slot = Some(self.expr(expr, hint.as_ref()));
            }
        }
        typed.into_iter().flatten().collect()
    }

    /// Notes where the key of a keyed hash stands: a secret may stand nowhere else.
    fn expect_key(&mut self, call: &Call) -> Checked<()> {
        let key = call.args.iter().enumerate().find_map(|(place, arg)| match arg {
            Arg::Named(name, expr) if name.node == "key" => Some(expr),
            Arg::Value(expr) if place == 1 => Some(expr),
            _ => None,
        });
        let Some(key) = key else { return Ok(()) };
        if let ast::ExprKind::Call(inner, None) = &*key.kind
            && inner.function.node == "secret"
        {
            self.keys.push(key.span.0);
            return Ok(());
        }
        let name = &call.function.node;
        Err(self.report(
            Diagnostic::error(codes::SECRET, key.span.0, format!("the key of `{name}` is not a secret"))
                .label("for everybody to read")
                .help("write `key: secret(\"name\")`; the environment has its value"),
        ))
    }

    /// `secret("name")` where a key is expected.
    fn secret(&mut self, call: &Call, span: Span) -> Checked<ir::Expr> {
        if !self.keys.contains(&span) {
            return Err(self.report(
                Diagnostic::error(codes::SECRET, span, "a secret is used other than as a key")
                    .label("would be seen")
                    .help("only `hmac_sha256(x, key: secret(\"name\"))` takes one"),
            ));
        }
        let [Arg::Value(name)] = call.args.as_slice() else {
            return Err(self.report(
                Diagnostic::error(codes::ARGUMENTS, span, "`secret` takes a name")
                    .label("arguments")
                    .note("it is written `secret(\"name\")`"),
            ));
        };
        let at = name.span.0;
        let loops = Rc::clone(&self.frame.loops);
        let constant = self.cx.project.constant(name, self.frame.file, &loops, &mut self.cx.report)?;
        let word = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let name = match constant_value(&constant) {
            Some(Value::Str(name)) if word(&name) => name,
            _ => {
                let message = "`secret` needs a name of letters, digits and `_`, written in the text";
                return Err(
                    self.report(Diagnostic::error(codes::CONSTANT, at, message).label("not such a name"))
                );
            }
        };
        let secret = self.cx.secrets.secret(&name);
        // A function that nobody calls needs none.
        if secret.value().is_none() && !self.frame.symbolic {
            let message = format!("secret `{name}` is not set");
            let diagnostic = Diagnostic::error(codes::UNSET, span, message)
                .label("needed to run")
                .help(format!("set `{}` in the environment", secret.variable()));
            self.cx.unset.entry(name.to_uppercase()).or_insert(diagnostic);
        }
        Ok(ir::Expr { kind: ir::ExprKind::Secret(secret), slot: Slot::required(Type::String), span })
    }

    fn try_cast(&mut self, call: &Call, span: Span) -> Checked<ir::Expr> {
        let [Arg::Value(value), Arg::Value(ty)] = call.args.as_slice() else {
            return Err(self.report(
                Diagnostic::error(codes::ARGUMENTS, call.span.0, "`try_cast` takes a value and a type")
                    .label("arguments")
                    .note("it is written `try_cast(x, T)`"),
            ));
        };
        let Some(ty) = types::of_expr(ty) else {
            return Err(self.report(
                Diagnostic::error(codes::TYPE, ty.span.0, "`try_cast` needs a type here").label("not a type"),
            ));
        };
        let to = types::slot(&ty, self.frame.file, self.cx.project, &mut self.cx.report)?;
        let typed = self.expr(value, None)?;
        match cast::result(&typed.slot, &to.ty, cast::Mode::Try) {
            Some(slot) => Ok(ir::Expr { kind: ir::ExprKind::TryCast(Box::new(typed)), slot, span }),
            None => Err(self.report(
                Diagnostic::error(
                    codes::ARGUMENT_TYPE,
                    span,
                    format!("`{}` has no conversion to `{}`", typed.slot.ty, to.ty),
                )
                .label("no such conversion"),
            )),
        }
    }

    /// The body of a function of the project with the arguments in the place of its parameters.
    fn inline(&mut self, found: &Declared<'p>, decl: &FnDecl, call: &Call, span: Span) -> Checked<ir::Expr> {
        match check_function(self.cx, found) {
            Fate::Ready => {}
            Fate::Pending => self.pending = true,
            Fate::Broken => return Err(Stop::Error),
        }
        let args = self.arguments(call, &decl.params, found)?;
        let project = self.cx.project;
        let result = types::slot(&decl.result, found.file, project, &mut self.cx.report)?;
        let mut frame = Frame::new(Place::Function, found.file, Rc::clone(&found.loops));
        frame.params = Rc::new(args);
        let mark = self.cx.report.len();
        let body = self.within(frame, |checker| checker.declared(&decl.body, &result));
        // The body was fine on its own: what is wrong now is what these arguments do to it.
        for mut inner in self.cx.report.split_off(mark) {
            if inner.is_error() {
                inner.secondary.push((inner.span, inner.label.clone()));
                inner.label = format!("in this call of `{}`", decl.name.node);
                inner.span = span;
            }
            self.cx.report.push(inner);
        }
        Ok(ir::Expr { span, ..body? })
    }

    /// Arguments of a function of the project, in the order of its parameters.
    fn arguments(
        &mut self,
        call: &Call,
        params: &[ast::Param],
        found: &Declared<'p>,
    ) -> Checked<Vec<(String, ir::Expr)>> {
        let name = call.function.node.as_str();
        let project = self.cx.project;
        let mut given: Vec<Option<&Expr>> = vec![None; params.len()];
        for (place, arg) in call.args.iter().enumerate() {
            let (at, expr, span) = match arg {
                Arg::Value(expr) => ((place < params.len()).then_some(place), expr, expr.span.0),
                Arg::Named(ident, expr) => {
                    (params.iter().position(|param| param.name.node == ident.node), expr, ident.span)
                }
                Arg::Lambda(param, expr) => (None, expr, param.span),
            };
            match at {
                Some(at) if given[at].is_none() => given[at] = Some(expr),
                _ => {
                    let names: Vec<&str> = params.iter().map(|param| param.name.node.as_str()).collect();
                    return Err(self.report(
                        Diagnostic::error(
                            codes::ARGUMENTS,
                            span,
                            format!("`{name}` has no place for this argument"),
                        )
                        .label("one too many, or not a parameter")
                        .also(found.span, format!("takes ({})", names.join(", "))),
                    ));
                }
            }
        }
        let mut args = Vec::new();
        for (param, given) in params.iter().zip(given) {
            let slot = types::slot(&param.ty, found.file, project, &mut self.cx.report)?;
            let value = match (given, &param.default) {
                (Some(expr), _) => self.declared(expr, &slot)?,
                (None, Some(default)) => {
                    let frame = Frame::new(Place::Constant, found.file, Rc::clone(&found.loops));
                    self.within(frame, |checker| checker.declared(default, &slot))?
                }
                (None, None) => {
                    return Err(self.report(
                        Diagnostic::error(
                            codes::ARGUMENTS,
                            call.span.0,
                            format!("`{name}` needs its argument `{}`", param.name.node),
                        )
                        .label("missing")
                        .also(param.name.span, "this one"),
                    ));
                }
            };
            args.push((param.name.node.clone(), value));
        }
        Ok(args)
    }
}

/// Whether a literal beside a `ty` should follow it.
fn follows(ty: &Type) -> bool {
    matches!(ty, Type::Decimal(..) | Type::Enum(_) | Type::Float)
}

/// Checks the body of a function on its own, once.
pub(crate) fn check_function<'p>(cx: &mut Context<'p>, found: &Declared<'p>) -> Fate {
    if let Some(fate) = cx.functions.get(&found.name) {
        return *fate;
    }
    let ItemKind::Fn(decl) = &found.item.kind else { return Fate::Broken };
    if cx.open.contains(&found.name) {
        cx.report.push(
            Diagnostic::error(
                codes::ORDER,
                found.span,
                format!("function `{}` calls itself", decl.name.node),
            )
            .label("recursive")
            .help("every program ends: write the cases out"),
        );
        return Fate::Broken;
    }
    cx.open.push(found.name.clone());
    let fate = match check_body(cx, found, decl) {
        Ok(fate) => fate,
        Err(stop) => stop.into(),
    };
    cx.open.pop();
    cx.functions.insert(found.name.clone(), fate);
    fate
}

fn check_body<'p>(cx: &mut Context<'p>, found: &Declared<'p>, decl: &FnDecl) -> Checked<Fate> {
    let project = cx.project;
    cx.about(found);
    let mut params: Vec<(String, ir::Expr)> = Vec::new();
    for param in &decl.params {
        let slot: Slot = types::slot(&param.ty, found.file, project, &mut cx.report)?;
        if params.iter().any(|(name, _)| *name == param.name.node) {
            return Err(cx.report.push(
                Diagnostic::error(
                    codes::FEATURE_TWICE,
                    param.name.span,
                    format!("parameter `{}` is defined twice", param.name.node),
                )
                .label("again here"),
            ));
        }
        let kind = ir::ExprKind::Column(param.name.node.clone());
        params.push((param.name.node.clone(), ir::Expr { kind, slot, span: param.name.span }));
    }
    let result = types::slot(&decl.result, found.file, project, &mut cx.report)?;
    let scope = Scope::default();
    let mut frame = Frame::new(Place::Function, found.file, Rc::clone(&found.loops));
    frame.params = Rc::new(params);
    frame.symbolic = true;
    let before = cx.report.len();
    let mut checker = Checker::new(cx, &scope, frame);
    let body = checker.declared(&decl.body, &result);
    let pending = checker.pending;
    match body {
        Err(Stop::Error) if cx.report.len() == before => Ok(Fate::Ready), // only what a call can settle
        Err(stop) => Err(stop),
        Ok(_) if pending => Ok(Fate::Pending),
        Ok(_) => Ok(Fate::Ready),
    }
}
