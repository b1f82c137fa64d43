//! A server under trouble: a store that hangs, what is deployed replaced, an end, too many calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use feat_proto::v1;
use feat_proto::v1::online_service_client::OnlineServiceClient;
use feat_serving::{Access, Catalog, Limits};
use feat_store::{Commit, Committed, Durability, Read, Snapshot, Store, StoreError, ViewEntry, ViewId};
use tokio::task::JoinHandle;
use tonic::transport::Endpoint;
use tonic::{Code, Request};

use crate::lanes::{Net, minute};
use crate::served::{PARCELS, Served, lane, quotes};

/// A store that does not answer reads while it is told not to.
#[derive(Debug)]
struct Slow {
    inner: Arc<dyn Store>,
    hangs: Arc<AtomicBool>,
}

#[tonic::async_trait]
impl Store for Slow {
    async fn register(&self, view: &ViewId, partitions: u32) -> Result<u32, StoreError> {
        self.inner.register(view, partitions).await
    }
    async fn partitions(&self, view: &ViewId) -> Result<Option<u32>, StoreError> {
        self.inner.partitions(view).await
    }
    async fn views(&self) -> Result<Vec<ViewEntry>, StoreError> {
        self.inner.views().await
    }
    async fn read(&self, reads: Vec<Read>) -> Result<Vec<Snapshot>, StoreError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.inner.read(reads).await
    }
    async fn commit(
        &self,
        commits: Vec<Commit>,
        durability: Durability,
    ) -> Result<Vec<Committed>, StoreError> {
        self.inner.commit(commits, durability).await
    }
    async fn scan(
        &self,
        view: &ViewId,
        partition: u32,
        after: Option<Bytes>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.inner.scan(view, partition, after, limit).await
    }
    async fn drop_view(&self, view: &ViewId) -> Result<(), StoreError> {
        self.inner.drop_view(view).await
    }
    async fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush().await
    }
}

#[tokio::test]
async fn a_store_that_hangs_ends_at_the_deadline_and_nothing_else_waits() {
    let net = Net::full(PARCELS).await;
    let hangs = Arc::new(AtomicBool::new(true));
    let store = Arc::new(Slow { inner: Arc::clone(&net.store), hangs: Arc::clone(&hangs) });
    let served = Served::open(Catalog::new(&net.plans, store)).await;
    let mut client = served.client().await;
    let mut request = Request::new(quotes(vec![lane("oslo", "rome")]));
    request.set_timeout(Duration::from_millis(80));
    let late = client.get_features(request).await.unwrap_err();
    assert!(matches!(late.code(), Code::DeadlineExceeded | Code::Cancelled), "{late}");
    // Without a restart it answers again once the store does.
    client.describe_service(v1::DescribeServiceRequest { service: "quotes".to_owned() }).await.unwrap();
    hangs.store(false, Ordering::SeqCst);
    client.get_features(quotes(vec![lane("oslo", "rome")])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deployed_is_replaced_while_calls_run_and_none_fails() {
    let net = Net::full(PARCELS).await;
    let (plans, store) = (net.plans, net.store);
    let served = Served::open(Catalog::new(&plans, Arc::clone(&store))).await;
    let calls: Vec<JoinHandle<usize>> = (0..4)
        .map(|_| {
            let address = served.address.clone();
            tokio::spawn(async move {
                let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
                let mut client = OnlineServiceClient::new(channel);
                for _ in 0..200 {
                    client.get_features(quotes(vec![lane("oslo", "rome")])).await.unwrap();
                }
                200
            })
        })
        .collect();
    let mut swaps = 0;
    while !calls.iter().all(JoinHandle::is_finished) {
        served.current.replace(Catalog::new(&plans, Arc::clone(&store)));
        swaps += 1;
        tokio::task::yield_now().await;
    }
    for calls in calls {
        assert_eq!(calls.await.unwrap(), 200);
    }
    assert!(swaps > 10, "{swaps}");
}

#[tokio::test]
async fn a_server_that_is_stopped_ends_what_is_under_way_and_takes_nothing_new() {
    let net = Net::full(PARCELS).await;
    let hangs = Arc::new(AtomicBool::new(true));
    let store = Arc::new(Slow { inner: Arc::clone(&net.store), hangs: Arc::clone(&hangs) });
    let mut served = Served::open(Catalog::new(&net.plans, store)).await;
    served.now.store(minute(40).0, Ordering::SeqCst);
    hangs.store(false, Ordering::SeqCst);
    let mut client = served.client().await;
    // It waits for what never comes, long enough to see the stop.
    let waits = v1::GetFeaturesRequest {
        wait: Some(prost_types::Duration { seconds: 0, nanos: 300_000_000 }),
        ..quotes(vec![lane("oslo", "rome")])
    };
    let under_way = tokio::spawn(async move { client.get_features(waits).await });
    while !served.metrics.text().contains("in_flight 1") {
        tokio::task::yield_now().await;
    }
    served.stop.take().unwrap().send(()).unwrap();
    assert!(!under_way.await.unwrap().unwrap().into_inner().complete);
    served.running.await.unwrap();
    assert!(Endpoint::from_shared(served.address).unwrap().connect().await.is_err());
}

#[tokio::test]
async fn a_server_with_too_many_calls_refuses_at_once() {
    let net = Net::full(PARCELS).await;
    let hangs = Arc::new(AtomicBool::new(true));
    let store = Arc::new(Slow { inner: Arc::clone(&net.store), hangs: Arc::clone(&hangs) });
    let limits = Limits { calls: 1, ..Limits::default() };
    let served = Served::start(Catalog::new(&net.plans, store), None, Access::Open, limits).await;
    let mut first = served.client().await;
    let hanging = tokio::spawn(async move { first.get_features(quotes(vec![lane("oslo", "rome")])).await });
    while !served.metrics.text().contains("in_flight 1") {
        tokio::task::yield_now().await;
    }
    let mut client = served.client().await;
    let busy = client.get_features(quotes(vec![lane("oslo", "rome")])).await.unwrap_err();
    assert_eq!(busy.code(), Code::ResourceExhausted);
    hanging.abort();
    hangs.store(false, Ordering::SeqCst);
    let again = async {
        // The caller that went away leaves its place.
        while client.get_features(quotes(vec![lane("oslo", "rome")])).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
}
