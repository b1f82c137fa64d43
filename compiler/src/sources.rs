//! Sources: columns, clauses and expectations, derived ones flattened onto their root.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ast::SourceDecl`] | [`Source`], and what readers need of it ([`SourceInfo`]) | missing clauses, clauses of another kind, columns that are no time, circles |
//!
//! A derived source inherits everything of the source it reads and adds columns, filters and
//! expectations; clauses belong to the root, which owns the data.

mod clauses;
mod rows;

use std::rc::Rc;
use std::sync::Arc;

use feat_dsl::ast::{self, ItemKind, SourceKind, SourceMember, TypeKind};
use feat_dsl::diagnostic::Diagnostic;
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use indexmap::IndexMap;

use crate::carried::{self, Carried, Ground};
use crate::codes;
use crate::context::{ColumnInfo, Columns, Context, SourceInfo, unit};
use crate::ir::{Column, Expect, Known, Source};
use crate::pending;
use crate::project::Declared;
use crate::report::{Checked, Fate, Stop};
use crate::typecheck::{Checker, Frame, Place, Scope};
use crate::types;

/// What is known of the source `declared`, which is put into the model if it is sound.
pub(crate) fn settle<'p>(cx: &mut Context<'p>, declared: &Declared<'p>) -> Rc<SourceInfo> {
    if let Some(known) = cx.sources.get(&declared.name) {
        return Rc::clone(known);
    }
    let ItemKind::Source(decl) = &declared.item.kind else { return Rc::new(broken(declared)) };
    if cx.open.contains(&declared.name) {
        cx.report.push(
            Diagnostic::error(
                codes::ORDER,
                declared.span,
                format!("source `{}` is derived from itself", declared.name.name),
            )
            .label("reads itself"),
        );
        return Rc::new(broken(declared));
    }
    cx.open.push(declared.name.clone());
    cx.report.enter(declared.name.to_string());
    let info = Rc::new(build(cx, declared, decl));
    cx.open.pop();
    cx.sources.insert(declared.name.clone(), Rc::clone(&info));
    info
}

fn broken(declared: &Declared<'_>) -> SourceInfo {
    SourceInfo {
        fate: Fate::Broken,
        name: declared.name.clone(),
        kind: SourceKind::Events,
        columns: Columns { opaque: true, ..Columns::default() },
        time: None,
        key: Vec::new(),
        since: Instant::MIN,
        span: declared.span,
    }
}

/// A source under construction.
struct Builder<'c, 'p> {
    cx: &'c mut Context<'p>,
    declared: &'c Declared<'p>,
    info: SourceInfo,
    source: Source,
}

fn build<'p>(cx: &mut Context<'p>, declared: &Declared<'p>, decl: &'p ast::SourceDecl) -> SourceInfo {
    let about = cx.about(declared);
    let name = declared.name.clone();
    let source = Source {
        name: name.clone(),
        root: name,
        kind: decl.kind,
        columns: Vec::new(),
        filters: Vec::new(),
        time: None,
        known: Known::default(),
        key: Vec::new(),
        order_by: Vec::new(),
        dedupe: None,
        lateness: None,
        since: None,
        expects: Vec::new(),
        batch: None,
        stream: None,
        rows: None,
        about,
    };
    let info =
        SourceInfo { fate: Fate::Ready, kind: decl.kind, columns: Columns::default(), ..broken(declared) };
    let mut builder = Builder { cx, declared, info, source };
    let parent = decl.from.as_ref().map(|origin| builder.origin(origin, decl.kind));
    match parent {
        Some(Ok(parent)) => builder.inherit(&parent),
        Some(Err(stop)) => {
            builder.fail(stop);
            builder.info.columns.opaque = true;
        }
        None => {}
    }
    builder.joins(&decl.joins);
    builder.filter(decl.filter.as_ref());
    for member in &decl.members {
        if let SourceMember::Column(column) = member {
            builder.column(column);
        }
    }
    builder.clauses(decl);
    for member in &decl.members {
        if let SourceMember::Expect(expect) = member {
            builder.expect(expect);
        }
    }
    let Builder { cx, info, source, .. } = builder;
    if info.fate == Fate::Ready {
        cx.model.sources.insert(info.name.clone(), source);
    }
    info
}

impl<'p> Builder<'_, 'p> {
    /// Notes that the source is not in the model; an error outweighs what is pending.
    fn fail(&mut self, stop: Stop) {
        if self.info.fate != Fate::Broken {
            self.info.fate = stop.into();
        }
    }

    /// The source that `from` names.
    fn origin(&mut self, origin: &'p ast::Origin, kind: SourceKind) -> Checked<Rc<SourceInfo>> {
        match origin {
            ast::Origin::Path(path) => {
                let span = path.span.0;
                let project = self.cx.project;
                let (_, found) = project.source(self.declared, path, &mut self.cx.report)?;
                let info = settle(self.cx, found);
                self.cx.report.enter(self.declared.name.to_string());
                if info.kind != kind && info.fate != Fate::Broken {
                    let (is, needs) = (kind_word(info.kind), kind_word(kind));
                    let mut diagnostic = Diagnostic::error(
                        codes::CLAUSE,
                        span,
                        format!(
                            "source `{}` is {is}, and this source is declared as {needs}",
                            info.name.name
                        ),
                    )
                    .label(format!("declared `{is}`"));
                    if (info.kind, kind) == (SourceKind::Table, SourceKind::Events) {
                        diagnostic.help = Some(format!(
                            "the changes of a table are events: `from changes({})`",
                            info.name.name
                        ));
                    }
                    return Err(self.cx.report.push(diagnostic));
                }
                match info.fate {
                    Fate::Broken => Err(Stop::Error),
                    Fate::Ready => Ok(info),
                    Fate::Pending => {
                        self.cx.report.follows(pending::READS_PENDING, span);
                        self.fail(Stop::Pending);
                        Ok(info)
                    }
                }
            }
            ast::Origin::Call(call) => {
                let name = call.function.node.as_str();
                if !["union", "explode", "changes", "sessions"].contains(&name) {
                    let mut diagnostic = Diagnostic::error(
                        codes::UNKNOWN_ITEM,
                        call.function.span,
                        format!("no source is made by `{name}`"),
                    )
                    .label("not a way to derive a source");
                    diagnostic.help =
                        crate::similar::suggestion(name, ["union", "explode", "changes", "sessions"]);
                    return Err(self.cx.report.push(diagnostic));
                }
                let first = call.args.iter().find_map(|arg| match arg {
                    ast::Arg::Value(expr) => Some(expr),
                    _ => None,
                });
                let base = match first {
                    Some(expr) => {
                        let path = self.cx.project.text(expr.span.0).to_owned();
                        let is_source = |kind: &ItemKind| matches!(kind, ItemKind::Source(_));
                        let project = self.cx.project;
                        let file = self.declared.file;
                        let found = project.resolve(
                            &path,
                            expr.span.0,
                            file,
                            "source",
                            is_source,
                            &mut self.cx.report,
                        )?;
                        let info = settle(self.cx, found);
                        self.cx.report.enter(self.declared.name.to_string());
                        info
                    }
                    None => {
                        return Err(self.cx.report.push(
                            Diagnostic::error(
                                codes::ARGUMENTS,
                                call.span.0,
                                format!("`{name}` needs a source"),
                            )
                            .label("of which source?"),
                        ));
                    }
                };
                self.cx.report.pending(pending::DERIVED_LOG, call.span.0, "");
                self.fail(Stop::Pending);
                let mut info = (*base).clone();
                match name {
                    "changes" => changes(&mut info),
                    _ => info.columns.opaque = true,
                }
                Ok(Rc::new(info))
            }
        }
    }

    fn inherit(&mut self, parent: &SourceInfo) {
        self.info.columns = parent.columns.clone();
        self.info.time.clone_from(&parent.time);
        self.info.key.clone_from(&parent.key);
        self.info.since = parent.since;
        if let Some(root) = self.cx.model.sources.get(&parent.name) {
            let about = std::mem::take(&mut self.source.about);
            self.source = Source { name: self.declared.name.clone(), about, ..root.clone() };
        }
    }

    fn joins(&mut self, joins: &'p [ast::Join]) {
        for join in joins {
            self.cx.report.pending(pending::JOIN, join.span.0, "");
            self.fail(Stop::Pending);
            if join_columns(self.cx, self.declared, join, &mut self.info.columns) == Err(Stop::Error) {
                self.fail(Stop::Error);
            }
        }
    }

    fn filter(&mut self, filter: Option<&'p ast::Expr>) {
        let Some(filter) = filter else { return };
        match self.row(|checker| checker.condition(filter, "`where`")) {
            Ok(filter) => {
                self.carried(&filter);
                self.source.filters.push(filter);
            }
            Err(stop) => self.fail(stop),
        }
    }

    /// Types something over this source's columns.
    fn row<T>(&mut self, work: impl FnOnce(&mut Checker<'_, '_, 'p>) -> Checked<T>) -> Checked<T> {
        let scope =
            Scope { source: &self.declared.name.name, columns: Some(&self.info.columns), ..Scope::default() };
        let frame = Frame::new(Place::Row, self.declared.file, Rc::clone(&self.declared.loops));
        let mut checker = Checker::new(self.cx, &scope, frame);
        let result = work(&mut checker);
        let waits = checker.pending;
        if waits { result.and(Err(Stop::Pending)) } else { result }
    }

    fn column(&mut self, column: &'p ast::ColumnDecl) {
        let (name, span) = (column.name.node.clone(), column.name.span);
        let last = column.value.as_ref().map_or(column.ty.span.0, |value| value.span.0);
        let about = self.cx.about_member(&column.docs, &column.attrs, &self.declared.loops, span, last);
        if let Some(first) = self.info.columns.own.get(&name) {
            let stop = self.cx.report.push(
                Diagnostic::error(
                    codes::FEATURE_TWICE,
                    span,
                    format!("column `{name}` is defined twice in this source"),
                )
                .label("again here")
                .also(first.span, "first here"),
            );
            self.fail(stop);
            return;
        }
        let slot = types::slot(&column.ty, self.declared.file, self.cx.project, &mut self.cx.report);
        let known = slot.as_ref().ok().cloned();
        let mut carried = Carried::default();
        match slot {
            Err(stop) => self.fail(stop),
            Ok(slot) => {
                if matches!(slot.ty, Type::Embedding(_)) {
                    self.cx.report.pending(pending::EMBEDDING, column.ty.span.0, "");
                    self.fail(Stop::Pending);
                }
                let value = column.value.as_ref().map(|value| self.computed(value, &slot));
                let zone = match &column.ty.kind {
                    TypeKind::TimestampIn(zone) => {
                        self.check_zone(zone);
                        Some(zone.node.clone())
                    }
                    _ => None,
                };
                match value.transpose() {
                    Ok(value) => {
                        self.check_column(column, value.is_some(), zone.is_some());
                        let found = value.as_ref().map(|value| (value, self.carried(value)));
                        let full = format!("{}.{name}", self.declared.name.name);
                        carried =
                            carried::declared(self.cx, &full, &column.attrs, found, &self.declared.loops);
                        let unit = unit(&column.attrs).map(|(unit, _)| unit);
                        self.source.columns.push(Column {
                            name: name.clone(),
                            slot,
                            zone,
                            value,
                            unit,
                            about,
                        });
                    }
                    // The declared type stands, so that its readers are checked all the same.
                    Err(stop) => self.fail(stop),
                }
            }
        }
        self.info.columns.own.insert(name, ColumnInfo { slot: known, carried, span });
    }

    fn computed(&mut self, value: &'p ast::Expr, slot: &Slot) -> Checked<crate::ir::Expr> {
        self.row(|checker| checker.declared(value, slot))
    }

    /// What a value over this source's columns carries.
    fn carried(&mut self, value: &crate::ir::Expr) -> Carried {
        let scope = Scope { columns: Some(&self.info.columns), ..Scope::default() };
        let ground = Ground { scope: &scope, place: Place::Row, reads: &[], loops: &self.declared.loops };
        carried::by(self.cx, value, &ground)
    }

    fn check_zone(&mut self, zone: &feat_dsl::span::Spanned<String>) {
        if crate::conform::is_zone(&zone.node) {
            return;
        }
        let mut diagnostic =
            Diagnostic::error(codes::TIME_ZONE, zone.span, format!("no time zone is named {:?}", zone.node))
                .label("not in the time zone database");
        diagnostic.help =
            crate::similar::suggestion(&zone.node, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        let stop = self.cx.report.push(diagnostic);
        self.fail(stop);
    }

    fn check_column(&mut self, column: &ast::ColumnDecl, computed: bool, zoned: bool) {
        let span = column.name.span;
        let derived = self.source.root != self.source.name;
        let stop = if derived && !computed {
            Diagnostic::error(
                codes::CLAUSE,
                span,
                format!("column `{}` of a derived source needs a value", column.name.node),
            )
            .label("not stored anywhere")
            .help(format!(
                "write `{}: … = …`, or declare it in `{}`",
                column.name.node, self.source.root.name
            ))
        } else if computed && self.source.kind == SourceKind::Request {
            Diagnostic::error(codes::CLAUSE, span, "a request's column has no value of its own")
                .label("the caller brings it")
                .help("compute it in a derived group")
        } else if computed && zoned {
            Diagnostic::error(
                codes::CLAUSE,
                column.ty.span.0,
                "a computed timestamp has no zone to be read in",
            )
            .label("only stored values are read")
            .help("declare `timestamp`")
        } else {
            return;
        };
        let stop = self.cx.report.push(stop);
        self.fail(stop);
    }

    fn expect(&mut self, expect: &'p ast::Expect) {
        let condition = self.row(|checker| checker.condition(&expect.condition, "`expect`"));
        if expect.share.is_some() {
            // It only counts and warns: the source is sound without it.
            self.cx.report.pending(pending::EXPECT_SHARE, expect.span.0, "");
            if matches!(condition, Err(Stop::Error)) {
                self.fail(Stop::Error);
            }
            return;
        }
        let action = expect.action.as_ref().map_or(ast::Action::Warn, |action| action.node);
        if let Ok(condition) = &condition {
            self.carried(condition);
        }
        match condition {
            Ok(condition) => self.source.expects.push(Expect {
                condition,
                text: self.cx.project.one_line(expect.condition.span.0),
                share: None,
                action,
                message: expect.message.as_ref().map(|message| message.node.clone()),
            }),
            Err(Stop::Pending) if action == ast::Action::Warn => {}
            Err(stop) => self.fail(stop),
        }
    }
}

/// Adds the columns of a joined source under its alias.
pub(crate) fn join_columns<'p>(
    cx: &mut Context<'p>,
    declared: &Declared<'p>,
    join: &'p ast::Join,
    columns: &mut Columns,
) -> Checked<()> {
    let (project, span) = (cx.project, join.source.span.0);
    let (name, found) = project.source(declared, &join.source, &mut cx.report)?;
    let info = settle(cx, found);
    cx.report.enter(declared.name.to_string());
    if info.fate == Fate::Broken {
        // Without columns: what names one of them is silent.
        let alias = join.alias.as_ref().map_or(found.name.name.clone(), |alias| alias.node.clone());
        columns.joined.insert(alias, IndexMap::new());
        return Err(Stop::Error);
    }
    if !matches!(info.kind, SourceKind::Table | SourceKind::Static) {
        return Err(cx.report.push(
            Diagnostic::error(
                codes::CLAUSE,
                span,
                format!("source `{name}` is {}, which cannot be joined", kind_word(info.kind)),
            )
            .label("no one row for a key")
            .help("join a `table` or a `static` source"),
        ));
    }
    for (left, right) in &join.on {
        let there = right.as_ref().unwrap_or(left);
        let there_name = crate::project::plain_path(there);
        let there_name = there_name.rsplit('.').next().unwrap_or_default().to_owned();
        let here = crate::project::plain_path(left);
        if !columns.own.contains_key(&here) && !columns.opaque && !here.contains('.') {
            let mut diagnostic =
                Diagnostic::error(codes::UNKNOWN_NAME, left.span.0, format!("no column `{here}` here"))
                    .label("not found");
            diagnostic.help = crate::similar::suggestion(&here, columns.own.keys().map(String::as_str));
            return Err(cx.report.push(diagnostic));
        }
        if !info.columns.own.contains_key(&there_name) && !info.columns.opaque {
            let mut diagnostic = Diagnostic::error(
                codes::UNKNOWN_NAME,
                there.span.0,
                format!("source `{name}` has no column `{there_name}`"),
            )
            .label("not found");
            diagnostic.help =
                crate::similar::suggestion(&there_name, info.columns.own.keys().map(String::as_str));
            return Err(cx.report.push(diagnostic));
        }
    }
    // There may be no version of the row yet, so every column may be null.
    let nullable = |(name, column): (&String, &ColumnInfo)| {
        let slot = column.slot.clone().map(|slot| Slot { nullable: true, ..slot });
        (name.clone(), ColumnInfo { slot, ..column.clone() })
    };
    let joined: IndexMap<String, ColumnInfo> = info.columns.own.iter().map(nullable).collect();
    let alias = join.alias.as_ref().map_or(found.name.name.clone(), |alias| alias.node.clone());
    columns.joined.insert(alias, joined);
    Ok(())
}

/// Turns a table into the log of its changes: `op`, `before` and `after` beside its columns.
fn changes(info: &mut SourceInfo) {
    info.kind = SourceKind::Events;
    let image: Vec<(String, Slot)> = info
        .columns
        .own
        .iter()
        .filter_map(|(name, column)| column.slot.clone().map(|slot| (name.clone(), slot)))
        .collect();
    let op: Arc<[String]> = ["insert", "update", "delete"].map(str::to_owned).into();
    let span = info.span;
    let column = |slot| ColumnInfo { slot: Some(slot), carried: Carried::default(), span };
    info.columns.own.insert("op".to_owned(), column(Slot::required(Type::Enum(op))));
    for name in ["before", "after"] {
        info.columns.own.insert(name.to_owned(), column(Slot::nullable(Type::Struct(image.clone()))));
    }
}

/// A kind of source as the language writes it.
pub(crate) fn kind_word(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Events => "events",
        SourceKind::Table => "table",
        SourceKind::Static => "static",
        SourceKind::Request => "request",
    }
}
