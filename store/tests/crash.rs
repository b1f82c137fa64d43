//! `kill -9` at random moments: what is left is the state of exactly one marker.
//!
//! The program starts itself again as a process that commits in a loop and prints what the store
//! acknowledged; kills it, opens the store, and compares every byte with the state of the marker that
//! it finds. The marker must not lie before the last durable commit that was acknowledged, nor more
//! than one after the last commit that was.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that is a test: it fails by panicking and reports on its output"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use feat_store::{Bytes, Commit, Committed, Durability, EmbeddedStore, Read, Store, ViewId};

const FOLDER: &str = "FEAT_STORE_CRASH_FOLDER";
const ROUNDS: u64 = 25;
const PARTITIONS: u64 = 3;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(folder) = std::env::var_os(FOLDER) {
        runtime.block_on(commit_for_ever(Path::new(&folder)));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut commits, mut lost) = (0, 0);
    for round in 0..ROUNDS {
        let acknowledged = kill_after(folder.path(), Duration::from_millis(20 + random(round) % 120));
        let (found, lost_now) = runtime.block_on(compare(folder.path(), &acknowledged));
        commits = found;
        lost += lost_now;
    }
    assert!(commits > 10 * ROUNDS, "only {commits} commits: the test tested nothing");
    println!("crash: {ROUNDS} kills, {commits} commits, {lost} of them lost from the end, none torn");
}

/// What the store acknowledged of one partition.
#[derive(Clone, Copy, Debug, Default)]
struct Acknowledged {
    any: u64,
    durable: u64,
}

fn view() -> ViewId {
    "crash@1#00000000".into()
}

fn random(seed: u64) -> u64 {
    let x = (seed.wrapping_add(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x ^ (x >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 20
}

/// The writes of commit `number`: a function of the number alone, so that any state can be made again.
fn writes(number: u64) -> Vec<(Bytes, Option<Bytes>)> {
    let write = |at: u64| {
        let dice = random(number * 31 + at);
        let key = Bytes::from(vec![1, (dice % 40) as u8]);
        let blob = Bytes::from(format!("{number}-{at}-").repeat(1 + (dice >> 8) as usize % 300));
        (key, (!(dice >> 20).is_multiple_of(4)).then_some(blob))
    };
    (0..random(number) % 12).map(write).collect()
}

async fn number(store: &dyn Store, partition: u64) -> u64 {
    let read = Read { view: view(), partition: partition as u32, keys: vec![] };
    let marker = store.read(vec![read]).await.unwrap().remove(0).marker;
    marker.map_or(0, |marker| std::str::from_utf8(&marker).unwrap().parse().unwrap())
}

async fn commit_for_ever(folder: &Path) {
    let store = std::sync::Arc::new(EmbeddedStore::open(folder).unwrap());
    let writer = |partition: u64| {
        let store = std::sync::Arc::clone(&store);
        async move {
            let mut last = number(&*store, partition).await;
            loop {
                let next = last + 1;
                let durable = random(next).is_multiple_of(3);
                let commit = Commit {
                    view: view(),
                    partition: partition as u32,
                    expected: (last > 0).then(|| last.to_string().into()),
                    marker: next.to_string().into(),
                    writes: writes(next),
                };
                let durability = if durable { Durability::Durable } else { Durability::Eventual };
                assert_eq!(store.commit(vec![commit], durability).await.unwrap(), [Committed::Applied]);
                let mut out = std::io::stdout().lock();
                writeln!(out, "{partition} {next} {durable}").unwrap();
                out.flush().unwrap();
                last = next;
            }
        }
    };
    tokio::join!(writer(0), writer(1), writer(2));
}

/// Lets a process commit for `length` after its first acknowledgement, then kills it.
fn kill_after(folder: &Path, length: Duration) -> Vec<Acknowledged> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = vec![Acknowledged::default(); PARTITIONS as usize];
    let mut take = |line: String| {
        let mut words = line.split(' ');
        let (Some(partition), Some(number), Some(durable)) = (words.next(), words.next(), words.next())
        else {
            return;
        };
        let number = number.parse().unwrap();
        let entry = &mut acknowledged[partition.parse::<usize>().unwrap()];
        entry.any = number;
        // The kill may cut the last word short.
        if durable == "true" {
            entry.durable = number;
        }
    };
    take(lines.next().expect("the process printed nothing").unwrap());
    let killer = std::thread::spawn(move || {
        let (_keep, wait) = std::sync::mpsc::channel::<()>();
        let _ = wait.recv_timeout(length);
        child.kill().unwrap();
        child.wait().unwrap();
    });
    lines.map_while(Result::ok).for_each(take);
    killer.join().unwrap();
    acknowledged
}

/// Compares what is in the store with the state of the markers in it; the sum of their numbers, and of
/// the acknowledged commits that a crash was allowed to lose.
async fn compare(folder: &Path, acknowledged: &[Acknowledged]) -> (u64, u64) {
    let store = EmbeddedStore::open(folder).unwrap();
    let (mut sum, mut lost) = (0, 0);
    for (partition, acknowledged) in acknowledged.iter().enumerate() {
        let found = number(&store, partition as u64).await;
        let allowed = acknowledged.durable..=acknowledged.any + 1;
        assert!(acknowledged.any == 0 || allowed.contains(&found), "{found} is none of {acknowledged:?}");
        let mut state = BTreeMap::new();
        for (key, blob) in (1..=found).flat_map(writes) {
            match blob {
                Some(blob) => state.insert(key, blob),
                None => state.remove(&key),
            };
        }
        let kept = store.scan(&view(), partition as u32, None, 1000).await.unwrap();
        assert!(kept.iter().eq(state.iter().map(|(a, b)| (a.clone(), b.clone())).collect::<Vec<_>>().iter()));
        sum += found;
        lost += acknowledged.any.saturating_sub(found);
    }
    (sum, lost)
}
