//! Members: the lines of a group, loops unrolled, and its settings.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`FeatureMember`] lines, [`Setting`]s | [`Members`]: definitions with their loops; [`Settings`] | loops over no list, too many features, unknown or misplaced settings |

use std::rc::Rc;

use feat_dsl::ast::{self, Expect, FeatureDef, FeatureMember, Literal, Setting, SettingValue};
use feat_dsl::diagnostic::Diagnostic;
use feat_kernel::time::Micros;

use crate::codes;
use crate::constants::Loops;
use crate::context::Context;
use crate::ir::Refresh;
use crate::pending;
use crate::project::Declared;
use crate::report::Checked;
use crate::similar::suggestion;
use crate::typecheck::is_aggregate;
use crate::walk;

/// The most features that the loops of one package may make.
pub(crate) const MOST_FEATURES: usize = 5_000;

/// Settings of features and labels groups.
pub(crate) const GROUP_SETTINGS: [&str; 7] =
    ["version", "ttl", "refresh", "online", "offline", "log", "history"];
/// Settings of derived groups.
pub(crate) const DERIVED_SETTINGS: [&str; 4] = ["version", "online", "offline", "log"];
/// Settings of services.
pub(crate) const SERVICE_SETTINGS: [&str; 5] = ["version", "latency", "log", "online", "offline"];
/// Settings of datasets.
pub(crate) const DATASET_SETTINGS: [&str; 1] = ["sample"];

/// What a line defines.
#[derive(Clone, Copy)]
pub(crate) enum Definition<'p> {
    /// `name = expression`
    Feature(&'p FeatureDef),
    /// One name of `keep a, b`.
    Keep(&'p ast::Name),
}

/// The lines of a group after its loops.
pub(crate) struct Members<'p> {
    /// Definitions in the order of the text, with the loops around each.
    pub(crate) definitions: Vec<(Rc<Loops>, Definition<'p>)>,
    /// Settings.
    pub(crate) settings: Vec<&'p Setting>,
    /// Expectations.
    pub(crate) expects: Vec<(Rc<Loops>, &'p Expect)>,
    /// A loop could not be unrolled.
    pub(crate) broken: bool,
}

/// Unrolls the loops of `members`.
pub(crate) fn unroll<'p>(
    cx: &mut Context<'p>,
    members: &'p [FeatureMember],
    declared: &Declared<'p>,
) -> Members<'p> {
    let mut found =
        Members { definitions: Vec::new(), settings: Vec::new(), expects: Vec::new(), broken: false };
    add(cx, members, declared, &declared.loops, &mut found);
    found
}

fn add<'p>(
    cx: &mut Context<'p>,
    members: &'p [FeatureMember],
    declared: &Declared<'p>,
    loops: &Rc<Loops>,
    found: &mut Members<'p>,
) {
    for member in members {
        match member {
            FeatureMember::Feature(feature) => {
                found.definitions.push((Rc::clone(loops), Definition::Feature(feature)));
            }
            FeatureMember::Keep(names) => {
                found.definitions.extend(names.iter().map(|name| (Rc::clone(loops), Definition::Keep(name))));
            }
            FeatureMember::Setting(setting) => found.settings.push(setting),
            FeatureMember::Expect(expect) => found.expects.push((Rc::clone(loops), expect)),
            FeatureMember::For(inner) => {
                let Ok(values) = cx.project.list(&inner.list, declared.file, loops, &mut cx.report) else {
                    found.broken = true;
                    continue;
                };
                for value in values {
                    if found.definitions.len() > MOST_FEATURES {
                        found.broken = true;
                        too_many(cx, inner.list.span.0);
                        return;
                    }
                    let loops = Rc::new(loops.with(&inner.var.node, value));
                    add(cx, &inner.members, declared, &loops, found);
                }
            }
        }
    }
}

/// Says that loops make too many features.
pub(crate) fn too_many(cx: &mut Context<'_>, span: feat_dsl::span::Span) {
    cx.report.push(
        Diagnostic::error(
            codes::LIMIT,
            span,
            format!("the loops of a package make at most {MOST_FEATURES} features"),
        )
        .label("too many features"),
    );
}

impl Members<'_> {
    /// Whether a definition folds rows.
    pub(crate) fn aggregates(&self, cx: &Context<'_>) -> bool {
        self.definitions.iter().any(|(_, definition)| match definition {
            Definition::Feature(feature) => {
                let mut found = false;
                walk::calls(&feature.value, &mut |call, suffix| {
                    found |= suffix.is_some() || is_aggregate(cx, &call.function.node);
                });
                found
            }
            Definition::Keep(_) => false,
        })
    }
}

/// The settings that the engines act on.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `version n`, 1 when not written.
    pub(crate) version: u32,
    /// `ttl d`
    pub(crate) ttl: Option<Micros>,
    /// `refresh every P at c after d`
    pub(crate) refresh: Option<Refresh>,
    /// `sample 10% by c`: parts in a million, the column.
    pub(crate) sample: Option<(u32, Option<ast::Ident>)>,
}

/// Reads `settings`, of which those in `allowed` have a meaning here.
pub(crate) fn settings(cx: &mut Context<'_>, settings: &[&Setting], allowed: &[&str]) -> Checked<Settings> {
    let mut read = Settings { version: 1, ttl: None, refresh: None, sample: None };
    let mut result = Ok(());
    for (at, setting) in settings.iter().enumerate() {
        let name = setting.name.node.as_str();
        if let Some(first) = settings[..at].iter().find(|earlier| earlier.name.node == name) {
            result = Err(cx.report.push(
                Diagnostic::error(codes::CLAUSE, setting.name.span, format!("setting `{name}` stands twice"))
                    .label("again here")
                    .also(first.name.span, "first here"),
            ));
        } else if !allowed.contains(&name) {
            let mut diagnostic = Diagnostic::error(
                codes::ATTRIBUTE,
                setting.name.span,
                format!("setting `{name}` has no meaning here"),
            )
            .label("not a setting of this item");
            diagnostic.help = suggestion(name, allowed.iter().copied());
            result = Err(cx.report.push(diagnostic));
        } else if let Err(stop) = one(cx, setting, &mut read) {
            result = Err(stop);
        }
    }
    result.map(|()| read)
}

fn one(cx: &mut Context<'_>, setting: &Setting, read: &mut Settings) -> Checked<()> {
    let span = setting.span.0;
    match (setting.name.node.as_str(), &setting.value) {
        ("version", SettingValue::Literal(Literal::Int(number)))
            if (1..=i64::from(u32::MAX)).contains(number) =>
        {
            read.version = *number as u32;
        }
        ("ttl", SettingValue::Literal(Literal::Duration(length))) if *length > 0 => {
            read.ttl = Some(Micros(*length));
        }
        ("refresh", SettingValue::Every(every, at, after)) if *every > 0 => {
            let at = Micros(i64::from(at.unwrap_or(0)) * Micros::MINUTE.0);
            read.refresh = Some(Refresh { every: Micros(*every), at, after: Micros(after.unwrap_or(0)) });
            cx.report.pending(pending::REFRESH, span, "");
        }
        ("sample", SettingValue::Share(share, by)) => match parts_per_million(share) {
            Some(parts) => read.sample = Some((parts, by.clone())),
            None => return Err(cx.report.push(misfit(setting, "a share from 0 to 100 %"))),
        },
        ("sample", SettingValue::Literal(Literal::Percent(share))) => match parts_per_million(share) {
            Some(parts) => read.sample = Some((parts, None)),
            None => return Err(cx.report.push(misfit(setting, "a share from 0 to 100 %"))),
        },
        ("online" | "offline", SettingValue::Literal(Literal::Bool(_)))
        | ("latency", SettingValue::Literal(Literal::Duration(_)))
        | ("log", SettingValue::Share(..) | SettingValue::Literal(Literal::Percent(_)))
        | ("history", SettingValue::Literal(Literal::Date(_) | Literal::Instant(_))) => {
            cx.report.pending(pending::SETTING, span, &setting.name.node);
        }
        (name, _) => {
            let needs = match name {
                "version" => "a whole number from 1",
                "ttl" | "latency" => "a length of time",
                "refresh" => "`every` and a length of time",
                "online" | "offline" => "`true` or `false`",
                "history" => "a date",
                _ => "a share such as `10%`",
            };
            return Err(cx.report.push(misfit(setting, needs)));
        }
    }
    Ok(())
}

fn misfit(setting: &Setting, needs: &str) -> Diagnostic {
    let name = &setting.name.node;
    Diagnostic::error(codes::RANGE, setting.span.0, format!("setting `{name}` needs {needs}"))
        .label(format!("not {needs}"))
}

/// `97` or `99.9` percent in parts in a million, if it is a share.
fn parts_per_million(text: &str) -> Option<u32> {
    let (unscaled, _, scale) = crate::values::digits(text)?;
    let shift = 4 - i32::from(scale);
    let parts = if shift >= 0 {
        unscaled.checked_mul(10_i128.pow(shift as u32))?
    } else {
        unscaled / 10_i128.pow((-shift) as u32)
    };
    u32::try_from(parts).ok().filter(|parts| *parts <= 1_000_000)
}
