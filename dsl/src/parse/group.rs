//! Groups of features and labels, derived groups, and what aggregates carry behind their call.

use super::grammar::Rule;
use super::item::docs;
use super::literal::share_digits;
use super::node::{Builder, Node, Nodes, inner};
use crate::ast::{
    DerivedDecl, FeatureDef, FeatureMember, GroupDecl, LengthExpr, MemberLoop, Next, OfEntity, Over, Path,
    Setting, SettingValue, Suffix, WindowClause, WindowExpr, WindowItem, Windows,
};
use crate::span::Spanned;

impl Builder {
    /// A `features_decl` or a `labels_decl`.
    pub(super) fn group(&mut self, node: &Node) -> GroupDecl {
        let mut parts = inner(node.clone());
        GroupDecl {
            name: self.name(&parts.must()),
            of: self.of_list(parts.must()),
            from: self.path(&parts.must()),
            joins: self.joins(&parts.many(Rule::join)),
            filter: self.filter(parts.maybe(Rule::filter)),
            members: self.members(parts),
        }
    }

    pub(super) fn derived(&mut self, node: &Node) -> DerivedDecl {
        let mut parts = inner(node.clone());
        DerivedDecl {
            name: self.name(&parts.must()),
            of: self.of_list(parts.must()),
            with: self.with(parts.maybe(Rule::with_clause)),
            members: self.members(parts),
        }
    }

    pub(super) fn of_list(&mut self, node: Node) -> Vec<OfEntity> {
        inner(node).map(|entity| self.of_entity(&entity)).collect()
    }

    fn of_entity(&mut self, node: &Node) -> OfEntity {
        let mut parts = inner(node.clone());
        OfEntity {
            role: parts.maybe(Rule::ident).map(|role| self.ident(&role)),
            entity: self.name(&parts.must()),
            columns: parts.map(|column| self.path(&column)).collect(),
            span: self.place(node),
        }
    }

    pub(super) fn with(&mut self, node: Option<Node>) -> Vec<Path> {
        node.into_iter().flat_map(inner).map(|request| self.path(&request)).collect()
    }

    fn members(&mut self, nodes: Nodes) -> Vec<FeatureMember> {
        nodes.map(|member| self.member(&member)).collect()
    }

    fn member(&mut self, node: &Node) -> FeatureMember {
        let mut parts = inner(node.clone());
        match node.as_rule() {
            Rule::feature_def => FeatureMember::Feature(self.feature(node)),
            Rule::keep => FeatureMember::Keep(self.names(parts)),
            Rule::setting => FeatureMember::Setting(self.setting(node)),
            Rule::expect => FeatureMember::Expect(self.expect(node)),
            _ => {
                let var = self.ident(&parts.must());
                let list = self.expr(&parts.must());
                let members = self.nested(1, self.span(node), |builder| builder.members(parts));
                FeatureMember::For(MemberLoop { var, list, members: members.unwrap_or_default() })
            }
        }
    }

    fn feature(&mut self, node: &Node) -> FeatureDef {
        let mut parts = inner(node.clone());
        FeatureDef {
            docs: docs(&parts.many(Rule::doc)),
            name: self.name(&parts.must()),
            ty: parts.maybe(Rule::type_expr).map(|ty| self.type_expr(&ty)),
            value: self.expr(&parts.must()),
            attrs: self.attrs(&parts.many(Rule::attr)),
        }
    }

    pub(super) fn setting(&mut self, node: &Node) -> Setting {
        let mut parts = inner(node.clone());
        let name = self.ident(&parts.must());
        let value = inner(parts.must()).must();
        Setting { name, value: self.setting_value(&value), span: self.place(node) }
    }

    fn setting_value(&mut self, node: &Node) -> SettingValue {
        let mut parts = inner(node.clone());
        match node.as_rule() {
            Rule::schedule => {
                let every = self.duration(&parts.must()).node;
                let at = parts.maybe(Rule::clock).map(|clock| self.clock(&clock));
                SettingValue::Every(every, at, parts.next().map(|after| self.duration(&after).node))
            }
            Rule::share => {
                let share = share_digits(&parts.must());
                SettingValue::Share(share, parts.next().map(|by| self.ident(&by)))
            }
            _ => SettingValue::Literal(self.literal(node)),
        }
    }

    pub(super) fn suffix(&mut self, node: &Node) -> Suffix {
        let mut parts = inner(node.clone());
        let filter = parts.maybe(Rule::agg_where).map(|filter| self.expr(&inner(filter).must()));
        let by = parts.maybe(Rule::agg_by).map(|by| {
            let mut by = inner(by);
            (self.expr(&by.must()), by.next().map(|limit| self.count(&limit)))
        });
        let window = parts.next().map(|window| self.window_clause(&window));
        Suffix { filter, by, window, span: self.place(node) }
    }

    /// An `over` or a `next`.
    fn window_clause(&mut self, node: &Node) -> WindowClause {
        if node.as_rule() == Rule::over {
            return WindowClause::Over(self.over(node));
        }
        let mut parts = inner(node.clone());
        let length = self.length(&parts.must());
        let after = parts.next().map(|after| self.duration(&after));
        WindowClause::Next(Next { length, after, span: self.place(node) })
    }

    fn over(&mut self, node: &Node) -> Over {
        let mut parts = inner(node.clone());
        let windows = parts.must();
        Over {
            windows: match windows.as_rule() {
                Rule::window_list => {
                    Windows::List(inner(windows).map(|item| self.window_item(item)).collect())
                }
                _ => Windows::One(self.window(&windows)),
            },
            every: self.step(parts.maybe(Rule::every)),
            offset: self.step(parts.maybe(Rule::offset)),
            along: parts.next().map(|along| self.ident(&inner(along).must())),
            span: self.place(node),
        }
    }

    fn window_item(&mut self, node: Node) -> WindowItem {
        let mut parts = inner(node);
        WindowItem {
            window: self.window(&parts.must()),
            every: self.step(parts.maybe(Rule::every)),
            offset: self.step(parts.maybe(Rule::offset)),
            alias: parts.next().map(|alias| self.ident(&alias)),
        }
    }

    fn window(&mut self, node: &Node) -> Spanned<WindowExpr> {
        let span = self.span(node);
        let window = match inner(node.clone()).next() {
            // `all` is a keyword, and keywords are not among the children.
            None => WindowExpr::All,
            Some(window) => match window.as_rule() {
                Rule::duration => WindowExpr::Length(self.duration(&window).node),
                Rule::window_call => WindowExpr::Call(self.call(&window)),
                _ => WindowExpr::Name(self.name(&window)),
            },
        };
        Spanned::new(window, span)
    }

    /// `every h` or `offset d`.
    fn step(&mut self, node: Option<Node>) -> Option<Spanned<LengthExpr>> {
        node.map(|step| self.length(&inner(step).must()))
    }

    fn length(&mut self, node: &Node) -> Spanned<LengthExpr> {
        let length = inner(node.clone()).must();
        let value = match length.as_rule() {
            Rule::duration => LengthExpr::Length(self.duration(&length).node),
            _ => LengthExpr::Name(self.ident(&length).node),
        };
        Spanned::new(value, self.span(node))
    }
}
