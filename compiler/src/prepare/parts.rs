//! What a row is prepared from, for those who look into a plan instead of running it.

use std::sync::Arc;

use datafusion_physical_expr::PhysicalExpr;

use super::Prepare;

/// The expressions that a [`Prepare`] evaluates and the columns that it takes as they are, by what they
/// are for. A name is that of a stored column or of a computed one.
#[derive(Clone, Debug, Default)]
pub struct Parts<'p> {
    /// The computed columns in their order: each may read those before it.
    pub computed: Vec<(&'p str, &'p Arc<dyn PhysicalExpr>)>,
    /// What takes a row out unless it is true: `where`s of the source, and `expect`s that do not warn.
    pub tests: Vec<&'p Arc<dyn PhysicalExpr>>,
    /// The group's `where`.
    pub filter: Option<&'p Arc<dyn PhysicalExpr>>,
    /// The masks of the view.
    pub masks: Vec<&'p Arc<dyn PhysicalExpr>>,
    /// The arguments of the view.
    pub args: Vec<&'p Arc<dyn PhysicalExpr>>,
    /// When a row happened, and when it became known.
    pub times: Vec<&'p str>,
    /// The key, in the entity's order.
    pub key: Vec<&'p str>,
    /// The dedupe id.
    pub id: Vec<&'p str>,
    /// What orders rows of one instant and is no argument as it is, in the order of
    /// [`TieBreak::beside`](super::TieBreak::beside).
    pub beside: Vec<&'p str>,
}

impl Prepare {
    /// What its rows are made of.
    pub fn parts(&self) -> Parts<'_> {
        let mut values = self.values.expressions().map(|(_, value)| value);
        Parts {
            filter: if self.filtered { values.next() } else { None },
            masks: values.by_ref().take(self.view.masks).collect(),
            args: values.collect(),
            key: self.key.iter().map(|(name, _)| name.as_str()).collect(),
            id: self.id.iter().map(|(name, _)| name.as_str()).collect(),
            beside: self.beside.iter().map(String::as_str).collect(),
            ..self.admission.parts()
        }
    }
}
