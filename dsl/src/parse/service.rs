//! The readers of features: services and datasets.

use super::grammar::Rule;
use super::node::{Builder, Node, inner, syntax};
use crate::ast::{DatasetDecl, DatasetMember, Path, Place, Select, SelectWhich, ServiceDecl, ServiceMember};

impl Builder {
    pub(super) fn service(&mut self, node: &Node) -> ServiceDecl {
        let mut parts = inner(node.clone());
        ServiceDecl {
            name: self.name(&parts.must()),
            of: self.of_list(parts.must()),
            with: self.with(parts.maybe(Rule::with_clause)),
            members: parts
                .map(|member| match member.as_rule() {
                    Rule::setting => ServiceMember::Setting(self.setting(&member)),
                    _ => ServiceMember::Select(self.select(&member)),
                })
                .collect(),
        }
    }

    fn select(&mut self, node: &Node) -> Select {
        let mut parts = inner(node.clone());
        let target = parts.must();
        let mut segments: Vec<Node> =
            inner(target.clone()).filter(|node| node.as_rule() == Rule::sel_segment).collect();
        let which = match target.as_rule() {
            Rule::sel_all => SelectWhich::All(self.names(parts.many(Rule::tident).into_iter())),
            Rule::sel_some => SelectWhich::Some(self.names(parts.many(Rule::tident).into_iter())),
            _ => {
                let feature = segments.pop().expect("grammar: a feature stands behind its group");
                let alias = parts.maybe(Rule::ident).map(|alias| self.ident(&alias));
                self.refuse_pin(&feature);
                let feature = inner(feature).must();
                if feature.as_str().contains('{') && !feature.as_str().starts_with('`') {
                    self.error(self.span(&feature), "a feature is selected by a name without holes");
                }
                SelectWhich::One(self.ident(&feature), alias)
            }
        };
        let (group, version) = self.pinned_group(&segments);
        Select { group, version, which, attrs: self.attrs(&parts.many(Rule::attr)), span: self.place(node) }
    }

    fn pinned_group(&mut self, segments: &[Node]) -> (Path, Option<u64>) {
        let (last, before) = segments.split_last().expect("grammar: a group has a name");
        for segment in before {
            self.refuse_pin(segment);
        }
        let version = inner(last.clone()).nth(1).map(|pin| {
            pin.as_str().parse().unwrap_or_else(|_| {
                self.error(self.span(&pin), format!("version `{}` does not fit 64 bits", pin.as_str()));
                0
            })
        });
        let span = Place(self.span(&segments[0]).to(self.span(last)));
        let segments = segments.iter().map(|segment| self.name(&inner(segment.clone()).must())).collect();
        (Path { segments, span }, version)
    }

    fn refuse_pin(&mut self, segment: &Node) {
        if let Some(pin) = inner(segment.clone()).nth(1) {
            let mistake = syntax(self.span(segment), "only a group has a version to pin");
            self.report(mistake.help(format!("write `@{}` behind the group's name", pin.as_str())));
        }
    }

    pub(super) fn dataset(&mut self, node: &Node) -> DatasetDecl {
        let mut parts = inner(node.clone());
        let name = self.name(&parts.must());
        DatasetDecl { name, members: parts.map(|member| self.dataset_member(&member)).collect() }
    }

    fn dataset_member(&mut self, node: &Node) -> DatasetMember {
        let mut parts = inner(node.clone());
        match node.as_rule() {
            Rule::ds_service => DatasetMember::Service(self.path(&parts.must())),
            Rule::ds_spine => {
                let spine = self.path(&parts.must());
                let at = self.path(&parts.must());
                DatasetMember::Spine(spine, at, self.filter(parts.next()))
            }
            Rule::ds_label => DatasetMember::Label(parts.map(|label| self.path(&label)).collect()),
            Rule::ds_period => {
                let from = self.instant(&parts.must());
                DatasetMember::Period(from, self.instant(&parts.must()))
            }
            _ => DatasetMember::Setting(self.setting(node)),
        }
    }
}
