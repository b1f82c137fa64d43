//! The conformance suite on every store, and what is the embedded one's own.

#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do is a failure of the test")]

mod conformance;

use std::sync::Arc;

use feat_store::{Commit, Committed, Durability, EmbeddedStore, MemoryStore, Read, Store, StoreError};
use proptest::prelude::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_memory_conforms() {
    conformance::conforms(Arc::new(MemoryStore::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conformance::conforms(Arc::new(EmbeddedStore::open(folder.path()).unwrap())).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_store_in_memory_follows_a_map(history in conformance::histories()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(conformance::follows_a_map(&MemoryStore::default(), history));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_embedded_store_follows_a_map(history in conformance::histories()) {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(conformance::follows_a_map(&store, history));
    }
}

fn first(blob: &'static str) -> Commit {
    Commit {
        view: "v@1#00000000".into(),
        partition: 0,
        expected: None,
        marker: "m".into(),
        writes: vec![("k".into(), Some(blob.into()))],
    }
}

#[tokio::test]
async fn a_closed_store_opens_with_everything_that_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = EmbeddedStore::open(folder.path().join("not/there/yet")).unwrap();
        assert_eq!(store.register(&"v@1#00000000".into(), 4).await.unwrap(), 4);
        assert_eq!(store.commit(vec![first("x")], Durability::Eventual).await.unwrap(), [Committed::Applied]);
    }
    let store = EmbeddedStore::open(folder.path().join("not/there/yet")).unwrap();
    assert_eq!(store.register(&"v@1#00000000".into(), 8).await.unwrap(), 4);
    let read = Read { view: "v@1#00000000".into(), partition: 0, keys: vec!["k".into()] };
    assert_eq!(store.read(vec![read]).await.unwrap()[0].blobs, [Some("x".into())]);
}

#[tokio::test]
async fn a_store_that_is_open_is_not_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path()).unwrap();
    let error = EmbeddedStore::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&*store.path().to_string_lossy()), "{error}");
    assert!(error.to_string().contains("is open in another process"), "{error}");
}

#[test]
fn a_file_that_is_no_store_is_named_with_its_remedy() {
    for content in [b"this is a text, and a long one too ".repeat(200), b"short".to_vec()] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feat.redb");
        std::fs::write(&path, &content).unwrap();
        let error = EmbeddedStore::open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()) && text.contains("feat stream"), "{text}");
        assert_eq!(std::fs::read(&path).unwrap(), content, "the file is evidence and stays as it is");
    }
}

#[tokio::test]
async fn a_store_that_lost_its_end_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let blob: &'static str = "x".repeat(3 << 20).leak();
    {
        let store = EmbeddedStore::open(folder.path()).unwrap();
        store.commit(vec![first(blob)], Durability::Durable).await.unwrap();
    }
    let path = folder.path().join("feat.redb");
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    let error = match EmbeddedStore::open(folder.path()) {
        Err(error) => error,
        Ok(store) => {
            let read = Read { view: "v@1#00000000".into(), partition: 0, keys: vec!["k".into()] };
            store.read(vec![read]).await.unwrap_err()
        }
    };
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = EmbeddedStore::open(file.join("store")).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("store/feat.redb"), "{error}");
}

#[tokio::test]
async fn a_reader_does_not_wait_for_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
    store.commit(vec![first("x")], Durability::Durable).await.unwrap();
    let blob = vec![7_u8; 16 << 20];
    let write = Commit { expected: Some("m".into()), marker: "n".into(), ..first("x") };
    let write = Commit { writes: vec![("k".into(), Some(blob.into()))], ..write };
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit(vec![write], Durability::Durable).await }
    });
    let mut before = 0;
    while !writer.is_finished() {
        let read = Read { view: "v@1#00000000".into(), partition: 0, keys: vec!["k".into()] };
        let found = store.read(vec![read]).await.unwrap().remove(0);
        before += u32::from(found.marker == Some("m".into()));
    }
    assert_eq!(writer.await.unwrap().unwrap(), [Committed::Applied]);
    assert!(before > 0, "the writer was never seen at work");
}
