//! Groups: `features` and `labels`, their keys, settings and features.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ast::GroupDecl`] | [`Group`], and what readers need of it ([`GroupInfo`]) | keys that the source lacks, names defined twice, everything that types may report |
//!
//! A feature with an error is left out; its name stays known, so that what reads it is silent.

use std::rc::Rc;

use feat_dsl::ast::{self, SourceKind};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::time::Instant;

use crate::carried::{self, Ground};
use crate::codes;
use crate::context::{Columns, Context, GroupInfo, Keys, Owner, SourceInfo};
use crate::features;
use crate::ir::{Expr, Group, GroupKind, Role};
use crate::members;
use crate::pending;
use crate::project::Declared;
use crate::report::{Checked, Fate, Stop};
use crate::roles;
use crate::sources;
use crate::typecheck::{Checker, Frame, Place, Scope};
use crate::windowing;

/// Puts a features group (or, with `labels`, a labels group) into the model.
pub(crate) fn settle<'p>(
    cx: &mut Context<'p>,
    declared: &'p Declared<'p>,
    decl: &'p ast::GroupDecl,
    labels: bool,
) {
    cx.report.enter(declared.name.to_string());
    let about = cx.about(declared);
    let owner = owner(cx, declared, decl);
    let source = source(cx, declared, decl);
    cx.report.enter(declared.name.to_string());
    let mut fates = Fates(Fate::Ready);
    let mut columns = match &source {
        Ok(info) => {
            if info.fate == Fate::Pending {
                fates.fail(cx.report.follows(pending::READS_PENDING, decl.from.span.0));
            }
            info.columns.clone()
        }
        Err(stop) => {
            fates.fail(*stop);
            Columns { opaque: true, ..Columns::default() }
        }
    };
    for join in &decl.joins {
        fates.fail(cx.report.pending(pending::JOIN, join.span.0, ""));
        if sources::join_columns(cx, declared, join, &mut columns) == Err(Stop::Error) {
            fates.fail(Stop::Error);
        }
    }
    let key = match (&owner, &source) {
        (Ok(owner), Ok(info)) => key(cx, owner, info, &columns),
        (Err(stop), _) | (_, Err(stop)) => Err(*stop),
    };
    let members = members::unroll(cx, &decl.members, declared);
    let rows = source.as_ref().is_ok_and(|info| matches!(info.kind, SourceKind::Table | SourceKind::Static));
    let lookup = rows && !labels && !members.aggregates(cx);
    if lookup
        && let (Ok(owner), Ok(key), Ok(info)) = (&owner, &key, &source)
        && let Err(stop) = one_row(cx, owner, key, info)
    {
        fates.fail(stop);
    }
    let filter = filter(cx, declared, decl, &columns);
    let settings = members::settings(cx, &members.settings, &members::GROUP_SETTINGS);
    let (place, kind) = match (labels, lookup) {
        (true, _) => (Place::Label, GroupKind::Aggregates),
        (false, true) => (Place::Lookup, GroupKind::Row),
        (false, false) => (Place::Feature, GroupKind::Aggregates),
    };
    let roles: Vec<Role> = owner.iter().map(|owner| owner.role.clone()).collect();
    let scope = Scope {
        source: source.as_ref().map_or("", |info| info.name.name.as_str()),
        columns: Some(&columns),
        roles: &roles,
        table: rows,
        time: source.as_ref().ok().and_then(|info| info.time.as_deref()),
        since: source.as_ref().map_or(Instant::MIN, |info| info.since),
        ..Scope::default()
    };
    let features = features::check(cx, declared, &scope, place, &members, source.is_err());
    cx.report.enter(declared.name.to_string());
    let chained = windowing::chain(&features.hops, &mut cx.report);
    let stops = [key.as_ref().err(), filter.as_ref().err(), settings.as_ref().err(), chained.as_ref().err()];
    stops.into_iter().flatten().for_each(|stop| fates.fail(*stop));
    if members.broken {
        fates.fail(Stop::Error);
    }
    if let Some(stop) = features.nothing() {
        fates.fail(stop);
    }
    let entity = owner.as_ref().ok().map(|owner| owner.role.entity.clone());
    let mut table = features.table;
    features::sink(&mut table, fates.0, kind);
    cx.groups.insert(
        declared.name.clone(),
        Rc::new(GroupInfo {
            name: declared.name.clone(),
            owner: entity
                .clone()
                .map(|entity| if labels { Owner::Labels(entity) } else { Owner::Features(entity) }),
            version: settings.as_ref().map_or(1, |settings| settings.version),
            features: table,
            span: declared.span,
        }),
    );
    let (Fate::Ready, Ok(info), Ok(key), Ok(filter), Ok(settings), Some(entity)) =
        (fates.0, source, key, filter, settings, entity)
    else {
        return;
    };
    let group = Group {
        name: declared.name.clone(),
        version: settings.version,
        entity,
        key,
        source: info.name.clone(),
        filter,
        ttl: settings.ttl,
        refresh: settings.refresh,
        kind,
        features: features.ready,
        about,
    };
    let place = if labels { &mut cx.model.labels } else { &mut cx.model.groups };
    place.insert(declared.name.clone(), group);
}

/// The worst of what happened to a group.
struct Fates(Fate);

impl Fates {
    fn fail(&mut self, stop: Stop) {
        if self.0 != Fate::Broken {
            self.0 = stop.into();
        }
    }
}

/// Whose features they are.
struct Of<'d> {
    role: Role,
    keys: Rc<Keys>,
    written: &'d ast::OfEntity,
}

fn owner<'d>(cx: &mut Context<'_>, declared: &Declared<'_>, decl: &'d ast::GroupDecl) -> Checked<Of<'d>> {
    let Some((of, others)) = decl.of.split_first() else { return Err(Stop::Error) };
    if let Some(second) = others.first() {
        return Err(cx.report.push(
            Diagnostic::error(codes::AMBIGUOUS_KEY, second.span.0, "a group of rows has one entity")
                .label("a second one")
                .help("declare an entity with both keys, or use a derived group"),
        ));
    }
    let (entity, keys) = roles::entity(cx, of, declared)?;
    let inputs = keys.iter().map(|(name, _)| name.clone()).collect();
    Ok(Of { role: Role { name: entity.name.clone(), entity, inputs }, keys, written: of })
}

fn source<'p>(
    cx: &mut Context<'p>,
    declared: &Declared<'p>,
    decl: &'p ast::GroupDecl,
) -> Checked<Rc<SourceInfo>> {
    let (project, span) = (cx.project, decl.from.span.0);
    let (name, found) = project.source(declared, &decl.from, &mut cx.report)?;
    let info = sources::settle(cx, found);
    if info.fate == Fate::Broken {
        return Err(Stop::Error);
    }
    if info.kind == SourceKind::Request {
        return Err(cx.report.push(
            Diagnostic::error(codes::CLAUSE, span, format!("source `{name}` is a request: it keeps no rows"))
                .label("one row, while it is asked")
                .help(format!("use a derived group: `derived … with {name}`")),
        ));
    }
    Ok(info)
}

/// The source's columns that are the entity's key, in its order.
fn key(cx: &mut Context<'_>, owner: &Of<'_>, info: &SourceInfo, columns: &Columns) -> Checked<Vec<String>> {
    let names: Vec<(String, Span)> = if owner.written.columns.is_empty() {
        owner.keys.iter().map(|(name, _)| (name.clone(), owner.written.span.0)).collect()
    } else {
        roles::arity(cx, owner.written, &owner.keys)?;
        owner.written.columns.iter().map(|path| (crate::project::plain_path(path), path.span.0)).collect()
    };
    let mut key = Vec::new();
    for ((name, span), (wanted, ty)) in names.into_iter().zip(owner.keys.iter()) {
        let source = &info.name.name;
        let Some(column) = columns.own.get(&name) else {
            if columns.opaque {
                return Err(Stop::Pending);
            }
            let mut diagnostic = Diagnostic::error(
                codes::KEY_COLUMN,
                span,
                format!("source `{source}` has no column `{name}`, the key of `{}`", owner.role.entity.name),
            )
            .label("whose rows are they?")
            .also(info.span, "declared here");
            let known = columns.own.keys().map(String::as_str);
            let near = crate::similar::nearest(&name, known).unwrap_or("column");
            diagnostic.help =
                Some(format!("say which column it is: `of {}({near})`", owner.role.entity.name));
            return Err(cx.report.push(diagnostic));
        };
        // A null key belongs to no entity, so a nullable column may be a key.
        match &column.slot {
            None => return Err(Stop::Error),
            Some(slot) if slot.ty == *ty => key.push(name),
            Some(slot) => {
                return Err(cx.report.push(
                    Diagnostic::error(
                        codes::KEY_COLUMN,
                        span,
                        format!(
                            "column `{name}` of `{source}` is `{}`, and the key `{wanted}` of `{}` is `{ty}`",
                            slot.ty, owner.role.entity.name
                        ),
                    )
                    .label("another type")
                    .also(column.span, format!("`{slot}` here"))
                    .help("a key has one type everywhere: add a computed column, or change the entity"),
                ));
            }
        }
    }
    Ok(key)
}

/// A row lookup's key must be the source's, or several rows would answer. A group that aggregates
/// over a table may have any key.
fn one_row(cx: &mut Context<'_>, owner: &Of<'_>, key: &[String], info: &SourceInfo) -> Checked<()> {
    let mut own: Vec<&String> = info.key.iter().collect();
    let mut wanted: Vec<&String> = key.iter().collect();
    own.sort();
    wanted.sort();
    if own == wanted || info.fate != Fate::Ready {
        return Ok(());
    }
    let entity = &owner.role.entity.name;
    Err(cx.report.push(
        Diagnostic::error(
            codes::SEVERAL_ROWS,
            owner.written.span.0,
            format!("`{}` may hold several rows per {entity}", info.name.name),
        )
        .label(format!("its rows are unique by ({})", info.key.join(", ")))
        .also(info.span, "declared here")
        .help("look the row up by its key, or aggregate"),
    ))
}

fn filter<'p>(
    cx: &mut Context<'p>,
    declared: &Declared<'p>,
    decl: &'p ast::GroupDecl,
    columns: &Columns,
) -> Checked<Option<Expr>> {
    let Some(filter) = &decl.filter else { return Ok(None) };
    let scope = Scope { source: "", columns: Some(columns), ..Scope::default() };
    let frame = Frame::new(Place::Row, declared.file, Rc::clone(&declared.loops));
    let mut checker = Checker::new(cx, &scope, frame);
    let typed = checker.condition(filter, "`where`")?;
    if checker.pending {
        return Err(Stop::Pending);
    }
    carried::by(cx, &typed, &Ground { scope: &scope, place: Place::Row, reads: &[], loops: &declared.loops });
    Ok(Some(typed))
}
