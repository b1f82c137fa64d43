//! However a log is run, the store holds the same.

#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do is a failure of the test")]

mod faulty;
mod shop;

use std::sync::Arc;

use async_trait::async_trait;
use faulty::{Fault, Faulty};
use feat_compiler::ir::Refresh;
use feat_compiler::plan::GroupPlan;
use feat_kernel::layout::LogMark;
use feat_kernel::time::{Instant, Micros};
use feat_store::{Bytes, Commit, Durability, EmbeddedStore, MemoryStore, Store, StoreError};
use feat_streaming::{
    LogBatch, LogStream, Options, Progress, Report, Share, Shares, Source, StreamError, run,
};
use futures::StreamExt;
use proptest::prelude::*;
use shop::{MINUTE, START, answers, archived_from, dump, groups, log, plans, source, stream, streamed};
use tokio::sync::watch;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

/// What the rest is compared with: one worker, one batch, one commit a partition, nothing deleted.
fn plainly() -> Options {
    Options { sweep: false, partitions: Some(3), ..Options::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn stops_chunks_workers_and_caches_do_not_change_a_byte(
        orders in shop::orders(120),
        stops in prop::collection::vec((0_u64..120, 1_usize..5, 1_usize..20, 1_u64..40, any::<bool>()), 0..6),
    ) {
        let plans = plans();
        let (groups, log) = (streamed(&plans), log(&plans, &orders));
        block_on(async {
            let whole = memory();
            stream(&whole, &groups, &source(&log, 1000), &plainly()).await.unwrap();
            let parts = memory();
            for (until, workers, chunk_keys, size, cached) in stops {
                let cache_bytes = if cached { 1 << 20 } else { 0 };
                let options = Options { until: Some(until), workers, chunk_keys, cache_bytes, ..plainly() };
                stream(&parts, &groups, &source(&log, size), &options).await.unwrap();
            }
            stream(&parts, &groups, &source(&log, 7), &plainly()).await.unwrap();
            assert_eq!(dump(&*parts, &groups).await, dump(&*whole, &groups).await);
        });
    }

    #[test]
    fn deleting_idle_entities_does_not_change_an_answer(orders in shop::orders(150), size in 1_u64..30) {
        let plans = plans();
        let (groups, log) = (streamed(&plans), log(&plans, &orders));
        block_on(async {
            let (all, swept) = (memory(), memory());
            for (store, sweep) in [(&all, false), (&swept, true)] {
                let options = Options { sweep, ..plainly() };
                stream(store, &groups, &source(&log, size), &options).await.unwrap();
            }
            let clock = log.known.values().last().copied().unwrap_or(START);
            for later in [1, MINUTE, 10 * MINUTE, 100 * MINUTE] {
                let t = Instant(clock + later);
                assert_eq!(answers(&*swept, &groups, t).await, answers(&*all, &groups, t).await);
            }
        });
    }

    #[test]
    fn processes_that_share_the_partitions_end_with_the_bytes_of_one(
        orders in shop::orders(150),
        turns in prop::collection::vec((0_u64..150, 1_u8..7, 1_u8..7, any::<bool>()), 1..4),
        size in 1_u64..20,
    ) {
        let plans = plans();
        let (groups, log) = (streamed(&plans), log(&plans, &orders));
        block_on(async {
            let store = memory();
            for (until, before, after, changes) in turns {
                // Of three partitions each has some at any time.
                let of = |kept: u8| Share::Of((0..3).filter(|partition| kept >> partition & 1 == 1).collect());
                let shares = [before, !before].map(|kept| watch::channel(of(kept)).0);
                let hand_out = |progress: &Progress| {
                    if changes && progress.records > 10 {
                        shares[0].send_replace(of(after));
                        shares[1].send_replace(of(!after));
                    }
                };
                let runs = shares.each_ref().map(|share| {
                    let options = Options { until: Some(until), shares: Some(Shares::of(share)), ..plainly() };
                    let (store, groups, log, hand_out) = (&store, &groups, &log, &hand_out);
                    async move { run(store, groups, &source(log, size), &options, hand_out).await.unwrap() }
                });
                let done = futures::future::join_all(runs).await;
                if !changes {
                    let whole = memory();
                    let options = Options { until: Some(until), ..plainly() };
                    let alone = stream(&whole, &groups, &source(&log, 1000), &options).await.unwrap();
                    let folded = |report: &Report| report.groups.iter().map(|group| group.folded).sum::<u64>();
                    let conflicts = done.iter().flat_map(|report| &report.groups).map(|group| group.conflicts);
                    assert_eq!(conflicts.sum::<u64>(), 0, "neither did what is the other's");
                    assert!(done.iter().map(folded).sum::<u64>() <= folded(&alone));
                }
            }
            stream(&store, &groups, &source(&log, 13), &plainly()).await.unwrap();
            let whole = memory();
            stream(&whole, &groups, &source(&log, 1000), &plainly()).await.unwrap();
            assert_eq!(dump(&*store, &groups).await, dump(&*whole, &groups).await);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_embedded_store_ends_with_the_bytes_of_the_one_in_memory(orders in shop::orders(150), stop in 0_u64..150) {
        let plans = plans();
        let (groups, log) = (streamed(&plans), log(&plans, &orders));
        let folder = tempfile::tempdir().unwrap();
        block_on(async {
            let whole = memory();
            stream(&whole, &groups, &source(&log, 1000), &plainly()).await.unwrap();
            let options = Options { workers: 2, ..plainly() };
            {
                let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
                let until = Options { until: Some(stop), ..options.clone() };
                stream(&store, &groups, &source(&log, 10), &until).await.unwrap();
            }
            let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
            stream(&store, &groups, &source(&log, 13), &options).await.unwrap();
            assert_eq!(dump(&*store, &groups).await, dump(&*whole, &groups).await);
        });
    }

    #[test]
    fn two_runs_at_once_apply_every_record_once(orders in shop::orders(150)) {
        let plans = plans();
        let (groups, log) = (streamed(&plans), log(&plans, &orders));
        block_on(async {
            let whole = memory();
            stream(&whole, &groups, &source(&log, 1000), &plainly()).await.unwrap();
            let store = memory();
            let (a, b) = (source(&log, 3), source(&log, 8));
            let (one, two) = (Options { workers: 2, ..plainly() }, plainly());
            let (one, two) =
                tokio::join!(stream(&store, &groups, &a, &one), stream(&store, &groups, &b, &two));
            one.unwrap();
            two.unwrap();
            assert_eq!(dump(&*store, &groups).await, dump(&*whole, &groups).await);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_log_in_several_parts_answers_as_one_does(
        orders in shop::orders(150),
        parts in 2_usize..5,
        seed in any::<u64>(),
        stops in prop::collection::vec(1_u64..200, 0..3),
        sweep in any::<bool>(),
    ) {
        let plans = plans();
        let (groups, log) = (streamed(&plans), log(&plans, &orders));
        let split = shop::Parts::new(&log, parts, seed);
        block_on(async {
            let store = memory();
            for (turn, stop) in stops.iter().copied().chain([u64::MAX]).enumerate() {
                let options = Options { workers: 1 + turn % 3, chunk_keys: 4, until: Some(stop), sweep, ..plainly() };
                stream(&store, &groups, &split.mixed(turn as u64), &options).await.unwrap();
                // What is before the stop in every part, or was read by an earlier run, is one log again.
                let most = stops.iter().copied().take(turn + 1).max().unwrap_or(0);
                let read = if stop == u64::MAX { log.clone() } else { split.before(&log, most) };
                let whole = memory();
                stream(&whole, &groups, &source(&read, 1000), &plainly()).await.unwrap();
                let clock = read.known.values().last().map_or(START, |&known| known);
                for later in [1, 2 * MINUTE, 50 * MINUTE, 24 * 60 * MINUTE] {
                    let t = Instant(clock + later);
                    assert_eq!(answers(&*store, &groups, t).await, answers(&*whole, &groups, t).await, "{t} after {stop}");
                }
            }
        });
    }

    #[test]
    fn a_log_of_which_an_archive_has_a_part_answers_as_one_does(
        orders in shop::orders(150),
        parts in 1_usize..5,
        seed in any::<u64>(),
        stops in prop::collection::vec(1_u64..200, 0..3),
        sweep in any::<bool>(),
    ) {
        let plans = plans();
        let (groups, log) = (streamed(&plans), log(&plans, &orders));
        let split = shop::Parts::new(&log, parts, seed);
        block_on(async {
            let (store, whole) = (memory(), memory());
            for (turn, stop) in stops.iter().copied().chain([u64::MAX]).enumerate() {
                // Each run finds another part of the log in the archive.
                let source = split.archived(&groups[0].source, &orders, turn as u64);
                let options = Options { workers: 1 + turn % 3, chunk_keys: 4, until: Some(stop), sweep, ..plainly() };
                stream(&store, &groups, &source, &options).await.unwrap();
            }
            stream(&whole, &groups, &shop::source(&log, 1000), &plainly()).await.unwrap();
            let clock = log.known.values().last().map_or(START, |&known| known);
            for later in [1, 2 * MINUTE, 50 * MINUTE, 24 * 60 * MINUTE] {
                let t = Instant(clock + later);
                assert_eq!(answers(&*store, &groups, t).await, answers(&*whole, &groups, t).await, "{t}");
            }
        });
    }
}

/// A source that delivers everything twice, and from the beginning whatever it is asked.
struct Twice([Arc<str>; 1], Vec<LogBatch>);

#[async_trait]
impl Source for Twice {
    fn logs(&self) -> &[Arc<str>] {
        &self.0
    }

    async fn read(&self, _: &[LogMark]) -> Result<LogStream, feat_streaming::error::SourceError> {
        let twice: Vec<_> = self.1.iter().flat_map(|batch| [Ok(batch.clone()), Ok(batch.clone())]).collect();
        Ok(futures::stream::iter(twice).boxed())
    }
}

/// A few hundred orders, always the same.
fn many() -> Vec<shop::Order> {
    let order = |at: u32| {
        let dice = at.wrapping_mul(2_654_435_761) >> 7;
        shop::Order {
            id: (dice % 40) as u8,
            user: (!dice.is_multiple_of(23)).then_some((dice >> 3) as u8 % 12),
            amount: Some((dice >> 6) as u8 % 100),
            gap: i64::from(dice >> 9) % 4,
            age: i64::from(dice >> 11) % 9,
        }
    };
    (0..400).map(order).collect()
}

#[tokio::test]
async fn records_that_come_twice_count_once_and_a_second_run_changes_nothing() {
    let plans = plans();
    let (groups, log) = (streamed(&plans), log(&plans, &many()));
    let (whole, store) = (memory(), memory());
    stream(&whole, &groups, &source(&log, 1000), &plainly()).await.unwrap();
    let twice = Twice(["orders/0".into()], shop::batches(&log, 9));
    let half = Options { until: Some(150), ..plainly() };
    stream(&store, &groups, &twice, &half).await.unwrap();
    stream(&store, &groups, &twice, &plainly()).await.unwrap();
    assert_eq!(dump(&*store, &groups).await, dump(&*whole, &groups).await);
    let again = stream(&store, &groups, &twice, &plainly()).await.unwrap();
    assert!(again.groups.iter().all(|group| group.commits == 0 && group.counts.read == 0), "{again:?}");
    assert_eq!(dump(&*store, &groups).await, dump(&*whole, &groups).await);
}

#[tokio::test]
async fn every_record_is_counted_once() {
    let plans = plans();
    let (groups, log) = (streamed(&plans), log(&plans, &many()));
    let store = memory();
    let report = stream(&store, &groups, &source(&log, 50), &plainly()).await.unwrap();
    assert_eq!((report.progress.records, report.progress.next), (400, 400));
    for group in &report.groups {
        let counts = group.counts;
        assert_eq!((counts.read, counts.admitted + counts.rejected()), (400, 400), "{}", group.group);
        assert!(counts.null_key > 0);
        assert!(group.duplicates > 0 && group.folded > 0, "{group:?}");
        assert!(group.folded + group.duplicates <= counts.admitted);
    }
    assert_eq!(report.groups[0].group, "shop.recent");
}

#[tokio::test]
async fn a_store_that_fails_or_forgets_at_any_commit_ends_with_the_same_bytes() {
    let plans = plans();
    let (groups, log) = (streamed(&plans), log(&plans, &many()));
    let whole = memory();
    stream(&whole, &groups, &source(&log, 1000), &plainly()).await.unwrap();
    let expected = dump(&*whole, &groups).await;
    for fault in [Fault::Refused, Fault::Unheard, Fault::Emptied] {
        for at in 0..8 {
            let faulty = Arc::new(Faulty::new(at, fault));
            let store: Arc<dyn Store> = faulty.clone();
            let options = Options { workers: 2, ..plainly() };
            let first = stream(&store, &groups, &source(&log, 60), &options).await;
            if matches!(fault, Fault::Emptied) {
                first.unwrap();
            } else {
                assert!(matches!(first, Err(StreamError::Store(StoreError::Full { .. }))), "{first:?}");
                stream(&store, &groups, &source(&log, 60), &options).await.unwrap();
            }
            assert!(faulty.commits() > at);
            assert_eq!(dump(&*store, &groups).await, expected, "{fault:?} at commit {at}");
        }
    }
}

#[tokio::test]
async fn entities_that_nothing_can_reach_are_deleted() {
    let plans = plans();
    let briefly = groups(&plans, &["briefly"]);
    let mut orders = many();
    // Half a day later only one user is left.
    orders.push(shop::Order { id: 200, user: Some(3), amount: Some(1), gap: 720, age: 0 });
    orders.extend((0..20).map(|at| shop::Order {
        id: 201 + at,
        user: Some(3),
        amount: Some(1),
        gap: 1,
        age: 0,
    }));
    let log = log(&plans, &orders);
    let store = memory();
    let options = Options { sweep: true, partitions: Some(1), ..Options::default() };
    let report = stream(&store, &briefly, &source(&log, 5), &options).await.unwrap();
    assert!(report.groups[0].swept >= 11, "{report:?}");
    let kept = dump(&*store, &briefly).await.remove(&("briefly".to_owned(), 0)).unwrap();
    assert_eq!(kept.blobs.len(), 1);
    assert!(kept.marker.swept_to > Instant(START) && kept.marker.swept_to <= kept.marker.clock());
}

#[tokio::test]
async fn the_end_of_a_file_is_complete_for_static_rows_only() {
    let plans = plans();
    let store = memory();
    let (orders, cities) = (streamed(&plans), groups(&plans, &["about"]));
    stream(&store, &orders, &source(&log(&plans, &many()), 100), &plainly()).await.unwrap();
    let read = feat_streaming::Replay::of("cities/0", vec![shop::cities(&plans)]);
    stream(&store, &cities, &read, &plainly()).await.unwrap();
    for kept in dump(&*store, &orders).await.values() {
        let mark = kept.marker.logs["orders/0"];
        assert_eq!((mark.seen_to, mark.next), (Instant::MIN, 400));
    }
    let kept = dump(&*store, &cities).await;
    assert!(kept.values().all(|kept| kept.marker.complete_to() == Instant::MAX), "{kept:?}");
    assert_eq!(kept.values().map(|kept| kept.blobs.len()).sum::<usize>(), 2);
}

#[tokio::test]
async fn a_clock_that_runs_back_names_the_record() {
    let plans = plans();
    let groups = streamed(&plans);
    let mut log = log(&plans, &many());
    let mut known = log.known.values().to_vec();
    known[77] = START - 1;
    log.known = known.into();
    let error = stream(&memory(), &groups, &source(&log, 30), &plainly()).await.unwrap_err();
    assert!(matches!(error, StreamError::ClockWentBack { offset: 77, .. }), "{error:?}");
    assert!(error.to_string().contains("record 77 of log `orders/0`"), "{error}");
}

#[tokio::test]
async fn a_file_that_was_replaced_by_an_older_one_is_noticed() {
    let plans = plans();
    let (groups, store) = (streamed(&plans), memory());
    let mut log = log(&plans, &many());
    let half = Options { until: Some(200), ..plainly() };
    stream(&store, &groups, &source(&log, 100), &half).await.unwrap();
    log.known = log.known.values().iter().map(|known| known - 1_000_000 * MINUTE).collect();
    let error = stream(&store, &groups, &source(&log, 100), &plainly()).await.unwrap_err();
    assert!(matches!(error, StreamError::LogChanged { .. }), "{error:?}");
}

#[tokio::test]
async fn a_log_that_does_not_begin_as_it_did_is_refused() {
    let plans = plans();
    let groups = streamed(&plans);
    let half = Options { until: Some(200), ..plainly() };
    let again = async |orders: &[shop::Order]| {
        let store = memory();
        stream(&store, &groups, &source(&log(&plans, &many()), 100), &half).await.unwrap();
        let before = dump(&*store, &groups).await;
        let done = stream(&store, &groups, &source(&log(&plans, orders), 30), &plainly()).await;
        (done, before == dump(&*store, &groups).await)
    };
    let mut longer = many();
    longer.push(shop::Order { id: 1, user: Some(1), amount: None, gap: 1, age: 0 });
    again(&longer).await.0.unwrap();

    let mut changed = many();
    changed[120].amount = Some(101);
    let mut added = many();
    added.insert(50, shop::Order { id: 77, user: Some(1), amount: Some(1), gap: 0, age: 0 });
    for orders in [changed, added, many()[1..].to_vec()] {
        let (done, untouched) = again(&orders).await;
        let error = done.unwrap_err();
        assert!(matches!(error, StreamError::LogChanged { read: 200, ends: None, .. }), "{error:?}");
        assert!(error.to_string().contains("records 0 to 200"), "{error}");
        assert!(untouched, "a refused run changed the store");
    }
    let (done, _) = again(&many()[..150]).await;
    let error = done.unwrap_err();
    assert!(error.to_string().contains("ends after 150 records, and 200 had been read"), "{error}");
}

#[tokio::test]
async fn a_topic_that_was_made_anew_is_noticed_by_its_last_record() {
    let plans = plans();
    let (groups, store) = (streamed(&plans), memory());
    let twice = |orders: &[shop::Order]| Twice(["orders/0".into()], shop::batches(&log(&plans, orders), 30));
    let half = Options { until: Some(200), ..plainly() };
    stream(&store, &groups, &twice(&many()), &half).await.unwrap();
    let before = dump(&*store, &groups).await;
    let mut another = many();
    another[199].amount = Some(101);
    // As long as what was read, and longer.
    for orders in [&another[..200], &another] {
        let error = stream(&store, &groups, &twice(orders), &plainly()).await.unwrap_err();
        assert!(matches!(error, StreamError::OtherRecord { offset: 199, .. }), "{error:?}");
        assert!(error.to_string().contains("--refill"), "{error}");
        assert_eq!(dump(&*store, &groups).await, before, "a refused run changed the store");
    }
    stream(&store, &groups, &twice(&many()), &plainly()).await.unwrap();
    let whole = memory();
    stream(&whole, &groups, &source(&log(&plans, &many()), 1000), &plainly()).await.unwrap();
    assert_eq!(dump(&*store, &groups).await, dump(&*whole, &groups).await);
}

#[tokio::test]
async fn a_log_that_begins_with_its_archive_is_another_one() {
    let plans = plans();
    let groups = streamed(&plans);
    let log = log(&plans, &many());
    let archived = |first, held| archived_from(&plans, &many(), first, held);
    // A view that has read what the archive never had is not continued from it, nor the other way round.
    let store = memory();
    stream(&store, &groups, &source(&log, 100), &Options { until: Some(150), ..plainly() }).await.unwrap();
    let error = stream(&store, &groups, &archived(120, 300), &plainly()).await.unwrap_err();
    assert!(error.to_string().contains("its source has orders/0@120: `feat stream --refill`"), "{error}");
    let store = memory();
    let part = Options { until: Some(200), ..plainly() };
    stream(&store, &groups, &archived(120, 300), &part).await.unwrap();
    let error = stream(&store, &groups, &source(&log, 100), &plainly()).await.unwrap_err();
    assert!(matches!(error, StreamError::OtherLog { .. }), "{error:?}");
    // Of what there is every record counts, wherever the archive ends, also where it holds nothing yet.
    let later = log.between(120, u64::MAX).unwrap();
    let whole = memory();
    stream(&whole, &groups, &source(&later, 1000), &plainly()).await.unwrap();
    let t = Instant(*log.known.values().last().unwrap() + MINUTE);
    stream(&store, &groups, &archived(120, 250), &plainly()).await.unwrap();
    assert_eq!(answers(&*store, &groups, t).await, answers(&*whole, &groups, t).await);
    let store = memory();
    stream(&store, &groups, &archived(120, 120), &plainly()).await.unwrap();
    assert_eq!(answers(&*store, &groups, t).await, answers(&*whole, &groups, t).await);
}

#[tokio::test]
async fn what_a_drop_left_that_was_cut_short_counts_for_nothing() {
    let plans = plans();
    let (groups, log) = (streamed(&plans), log(&plans, &many()));
    let whole = memory();
    stream(&whole, &groups, &source(&log, 1000), &plainly()).await.unwrap();
    let store = memory();
    for group in &groups {
        let view = feat_store::view_id(&group.name, group.version, &group.meaning);
        store.register(&view, 3).await.unwrap();
        for partition in 0..3 {
            // Entities beside a marker that nothing was read.
            let kept = whole.scan(&view, partition, None, usize::MAX).await.unwrap();
            let writes = kept.into_iter().map(|(key, blob)| (key, Some(blob))).collect();
            let marker = Bytes::from(feat_kernel::layout::Marker::default().encode());
            let commit = Commit { view: Arc::clone(&view), partition, expected: None, marker, writes };
            store.commit(vec![commit], Durability::Durable).await.unwrap();
        }
    }
    stream(&store, &groups, &source(&log, 30), &plainly()).await.unwrap();
    assert_eq!(dump(&*store, &groups).await, dump(&*whole, &groups).await);
}

#[tokio::test]
async fn rows_of_one_instant_may_change_places_in_the_log() {
    let plans = plans();
    let groups = streamed(&plans);
    let mut orders = many();
    orders[101].gap = 0;
    let store = memory();
    let half = Options { until: Some(200), ..plainly() };
    stream(&store, &groups, &source(&log(&plans, &orders), 100), &half).await.unwrap();
    let mut log = log(&plans, &orders);
    assert_eq!(log.known.value(100), log.known.value(101));
    let places: Vec<u32> = (0..log.end.next as u32).map(|at| at ^ u32::from(at / 2 == 50)).collect();
    let places = arrow::array::UInt32Array::from(places);
    let taken = arrow::compute::take_record_batch(&log.batch, &places);
    log.batch = taken.unwrap();
    stream(&store, &groups, &source(&log, 30), &plainly()).await.unwrap();
}

#[tokio::test]
async fn nothing_can_be_said_before_a_run_has_read_something() {
    let plans = plans();
    let (groups, store) = (streamed(&plans), memory());
    let broken = feat_streaming::Replay::new("orders/0", || async { Err("the file is gone".into()) });
    stream(&store, &groups, &broken, &plainly()).await.unwrap_err();
    assert!(dump(&*store, &groups).await.values().all(|kept| !kept.marker.is_filled()));
    let empty = feat_streaming::Replay::of("orders/0", Vec::new());
    stream(&store, &groups, &empty, &plainly()).await.unwrap();
    assert!(dump(&*store, &groups).await.values().all(|kept| kept.marker.is_filled()));
}

#[tokio::test]
async fn what_cannot_be_streamed_is_refused_in_words() {
    let plans = plans();
    let (groups_of, store) = (streamed(&plans), memory());
    let log = log(&plans, &many());
    let few = source(&log, 100);
    stream(&store, &groups_of, &few, &plainly()).await.unwrap();

    let other = Options { partitions: Some(5), ..plainly() };
    let error = stream(&store, &groups_of, &few, &other).await.unwrap_err();
    assert!(error.to_string().contains("kept in 3 partitions, this run asks for 5"), "{error}");
    let any = Options { partitions: None, ..plainly() };
    stream(&store, &groups_of, &few, &any).await.unwrap();

    let elsewhere = feat_streaming::Replay::of("orders/1", vec![log.clone()]);
    let error = stream(&store, &groups_of, &elsewhere, &any).await.unwrap_err();
    assert!(
        error.to_string().contains("was filled from log `orders/0`, and its source has orders/1"),
        "{error}"
    );

    let hour = Micros::HOUR;
    let refresh = Some(Refresh { every: hour, at: Micros::ZERO, after: hour });
    let loaded = Arc::new(GroupPlan { refresh, ..(*groups_of[0]).clone() });
    let error = stream(&store, &[loaded], &few, &any).await.unwrap_err();
    assert!(error.to_string().contains("`shop.recent` has `refresh`"), "{error}");

    let error = stream(&store, &groups(&plans, &["recent", "about"]), &few, &any).await.unwrap_err();
    assert!(matches!(error, StreamError::OtherSource { .. }), "{error:?}");

    let broken = feat_streaming::Replay::new("orders/0", || async { Err("the file is gone".into()) });
    let error = stream(&memory(), &groups_of, &broken, &any).await.unwrap_err();
    assert!(error.to_string().contains("log `orders/0` could not be read"), "{error}");
}
