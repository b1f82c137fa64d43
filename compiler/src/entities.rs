//! Entities: names of keys and their columns.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ast::EntityDecl`] | [`Entity`] | key columns that may be null, have no exact equality, or stand twice |

use std::rc::Rc;

use feat_dsl::ast;
use feat_dsl::diagnostic::Diagnostic;
use feat_kernel::types::Type;

use crate::codes;
use crate::context::{Context, Spot};
use crate::ir::Entity;
use crate::project::Declared;
use crate::report::Checked;
use crate::types;

/// Puts an entity into the model, or notes that it is broken.
pub(crate) fn settle<'p>(cx: &mut Context<'p>, declared: &Declared<'p>, decl: &'p ast::EntityDecl) {
    let about = cx.about(declared);
    let keys = keys(cx, declared, decl);
    cx.entities.insert(declared.name.clone(), keys.as_ref().ok().map(|keys| Rc::new(keys.clone())));
    if let Ok(keys) = keys {
        let name = declared.name.clone();
        cx.model.entities.insert(name.clone(), Entity { name, keys, about });
    }
}

fn keys(
    cx: &mut Context<'_>,
    declared: &Declared<'_>,
    decl: &ast::EntityDecl,
) -> Checked<Vec<(String, Type)>> {
    let mut keys: Vec<(String, Type)> = Vec::new();
    for key in &decl.keys {
        cx.attributes(&key.attrs, Spot::Key);
        let slot = types::slot(&key.ty, declared.file, cx.project, &mut cx.report)?;
        let name = &key.name.node;
        if slot.nullable {
            return Err(cx.report.push(
                Diagnostic::error(
                    codes::NEVER_NULL,
                    key.ty.span.0,
                    format!("key column `{name}` may be null"),
                )
                .label("a row without a key belongs to nobody")
                .help(format!("declare `{name}: {}`", slot.ty)),
            ));
        }
        let exact = matches!(
            slot.ty,
            Type::Bool
                | Type::Int
                | Type::String
                | Type::Enum(_)
                | Type::Bytes
                | Type::Timestamp
                | Type::Date
        );
        if !exact {
            return Err(cx.report.push(
                Diagnostic::error(codes::TYPE, key.ty.span.0, format!("a key cannot be `{}`", slot.ty))
                    .label("int, string, enum, bool, bytes, date or timestamp"),
            ));
        }
        if keys.iter().any(|(known, _)| known == name) {
            return Err(cx.report.push(
                Diagnostic::error(
                    codes::FEATURE_TWICE,
                    key.name.span,
                    format!("key column `{name}` is defined twice"),
                )
                .label("again here"),
            ));
        }
        keys.push((name.clone(), slot.ty));
    }
    Ok(keys)
}
