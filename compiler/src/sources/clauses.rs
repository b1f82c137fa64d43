//! Sources, the clauses: time, arrival, keys, order, duplicates, connectors.

use feat_dsl::ast::{self, IoKind, SourceKind, SourceMember};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::{Span, Spanned};
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};

use super::{Builder, kind_word};
use crate::codes;
use crate::ir::{Connector, Dedupe, Known};
use crate::report::{Checked, Stop};
use crate::similar::suggestion;
use crate::values;

/// How long a source remembers ids when it does not say. It is not asked where its rows come from:
/// the same text means the same, be it read from files, replayed or streamed.
const REMEMBERED: Micros = Micros::DAY;

/// Connectors of the language.
const CONNECTORS: [&str; 12] = [
    "parquet", "csv", "json", "jsonl", "iceberg", "delta", "postgres", "sql", "kafka", "kinesis", "debezium",
    "replay",
];

impl<'p> Builder<'_, 'p> {
    /// Reads every clause of the source and says which are missing.
    pub(super) fn clauses(&mut self, decl: &'p ast::SourceDecl) {
        let derived = decl.from.is_some();
        let mut seen: Vec<(&'static str, Span)> = Vec::new();
        for member in &decl.members {
            let Some((name, span)) = clause(member) else { continue };
            if let Some((_, first)) = seen.iter().find(|(known, _)| *known == name) {
                let diagnostic =
                    Diagnostic::error(codes::CLAUSE, span, format!("`{name}` stands twice in this source"))
                        .label("again here")
                        .also(*first, "first here");
                self.refuse(diagnostic);
                continue;
            }
            seen.push((name, span));
            if derived && !self.info.columns.opaque {
                let root = &self.source.root.name;
                let diagnostic = Diagnostic::error(
                    codes::CLAUSE,
                    span,
                    format!("`{name}` belongs to the source that owns the data"),
                )
                .label("not in a derived source")
                .help(format!("move it to `{root}`"));
                self.refuse(diagnostic);
                continue;
            }
            if !allowed(name, decl.kind) {
                let kind = kind_word(decl.kind);
                let source = &self.declared.name.name;
                let message = format!("source `{source}` is `{kind}`, which has no `{name}`");
                let diagnostic = Diagnostic::error(codes::CLAUSE, span, message)
                    .label(format!("means nothing for `{kind}`"));
                self.refuse(diagnostic);
                continue;
            }
            if let Err(stop) = self.clause(member) {
                self.fail(stop);
            }
        }
        if !derived {
            self.required(decl);
        }
    }

    fn refuse(&mut self, diagnostic: Diagnostic) {
        let stop = self.cx.report.push(diagnostic);
        self.fail(stop);
    }

    fn required(&mut self, decl: &ast::SourceDecl) {
        let (kind, span) = (kind_word(decl.kind), self.declared.span);
        let has = |wanted: &str| {
            decl.members.iter().any(|member| clause(member).is_some_and(|(name, _)| name == wanted))
        };
        let name = &self.declared.name.name;
        let mut missing = Vec::new();
        if matches!(decl.kind, SourceKind::Events | SourceKind::Table) && !has("time") {
            missing.push(("time", "when did a row happen?", "add `time` and a timestamp column"));
        }
        if matches!(decl.kind, SourceKind::Table | SourceKind::Static) && !has("key") {
            missing.push((
                "key",
                "which rows replace which?",
                "add `key` and the columns of the primary key",
            ));
        }
        let diagnostics: Vec<Diagnostic> = missing
            .into_iter()
            .map(|(clause, label, help)| {
                Diagnostic::error(
                    codes::CLAUSE,
                    span,
                    format!("source `{name}` is `{kind}` and has no `{clause}`"),
                )
                .label(label)
                .help(help)
            })
            .collect();
        for diagnostic in diagnostics {
            self.refuse(diagnostic);
        }
        if let Some(dedupe) = &mut self.source.dedupe {
            dedupe.within.get_or_insert(REMEMBERED);
        }
        if decl.kind == SourceKind::Events && self.source.batch.is_some() && !has("known") {
            self.cx.report.push(
                Diagnostic::warning(
                    codes::NO_KNOWN,
                    span,
                    format!("`{name}` says nothing about arrival; training will assume it is instantaneous"),
                )
                .label("no `known`")
                .help("`known ingested_at`, or `known after 30s`"),
            );
        }
    }

    fn clause(&mut self, member: &'p SourceMember) -> Checked<()> {
        match member {
            SourceMember::Column(_) | SourceMember::Expect(_) => {}
            SourceMember::Time(column) => {
                self.instant(column, "event time")?;
                self.source.time = Some(column.node.clone());
                self.info.time = Some(column.node.clone());
            }
            SourceMember::Known(column, after, _) => {
                if let Some(column) = column {
                    self.instant(column, "`known`")?;
                }
                let after = match after {
                    Some(after) => self.positive(after, "known … after")?,
                    None => Micros::ZERO,
                };
                self.source.known =
                    Known { column: column.as_ref().map(|column| column.node.clone()), after };
            }
            SourceMember::Key(columns) => {
                for column in columns {
                    let slot = self.slot(column)?;
                    if slot.nullable {
                        return Err(self.cx.report.push(
                            Diagnostic::error(
                                codes::NEVER_NULL,
                                column.span,
                                format!("key column `{}` may be null", column.node),
                            )
                            .label("a row without a key belongs to nobody")
                            .help(format!("declare `{}: {}`", column.node, slot.ty)),
                        ));
                    }
                }
                self.source.key = names(columns);
                self.info.key = names(columns);
            }
            SourceMember::OrderBy(columns) => {
                for column in columns {
                    let slot = self.slot(column)?;
                    if !slot.ty.is_ordered() {
                        return Err(self.cx.report.push(
                            Diagnostic::error(
                                codes::ARGUMENT_TYPE,
                                column.span,
                                format!("`order by` needs a value with an order, found {}", slot.ty),
                            )
                            .label("has no order"),
                        ));
                    }
                }
                self.source.order_by = names(columns);
            }
            SourceMember::Dedupe(columns, within) => {
                columns.iter().try_for_each(|column| self.slot(column).map(|_| ()))?;
                let within = within.as_ref().map(|within| self.positive(within, "within")).transpose()?;
                self.source.dedupe = Some(Dedupe { columns: names(columns), within });
            }
            SourceMember::Lateness(length) => self.source.lateness = Some(self.positive(length, "lateness")?),
            SourceMember::Since(since) => {
                self.source.since = Some(Instant(since.node));
                self.info.since = Instant(since.node);
            }
            SourceMember::Io(kind, call) => {
                let connector = self.connector(call)?;
                match kind.node {
                    IoKind::Batch | IoKind::Snapshot => self.source.batch = Some(connector),
                    IoKind::Stream | IoKind::Cdc => self.source.stream = Some(connector),
                }
            }
            SourceMember::Rows(data) => {
                let rows = super::rows::rows(self, data)?;
                self.source.rows = Some(rows);
            }
        }
        Ok(())
    }

    /// The type of a column that a clause names.
    fn slot(&mut self, column: &ast::Ident) -> Checked<Slot> {
        if let Some(info) = self.info.columns.own.get(&column.node) {
            return info.slot.clone().ok_or(Stop::Error);
        }
        if self.info.columns.opaque {
            return Err(Stop::Pending);
        }
        let mut diagnostic =
            Diagnostic::error(codes::UNKNOWN_NAME, column.span, format!("no column `{}` here", column.node))
                .label("not found");
        diagnostic.help = suggestion(&column.node, self.info.columns.own.keys().map(String::as_str));
        Err(self.cx.report.push(diagnostic))
    }

    fn instant(&mut self, column: &ast::Ident, what: &str) -> Checked<()> {
        let slot = self.slot(column)?;
        let name = &column.node;
        if slot.ty != Type::Timestamp {
            let help = match slot.ty {
                Type::String => format!(
                    "convert it in a computed column, e.g. `at: timestamp = to_timestamp({name}, \"…\")`"
                ),
                _ => format!(
                    "convert it in a computed column, e.g. `at: timestamp = to_timestamp_millis({name})`"
                ),
            };
            return Err(self.cx.report.push(
                Diagnostic::error(
                    codes::EVENT_TIME,
                    column.span,
                    format!("{what} `{name}` must be a timestamp, found {}", slot.ty),
                )
                .label("not an instant")
                .help(help),
            ));
        }
        if slot.nullable {
            return Err(self.cx.report.push(
                Diagnostic::error(codes::NEVER_NULL, column.span, format!("{what} `{name}` may be null"))
                    .label("a row without it has no place in time")
                    .help(format!("declare `{name}: timestamp`")),
            ));
        }
        Ok(())
    }

    fn positive(&mut self, length: &Spanned<i64>, what: &str) -> Checked<Micros> {
        if length.node >= 0 {
            return Ok(Micros(length.node));
        }
        Err(self.cx.report.push(
            Diagnostic::error(codes::RANGE, length.span, format!("`{what}` is a length of time"))
                .label("negative"),
        ))
    }

    fn connector(&mut self, call: &ast::Call) -> Checked<Connector> {
        let kind = call.function.node.clone();
        if !CONNECTORS.contains(&kind.as_str()) {
            let mut diagnostic = Diagnostic::error(
                codes::UNKNOWN_ITEM,
                call.function.span,
                format!("no connector is named `{kind}`"),
            )
            .label("not a connector of the language");
            diagnostic.help = suggestion(&kind, CONNECTORS)
                .or_else(|| Some("use `parquet`, `csv`, `kafka`, `iceberg`, `delta`, `sql`, …".to_owned()));
            return Err(self.cx.report.push(diagnostic));
        }
        let mut location = None;
        let mut options = Vec::new();
        for arg in &call.args {
            let (name, expr) = match arg {
                ast::Arg::Value(expr) if location.is_none() => (None, expr),
                ast::Arg::Named(name, expr) => (Some(name), expr),
                ast::Arg::Value(expr) | ast::Arg::Lambda(_, expr) => {
                    return Err(self.cx.report.push(
                        Diagnostic::error(
                            codes::ARGUMENTS,
                            expr.span.0,
                            format!("`{kind}` takes one place and named options"),
                        )
                        .label("without a name"),
                    ));
                }
            };
            let loops = std::rc::Rc::clone(&self.declared.loops);
            let file = self.declared.file;
            let constant = self.cx.project.constant(expr, file, &loops, &mut self.cx.report)?;
            let value = crate::typecheck::constant_value(&constant);
            match (name, value) {
                (None, Some(feat_kernel::value::Value::Str(text))) => location = Some(text.to_string()),
                (Some(name), Some(value)) => options.push((name.node.clone(), value)),
                _ => {
                    return Err(self.cx.report.push(
                        Diagnostic::error(
                            codes::CONSTANT,
                            expr.span.0,
                            format!("`{kind}` needs a text here"),
                        )
                        .label("not a text"),
                    ));
                }
            }
        }
        let Some(location) = location else {
            return Err(self.cx.report.push(
                Diagnostic::error(codes::ARGUMENTS, call.span.0, format!("`{kind}` needs a place to read"))
                    .label("from where?"),
            ));
        };
        Ok(Connector { kind, location, options, span: call.span.0 })
    }

    /// The value of a cell of a column.
    pub(super) fn cell(
        &mut self,
        cell: &Spanned<ast::Cell>,
        column: &str,
        slot: &Slot,
    ) -> Checked<feat_kernel::value::Value> {
        let found = match &cell.node {
            ast::Cell::Null => values::of_literal(&ast::Literal::Null, &slot.ty),
            ast::Cell::Value(expr) => values::typed(expr, &slot.ty),
            ast::Cell::Name(name) => Err(format!("the name `{name}`")),
        };
        match found {
            Ok(value) => {
                if value.is_null() && !slot.nullable {
                    self.cx.report.push(
                        Diagnostic::warning(
                            codes::DECLARED_TYPE,
                            cell.span,
                            format!("column `{column}` is `{slot}`, found null"),
                        )
                        .label("this row is quarantined")
                        .help(format!("declare `{column}: {slot}?`")),
                    );
                }
                Ok(value)
            }
            Err(found) => Err(self.cx.report.push(
                Diagnostic::error(
                    codes::DECLARED_TYPE,
                    cell.span,
                    format!("column `{column}` is `{slot}`, found {found}"),
                )
                .label(format!("not `{slot}`")),
            )),
        }
    }
}

fn names(columns: &[ast::Ident]) -> Vec<String> {
    columns.iter().map(|column| column.node.clone()).collect()
}

/// The name and place of a clause; `None` for columns and expectations.
fn clause(member: &SourceMember) -> Option<(&'static str, Span)> {
    Some(match member {
        SourceMember::Column(_) | SourceMember::Expect(_) => return None,
        SourceMember::Time(column) => ("time", column.span),
        SourceMember::Known(_, _, span) => ("known", span.0),
        SourceMember::Key(columns) => ("key", columns.first()?.span),
        SourceMember::OrderBy(columns) => ("order by", columns.first()?.span),
        SourceMember::Dedupe(columns, _) => ("dedupe by", columns.first()?.span),
        SourceMember::Lateness(length) => ("lateness", length.span),
        SourceMember::Since(since) => ("since", since.span),
        SourceMember::Io(kind, _) => (
            match kind.node {
                IoKind::Batch => "batch",
                IoKind::Stream => "stream",
                IoKind::Cdc => "cdc",
                IoKind::Snapshot => "snapshot",
            },
            kind.span,
        ),
        SourceMember::Rows(data) => ("rows", data.span.0),
    })
}

fn allowed(clause: &str, kind: SourceKind) -> bool {
    match kind {
        SourceKind::Events => !matches!(clause, "key" | "cdc" | "snapshot" | "rows"),
        SourceKind::Table => clause != "rows",
        SourceKind::Static => matches!(clause, "key" | "rows" | "batch" | "snapshot"),
        SourceKind::Request => false,
    }
}
