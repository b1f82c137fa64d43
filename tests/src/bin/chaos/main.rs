//! Everything that can go wrong with workers, Redis, Kafka and records, at once and again and again, while
//! lookups are compared with the definition.
//!
//! ```text
//!  Records ──Writer──► Kafka ──► workers: `feat stream` ──Proxy──► Redis
//!     │                  ▲              ▲                   ▲        ▲  │
//!     │                  └──────────────┴───── Faults ──────┴────────┘  │
//!     └──Truth──► Judge ◄─────────────── lookup, its stamp ─────────────┘
//! ```
//!
//! An answer names the prefix of the log from which it was computed and the instant for which it holds:
//! the definition is asked for the same, over the records as they were written. At the end all faults
//! cease, the workers catch up, and every entity is compared once more.
//!
//! The seed decides the records and the order of the faults; when they hit is chance. `tests/chaos` builds
//! this and runs it.
#![expect(clippy::print_stdout, reason = "what was found out is said")]

mod faults;
mod judge;
mod lookups;
mod proxy;
mod records;
mod report;
mod stamps;
mod tally;
mod truth;
mod workers;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use feat_tests::dice::Dice;
use feat_tests::servers::kafka::{KafkaBroker, Options};
use feat_tests::servers::redis::RedisServer;

use faults::Faults;
use lookups::{Asker, Shared};
use proxy::Proxy;
use records::{Entities, Records, TOPICS};
use stamps::Stamps;
use tally::Tally;
use truth::Truth;
use workers::Workers;
use world::Writer;

/// Records a minute.
const RECORDS: f64 = 6000.0;

/// Users and shops a minute, so that an entity has as many rows in a long run as in a short one.
const USERS: f64 = 60.0;
const SHOPS: f64 = 30.0;

/// How long the workers may take to read what is left.
const CATCH_UP: Duration = Duration::from_mins(1);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((minutes, seed)) = arguments(&words) else {
        println!("usage: chaos [--minutes N] [--seed S]");
        return ExitCode::from(2);
    };
    // A server that does not start panics; what it leaves behind is cleared away as the thread unwinds.
    match thread::spawn(move || run(minutes, seed)).join() {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Err(cause)) => {
            println!("chaos: {cause}");
            ExitCode::FAILURE
        }
        Ok(Ok(false)) | Err(_) => ExitCode::FAILURE,
    }
}

fn arguments(words: &[String]) -> Option<(f64, u64)> {
    let (mut minutes, mut seed) = (2.0, 1);
    for pair in words.chunks(2) {
        match pair {
            [name, value] if name == "--minutes" => {
                minutes = value.parse().ok().filter(|minutes| *minutes > 0.0)?;
            }
            [name, value] if name == "--seed" => seed = value.parse().ok()?,
            _ => return None,
        }
    }
    Some((minutes, seed))
}

/// Whether nothing differed.
fn run(minutes: f64, seed: u64) -> Result<bool, String> {
    println!("chaos: {minutes} minutes, seed {seed}");
    let time = Duration::from_secs_f64(minutes * 60.0);
    let count = (RECORDS * minutes) as i64;
    let entities = Entities { users: (USERS * minutes) as i64 + 8, shops: (SHOPS * minutes) as i64 + 4 };
    let spec = world::spec();
    let tally = Tally::default();
    let shared = Shared {
        tally: tally.clone(),
        stamps: Stamps::default(),
        truth: Arc::new(RwLock::new(Truth::new(&spec))),
        head: Arc::new(AtomicI64::new(0)),
        stop: Arc::new(AtomicBool::new(false)),
        begun: Arc::new(AtomicBool::new(false)),
        differences: Arc::new(Mutex::new(Vec::new())),
    };

    let broker = KafkaBroker::start(Options::default());
    for (topic, partitions, _) in TOPICS {
        // The records are old, and Kafka deletes by their timestamps unless it is told not to.
        broker.create_topic(topic, partitions as i32, &[("retention.ms", "-1")]);
    }
    let redis = RedisServer::start(&[]);
    let proxy = Proxy::start(redis.port(), tally.clone());
    let folder = tempfile::tempdir().map_err(|cause| cause.to_string())?;
    let project = world::project(&spec, folder.path(), &broker.bootstrap(), proxy.port())?;
    let workers = Workers::new(binary()?, folder.path(), tally.clone());
    let writer =
        Writer::new(&broker, Records::new(Dice::new(seed), entities, count, tally.clone()), shared.clone())?;
    let asker = |salt| {
        let url = format!("{}?timeout_ms=1000", redis.url());
        Asker::new(&project, &spec, &url, Dice::new(seed ^ salt), entities, shared.clone())
    };
    let (mut live, mut last) = (asker(0x11fe)?, asker(0x1a57)?);
    let mut faults =
        Faults::new(broker, redis, proxy, workers, writer.pen(), Dice::new(seed ^ 0xfa17), shared.clone());

    let written = Arc::new(AtomicBool::new(false));
    let outcome: Result<(), String> = thread::scope(|scope| {
        // However this ends, the others end as well.
        let _ends = Ends(&shared.stop, &written);
        let stop = &shared.stop;
        let asking = scope.spawn(move || {
            let outcome = live.run();
            stop.store(true, Ordering::Relaxed);
            outcome
        });
        let written = &written;
        let writing = scope.spawn(move || writer.run(count, time, written));
        let begun = faults.begin(&mut last);
        let done = begun.and_then(|()| faults.run(Instant::now() + time));
        faults.end();
        written.store(true, Ordering::Relaxed);
        let wrote = writing.join().map_err(|_| "the writer panicked".to_owned())?;
        let caught_up = done.and(wrote).and_then(|()| {
            println!("chaos: all faults have ended; the workers catch up");
            catch_up(&mut faults, &mut last, &shared)
        });
        stop.store(true, Ordering::Relaxed);
        asking.join().map_err(|_| "who asks panicked".to_owned())?.and(caught_up)
    });
    let letters =
        if outcome.is_ok() && !shared.differs() { Some(world::letters(&faults.broker)?) } else { None };
    Ok(report::tell(&shared, minutes, letters, outcome))
}

/// Waits until the answers of all partitions include every record, then compares every entity.
fn catch_up(faults: &mut Faults, last: &mut Asker, shared: &Shared) -> Result<(), String> {
    let ends = || -> Vec<(String, u64)> {
        let truth = shared.truth.read().expect("nobody panicked");
        let log = |topic: usize| {
            let ends = truth.ends(topic).into_iter().enumerate();
            ends.map(move |(partition, end)| (format!("kafka:{}/{partition}", TOPICS[topic].0), end))
        };
        (0..TOPICS.len()).flat_map(log).collect()
    };
    let mut failed = None;
    faults.wait("the workers to catch up", CATCH_UP, |_| {
        failed = last.ask_all().err();
        let reached = shared.stamps.positions();
        failed.is_some() || ends().iter().all(|(log, end)| reached.get(log) == Some(end))
    })?;
    if let Some(cause) = failed {
        return Err(cause);
    }
    if last.ask_all()? { Ok(()) } else { Err("Redis did not answer once all faults had ended".to_owned()) }
}

/// Ends those who go on until they are told.
struct Ends<'a>(&'a AtomicBool, &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.store(true, Ordering::Relaxed);
    }
}

/// The program `feat`, which is built beside this one.
fn binary() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|cause| cause.to_string())?;
    let feat = here.with_file_name("feat");
    if feat.is_file() { Ok(feat) } else { Err(format!("{} is not there: build it first", feat.display())) }
}
