//! Lineage from its other end: what the engine's plans read, against what the compiler says.
//!
//! ```text
//!  text ──compile──► lineage, of the typed tree ────────────────────────────────► columns of a feature ─┐
//!    └────► training set ──► plans: scan, preparation, join ──► expressions ────► columns of a feature ─┤
//!                                                                                               equal ──┘
//! ```
//!
//! The right-hand side knows neither tree nor text: it walks the optimised plans of training sets
//! ([`walk`]) and the expressions over their answers. Of the compiler's side each edge is taken as it is
//! said, and followed to the columns that are stored.

mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use feat_batch::{Request, Session, SpineFile, Table, Tables, TrainingSet};
use feat_compiler::ir::SourceKind;
use feat_compiler::lineage::{Edge, lineage};
use feat_compiler::plan::{GroupPlan, LabelUse, Plans, ServicePlan};
use feat_compiler::prepare::Mode;
use feat_compiler::{Compiled, compile};
use feat_dsl::render::{Color, render};
use feat_dsl::source_map::SourceMap;
use feat_kernel::types::{Slot, Type};
use feat_tests::case::cases;
use feat_tests::draw::draw;
use feat_tests::read::project::{batch, inputs_of, session};
use feat_tests::text;

use walk::{Answered, Flow, Names, Scope, answers, evaluated};

/// How many random specifications are looked at: the seeds from one on.
const DRAWS: u64 = 60;

const SHOP: &str = include_str!("../../compiler/tests/cases/diff/shop.feat");
const RIDES: [&str; 2] = [
    include_str!("../../compiler/tests/cases/model/rides.feat"),
    include_str!("../../compiler/tests/cases/model/common.feat"),
];

/// What the others lack: values that stand in for others, branches within an aggregate, an asked key.
const MORE: &str = r#"
    entity user(user_id: string)
    source pays: events {
      user_id: string
      kind: enum("a", "b")
      x: int?
      y: int?
      z: float
      ts: timestamp
      time ts
      known after 1s
      order by y
    }
    features odd of user from pays {
      either = max(x ?? y) over 1d
      picked = max(if kind == "a" then x else y) over 1d
      newest = last(z) over 1d
      rest   = either ?? picked
      who    = (count() over 1d) + length(user.user_id)
      both   = if who > 3 then newest else 0.0
    }
"#;

/// A project whose plans are walked.
struct Project {
    name: String,
    compiled: Compiled,
    tables: Tables,
}

impl Project {
    /// A project over empty tables: plans do not depend on rows.
    fn new(name: String, files: &[&str]) -> Self {
        let mut texts = SourceMap::new();
        for (at, text) in files.iter().enumerate() {
            texts.add(format!("{at}.feat"), *text);
        }
        let compiled = compile(&texts);
        let report = render(&compiled.diagnostics, &texts, Color::Never);
        assert!(!compiled.has_errors() && compiled.pending.is_empty(), "{name}: {report}");
        let mut tables = Tables::default();
        for source in compiled.plans.sources.values().filter(|source| source.rows.is_none()) {
            let empty = RecordBatch::new_empty(Arc::clone(&source.schema));
            tables.insert(source.root.clone(), Table::batches(empty.schema(), vec![empty]));
        }
        Self { name, compiled, tables }
    }

    /// The flights over their files.
    fn flights() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/flights");
        let text = std::fs::read_to_string(folder.join("flights.feat")).unwrap();
        let mut project = Self::new("flights".to_owned(), &[&text]);
        for source in project.compiled.plans.sources.values() {
            if let Some(batch) = &source.batch {
                let table = Table::open(&folder.join(&batch.location), None).unwrap();
                project.tables.insert(source.root.clone(), table);
            }
        }
        project
    }

    /// What the plans of every group, service and dataset say of every feature.
    async fn walked(&self, session: &Session, tally: &mut Tally) -> BTreeMap<String, Flow> {
        let plans = &self.compiled.plans;
        let mut found = BTreeMap::new();
        for service in plans.alone.values().chain(plans.services.values()) {
            let mut columns = inputs_of(service);
            columns.push(("~at".to_owned(), Slot::required(Type::Timestamp)));
            let spine = batch(&columns, &[]).unwrap();
            let table = Table::batches(spine.schema(), vec![spine]);
            let spine = SpineFile { table, time: "~at".to_owned(), zone: None };
            let request = Request::Service { service: Arc::clone(service), spine };
            let set = TrainingSet::plan(session, &self.tables, &request, Mode::AsKnown).await.unwrap();
            found.extend(read(&set, plans, service, &[], tally));
        }
        for dataset in plans.datasets.values() {
            let request = Request::Dataset(Arc::clone(dataset));
            let set = TrainingSet::plan(session, &self.tables, &request, Mode::AsKnown).await.unwrap();
            found.extend(read(&set, plans, &dataset.service, &dataset.labels, tally));
        }
        found
    }
}

/// What was looked at.
#[derive(Default)]
struct Tally {
    projects: usize,
    plans: usize,
    features: usize,
    direct: usize,
    indirect: usize,
    perhaps: usize,
}

/// Every feature of a training set by its full name, and the columns of its service.
fn read(
    set: &TrainingSet,
    plans: &Plans,
    service: &ServicePlan,
    labels: &[LabelUse],
    tally: &mut Tally,
) -> Vec<(String, Flow)> {
    let mut members: BTreeMap<usize, Answered> = BTreeMap::new();
    for (places, plan) in set.plans() {
        members.extend(places.iter().copied().zip(answers(plan)));
        tally.plans += 1;
    }
    assert_eq!(members.len(), service.groups.len() + labels.len(), "a group is answered once");
    let mut members = members.into_values();
    let (mut found, mut scope) = (Vec::new(), Scope::from([("as_of".to_owned(), Flow::default())]));
    for (used, answered) in service.groups.iter().zip(&mut members) {
        for (name, flow) in features(&used.group, &answered) {
            scope.insert(format!("{}.{name}", used.prefix), flow.clone());
            found.push((format!("{}.{name}", used.group.name), flow));
        }
    }
    for input in &service.requests {
        let (request, column) = input.name.rsplit_once('.').unwrap();
        let is = |name: &str, kind| name == request && kind == SourceKind::Request;
        let source = plans.sources.values().find(|source| is(&source.name.name, source.kind)).unwrap();
        scope.insert(input.name.clone(), Flow::of(format!("{}.{column}", source.name)));
    }
    for used in &service.derived {
        // A key comes from whoever asks.
        let mut own = scope.clone();
        own.extend(used.keys.iter().map(|(name, _)| (name.clone(), Flow::default())));
        let flows = evaluated(&used.derived.evaluator, &mut own);
        for (feature, flow) in used.derived.features.iter().zip(flows) {
            scope.insert(format!("{}.{}", used.prefix, feature.name), flow.clone());
            found.push((format!("{}.{}", used.derived.name, feature.name), flow));
        }
    }
    if plans.services.contains_key(&service.name) {
        for selected in &service.selected {
            let flow = scope[&selected.feature].clone();
            found.push((format!("{}.{}", service.name, selected.column), flow));
        }
    }
    for (used, answered) in labels.iter().zip(members) {
        let group = &used.label.group;
        let features = features(group, &answered).into_iter();
        found.extend(features.map(|(name, flow)| (format!("{}.{name}", group.name), flow)));
    }
    found
}

/// The features of a group over the answers of its view.
fn features(group: &GroupPlan, answered: &Answered) -> Vec<(String, Flow)> {
    let mut scope = Scope::from([("as_of".to_owned(), Flow::default())]);
    let outputs = answered.outputs.iter().enumerate();
    scope.extend(outputs.map(|(at, flow)| (format!("~{at}"), flow.clone())));
    // Asked and found keys are the same.
    for ((name, _), flow) in group.key.iter().zip(&answered.key) {
        scope.insert(format!("{}.{name}", group.entity.name), flow.clone());
    }
    let flows = evaluated(&group.evaluator, &mut scope);
    group.features.iter().map(|feature| feature.name.clone()).zip(flows).collect()
}

/// Stored columns that reach `to` by edges that are all direct, and by others.
fn origins(edges: &BTreeMap<&str, Vec<&Edge>>, to: &str, stored: &Names) -> (Names, Names) {
    let mut seen: BTreeSet<(&str, bool)> = BTreeSet::new();
    let mut open = vec![(to, true)];
    while let Some((at, direct)) = open.pop() {
        for edge in edges.get(at).into_iter().flatten() {
            let next = (edge.from.as_str(), direct && edge.kind.is_direct());
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    let of = |direct: bool| {
        let found = seen.iter().filter(|(name, is)| *is == direct && stored.contains(*name));
        found.map(|(name, _)| (*name).to_owned()).collect()
    };
    (of(true), of(false))
}

/// The differences between the plans and the compiler in one project.
async fn differences(project: &Project, session: &Session, tally: &mut Tally) -> String {
    let Compiled { model, plans, .. } = &project.compiled;
    let sources = plans.sources.values().filter(|source| source.name == source.root);
    let stored: Names = sources
        .flat_map(|source| source.stored.iter().map(|column| format!("{}.{}", source.name, column.name)))
        .collect();
    let edges = lineage(model);
    let mut into: BTreeMap<&str, Vec<&Edge>> = BTreeMap::new();
    for edge in &edges {
        into.entry(&edge.to).or_default().push(edge);
    }
    let mut wrong = String::new();
    for (name, flow) in project.walked(session, tally).await {
        let (direct, indirect) = origins(&into, &name, &stored);
        let mut differs = |how: &str, said: &Names, read: &Names| {
            for column in said.difference(read) {
                writeln!(wrong, "{}: {name}: {how} of {column}, which no plan says", project.name).unwrap();
            }
        };
        let perhaps = &flow.indirect | &flow.perhaps;
        differs("is directly", &direct, &flow.direct);
        differs("is indirectly", &indirect, &perhaps);
        for (how, read, said) in
            [("directly", &flow.direct, &direct), ("indirectly", &flow.indirect, &indirect)]
        {
            for column in read.difference(said) {
                writeln!(wrong, "{}: {name}: the plan reads {column} {how}", project.name).unwrap();
            }
        }
        tally.features += 1;
        tally.direct += direct.len();
        tally.indirect += indirect.len();
        tally.perhaps += indirect.difference(&flow.indirect).count();
    }
    tally.projects += 1;
    wrong
}

#[test]
fn plans_read_what_the_compiler_says() {
    let mut projects = vec![
        Project::flights(),
        Project::new("shop".to_owned(), &[SHOP]),
        Project::new("rides".to_owned(), &RIDES),
        Project::new("more".to_owned(), &[MORE]),
    ];
    for case in cases().unwrap() {
        projects.push(Project::new(format!("case {}", case.name), &[&case.feat]));
    }
    for seed in 1..=DRAWS {
        projects.push(Project::new(format!("seed {seed}"), &[&text::feat(&draw(seed).spec)]));
    }
    let session = session().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (mut tally, mut wrong) = (Tally::default(), String::new());
    for project in &projects {
        wrong += &runtime.block_on(differences(project, &session, &mut tally));
    }
    let Tally { projects, plans, features, direct, indirect, perhaps } = tally;
    let _ = writeln!(
        std::io::stderr(),
        "lineage: {features} features in {plans} plans of {projects} projects, {direct} direct and {indirect} \
         indirect columns; of {perhaps} the plan says no more than that they order equal rows"
    );
    assert!(wrong.is_empty(), "{wrong}");
    assert!(features > 1_000 && direct > 1_000 && indirect > 5_000 && perhaps < indirect / 20);
}
