//! Lookups, asked of the store that the workers fill, and each compared as it comes.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use feat_kernel::time::Instant;
use feat_serving::{Answer, Catalog, Inputs, LookupError, Service};
use feat_store::RedisStore;
use feat_tests::dice::Dice;
use feat_tests::oracle::spec::OracleSpec;
use feat_tests::read::project::{Project, batch, inputs_of};
use serde_json::{Map, Value as Json, json};
use tokio::runtime::Runtime;

use crate::judge::Judge;
use crate::records::Entities;
use crate::stamps::Stamps;
use crate::tally::Tally;
use crate::truth::Truth;

/// Before Redis is asked again when it did not answer.
const PAUSE: Duration = Duration::from_millis(10);

/// Differences that are told in full; the others are counted.
const TOLD: usize = 5;

/// What all who ask share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) tally: Tally,
    pub(crate) stamps: Stamps,
    pub(crate) truth: Arc<RwLock<Truth>>,
    /// The time of day in the log, in milliseconds.
    pub(crate) head: Arc<AtomicI64>,
    pub(crate) stop: Arc<AtomicBool>,
    /// Whether every partition of every view has had a marker: from then on there always is one.
    pub(crate) begun: Arc<AtomicBool>,
    pub(crate) differences: Arc<Mutex<Vec<String>>>,
}

impl Shared {
    /// Whether some answer differed.
    pub(crate) fn differs(&self) -> bool {
        self.tally.of("differ") > 0
    }
}

/// One who asks.
pub(crate) struct Asker {
    runtime: Runtime,
    catalog: Catalog,
    service: Arc<Service>,
    judge: Judge,
    dice: Dice,
    entities: Entities,
    shared: Shared,
}

impl Asker {
    /// Asks the Redis at `url`.
    pub(crate) fn new(
        project: &Project,
        spec: &OracleSpec,
        url: &str,
        dice: Dice,
        entities: Entities,
        shared: Shared,
    ) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|cause| cause.to_string())?;
        let store = runtime.block_on(RedisStore::connect(url)).map_err(|cause| cause.to_string())?;
        let catalog = Catalog::new(&project.plans, Arc::new(store));
        let service = catalog.service("everything").map_err(|cause| cause.to_string())?;
        let judge = Judge::new(spec, Arc::clone(&shared.truth));
        Ok(Self { runtime, catalog, service, judge, dice, entities, shared })
    }

    /// Asks and compares until it is told to stop.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        while !self.shared.stop.load(Ordering::Relaxed) {
            let request = self.request();
            let head = self.head();
            // An instant of one's own is refused where the values have left it behind.
            let at = self.dice.once_in(20).then(|| Instant(head + self.dice.between(hours(-6), hours(6))));
            self.ask(&request, at)?;
        }
        Ok(())
    }

    /// Every entity once, and whether each answer was one.
    pub(crate) fn ask_all(&mut self) -> Result<bool, String> {
        let mut answered = true;
        for at in 0..self.entities.users.max(self.entities.shops) {
            let (user, shop) = (at % self.entities.users, at % self.entities.shops);
            answered &= self.ask(&request(Some(user), Some(shop)), None)?;
        }
        Ok(answered)
    }

    fn request(&mut self) -> Map<String, Json> {
        let mut drawn = |most: i64| {
            // Sometimes one that nobody has heard of, or none.
            let any = self.dice.between(0, most + 2);
            (!self.dice.once_in(40)).then_some(any)
        };
        request(drawn(self.entities.users), drawn(self.entities.shops))
    }

    /// The time of day in the log, in microseconds.
    fn head(&self) -> i64 {
        self.shared.head.load(Ordering::Relaxed) * 1000
    }

    /// Asks one question; whether it was answered.
    fn ask(&mut self, request: &Map<String, Json>, at: Option<Instant>) -> Result<bool, String> {
        let row = batch(&inputs_of(self.service.plan()), std::slice::from_ref(request))?;
        let inputs =
            Inputs::from_batch(&self.service, &row, "the question").map_err(|cause| cause.to_string())?;
        // From before what is known, which is answered at the next instant after it, to long after.
        let head = self.head();
        let now = Instant(match self.dice.between(0, 4) {
            0 => i64::MIN,
            1 => head + self.dice.between(0, hours(80)),
            _ => head + self.dice.between(hours(-3), hours(12)),
        });
        match self.runtime.block_on(self.catalog.lookup(&self.service, &inputs, at, now)) {
            Ok(answer) => {
                self.compare(request, &answer);
                Ok(true)
            }
            Err(LookupError::TooEarly { .. }) => {
                self.shared.tally.count("lookups refused: too early");
                Ok(true)
            }
            Err(LookupError::Store(_)) => {
                self.shared.tally.count("lookups unanswered: no store");
                // Nothing tells when it is back.
                std::thread::park_timeout(PAUSE);
                Ok(false)
            }
            Err(LookupError::NotStreamed { .. }) if !self.shared.begun.load(Ordering::Relaxed) => {
                self.shared.tally.count("lookups unanswered: nothing streamed yet");
                std::thread::park_timeout(PAUSE);
                Ok(false)
            }
            Err(cause) => Err(format!("a lookup failed: {cause}")),
        }
    }

    fn compare(&mut self, request: &Map<String, Json>, answer: &Answer) {
        let Shared { tally, stamps, differences, .. } = &self.shared;
        stamps.note(answer);
        let found = self.judge.differences(request, answer);
        tally.count("compared");
        if answer.complete {
            tally.count("complete");
        }
        if !found.is_empty() {
            tally.count("differ");
            let mut told = differences.lock().unwrap_or_else(PoisonError::into_inner);
            let room = TOLD.saturating_sub(told.len());
            told.extend(found.into_iter().take(room));
        }
    }
}

/// Hours, in microseconds.
fn hours(hours: i64) -> i64 {
    hours * 3_600_000_000
}

fn request(user: Option<i64>, shop: Option<i64>) -> Map<String, Json> {
    let user = user.map_or(Json::Null, |user| json!(format!("u{user}")));
    Map::from_iter([("user_id".to_owned(), user), ("shop_id".to_owned(), json!(shop))])
}
