//! The conformance suite on every store, and what is Redis' own.

mod redis;

use std::sync::Arc;

use feat_store::{EmbeddedStore, MemoryStore, RedisStore};
use feat_tests::conformance;
use feat_tests::servers::redis::{RedisCluster, RedisServer};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_memory_conforms() {
    conformance::conforms(Arc::new(MemoryStore::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conformance::conforms(Arc::new(EmbeddedStore::open(folder.path()).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_redis_conforms() {
    let server = RedisServer::start(&[]);
    conformance::conforms(Arc::new(RedisStore::connect(&server.url()).await.unwrap())).await;
    assert_eq!(server.say(&["ACL", "LOG"]), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_a_redis_cluster_conforms() {
    let cluster = RedisCluster::start(3);
    conformance::conforms(Arc::new(RedisStore::connect(&cluster.url()).await.unwrap())).await;
    for node in &cluster.nodes {
        assert_ne!(node.say(&["DBSIZE"]), "0", "a node that was never written to");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_store_in_memory_follows_a_map(history in conformance::histories()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(conformance::follows_a_map(&MemoryStore::default(), history));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_embedded_store_follows_a_map(history in conformance::histories()) {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(conformance::follows_a_map(&store, history));
    }
}

#[test]
fn the_store_in_redis_follows_a_map() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = RedisServer::start(&[]);
    let store = runtime.block_on(RedisStore::connect(&server.url())).unwrap();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
    let followed = runner.run(&conformance::histories(), |history| {
        server.say(&["FLUSHALL"]);
        runtime.block_on(conformance::follows_a_map(&store, history));
        Ok(())
    });
    followed.unwrap();
}
