//! Training sets from text and rows to a file.

use std::sync::Arc;

use crate::support::{
    MINUTE, compile, floats, ints, named, read, session, spine, table, tables, times, write,
};
use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use feat_batch::{Mode, Request, SpineFile, TrainingSet, build};
use feat_compiler::plan::Plans;
use futures::TryStreamExt;

const SPEC: &str = r#"
entity user(user_id: int)

source clicks: events {
  id: string
  user_id: int
  price: float?
  ts: timestamp
  seen: timestamp
  time ts
  known seen
  dedupe by id within 1d
  batch parquet("clicks.parquet")
}

source plans: table {
  user_id: int
  plan: string
  since_ts: timestamp
  key user_id
  time since_ts
  batch parquet("plans.parquet")
}

source ask: request { amount: float }

features activity of user from clicks {
  n = count() over [1h, all]
  spent = sum(price) over 1h
  newest = last(price) over 1h
  double = n_1h * 2
}

features subscription of user from plans { keep plan }

derived fit of user with ask {
  whole = (ask.amount * 4e18) as int
  share = ask.amount / (activity.spent_1h + 1.0) ?? 0.0
}

service model of user with ask {
  activity.*
  subscription.plan as plan
  fit.share
  fit.whole
}
"#;

fn spec() -> String {
    SPEC.replace(
        "spent = sum(price) over 1h\n  newest = last(price) over 1h",
        "spent = sum(price) over [1h]\n  newest = last(price) over [1h]",
    )
}

fn clicks() -> RecordBatch {
    let rows = [
        // id, user, price, ts, seen (minutes)
        ("a", 1, Some(1.5), 0, 0),
        ("b", 1, Some(2.0), 10, 10),
        ("b", 1, Some(2.0), 10, 12),
        ("c", 1, None, 30, 90),
        ("d", 2, Some(7.0), 5, 5),
        ("e", 1, Some(0.25), 100, 100),
    ];
    RecordBatch::try_from_iter([
        ("id", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))) as ArrayRef),
        ("user_id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)))),
        ("price", Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>())),
        ("ts", times(rows.iter().map(|row| row.3 * MINUTE).collect())),
        ("seen", times(rows.iter().map(|row| row.4 * MINUTE).collect())),
    ])
    .unwrap()
}

fn all_tables() -> feat_batch::Tables {
    let clicks = clicks();
    let mut tables = tables("clicks", feat_batch::Table::batches(clicks.schema(), vec![clicks]));
    tables.insert(
        named("plans"),
        table(vec![
            ("user_id", Arc::new(Int64Array::from(vec![1, 1, 2]))),
            ("plan", Arc::new(StringArray::from(vec!["free", "pro", "free"]))),
            ("since_ts", times(vec![-MINUTE, 20 * MINUTE, 50 * MINUTE])),
        ]),
    );
    tables
}

fn questions() -> Vec<(&'static str, ArrayRef)> {
    vec![
        (
            "user_id",
            Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(1), None, Some(9), Some(1), Some(1)])),
        ),
        ("t", times([60, 40, 10, 60, 60, 95, 60].iter().map(|minutes| minutes * MINUTE).collect())),
        ("amount", Arc::new(Float64Array::from(vec![4.5, 1.0, 1.0, 1.0, 1.0, 1.0, 4.5]))),
        ("note", Arc::new(StringArray::from(vec!["p", "q", "r", "s", "t", "u", "v"]))),
    ]
}

fn model(plans: &Plans) -> Arc<feat_compiler::plan::ServicePlan> {
    Arc::clone(plans.services.values().next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_set_is_the_spine_with_features_beside_it() {
    let plans = compile(&spec());
    let request = Request::Service { service: model(&plans), spine: spine(table(questions())) };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("train.parquet");
    let manifest = build(&session(None), &all_tables(), &request, Mode::AsKnown, &out).await.unwrap();
    let set = read(&out);
    let names: Vec<&str> = set.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(
        names,
        [
            "user_id",
            "t",
            "amount",
            "note",
            "activity__n_1h",
            "activity__n_all",
            "activity__spent_1h",
            "activity__newest_1h",
            "activity__double",
            "plan",
            "fit__share",
            "fit__whole"
        ]
    );
    assert_eq!(ints(&set, "user_id"), [Some(1), Some(2), Some(1), None, Some(9), Some(1), Some(1)]);
    // The duplicate of `b` counts once; a row at `t` itself does not; `c` became known at minute 90,
    // when its own minute had left the hour.
    assert_eq!(ints(&set, "activity__n_1h"), [Some(2), Some(1), Some(1), None, Some(0), Some(0), Some(2)]);
    assert_eq!(ints(&set, "activity__n_all"), [Some(2), Some(1), Some(1), None, Some(0), Some(3), Some(2)]);
    assert_eq!(
        floats(&set, "activity__spent_1h"),
        [Some(3.5), Some(7.0), Some(1.5), None, Some(0.0), Some(0.0), Some(3.5)]
    );
    assert_eq!(
        floats(&set, "activity__newest_1h"),
        [Some(2.0), Some(7.0), Some(1.5), None, None, None, Some(2.0)]
    );
    assert_eq!(ints(&set, "activity__double"), [Some(4), Some(2), Some(2), None, Some(0), Some(0), Some(4)]);
    let plan: Vec<Option<&str>> = set.column_by_name("plan").unwrap().as_string::<i32>().iter().collect();
    assert_eq!(plan, [Some("pro"), None, Some("free"), None, None, Some("pro"), Some("pro")]);
    assert_eq!(floats(&set, "fit__share")[0], Some(1.0));
    // Four and a half times 4e18 is no integer of 64 bits; once is.
    assert_eq!(ints(&set, "fit__whole")[..2], [None, Some(4_000_000_000_000_000_000)]);
    assert_eq!(manifest.groups["fit"].outcomes.error, 2);
    let outcomes = manifest.groups["activity"].outcomes;
    assert_eq!((outcomes.present, outcomes.empty, outcomes.absent, outcomes.no_key), (5, 1, 0, 1));
    assert_eq!((manifest.rows, manifest.spine.rows, manifest.tables["clicks"].rows), (7, 7, 6));
    let text = std::fs::read_to_string(folder.path().join("train.manifest.json")).unwrap();
    assert!(text.contains(&manifest.checksum), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing unfinished is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_event_time_mode_what_was_learnt_late_counts_when_it_happened() {
    let plans = compile(&spec());
    let request = Request::Service { service: model(&plans), spine: spine(table(questions())) };
    let set = TrainingSet::plan(&session(None), &all_tables(), &request, Mode::EventTime).await.unwrap();
    let rows: Vec<RecordBatch> = set.stream().await.unwrap().try_collect().await.unwrap();
    assert_eq!(ints(&rows[0], "activity__n_1h")[0], Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_rows_of_the_log_count_where_a_prefix_is_asked_for() {
    let plans = compile(&spec());
    let request = Request::Service { service: model(&plans), spine: spine(table(questions())) };
    let clicks = clicks();
    let mut tables = all_tables();
    // By known the log is a d b b c e: the first two rows leave user 1 with one click.
    tables.insert(named("clicks"), feat_batch::Table::batches(clicks.schema(), vec![clicks]).first(2));
    let set = TrainingSet::plan(&session(None), &tables, &request, Mode::AsKnown).await.unwrap();
    let rows: Vec<RecordBatch> = set.stream().await.unwrap().try_collect().await.unwrap();
    assert_eq!(
        ints(&rows[0], "activity__n_all"),
        [Some(1), Some(1), Some(1), None, Some(0), Some(1), Some(1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_replayed_in_the_order_in_which_its_rows_became_known() {
    let plans = compile(&spec());
    let source = plans.sources.values().find(|source| source.name.name == "clicks").unwrap();
    let log = feat_batch::read_log(&session(None), source, &all_tables()).await.unwrap();
    let batches: Vec<feat_batch::LogBatch> = log.try_collect().await.unwrap();
    let ids: Vec<String> = batches
        .iter()
        .flat_map(|log| log.batch.column_by_name("id").unwrap().as_string::<i32>().iter().flatten())
        .map(str::to_owned)
        .collect();
    assert_eq!(ids, ["a", "d", "b", "b", "c", "e"]);
    let known: Vec<i64> = batches.iter().flat_map(|log| log.known.values().to_vec()).collect();
    assert_eq!(known, [0, 5, 10, 12, 90, 100].map(|minutes| minutes * MINUTE));
}

/// What `build` says of a spine.
async fn refused(columns: Vec<(&'static str, ArrayRef)>) -> String {
    let plans = compile(&spec());
    let request = Request::Service { service: model(&plans), spine: spine(table(columns)) };
    let set = TrainingSet::plan(&session(None), &all_tables(), &request, Mode::AsKnown).await;
    match set {
        Err(error) => error.to_string(),
        Ok(_) => panic!("the spine was taken"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spine_that_does_not_do_is_refused_with_what_to_do() {
    let mut columns = questions();
    columns[1].1 = Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![0; 7]));
    assert!(refused(columns).await.contains("--zone"));

    let mut columns = questions();
    columns.remove(2);
    assert!(refused(columns).await.contains("no column `amount`"));

    let mut columns = questions();
    columns[3].0 = "plan";
    assert!(refused(columns).await.contains("`plan` has the name of a feature"));

    let mut columns = questions();
    let null: arrow::array::TimestampMicrosecondArray =
        [Some(0), None].into_iter().chain([Some(1); 5]).collect();
    columns[1].1 = Arc::new(null.with_timezone("UTC"));
    assert!(refused(columns).await.contains("null in row 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_leaves_what_was_there() {
    let plans = compile(
        &spec().replace("dedupe by id", "expect price < 5.0 or price is null else fail\n  dedupe by id"),
    );
    let request = Request::Service { service: model(&plans), spine: spine(table(questions())) };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("train.parquet");
    std::fs::write(&out, "before").unwrap();
    let failed = build(&session(None), &all_tables(), &request, Mode::AsKnown, &out).await.unwrap_err();
    assert!(failed.to_string().contains("does not satisfy `expect price < 5.0"), "{failed:?}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn little_memory_spills_and_changes_nothing() {
    const ROWS: i64 = 600_000;
    let plans = compile(&spec());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clicks.parquet");
    let scattered = |row: i64| (row * 7_919) % ROWS;
    let batch = RecordBatch::try_from_iter([
        (
            "id",
            Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("click-{row}")))) as ArrayRef,
        ),
        ("user_id", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| scattered(row) % 1000)))),
        ("price", Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| (row % 1000) as f64 / 8.0)))),
        ("ts", times((0..ROWS).map(|row| scattered(row) * MINUTE / 100).collect())),
        ("seen", times((0..ROWS).map(|row| (scattered(row) + row % 50) * MINUTE / 100).collect())),
    ])
    .unwrap();
    write(&path, &batch);
    let mut tables = all_tables();
    tables.insert(named("clicks"), feat_batch::Table::open(&path, None).unwrap());
    let asked = 20_000;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(Int64Array::from_iter_values((0..asked).map(|row| row % 1001)))),
        ("t", times((0..asked).map(|row| row * MINUTE / 4).collect())),
        ("amount", Arc::new(Float64Array::from(vec![1.0; asked as usize]))),
    ];
    let request = Request::Service { service: model(&plans), spine: spine(table(columns)) };
    let mut sets = Vec::new();
    for memory in [None, Some(64 << 20)] {
        let out = folder.path().join(format!("{}.parquet", memory.unwrap_or_default()));
        let manifest = build(&session(memory), &tables, &request, Mode::AsKnown, &out).await.unwrap();
        sets.push((manifest.checksum, read(&out)));
    }
    assert_eq!(sets[0], sets[1]);
    assert!(ints(&sets[0].1, "activity__n_1h").iter().flatten().any(|&n| n > 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_files_are_read_by_their_declared_types() {
    let plans = compile(&spec());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        feat_batch::Table::open(&path, None).unwrap()
    };
    let mut tables = all_tables();
    tables.insert(
        named("clicks"),
        file(
            "clicks.csv",
            "seen,other,id,user_id,price,ts\n\
             1970-01-01T00:00:00Z,x,007,1,1.5,1970-01-01T00:00:00Z\n\
             1970-01-01T00:10:00Z,y,b,1,,1970-01-01 01:10:00+01:00\n",
        ),
    );
    tables.insert(
        named("plans"),
        file(
            "plans.jsonl",
            "{\"user_id\": 1, \"plan\": \"free\", \"since_ts\": \"1969-12-31T00:00:00Z\"}\n\
             {\"plan\": \"pro\", \"user_id\": 2, \"since_ts\": \"1969-12-31T00:00:00Z\", \"more\": [1]}\n",
        ),
    );
    let asked =
        file("spine.csv", "t,user_id,amount,tag\n1970-01-01 01:00:00,1,2,a\n1970-01-01 01:00:00,,2,\n");
    let mut spine = spine(asked);
    let service = model(&plans);
    let request = Request::Service { service: Arc::clone(&service), spine: spine.clone() };
    let refused = TrainingSet::plan(&session(None), &tables, &request, Mode::AsKnown).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("--zone")));
    spine.zone = Some("Europe/Paris".to_owned());
    let request = Request::Service { service, spine };
    let set = TrainingSet::plan(&session(None), &tables, &request, Mode::AsKnown).await.unwrap();
    let rows: Vec<RecordBatch> = set.stream().await.unwrap().try_collect().await.unwrap();
    // One o'clock in Paris is midnight UTC: the click of that instant does not count.
    assert_eq!(ints(&rows[0], "activity__n_all"), [Some(0), None]);
    let plan: Vec<Option<&str>> = rows[0].column_by_name("plan").unwrap().as_string::<i32>().iter().collect();
    assert_eq!(plan, [Some("free"), None]);

    let spine = SpineFile { zone: Some("UTC".to_owned()), ..spine_of(&request) };
    let request = Request::Service { service: model(&plans), spine };
    let set = TrainingSet::plan(&session(None), &tables, &request, Mode::AsKnown).await.unwrap();
    let rows: Vec<RecordBatch> = set.stream().await.unwrap().try_collect().await.unwrap();
    assert_eq!(ints(&rows[0], "activity__n_all"), [Some(2), None]);
    assert_eq!(floats(&rows[0], "activity__spent_1h"), [Some(1.5), None]);
}

fn spine_of(request: &Request) -> SpineFile {
    match request {
        Request::Service { spine, .. } => spine.clone(),
        Request::Dataset(_) => panic!("a dataset has no spine file"),
    }
}
