//! Roles: which inputs of a reader are the key of a group that it reads.
//!
//! A reader (a derived group or a service) has roles, each an entity with named inputs. A group of
//! the same entity takes the one role of that entity; a group of a composite entity is covered
//! column by column, by name and type; a derived group is covered role by role.

use std::rc::Rc;

use feat_dsl::ast::{OfEntity, Path};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::types::Type;

use crate::codes;
use crate::context::{Context, GroupInfo, Keys, Owner};
use crate::ir::{QName, Role};
use crate::project::{Declared, plain_path};
use crate::report::{Checked, Stop};

/// One column of a key: a role of the reader and a column of its entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPart {
    /// Place among the reader's roles.
    pub(crate) role: usize,
    /// The column of the role's entity.
    pub(crate) column: String,
    /// The input that carries it.
    pub(crate) input: String,
}

/// Whether a reader can fill a group's key.
pub(crate) enum Cover {
    /// The key, in the order of the group's entity or roles.
    Key(Vec<KeyPart>),
    /// This entity has no role here.
    Missing(String),
    /// More than one role can fill it.
    Ambiguous(Vec<String>),
    /// Something about it was already reported.
    Unknown,
}

/// How `roles` fill the key of `group`; `wanted` is the role that the author wrote before it.
pub(crate) fn cover(cx: &Context<'_>, roles: &[Role], group: &GroupInfo, wanted: Option<&str>) -> Cover {
    match &group.owner {
        None => Cover::Unknown,
        Some(Owner::Features(entity) | Owner::Labels(entity)) => cover_entity(cx, roles, entity, wanted),
        Some(Owner::Derived(inner, _)) => {
            let mut whole = Vec::new();
            for role in inner {
                // A role of the same name means the same thing; else the entity decides.
                let named = roles.iter().any(|own| own.name == role.name && own.entity == role.entity);
                let wanted = if named { Some(role.name.as_str()) } else { wanted };
                match cover_entity(cx, roles, &role.entity, wanted) {
                    Cover::Key(key) => whole.extend(key),
                    other => return other,
                }
            }
            Cover::Key(whole)
        }
    }
}

fn cover_entity(cx: &Context<'_>, roles: &[Role], entity: &QName, wanted: Option<&str>) -> Cover {
    let Some(Some(keys)) = cx.entities.get(entity) else { return Cover::Unknown };
    let of_entity: Vec<usize> = (0..roles.len())
        .filter(|at| roles[*at].entity == *entity && wanted.is_none_or(|wanted| roles[*at].name == wanted))
        .collect();
    match of_entity.as_slice() {
        [one] => {
            let part = |((column, _), input): (&(String, Type), &String)| KeyPart {
                role: *one,
                column: column.clone(),
                input: input.clone(),
            };
            return Cover::Key(keys.iter().zip(&roles[*one].inputs).map(part).collect());
        }
        [] => {}
        many => return Cover::Ambiguous(many.iter().map(|at| roles[*at].name.clone()).collect()),
    }
    let mut key = Vec::new();
    for (column, ty) in keys.iter() {
        let mut found: Vec<KeyPart> = Vec::new();
        for (at, role) in roles.iter().enumerate() {
            let Some(Some(own)) = cx.entities.get(&role.entity) else { return Cover::Unknown };
            for ((name, own), input) in own.iter().zip(&role.inputs) {
                // One input that several roles share is one value.
                if name == column && own == ty && found.iter().all(|part| part.input != *input) {
                    found.push(KeyPart { role: at, column: name.clone(), input: input.clone() });
                }
            }
        }
        match found.len() {
            0 => return Cover::Missing(entity.name.clone()),
            1 => key.extend(found),
            _ => return Cover::Ambiguous(found.iter().map(|part| roles[part.role].name.clone()).collect()),
        }
    }
    Cover::Key(key)
}

/// Says that `group` cannot be read here: `reader` has no `with` for its request.
pub(crate) fn missing_request(group: &str, request: &QName, reader: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        codes::MISSING_KEY,
        span,
        format!("`{group}` needs the request `{}`, which this {reader} does not have", request.name),
    )
    .label("missing request")
    .help(format!("add it: `with {}`", request.name))
}

/// The roles of `of …`, in order.
pub(crate) fn roles(cx: &mut Context<'_>, of: &[OfEntity], declared: &Declared<'_>) -> Checked<Vec<Role>> {
    let mut roles: Vec<Role> = Vec::new();
    for each in of {
        let (entity, keys) = entity(cx, each, declared)?;
        let name = each.role.as_ref().map_or(&entity.name, |role| &role.node).clone();
        if roles.iter().any(|role| role.name == name) {
            return Err(cx.report.push(
                Diagnostic::error(
                    codes::AMBIGUOUS_KEY,
                    each.span.0,
                    format!("two entities are called `{name}` here"),
                )
                .label("which of them?")
                .help(format!("name the roles: `of first: {name}, second: {name}`", name = entity.name)),
            ));
        }
        let inputs = if each.columns.is_empty() {
            keys.iter()
                .map(|(column, _)| match &each.role {
                    Some(role) => format!("{}_{column}", role.node),
                    None => column.clone(),
                })
                .collect()
        } else {
            mapped(cx, each, &keys, &roles)?
        };
        roles.push(Role { name, entity, inputs });
    }
    Ok(roles)
}

/// `lane(pickup.h3, dropoff.h3)`, `airport(origin)`: inputs of earlier roles, or new ones.
fn mapped(
    cx: &mut Context<'_>,
    of: &OfEntity,
    keys: &[(String, Type)],
    earlier: &[Role],
) -> Checked<Vec<String>> {
    arity(cx, of, keys)?;
    of.columns
        .iter()
        .map(|path: &Path| {
            let written = plain_path(path);
            let Some((role, column)) = written.split_once('.') else { return Ok(written) };
            let role = earlier.iter().find(|known| known.name == role);
            let column = role.and_then(|role| {
                let keys = cx.entities.get(&role.entity)?.as_ref()?;
                let at = keys.iter().position(|(key, _)| key == column)?;
                role.inputs.get(at).cloned()
            });
            column.ok_or_else(|| {
                cx.report.push(
                    Diagnostic::error(
                        codes::UNKNOWN_NAME,
                        path.span.0,
                        format!("no key column `{written}` here"),
                    )
                    .label("not a role that stands before, or not a column of it"),
                )
            })
        })
        .collect()
}

/// The entity that `of` names, and its key.
pub(crate) fn entity(
    cx: &mut Context<'_>,
    of: &OfEntity,
    declared: &Declared<'_>,
) -> Checked<(QName, Rc<Keys>)> {
    let name = declared.loops.fill(&of.entity, &mut cx.report)?;
    let is_entity = |kind: &feat_dsl::ast::ItemKind| matches!(kind, feat_dsl::ast::ItemKind::Entity(_));
    let project = cx.project;
    let span = of.entity.span.0;
    let found = project.resolve(&name, span, declared.file, "entity", is_entity, &mut cx.report)?;
    match cx.entities.get(&found.name) {
        Some(Some(keys)) => Ok((found.name.clone(), Rc::clone(keys))),
        _ => Err(Stop::Error),
    }
}

/// Refuses a mapping with more or fewer columns than the key.
pub(crate) fn arity(cx: &mut Context<'_>, of: &OfEntity, keys: &[(String, Type)]) -> Checked<()> {
    if of.columns.len() == keys.len() {
        return Ok(());
    }
    let columns: Vec<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
    Err(cx.report.push(
        Diagnostic::error(
            codes::KEY_COLUMN,
            of.span.0,
            format!("the key has {} columns, and {} are given", keys.len(), of.columns.len()),
        )
        .label(format!("the key is ({})", columns.join(", "))),
    ))
}
