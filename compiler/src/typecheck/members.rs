//! Typecheck, what a dotted name reads of others: a key's columns, a request's, features of groups.

use feat_dsl::ast::ItemKind;
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::types::Slot;

use super::Checker;
use super::paths::column_of;
use crate::codes;
use crate::context::{GroupInfo, Owner};
use crate::ir::{self, QName, Read};
use crate::project::Declared;
use crate::report::{Checked, Stop};
use crate::roles::{self, Cover};
use crate::similar::suggestion;

impl<'p> Checker<'_, '_, 'p> {
    pub(super) fn key_column(
        &mut self,
        role: &ir::Role,
        column: &str,
        at: Span,
        span: Span,
    ) -> Checked<ir::Expr> {
        let Some(Some(keys)) = self.cx.entities.get(&role.entity) else { return Err(Stop::Error) };
        let keys = std::rc::Rc::clone(keys);
        if let Some((_, ty)) = keys.iter().find(|(key, _)| key == column) {
            let kind = ir::ExprKind::Column(format!("{}.{column}", role.name));
            return Ok(ir::Expr { kind, slot: Slot::required(ty.clone()), span });
        }
        let mut diagnostic = Diagnostic::error(
            codes::UNKNOWN_NAME,
            at,
            format!("entity `{}` has no key column `{column}`", role.entity.name),
        )
        .label("not found");
        diagnostic.help = suggestion(column, keys.iter().map(|(key, _)| key.as_str()));
        Err(self.report(diagnostic))
    }

    pub(super) fn request_column(
        &mut self,
        alias: &str,
        request: &QName,
        column: &str,
        at: Span,
        span: Span,
    ) -> Checked<ir::Expr> {
        let Some(source) = self.cx.sources.get(request).cloned() else { return Err(Stop::Error) };
        if let Some(info) = source.columns.own.get(column) {
            return column_of(&format!("{alias}.{column}"), info, span);
        }
        let mut diagnostic =
            Diagnostic::error(codes::UNKNOWN_NAME, at, format!("request `{alias}` has no column `{column}`"))
                .label("not found");
        diagnostic.help = suggestion(column, source.columns.own.keys().map(String::as_str));
        Err(self.report(diagnostic))
    }

    /// The group that the first of `names` name, by its own name or by its package's, and how many of
    /// them do.
    pub(super) fn names_group(
        &mut self,
        names: &[&str],
        spans: &[(String, Span)],
    ) -> Checked<Option<(&'p Declared<'p>, usize)>> {
        let project = self.cx.project;
        for used in 1..names.len() {
            let found = project.find(self.frame.file, &names[..used]);
            if let Some(found) = found.filter(|found| is_group(found)) {
                project.may_see(found, spans[used - 1].1, self.frame.file, &mut self.cx.report)?;
                return Ok(Some((found, used)));
            }
        }
        Ok(None)
    }

    /// The same, and what is known of it.
    pub(super) fn group(
        &mut self,
        names: &[&str],
        spans: &[(String, Span)],
    ) -> Checked<Option<(std::rc::Rc<GroupInfo>, usize)>> {
        let Some((found, used)) = self.names_group(names, spans)? else { return Ok(None) };
        if matches!(found.item.kind, ItemKind::Derived(_)) {
            crate::derived::settle(self.cx, found);
        }
        let info = self.cx.groups.get(&found.name).cloned().ok_or(Stop::Error)?;
        Ok(Some((info, used)))
    }

    /// `group.feature` of a derived group, whose key must be covered.
    pub(super) fn group_feature(
        &mut self,
        group: &GroupInfo,
        names: &[&str],
        spans: &[(String, Span)],
        used: usize,
        role: Option<&str>,
        span: Span,
    ) -> Checked<(ir::Expr, usize)> {
        let at = spans[used - 1].1;
        if let Some(Owner::Labels(_)) = &group.owner {
            return Err(self.report(label_as_feature(&group.name.name, span)));
        }
        let name = names[used];
        let Some(feature) = group.features.get(name) else {
            let mut diagnostic = Diagnostic::error(
                codes::UNKNOWN_NAME,
                spans[used].1,
                format!("group `{}` has no feature `{name}`", group.name.name),
            )
            .label("not found");
            diagnostic.help = suggestion(name, group.features.keys().map(String::as_str));
            return Err(self.report(diagnostic));
        };
        if name.starts_with('_') && group.name.package != self.cx.project.files[self.frame.file].package {
            return Err(self.report(
                Diagnostic::error(
                    codes::PRIVATE,
                    spans[used].1,
                    format!("feature `{name}` is private to package `{}`", group.name.package),
                )
                .label("begins with `_`"),
            ));
        }
        if let Some(Owner::Derived(_, with)) = &group.owner
            && let Some(missing) =
                with.iter().find(|wanted| !self.scope.requests.iter().any(|(_, own)| own == *wanted))
        {
            return Err(self.report(roles::missing_request(&group.name.name, missing, "group", at)));
        }
        let key = match roles::cover(self.cx, self.scope.roles, group, role) {
            Cover::Key(key) => key,
            Cover::Unknown => return Err(Stop::Error),
            Cover::Missing(entity) => {
                return Err(self.report(
                    Diagnostic::error(
                        codes::MISSING_KEY,
                        at,
                        format!("`{}` is keyed by {entity}, which this group does not have", group.name.name),
                    )
                    .label("missing key")
                    .help(format!("add it: `of …, {entity}`")),
                ));
            }
            Cover::Ambiguous(ways) => {
                return Err(self.report(
                    Diagnostic::error(
                        codes::AMBIGUOUS_KEY,
                        at,
                        format!("`{}` can be read by {}", group.name.name, ways.join(" or ")),
                    )
                    .label("by which of them?")
                    .help(format!("say which: `{}.{}.{name}`", ways[0], group.name.name)),
                ));
            }
        };
        let key =
            key.iter().map(|column| format!("{}.{}", self.scope.roles[column.role].name, column.column));
        let key: Vec<String> = key.collect();
        let feature = feature.clone();
        let prefix = self.prefix(group, role);
        let read = Read { prefix: prefix.clone(), group: group.name.clone(), key };
        if !self.reads.contains(&read) {
            self.reads.push(read);
        }
        self.read(format!("{prefix}.{name}"), &feature, span).map(|value| (value, used + 1))
    }

    /// What stands before the features of `group` in expressions: its short name, or its full one
    /// where the short one is another's.
    pub(super) fn prefix(&self, group: &GroupInfo, role: Option<&str>) -> String {
        let under = |name: &str| role.map_or_else(|| name.to_owned(), |role| format!("{role}.{name}"));
        let short = under(&group.name.name);
        let taken = self.reads.iter().any(|read| read.prefix == short && read.group != group.name)
            || self.scope.roles.iter().any(|own| own.name == short)
            || self.scope.requests.iter().any(|(request, _)| *request == short);
        if taken { under(&group.name.to_string()) } else { short }
    }
}

fn is_group(found: &Declared<'_>) -> bool {
    matches!(found.item.kind, ItemKind::Features(_) | ItemKind::Labels(_) | ItemKind::Derived(_))
}

/// Says that a label is no feature.
pub(crate) fn label_as_feature(group: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        codes::LABEL_AS_FEATURE,
        span,
        format!("`{group}` is a labels group: its values are from the future"),
    )
    .label("leak")
    .help("labels belong into a `dataset`: `label group.name`")
}
