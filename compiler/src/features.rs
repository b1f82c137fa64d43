//! Features: the definitions of a group become typed features, windows expanded.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`Members`], what their names may stand for | [`Features`]: those that are sound, and what is known of all | names defined twice, and everything that types may report |

use std::rc::Rc;

use feat_dsl::ast::FeatureDef;
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::time::Micros;
use feat_kernel::types::Slot;
use indexmap::IndexMap;

use crate::carried::{self, Carried, Ground};
use crate::codes;
use crate::constants::Loops;
use crate::context::{Context, FeatureInfo, unit};
use crate::ir::{Expr, ExprKind, Feature, GroupKind, Read};
use crate::members::{Definition, MOST_FEATURES, Members, too_many};
use crate::pending;
use crate::project::Declared;
use crate::report::{Checked, Fate, Stop};
use crate::similar::suggestion;
use crate::typecheck::{Checker, Frame, Place, Scope};
use crate::types;
use crate::windowing;

/// What became of a group's definitions.
#[derive(Default)]
pub(crate) struct Features {
    /// Everything with a name, in order.
    pub(crate) table: IndexMap<String, FeatureInfo>,
    /// The sound ones.
    pub(crate) ready: Vec<Feature>,
    /// The hops that they use.
    pub(crate) hops: Vec<(Micros, Span)>,
    /// The groups that the sound ones read.
    pub(crate) reads: Vec<Read>,
}

/// A feature to be.
struct Planned<'p> {
    name: String,
    span: Span,
    loops: Rc<Loops>,
    definition: Definition<'p>,
    window: usize,
}

/// Types the definitions of `declared`. With `silent`, what they read is broken: they are named only.
pub(crate) fn check<'p>(
    cx: &mut Context<'p>,
    declared: &Declared<'p>,
    scope: &Scope<'_>,
    place: Place,
    members: &Members<'p>,
    silent: bool,
) -> Features {
    let mut features = Features::default();
    let planned = plan(cx, declared, members, &mut features);
    let all: IndexMap<String, Span> =
        planned.iter().map(|planned| (planned.name.clone(), planned.span)).collect();
    for each in planned {
        if silent {
            features.table.insert(each.name, broken());
            continue;
        }
        cx.report.enter(format!("{}.{}", declared.name, each.name));
        one(cx, declared, scope, place, &each, &all, &mut features);
    }
    cx.report.enter(declared.name.to_string());
    for (loops, expect) in &members.expects {
        let scope = Scope { features: Some(&features.table), all_features: Some(&all), ..*scope };
        let frame = Frame::new(place, declared.file, Rc::clone(loops));
        let mut checker = Checker::new(cx, &scope, frame);
        if silent || checker.condition(&expect.condition, "`expect`").is_ok() {
            cx.report.pending(pending::EXPECT_FEATURE, expect.span.0, "");
        }
    }
    features
}

/// The features that the definitions stand for, each name once.
fn plan<'p>(
    cx: &mut Context<'p>,
    declared: &Declared<'p>,
    members: &Members<'p>,
    features: &mut Features,
) -> Vec<Planned<'p>> {
    let mut planned: Vec<Planned<'p>> = Vec::new();
    // Where a name was first given, and how: `n` + `_7d`.
    let mut given: IndexMap<String, (Span, String)> = IndexMap::new();
    for (loops, definition) in &members.definitions {
        let name = match definition {
            Definition::Feature(feature) => &feature.name,
            Definition::Keep(name) => name,
        };
        let span = name.span.0;
        let Ok(base) = loops.fill(name, &mut cx.report) else { continue };
        let expanded = match definition {
            Definition::Feature(feature) => {
                windowing::expand(&base, &feature.value, declared.file, loops, cx.project, &mut cx.report)
            }
            Definition::Keep(_) => Ok(vec![windowing::Expanded { name: base.clone(), window: None }]),
        };
        let Ok(expanded) = expanded else {
            features.table.insert(base, broken());
            continue;
        };
        for (window, expanded) in expanded.into_iter().enumerate() {
            let at = expanded.window.as_ref().map_or(span, |(at, _)| *at);
            let how = match &expanded.window {
                Some((_, suffix)) if !suffix.is_empty() => format!(", as `{base}` + `{suffix}`"),
                _ => String::new(),
            };
            if let Some((first, first_how)) = given.get(&expanded.name) {
                let mut diagnostic = Diagnostic::error(
                    codes::FEATURE_TWICE,
                    at,
                    format!("feature `{}` is defined twice in this group", expanded.name),
                )
                .label(format!("again here{how}"))
                .also(*first, format!("first here{first_how}"));
                if !how.is_empty() || !first_how.is_empty() {
                    diagnostic.help =
                        Some("window lists add a suffix such as `_7d`; two lists may collide".to_owned());
                }
                if let Some(iteration) = loops.iteration() {
                    diagnostic = diagnostic.note(iteration);
                }
                cx.report.push(diagnostic);
                continue;
            }
            if loops.iteration().is_some() {
                let count = cx.looped.entry(declared.name.package.clone()).or_default();
                *count += 1;
                if *count > MOST_FEATURES {
                    too_many(cx, span);
                    return planned;
                }
            }
            given.insert(expanded.name.clone(), (at, how));
            let loops = Rc::clone(loops);
            planned.push(Planned { name: expanded.name, span, loops, definition: *definition, window });
        }
    }
    planned
}

fn one<'p>(
    cx: &mut Context<'p>,
    declared: &Declared<'p>,
    scope: &Scope<'_>,
    place: Place,
    planned: &Planned<'p>,
    all: &IndexMap<String, Span>,
    features: &mut Features,
) {
    let (docs, attrs, last): (&[String], &[_], _) = match planned.definition {
        Definition::Feature(feature) => (&feature.docs, &feature.attrs, feature.value.span.0),
        Definition::Keep(_) => (&[], &[], planned.span),
    };
    let about = cx.about_member(docs, attrs, &planned.loops, planned.span, last);
    let slot = match planned.definition {
        Definition::Feature(FeatureDef { ty: Some(ty), .. }) => {
            types::slot(ty, declared.file, cx.project, &mut cx.report).map(Some)
        }
        _ => Ok(None),
    };
    let mut reads: Vec<Read> = std::mem::take(&mut features.reads);
    let before = reads.len();
    let (value, waits) = match (planned.definition, &slot) {
        (Definition::Keep(_), _) => (keep(cx, scope, place, planned), false),
        (Definition::Feature(feature), slot) => {
            let scope = Scope { features: Some(&features.table), all_features: Some(all), ..*scope };
            let frame = Frame::new(place, declared.file, Rc::clone(&planned.loops));
            let mut checker = Checker::new(cx, &scope, frame).at_window(planned.window);
            checker.reads = reads;
            let value = match slot {
                Ok(Some(slot)) => checker.declared(&feature.value, slot),
                Ok(None) => checker.expr(&feature.value, None),
                Err(stop) => checker.expr(&feature.value, None).and(Err(*stop)),
            };
            let Checker { pending, reads: known, hops, .. } = checker;
            features.hops.extend(hops);
            reads = known;
            (value, pending)
        }
    };
    let (slot, fate) = match (&value, slot) {
        (Ok(value), _) => (Some(value.slot.clone()), if waits { Fate::Pending } else { Fate::Ready }),
        (Err(stop), Ok(slot)) => (slot, Fate::from(*stop)),
        (Err(stop), Err(_)) => (None, Fate::from(*stop)),
    };
    let found = value.as_ref().ok().map(|value| {
        let scope = Scope { features: Some(&features.table), ..*scope };
        let ground = Ground { scope: &scope, place, reads: &reads, loops: &planned.loops };
        (value, carried::by(cx, value, &ground))
    });
    let full = format!("{}.{}", declared.name.name, planned.name);
    let carried = carried::declared(cx, &full, attrs, found, &planned.loops);
    if waits || value.is_err() {
        reads.truncate(before);
    }
    features.reads = reads;
    features.table.insert(planned.name.clone(), FeatureInfo { slot, carried, fate });
    match value {
        Ok(value) if fate == Fate::Ready => features.ready.push(Feature {
            name: planned.name.clone(),
            slot: Slot { nullable: value.slot.nullable || place == Place::Lookup, ty: value.slot.ty.clone() },
            value,
            private: planned.name.starts_with('_'),
            unit: unit(attrs).map(|(unit, _)| unit),
            about,
        }),
        Ok(value) => {
            cx.report.follows(pending::READS_PENDING, value.span);
        }
        Err(_) => {}
    }
}

/// What is known of a feature that has an error.
fn broken() -> FeatureInfo {
    FeatureInfo { slot: None, carried: Carried::default(), fate: Fate::Broken }
}

/// `keep a`: a column of the newest row under its own name.
fn keep(cx: &mut Context<'_>, scope: &Scope<'_>, place: Place, planned: &Planned<'_>) -> Checked<Expr> {
    let (name, span) = (&planned.name, planned.span);
    let column = scope.columns.and_then(|columns| columns.own.get(name));
    if place != Place::Lookup {
        return Err(cx.report.push(
            Diagnostic::error(
                codes::NEEDS_AGGREGATE,
                span,
                format!("`keep {name}` has no one row to keep it from"),
            )
            .label("which of the many rows?")
            .help(format!("pick one: `{name} = last({name}) over all`, …")),
        ));
    }
    match column {
        Some(column) => match &column.slot {
            Some(slot) => Ok(Expr { kind: ExprKind::Column(name.clone()), slot: slot.clone(), span }),
            None => Err(Stop::Error),
        },
        None if scope.columns.is_some_and(|columns| columns.opaque) => Err(Stop::Pending),
        None => {
            let mut diagnostic =
                Diagnostic::error(codes::UNKNOWN_NAME, span, format!("no column `{name}` here"))
                    .label("not found");
            let known = scope.columns.into_iter().flat_map(|columns| columns.own.keys().map(String::as_str));
            diagnostic.help = suggestion(name, known);
            Err(cx.report.push(diagnostic))
        }
    }
}

impl Features {
    /// Why nothing is left of the group, if nothing is.
    pub(crate) fn nothing(&self) -> Option<Stop> {
        if !self.ready.is_empty() || self.table.is_empty() {
            return None;
        }
        let broken = self.table.values().any(|feature| feature.fate == Fate::Broken);
        Some(if broken { Stop::Error } else { Stop::Pending })
    }
}

/// What readers see of the features of a group that came out as `fate`: none is better than the
/// group, and a row lookup may find no row.
pub(crate) fn sink(table: &mut IndexMap<String, FeatureInfo>, fate: Fate, kind: GroupKind) {
    for feature in table.values_mut() {
        feature.fate = match (feature.fate, fate) {
            (Fate::Broken, _) | (_, Fate::Broken) => Fate::Broken,
            (Fate::Pending, _) | (_, Fate::Pending) => Fate::Pending,
            (Fate::Ready, Fate::Ready) => Fate::Ready,
        };
        if let Some(slot) = feature.slot.as_mut().filter(|_| kind == GroupKind::Row) {
            slot.nullable = true;
        }
    }
}
