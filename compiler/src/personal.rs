//! Personal data: which values are made of what `@pii("kind")` marks, and by which way they are.
//!
//! `count`, `count_distinct` (approximate or not), `fraction`, `is null`, a `hash64` with a seed
//! and `hmac_sha256` tell nobody from anybody: they stop it. Everything else hands it on, conditions among it: of an aggregate, its own `where`; of
//! a choice, what it is made by. The `where` of a source or group chooses rows and no values, and
//! the keys of entities are what one asks with: neither counts.

use feat_kernel::agg::{Aggregator, share::Share};
use feat_kernel::value::Value;

use crate::expr::each_child;
use crate::ir::{Expr, ExprKind};

/// Personal data of one kind in a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Personal {
    /// As `@pii("email")` names it.
    pub(crate) kind: String,
    /// The names it came by, the marked one first: `users.email`, `profile.domain`.
    pub(crate) path: Vec<String>,
}

/// The personal data in `expr`, each kind once; `names` knows what the names of a row (where its
/// second argument is true) and others hold.
pub(crate) fn of(expr: &Expr, row: bool, names: &dyn Fn(&str, bool) -> Vec<Personal>) -> Vec<Personal> {
    let mut found = Vec::new();
    gather(expr, row, names, &mut found);
    found
}

fn gather(expr: &Expr, row: bool, names: &dyn Fn(&str, bool) -> Vec<Personal>, found: &mut Vec<Personal>) {
    match &expr.kind {
        ExprKind::Column(name) => names(name, row).into_iter().for_each(|one| add(found, one)),
        ExprKind::Call(function, args) if stops(function, args) => {}
        ExprKind::Aggregate(call) => match call.bound.aggregator {
            Aggregator::Count(_)
            | Aggregator::Distinct(_)
            | Aggregator::ApproxDistinct(_)
            | Aggregator::Share(Share::Fraction) => {}
            _ => call.args.iter().chain(&call.filter).for_each(|expr| gather(expr, true, names, found)),
        },
        _ => each_child(expr, &mut |child| gather(child, row, names, found)),
    }
}

/// Whether a call's result tells nobody from anybody.
fn stops(function: &str, args: &[Expr]) -> bool {
    match (function, args) {
        // Without a seed of one's own, everybody can hash every address there is and compare.
        ("hash64", [_, seed]) => !matches!(seed.kind, ExprKind::Literal(Value::Int(0))),
        // Whether there is a value says nothing of which.
        ("is_null" | "is_not_null" | "hmac_sha256", _) => true,
        _ => false,
    }
}

/// Adds `one` unless its kind is there.
pub(crate) fn add(found: &mut Vec<Personal>, one: Personal) {
    if found.iter().all(|known| known.kind != one.kind) {
        found.push(one);
    }
}
