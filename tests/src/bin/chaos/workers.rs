//! The processes of `feat stream`: as many as one likes over the same views, coming and going.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use feat_tests::servers::{Process, wait_for};

use crate::tally::Tally;
use crate::world::SHARED;

/// A process of `feat stream`.
struct Worker {
    number: u64,
    process: Process,
    said: PathBuf,
}

/// Those that run.
pub(crate) struct Workers {
    feat: PathBuf,
    folder: PathBuf,
    running: Vec<Worker>,
    started: u64,
    tally: Tally,
}

impl Workers {
    /// None yet, of the program `feat` in the project's folder.
    pub(crate) fn new(feat: PathBuf, folder: &Path, tally: Tally) -> Self {
        Self { feat, folder: folder.to_owned(), running: Vec::new(), started: 0, tally }
    }

    /// How many run, stopped ones among them.
    pub(crate) fn count(&self) -> usize {
        self.running.len()
    }

    /// Starts another, which is the last; `threads` share its partitions.
    pub(crate) fn start(&mut self, threads: i64) {
        self.started += 1;
        let said = self.folder.join(format!("said-{}", self.started));
        let errors = File::create(&said).expect("a file in the project's folder");
        let mut command = Command::new(&self.feat);
        command.args(["stream", "--workers", &threads.to_string()]).current_dir(&self.folder);
        // Some keep a share of the views, others all of them, so that two are at the same partition often.
        if self.started.is_multiple_of(2) {
            command.args(["--profile", SHARED]);
        }
        let process = Process::spawn(command.stdout(Stdio::null()).stderr(errors), &self.folder);
        self.running.push(Worker { number: self.started, process, said });
    }

    /// The number of the one at a place, by which it is found again when others have come and gone.
    pub(crate) fn number(&self, at: usize) -> u64 {
        self.running[at].number
    }

    /// Ends one, as `kill -9` does.
    pub(crate) fn kill(&mut self, number: u64) {
        drop(self.take(number));
    }

    /// Asks one to end, and waits until it has.
    pub(crate) fn end(&mut self, number: u64) {
        if let Some(mut worker) = self.take(number) {
            worker.process.signal("TERM");
            wait_for("a worker that was asked to end", || worker.process.ended());
        }
    }

    /// Sends one a signal.
    pub(crate) fn signal(&self, number: u64, signal: &str) {
        let found = self.running.iter().find(|worker| worker.number == number);
        if let Some(worker) = found {
            worker.process.signal(signal);
        }
    }

    fn take(&mut self, number: u64) -> Option<Worker> {
        let at = self.running.iter().position(|worker| worker.number == number)?;
        Some(self.running.swap_remove(at))
    }

    /// Takes away those that ended by themselves, and starts others until there are `count`, as
    /// whoever runs services does. What the last words of the ended were is counted.
    pub(crate) fn keep(&mut self, count: usize, threads: i64) {
        let (tally, mut ended) = (&self.tally, Vec::new());
        self.running.retain_mut(|worker| {
            let gone = worker.process.ended();
            ended.extend(
                gone.map(|status| format!("worker ended by itself, {status}: {}", last_words(&worker.said))),
            );
            gone.is_none()
        });
        for words in &ended {
            tally.count(words);
        }
        while self.running.len() < count {
            self.start(threads);
        }
    }
}

/// The lines behind the last `error`, or the last line.
fn last_words(said: &Path) -> String {
    let text = fs::read_to_string(said).unwrap_or_default();
    let from = text.rfind("error:").unwrap_or(0);
    text[from..].lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
