//! The faults: in what order they come, and how each is done.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use feat_tests::dice::Dice;
use feat_tests::servers::kafka::KafkaBroker;
use feat_tests::servers::redis::RedisServer;

use crate::lookups::{Asker, Shared};
use crate::proxy::{Cut, Proxy};
use crate::workers::Workers;
use crate::world::Pen;

/// How many workers there are between faults: each does the work of all, so each is a rival.
const WORKERS: usize = 2;

/// How many a storm brings.
const STORM: usize = 8;

/// How many dumps are kept to go back to.
const DUMPS: usize = 6;

/// How long the answers may take to move on after a fault. A broker takes seconds to come back.
const MOVES_WITHIN: Duration = Duration::from_secs(40);

/// How far the positions must move, over all partitions of all views, before the next fault: a third of a
/// second's records, some commits of each worker.
const MOVE: u64 = 500;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill,
    Zombie,
    OlderDump,
    Cut(Cut),
    Broker,
    Storm,
}

impl Fault {
    /// Each kind, with how often it comes in a round.
    pub(crate) const ALL: [(Self, usize); 8] = [
        (Self::Kill, 3),
        (Self::Zombie, 3),
        (Self::OlderDump, 2),
        (Self::Cut(Cut::AnswerLost), 3),
        (Self::Cut(Cut::InFlight), 2),
        (Self::Cut(Cut::Late), 3),
        (Self::Broker, 1),
        (Self::Storm, 1),
    ];

    /// What the tally calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "workers killed (kill -9)",
            Self::Zombie => "workers stopped and continued (SIGSTOP, SIGCONT)",
            Self::OlderDump => "Redis killed and restarted from an older dump",
            Self::Cut(cut) => cut.name(),
            Self::Broker => "broker killed and restarted",
            Self::Storm => "rebalance storms, 1 to 8 workers and back",
        }
    }

    /// A round of them, in an order of its own.
    fn round(dice: &mut Dice) -> Vec<Self> {
        let mut round: Vec<Self> =
            Self::ALL.iter().flat_map(|(fault, times)| std::iter::repeat_n(*fault, *times)).collect();
        dice.shuffle(&mut round);
        round
    }
}

/// Everything that can be broken.
pub(crate) struct Faults {
    pub(crate) broker: KafkaBroker,
    pub(crate) redis: RedisServer,
    pub(crate) proxy: Proxy,
    pub(crate) workers: Workers,
    pen: Pen,
    /// Decides the order of the faults, and nothing else: how much is drawn otherwise depends on how
    /// long things take.
    plan: Dice,
    dice: Dice,
    /// The latest last.
    dumps: VecDeque<Vec<u8>>,
    shared: Shared,
}

impl Faults {
    pub(crate) fn new(
        broker: KafkaBroker,
        redis: RedisServer,
        proxy: Proxy,
        workers: Workers,
        pen: Pen,
        dice: Dice,
        shared: Shared,
    ) -> Self {
        let plan = dice.clone();
        Self { broker, redis, proxy, workers, pen, plan, dice, dumps: VecDeque::new(), shared }
    }

    /// Starts the workers and waits until every entity is answered.
    pub(crate) fn begin(&mut self, asker: &mut Asker) -> Result<(), String> {
        let mut failed = None;
        self.wait("the first answers", MOVES_WITHIN, |_| {
            let answered = asker.ask_all();
            answered.unwrap_or_else(|cause| {
                failed = Some(cause);
                true
            })
        })?;
        self.shared.begun.store(true, Ordering::Relaxed);
        failed.map_or(Ok(()), Err)
    }

    /// One fault after the other until `until`, and each kind at least once. Ends early with the first
    /// difference.
    pub(crate) fn run(&mut self, until: Instant) -> Result<(), String> {
        loop {
            for fault in Fault::round(&mut self.plan) {
                let late = Instant::now() >= until;
                let lacks = |(kind, _): &(Fault, usize)| self.shared.tally.of(kind.name()) == 0;
                if self.shared.differs() || (late && !Fault::ALL.iter().any(lacks)) {
                    return Ok(());
                }
                if late && self.shared.tally.of(fault.name()) > 0 {
                    continue;
                }
                self.dump();
                self.inject(fault)?;
                self.keep();
                self.moves(MOVE)?;
            }
        }
    }

    /// Ends all faults: what was stopped goes on, what is held is delivered.
    pub(crate) fn end(&mut self) {
        self.proxy.release();
        self.keep();
    }

    /// Starts workers until there are as many as there should be.
    pub(crate) fn keep(&mut self) {
        let threads = self.dice.between(1, 5);
        self.workers.keep(WORKERS, threads);
    }

    fn dump(&mut self) {
        self.dumps.push_back(self.redis.dump());
        if self.dumps.len() > DUMPS {
            self.dumps.pop_front();
        }
    }

    fn inject(&mut self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::Kill => {
                let number = self.any_worker();
                self.workers.kill(number);
            }
            Fault::Zombie => self.zombie()?,
            Fault::OlderDump => {
                let older = self.dice.between(0, self.dumps.len() as i64) as usize;
                if self.dice.once_in(2) {
                    self.away()?;
                }
                self.redis.restart_from(&self.dumps[older]);
            }
            Fault::Cut(cut) => return self.cut(cut),
            Fault::Broker => self.pen.put_down(|| self.broker.restart())?,
            Fault::Storm => self.storm()?,
        }
        self.shared.tally.count(fault.name());
        Ok(())
    }

    /// Redis stays away until that was noticed.
    fn away(&mut self) -> Result<(), String> {
        let tally = self.shared.tally.clone();
        let before = tally.of("lookups unanswered: no store");
        self.redis.kill();
        self.wait("lookups without a store", MOVES_WITHIN, |_| {
            tally.of("lookups unanswered: no store") > before + 20
        })
    }

    /// One worker is stopped wherever it stands, another works on, then the first goes on as if nothing
    /// had been.
    fn zombie(&mut self) -> Result<(), String> {
        let number = self.any_worker();
        self.workers.signal(number, "STOP");
        let threads = self.dice.between(1, 9);
        self.workers.start(threads);
        let moved = self.moves(MOVE);
        self.workers.signal(number, "CONT");
        moved?;
        // It is found out while it is still there.
        self.moves(MOVE)?;
        let number = self.any_worker();
        self.workers.kill(number);
        Ok(())
    }

    fn cut(&mut self, cut: Cut) -> Result<(), String> {
        let tally = self.shared.tally.clone();
        let before = tally.of(cut.name());
        self.proxy.arm(cut);
        if cut == Cut::Late {
            let proxy = self.proxy.clone();
            self.wait("a commit to hold", MOVES_WITHIN, |_| proxy.holds())?;
            // Others go past it.
            self.moves(MOVE)?;
            self.proxy.release();
            return Ok(());
        }
        self.wait("a commit to cut", MOVES_WITHIN, |_| tally.of(cut.name()) > before)
    }

    /// Workers come until there are many, and go until few are left, killed or asked to.
    fn storm(&mut self) -> Result<(), String> {
        while self.workers.count() < STORM {
            let threads = self.dice.between(1, 9);
            self.workers.start(threads);
            if self.dice.once_in(3) {
                self.moves(1)?;
            }
        }
        self.moves(MOVE)?;
        while self.workers.count() > 1 {
            let number = self.any_worker();
            if self.dice.once_in(2) {
                self.workers.kill(number);
            } else {
                self.workers.end(number);
            }
        }
        Ok(())
    }

    /// The number of some worker.
    fn any_worker(&mut self) -> u64 {
        self.workers.number(self.dice.between(0, self.workers.count() as i64) as usize)
    }

    /// Waits until answers have moved on by so many positions, whatever else happens.
    fn moves(&mut self, by: u64) -> Result<(), String> {
        let stamps = self.shared.stamps.clone();
        let before = stamps.advanced();
        self.wait("answers to move on", MOVES_WITHIN, |_| stamps.advanced() >= before + by)
    }

    /// Waits for a condition, or for the end of everything. Workers that end by themselves come again.
    pub(crate) fn wait(
        &mut self,
        what: &str,
        within: Duration,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), String> {
        let start = Instant::now();
        while !done(self) && !self.shared.differs() {
            if start.elapsed() > within {
                return Err(format!("waited {within:?} for {what}; {:?}", self.shared.stamps.positions()));
            }
            if self.shared.stop.load(Ordering::Relaxed) {
                return Err(format!("somebody gave up while the faults waited for {what}"));
            }
            self.keep();
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(())
    }
}
