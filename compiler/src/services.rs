//! Services: selections of features become an ordered, typed, pinned list.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ast::ServiceDecl`] | [`Service`] | unknown groups and features, keys that are not covered, labels, two columns of one name |

use std::rc::Rc;

use feat_dsl::ast::{self, ItemKind, Select, SelectWhich, ServiceMember};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::types::Type;
use indexmap::IndexMap;

use crate::codes;
use crate::context::{Context, GroupInfo, Owner, Spot};
use crate::derived::requests;
use crate::ir::{QName, Role, Selected, Service};
use crate::members;
use crate::pending;
use crate::personal::Personal;
use crate::project::{Declared, plain_name};
use crate::report::{Checked, Fate, Stop};
use crate::roles::{self, Cover};
use crate::similar::suggestion;
use crate::typecheck::label_as_feature;

/// Puts a service into the model.
pub(crate) fn settle<'p>(cx: &mut Context<'p>, declared: &'p Declared<'p>, decl: &'p ast::ServiceDecl) {
    cx.report.enter(declared.name.to_string());
    let fate = match build(cx, declared, decl) {
        Ok(service) => {
            cx.model.services.insert(declared.name.clone(), service);
            Fate::Ready
        }
        Err(stop) => stop.into(),
    };
    cx.services.insert(declared.name.clone(), fate);
}

fn build<'p>(
    cx: &mut Context<'p>,
    declared: &'p Declared<'p>,
    decl: &'p ast::ServiceDecl,
) -> Checked<Service> {
    let about = cx.about(declared);
    let of = roles::roles(cx, &decl.of, declared);
    let (with, asked) = requests(cx, declared, &decl.with);
    let settings: Vec<&ast::Setting> = decl
        .members
        .iter()
        .filter_map(|member| match member {
            ServiceMember::Setting(setting) => Some(setting),
            ServiceMember::Select(_) => None,
        })
        .collect();
    let settings = members::settings(cx, &settings, &members::SERVICE_SETTINGS);
    let of = of?;
    asked?;
    inputs(cx, &of, &with, declared.span)?;
    let mut reader = Reader {
        cx,
        declared,
        of: &of,
        with: &with,
        selected: Vec::new(),
        written: Vec::new(),
        taken: IndexMap::new(),
        waiting: Vec::new(),
        personal: IndexMap::new(),
    };
    let mut worst: Checked<()> = Ok(());
    for member in &decl.members {
        if let ServiceMember::Select(select) = member
            && let Err(stop) = reader.select(select)
            && worst != Err(Stop::Error)
        {
            worst = Err(stop);
        }
    }
    let Reader { selected, written, waiting, personal, .. } = reader;
    if !allows(&declared.item.attrs) {
        exposed(cx, &declared.name.name, personal);
    }
    if !waiting.is_empty() && worst == Err(Stop::Pending) {
        let what = format!("service `{}`", declared.name.name);
        return Err(cx.report.waits(declared.span, &what, &waiting));
    }
    worst?;
    let version = settings?.version;
    Ok(Service { name: declared.name.clone(), version, of, with, selected, written, about })
}

/// Every input of a reader by the name the caller gives it: keys, then request columns. A request
/// column with the name of a key is the same input, and must have its type.
pub(crate) fn inputs(
    cx: &mut Context<'_>,
    of: &[Role],
    with: &[QName],
    span: Span,
) -> Checked<IndexMap<String, Type>> {
    let mut inputs: IndexMap<String, Type> = IndexMap::new();
    let mut clash: Option<(String, Type, Type)> = None;
    let mut add = |name: &str, ty: &Type| match inputs.get(name) {
        Some(known) if known != ty => clash = Some((name.to_owned(), known.clone(), ty.clone())),
        _ => {
            inputs.insert(name.to_owned(), ty.clone());
        }
    };
    for role in of {
        let Some(Some(keys)) = cx.entities.get(&role.entity) else { return Err(Stop::Error) };
        role.inputs.iter().zip(keys.iter()).for_each(|(input, (_, ty))| add(input, ty));
    }
    for request in with {
        let Some(source) = cx.sources.get(request) else { return Err(Stop::Error) };
        for (name, column) in &source.columns.own {
            if let Some(slot) = &column.slot {
                add(name, &slot.ty);
            }
        }
    }
    match clash {
        None => Ok(inputs),
        Some((name, first, second)) => Err(cx.report.push(
            Diagnostic::error(
                codes::KEY_COLUMN,
                span,
                format!("input `{name}` would be `{first}` and `{second}` at once"),
            )
            .label("inputs of one name are one input")
            .help("give one of them another name"),
        )),
    }
}

struct Reader<'c, 'p> {
    cx: &'c mut Context<'p>,
    declared: &'c Declared<'p>,
    of: &'c [Role],
    with: &'c [QName],
    selected: Vec<Selected>,
    /// The selections as they are written.
    written: Vec<String>,
    /// Columns by name and role, and where they were selected.
    taken: IndexMap<(String, usize), Span>,
    /// Features that this version does not compile.
    waiting: Vec<String>,
    /// Personal data by the selection that brings it, with the feature's name.
    personal: IndexMap<Span, Vec<(String, Personal)>>,
}

impl<'p> Reader<'_, 'p> {
    fn select(&mut self, select: &'p Select) -> Checked<()> {
        self.cx.attributes(&select.attrs, Spot::Selection);
        let (group, role) = self.group(select)?;
        if matches!(group.owner, Some(Owner::Labels(_))) {
            return Err(self.cx.report.push(label_as_feature(&group.name.name, select.span.0)));
        }
        if let Some(version) = select.version
            && version != u64::from(group.version)
        {
            return Err(self.version(select, &group, version));
        }
        let (key, first) = self.key(select, &group, role.as_deref())?;
        let mut worst: Checked<()> = Ok(());
        let wanted = self.wanted(select, &group)?;
        self.written.push(written(select, &group.name, role.as_deref(), &wanted));
        for (feature, alias, span) in wanted {
            if !allows(&select.attrs) {
                self.brings(&group, &feature, span);
            }
            let taken = self.take(&group, &feature, alias, span, &key, first);
            if let Err(stop) = taken
                && worst != Err(Stop::Error)
            {
                worst = Err(stop);
            }
        }
        worst
    }

    /// The group that a selection names, perhaps behind a role.
    fn group(&mut self, select: &'p Select) -> Checked<(Rc<GroupInfo>, Option<String>)> {
        let segments = self.declared.segments(&select.group, &mut self.cx.report)?;
        let role = match segments.split_first() {
            Some((first, rest)) if !rest.is_empty() && self.of.iter().any(|role| role.name == *first) => {
                Some(first.clone())
            }
            _ => None,
        };
        let path = segments[usize::from(role.is_some())..].join(".");
        let is_group = |kind: &ItemKind| {
            matches!(kind, ItemKind::Features(_) | ItemKind::Labels(_) | ItemKind::Derived(_))
        };
        let (project, span) = (self.cx.project, select.group.span.0);
        let found =
            project.resolve(&path, span, self.declared.file, "group", is_group, &mut self.cx.report)?;
        let info = self.cx.groups.get(&found.name).cloned().ok_or(Stop::Error)?;
        Ok((info, role))
    }

    fn version(&mut self, select: &Select, group: &GroupInfo, version: u64) -> Stop {
        let span = select.group.span.0;
        if version < u64::from(group.version) && version > 0 {
            return self.cx.report.pending(pending::OLD_VERSION, span, "");
        }
        let name = &group.name.name;
        self.cx.report.push(
            Diagnostic::error(
                codes::VERSION,
                span,
                format!("group `{name}` is version {}, and version {version} is asked for", group.version),
            )
            .label("no such version")
            .also(group.span, "declared here"),
        )
    }

    /// The inputs that are the group's key, and the first role among them.
    fn key(
        &mut self,
        select: &Select,
        group: &GroupInfo,
        role: Option<&str>,
    ) -> Checked<(Vec<String>, usize)> {
        let (name, span) = (&group.name.name, select.group.span.0);
        if let Some(Owner::Derived(_, with)) = &group.owner
            && let Some(missing) = with.iter().find(|request| !self.with.contains(request))
        {
            return Err(self.cx.report.push(roles::missing_request(name, missing, "service", span)));
        }
        match roles::cover(self.cx, self.of, group, role) {
            Cover::Key(key) => {
                let first = key.first().map_or(0, |part| part.role);
                Ok((key.into_iter().map(|part| part.input).collect(), first))
            }
            Cover::Unknown => Err(Stop::Error),
            Cover::Missing(entity) => Err(self.cx.report.push(
                Diagnostic::error(
                    codes::MISSING_KEY,
                    span,
                    format!("`{name}` is keyed by {entity}, which this service does not have"),
                )
                .label("missing key")
                .help(format!("add it: `of …, {entity}`")),
            )),
            Cover::Ambiguous(ways) => Err(self.cx.report.push(
                Diagnostic::error(
                    codes::AMBIGUOUS_KEY,
                    span,
                    format!("`{name}` can be read by {}", ways.join(" or ")),
                )
                .label("by which of them?")
                .help(format!("say which: `{}.{name}`", ways[0])),
            )),
        }
    }

    /// The features that a selection asks for: name, alias, place.
    fn wanted(&mut self, select: &Select, group: &GroupInfo) -> Checked<Vec<(String, Option<String>, Span)>> {
        let loops = &self.declared.loops;
        match &select.which {
            SelectWhich::All(except) => {
                let mut left_out = Vec::new();
                for name in except {
                    let filled = loops.fill(name, &mut self.cx.report)?;
                    if !group.features.contains_key(&filled) {
                        return Err(unknown(self.cx, group, &filled, name.span.0));
                    }
                    left_out.push(filled);
                }
                let served = |name: &&String| !name.starts_with('_') && !left_out.contains(name);
                Ok(group
                    .features
                    .keys()
                    .filter(served)
                    .map(|name| (name.clone(), None, select.span.0))
                    .collect())
            }
            SelectWhich::Some(names) => names
                .iter()
                .map(|name| Ok((loops.fill(name, &mut self.cx.report)?, None, name.span.0)))
                .collect(),
            SelectWhich::One(name, alias) => {
                Ok(vec![(name.node.clone(), alias.as_ref().map(|alias| alias.node.clone()), name.span)])
            }
        }
    }

    /// Notes the personal data of a selected feature.
    fn brings(&mut self, group: &GroupInfo, feature: &str, span: Span) {
        let Some(info) = group.features.get(feature) else { return };
        for personal in &info.carried.personal {
            let name = format!("{}.{feature}", group.name.name);
            self.personal.entry(span).or_default().push((name, personal.clone()));
        }
    }

    fn take(
        &mut self,
        group: &GroupInfo,
        feature: &str,
        alias: Option<String>,
        span: Span,
        key: &[String],
        first: usize,
    ) -> Checked<()> {
        let Some(info) = group.features.get(feature) else {
            return Err(unknown(self.cx, group, feature, span));
        };
        if feature.starts_with('_') && group.name.package != self.declared.name.package {
            return Err(self.cx.report.push(
                Diagnostic::error(
                    codes::PRIVATE,
                    span,
                    format!("feature `{feature}` is private to package `{}`", group.name.package),
                )
                .label("begins with `_`"),
            ));
        }
        let column = alias.clone().unwrap_or_else(|| format!("{}__{feature}", group.name.name));
        // Two roles of one group have columns of their own.
        let role = if alias.is_some() { 0 } else { first };
        if let Some(before) = self.taken.insert((column.clone(), role), span) {
            return Err(self.cx.report.push(
                Diagnostic::error(
                    codes::FEATURE_TWICE,
                    span,
                    format!("this service has two columns `{column}`"),
                )
                .label("again here")
                .also(before, "first here")
                .help(format!("select it once, or name one: `{}.{feature} as …`", group.name.name)),
            ));
        }
        let slot = match (info.fate, &info.slot) {
            (Fate::Ready, Some(slot)) => slot.clone(),
            (Fate::Pending, _) => {
                self.waiting.push(format!("{}.{feature}", group.name.name));
                return Err(Stop::Pending);
            }
            _ => return Err(Stop::Error),
        };
        self.selected.push(Selected {
            group: group.name.clone(),
            role: first,
            key: key.to_vec(),
            feature: feature.to_owned(),
            alias,
            slot,
        });
        Ok(())
    }
}

/// A selection as it is written, names filled.
fn written(
    select: &Select,
    group: &QName,
    role: Option<&str>,
    wanted: &[(String, Option<String>, Span)],
) -> String {
    let role = role.map(|role| format!("{role}.")).unwrap_or_default();
    let version = select.version.map(|version| format!("@{version}")).unwrap_or_default();
    let which = match &select.which {
        SelectWhich::All(except) if except.is_empty() => "*".to_owned(),
        SelectWhich::All(except) => {
            let names: Vec<String> = except.iter().map(plain_name).collect();
            format!("* except {{{}}}", names.join(", "))
        }
        SelectWhich::Some(_) | SelectWhich::One(..) => {
            let name = |(feature, alias, _): &(String, Option<String>, Span)| match alias {
                Some(alias) => format!("{feature} as {alias}"),
                None => feature.clone(),
            };
            format!("{{{}}}", wanted.iter().map(name).collect::<Vec<_>>().join(", "))
        }
    };
    format!("{role}{group}{version}.{which}")
}

fn allows(attrs: &[ast::Attr]) -> bool {
    attrs.iter().any(|attr| attr.name.node == "allow_pii")
}

/// Says which selections bring personal data into `service`.
fn exposed(cx: &mut Context<'_>, service: &str, personal: IndexMap<Span, Vec<(String, Personal)>>) {
    /// More ways than this are counted.
    const MOST_WAYS: usize = 5;
    for (span, found) in personal {
        let (first, one) = &found[0];
        let mut names: Vec<&String> = found.iter().map(|(name, _)| name).collect();
        names.dedup();
        let message = match names.len() {
            1 => format!("`{first}` carries `@pii({:?})` into service `{service}`", one.kind),
            more => format!("`{first}` and {} more carry personal data into service `{service}`", more - 1),
        };
        let mut diagnostic = Diagnostic::error(codes::PERSONAL, span, message)
            .label("personal data")
            .help("remove it, `@declassify(\"reason\")`, or `@allow_pii(\"purpose\")` on the service");
        for (_, personal) in found.iter().take(MOST_WAYS) {
            diagnostic = diagnostic.note(format!("{} → {service}", personal.path.join(" → ")));
        }
        if found.len() > MOST_WAYS {
            diagnostic = diagnostic.note(format!("and {} more ways", found.len() - MOST_WAYS));
        }
        cx.report.push(diagnostic);
    }
}

/// Says that a group has no such feature.
pub(crate) fn unknown(cx: &mut Context<'_>, group: &GroupInfo, feature: &str, span: Span) -> Stop {
    let mut diagnostic = Diagnostic::error(
        codes::UNKNOWN_NAME,
        span,
        format!("group `{}` has no feature `{feature}`", group.name.name),
    )
    .label("not found");
    diagnostic.help = suggestion(feature, group.features.keys().map(String::as_str));
    cx.report.push(diagnostic)
}
