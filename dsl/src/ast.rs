//! The syntax tree: what was written, by name and place, and nothing about what it means.
//!
//! Every node is a plain value. Names that may have holes (`ctr_{w}`) stay templates here; loops
//! stay loops. Its length is that of the language: one plain type after the other, nothing else. Docs are the text after `///`, one string a line, trimmed. Equality ignores spans.

use crate::span::{Span, Spanned};

/// A plain name, back-ticks removed.
pub type Ident = Spanned<String>;

/// A name that may have holes: `ctr_{w}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// Text and holes in order; a plain name is one `Text`.
    pub parts: Vec<NamePart>,
    /// Where it stands (compared like every span: not at all).
    pub span: Place,
}

/// A piece of a [`Name`].
#[derive(Clone, Debug, PartialEq)]
pub enum NamePart {
    /// Letters as they are.
    Text(String),
    /// `{w}`: the loop variable `w`.
    Hole(String),
}

/// A span that is equal to every other, so that trees compare by what they say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place(pub Span);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A dotted name whose segments may have holes: `a.b.c`.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The segments.
    pub segments: Vec<Name>,
    /// All of it.
    pub span: Place,
}

/// One file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// `//!` lines.
    pub docs: Vec<String>,
    /// `package a.b`.
    pub package: Option<Package>,
    /// `import …`.
    pub imports: Vec<Import>,
    /// Everything else, in order; what could not be read is left out.
    pub items: Vec<Item>,
    /// The names of items that were left out: they are declared, only nobody knows as what.
    pub broken: Vec<String>,
}

/// `@owner("…") package ads.ctr`.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// Attributes written above it (or at the top of the file).
    pub attrs: Vec<Attr>,
    /// The dotted name.
    pub name: Path,
}

/// `import common.windows { SHORT, LONG as L }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The package.
    pub package: Path,
    /// What of it.
    pub names: ImportNames,
    /// All of it.
    pub span: Place,
}

/// What an import brings in.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportNames {
    /// `import a.b`: by the package's full name.
    Package,
    /// `import a.b as c`.
    As(Ident),
    /// `{ x, y as z }`: name and, if renamed, the new one.
    Some(Vec<(Ident, Option<Ident>)>),
}

/// One item with its docs and attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// `///` lines.
    pub docs: Vec<String>,
    /// Attributes above it.
    pub attrs: Vec<Attr>,
    /// Which item.
    pub kind: ItemKind,
    /// From the keyword to the closing brace.
    pub span: Place,
}

/// The items.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// `let X = …`
    Let(LetDecl),
    /// `fn f(x: T) -> U = …`
    Fn(FnDecl),
    /// `extern fn f(…) -> U = wasm(…)`
    ExternFn(ExternFn),
    /// `type T = …`
    Type(TypeDecl),
    /// `entity user(user_id: string)`
    Entity(EntityDecl),
    /// `source s: events { … }`
    Source(SourceDecl),
    /// `features g of e from s { … }`
    Features(GroupDecl),
    /// `labels g of e from s { … }`
    Labels(GroupDecl),
    /// `derived d of e with r { … }`
    Derived(DerivedDecl),
    /// `service s of e { … }`
    Service(ServiceDecl),
    /// `dataset d { … }`
    Dataset(DatasetDecl),
    /// `test "…" { … }`
    Test(TestDecl),
    /// `for x in […] { items }`
    For(ItemLoop),
}

/// `@name(args)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Attr {
    /// Without the `@`.
    pub name: Ident,
    /// Arguments, named or not.
    pub args: Vec<(Option<Ident>, AttrValue)>,
    /// All of it.
    pub span: Place,
}

/// A value in an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttrValue {
    /// A literal.
    Literal(Spanned<Literal>),
    /// `[…]`
    List(Vec<AttrValue>),
    /// A dotted name.
    Path(Path),
}

/// `let NAME: T = expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct LetDecl {
    /// Its name.
    pub name: Ident,
    /// Its type, if written.
    pub ty: Option<TypeExpr>,
    /// Its value.
    pub value: Expr,
}

/// `fn f(params) -> T = expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct FnDecl {
    /// Its name.
    pub name: Ident,
    /// Its parameters.
    pub params: Vec<Param>,
    /// The result's type.
    pub result: TypeExpr,
    /// The body.
    pub body: Expr,
}

/// `extern fn f(params) -> T = call(…)`.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternFn {
    /// Its name.
    pub name: Ident,
    /// Its parameters.
    pub params: Vec<Param>,
    /// The result's type.
    pub result: TypeExpr,
    /// Where it comes from.
    pub origin: Call,
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr,
    /// Its default, if written.
    pub default: Option<Expr>,
}

/// `type NAME = T`.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeDecl {
    /// Its name.
    pub name: Ident,
    /// What it stands for.
    pub ty: TypeExpr,
}

/// `T` or `T?`.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeExpr {
    /// The type before the `?`.
    pub kind: TypeKind,
    /// Whether `?` was written.
    pub nullable: bool,
    /// All of it.
    pub span: Place,
}

/// The forms of a type.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeKind {
    /// `int`, `string`, … or an alias, perhaps qualified.
    Named(Path),
    /// `list<T>`
    List(Box<TypeExpr>),
    /// `map<K, V>`
    Map(Box<TypeExpr>, Box<TypeExpr>),
    /// `embedding<8>`
    Embedding(u64),
    /// `decimal(p, s)`
    Decimal(u64, u64),
    /// `enum("a", "b")`
    Enum(Vec<Spanned<String>>),
    /// `timestamp in "Zone"`
    TimestampIn(Spanned<String>),
    /// `struct { a: T }`
    Struct(Vec<(Ident, TypeExpr)>),
}

/// `entity user(user_id: string)`.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityDecl {
    /// Its name.
    pub name: Name,
    /// Its key columns.
    pub keys: Vec<KeyColumn>,
}

/// A key column of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyColumn {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr,
    /// Attributes behind it.
    pub attrs: Vec<Attr>,
}

/// What kind of rows a source has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Immutable facts.
    Events,
    /// Versions of rows by key.
    Table,
    /// Rows without time.
    Static,
    /// What a request brings.
    Request,
}

/// `source NAME: kind from ORIGIN join … where … { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceDecl {
    /// Its name.
    pub name: Name,
    /// Its kind.
    pub kind: SourceKind,
    /// What it is derived from, if it is.
    pub from: Option<Origin>,
    /// Joins of a derived source.
    pub joins: Vec<Join>,
    /// Filter of a derived source.
    pub filter: Option<Expr>,
    /// Columns, clauses, expectations in order.
    pub members: Vec<SourceMember>,
}

/// What a derived source reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// Another source.
    Path(Path),
    /// `union(a, b)`, `changes(t)`, …
    Call(Call),
}

/// `join P on a == b, c as x wait 30s`.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// The table or static source.
    pub source: Path,
    /// Pairs of columns; one name stands for both sides.
    pub on: Vec<(Path, Option<Path>)>,
    /// The alias.
    pub alias: Option<Ident>,
    /// How long a row waits.
    pub wait: Option<Spanned<i64>>,
    /// All of it.
    pub span: Place,
}

/// A line of a source.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceMember {
    /// `name: type = expr @attr`
    Column(ColumnDecl),
    /// `time c`
    Time(Ident),
    /// `known c after d`, `known after d`: the column, the delay in microseconds.
    Known(Option<Ident>, Option<Spanned<i64>>, Place),
    /// `key a, b`
    Key(Vec<Ident>),
    /// `order by a, b`
    OrderBy(Vec<Ident>),
    /// `dedupe by a, b within d`
    Dedupe(Vec<Ident>, Option<Spanned<i64>>),
    /// `lateness d`
    Lateness(Spanned<i64>),
    /// `since t`: microseconds UTC.
    Since(Spanned<i64>),
    /// `batch csv("…")`, `stream kafka("…")`, `cdc …`, `snapshot …`
    Io(Spanned<IoKind>, Call),
    /// `rows | a | b | …`
    Rows(TableData),
    /// `expect …`
    Expect(Expect),
}

/// Which side of a source a connector serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoKind {
    /// History.
    Batch,
    /// Live rows.
    Stream,
    /// Changes of a table.
    Cdc,
    /// States of a table.
    Snapshot,
}

/// A column of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDecl {
    /// `///` lines.
    pub docs: Vec<String>,
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr,
    /// How it is computed, if it is.
    pub value: Option<Expr>,
    /// Attributes behind it.
    pub attrs: Vec<Attr>,
}

/// `expect e for 97% else drop "why"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// What must be true.
    pub condition: Expr,
    /// For which share of rows, as written: `97` or `99.9`.
    pub share: Option<Spanned<String>>,
    /// What happens otherwise.
    pub action: Option<Spanned<Action>>,
    /// Words for the report.
    pub message: Option<Spanned<String>>,
    /// All of it.
    pub span: Place,
}

/// What a failed expectation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Count and go on.
    Warn,
    /// Leave the row out.
    Drop,
    /// Leave the row out and keep it aside.
    Quarantine,
    /// Stop.
    Fail,
}

/// `features` and `labels`.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupDecl {
    /// Its name.
    pub name: Name,
    /// Its entity (one, by rule).
    pub of: Vec<OfEntity>,
    /// Its source.
    pub from: Path,
    /// Its joins.
    pub joins: Vec<Join>,
    /// Its filter.
    pub filter: Option<Expr>,
    /// Features, settings, loops.
    pub members: Vec<FeatureMember>,
}

/// `derived d of e, f with r { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct DerivedDecl {
    /// Its name.
    pub name: Name,
    /// Its entities.
    pub of: Vec<OfEntity>,
    /// Its request sources.
    pub with: Vec<Path>,
    /// Features, settings, loops.
    pub members: Vec<FeatureMember>,
}

/// `role: entity(col, col)`.
#[derive(Clone, Debug, PartialEq)]
pub struct OfEntity {
    /// The role, if named.
    pub role: Option<Ident>,
    /// The entity.
    pub entity: Name,
    /// Which columns are its key, if mapped.
    pub columns: Vec<Path>,
    /// All of it.
    pub span: Place,
}

/// A line of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum FeatureMember {
    /// `name: type = expr @attr`
    Feature(FeatureDef),
    /// `keep a, b`
    Keep(Vec<Name>),
    /// `version 3`, `ttl 30d`, …
    Setting(Setting),
    /// `expect …`
    Expect(Expect),
    /// `for x in […] { … }`
    For(MemberLoop),
}

/// One feature.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureDef {
    /// `///` lines.
    pub docs: Vec<String>,
    /// Its name.
    pub name: Name,
    /// Its declared type.
    pub ty: Option<TypeExpr>,
    /// Its expression.
    pub value: Expr,
    /// Attributes behind it.
    pub attrs: Vec<Attr>,
}

/// `for x in expr { members }`.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberLoop {
    /// The loop variable.
    pub var: Ident,
    /// The list.
    pub list: Expr,
    /// The body.
    pub members: Vec<FeatureMember>,
}

/// `for x in expr { items }`.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemLoop {
    /// The loop variable.
    pub var: Ident,
    /// The list.
    pub list: Expr,
    /// The body.
    pub items: Vec<Item>,
}

/// `version 3`, `ttl 30d`, `refresh every 1h at 00:30 after 15m`, …
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Which.
    pub name: Ident,
    /// Its value.
    pub value: SettingValue,
    /// All of it.
    pub span: Place,
}

/// The value of a setting; times and lengths in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// `every P at HH:MM after d`: period, minutes after midnight, delay.
    Every(i64, Option<u32>, Option<i64>),
    /// `10% by user_id`: the share as written.
    Share(String, Option<Ident>),
    /// A duration, a boolean, an instant, a date or an integer.
    Literal(Literal),
}

/// `service s of e with r { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDecl {
    /// Its name.
    pub name: Name,
    /// Its entities.
    pub of: Vec<OfEntity>,
    /// Its request sources.
    pub with: Vec<Path>,
    /// Selections and settings in order.
    pub members: Vec<ServiceMember>,
}

/// A line of a service.
#[derive(Clone, Debug, PartialEq)]
pub enum ServiceMember {
    /// `version 1`, `latency 15ms`, …
    Setting(Setting),
    /// `group.*` and its kin.
    Select(Select),
}

/// What a service takes from a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// The group's dotted name, without version.
    pub group: Path,
    /// `@2`: the pinned version of the group.
    pub version: Option<u64>,
    /// Which features.
    pub which: SelectWhich,
    /// Attributes behind it.
    pub attrs: Vec<Attr>,
    /// All of it.
    pub span: Place,
}

/// Which features of a group are selected.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectWhich {
    /// `.*` except some.
    All(Vec<Name>),
    /// `.{a, b}`
    Some(Vec<Name>),
    /// `.a as b`
    One(Ident, Option<Ident>),
}

/// `dataset d { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetDecl {
    /// Its name.
    pub name: Name,
    /// Its lines.
    pub members: Vec<DatasetMember>,
}

/// A line of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub enum DatasetMember {
    /// `service s`
    Service(Path),
    /// `spine s at t where e`
    Spine(Path, Path, Option<Expr>),
    /// `label g.a, g.b`
    Label(Vec<Path>),
    /// `period a to b`: microseconds UTC.
    Period(Spanned<i64>, Spanned<i64>),
    /// `sample 10% by user_id`, …
    Setting(Setting),
}

/// `test "…" { given … expect … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct TestDecl {
    /// Its title.
    pub title: Spanned<String>,
    /// Rows by source.
    pub given: Vec<Given>,
    /// What must hold.
    pub expects: Vec<TestExpect>,
}

/// `given source changes | … |`.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The source.
    pub source: Path,
    /// Whether rows are changes (`op` column).
    pub changes: bool,
    /// The rows; the first is the header.
    pub data: TableData,
}

/// Rows of cells; the first row names the columns.
#[derive(Clone, Debug, PartialEq)]
pub struct TableData {
    /// The rows, header first.
    pub rows: Vec<Vec<Spanned<Cell>>>,
    /// All of it.
    pub span: Place,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A name: the header's, or a bare word.
    Name(String),
    /// `_` or `null`
    Null,
    /// Any constant: a literal, a negative one, a list, a struct, a map.
    Value(Expr),
}

/// `expect group(key) at t with { … } { name == value }`.
#[derive(Clone, Debug, PartialEq)]
pub struct TestExpect {
    /// The group or derived group.
    pub group: Path,
    /// Key values.
    pub keys: Vec<Arg>,
    /// The instant, microseconds UTC.
    pub at: Spanned<i64>,
    /// Request inputs.
    pub inputs: Vec<(Ident, Expr)>,
    /// What must hold.
    pub assertions: Vec<Assertion>,
    /// All of it.
    pub span: Place,
}

/// `name == value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assertion {
    /// The feature.
    pub name: Name,
    /// `== != ~= <= >= < >`
    pub op: Spanned<AssertOp>,
    /// The value.
    pub value: Expr,
    /// All of it.
    pub span: Place,
}

/// Operators of assertions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertOp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `~=`: equal to the digits written.
    Near,
    /// `<=`
    Le,
    /// `>=`
    Ge,
    /// `<`
    Lt,
    /// `>`
    Gt,
}

/// A constant as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `1_000`
    Int(i64),
    /// `0.25`, `1e-3`: the digits as written without `_`; decimal beside a decimal, else float.
    Fraction(String),
    /// `"…"`, unescaped.
    String(String),
    /// `true`
    Bool(bool),
    /// `null`
    Null,
    /// Microseconds.
    Duration(i64),
    /// Microseconds UTC.
    Instant(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// `10%`: the digits as written.
    Percent(String),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Which form.
    pub kind: Box<ExprKind>,
    /// All of it.
    pub span: Place,
}

/// The forms of an expression.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "every form stands in the box of its `Expr`")]
pub enum ExprKind {
    /// A constant.
    Literal(Literal),
    /// A name, perhaps with holes.
    Name(Name),
    /// `as_of`
    AsOf,
    /// `a.b`
    Field(Expr, Name),
    /// `a[i]`
    Index(Expr, Expr),
    /// `f(…)`, perhaps with an aggregate's suffix.
    Call(Call, Option<Suffix>),
    /// `-a`
    Neg(Expr),
    /// `not a`
    Not(Expr),
    /// `a + b`, `a and b`, `a ?? b`, `a == b`, `a like b`, …
    Binary(Spanned<BinaryOp>, Expr, Expr),
    /// `a is null`, `a is not null` (`true` for `not`).
    IsNull(Expr, bool),
    /// `a between b and c`, with `not`.
    Between(Expr, Expr, Expr, bool),
    /// `if a then b else c`
    If(Expr, Expr, Expr),
    /// `match x { 1 | 2 => a, _ => b }`
    Match(Expr, Vec<(Pattern, Expr)>),
    /// `a as T`
    Cast(Expr, TypeExpr),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `struct { a: 1 }`
    Struct(Vec<(Ident, Expr)>),
    /// `map { k: v }`
    Map(Vec<(Expr, Expr)>),
}

/// Operators with two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `or`
    Or,
    /// `and`
    And,
    /// `??`
    Coalesce,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `in`
    In,
    /// `not in`
    NotIn,
    /// `like`
    Like,
    /// `not like`
    NotLike,
    /// `matches`
    Matches,
    /// `not matches`
    NotMatches,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
}

impl BinaryOp {
    /// The operator as it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Coalesce => "??",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::In => "in",
            Self::NotIn => "not in",
            Self::Like => "like",
            Self::NotLike => "not like",
            Self::Matches => "matches",
            Self::NotMatches => "not matches",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Rem => "%",
        }
    }
}

/// A pattern of `match`.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// `_`
    Any,
    /// `1 | 2`
    Values(Vec<Spanned<Literal>>),
}

/// `f(a, name: b, x => e)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function's name, perhaps dotted.
    pub function: Spanned<String>,
    /// Its arguments in order.
    pub args: Vec<Arg>,
    /// All of it.
    pub span: Place,
}

/// An argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// By place.
    Value(Expr),
    /// By name.
    Named(Ident, Expr),
    /// `x => e`
    Lambda(Ident, Expr),
}

/// `where … by … over … | next …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Suffix {
    /// `where e`
    pub filter: Option<Expr>,
    /// `by e limit n`
    pub by: Option<(Expr, Option<Spanned<u64>>)>,
    /// `over …` or `next …`
    pub window: Option<WindowClause>,
    /// All of it.
    pub span: Place,
}

/// The window of an aggregate.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowClause {
    /// `over …`
    Over(Over),
    /// `next …`
    Next(Next),
}

/// `next d after e`.
#[derive(Clone, Debug, PartialEq)]
pub struct Next {
    /// How far it looks.
    pub length: Spanned<LengthExpr>,
    /// How long after the instant it begins.
    pub after: Option<Spanned<i64>>,
    /// All of it.
    pub span: Place,
}

/// `over windows every h offset d along c`.
#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    /// The windows.
    pub windows: Windows,
    /// `every h`, for all.
    pub every: Option<Spanned<LengthExpr>>,
    /// `offset d`, for all.
    pub offset: Option<Spanned<LengthExpr>>,
    /// `along c`
    pub along: Option<Ident>,
    /// All of it.
    pub span: Place,
}

/// One window, a list, or the name of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Windows {
    /// `over 7d`: no suffix on the name.
    One(Spanned<WindowExpr>),
    /// `over [1h, 1d every 1m offset 1d as x]`.
    List(Vec<WindowItem>),
}

/// An item of a window list.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowItem {
    /// The window.
    pub window: Spanned<WindowExpr>,
    /// Its own hop.
    pub every: Option<Spanned<LengthExpr>>,
    /// Its own offset.
    pub offset: Option<Spanned<LengthExpr>>,
    /// `as name`: the feature's whole name instead of the suffix.
    pub alias: Option<Ident>,
}

/// A window before its hop.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowExpr {
    /// `all`
    All,
    /// `7d`, microseconds.
    Length(i64),
    /// A constant's name: a duration or a list of them.
    Name(Name),
    /// `last(10)`, `session(30m)`, `calendar("day", tz: "…")`.
    Call(Call),
}

/// A duration or a constant's name.
#[derive(Clone, Debug, PartialEq)]
pub enum LengthExpr {
    /// Microseconds.
    Length(i64),
    /// A constant's name.
    Name(String),
}
