//! Derived groups: expressions over features of groups, requests, keys and `as_of`.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ast::DerivedDecl`] | [`Derived`], and what readers need of it ([`GroupInfo`]) | keys that its entities do not cover, circles, everything that types may report |

use std::rc::Rc;

use feat_dsl::ast::{self, ItemKind, SourceKind};
use feat_dsl::diagnostic::Diagnostic;
use indexmap::IndexMap;

use crate::codes;
use crate::context::{Context, GroupInfo, Owner};
use crate::features;
use crate::ir::{Derived, GroupKind, QName};
use crate::members;
use crate::pending;
use crate::project::Declared;
use crate::report::{Checked, Fate, Stop};
use crate::roles;
use crate::sources::{self, kind_word};
use crate::typecheck::{Place, Scope};

/// Puts a derived group into the model, once.
pub(crate) fn settle<'p>(cx: &mut Context<'p>, declared: &'p Declared<'p>) {
    let ItemKind::Derived(decl) = &declared.item.kind else { return };
    if cx.groups.contains_key(&declared.name) {
        return;
    }
    if cx.open.contains(&declared.name) {
        let name = &declared.name.name;
        cx.report.push(
            Diagnostic::error(codes::ORDER, declared.span, format!("derived group `{name}` reads itself"))
                .label("defined by a circle"),
        );
        return;
    }
    cx.open.push(declared.name.clone());
    let outer = cx.report.item().to_owned();
    build(cx, declared, decl);
    cx.report.enter(outer);
    cx.open.pop();
}

fn build<'p>(cx: &mut Context<'p>, declared: &'p Declared<'p>, decl: &'p ast::DerivedDecl) {
    cx.report.enter(declared.name.to_string());
    let about = cx.about(declared);
    let roles = roles::roles(cx, &decl.of, declared);
    let (with, asked) = requests(cx, declared, &decl.with);
    let requests: Vec<(String, QName)> =
        with.iter().map(|request| (request.name.clone(), request.clone())).collect();
    cx.report.enter(declared.name.to_string());
    let members = members::unroll(cx, &decl.members, declared);
    let settings = members::settings(cx, &members.settings, &members::DERIVED_SETTINGS);
    let silent = roles.is_err() || asked == Err(Stop::Error);
    let own = roles.as_deref().unwrap_or_default();
    let scope = Scope { roles: own, requests: &requests, ..Scope::default() };
    let features = features::check(cx, declared, &scope, Place::Derived, &members, silent);
    let stop = roles.as_ref().err().or(asked.as_ref().err()).or(settings.as_ref().err()).copied();
    let stop = stop.or(members.broken.then_some(Stop::Error)).or(features.nothing());
    let fate = stop.map_or(Fate::Ready, Fate::from);
    let mut table: IndexMap<_, _> = features.table;
    features::sink(&mut table, fate, GroupKind::Aggregates);
    let owner = roles.as_ref().ok().filter(|_| !silent);
    cx.groups.insert(
        declared.name.clone(),
        Rc::new(GroupInfo {
            name: declared.name.clone(),
            owner: owner.map(|roles| Owner::Derived(roles.clone(), with.clone())),
            version: settings.as_ref().map_or(1, |settings| settings.version),
            features: table,
            span: declared.span,
        }),
    );
    let (Fate::Ready, Ok(of), Ok(settings)) = (fate, roles, settings) else { return };
    let name = declared.name.clone();
    let derived = Derived {
        name,
        version: settings.version,
        of,
        with,
        reads: features.reads,
        features: features.ready,
        about,
    };
    cx.model.derived.insert(declared.name.clone(), derived);
}

/// The request sources of `with …`, those that wait among them, and whether all of them can be read.
pub(crate) fn requests<'p>(
    cx: &mut Context<'p>,
    declared: &Declared<'p>,
    with: &'p [ast::Path],
) -> (Vec<QName>, Checked<()>) {
    let mut names = Vec::new();
    let mut worst: Checked<()> = Ok(());
    for path in with {
        let read = match request(cx, declared, path) {
            Ok((name, read)) => {
                names.push(name);
                read
            }
            Err(stop) => Err(stop),
        };
        if read.is_err() && worst != Err(Stop::Error) {
            worst = read;
        }
    }
    (names, worst)
}

/// The request source that `path` names, and whether it can be read.
fn request<'p>(
    cx: &mut Context<'p>,
    declared: &Declared<'p>,
    path: &'p ast::Path,
) -> Checked<(QName, Checked<()>)> {
    let (project, span) = (cx.project, path.span.0);
    let (name, found) = project.source(declared, path, &mut cx.report)?;
    let info = sources::settle(cx, found);
    if info.fate == Fate::Broken {
        return Err(Stop::Error);
    }
    if info.kind != SourceKind::Request {
        let is = kind_word(info.kind);
        return Err(cx.report.push(
            Diagnostic::error(
                codes::CLAUSE,
                span,
                format!("source `{name}` is {is}, and `with` names requests"),
            )
            .label("not a request")
            .also(info.span, "declared here")
            .help(format!("put an aggregate of `{name}` into a features group")),
        ));
    }
    let read = match info.fate {
        Fate::Pending => Err(cx.report.follows(pending::READS_PENDING, span)),
        Fate::Ready | Fate::Broken => Ok(()),
    };
    Ok((found.name.clone(), read))
}
