//! What is the embedded store's own. That it keeps the contract of all stores is tested from above.

use std::sync::Arc;

use feat_store::{Commit, Committed, Durability, EmbeddedStore, Read, Store, StoreError};

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

#[tokio::test]
async fn a_bit_that_the_disk_changed_is_told_and_not_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feat.redb");
    let blob = "a blob that is found in the file";
    {
        let store = EmbeddedStore::open(folder.path()).unwrap();
        store.commit(vec![first(blob)], Durability::Durable).await.unwrap();
    }
    let mut content = std::fs::read(&path).unwrap();
    // An earlier page may hold the blob as well: every copy is changed.
    let mut changed = 0;
    for at in 0..content.len() - blob.len() {
        if content[at..].starts_with(blob.as_bytes()) {
            content[at] ^= 1;
            changed += 1;
        }
    }
    assert!(changed > 0, "the blob is not in the file as it is");
    std::fs::write(&path, content).unwrap();
    let store = EmbeddedStore::open(folder.path()).unwrap();
    let read = Read { view: "v@1#00000000".into(), partition: 0, keys: vec!["k".into()] };
    let error = store.read(vec![read]).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    let error = store.scan(&"v@1#00000000".into(), 0, None, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}
