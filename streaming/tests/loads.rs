//! What is loaded is what the latest file says, whatever came first.

#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do is a failure of the test")]

#[expect(dead_code, reason = "the shop is made for streams; a load needs less of it")]
mod shop;

use std::sync::Arc;

use feat_kernel::time::Instant;
use feat_store::{MemoryStore, Store};
use feat_streaming::{LogBatch, Options, Replay, load};
use proptest::prelude::*;
use shop::{MINUTE, START, answers, dump, log, plans, source, stream, streamed};

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

fn plainly() -> Options {
    Options { sweep: false, partitions: Some(3), ..Options::default() }
}

/// A few orders, always the same.
fn some() -> Vec<shop::Order> {
    let order = |at: u8| shop::Order { id: at, user: Some(at % 5), amount: Some(at), gap: 1, age: 2 };
    (0..30).map(order).collect()
}

/// A log without records.
fn nothing(log: &LogBatch) -> LogBatch {
    LogBatch::consecutive(log.batch.slice(0, 0), log.known.slice(0, 0), 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn loads_end_with_the_latest_in_any_order_of_arrival(
        orders in shop::orders(120),
        other in shop::orders(120),
        at in prop::collection::btree_set(-2_i64..400, 1..5),
        order in any::<u64>(),
        at_once in any::<bool>(),
    ) {
        let plans = plans();
        let groups = streamed(&plans);
        // The file is another one at each instant.
        let files = [log(&plans, &orders), log(&plans, &other)];
        let mut loads: Vec<(Instant, LogBatch)> = (at.into_iter().enumerate())
            .map(|(turn, minutes)| (Instant(START + minutes * MINUTE), files[turn % 2].clone()))
            .collect();
        let (latest, newest) = loads.last().cloned().unwrap();
        let known = newest.known.values().partition_point(|&known| known <= latest.0) as u64;
        block_on(async {
            let (store, whole) = (memory(), memory());
            loads.sort_by_key(|(at, _)| (at.0 ^ order as i64).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64));
            let options = plainly();
            let loads = loads.iter().map(|(at, log)| {
                let (source, aside) = (source(log, 11), memory());
                let (store, groups, options) = (&store, &groups, &options);
                async move { load(store, &aside, groups, &source, *at, options, &|_| {}).await.unwrap(); }
            });
            if at_once {
                futures::future::join_all(loads).await;
            } else {
                for load in loads {
                    load.await;
                }
            }
            let known = newest.between(0, known).unwrap_or_else(|| nothing(&newest));
            stream(&whole, &groups, &source(&known, 1000), &Options { sweep: true, ..plainly() }).await.unwrap();
            for later in [1, 2 * MINUTE, 50 * MINUTE, 24 * 60 * MINUTE] {
                let t = Instant(latest.0.max(START) + later);
                assert_eq!(answers(&*store, &groups, t).await, answers(&*whole, &groups, t).await, "{t}");
            }
            for kept in dump(&*store, &groups).await.into_values() {
                assert_eq!(kept.marker.complete_to(), latest);
            }
        });
    }
}

#[tokio::test]
async fn a_load_does_not_touch_what_a_stream_fills() {
    let plans = plans();
    let (groups, log) = (streamed(&plans), log(&plans, &some()));
    let store = memory();
    stream(&store, &groups, &Replay::of("kafka:orders/0", shop::batches(&log, 50)), &plainly())
        .await
        .unwrap();
    let before = dump(&*store, &groups).await;
    let (source, aside) = (source(&log, 50), memory());
    let refused =
        load(&store, &aside, &groups, &source, Instant::MAX, &plainly(), &|_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("kafka:orders/0"), "{refused}");
    assert_eq!(dump(&*store, &groups).await, before);
}
