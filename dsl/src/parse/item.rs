//! The file's top level: package, imports, attributes, and the items without a block.

use super::grammar::Rule;
use super::node::{Builder, Node, inner};
use crate::ast::{
    Attr, AttrValue, EntityDecl, ExternFn, File, FnDecl, Import, ImportNames, Item, ItemKind, ItemLoop,
    KeyColumn, LetDecl, Package, Param, TypeDecl,
};
use crate::span::Spanned;

impl Builder {
    /// Adds a child of `file` to `tree`, unless it holds a mistake.
    pub(super) fn top(&mut self, node: &Node, tree: &mut File) {
        match node.as_rule() {
            Rule::module_doc => tree.docs.push(doc_text(node, "//!")),
            Rule::package => {
                let package = self.package(node);
                if tree.package.is_some() || !tree.imports.is_empty() || !tree.items.is_empty() {
                    self.error(package.name.span.0, "`package` stands once, first in the file");
                } else {
                    tree.package = Some(package);
                }
            }
            Rule::import => {
                let import = self.import(node);
                if tree.items.is_empty() {
                    tree.imports.push(import);
                } else {
                    self.error(import.span.0, "an `import` stands above the first item");
                }
            }
            Rule::item => match self.item(node) {
                Some(item) => tree.items.push(item),
                None => tree.broken.extend(name_of(node.as_str())),
            },
            _ => {}
        }
    }

    fn package(&mut self, node: &Node) -> Package {
        let mut parts = inner(node.clone());
        let attrs = self.attrs(&parts.many(Rule::attr));
        Package { attrs, name: self.path(&parts.must()) }
    }

    fn import(&mut self, node: &Node) -> Import {
        let mut parts = inner(node.clone());
        let package = self.path(&parts.must());
        let names = match parts.maybe(Rule::ident) {
            Some(alias) => ImportNames::As(self.ident(&alias)),
            None => match parts.many(Rule::import_name) {
                names if names.is_empty() => ImportNames::Package,
                names => ImportNames::Some(
                    names
                        .into_iter()
                        .map(|name| {
                            let mut sides = inner(name);
                            (self.ident(&sides.must()), sides.next().map(|alias| self.ident(&alias)))
                        })
                        .collect(),
                ),
            },
        };
        Import { package, names, span: self.place(node) }
    }

    /// `None` if it holds a mistake, which is then reported.
    pub(super) fn item(&mut self, node: &Node) -> Option<Item> {
        let before = self.diagnostics.len();
        let mut parts = inner(node.clone());
        let docs = docs(&parts.many(Rule::doc));
        let attrs = self.attrs(&parts.many(Rule::attr));
        let decl = parts.must();
        let kind = self.item_kind(&decl);
        let item = Item { docs, attrs, kind, span: self.place(&decl) };
        (self.diagnostics.len() == before).then_some(item)
    }

    fn item_kind(&mut self, node: &Node) -> ItemKind {
        match node.as_rule() {
            Rule::let_decl => ItemKind::Let(self.let_decl(node)),
            Rule::fn_decl => ItemKind::Fn(self.fn_decl(node)),
            Rule::extern_fn => ItemKind::ExternFn(self.extern_fn(node)),
            Rule::type_decl => {
                let mut parts = inner(node.clone());
                let name = self.ident(&parts.must());
                ItemKind::Type(TypeDecl { name, ty: self.type_expr(&parts.must()) })
            }
            Rule::entity_decl => ItemKind::Entity(self.entity(node)),
            Rule::source_decl => ItemKind::Source(self.source(node)),
            Rule::features_decl => ItemKind::Features(self.group(node)),
            Rule::labels_decl => ItemKind::Labels(self.group(node)),
            Rule::derived_decl => ItemKind::Derived(self.derived(node)),
            Rule::service_decl => ItemKind::Service(self.service(node)),
            Rule::dataset_decl => ItemKind::Dataset(self.dataset(node)),
            Rule::test_decl => ItemKind::Test(self.test(node)),
            _ => ItemKind::For(self.item_loop(node)),
        }
    }

    fn item_loop(&mut self, node: &Node) -> ItemLoop {
        let mut parts = inner(node.clone());
        let var = self.ident(&parts.must());
        let list = self.expr(&parts.must());
        let span = self.span(node);
        let items = self.nested(1, span, |builder| parts.filter_map(|item| builder.item(&item)).collect());
        ItemLoop { var, list, items: items.unwrap_or_default() }
    }

    fn let_decl(&mut self, node: &Node) -> LetDecl {
        let mut parts = inner(node.clone());
        let name = self.ident(&parts.must());
        let ty = parts.maybe(Rule::type_expr).map(|ty| self.type_expr(&ty));
        LetDecl { name, ty, value: self.expr(&parts.must()) }
    }

    fn fn_decl(&mut self, node: &Node) -> FnDecl {
        let mut parts = inner(node.clone());
        FnDecl {
            name: self.ident(&parts.must()),
            params: inner(parts.must()).map(|param| self.param(param)).collect(),
            result: self.type_expr(&parts.must()),
            body: self.expr(&parts.must()),
        }
    }

    fn extern_fn(&mut self, node: &Node) -> ExternFn {
        let mut parts = inner(node.clone());
        ExternFn {
            name: self.ident(&parts.must()),
            params: inner(parts.must()).map(|param| self.param(param)).collect(),
            result: self.type_expr(&parts.must()),
            origin: self.call(&parts.must()),
        }
    }

    fn param(&mut self, node: Node) -> Param {
        let mut parts = inner(node);
        let name = self.ident(&parts.must());
        let ty = self.type_expr(&parts.must());
        Param { name, ty, default: parts.next().map(|value| self.expr(&value)) }
    }

    fn entity(&mut self, node: &Node) -> EntityDecl {
        let mut parts = inner(node.clone());
        let name = self.name(&parts.must());
        EntityDecl { name, keys: parts.map(|key| self.key_column(key)).collect() }
    }

    fn key_column(&mut self, node: Node) -> KeyColumn {
        let mut parts = inner(node);
        let name = self.ident(&parts.must());
        let ty = self.type_expr(&parts.must());
        KeyColumn { name, ty, attrs: self.attrs(&parts.many(Rule::attr)) }
    }

    pub(super) fn attrs(&mut self, nodes: &[Node]) -> Vec<Attr> {
        nodes.iter().map(|node| self.attr(node)).collect()
    }

    fn attr(&mut self, node: &Node) -> Attr {
        let mut parts = inner(node.clone());
        let name = self.ident(&parts.must());
        let args = parts.map(|arg| {
            let mut sides = inner(arg);
            let name = sides.maybe(Rule::ident).map(|name| self.ident(&name));
            (name, self.attr_value(&sides.must()))
        });
        let args = args.collect();
        Attr { name, args, span: self.place(node) }
    }

    fn attr_value(&mut self, node: &Node) -> AttrValue {
        let value = inner(node.clone()).must();
        match value.as_rule() {
            Rule::literal => AttrValue::Literal(Spanned::new(self.literal(&value), self.span(&value))),
            Rule::attr_list => {
                let span = self.span(&value);
                let list = self.nested(1, span, |b| inner(value).map(|item| b.attr_value(&item)).collect());
                AttrValue::List(list.unwrap_or_default())
            }
            _ => AttrValue::Path(self.path(&value)),
        }
    }
}

/// The name that the first item of `text` declares, as far as its words go.
pub(super) fn name_of(text: &str) -> Option<String> {
    /// What stands before a name.
    const WORDS: [&str; 10] =
        ["let", "fn", "type", "entity", "source", "features", "labels", "derived", "service", "dataset"];
    text.lines().find_map(|line| {
        let line = line.strip_prefix("extern ").unwrap_or(line);
        let (word, rest) = line.split_once([' ', '\t'])?;
        let rest = rest.trim_start().trim_start_matches('`');
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        (WORDS.contains(&word) && end > 0).then(|| rest[..end].to_owned())
    })
}

/// The texts of `doc` nodes.
pub(super) fn docs(nodes: &[Node]) -> Vec<String> {
    nodes.iter().map(|node| doc_text(node, "///")).collect()
}

fn doc_text(node: &Node, mark: &str) -> String {
    node.as_str().trim_start_matches(mark).trim().to_owned()
}
