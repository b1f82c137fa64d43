//! What the stages after `gather` share: the project, the report, the model under construction, and
//! what is known of each item whether or not it came out well.

use std::rc::Rc;

use feat_dsl::ast::{Attr, AttrValue, ItemKind, Literal, SourceKind};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::agg::{Signature, signatures};
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use indexmap::IndexMap;

use crate::carried::Carried;
use crate::codes;
use crate::constants::Loops;
use crate::ir::{About, Model, QName, Role};
use crate::project::{Declared, Project, plain_path};
use crate::report::{Fate, Report};
use crate::secrets::Secrets;
use crate::similar::suggestion;

/// Attributes of the language; they are the registry's schema, so an unknown one is an error.
const ATTRIBUTES: [&str; 11] = [
    "owner",
    "tags",
    "pii",
    "declassify",
    "allow_pii",
    "unit",
    "deprecated",
    "experimental",
    "doc_url",
    "sla",
    "large_state",
];

/// Where an attribute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// Above `package`.
    File,
    /// Above an item, services aside.
    Block,
    /// Above a service.
    Service,
    /// Behind a column or feature.
    Value,
    /// Behind a key column of an entity.
    Key,
    /// Behind a selection of a service.
    Selection,
}

/// What every stage may use.
pub(crate) struct Context<'p> {
    /// All items.
    pub(crate) project: &'p Project<'p>,
    /// What the author is told.
    pub(crate) report: Report,
    /// Values of secrets.
    pub(crate) secrets: &'p Secrets,
    /// What is to say of secrets without a value, by name.
    pub(crate) unset: IndexMap<String, Diagnostic>,
    /// What came out so far.
    pub(crate) model: Model,
    /// Entities, broken ones as `None`.
    pub(crate) entities: IndexMap<QName, Option<Rc<Keys>>>,
    /// Sources.
    pub(crate) sources: IndexMap<QName, Rc<SourceInfo>>,
    /// Features groups, labels groups and derived groups.
    pub(crate) groups: IndexMap<QName, Rc<GroupInfo>>,
    /// Services and what they need; for datasets.
    pub(crate) services: IndexMap<QName, Fate>,
    /// Functions whose bodies were checked.
    pub(crate) functions: IndexMap<QName, Fate>,
    /// Sources and derived groups under work: who needs itself is found here.
    pub(crate) open: Vec<QName>,
    /// How many features the loops of a package made.
    pub(crate) looped: IndexMap<String, usize>,
    /// The kernel's aggregates by name.
    pub(crate) aggregates: IndexMap<&'static str, &'static Signature>,
}

/// The key columns of an entity, in order.
pub(crate) type Keys = Vec<(String, Type)>;

/// A column of a scope.
#[derive(Clone, Debug)]
pub(crate) struct ColumnInfo {
    /// Its type; `None` if its declaration has an error.
    pub(crate) slot: Option<Slot>,
    /// Its unit and the like.
    pub(crate) carried: Carried,
    /// Where it was declared.
    pub(crate) span: Span,
}

/// The columns that rows of a source have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    /// By name, in order.
    pub(crate) own: IndexMap<String, ColumnInfo>,
    /// Columns of joined sources by alias; they may be null, since there may be no version.
    pub(crate) joined: IndexMap<String, IndexMap<String, ColumnInfo>>,
    /// Not known by name: rows that this version cannot type.
    pub(crate) opaque: bool,
}

/// What readers need of a source.
#[derive(Clone, Debug)]
pub(crate) struct SourceInfo {
    /// How it came out.
    pub(crate) fate: Fate,
    /// Its name.
    pub(crate) name: QName,
    /// Its kind.
    pub(crate) kind: SourceKind,
    /// Its columns.
    pub(crate) columns: Columns,
    /// The event-time column.
    pub(crate) time: Option<String>,
    /// The primary key of a table or static source.
    pub(crate) key: Vec<String>,
    /// Where `over all` begins.
    pub(crate) since: Instant,
    /// Where its name stands.
    pub(crate) span: Span,
}

/// What is known of a feature.
#[derive(Clone, Debug)]
pub(crate) struct FeatureInfo {
    /// Its type, if it is known.
    pub(crate) slot: Option<Slot>,
    /// Its unit and the like.
    pub(crate) carried: Carried,
    /// How it came out.
    pub(crate) fate: Fate,
}

/// What a group of features belongs to.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    /// A features group, of an entity.
    Features(QName),
    /// A labels group, of an entity.
    Labels(QName),
    /// A derived group, with its roles and request sources.
    Derived(Vec<Role>, Vec<QName>),
}

/// What readers need of a group.
#[derive(Clone, Debug)]
pub(crate) struct GroupInfo {
    /// Its name.
    pub(crate) name: QName,
    /// Whose it is; `None` if that has an error.
    pub(crate) owner: Option<Owner>,
    /// `version n`
    pub(crate) version: u32,
    /// Its features by name.
    pub(crate) features: IndexMap<String, FeatureInfo>,
    /// Where its name stands.
    pub(crate) span: Span,
}

impl<'p> Context<'p> {
    /// A context in which nothing is known yet.
    pub(crate) fn new(project: &'p Project<'p>, report: Report, secrets: &'p Secrets) -> Self {
        Self {
            project,
            report,
            secrets,
            unset: IndexMap::new(),
            model: Model::default(),
            entities: IndexMap::new(),
            sources: IndexMap::new(),
            groups: IndexMap::new(),
            services: IndexMap::new(),
            functions: IndexMap::new(),
            open: Vec::new(),
            looped: IndexMap::new(),
            aggregates: signatures().iter().map(|signature| (signature.name, signature)).collect(),
        }
    }

    /// Docs, owner and tags of an item.
    pub(crate) fn about(&mut self, declared: &Declared<'p>) -> About {
        let file = &self.project.files[declared.file];
        let spot = match declared.item.kind {
            ItemKind::Service(_) => Spot::Service,
            _ => Spot::Block,
        };
        let item = declared.item;
        let whole = item.attrs.first().map_or(item.span.0, |attr| attr.span.0.to(item.span.0));
        let mut about = self.about_of(&item.docs, &item.attrs, &declared.loops, (declared.span, whole), spot);
        if about.owner.is_none() {
            about.owner = owner(file.attrs);
        }
        for attr in file.attrs.iter().filter(|attr| attr.name.node == "tags") {
            about.tags.extend(attr.args.iter().map(tag));
        }
        about
    }

    /// Docs and tags of a column or feature, whose name stands at `span` and whose value or type ends
    /// with `last`.
    pub(crate) fn about_member(
        &mut self,
        docs: &[String],
        attrs: &[Attr],
        loops: &Loops,
        span: Span,
        last: Span,
    ) -> About {
        let whole = span.to(attrs.last().map_or(last, |attr| attr.span.0));
        self.about_of(docs, attrs, loops, (span, whole), Spot::Value)
    }

    fn about_of(
        &mut self,
        docs: &[String],
        attrs: &[Attr],
        loops: &Loops,
        (span, whole): (Span, Span),
        spot: Spot,
    ) -> About {
        self.attributes(attrs, spot);
        let named = |name: &str| attrs.iter().find(|attr| attr.name.node == name);
        About {
            doc: loops.fill_text(&docs.join("\n")),
            owner: owner(attrs),
            tags: named("tags").map(|attr| attr.args.iter().map(tag).collect()).unwrap_or_default(),
            span,
            whole,
        }
    }

    /// Says which attributes do not exist, mean nothing at `spot`, or lack their text.
    pub(crate) fn attributes(&mut self, attrs: &[Attr], spot: Spot) {
        for attr in attrs {
            let name = attr.name.node.as_str();
            if !ATTRIBUTES.contains(&name) {
                let mut diagnostic = Diagnostic::error(
                    codes::ATTRIBUTE,
                    attr.name.span,
                    format!("no attribute is named `@{name}`"),
                )
                .label("not an attribute of the language");
                diagnostic.help = suggestion(name, ATTRIBUTES);
                self.report.push(diagnostic);
                continue;
            }
            let (belongs, label): (&[Spot], _) = match name {
                "unit" | "declassify" => (&[Spot::Value], "belongs to a column or feature"),
                "pii" => (&[Spot::Value, Spot::Key], "belongs to a column or feature"),
                "allow_pii" => (&[Spot::Service, Spot::Selection], "belongs to a service"),
                _ => continue,
            };
            if !belongs.contains(&spot) {
                self.report.push(
                    Diagnostic::error(
                        codes::ATTRIBUTE,
                        attr.name.span,
                        format!("attribute `@{name}` has no meaning here"),
                    )
                    .label(label),
                );
            } else if first_text(attr).is_none_or(|text| text.trim().is_empty()) {
                self.report.push(
                    Diagnostic::error(codes::ARGUMENTS, attr.span.0, format!("`@{name}` needs a text"))
                        .label("missing")
                        .help(format!("write `@{name}(\"…\")`")),
                );
            }
        }
    }
}

/// The first argument of `@owner("…")`, `@unit("…")`.
pub(crate) fn first_text(attr: &Attr) -> Option<String> {
    attr.args.iter().find_map(|(_, value)| match value {
        AttrValue::Literal(literal) => match &literal.node {
            Literal::String(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    })
}

/// The text of `@owner("…")`.
pub(crate) fn owner(attrs: &[Attr]) -> Option<String> {
    attrs.iter().rfind(|attr| attr.name.node == "owner").and_then(first_text)
}

/// The text of `@unit("…")`, and where it stands.
pub(crate) fn unit(attrs: &[Attr]) -> Option<(String, Span)> {
    let attr = attrs.iter().find(|attr| attr.name.node == "unit")?;
    first_text(attr).map(|text| (text, attr.span.0))
}

fn tag((name, value): &(Option<feat_dsl::ast::Ident>, AttrValue)) -> String {
    match name {
        Some(name) => format!("{}: {}", name.node, tag_value(value)),
        None => tag_value(value),
    }
}

fn tag_value(value: &AttrValue) -> String {
    match value {
        AttrValue::Literal(literal) => match &literal.node {
            Literal::String(text) | Literal::Fraction(text) | Literal::Percent(text) => text.clone(),
            Literal::Int(number) => number.to_string(),
            Literal::Bool(value) => value.to_string(),
            Literal::Null => "null".to_owned(),
            Literal::Duration(length) => feat_kernel::time::Micros(*length).to_string(),
            Literal::Instant(instant) => Instant(*instant).to_string(),
            Literal::Date(days) => days.to_string(),
        },
        AttrValue::List(items) => format!("[{}]", items.iter().map(tag_value).collect::<Vec<_>>().join(", ")),
        AttrValue::Path(path) => plain_path(path),
    }
}
