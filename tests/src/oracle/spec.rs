//! A feature specification as the definition reads it: plain data from `oracle.json`, no language.
//!
//! Lengths of time are written `1h30m`, instants in RFC 3339. Every window is written out: a list
//! `over [1h, 1d]` of the text is two features here. Default hops are computed by the definition.

use serde::{Deserialize, Serialize};

use super::time::Length;

/// Sources, groups over them, and what is made of the groups' features.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OracleSpec {
    /// Where rows come from; the rows of source `s` are the case's `s.jsonl`.
    pub sources: Vec<Source>,
    /// `features` groups, in the order in which their features are served.
    pub groups: Vec<Group>,
    /// `derived` features, served after the groups'.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived: Vec<Derived>,
    /// `labels` groups: the columns of a dataset, not of a service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Group>,
}

/// A source and its clauses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Stored columns.
    pub columns: Vec<Column>,
    /// The event-time column; none for a `static` source, whose rows are before every instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// `known …`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
    /// `order by …`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<String>,
    /// `dedupe by …`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<Dedupe>,
    /// `lateness d`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateness: Option<Length>,
    /// `since t`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// `where …` behind the source's origin, and expectations that drop: all must be true.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<Condition>,
}

/// A stored column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `int`, `float`, `decimal(p,s)`, `string`, `bool`, `timestamp`, with `?` where null may stand.
    #[serde(rename = "type")]
    pub ty: String,
}

/// `known c after d`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The column; without one the delay counts from the event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The delay.
    #[serde(default)]
    pub after: Length,
}

/// `dedupe by a, b within d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dedupe {
    /// The id's columns.
    pub by: Vec<String>,
    /// How much earlier in known an admitted row may lie; none: a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Length>,
}

/// `column op value`; without `op`, the column itself, a bool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// The comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<Op>,
    /// The literal beside it, written as in a row; none for `is null` and `is not null`.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub value: serde_json::Value,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// `==`
    #[serde(rename = "==")]
    Eq,
    /// `!=`
    #[serde(rename = "!=")]
    Ne,
    /// `<`
    #[serde(rename = "<")]
    Lt,
    /// `<=`
    #[serde(rename = "<=")]
    Le,
    /// `>`
    #[serde(rename = ">")]
    Gt,
    /// `>=`
    #[serde(rename = ">=")]
    Ge,
    /// `is null`
    #[serde(rename = "is null")]
    IsNull,
    /// `is not null`
    #[serde(rename = "is not null")]
    IsNotNull,
}

impl Op {
    /// As the language writes it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::IsNull => "is null",
            Self::IsNotNull => "is not null",
        }
    }
}

/// A `features` or `labels` group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its source.
    pub source: String,
    /// The source's columns that are the entity's key.
    pub key: Vec<String>,
    /// The names under which a request gives the key, where they differ from `key`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// `where …` behind the source: all must be true.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<Condition>,
    /// `ttl d`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Length>,
    /// Its features in order.
    pub features: Vec<Feature>,
}

impl Group {
    /// The names under which a request gives the key.
    pub fn inputs(&self) -> &[String] {
        if self.inputs.is_empty() { &self.key } else { &self.inputs }
    }
}

/// One feature of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// The aggregate by name; `keep` for a column of the newest row.
    pub aggregate: String,
    /// Its arguments: a column, or a condition in the place of a bool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Arg>,
    /// Named parameters: `n`, `max`, `q`, `accuracy`, `precision`.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub params: Params,
    /// The aggregate's own `where`: all must be true.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<Condition>,
    /// Its window; `all` when not written.
    #[serde(default)]
    pub over: Over,
}

/// An argument of an aggregate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Arg {
    /// A column by name.
    Column(String),
    /// A bool.
    Condition(Condition),
}

/// Named parameters of an aggregate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How many rows `first_n` and `last_n` list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    /// Where `count_distinct` saturates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<usize>,
    /// Quantiles; more than one give a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub q: Vec<f64>,
    /// The relative error of `approx_quantile`; 0.01 when not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// The register bits of `approx_count_distinct`; 12 when not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<u32>,
}

impl Params {
    /// Whether none is written.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A window: the past `length`, or everything; a label's `next`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Over {
    /// `over W`; none: `over all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<Length>,
    /// `every h`; none: the default hop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Length>,
    /// `offset d`; none: a live head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Length>,
    /// `next h` of a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Length>,
    /// `after d` of a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Length>,
}

/// A derived feature: arithmetic over features and request columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// `group.feature` as it is served.
    pub name: String,
    /// How it is computed.
    pub value: Formula,
}

/// The arithmetic of derived features. Null-strict but for `coalesce`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Formula {
    /// `group.feature`
    Feature(String),
    /// A column of the request.
    Request(String),
    /// A literal.
    Int(i64),
    /// `a + b` of two ints.
    Add(Box<Formula>, Box<Formula>),
    /// `a - b` of two ints.
    Sub(Box<Formula>, Box<Formula>),
    /// `a > b` of two ints.
    Greater(Box<Formula>, Box<Formula>),
    /// `a ?? b`
    Coalesce(Box<Formula>, Box<Formula>),
}
