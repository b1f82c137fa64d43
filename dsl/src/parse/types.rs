//! Types as written.

use super::grammar::Rule;
use super::node::{Builder, Node, inner};
use crate::ast::{Ident, Path, TypeExpr, TypeKind};

impl Builder {
    pub(super) fn type_expr(&mut self, node: &Node) -> TypeExpr {
        let span = self.place(node);
        let mut children = inner(node.clone());
        let base = children.must();
        let nullable = children.maybe(Rule::optional_mark).is_some();
        let unknown = || TypeKind::Named(Path { segments: Vec::new(), span });
        let kind = self.nested(1, span.0, |builder| builder.type_kind(&base)).unwrap_or_else(unknown);
        TypeExpr { kind, nullable, span }
    }

    fn type_kind(&mut self, node: &Node) -> TypeKind {
        let mut children = inner(node.clone());
        match node.as_rule() {
            Rule::list_type => TypeKind::List(Box::new(self.type_expr(&children.must()))),
            Rule::map_type => {
                let key = self.type_expr(&children.must());
                TypeKind::Map(Box::new(key), Box::new(self.type_expr(&children.must())))
            }
            Rule::embedding_type => TypeKind::Embedding(self.count(&children.must()).node),
            Rule::decimal_type => {
                let precision = self.count(&children.must()).node;
                TypeKind::Decimal(precision, self.count(&children.must()).node)
            }
            Rule::enum_type => TypeKind::Enum(children.map(|value| self.string(&value)).collect()),
            Rule::timestamp_type => TypeKind::TimestampIn(self.string(&children.must())),
            Rule::struct_type => TypeKind::Struct(children.map(|field| self.type_field(field)).collect()),
            _ => TypeKind::Named(self.path(node)),
        }
    }

    fn type_field(&mut self, node: Node) -> (Ident, TypeExpr) {
        let mut children = inner(node);
        let name = self.ident(&children.must());
        (name, self.type_expr(&children.must()))
    }
}
