//! What every store must do: the contract of [`Store`] as a program.

#![expect(clippy::unwrap_used, reason = "what a store refuses is a failure of the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use feat_store::{Bytes, Commit, Committed, Durability, Read, Snapshot, Store, ViewId};
use proptest::prelude::*;

/// Checks an empty `store` against the contract.
pub async fn conforms(store: Arc<dyn Store>) {
    what_was_never_written_is_absent(&*store).await;
    a_commit_that_expects_another_marker_changes_nothing(&*store).await;
    commits_of_one_call_are_judged_one_by_one(&*store).await;
    views_and_partitions_do_not_meet(&*store).await;
    entities_are_scanned_in_key_order_from_a_cursor(&*store).await;
    the_first_count_of_partitions_holds(&*store).await;
    a_dropped_view_is_forgotten_and_its_neighbour_is_not(&*store).await;
    large_commits_are_whole(&*store).await;
    racing_writers_apply_one_commit_a_marker_and_readers_see_whole_ones(store).await;
}

fn view(name: &str) -> ViewId {
    format!("{name}@1#00000000").into()
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn commit(
    view: &ViewId,
    partition: u32,
    expected: Option<&str>,
    marker: &str,
    writes: &[(&str, &str)],
) -> Commit {
    let blob = |text: &str| (text != "-").then(|| bytes(text));
    Commit {
        view: Arc::clone(view),
        partition,
        expected: expected.map(bytes),
        marker: bytes(marker),
        writes: writes.iter().map(|(key, text)| (bytes(key), blob(text))).collect(),
    }
}

async fn apply(store: &dyn Store, commit: Commit) -> Committed {
    store.commit(vec![commit], Durability::Eventual).await.unwrap().remove(0)
}

async fn read(
    store: &dyn Store,
    view: &ViewId,
    partition: u32,
    keys: &[&str],
) -> (Option<String>, Vec<String>) {
    let keys = keys.iter().map(|key| bytes(key)).collect();
    let Snapshot { marker, blobs } =
        store.read(vec![Read { view: Arc::clone(view), partition, keys }]).await.unwrap().remove(0);
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    (marker.map(text), blobs.into_iter().map(|blob| blob.map_or("-".to_owned(), text)).collect())
}

async fn what_was_never_written_is_absent(store: &dyn Store) {
    let view = view("never");
    assert_eq!(read(store, &view, 0, &["a", "b"]).await, (None, vec!["-".to_owned(); 2]));
    assert_eq!(store.scan(&view, 0, None, 10).await.unwrap(), []);
    assert_eq!(store.partitions(&view).await.unwrap(), None);
    assert_eq!(store.read(Vec::new()).await.unwrap(), []);
    assert_eq!(store.commit(Vec::new(), Durability::Durable).await.unwrap(), []);
}

async fn a_commit_that_expects_another_marker_changes_nothing(store: &dyn Store) {
    let view = view("compare");
    let early = commit(&view, 0, Some("m0"), "m1", &[("a", "early")]);
    assert_eq!(apply(store, early).await, Committed::Conflict(None));
    assert_eq!(
        apply(store, commit(&view, 0, None, "m1", &[("a", "1"), ("b", "1")])).await,
        Committed::Applied
    );
    for expected in [None, Some("m0"), Some("m"), Some("m11")] {
        let other = commit(&view, 0, expected, "m2", &[("a", "other"), ("b", "-"), ("c", "other")]);
        assert_eq!(apply(store, other).await, Committed::Conflict(Some("m1".into())));
    }
    let found = read(store, &view, 0, &["a", "b", "c"]).await;
    assert_eq!(found, (Some("m1".to_owned()), vec!["1".to_owned(), "1".to_owned(), "-".to_owned()]));
    let next = commit(&view, 0, Some("m1"), "m2", &[("b", "-"), ("c", "first"), ("c", "2")]);
    assert_eq!(apply(store, next).await, Committed::Applied);
    let found = read(store, &view, 0, &["c", "a", "b", "c"]).await;
    let blobs = ["2", "1", "-", "2"].map(str::to_owned).to_vec();
    assert_eq!(found, (Some("m2".to_owned()), blobs));
}

async fn commits_of_one_call_are_judged_one_by_one(store: &dyn Store) {
    let view = view("several");
    let commits = vec![
        commit(&view, 0, None, "a1", &[("x", "1")]),
        commit(&view, 1, Some("wrong"), "b1", &[("x", "1")]),
        commit(&view, 0, Some("a1"), "a2", &[("y", "2")]),
        commit(&view, 2, None, "c1", &[]),
        commit(&view, 0, Some("a1"), "a3", &[("y", "3")]),
    ];
    let conflict = |marker: Option<&str>| Committed::Conflict(marker.map(bytes));
    assert_eq!(
        store.commit(commits, Durability::Durable).await.unwrap(),
        [Committed::Applied, conflict(None), Committed::Applied, Committed::Applied, conflict(Some("a2"))]
    );
    let found = read(store, &view, 0, &["x", "y"]).await;
    assert_eq!(found, (Some("a2".to_owned()), vec!["1".to_owned(), "2".to_owned()]));
    assert_eq!(read(store, &view, 1, &["x"]).await, (None, vec!["-".to_owned()]));
    assert_eq!(read(store, &view, 2, &[]).await, (Some("c1".to_owned()), vec![]));
}

async fn views_and_partitions_do_not_meet(store: &dyn Store) {
    let places = [(view("a"), 1), (view("a"), 11), (view("a"), 0), (view("a1"), 1), (view("b.a"), 1)];
    // Keys that are each other's beginning, or look like a marker. None begins with `#`: no entity's does.
    let keys = ["k", "kk", "\u{1}", "\u{1}\u{0}", "\u{1}#m", "}#m", "{x}"];
    for (number, (view, partition)) in places.iter().enumerate() {
        let text = number.to_string();
        let writes: Vec<(&str, &str)> = keys.iter().map(|key| (*key, &*text)).collect();
        assert_eq!(apply(store, commit(view, *partition, None, &text, &writes)).await, Committed::Applied);
    }
    for (number, (view, partition)) in places.iter().enumerate() {
        let text = number.to_string();
        let expected = (Some(text.clone()), vec![text.clone(); keys.len()]);
        assert_eq!(read(store, view, *partition, &keys).await, expected);
        let mut scanned: Vec<Bytes> =
            store.scan(view, *partition, None, 100).await.unwrap().into_iter().map(|(key, _)| key).collect();
        let mut sorted = keys.map(bytes).to_vec();
        sorted.sort_unstable();
        assert_eq!(scanned, sorted);
        scanned.dedup();
        assert_eq!(scanned.len(), keys.len());
    }
    let reads = places.iter().map(|(view, partition)| Read {
        view: Arc::clone(view),
        partition: *partition,
        keys: vec![bytes("k")],
    });
    let found = store.read(reads.collect()).await.unwrap();
    let markers: Vec<Option<Bytes>> = found.into_iter().map(|snapshot| snapshot.marker).collect();
    assert_eq!(markers, ["0", "1", "2", "3", "4"].map(|text| Some(bytes(text))));
}

async fn entities_are_scanned_in_key_order_from_a_cursor(store: &dyn Store) {
    let view = view("scan");
    let names: Vec<String> = (0..100).map(|number| format!("k{:03}", (number * 37) % 100)).collect();
    let writes: Vec<(&str, &str)> = names.iter().map(|name| (&**name, &**name)).collect();
    assert_eq!(apply(store, commit(&view, 3, None, "m", &writes)).await, Committed::Applied);
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.scan(&view, 3, cursor.clone(), 7).await.unwrap();
        assert!(page.len() <= 7);
        let Some((last, _)) = page.last() else { break };
        cursor = Some(last.clone());
        found.extend(page);
    }
    let expected: Vec<(Bytes, Bytes)> =
        (0..100).map(|number| bytes(&format!("k{number:03}"))).map(|key| (key.clone(), key)).collect();
    assert_eq!(found, expected);
    // A cursor need not be there any more.
    let after = store.scan(&view, 3, Some(bytes("k0415")), 1).await.unwrap();
    assert_eq!(after[0].0, bytes("k042"));
}

async fn large_commits_are_whole(store: &dyn Store) {
    const ENTITIES: usize = 10_000;
    let view = view("large");
    let key = |number: usize| Bytes::from(format!("k{number:05}"));
    let write = |number| (key(number), Some(Bytes::from(number.to_string())));
    let large = |expected: Option<&str>, marker: &str, writes| Commit {
        view: Arc::clone(&view),
        partition: 0,
        expected: expected.map(bytes),
        marker: bytes(marker),
        writes,
    };
    let all = large(None, "m1", (0..ENTITIES).map(write).collect());
    assert_eq!(apply(store, all).await, Committed::Applied);
    let keys = (0..ENTITIES).map(key).collect();
    let found =
        store.read(vec![Read { view: Arc::clone(&view), partition: 0, keys }]).await.unwrap().remove(0);
    assert!((0..ENTITIES).map(|number| write(number).1).eq(found.blobs));
    let scanned = store.scan(&view, 0, Some(key(9)), ENTITIES).await.unwrap();
    assert!((10..ENTITIES).map(write).eq(scanned.into_iter().map(|(key, blob)| (key, Some(blob)))));
    // Every other one is deleted, in one step as well.
    let half = (0..ENTITIES).filter(|number| number % 2 == 0).map(|number| (key(number), None)).collect();
    assert_eq!(apply(store, large(Some("m1"), "m2", half)).await, Committed::Applied);
    assert_eq!(store.scan(&view, 0, None, ENTITIES).await.unwrap().len(), ENTITIES / 2);
}

async fn the_first_count_of_partitions_holds(store: &dyn Store) {
    let (first, second) = (view("counted"), view("counted.more"));
    assert_eq!(store.register(&first, 8).await.unwrap(), 8);
    assert_eq!(store.register(&first, 16).await.unwrap(), 8);
    assert_eq!(store.register(&second, 3).await.unwrap(), 3);
    assert_eq!(store.partitions(&first).await.unwrap(), Some(8));
    let views = store.views().await.unwrap();
    assert!(views.is_sorted_by(|a, b| a.view < b.view), "{views:?}");
    let counts: Vec<u32> = views
        .iter()
        .filter(|entry| entry.view == first || entry.view == second)
        .map(|entry| entry.partitions)
        .collect();
    assert_eq!(counts, [3, 8], "`counted.more@` comes before `counted@`");
}

async fn a_dropped_view_is_forgotten_and_its_neighbour_is_not(store: &dyn Store) {
    let (gone, stays) = (view("gone"), view("gone2"));
    for view in [&gone, &stays] {
        assert_eq!(store.register(view, 2).await.unwrap(), 2);
        for partition in 0..2 {
            assert_eq!(
                apply(store, commit(view, partition, None, "m", &[("k", "v")])).await,
                Committed::Applied
            );
        }
    }
    store.drop_view(&gone).await.unwrap();
    store.drop_view(&gone).await.unwrap();
    assert_eq!(store.partitions(&gone).await.unwrap(), None);
    assert!(!store.views().await.unwrap().iter().any(|entry| entry.view == gone));
    for partition in 0..2 {
        assert_eq!(read(store, &gone, partition, &["k"]).await, (None, vec!["-".to_owned()]));
        assert_eq!(store.scan(&gone, partition, None, 9).await.unwrap(), []);
        let kept = (Some("m".to_owned()), vec!["v".to_owned()]);
        assert_eq!(read(store, &stays, partition, &["k"]).await, kept);
    }
    assert_eq!(store.register(&gone, 5).await.unwrap(), 5);
}

async fn racing_writers_apply_one_commit_a_marker_and_readers_see_whole_ones(store: Arc<dyn Store>) {
    const WRITERS: u32 = 4;
    const COMMITS: u32 = 50;
    let view = view("race");
    let keys = ["a", "b", "c"];
    let write = |store: Arc<dyn Store>, view: ViewId, writer: u32| async move {
        let mut applied = 0;
        while applied < COMMITS {
            let (marker, _) = read(&*store, &view, 0, &[]).await;
            let number: u32 =
                marker.as_deref().map_or(0, |text| text.split('/').next().unwrap().parse().unwrap());
            let text = format!("{}/{writer}", number + 1);
            let writes = keys.map(|key| (key, &*text));
            match apply(&*store, commit(&view, 0, marker.as_deref(), &text, &writes)).await {
                Committed::Applied => applied += 1,
                Committed::Conflict(current) => assert_ne!(current, marker.as_deref().map(bytes)),
            }
        }
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(Arc::clone(&store), Arc::clone(&view), writer)))
        .collect();
    while writers.iter().any(|writer| !writer.is_finished()) {
        let (marker, blobs) = read(&*store, &view, 0, &keys).await;
        assert_eq!(blobs, vec![marker.unwrap_or("-".to_owned()); keys.len()]);
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let (marker, _) = read(&*store, &view, 0, &[]).await;
    assert_eq!(marker.unwrap().split('/').next(), Some(&*(WRITERS * COMMITS).to_string()));
}

/// One step of a random history of one partition.
#[derive(Clone, Debug)]
pub struct Step {
    expects_current: bool,
    durable: bool,
    writes: Vec<(u8, Option<u8>)>,
}

/// Random histories.
pub fn histories() -> impl Strategy<Value = Vec<Step>> {
    let write = (0_u8..12, prop::option::weighted(0.7, any::<u8>()));
    let step = (prop::bool::weighted(0.8), any::<bool>(), prop::collection::vec(write, 0..6))
        .prop_map(|(expects_current, durable, writes)| Step { expects_current, durable, writes });
    prop::collection::vec(step, 0..25)
}

/// Runs a history on `store` and on a map; after every step both must hold the same.
pub async fn follows_a_map(store: &dyn Store, history: Vec<Step>) {
    let view = view("model");
    let mut marker: Option<Bytes> = None;
    let mut map = BTreeMap::<Bytes, Bytes>::new();
    for (number, step) in history.into_iter().enumerate() {
        let key = |key: u8| Bytes::from(vec![1, key]);
        let writes: Vec<_> = step
            .writes
            .iter()
            .map(|&(name, blob)| (key(name), blob.map(|blob| Bytes::from(vec![blob]))))
            .collect();
        let commit = Commit {
            view: Arc::clone(&view),
            partition: 0,
            expected: if step.expects_current { marker.clone() } else { Some(bytes("another")) },
            marker: bytes(&number.to_string()),
            writes: writes.clone(),
        };
        let durability = if step.durable { Durability::Durable } else { Durability::Eventual };
        let committed = store.commit(vec![commit], durability).await.unwrap().remove(0);
        if step.expects_current {
            assert_eq!(committed, Committed::Applied);
            marker = Some(bytes(&number.to_string()));
            for (key, blob) in writes {
                match blob {
                    Some(blob) => map.insert(key, blob),
                    None => map.remove(&key),
                };
            }
        } else {
            assert_eq!(committed, Committed::Conflict(marker.clone()));
        }
        let scanned = store.scan(&view, 0, None, 100).await.unwrap();
        assert_eq!(scanned, map.clone().into_iter().collect::<Vec<_>>());
        let keys: Vec<Bytes> = (0..12).map(key).collect();
        let blobs = keys.iter().map(|key| map.get(key).cloned()).collect();
        let read = Read { view: Arc::clone(&view), partition: 0, keys };
        assert_eq!(store.read(vec![read]).await.unwrap(), [Snapshot { marker: marker.clone(), blobs }]);
    }
}
