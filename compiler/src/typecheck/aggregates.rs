//! Typecheck, the aggregates: arguments over one row, `where`, `by`, window, and the kernel's answer.

use feat_dsl::ast::{self, Arg, Call, Expr, Ident, Over, Suffix, WindowClause, Windows};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::agg::{BindError, bind};
use feat_kernel::time::Micros;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use feat_kernel::window::{Reach, Window};

use super::paths::constant_value;
use super::{Checker, Place};
use crate::codes;
use crate::context::Context;
use crate::ir;
use crate::pending;
use crate::report::{Checked, Stop};
use crate::similar::suggestion;
use crate::windowing;

/// Aggregates of the language whose state the kernel does not have yet.
const WAITING: [&str; 24] = [
    "top_k",
    "bottom_k",
    "argmax",
    "argmin",
    "skewness",
    "kurtosis",
    "covariance",
    "correlation",
    "slope",
    "rate",
    "value_counts",
    "most_frequent",
    "entropy",
    "collect_set",
    "histogram",
    "decayed_sum",
    "decayed_count",
    "ema",
    "since_last",
    "since_first",
    "delta",
    "increase",
    "max_gap",
    "avg_gap",
];

/// The last of [`WAITING`], kept apart for the line's sake.
const ALSO_WAITING: &str = "count_changes";

/// What is asked for and cannot be had exactly, with what can.
const NEVER: [(&str, &str); 7] = [
    (
        "median",
        "`approx_quantile(x, q: 0.5)` is within 1 % of the true value; or `approx_quantile(…, accuracy: 0.001)`",
    ),
    ("percentile", "`approx_quantile(x, q: 0.95)` is within 1 % of the true value"),
    ("quantile", "`approx_quantile(x, q: 0.95)` is within 1 % of the true value"),
    ("percentile_cont", "`approx_quantile(x, q: 0.95)` is within 1 % of the true value"),
    ("mode", "`most_frequent(x, max: 1000)` is exact up to 1000 distinct values"),
    ("approx_top_k", "`most_frequent(x, max: 1000, k: 10)` is exact up to 1000 distinct values"),
    ("approx_most_frequent", "`most_frequent(x, max: 1000)` is exact up to 1000 distinct values"),
];

/// The most rows that `first_n`, `last_n` and `top_k` keep.
const MOST_ROWS: i64 = 1_000;
/// The most distinct values that `max:` and `limit` allow.
const MOST_VALUES: i64 = 100_000;

/// Aggregates over a table that the kernel can take back once it folds tables.
const RETRACTABLE_WAITING: [&str; 6] = ["skewness", "kurtosis", "covariance", "correlation", "slope", "rate"];

/// Whether `name` is an aggregate of the language, or one that people ask for.
pub(crate) fn is_aggregate(cx: &Context<'_>, name: &str) -> bool {
    cx.aggregates.contains_key(name)
        || WAITING.contains(&name)
        || name == ALSO_WAITING
        || NEVER.iter().any(|(never, _)| *never == name)
}

/// The pieces of a call, typed.
struct Pieces {
    args: Vec<ir::Expr>,
    params: Vec<(String, Value)>,
    filter: Option<ir::Expr>,
}

impl Checker<'_, '_, '_> {
    pub(super) fn aggregate(
        &mut self,
        call: &Call,
        suffix: Option<&Suffix>,
        span: Span,
    ) -> Checked<ir::Expr> {
        let name = call.function.node.as_str();
        if let Some((_, help)) = NEVER.iter().find(|(never, _)| *never == name) {
            let exact = if name.starts_with("approx") {
                "its answer depends on order"
            } else {
                "exact quantiles cannot be merged across tiles"
            };
            let written = call.args.iter().find_map(|arg| match arg {
                Arg::Value(expr) => Some(self.cx.project.one_line(expr.span.0)),
                _ => None,
            });
            let help = help.replace("(x,", &format!("({},", written.as_deref().unwrap_or("x")));
            return Err(self.report(
                Diagnostic::error(
                    codes::NOT_MERGEABLE,
                    call.function.span,
                    format!("there is no `{name}`: {exact}"),
                )
                .label("would need every row of the window")
                .help(help),
            ));
        }
        self.may_aggregate(name, span)?;
        let Some(window) = suffix.and_then(|suffix| suffix.window.as_ref()) else {
            return Err(self.windowless(name, span));
        };
        self.frame.aggregate = true;
        let pieces = self.pieces(call, suffix);
        self.frame.aggregate = false;
        // Both are looked at before either stops: they are two causes.
        let settled = self.window_of(window, name, span);
        let pieces = pieces?;
        if self.scope.table && self.frame.place != Place::Label {
            return Err(self.over_table(call, window, span));
        }
        if WAITING.contains(&name) || name == ALSO_WAITING {
            settled?;
            return Err(self.cx.report.pending(pending::AGGREGATE, call.span.0, name));
        }
        self.limits(call, &pieces)?;
        let slots: Vec<Slot> = pieces.args.iter().map(|arg| arg.slot.clone()).collect();
        let bound = match bind(name, &slots, &pieces.params) {
            Ok(bound) => bound,
            Err(error) => return Err(self.bind_error(&error, call, &pieces)),
        };
        let (window, after) = settled?;
        if let Some((by, _)) = suffix.and_then(|suffix| suffix.by.as_ref()) {
            return Err(self.cx.report.pending(pending::BY, by.span.0, ""));
        }
        let text = match suffix.and_then(|suffix| suffix.filter.as_ref()) {
            Some(filter) => {
                let project = self.cx.project;
                format!("{} where {}", project.one_line(call.span.0), project.one_line(filter.span.0))
            }
            None => self.cx.project.one_line(call.span.0),
        };
        let slot = bound.result.clone();
        let Pieces { args, filter, .. } = pieces;
        let aggregate = ir::AggregateCall { bound, args, filter, window, after, text };
        Ok(ir::Expr { kind: ir::ExprKind::Aggregate(Box::new(aggregate)), slot, span })
    }

    fn may_aggregate(&mut self, name: &str, span: Span) -> Checked<()> {
        let (place, help) = match self.frame.place {
            _ if self.frame.aggregate => {
                ("inside another aggregate", "fold the rows once, and combine the results outside")
            }
            Place::Feature | Place::Label => return Ok(()),
            Place::Lookup => ("beside a row lookup", "a group looks rows up or folds them: use two groups"),
            Place::Row => ("where there is only one row", "put it into a features group"),
            Place::Derived => {
                ("in a derived group", "put it into a features group, and read it here as `group.feature`")
            }
            Place::Function => ("in a function", "pass its result as an argument"),
            Place::Constant => ("in a constant", "put it into a features group"),
        };
        Err(self.report(
            Diagnostic::error(
                codes::MISPLACED_AGGREGATE,
                span,
                format!("aggregate `{name}` is used {place}"),
            )
            .label("no rows to fold here")
            .help(help),
        ))
    }

    fn windowless(&mut self, name: &str, span: Span) -> Stop {
        let help =
            if self.frame.place == Place::Label { "add `next 7d`" } else { "add `over 7d`, or `over all`" };
        self.report(
            Diagnostic::error(codes::WINDOW, span, format!("aggregate `{name}` has no window"))
                .label("over which rows?")
                .help(help),
        )
    }

    fn pieces(&mut self, call: &Call, suffix: Option<&Suffix>) -> Checked<Pieces> {
        let mut args = Vec::new();
        let mut params = Vec::new();
        for arg in &call.args {
            match arg {
                Arg::Value(expr) => args.push(self.expr(expr, None)),
                Arg::Named(name, expr) if name.node == "by" => args.push(self.expr(expr, None)),
                Arg::Named(name, expr) => params.push(self.param(name, expr)),
                Arg::Lambda(param, _) => {
                    return Err(self.report(
                        Diagnostic::error(codes::ARGUMENTS, param.span, "an aggregate takes no lambda")
                            .label("a value is needed here"),
                    ));
                }
            }
        }
        let filter =
            suffix.and_then(|suffix| suffix.filter.as_ref()).map(|filter| self.condition(filter, "`where`"));
        let by = suffix.and_then(|suffix| suffix.by.as_ref()).map(|(by, limit)| {
            let bucket = self.expr(by, None)?;
            let closed = matches!(bucket.slot.ty, Type::Bool | Type::Enum(_));
            match limit {
                None if !closed => {
                    let text = self.cx.project.one_line(by.span.0);
                    Err(self.report(
                        Diagnostic::error(codes::OPEN_BUCKETS, by.span.0, "`by` over an open set of values needs a `limit`")
                            .label(format!("{} has no known number of values", bucket.slot.ty))
                            .help(format!(
                                "write `by {text} limit 50` (the value is null for a key that exceeds it), or make the column an enum"
                            )),
                    ))
                }
                Some(limit) if i64::try_from(limit.node).is_ok_and(|limit| limit > MOST_VALUES) => {
                    Err(self.too_many("limit", limit.span, MOST_VALUES))
                }
                _ => Ok(()),
            }
        });
        let args = args.into_iter().collect::<Checked<_>>()?;
        let params = params.into_iter().collect::<Checked<_>>()?;
        by.transpose()?;
        Ok(Pieces { args, params, filter: filter.transpose()? })
    }

    fn param(&mut self, name: &Ident, expr: &Expr) -> Checked<(String, Value)> {
        let loops = std::rc::Rc::clone(&self.frame.loops);
        let file = self.frame.file;
        let constant = self.cx.project.constant(expr, file, &loops, &mut self.cx.report)?;
        match constant_value(&constant) {
            Some(value) => Ok((name.node.clone(), value)),
            None => Err(self.report(
                Diagnostic::error(
                    codes::CONSTANT,
                    expr.span.0,
                    format!("parameter `{}` needs a constant", name.node),
                )
                .label("not known before the rows are"),
            )),
        }
    }

    fn limits(&mut self, call: &Call, pieces: &Pieces) -> Checked<()> {
        for (name, value) in &pieces.params {
            let most = match name.as_str() {
                "n" | "k" => MOST_ROWS,
                "max" => MOST_VALUES,
                _ => continue,
            };
            if matches!(value, Value::Int(x) if *x > most) {
                let at = param_span(call, name);
                return Err(self.too_many(name, at, most));
            }
        }
        Ok(())
    }

    fn too_many(&mut self, name: &str, span: Span, most: i64) -> Stop {
        self.report(
            Diagnostic::error(codes::LIMIT, span, format!("`{name}` is at most {most}"))
                .label("more than a key may keep"),
        )
    }

    fn bind_error(&mut self, error: &BindError, call: &Call, pieces: &Pieces) -> Stop {
        let name = call.function.node.as_str();
        let usage = self.cx.aggregates.get(name).map(|signature| signature.usage);
        let diagnostic = match error {
            BindError::Unknown(_) => {
                let mut diagnostic = Diagnostic::error(
                    codes::UNKNOWN_ITEM,
                    call.function.span,
                    format!("no aggregate is named `{name}`"),
                )
                .label("not an aggregate");
                diagnostic.help = suggestion(name, self.cx.aggregates.keys().copied());
                diagnostic
            }
            BindError::Arguments { expected, found } => Diagnostic::error(
                codes::ARGUMENTS,
                call.span.0,
                format!("`{name}` takes {expected}, found {found}"),
            )
            .label("arguments"),
            BindError::Type { index, expected, found } => {
                let at = pieces.args.get(*index).map_or(call.span.0, |arg| arg.span);
                Diagnostic::error(
                    codes::ARGUMENT_TYPE,
                    at,
                    format!("`{name}` needs {expected}, found {found}"),
                )
                .label(format!("not {expected}"))
            }
            BindError::Parameter { name: param, reason } => Diagnostic::error(
                codes::ARGUMENTS,
                param_span(call, param),
                format!("parameter `{param}` of `{name}`: {reason}"),
            )
            .label("does not do"),
        };
        let diagnostic = match (usage, error) {
            (Some(usage), BindError::Arguments { .. } | BindError::Parameter { .. }) => {
                diagnostic.note(format!("it is written `{usage}`"))
            }
            _ => diagnostic,
        };
        self.report(diagnostic)
    }

    /// The window and the delay of an aggregate; a pending form of window stops it.
    fn window_of(&mut self, clause: &WindowClause, name: &str, span: Span) -> Checked<(Window, Micros)> {
        let file = self.frame.file;
        let loops = std::rc::Rc::clone(&self.frame.loops);
        match clause {
            WindowClause::Next(ast::Next { length, after, span: at }) => {
                if self.frame.place != Place::Label {
                    return Err(self.report(
                        Diagnostic::error(
                            codes::LOOKS_FORWARD,
                            at.0,
                            "`next` looks into the future and is only allowed in `labels`",
                        )
                        .label("leak")
                        .help("use `over` here"),
                    ));
                }
                let h =
                    self.cx.project.length(&length.node, length.span, file, &loops, &mut self.cx.report)?;
                let after = after.as_ref().map_or(0, |after| after.node);
                windowing::forward(h, after, length.span, &mut self.cx.report)
            }
            WindowClause::Over(over) => {
                if self.frame.place == Place::Label {
                    return Err(self.report(
                        Diagnostic::error(
                            codes::LOOKS_BACK,
                            over.span.0,
                            "`over` looks back, and a label looks forward",
                        )
                        .label("the past is a feature")
                        .help(format!("write `{name}(…) next 7d`")),
                    ));
                }
                let specs = windowing::specs(over, file, &loops, self.cx.project, &mut self.cx.report)?;
                let Some(spec) = specs.at(self.window) else { return Err(Stop::Error) };
                let (window, hop_at) = windowing::settle(spec, self.scope.since, &mut self.cx.report)?;
                self.along(over, span)?;
                if matches!(window.reach, Reach::Length(_)) {
                    self.hops.push((window.hop, hop_at));
                }
                Ok((window, Micros::ZERO))
            }
        }
    }

    fn along(&mut self, over: &Over, span: Span) -> Checked<()> {
        let Some(along) = &over.along else { return Ok(()) };
        let column = self.scope.columns.and_then(|columns| columns.own.get(&along.node)).cloned();
        let Some(column) = column else {
            let mut diagnostic = Diagnostic::error(
                codes::UNKNOWN_NAME,
                along.span,
                format!("no column `{}` here", along.node),
            )
            .label("not found");
            let known =
                self.scope.columns.into_iter().flat_map(|columns| columns.own.keys().map(String::as_str));
            diagnostic.help = suggestion(&along.node, known);
            return Err(self.report(diagnostic));
        };
        let Some(slot) = column.slot else { return Err(Stop::Error) };
        if slot.ty != Type::Timestamp {
            return Err(self.report(
                Diagnostic::error(
                    codes::EVENT_TIME,
                    along.span,
                    format!("`along` needs a timestamp, found {}", slot.ty),
                )
                .label("not an instant"),
            ));
        }
        // The time of the source itself changes nothing; over a table it is `over_table` that judges.
        if self.scope.time == Some(along.node.as_str()) || self.scope.table {
            return Ok(());
        }
        Err(self.cx.report.pending(pending::ALONG_TIME, span, ""))
    }

    /// An aggregate over the current rows of a table: checked, and not compiled.
    fn over_table(&mut self, call: &Call, clause: &WindowClause, span: Span) -> Stop {
        let name = call.function.node.as_str();
        let retractable = match self.cx.aggregates.get(name) {
            Some(signature) => signature.deletable,
            None => RETRACTABLE_WAITING.contains(&name),
        };
        if !retractable {
            let table = self.scope.source.to_owned();
            return self.report(
                Diagnostic::error(
                    codes::NOT_RETRACTABLE,
                    span,
                    format!("`{name}` cannot take a row back, and rows of a table change"),
                )
                .label("not retractable")
                .note(format!("`{table}` is a `table`: an update removes the old row"))
                .help(format!("ask the log, which only grows: `from changes({table})`")),
            );
        }
        if let WindowClause::Over(over) = clause
            && over.along.is_none()
            && !matches!(&over.windows, Windows::One(window) if window.node == feat_dsl::ast::WindowExpr::All)
        {
            return self.report(
                Diagnostic::error(
                    codes::ALONG,
                    over.span.0,
                    "a window over a table needs the time of its rows",
                )
                .label("by which of its times?")
                .help("add `along created_at`, or ask `over all`"),
            );
        }
        self.cx.report.pending(pending::TABLE_AGGREGATE, span, "")
    }
}

/// Where a named parameter stands.
fn param_span(call: &Call, name: &str) -> Span {
    call.args
        .iter()
        .find_map(|arg| match arg {
            Arg::Named(ident, expr) if ident.node == name => Some(ident.span.to(expr.span.0)),
            _ => None,
        })
        .unwrap_or(call.span.0)
}
