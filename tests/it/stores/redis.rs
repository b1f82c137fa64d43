//! What a Redis does to the store, and what the store then says.

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use feat_store::{
    Bytes, Commit, Committed, Durability, Read, RedisStore, Retry, Snapshot, Store, StoreError,
};
use feat_tests::servers::authority::Authority;
use feat_tests::servers::redis::{RedisCluster, RedisServer};
use feat_tests::servers::wait_for;

/// The commit after `expected`, whose blobs say its number.
fn commit(partition: u32, expected: Option<u32>, number: u32, writes: &[(&str, bool)]) -> Commit {
    let text = |number: u32| Bytes::from(number.to_string());
    let write = |(key, kept): &(&str, bool)| (Bytes::from((*key).to_owned()), kept.then(|| text(number)));
    Commit {
        view: "v@1#00000000".into(),
        partition,
        expected: expected.map(text),
        marker: text(number),
        writes: writes.iter().map(write).collect(),
    }
}

async fn apply(store: &RedisStore, commit: Commit) -> Result<Committed, StoreError> {
    store.commit(vec![commit], Durability::Durable).await.map(|mut committed| committed.remove(0))
}

async fn look(store: &RedisStore, partition: u32, keys: &[&str]) -> Result<Snapshot, StoreError> {
    let keys = keys.iter().map(|key| Bytes::from((*key).to_owned())).collect();
    let read = Read { view: "v@1#00000000".into(), partition, keys };
    store.read(vec![read]).await.map(|mut found| found.remove(0))
}

async fn refused(url: &str) -> StoreError {
    RedisStore::connect(url).await.unwrap_err()
}

#[tokio::test]
async fn memory_that_runs_out_leaves_commits_whole() {
    let server = RedisServer::start(&["--maxmemory", "3mb"]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    // Large enough that many a commit begins with little room left and would end beyond it.
    let filled = |number: u32| {
        let blob = Bytes::from(vec![b'0' + (number % 10) as u8; 1000]);
        let writes = (0..40).map(|at| (format!("k{:05}", number * 37 + at).into(), Some(blob.clone())));
        let expected = (number > 1).then(|| Bytes::from((number - 1).to_string()));
        let marker = number.to_string().into();
        Commit { view: "v@1#00000000".into(), partition: 0, expected, marker, writes: writes.collect() }
    };
    let mut number = 1;
    let error = loop {
        match apply(&store, filled(number)).await {
            Ok(committed) => assert_eq!(committed, Committed::Applied),
            Err(error) => break error,
        }
        number += 1;
        assert!(number < 1000, "3 MB were never full");
    };
    assert!(matches!(error, StoreError::OutOfMemory { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Later);
    let mut state = std::collections::BTreeMap::new();
    (1..number).for_each(|number| state.extend(filled(number).writes));
    let kept = store.scan(&"v@1#00000000".into(), 0, None, 10_000).await.unwrap();
    assert!(kept.into_iter().map(|(key, blob)| (key, Some(blob))).eq(state.clone()));
    let last = number - 1;
    assert_eq!(look(&store, 0, &[]).await.unwrap().marker, Some(last.to_string().into()));
    // What only deletes goes through, and makes room for what comes next.
    let gone = state.into_keys().map(|key| (key, None)).collect();
    let sweep = Commit { writes: gone, ..filled(number) };
    assert_eq!(apply(&store, sweep).await.unwrap(), Committed::Applied);
    assert_eq!(apply(&store, filled(number + 1)).await.unwrap(), Committed::Applied);
}

#[tokio::test]
async fn a_replica_takes_no_commits_and_is_no_store() {
    let (first, second) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let store = RedisStore::connect(&first.url()).await.unwrap();
    assert_eq!(apply(&store, commit(0, None, 1, &[("a", true)])).await.unwrap(), Committed::Applied);
    assert_eq!(first.say(&["REPLICAOF", "127.0.0.1", &second.port().to_string()]), "OK");
    let error = apply(&store, commit(0, Some(1), 2, &[("a", true)])).await.unwrap_err();
    assert!(error.retry() == Retry::Later, "{error:?}");
    wait_for("the end of the first copy", || {
        first.say(&["INFO", "replication"]).contains("master_link_status:up").then_some(())
    });
    // The copy is empty, so the commit would be applied if the replica took it.
    let error = apply(&store, commit(0, None, 1, &[("a", true)])).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    let error = refused(&first.url()).await;
    assert!(error.to_string().contains(&format!("replica of `127.0.0.1:{}`", second.port())), "{error}");
    assert_eq!(first.say(&["REPLICAOF", "NO", "ONE"]), "OK");
    assert_eq!(apply(&store, commit(0, None, 1, &[("a", true)])).await.unwrap(), Committed::Applied);
}

#[tokio::test]
async fn a_server_that_evicts_is_refused() {
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let server = RedisServer::start(&["--maxmemory-policy", policy]);
        let error = refused(&server.url()).await;
        assert!(matches!(&error, StoreError::Eviction { policy: found, .. } if found == policy), "{error:?}");
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.to_string().contains("set `maxmemory-policy noeviction`"), "{error}");
    }
}

#[tokio::test]
async fn a_server_of_another_kind_than_the_url_says_is_refused() {
    let alone = RedisServer::start(&[]);
    let error = refused(&alone.url().replace("redis://", "redis-cluster://")).await;
    assert!(error.to_string().contains("write `redis://`"), "{error}");
    let member = RedisServer::start(&["--cluster-enabled", "yes"]);
    let error = refused(&member.url()).await;
    assert!(error.to_string().contains("write `redis-cluster://`"), "{error}");
}

#[tokio::test]
async fn a_password_is_asked_for_and_never_told() {
    let server = RedisServer::start(&[]);
    let rights = ["ACL", "SETUSER", "feat", "on", ">right", "~*", "+@all"];
    assert_eq!(server.say(&rights), "OK");
    let at = format!("127.0.0.1:{}", server.port());
    for login in ["feat:hunter2", "nobody:hunter2"] {
        let error = refused(&format!("redis://{login}@{at}")).await;
        assert!(matches!(error, StoreError::Login { .. }), "{error:?}");
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.to_string().contains(&at), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let store = RedisStore::connect(&format!("redis://feat:right@{at}")).await.unwrap();
    assert!(!format!("{store:?}").contains("right"), "{store:?}");
    assert_eq!(apply(&store, commit(0, None, 1, &[("a", true)])).await.unwrap(), Committed::Applied);
    // A right that is taken away is told as what it is, and nothing is half written.
    assert_eq!(server.say(&["ACL", "SETUSER", "feat", "-mset"]), "OK");
    let error = apply(&store, commit(0, Some(1), 2, &[("b", true)])).await.unwrap_err();
    assert!(matches!(error, StoreError::Login { .. }), "{error:?}");
    let found = look(&store, 0, &["a", "b"]).await.unwrap();
    assert_eq!(found, Snapshot { marker: Some("1".into()), blobs: vec![Some("1".into()), None] });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_reached_by_tls_as_a_user_with_few_rights() {
    let authority = Authority::found();
    let file = |name: &str| authority.file(name).display().to_string();
    let port = std::cell::Cell::new(0);
    let server = RedisServer::start_with(|_, other| {
        port.set(other);
        let tls = format!("--tls-port {other} --tls-auth-clients no");
        let mut options: Vec<String> = tls.split(' ').map(str::to_owned).collect();
        for (option, name) in
            [("--tls-cert-file", "cert.pem"), ("--tls-key-file", "key.pem"), ("--tls-ca-cert-file", "ca.pem")]
        {
            options.extend([option.to_owned(), file(name)]);
        }
        options
    });
    // What the documentation names as the rights that a store needs.
    let rights = "ACL SETUSER feat on >s3cr%t resetkeys ~{* ~feat:views -@all +@read +@write +@scripting \
                  +@connection +info -@admin";
    let rights: Vec<&str> = rights.split_whitespace().collect();
    assert_eq!(server.say(&rights), "OK");
    let at = format!("127.0.0.1:{}", port.get());

    let url = format!("rediss://feat:s3cr%25t@{at}?ca={}", file("ca.pem"));
    let store = RedisStore::connect(&url).await.unwrap();
    feat_tests::conformance::conforms(std::sync::Arc::new(store)).await;

    let error = refused(&format!("rediss://feat:s3cr%25t@{at}")).await;
    assert!(matches!(error, StoreError::Untrusted { .. }), "{error:?}");
    assert!(error.retry() == Retry::Never && error.to_string().contains("?ca=FILE"), "{error}");
}

#[tokio::test]
async fn an_older_dump_is_answered_with_its_own_marker() {
    let mut server = RedisServer::start(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    assert_eq!(apply(&store, commit(0, None, 1, &[("a", true)])).await.unwrap(), Committed::Applied);
    let dump = server.dump();
    assert_eq!(
        apply(&store, commit(0, Some(1), 2, &[("a", true), ("b", true)])).await.unwrap(),
        Committed::Applied
    );
    server.restart_from(&dump);
    let error = apply(&store, commit(0, Some(2), 3, &[("a", true)])).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Later);
    let conflict = apply(&store, commit(0, Some(2), 3, &[("a", true)])).await.unwrap();
    assert_eq!(conflict, Committed::Conflict(Some("1".into())));
    let found = look(&store, 0, &["a", "b"]).await.unwrap();
    assert_eq!(found.blobs, [Some("1".into()), None]);
    assert_eq!(store.scan(&"v@1#00000000".into(), 0, None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_commit_is_one_transaction_of_the_append_only_file() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let writes = [("a", true), ("b", true)];
    assert_eq!(apply(&store, commit(0, None, 1, &writes)).await.unwrap(), Committed::Applied);
    let writes = [("a", false), ("c", true)];
    assert_eq!(apply(&store, commit(0, Some(1), 2, &writes)).await.unwrap(), Committed::Applied);
    server.kill();
    let file = server.folder().join("appendonlydir/appendonly.aof.1.incr.aof");
    let content = std::fs::read(&file).unwrap();
    let words: Vec<&str> = std::str::from_utf8(&content).unwrap().lines().collect();
    let commands = ["MULTI", "ZADD", "ZREM", "MSET", "UNLINK", "EXEC"];
    let written: Vec<&str> = words.iter().copied().filter(|word| commands.contains(word)).collect();
    assert_eq!(written, ["MULTI", "ZADD", "MSET", "EXEC", "MULTI", "ZADD", "ZREM", "MSET", "UNLINK", "EXEC"]);
    // A crash in the middle of the second: what is loaded is the first, whole.
    let cut = content.len() - b"*1\r\n$4\r\nEXEC\r\n".len();
    std::fs::write(&file, &content[..cut]).unwrap();
    server.restart();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let found = look(&store, 0, &["a", "b", "c"]).await.unwrap();
    let one = || Some(Bytes::from("1"));
    assert_eq!(found, Snapshot { marker: one(), blobs: vec![one(), one(), None] });
    assert_eq!(store.scan(&"v@1#00000000".into(), 0, None, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_cut_connection_is_told_once_and_then_made_again() {
    let server = RedisServer::start(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    for number in 1..4 {
        let expected = (number > 1).then(|| number - 1);
        assert_eq!(apply(&store, commit(0, expected, number, &[])).await.unwrap(), Committed::Applied);
        assert_ne!(server.say(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]), "0");
        let error = look(&store, 0, &[]).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
        assert_eq!(look(&store, 0, &[]).await.unwrap().marker, Some(number.to_string().into()));
    }
}

/// A port that stands for another one: `behind`, when a connection begins.
fn stands_for(behind: &Arc<AtomicU16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), Arc::clone(behind));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(("127.0.0.1", behind.load(Ordering::SeqCst))).unwrap();
            let ways = [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
            for (mut from, mut to) in ways {
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_became_a_replica_is_left_for_who_stands_there_now() {
    let (first, second) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let behind = Arc::new(AtomicU16::new(first.port()));
    let url = format!("redis://127.0.0.1:{}", stands_for(&behind));
    let store = RedisStore::connect(&url).await.unwrap();
    assert_eq!(apply(&store, commit(0, None, 1, &[("a", true)])).await.unwrap(), Committed::Applied);
    behind.store(second.port(), Ordering::SeqCst);
    first.say(&["REPLICAOF", "127.0.0.1", &second.port().to_string()]);
    let error = apply(&store, commit(0, Some(1), 2, &[("a", true)])).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }) && error.retry() == Retry::Later, "{error:?}");
    // The connection still stood. The next one reaches the new master, which has nothing yet.
    let answer = apply(&store, commit(0, Some(1), 2, &[("a", true)])).await.unwrap();
    assert_eq!(answer, Committed::Conflict(None));
    assert_eq!(apply(&store, commit(0, None, 3, &[("a", true)])).await.unwrap(), Committed::Applied);
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_told_to_it_again() {
    let server = RedisServer::start(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    for number in 1..4 {
        let commits = (0..3).map(|partition| {
            commit(partition, (number > 1).then(|| number - 1), number, &[("a", true), ("b", number == 2)])
        });
        let committed = store.commit(commits.collect(), Durability::Eventual).await.unwrap();
        assert_eq!(committed, vec![Committed::Applied; 3]);
        assert_eq!(server.say(&["SCRIPT", "FLUSH"]), "OK");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_told_within_the_timeout() {
    // A port that refuses, and one that takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (scheme, at) in
        [("redis", silent.local_addr().unwrap()), ("redis", closed), ("redis-cluster", closed)]
    {
        let url = format!("{scheme}://u:hunter2@{at}?timeout_ms=300");
        let told = tokio::time::timeout(Duration::from_mins(1), refused(&url));
        let error = told.await.expect("it does not hang");
        assert_eq!(error.retry(), Retry::Later, "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(&at.to_string()) && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_frozen_server_costs_a_call_its_timeout_and_no_more() {
    let server = RedisServer::start(&[]);
    let store = RedisStore::connect(&format!("{}?timeout_ms=1000", server.url())).await.unwrap();
    let process = server.process().unwrap().to_string();
    let signal =
        |name: &str| assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
    signal("-STOP");
    let error = apply(&store, commit(0, None, 1, &[("a", true)])).await.unwrap_err();
    assert!(matches!(error, StoreError::Timeout { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Later);
    signal("-CONT");
    // The commit may have been applied by now or not, but whole.
    wait_for("an answer", || server.say(&["PING"]).contains("PONG").then_some(()));
    let found = look(&store, 0, &["a"]).await.unwrap();
    assert_eq!(found.marker.is_some(), found.blobs[0].is_some(), "{found:?}");
}

#[tokio::test]
async fn a_key_of_somebody_else_is_told_before_anything_is_written() {
    let server = RedisServer::start(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    server.say(&["SET", "{v@1#00000000:0}#i", "not ours"]);
    let error = apply(&store, commit(0, None, 1, &[("a", true)])).await.unwrap_err();
    assert!(matches!(error, StoreError::Answer { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(look(&store, 0, &["a"]).await.unwrap(), Snapshot { marker: None, blobs: vec![None] });
}

#[tokio::test]
async fn a_slot_that_moves_takes_its_commits_along() {
    let cluster = RedisCluster::start(3);
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    assert_eq!(apply(&store, commit(0, None, 1, &[])).await.unwrap(), Committed::Applied);
    let slot = cluster.nodes[0].say(&["CLUSTER", "KEYSLOT", "{v@1#00000000:0}#m"]);
    let owner = 3 * slot.parse::<usize>().unwrap() / 16384;
    let (from, to) = (&cluster.nodes[owner], &cluster.nodes[(owner + 1) % 3]);
    let (from_id, to_id) = (from.say(&["CLUSTER", "MYID"]), to.say(&["CLUSTER", "MYID"]));
    assert_eq!(to.say(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]), "OK");
    assert_eq!(from.say(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]), "OK");
    let port = to.port().to_string();
    let moved = from.say(&["MIGRATE", "127.0.0.1", &port, "{v@1#00000000:0}#m", "0", "5000"]);
    assert_eq!(moved, "OK");
    // The keys are on the way: told, and nothing lost.
    let error = apply(&store, commit(0, Some(1), 2, &[("a", true)])).await.unwrap_err();
    assert!(matches!(error, StoreError::NotReady { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Later);
    for node in &cluster.nodes {
        assert_eq!(node.say(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]), "OK");
    }
    assert_eq!(apply(&store, commit(0, Some(1), 2, &[("a", true)])).await.unwrap(), Committed::Applied);
    assert_eq!(look(&store, 0, &["a"]).await.unwrap().blobs, [Some("2".into())]);
}
