//! What answers are made of, read off a plan: node by node, and expression by expression in a node.
//!
//! A value is directly made of the columns whose values become it, and indirectly of those that decide
//! which rows or which branch it is of. What merely cannot be read (a null where none may stand, an
//! expression that errs) puts a row out and is nobody's lineage.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::physical_expr::expressions::{CaseExpr, Column};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use feat_batch::{Node, node};
use feat_compiler::expr::Evaluator;
use feat_compiler::plan::GroupPlan;
use feat_kernel::agg::Aggregator;
use feat_kernel::view::View;

pub(super) type Names = BTreeSet<String>;

/// Values by the names that expressions read.
pub(super) type Scope = BTreeMap<String, Flow>;

/// The stored columns that a value is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    /// Their values become it.
    pub(super) direct: Names,
    /// They decide which rows or which branch it is of.
    pub(super) indirect: Names,
    /// They order equal rows, and a plan does not tell whether an author said so.
    pub(super) perhaps: Names,
    /// The parts of a struct, which is nothing beside them.
    fields: BTreeMap<String, Flow>,
}

impl Flow {
    /// A column itself.
    pub(super) fn of(name: String) -> Self {
        Self { direct: Names::from([name]), ..Self::default() }
    }

    /// Becomes something that is made of `other`, too.
    fn take(&mut self, other: &Self) {
        self.direct.extend(other.direct.iter().cloned());
        self.indirect.extend(other.indirect.iter().cloned());
        self.perhaps.extend(other.perhaps.iter().cloned());
        other.fields.values().for_each(|field| self.take(field));
    }

    /// Becomes something about which `other` decides.
    fn decided_by(&mut self, other: &Self) {
        self.indirect.extend(other.direct.iter().chain(&other.indirect).cloned());
        self.perhaps.extend(other.perhaps.iter().cloned());
        other.fields.values().for_each(|field| self.decided_by(field));
        self.fields.values_mut().for_each(|field| field.decided_by(other));
    }

    /// The same, about which all columns only perhaps decide.
    fn perhaps(&self) -> Self {
        let mut all = Self::default();
        all.decided_by(self);
        Self { perhaps: &all.indirect | &all.perhaps, ..Self::default() }
    }

    /// The same, of columns of a file that is the table of `source`.
    fn of_source(&self, source: &str) -> Self {
        let full = |names: &Names| -> Names { names.iter().map(|name| format!("{source}.{name}")).collect() };
        Self { direct: full(&self.direct), indirect: full(&self.indirect), ..Self::default() }
    }

    fn all<'f>(flows: impl IntoIterator<Item = &'f Self>) -> Self {
        let mut all = Self::default();
        flows.into_iter().for_each(|flow| all.take(flow));
        all
    }
}

/// What `expr` is made of, whose columns are what `column` says.
fn value(expr: &Arc<dyn PhysicalExpr>, column: &dyn Fn(&Column) -> Flow) -> Flow {
    let mut flow = Flow::default();
    if let Some(found) = expr.downcast_ref::<Column>() {
        return column(found);
    }
    if let Some(case) = expr.downcast_ref::<CaseExpr>() {
        let conditions = case.when_then_expr().iter().map(|(when, _)| when);
        let values = case.when_then_expr().iter().map(|(_, then)| then);
        values.chain(case.else_expr()).for_each(|then| flow.take(&value(then, column)));
        conditions.chain(case.expr()).for_each(|when| flow.decided_by(&value(when, column)));
        return flow;
    }
    let parts: Vec<Flow> = expr.children().into_iter().map(|part| value(part, column)).collect();
    let call = expr.downcast_ref::<ScalarFunctionExpr>();
    let name = call.map_or("", |call| call.name());
    let called = |function: &str| name.strip_prefix(function).is_some_and(|rest| rest.starts_with('('));
    if let (true, Some(DataType::Struct(fields))) =
        (name.starts_with("struct "), call.map(ScalarFunctionExpr::return_type))
    {
        flow.fields = fields.iter().map(|field| field.name().clone()).zip(parts).collect();
        return flow;
    }
    if let Some(field) = name.strip_prefix("field `").and_then(|rest| rest.split('`').next())
        && let Some(found) = parts[0].fields.get(field)
    {
        return found.clone();
    }
    // A struct is made whatever its parts are: whether there is one is a question of rows alone.
    if called("is_null") && !parts[0].fields.is_empty() {
        let rows = Flow { fields: BTreeMap::new(), ..parts[0].clone() };
        flow.take(&rows);
        return flow;
    }
    for part in &parts {
        flow.take(part);
    }
    if called("coalesce") {
        // Each but the last also decides whether the next one is the value.
        parts.iter().rev().skip(1).for_each(|part| flow.decided_by(part));
    }
    flow
}

fn named(scope: &Scope, name: &str) -> Flow {
    scope.get(name).cloned().unwrap_or_else(|| panic!("the plan has no `{name}` among {:?}", scope.keys()))
}

fn value_in(expr: &Arc<dyn PhysicalExpr>, scope: &Scope) -> Flow {
    value(expr, &|column| named(scope, column.name()))
}

/// The names that an expression reads as it stands.
fn reads(expr: &Arc<dyn PhysicalExpr>) -> Names {
    value(expr, &|column| Flow::of(column.name().to_owned())).perhaps().perhaps
}

/// Adds what `evaluator` makes to `scope`; its values in their order.
pub(super) fn evaluated(evaluator: &Evaluator, scope: &mut Scope) -> Vec<Flow> {
    let values = evaluator.expressions().map(|(name, expr)| {
        let flow = value_in(expr, scope);
        scope.insert(name.to_owned(), flow.clone());
        flow
    });
    values.collect()
}

/// The rows that a node gives.
struct Relation {
    columns: Scope,
    /// What decides which rows there are.
    rows: Flow,
    /// What orders equal rows beside the columns that the plan keeps for that.
    order: Flow,
    /// The key of the group that they are of, once they are.
    key: Vec<Flow>,
}

impl Relation {
    /// The columns that place a row, part it from others and admit it, and with `order` those that order it.
    fn deciding(&self, order: bool) -> Flow {
        let is_value = |name: &str| name.starts_with(['a', 'm']);
        let orders = |name: &str| name == "tie" || (name.starts_with('t') && name != "tau");
        let deciding = self.columns.iter().filter(|(name, _)| !is_value(name) && (order || !orders(name)));
        let mut all = Flow::all(deciding.map(|(_, flow)| flow).chain([&self.rows]));
        if order {
            all.take(&self.order);
        }
        all
    }

    /// The same rows with the columns of `plan`, by name.
    fn with_columns_of(self, plan: &Arc<dyn ExecutionPlan>) -> Self {
        let names = plan.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let columns = names.into_iter().map(|name| (name.clone(), named(&self.columns, &name)));
        Self { columns: columns.collect(), ..self }
    }
}

/// The rows of `plan`.
fn rows(plan: &Arc<dyn ExecutionPlan>) -> Relation {
    let children = plan.children();
    if let Some(Node::Prepare(group)) = node(plan.as_ref()) {
        return prepared(plan, group, &rows(children[0]));
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let input = rows(children[0]);
        let names: Vec<String> =
            children[0].schema().fields().iter().map(|field| field.name().clone()).collect();
        let columns = projection.expr().iter().map(|made| {
            let flow = value(&made.expr, &|column| named(&input.columns, &names[column.index()]));
            (made.alias.clone(), flow)
        });
        return Relation { columns: columns.collect(), ..input };
    }
    match (plan.name(), children.as_slice()) {
        (_, []) => {
            let schema = plan.schema();
            let columns =
                schema.fields().iter().map(|field| (field.name().clone(), Flow::of(field.name().clone())));
            Relation {
                columns: columns.collect(),
                rows: Flow::default(),
                order: Flow::default(),
                key: Vec::new(),
            }
        }
        ("AdmitExec", [input]) => {
            // Which of several rows with one id is left: the first, in the order in which they were known.
            let mut input = rows(input);
            let first = input.deciding(true);
            input.rows.decided_by(&first);
            // What parts rows is made anew.
            let hash = named(&input.columns, "key");
            input.columns.insert("hash".to_owned(), hash);
            input.with_columns_of(plan)
        }
        ("ReadExec" | "RepartitionExec" | "SortExec", [input]) => rows(input).with_columns_of(plan),
        (name, _) => panic!("a node that is not known here: {name}"),
    }
}

/// What `group` makes of the rows of its source.
fn prepared(plan: &Arc<dyn ExecutionPlan>, group: &GroupPlan, input: &Relation) -> Relation {
    let parts = group.prepare.parts();
    let root = group.source.root.to_string();
    let stored = input.columns.iter().map(|(name, flow)| (name.clone(), flow.of_source(&root)));
    let mut scope: Scope = stored.collect();
    for (name, expr) in &parts.computed {
        let flow = value_in(expr, &scope);
        scope.insert((*name).to_owned(), flow);
    }
    let all = |names: &[&str]| Flow::all(&names.iter().map(|name| named(&scope, name)).collect::<Vec<_>>());
    let values = |exprs: &[&Arc<dyn PhysicalExpr>]| -> Vec<Flow> {
        exprs.iter().map(|expr| value_in(expr, &scope)).collect()
    };
    let (args, masks) = (values(&parts.args), values(&parts.masks));
    let mut rows = input.rows.of_source(&root);
    for test in values(&parts.tests) {
        rows.decided_by(&test);
    }
    let filter = values(&parts.filter.into_iter().collect::<Vec<_>>());
    // Every column that the group reads orders equal rows in the end. Where one is among those that do, the
    // text may have it in `order by` or not.
    let read = parts.filter.into_iter().chain(parts.masks).chain(parts.args);
    let read: Names = read.flat_map(reads).collect();
    let beside: Vec<Flow> = (parts.beside.iter())
        .map(|&name| if read.contains(name) { all(&[name]).perhaps() } else { all(&[name]) })
        .collect();
    let order = all(&read.iter().map(String::as_str).collect::<Vec<_>>()).perhaps();
    let key = all(&parts.key);
    let schema = plan.schema();
    let columns = schema.fields().iter().map(|field| {
        let name = field.name().as_str();
        let numbered = |letter: char, flows: &[Flow]| -> Option<Flow> {
            flows.get(name.strip_prefix(letter)?.parse::<usize>().ok()?).cloned()
        };
        let flow = match name {
            "place" => Flow::all([&key, &all(&parts.times)]),
            "hash" | "key" => key.clone(),
            "known" | "tau" => all(&parts.times),
            "id" => all(&parts.id),
            "pass" => Flow::all(&filter),
            "tie" => Flow::all(&beside),
            _ => numbered('a', &args)
                .or_else(|| numbered('m', &masks))
                .or_else(|| numbered('t', &beside))
                .unwrap_or_else(|| panic!("a prepared row has a column `{name}`")),
        };
        (name.to_owned(), flow)
    });
    // Without `pass` among the columns, the rows that do not pass are left out here.
    let mut relation = Relation {
        columns: columns.collect(),
        rows,
        order: if group.view.ties { order } else { Flow::default() },
        key: parts.key.iter().map(|&name| named(&scope, name)).collect(),
    };
    for filter in &filter {
        relation.rows.decided_by(filter);
    }
    relation
}

/// The answers of one group.
pub(super) struct Answered {
    /// Its key.
    pub(super) key: Vec<Flow>,
    /// The outputs of its view.
    pub(super) outputs: Vec<Flow>,
}

/// The answers that `plan` gives, group by group.
pub(super) fn answers(plan: &Arc<dyn ExecutionPlan>) -> Vec<Answered> {
    let children = plan.children();
    if let Some(Node::PointInTime(views)) = node(plan.as_ref()) {
        assert_eq!(children.len(), views.len() + 1, "an input a view, and the questions");
        let answered = views.into_iter().zip(children).map(|(view, input)| answered(view, rows(input)));
        return answered.collect();
    }
    match (plan.name(), children.as_slice()) {
        ("SortExec" | "SortPreservingMergeExec", [input]) => answers(input),
        (name, _) => panic!("a node above the answers that is not known here: {name}"),
    }
}

fn answered(view: &View, relation: Relation) -> Answered {
    let outputs = view.outputs.iter().map(|output| {
        let cell = &view.cells[output.cell];
        let mut flow = match cell.args.as_slice() {
            // One argument may be a row, of which parts are read.
            [arg] => named(&relation.columns, &format!("a{arg}")),
            args => Flow::all(
                &args.iter().map(|arg| named(&relation.columns, &format!("a{arg}"))).collect::<Vec<_>>(),
            ),
        };
        if let Some(mask) = cell.mask {
            flow.decided_by(&named(&relation.columns, &format!("m{mask}")));
        }
        let ordered = matches!(cell.aggregator, Aggregator::Edge(_) | Aggregator::Run(_));
        flow.decided_by(&relation.deciding(ordered || view.dedupe.is_some()));
        flow
    });
    let outputs = outputs.collect();
    Answered { key: relation.key, outputs }
}
