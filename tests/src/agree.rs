//! Comparing readings with the definition: one project, all its readings, the first difference named.

use std::collections::BTreeMap;
use std::sync::Arc;

use feat_batch::Session;
use feat_store::{EmbeddedStore, MemoryStore, Store};
use serde_json::{Map, Value as Json};

use crate::dice::Dice;
use crate::oracle::time::instant_text;
use crate::oracle::value::Val;
use crate::oracle::{Answers, Oracle};
use crate::read::batch::{self, Line};
use crate::read::online::{Asked, Looked, Online};
use crate::read::project::{Project, Rows};

/// One question: inputs, and an instant in microseconds.
pub type Question = (Map<String, Json>, i64);

/// A difference in words: reading, key, instant, feature, both values, seed.
pub type Differs = String;

/// A specification, its rows and questions, to be read in every way.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What messages call it: a case or a seed.
    pub name: String,
    /// What decides stops, restarts and shuffles.
    pub seed: u64,
    /// The text.
    pub text: String,
    /// Rows by source.
    pub rows: Rows,
    /// The definition over the same rows.
    pub oracle: Oracle,
    /// What is asked.
    pub questions: Vec<Question>,
    /// What the dataset's spine asks, where there is one.
    pub spine: Vec<Question>,
}

/// How many values agreed, by reading.
#[derive(Clone, Debug, Default)]
pub struct Agreed {
    /// Values compared, by reading.
    pub by_reading: BTreeMap<&'static str, u64>,
    /// Answers of sketches: readings must agree among each other, so each value is kept by what was
    /// asked.
    sketches: BTreeMap<String, String>,
}

impl Agreed {
    /// How many values were compared.
    pub fn values(&self) -> u64 {
        self.by_reading.values().sum()
    }

    /// Adds the counts of another subject.
    pub fn add(&mut self, other: &Self) {
        for (reading, values) in &other.by_reading {
            *self.by_reading.entry(reading).or_default() += values;
        }
    }
}

impl Subject {
    /// Reads it in every way.
    ///
    /// Errors: the first difference, or whatever an engine stumbles over.
    pub async fn compare(&self, session: &Session) -> Result<Agreed, Differs> {
        let project = Project::new(&self.text, &self.rows).map_err(|cause| self.named("compiler", &cause))?;
        let mut agreed = Agreed::default();
        let mut dice = Dice::new(self.seed ^ 0xa9ee);
        self.batch(session, &project, &mut dice, &mut agreed).await?;
        self.stream(session, &project, &mut dice, &mut agreed).await?;
        self.shuffled(session, &mut dice, &mut agreed).await?;
        self.doubled(session, &mut dice, &mut agreed).await?;
        Ok(agreed)
    }

    /// Batch over the whole log, and over the first rows of one source's.
    async fn batch(
        &self,
        session: &Session,
        project: &Project,
        dice: &mut Dice,
        agreed: &mut Agreed,
    ) -> Result<(), Differs> {
        const READING: &str = "batch";
        let failed = |cause: String| self.named(READING, &cause);
        let whole = batch::service(session, project, &self.questions, None).await.map_err(failed)?;
        self.lines(READING, &whole, None, agreed)?;
        for source in self.logs() {
            let rows = dice.between(0, self.oracle.log(&source).len() as i64 + 1) as usize;
            let prefix = Some((source.as_str(), rows));
            let lines = batch::service(session, project, &self.questions, prefix).await.map_err(failed)?;
            self.lines("batch of a prefix", &lines, prefix, agreed)?;
        }
        if project.plans.datasets.is_empty() {
            return Ok(());
        }
        let lines = batch::dataset(session, project).await.map_err(failed)?;
        let questions = self.spine.iter();
        let wanted: Vec<_> =
            questions.filter_map(|(inputs, t)| Some((inputs, *t, self.oracle.labels(inputs, *t)?))).collect();
        if wanted.len() != lines.len() {
            return Err(failed(format!("the dataset has {} rows, not {}", lines.len(), wanted.len())));
        }
        for ((inputs, t, labels), (at, line)) in wanted.into_iter().zip(&lines) {
            if t != *at {
                return Err(failed(format!(
                    "the dataset has a row at {}, not {}",
                    instant_text(*at),
                    instant_text(t)
                )));
            }
            let mut want = self.oracle.answer(inputs, t, &BTreeMap::new());
            want.extend(labels);
            self.line("dataset", &(inputs.clone(), t), &want, line, "", agreed)?;
        }
        Ok(())
    }

    /// Stream and lookup: stops at random rows, each run with other workers, questions between.
    async fn stream(
        &self,
        session: &Session,
        project: &Project,
        dice: &mut Dice,
        agreed: &mut Agreed,
    ) -> Result<(), Differs> {
        let folder = tempfile::tempdir().map_err(|cause| cause.to_string())?;
        let (reading, store): (_, Arc<dyn Store>) = if dice.once_in(4) {
            let store = EmbeddedStore::open(folder.path()).map_err(|cause| cause.to_string())?;
            ("stream (stopped and restarted, embedded store)", Arc::new(store))
        } else {
            ("stream (stopped and restarted)", Arc::new(MemoryStore::default()))
        };
        let failed = |cause: String| self.named(reading, &cause);
        let online = Online::new(session, project.clone(), store, dice).await.map_err(failed)?;
        let sources = self.logs();
        let stop = |dice: &mut Dice| {
            let log = self.oracle.log(dice.pick::<String>(&sources));
            let more_to_come = |rows: &usize| log.clock(*rows) == log.clock(rows + 1);
            let ties: Vec<usize> = (1..log.len()).filter(more_to_come).collect();
            // Between rows that become known together: the clock stands where more is still to come.
            let rows = if ties.is_empty() || dice.once_in(2) {
                dice.between(1, log.len() as i64 + 1)
            } else {
                *dice.pick(&ties) as i64
            };
            rows as u64
        };
        let mut stops: Vec<u64> = (0..3).map(|_| stop(dice)).collect();
        stops.sort_unstable();
        for until in stops.into_iter().map(Some).chain([None]) {
            let (workers, keys) = (dice.between(1, 4) as usize, dice.between(1, 4) as usize);
            online.read(until, workers, keys).await.map_err(failed)?;
            self.asked(reading, &online, until, dice, agreed).await?;
        }
        Ok(())
    }

    /// Rows that become known together arrive in another order: nothing may change.
    async fn shuffled(&self, session: &Session, dice: &mut Dice, agreed: &mut Agreed) -> Result<(), Differs> {
        const READING: &str = "stream (equal-known rows shuffled)";
        let failed = |cause: String| self.named(READING, &cause);
        let mut rows = self.rows.clone();
        // The log is in known order whatever the file's, so this moves rows among equals only. A row
        // whose known cannot be read would move as well, but it counts nowhere.
        for source in self.logs() {
            dice.shuffle(rows.entry(source).or_default());
        }
        let project = Project::new(&self.text, &rows).map_err(failed)?;
        let online =
            Online::new(session, project, Arc::new(MemoryStore::default()), dice).await.map_err(failed)?;
        online.read(None, 2, 512).await.map_err(failed)?;
        self.asked(READING, &online, None, dice, agreed).await
    }

    /// Every event is in the log twice. What is one event by its id counts once; the rest is another
    /// log, of which the definition says what it is.
    async fn doubled(&self, session: &Session, dice: &mut Dice, agreed: &mut Agreed) -> Result<(), Differs> {
        const READING: &str = "stream (each event twice)";
        let mut rows = self.rows.clone();
        for source in self.logs() {
            let log = rows.entry(source).or_default();
            *log = log.iter().flat_map(|row| [row.clone(), row.clone()]).collect();
        }
        let twice = Self { oracle: Oracle::new(self.oracle.spec().clone(), &rows), rows, ..self.clone() };
        let failed = |cause: String| self.named(READING, &cause);
        let project = Project::new(&twice.text, &twice.rows).map_err(failed)?;
        let online =
            Online::new(session, project, Arc::new(MemoryStore::default()), dice).await.map_err(failed)?;
        online.read(None, 1, 512).await.map_err(failed)?;
        twice.asked(READING, &online, None, dice, agreed).await
    }

    /// Asks every question of the store as it stands after `until` rows of each log.
    async fn asked(
        &self,
        reading: &'static str,
        online: &Online,
        until: Option<u64>,
        dice: &mut Dice,
        agreed: &mut Agreed,
    ) -> Result<(), Differs> {
        let mut prefix = BTreeMap::new();
        let mut clock = i64::MIN;
        for source in self.logs() {
            let rows = until.map_or(usize::MAX, |until| until as usize).min(self.oracle.log(&source).len());
            if online.clock(&source, rows as u64) != self.oracle.log(&source).clock(rows) {
                return Err(
                    self.named(reading, &format!("the clock of `{source}` after {rows} rows is another"))
                );
            }
            clock = clock.max(self.oracle.log(&source).clock(rows));
            prefix.insert(source, rows);
        }
        for question in &self.questions {
            let (at, now) = match dice.between(0, 5) {
                // A static table has no clock: its rows are there at every instant that is asked.
                _ if clock == i64::MIN => (Some(question.1), 0),
                0 => (None, clock + dice.between(0, 3)),
                1..=2 => (Some(clock), 0),
                _ => (Some(question.1), 0),
            };
            let asked =
                online.ask(&question.0, at, now).await.map_err(|cause| self.named(reading, &cause))?;
            let Asked::Answer { values, complete, at } = asked else {
                if let Some(at) = at.filter(|at| *at > clock) {
                    return Err(self.named(reading, &format!("{} is refused", instant_text(at))));
                }
                continue;
            };
            let question = (question.0.clone(), at);
            let after = until.map_or(String::new(), |until| format!(" after {until} rows"));
            let want = self.oracle.answer(&question.0, at, &prefix);
            self.looked(reading, &question, &want, &values, &after, agreed)?;
            if complete {
                let want = self.oracle.answer(&question.0, at, &BTreeMap::new());
                self.looked("complete lookup", &question, &want, &values, &after, agreed)?;
            }
        }
        Ok(())
    }

    /// The sources that groups read and that have a log.
    fn logs(&self) -> Vec<String> {
        let spec = self.oracle.spec();
        let mut logs: Vec<String> = spec.groups.iter().map(|group| group.source.clone()).collect();
        logs.sort();
        logs.dedup();
        logs
    }

    fn lines(
        &self,
        reading: &'static str,
        lines: &[Line],
        prefix: Option<(&str, usize)>,
        agreed: &mut Agreed,
    ) -> Result<(), Differs> {
        if lines.len() != self.questions.len() {
            return Err(self.named(reading, &format!("{} rows of {}", lines.len(), self.questions.len())));
        }
        let rows = prefix.map(|(source, rows)| (source.to_owned(), rows)).into_iter().collect();
        let of = prefix.map_or(String::new(), |(_, rows)| format!(" of the first {rows} rows"));
        for (question, line) in self.questions.iter().zip(lines) {
            let want = self.oracle.answer(&question.0, question.1, &rows);
            self.line(reading, question, &want, line, &of, agreed)?;
        }
        Ok(())
    }

    fn line(
        &self,
        reading: &'static str,
        question: &Question,
        want: &Answers,
        line: &Line,
        of: &str,
        agreed: &mut Agreed,
    ) -> Result<(), Differs> {
        let values: Looked =
            line.iter().map(|(name, value)| (name.clone(), value.clone(), String::new())).collect();
        self.looked(reading, question, want, &values, of, agreed)
    }

    /// Compares one answer; an empty status is not compared.
    fn looked(
        &self,
        reading: &'static str,
        question: &Question,
        want: &Answers,
        got: &Looked,
        of: &str,
        agreed: &mut Agreed,
    ) -> Result<(), Differs> {
        let (inputs, at) = question;
        let place = |name: &str| {
            let keys: Vec<String> = inputs.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{name} of {{{}}} at {}{of}", keys.join(", "), instant_text(*at))
        };
        let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>().join(", ");
        let (wanted, found) =
            (want.iter().map(|(name, _)| name).collect(), got.iter().map(|(name, ..)| name).collect());
        let (wanted, found): (Vec<&String>, Vec<&String>) = (wanted, found);
        if wanted != found {
            return Err(self.named(reading, &format!("it serves {} and not {}", names(found), names(wanted))));
        }
        for ((name, want), (_, value, status)) in want.iter().zip(got) {
            if !want.value.admits(value) || !(status.is_empty() || *status == want.status.to_string()) {
                let status = if status.is_empty() { String::new() } else { format!(" ({status})") };
                let differs = format!("{} is {value}{status}, the definition says {want}", place(name));
                return Err(self.named(reading, &differs));
            }
            if is_sketch(&want.value) {
                // Equal rows in reach mean equal bits: what the definition bounds names them.
                let first = agreed
                    .sketches
                    .entry(format!("{} {}", place(name), want.value))
                    .or_insert_with(|| value.to_string());
                if *first != value.to_string() {
                    let differs = format!("{} is {value}, another reading says {first}", place(name));
                    return Err(self.named(reading, &differs));
                }
            }
        }
        *agreed.by_reading.entry(reading).or_default() += got.len() as u64;
        Ok(())
    }

    fn named(&self, reading: &str, what: &str) -> Differs {
        format!("{}: {reading}: {what}", self.name)
    }
}

fn is_sketch(val: &Val) -> bool {
    match val {
        Val::Between(..) => true,
        Val::List(items) => items.iter().any(is_sketch),
        _ => false,
    }
}
