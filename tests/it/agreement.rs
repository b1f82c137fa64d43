//! Every reading against the definition: the corpus, then random specifications over random logs.

use std::io::Write;

use feat_tests::agree::{Agreed, Question, Subject};
use feat_tests::case::cases;
use feat_tests::coverage::Coverage;
use feat_tests::draw::{Drawn, draw};
use feat_tests::oracle::Oracle;
use feat_tests::oracle::time::instant_text;
use feat_tests::read::project::session;
use feat_tests::shrink::{shown, shrink};
use feat_tests::text;

/// How many random logs `./test` draws; `AGREEMENT_LOGS` asks for more.
const LOGS: u64 = 300;

/// The first seed; `AGREEMENT_SEED` asks for another, to look at one log alone.
const SEED: u64 = 1;

/// After this many logs that differ no more are looked at.
const MANY: usize = 20;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads to be had")
}

#[test]
fn every_case_reads_as_its_definition() {
    let session = session().unwrap();
    let mut agreed = Agreed::default();
    let mut differ = Vec::new();
    for case in cases().unwrap() {
        let questions: Vec<Question> =
            case.requests.iter().map(|asked| (asked.inputs.clone(), asked.at)).collect();
        let subject = Subject {
            name: format!("case {}", case.name),
            seed: 1,
            text: case.feat.clone(),
            rows: case.tables(),
            oracle: case.oracle(),
            spine: questions.clone(),
            questions,
        };
        match runtime().block_on(subject.compare(&session)) {
            Ok(more) => agreed.add(&more),
            Err(differs) => differ.push(differs),
        }
    }
    assert!(differ.is_empty(), "{} cases differ\n{}", differ.len(), differ.join("\n"));
    assert!(agreed.values() > 0);
}

pub(crate) fn subject(drawn: &Drawn) -> Subject {
    let questions: Vec<Question> =
        drawn.requests.iter().map(|request| (request.key.clone(), request.at)).collect();
    // A spine is a source: its keys are never null.
    let whole = |(key, _): &&Question| key.values().all(|part| !part.is_null());
    let spine: Vec<Question> = questions.iter().filter(whole).cloned().collect();
    let mut rows = drawn.rows.clone();
    if !drawn.spec.labels.is_empty() {
        let asks = spine.iter().map(|(key, at)| {
            let mut row = key.clone();
            row.insert("at".to_owned(), instant_text(*at).into());
            row
        });
        rows.insert("asks".to_owned(), asks.collect());
    }
    Subject {
        name: format!("seed {}", drawn.seed),
        seed: drawn.seed,
        text: text::feat(&drawn.spec),
        oracle: Oracle::new(drawn.spec.clone(), &drawn.rows),
        rows,
        questions,
        spine,
    }
}

#[test]
fn random_logs_read_as_their_definition() {
    let (logs, first) = (number("AGREEMENT_LOGS", LOGS), number("AGREEMENT_SEED", SEED));
    let session = session().unwrap();
    let (mut agreed, mut coverage, mut differ) = (Agreed::default(), Coverage::default(), Vec::new());
    let runtime = runtime();
    for seed in first..first + logs {
        let drawn = draw(seed);
        let subject = subject(&drawn);
        match runtime.block_on(subject.compare(&session)) {
            Ok(more) => agreed.add(&more),
            Err(differs) => {
                differ.push((differs, drawn));
                // As many as show a pattern.
                if differ.len() == MANY {
                    break;
                }
                continue;
            }
        }
        for request in &drawn.requests {
            for group in &drawn.spec.groups {
                let answers = subject.oracle.group(group, &request.key, request.at, usize::MAX);
                for (feature, (_, answer)) in group.features.iter().zip(&answers) {
                    coverage.count(group, feature, answer);
                }
            }
        }
    }
    let mut out = std::io::stderr();
    for (reading, values) in &agreed.by_reading {
        let _ = writeln!(out, "{reading:<50} {values:>9} values");
    }
    let _ = writeln!(out, "{coverage}");
    if let Some((_, drawn)) = differ.first() {
        let compare = |drawn: &Drawn| runtime.block_on(self::subject(drawn).compare(&session)).err();
        let (smallest, said) = shrink(drawn, compare);
        let all: Vec<&str> = differ.iter().map(|(differs, _)| differs.as_str()).collect();
        panic!("logs differ:\n{}\nthe first one, smaller: {said}\n{}", all.join("\n"), shown(&smallest));
    }
    if logs >= LOGS {
        assert_eq!(coverage.holes(), Vec::<String>::new(), "a hole in what the draws exercise");
    }
    let _ = writeln!(out, "agreement: compared {} values over {logs} logs, 0 differ", agreed.values());
}
