//! Windowing: what is written behind `over` and `next` becomes a window of the kernel.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ast::Over`], constants | [`Window`]s with their hops, and the suffixes of a list | windows and hops out of range, lists that differ, hops that form no chain |
//!
//! A definition with window lists is expanded in lock-step: [`expand`] finds them, they must agree,
//! and item `i` of the definition takes item `i` of each.

mod spec;

use feat_dsl::ast::{Expr, WindowClause};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::window::{Reach, Window, default_hop};

use crate::codes;
use crate::constants::Loops;
use crate::pending;
use crate::project::Project;
use crate::report::{Checked, Report};
use crate::walk;

use spec::Back;
pub(crate) use spec::{Spec, Specs, specs};

/// The longest window that is not `all`.
const LONGEST: Micros = Micros(400 * Micros::DAY.0);

/// The window of the kernel that `spec` means, and where its hop stands.
pub(crate) fn settle(spec: &Spec, since: Instant, report: &mut Report) -> Checked<(Window, Span)> {
    let offset = Micros(spec.offset);
    if spec.offset < 0 {
        return Err(report.push(
            Diagnostic::error(codes::WINDOW, spec.span, "an offset looks back, so it is not negative")
                .label("would look into the future"),
        ));
    }
    let length = match &spec.back {
        Back::Form(name, _) => {
            let construct = match name.as_str() {
                "last" => pending::LAST_WINDOW,
                "session" => pending::SESSION_WINDOW,
                _ => pending::CALENDAR_WINDOW,
            };
            return Err(report.pending(construct, spec.span, ""));
        }
        Back::All if spec.offset != 0 && spec.every.is_none() => {
            return Err(report.push(
                Diagnostic::error(codes::HOP, spec.span, "`over all` with an offset needs a hop")
                    .label("both edges stand on hops")
                    .help("add `every 1d`"),
            ));
        }
        Back::All => {
            // Not used without an offset; a day divides and is divided by every default hop.
            let hop = Micros(spec.every.unwrap_or(Micros::DAY.0));
            if hop.0 <= 0 {
                return Err(empty_hop(spec, report));
            }
            return Ok((Window { reach: Reach::All(since), hop, offset }, spec.every_span));
        }
        Back::Length(length) => Micros(*length),
    };
    if length.0 <= 0 {
        return Err(
            report.push(Diagnostic::error(codes::WINDOW, spec.span, "a window of no length").label("empty"))
        );
    }
    if length > LONGEST || offset > LONGEST {
        return Err(report.push(
            Diagnostic::error(
                codes::WINDOW,
                spec.span,
                format!("a window is at most {LONGEST} long and {LONGEST} back"),
            )
            .label("too long")
            .help("ask `over all`"),
        ));
    }
    let hop = match spec.every {
        Some(every) => Micros(every),
        None => match default_hop(length) {
            Some(hop) => hop,
            None => {
                return Err(report.push(
                    Diagnostic::error(
                        codes::HOP,
                        spec.span,
                        format!("a window of {length} has no hop of its own"),
                    )
                    .label("too short, or too odd")
                    .help(format!("say how it moves: `over {length} every …`")),
                ));
            }
        },
    };
    if hop.0 <= 0 {
        return Err(empty_hop(spec, report));
    }
    if hop > length {
        return Err(report.push(
            Diagnostic::error(
                codes::HOP,
                spec.every_span,
                format!("the hop ({hop}) is longer than the window ({length})"),
            )
            .label("would skip data")
            .help(format!("use a hop that divides {length}")),
        ));
    }
    if length.0 % hop.0 != 0 {
        return Err(report.push(
            Diagnostic::error(
                codes::HOP,
                spec.every_span,
                format!("the hop ({hop}) does not divide the window ({length})"),
            )
            .label("the edges would not meet")
            .help(format!("use a hop that divides {length}")),
        ));
    }
    Ok((Window { reach: Reach::Length(length), hop, offset }, spec.every_span))
}

fn empty_hop(spec: &Spec, report: &mut Report) -> crate::report::Stop {
    report
        .push(Diagnostic::error(codes::HOP, spec.every_span, "a hop of no length").label("would never move"))
}

/// The window of a label: `[t + after, t + after + length)`.
pub(crate) fn forward(length: i64, after: i64, span: Span, report: &mut Report) -> Checked<(Window, Micros)> {
    if length <= 0 || after < 0 {
        return Err(report.push(
            Diagnostic::error(codes::WINDOW, span, "a label looks forward by some length")
                .label("empty or backward"),
        ));
    }
    if Micros(length) > LONGEST || Micros(after) > LONGEST {
        return Err(report.push(
            Diagnostic::error(codes::WINDOW, span, format!("a label looks at most {LONGEST} forward"))
                .label("too long"),
        ));
    }
    let window = Window { reach: Reach::Length(Micros(length)), hop: Micros(1), offset: Micros::ZERO };
    Ok((window, Micros(after)))
}

/// A feature that a definition stands for: its name, and where the window that named it stands.
pub(crate) struct Expanded {
    /// The feature's name.
    pub(crate) name: String,
    /// The window that gave it its suffix; `None` for a definition without lists.
    pub(crate) window: Option<(Span, String)>,
}

/// The features that `name = value` stands for, in order: one, or one for each item of its lists.
pub(crate) fn expand(
    name: &str,
    value: &Expr,
    file: usize,
    loops: &Loops,
    project: &Project<'_>,
    report: &mut Report,
) -> Checked<Vec<Expanded>> {
    let mut overs = Vec::new();
    walk::calls(value, &mut |_, suffix| {
        if let Some(WindowClause::Over(over)) = suffix.and_then(|suffix| suffix.window.as_ref()) {
            overs.push(over);
        }
    });
    let mut first: Option<(Vec<Spec>, Span)> = None;
    for over in overs {
        let Specs::List(list) = specs(over, file, loops, project, report)? else { continue };
        match &first {
            Some((before, at)) if *before != list => {
                return Err(report.push(
                    Diagnostic::error(
                        codes::LOCK_STEP,
                        over.span.0,
                        "the window lists of one definition differ",
                    )
                    .label("not the same windows")
                    .also(*at, "as these")
                    .help("lists expand in lock-step: write the same list, or two definitions"),
                ));
            }
            Some(_) => {}
            None => first = Some((list, over.span.0)),
        }
    }
    let Some((list, _)) = first else { return Ok(vec![Expanded { name: name.to_owned(), window: None }]) };
    let mut expanded = Vec::new();
    for spec in &list {
        let named = match (&spec.alias, &spec.suffix) {
            (Some(alias), _) => Expanded { name: alias.clone(), window: Some((spec.span, String::new())) },
            (None, Some(suffix)) => {
                let suffix = format!("_{suffix}");
                Expanded { name: format!("{name}{suffix}"), window: Some((spec.span, suffix)) }
            }
            (None, None) => {
                return Err(report.push(
                    Diagnostic::error(codes::WINDOW, spec.span, "this window gives no suffix to a name")
                        .label("how is its feature called?")
                        .help("add `as name`"),
                ));
            }
        };
        expanded.push(named);
    }
    Ok(expanded)
}

/// Reports the first pair of hops of a group of which neither divides the other.
pub(crate) fn chain(hops: &[(Micros, Span)], report: &mut Report) -> Checked<()> {
    let mut distinct: Vec<(Micros, Span)> = Vec::new();
    for (hop, span) in hops {
        if distinct.iter().all(|(known, _)| known != hop) {
            distinct.push((*hop, *span));
        }
    }
    distinct.sort_by_key(|(hop, _)| *hop);
    for pair in distinct.windows(2) {
        let ((fine, first), (coarse, second)) = (pair[0], pair[1]);
        if coarse.0 % fine.0 != 0 {
            return Err(report.push(
                Diagnostic::error(
                    codes::HOP_CHAIN,
                    second,
                    format!("the hops of this group do not divide one another: {fine} and {coarse}"),
                )
                .label(format!("moves by {coarse}"))
                .also(first, format!("moves by {fine}"))
                .help("use hops of which each divides the next, or split the group"),
            ));
        }
    }
    Ok(())
}
