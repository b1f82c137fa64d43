//! Datasets: a spine of rows, a service, labels.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ast::DatasetDecl`] | [`Dataset`] | missing lines, spines without time, labels that are none, empty periods |

use std::rc::Rc;

use feat_dsl::ast::{self, DatasetMember, ItemKind};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::time::Instant;
use feat_kernel::types::Type;

use crate::carried::{self, Ground};
use crate::codes;
use crate::context::{Context, Owner, SourceInfo};
use crate::ir::{Dataset, Expr, QName};
use crate::members;
use crate::pending;
use crate::project::Declared;
use crate::report::{Checked, Fate, Stop};
use crate::services::{inputs, unknown};
use crate::similar::suggestion;
use crate::typecheck::{Checker, Frame, Place, Scope};

/// Puts a dataset into the model.
pub(crate) fn settle<'p>(cx: &mut Context<'p>, declared: &'p Declared<'p>, decl: &'p ast::DatasetDecl) {
    cx.report.enter(declared.name.to_string());
    if let Ok(dataset) = build(cx, declared, decl) {
        cx.model.datasets.insert(declared.name.clone(), dataset);
    }
}

/// The rows that are asked about: source, time column, filter.
struct Spine {
    source: Rc<SourceInfo>,
    at: String,
    filter: Option<Expr>,
    span: Span,
}

fn build<'p>(
    cx: &mut Context<'p>,
    declared: &'p Declared<'p>,
    decl: &'p ast::DatasetDecl,
) -> Checked<Dataset> {
    let about = cx.about(declared);
    let mut service = None;
    let mut rows = None;
    let mut labels: Vec<(QName, String, Span)> = Vec::new();
    let mut period = None;
    let mut settings = Vec::new();
    let mut worst: Checked<()> = Ok(());
    for member in &decl.members {
        let done = match member {
            DatasetMember::Service(path) => once(cx, service.is_some(), "service", path.span.0)
                .and_then(|()| served(cx, declared, path))
                .map(|found| service = Some(found)),
            DatasetMember::Spine(source, at, filter) => once(cx, rows.is_some(), "spine", source.span.0)
                .and_then(|()| spine(cx, declared, source, at, filter.as_ref()))
                .map(|found| rows = Some(found)),
            DatasetMember::Label(paths) => {
                paths.iter().try_for_each(|path| label(cx, declared, path).map(|found| labels.push(found)))
            }
            DatasetMember::Period(from, to) => {
                once(cx, period.is_some(), "period", from.span).and_then(|()| {
                    if from.node >= to.node {
                        return Err(cx.report.push(
                            Diagnostic::error(codes::RANGE, from.span.to(to.span), "this period is empty")
                                .label("ends before it begins"),
                        ));
                    }
                    period = Some((Instant(from.node), Instant(to.node)));
                    Ok(())
                })
            }
            DatasetMember::Setting(setting) => {
                settings.push(setting);
                Ok(())
            }
        };
        if let Err(stop) = done
            && worst != Err(Stop::Error)
        {
            worst = Err(stop);
        }
    }
    let settings = members::settings(cx, &settings, &members::DATASET_SETTINGS);
    worst?;
    let (Some(service), Some(rows)) = (&service, rows) else {
        let missing = if service.is_none() { "service" } else { "spine" };
        return Err(cx.report.push(
            Diagnostic::error(
                codes::CLAUSE,
                declared.span,
                format!("dataset `{}` has no `{missing}`", declared.name.name),
            )
            .label("rows × a service")
            .help(if missing == "service" {
                "add `service …`"
            } else {
                "add `spine source at time`"
            }),
        ));
    };
    let sample = settings?.sample;
    covers(cx, service, &rows, &labels)?;
    let sample = match sample {
        Some((parts, by)) => {
            if let Some(by) = &by
                && !rows.source.columns.own.contains_key(&by.node)
            {
                return Err(no_column(cx, &rows.source, &by.node, by.span));
            }
            Some((parts, by.map(|by| by.node)))
        }
        None => None,
    };
    Ok(Dataset {
        name: declared.name.clone(),
        service: service.clone(),
        spine: rows.source.name.clone(),
        at: rows.at,
        filter: rows.filter,
        labels: labels.into_iter().map(|(group, feature, _)| (group, feature)).collect(),
        period,
        sample,
        about,
    })
}

fn once(cx: &mut Context<'_>, seen: bool, line: &str, span: Span) -> Checked<()> {
    if !seen {
        return Ok(());
    }
    Err(cx.report.push(
        Diagnostic::error(codes::CLAUSE, span, format!("`{line}` stands twice in this dataset"))
            .label("again here"),
    ))
}

fn served<'p>(cx: &mut Context<'p>, declared: &Declared<'p>, path: &ast::Path) -> Checked<QName> {
    let name = declared.path(path, &mut cx.report)?;
    let is_service = |kind: &ItemKind| matches!(kind, ItemKind::Service(_));
    let (project, span) = (cx.project, path.span.0);
    let found = project.resolve(&name, span, declared.file, "service", is_service, &mut cx.report)?;
    match cx.services.get(&found.name) {
        Some(Fate::Ready) => Ok(found.name.clone()),
        Some(Fate::Pending) => Err(waits(cx, declared, &name)),
        _ => Err(Stop::Error),
    }
}

fn spine<'p>(
    cx: &mut Context<'p>,
    declared: &'p Declared<'p>,
    source: &'p ast::Path,
    at: &'p ast::Path,
    filter: Option<&'p ast::Expr>,
) -> Checked<Spine> {
    let (project, span) = (cx.project, source.span.0);
    let (name, found) = project.source(declared, source, &mut cx.report)?;
    let info = cx.sources.get(&found.name).cloned().ok_or(Stop::Error)?;
    match info.fate {
        Fate::Broken => return Err(Stop::Error),
        Fate::Pending => return Err(waits(cx, declared, &name)),
        Fate::Ready => {}
    }
    let column = declared.path(at, &mut cx.report)?;
    let Some(slot) = info.columns.own.get(&column) else {
        return Err(no_column(cx, &info, &column, at.span.0));
    };
    let slot = slot.slot.clone().ok_or(Stop::Error)?;
    if slot.ty != Type::Timestamp {
        return Err(cx.report.push(
            Diagnostic::error(
                codes::EVENT_TIME,
                at.span.0,
                format!("the time of a spine must be a timestamp, found {}", slot.ty),
            )
            .label("not an instant"),
        ));
    }
    if slot.nullable {
        return Err(cx.report.push(
            Diagnostic::error(
                codes::NEVER_NULL,
                at.span.0,
                format!("the time of the spine, `{column}`, may be null"),
            )
            .label("as of when?"),
        ));
    }
    let filter = match filter {
        Some(filter) => {
            let scope = Scope { source: &info.name.name, columns: Some(&info.columns), ..Scope::default() };
            let frame = Frame::new(Place::Row, declared.file, Rc::clone(&declared.loops));
            let mut checker = Checker::new(cx, &scope, frame);
            let typed = checker.condition(filter, "`where`")?;
            if checker.pending {
                return Err(Stop::Pending);
            }
            let (scope, loops) = (&scope, &declared.loops);
            carried::by(cx, &typed, &Ground { scope, place: Place::Row, reads: &[], loops });
            Some(typed)
        }
        None => None,
    };
    Ok(Spine { source: info, at: column, filter, span })
}

/// `group.feature` of a labels group.
fn label<'p>(
    cx: &mut Context<'p>,
    declared: &Declared<'p>,
    path: &ast::Path,
) -> Checked<(QName, String, Span)> {
    let segments = declared.segments(path, &mut cx.report)?;
    let span = path.span.0;
    let Some((feature, group)) = segments.split_last().filter(|(_, group)| !group.is_empty()) else {
        return Err(cx.report.push(
            Diagnostic::error(codes::UNKNOWN_NAME, span, "a label is named by its group: `group.name`")
                .label("of which group?"),
        ));
    };
    let is_labels = |kind: &ItemKind| matches!(kind, ItemKind::Labels(_));
    let project = cx.project;
    let found =
        project.resolve(&group.join("."), span, declared.file, "labels group", is_labels, &mut cx.report)?;
    let info = cx.groups.get(&found.name).cloned().ok_or(Stop::Error)?;
    let Some(known) = info.features.get(feature) else { return Err(unknown(cx, &info, feature, span)) };
    match known.fate {
        Fate::Ready => Ok((info.name.clone(), feature.clone(), span)),
        Fate::Pending => Err(waits(cx, declared, &segments.join("."))),
        Fate::Broken => Err(Stop::Error),
    }
}

/// Whether the spine has a column for every input of the service and every label's key.
fn covers(
    cx: &mut Context<'_>,
    service: &QName,
    spine: &Spine,
    labels: &[(QName, String, Span)],
) -> Checked<()> {
    let Some(service) = cx.model.services.get(service) else { return Err(Stop::Error) };
    let (of, with) = (service.of.clone(), service.with.clone());
    let mut wanted: Vec<(String, Type)> = inputs(cx, &of, &with, spine.span)?.into_iter().collect();
    for (group, _, _) in labels {
        let info = cx.groups.get(group).cloned().ok_or(Stop::Error)?;
        if let Some(Owner::Labels(entity)) = &info.owner
            && let Some(Some(keys)) = cx.entities.get(entity)
        {
            wanted.extend(keys.iter().cloned());
        }
    }
    for (name, ty) in wanted {
        let source = &spine.source;
        match source.columns.own.get(&name).and_then(|column| column.slot.as_ref()) {
            None => return Err(cx.report.pending(pending::SPINE_INPUT, spine.span, &name)),
            Some(slot) if slot.ty == ty || crate::functions::cast::widens(&slot.ty, &ty) => {}
            Some(slot) => {
                return Err(cx.report.push(
                    Diagnostic::error(
                        codes::KEY_COLUMN,
                        spine.span,
                        format!(
                            "column `{name}` of the spine `{}` is `{}`, and the input is `{ty}`",
                            source.name.name, slot.ty
                        ),
                    )
                    .label("another type"),
                ));
            }
        }
    }
    Ok(())
}

fn no_column(cx: &mut Context<'_>, source: &SourceInfo, name: &str, span: Span) -> Stop {
    let mut diagnostic = Diagnostic::error(
        codes::UNKNOWN_NAME,
        span,
        format!("source `{}` has no column `{name}`", source.name.name),
    )
    .label("not found");
    diagnostic.help = suggestion(name, source.columns.own.keys().map(String::as_str));
    cx.report.push(diagnostic)
}

fn waits(cx: &mut Context<'_>, declared: &Declared<'_>, reads: &str) -> Stop {
    let what = format!("dataset `{}`", declared.name.name);
    cx.report.waits(declared.span, &what, &[reads.to_owned()])
}
