//! Carried: what goes with a value beside its type, from columns through expressions to features.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | typed expressions, `@unit`, `@pii`, `@declassify` | [`Carried`] of each column and feature | what [`units`](crate::units) reports |

use feat_dsl::ast::Attr;
use feat_dsl::diagnostic::Diagnostic;

use crate::constants::Loops;
use crate::context::{Context, first_text, unit};
use crate::ir::{Expr, Read};
use crate::personal::{self, Personal};
use crate::typecheck::{Place, Scope};
use crate::units::{self, Measure};

/// What a value carries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// Its unit.
    pub(crate) measure: Measure,
    /// Whose data it holds, by kind.
    pub(crate) personal: Vec<Personal>,
}

/// Where an expression stood when it was typed.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    /// What its names stood for.
    pub(crate) scope: &'a Scope<'a>,
    /// Whether they were columns or features.
    pub(crate) place: Place,
    /// The groups that it reads, in a derived group.
    pub(crate) reads: &'a [Read],
    /// The loops around it.
    pub(crate) loops: &'a Loops,
}

impl Ground<'_> {
    /// What the name `name` carries; `row`: inside an aggregate.
    fn name(&self, cx: &Context<'_>, name: &str, row: bool) -> Carried {
        let Self { scope, place, reads, .. } = *self;
        let column = || Some(&scope.columns?.own.get(name)?.carried);
        if row || place == Place::Row {
            return column().cloned().unwrap_or_default();
        }
        if let Some(feature) = scope.features.and_then(|features| features.get(name)) {
            return feature.carried.clone();
        }
        if place == Place::Lookup {
            return column().cloned().unwrap_or_default();
        }
        let Some((prefix, last)) = name.rsplit_once('.') else { return Carried::default() };
        if let Some((_, request)) = scope.requests.iter().find(|(request, _)| request == prefix) {
            let column = cx.sources.get(request).and_then(|source| source.columns.own.get(last));
            return column.map(|column| column.carried.clone()).unwrap_or_default();
        }
        let read = reads.iter().find(|read| read.prefix == prefix);
        let feature = read.and_then(|read| cx.groups.get(&read.group)?.features.get(last));
        feature.map(|feature| feature.carried.clone()).unwrap_or_default()
    }
}

/// What the value of `expr` carries; says which units do not fit.
pub(crate) fn by(cx: &mut Context<'_>, expr: &Expr, ground: &Ground<'_>) -> Carried {
    let mut say = Vec::new();
    let row = ground.place == Place::Row;
    let measure = units::measure(expr, row, &|name, row| ground.name(cx, name, row).measure, &mut say);
    let personal = personal::of(expr, row, &|name, row| ground.name(cx, name, row).personal);
    for diagnostic in say {
        report(cx, diagnostic, ground.loops);
    }
    Carried { measure, personal }
}

/// What the column or feature `name` carries that is declared with `attrs`, and whose value, if it
/// has one, carries what stands beside it.
pub(crate) fn declared(
    cx: &mut Context<'_>,
    name: &str,
    attrs: &[Attr],
    value: Option<(&Expr, Carried)>,
    loops: &Loops,
) -> Carried {
    let (value, mut carried) = match value {
        Some((value, carried)) => (Some(value), carried),
        None => (None, Carried::default()),
    };
    if let Some((text, at)) = unit(attrs) {
        let misfit = value.and_then(|value| units::against(&text, &carried.measure, value.span, at));
        if let Some(diagnostic) = misfit {
            report(cx, diagnostic, loops);
        }
        carried.measure = Measure::declared(&text);
    }
    let text = |wanted: &str| attrs.iter().find(|attr| attr.name.node == wanted).and_then(first_text);
    if text("declassify").is_some() {
        carried.personal.clear();
    }
    if let Some(kind) = text("pii") {
        carried.personal.retain(|found| found.kind != kind);
        carried.personal.insert(0, Personal { kind, path: Vec::new() });
    }
    for found in &mut carried.personal {
        found.path.push(name.to_owned());
    }
    carried
}

fn report(cx: &mut Context<'_>, diagnostic: Diagnostic, loops: &Loops) {
    let diagnostic = match loops.iteration() {
        Some(iteration) => diagnostic.note(iteration),
        None => diagnostic,
    };
    cx.report.push(diagnostic);
}
