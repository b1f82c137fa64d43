//! The typed meaning of a project: every name bound, every loop unrolled, every expression typed.
//!
//! Engines do not read it: they read the [`plan`](crate::plan) that [`lower`](crate::lower) makes of
//! it. Names are the short names of the text; `package` stands beside them. A value's type and
//! nullability are settled here; widening conversions are explicit [`ExprKind::Cast`]s.

use feat_dsl::span::Span;
use feat_kernel::agg::Bound;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use feat_kernel::window::Window;
use indexmap::IndexMap;

use crate::secrets::Secret;

/// A dotted package and a name in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QName {
    /// `ads.ctr`; empty for a file without `package`.
    pub package: String,
    /// `ad_stats`
    pub name: String,
}

impl std::fmt::Display for QName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.package.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}.{}", self.package, self.name)
        }
    }
}

/// Everything a project says. What has an error is left out.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Entities.
    pub entities: IndexMap<QName, Entity>,
    /// Sources, derived ones flattened onto their root.
    pub sources: IndexMap<QName, Source>,
    /// `features` groups.
    pub groups: IndexMap<QName, Group>,
    /// `labels` groups.
    pub labels: IndexMap<QName, Group>,
    /// `derived` groups.
    pub derived: IndexMap<QName, Derived>,
    /// Services.
    pub services: IndexMap<QName, Service>,
    /// Datasets.
    pub datasets: IndexMap<QName, Dataset>,
    /// Tests in the order of the text.
    pub tests: Vec<Test>,
}

/// `///` text, tags and the like: never part of the meaning hash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The `///` lines joined by newlines.
    pub doc: String,
    /// `@owner`, inherited from the file.
    pub owner: Option<String>,
    /// `@tags`, rendered as written.
    pub tags: Vec<String>,
    /// Where the name stands.
    pub span: Span,
    /// All of the declaration: of an item with the attributes above it, of a line with those behind it.
    pub whole: Span,
}

/// `entity user(user_id: string)`.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Its name.
    pub name: QName,
    /// Key columns in order.
    pub keys: Vec<(String, Type)>,
    /// Docs and the like.
    pub about: About,
}

/// What kind of rows a source has.
pub use feat_dsl::ast::SourceKind;

/// A source, with what it inherits from the source it is derived from.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name.
    pub name: QName,
    /// The source at the bottom of `from … from …`: it owns the data; itself when not derived.
    pub root: QName,
    /// Its kind.
    pub kind: SourceKind,
    /// Stored and computed columns; a computed one may use those before it.
    pub columns: Vec<Column>,
    /// Every `where` on the way from the root, in order.
    pub filters: Vec<Expr>,
    /// The event-time column. `None` for `static` and `request`.
    pub time: Option<String>,
    /// Availability.
    pub known: Known,
    /// `key a, b` of a table or static source.
    pub key: Vec<String>,
    /// `order by a, b`
    pub order_by: Vec<String>,
    /// `dedupe by … within …`
    pub dedupe: Option<Dedupe>,
    /// `lateness d`
    pub lateness: Option<Micros>,
    /// `since t`
    pub since: Option<Instant>,
    /// `expect …` in order.
    pub expects: Vec<Expect>,
    /// `batch …` or, for a table, `snapshot …`.
    pub batch: Option<Connector>,
    /// `stream …` or `cdc …`.
    pub stream: Option<Connector>,
    /// `rows | … |`: values in the order of the stored columns.
    pub rows: Option<Vec<Vec<Value>>>,
    /// Docs and the like.
    pub about: About,
}

/// A column of a source.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub slot: Slot,
    /// `timestamp in "Zone"`: whose wall clock zone-less values are.
    pub zone: Option<String>,
    /// How it is computed, over columns of the same source; `None` when it is stored.
    pub value: Option<Expr>,
    /// `@unit("…")`
    pub unit: Option<String>,
    /// Docs and the like.
    pub about: About,
}

/// `known c after d`. Neither: known at its event time (files) or its log clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// The column; `None` counts from the event time.
    pub column: Option<String>,
    /// The delay.
    pub after: Micros,
}

/// `dedupe by a, b within d`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dedupe {
    /// The id's columns.
    pub columns: Vec<String>,
    /// The horizon; `None` never ends, which no text says: without `within` it is `1d`.
    pub within: Option<Micros>,
}

/// `expect e for 97% else drop "why"`.
#[derive(Clone, Debug)]
pub struct Expect {
    /// What must be true.
    pub condition: Expr,
    /// The condition as text, for messages.
    pub text: String,
    /// Parts in a million that must satisfy it; `None`: every row.
    pub share: Option<u32>,
    /// What happens otherwise; `warn` when not written.
    pub action: feat_dsl::ast::Action,
    /// Words for the report.
    pub message: Option<String>,
}

impl Expect {
    /// Whether it decides about rows. One that warns, or speaks of a share of all rows, only counts.
    pub fn judges(&self) -> bool {
        self.share.is_none() && self.action != feat_dsl::ast::Action::Warn
    }
}

/// `parquet("path")`, `kafka("topic", format: "json")`, …
#[derive(Clone, Debug, PartialEq)]
pub struct Connector {
    /// `parquet`, `csv`, `kafka`, …
    pub kind: String,
    /// The first argument.
    pub location: String,
    /// Named arguments.
    pub options: Vec<(String, Value)>,
    /// Where it stands.
    pub span: Span,
}

/// A `features` or `labels` group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: QName,
    /// `version n`, 1 when not written.
    pub version: u32,
    /// Its entity.
    pub entity: QName,
    /// The source's columns that are the entity's key, in its order.
    pub key: Vec<String>,
    /// Its source.
    pub source: QName,
    /// `where e` behind the source.
    pub filter: Option<Expr>,
    /// `ttl d`
    pub ttl: Option<Micros>,
    /// `refresh every P at c after d`.
    pub refresh: Option<Refresh>,
    /// Aggregates over many rows, or the newest row.
    pub kind: GroupKind,
    /// Features in the order of the text, windows expanded, private ones among them.
    pub features: Vec<Feature>,
    /// Docs and the like.
    pub about: About,
}

/// Whether a group folds rows or looks one up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// Features are aggregates and expressions over them.
    Aggregates,
    /// Features are columns of the newest visible row per key, and expressions over them.
    Row,
}

/// `refresh every P at c after d`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refresh {
    /// The period.
    pub every: Micros,
    /// The first instant of the grid after midnight UTC.
    pub at: Micros,
    /// How long after the instant the value is published.
    pub after: Micros,
}

/// One feature.
#[derive(Clone, Debug)]
pub struct Feature {
    /// Its name, window suffix included.
    pub name: String,
    /// Its type.
    pub slot: Slot,
    /// How it is computed. In an aggregate group: aggregates, features before it, keys, `as_of`.
    /// In a row group: columns of the row, features before it, keys, `as_of`. In a derived group:
    /// features of groups, request columns, keys, `as_of`.
    pub value: Expr,
    /// A leading `_`: not selectable outside its package.
    pub private: bool,
    /// `@unit("…")`
    pub unit: Option<String>,
    /// Docs and the like.
    pub about: About,
}

/// A `derived` group.
#[derive(Clone, Debug)]
pub struct Derived {
    /// Its name.
    pub name: QName,
    /// `version n`, 1 when not written.
    pub version: u32,
    /// Its entities in order.
    pub of: Vec<Role>,
    /// Its request sources.
    pub with: Vec<QName>,
    /// The groups and derived groups that its features read, each once.
    pub reads: Vec<Read>,
    /// Features in the order of the text.
    pub features: Vec<Feature>,
    /// Docs and the like.
    pub about: About,
}

impl Derived {
    /// What `column` of an expression is a feature of, by which key, and the feature's name; `None`
    /// for a column of a request, a key, a feature of its own.
    pub fn read<'a>(&'a self, column: &'a str) -> Option<(&'a QName, &'a [String], &'a str)> {
        let (prefix, name) = column.rsplit_once('.')?;
        let read = self.reads.iter().find(|read| read.prefix == prefix)?;
        Some((&read.group, &read.key, name))
    }
}

/// A group or derived group that a derived group reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// What stands before its features in expressions: `ad_stats`, or `pickup.cell_demand` where a
    /// role was written; with the package (`ads.ctr.ad_stats`) where the short name is another's.
    pub prefix: String,
    /// The group or derived group.
    pub group: QName,
    /// Its key as the reader names it (`user.user_id`). For a group: the entity's columns in order;
    /// for a derived group: the columns of its roles, role by role.
    pub key: Vec<String>,
}

/// An entity in a service or derived group, and which inputs are its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// The role's name; the entity's when none was written.
    pub name: String,
    /// The entity.
    pub entity: QName,
    /// The names under which the caller gives the key columns, in the entity's order. For
    /// `airport(origin)` it is `[origin]`; for a plain `airport` the entity's own column names; for
    /// `pickup: cell` they are prefixed: `pickup_h3`.
    pub inputs: Vec<String>,
}

/// A `service`.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: QName,
    /// `version n`, 1 when not written.
    pub version: u32,
    /// Its entities in order.
    pub of: Vec<Role>,
    /// Its request sources.
    pub with: Vec<QName>,
    /// What it serves, wildcards frozen, in order.
    pub selected: Vec<Selected>,
    /// The selections as they are written, one a line, names filled: `ads.stats.*`. Two services
    /// with equal ones ask for the same, whatever wildcards stand for.
    pub written: Vec<String>,
    /// Docs and the like.
    pub about: About,
}

impl Service {
    /// What `one` is called in an answer, but for its alias: `group.feature`, or
    /// `role.group.feature` where two roles select from groups of one name.
    pub fn dotted(&self, one: &Selected) -> String {
        let short = &one.group.name;
        let other = |it: &&Selected| it.group.name == *short && it.role != one.role;
        let role = self.selected.iter().find(other).and_then(|_| self.of.get(one.role));
        match role {
            Some(role) => format!("{}.{short}.{}", role.name, one.feature),
            None => format!("{short}.{}", one.feature),
        }
    }

    /// The column that `one` is in a training set: its alias, or `group__feature`.
    pub fn column(&self, one: &Selected) -> String {
        one.alias.clone().unwrap_or_else(|| self.dotted(one).replace('.', "__"))
    }
}

/// One feature of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// The group or derived group.
    pub group: QName,
    /// Which role of the service is the group's entity, or the first one that covers it (not used
    /// for derived groups).
    pub role: usize,
    /// The inputs of the service that are the group's key, in the entity's order; for a derived
    /// group: the columns of its roles, role by role.
    pub key: Vec<String>,
    /// The feature.
    pub feature: String,
    /// `as b`
    pub alias: Option<String>,
    /// Its type.
    pub slot: Slot,
}

/// A `dataset`.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Its name.
    pub name: QName,
    /// Its service.
    pub service: QName,
    /// The source whose rows are the spine.
    pub spine: QName,
    /// The spine's time column.
    pub at: String,
    /// `where e`
    pub filter: Option<Expr>,
    /// `label g.a`: group and feature.
    pub labels: Vec<(QName, String)>,
    /// `period a to b`, half open.
    pub period: Option<(Instant, Instant)>,
    /// `sample 10% by c`: parts in a million and the column (the first key input when not written).
    pub sample: Option<(u32, Option<String>)>,
    /// Docs and the like.
    pub about: About,
}

/// A `test` block.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its title.
    pub title: String,
    /// Rows by source: column names and values in their order. Columns that are not named are null.
    pub given: Vec<Given>,
    /// What must hold.
    pub expects: Vec<TestExpect>,
    /// Where the title stands.
    pub span: Span,
}

/// Rows of one source in a test.
#[derive(Clone, Debug)]
pub struct Given {
    /// The source.
    pub source: QName,
    /// The named columns.
    pub columns: Vec<String>,
    /// One value a named column.
    pub rows: Vec<Vec<Value>>,
}

/// `expect group(key) at t with { … } { … }`.
#[derive(Clone, Debug)]
pub struct TestExpect {
    /// The group or derived group.
    pub group: QName,
    /// Key values in the entity's order (for a derived group: the roles' in theirs).
    pub key: Vec<Value>,
    /// The instant.
    pub at: Instant,
    /// Request inputs by name (`source.column` or `column`).
    pub inputs: Vec<(String, Value)>,
    /// What must hold.
    pub assertions: Vec<Assertion>,
}

/// `name == value`.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// The feature.
    pub feature: String,
    /// The operator.
    pub op: feat_dsl::ast::AssertOp,
    /// The value, of the feature's type.
    pub value: Value,
    /// For `~=`: half a unit of the last digit written.
    pub tolerance: f64,
    /// Where it stands.
    pub span: Span,
}

/// A typed expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Which form.
    pub kind: ExprKind,
    /// Its type and nullability.
    pub slot: Slot,
    /// Where it stands.
    pub span: Span,
}

/// The forms of a typed expression.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A constant (null has the type that its place asks for).
    Literal(Value),
    /// `secret("name")`: an argument of a keyed hash.
    Secret(Secret),
    /// A column of the scope, by the name it has there:
    /// a source's column `amount`; the newest row's column in a row group; a feature of the same
    /// group `n_1h`; a feature of a group `group.feature`; a request's column `request.column`;
    /// a role's key column `user.user_id`.
    Column(String),
    /// `as_of`: the evaluation instant.
    AsOf,
    /// A function or operator of [`functions`](crate::functions), its arguments already widened to
    /// the parameters' types.
    Call(&'static str, Vec<Expr>),
    /// `if`, `match`: the first condition that is true, else the last value.
    Case(Vec<(Expr, Expr)>, Box<Expr>),
    /// A widening (`strict`: cannot fail) or a written `as` to `slot.ty`, which is an evaluation
    /// error where the value does not fit.
    Cast(Box<Expr>),
    /// `try_cast`: null where the value does not fit.
    TryCast(Box<Expr>),
    /// `a.b` of a struct.
    Field(Box<Expr>, String),
    /// `struct { a: 1 }`, fields in the type's order.
    Struct(Vec<Expr>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `map { k: v }`
    Map(Vec<(Expr, Expr)>),
    /// An aggregate over a window, in an aggregate group.
    Aggregate(Box<AggregateCall>),
}

/// `agg(args) where e over W`.
#[derive(Clone, Debug)]
pub struct AggregateCall {
    /// The function with its types and parameters settled.
    pub bound: Bound,
    /// Its arguments, over the source's columns; at most two.
    pub args: Vec<Expr>,
    /// Its own `where`.
    pub filter: Option<Expr>,
    /// Its window. For a label: the interval is `[t + after, t + after + h)`, written as
    /// `Reach::Length(h)` with hop 1 µs, and `after` here.
    pub window: Window,
    /// `next h after d` of a label: the delay. Zero otherwise.
    pub after: Micros,
    /// The call as text without its window, for messages and `explain`.
    pub text: String,
}
