//! Does a change alter values of which nobody said so? Edits of specifications, both read over the same
//! random log.
//!
//! ```text
//!  text ──────────► values of every feature and label ─┐
//!    └─edit─► text ► values of every feature and label ─┤ equal, bit for bit, unless a change of the
//!              └─ diff of both ─► changes with classes ─┘ feature or of its group says otherwise
//! ```
//!
//! What holds of each feature holds of the whole: an edit whose every change is metadata or compatible
//! alters no value that was there before. That the values could differ is counted, too.

mod shop;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use feat_batch::Session;
use feat_compiler::diff::{Change, Class, diff};
use feat_compiler::ir::Model;
use feat_dsl::source_map::SourceMap;
use feat_tests::agree::Subject;
use feat_tests::dice::Dice;
use feat_tests::draw::{draw, edit};
use feat_tests::read::batch;
use feat_tests::read::project::{Project, session};

use crate::agreement::{runtime, subject};

/// How many random logs are drawn: the seeds from one on.
const LOGS: u64 = 240;

/// How many edits of each.
const EDITS: usize = 8;

/// The values of a feature by its full name: one a question, or of a label one a row of the dataset, with
/// the instant. A float is shown with every bit.
type Values = BTreeMap<String, Vec<(i64, String)>>;

/// What edits were, and what they did.
#[derive(Default)]
struct Judge {
    tallies: BTreeMap<Class, Tally>,
    /// Features of which no change says that they may be other.
    unsaid: u64,
    wrong: String,
}

/// Edits of one class.
#[derive(Default)]
struct Tally {
    edits: u64,
    altering: u64,
    values: u64,
}

impl Judge {
    /// Judges the values of a text before and after the edit `what`. `label` says which are labels.
    fn judge(
        &mut self,
        what: &str,
        changes: &[Change],
        (was, is): (&Values, &Values),
        label: impl Fn(&str) -> bool,
    ) {
        let Some(worst) = changes.iter().map(|change| change.class).max() else { return };
        let tally = self.tallies.entry(worst).or_default();
        let mut alters = false;
        for (name, was) in was {
            let Some(is) = is.get(name) else { continue };
            let other = differ(was, is, label(name));
            alters |= other;
            tally.values += was.len() as u64;
            if said(changes, name).is_some_and(|class| class >= Class::Behavioural) {
                continue;
            }
            self.unsaid += 1;
            if other {
                let shown = changes.iter().map(|it| format!("\n  {} {}: {}", it.class, it.name, it.reason));
                let shown: String = shown.collect();
                writeln!(self.wrong, "{what}: {name} was {was:?}, is {is:?}{shown}").unwrap();
            }
        }
        tally.edits += 1;
        tally.altering += u64::from(alters);
    }

    /// Fails if a value changed unsaid, or if too few edits of a class were seen, or none that alters.
    fn close(&self, title: &str, mild: u64, altering: u64) {
        let mut out = std::io::stderr();
        for (class, Tally { edits, altering, values }) in &self.tallies {
            let _ = writeln!(
                out,
                "{title}: {class:<11} {edits:>4} edits, {altering:>4} alter one of {values:>7} values"
            );
        }
        let _ = writeln!(out, "{title}: {} features of which nothing is said", self.unsaid);
        assert!(self.wrong.is_empty(), "{}", self.wrong);
        for class in [Class::Metadata, Class::Compatible] {
            let tally = &self.tallies[&class];
            assert!(tally.edits >= mild && tally.altering == 0, "{class}");
        }
        for class in [Class::Behavioural, Class::Breaking] {
            assert!(self.tallies[&class].altering >= altering, "what {class} edits do is not seen");
        }
    }
}

/// What the changes are to the readers of `feature`: said of it, or of its group.
fn said(changes: &[Change], feature: &str) -> Option<Class> {
    let group = feature.rsplit_once('.').map(|(group, _)| group);
    let own = changes.iter().filter(|it| it.name == feature || Some(it.name.as_str()) == group);
    own.map(|change| change.class).max()
}

/// Whether one of the values that both give is other.
fn differ(was: &[(i64, String)], is: &[(i64, String)], label: bool) -> bool {
    // A dataset ends where its labels are settled, which a further label may bring forward.
    let end = |values: &[(i64, String)]| values.iter().map(|(at, _)| *at).max().unwrap_or(i64::MIN);
    let until = if label { end(was).min(end(is)) } else { i64::MAX };
    let kept = |values: &[(i64, String)]| -> Vec<(i64, String)> {
        values.iter().filter(|(at, _)| *at <= until).cloned().collect()
    };
    kept(was) != kept(is)
}

/// The model of a text that compiles.
fn model(text: &str) -> Option<Model> {
    let mut texts = SourceMap::new();
    texts.add("feature.feat", text);
    let compiled = feat_compiler::compile(&texts);
    (!compiled.has_errors() && compiled.pending.is_empty()).then_some(compiled.model)
}

/// What `text` gives over the rows and questions of `subject`.
async fn values(session: &Session, subject: &Subject, text: &str) -> Result<Values, String> {
    let project = Project::new(text, &subject.rows)?;
    let mut found = Values::new();
    let mut add = |name: &str, at: i64, value: String| {
        found.entry(format!("drawn.{name}")).or_default().push((at, value));
    };
    let lines = batch::service(session, &project, &subject.questions, None).await?;
    for ((_, at), line) in subject.questions.iter().zip(&lines) {
        for (name, value) in line {
            add(name, *at, format!("{value:?}"));
        }
    }
    if !project.plans.datasets.is_empty() {
        for (at, line) in batch::dataset(session, &project).await? {
            for (name, value) in line.iter().filter(|(name, _)| is_label(name)) {
                add(name, at, format!("{value:?}"));
            }
        }
    }
    Ok(found)
}

/// Whether `name` is of the group of labels that a draw may have.
fn is_label(name: &str) -> bool {
    name.trim_start_matches("drawn.").starts_with("later.")
}

#[test]
fn no_value_of_a_random_project_changes_unsaid() {
    let (session, runtime) = (session().unwrap(), runtime());
    let (mut judge, mut refused) = (Judge::default(), 0);
    for seed in 1..=LOGS {
        let drawn = draw(seed);
        let subject = subject(&drawn);
        let old = model(&subject.text).unwrap();
        let was = runtime.block_on(values(&session, &subject, &subject.text)).unwrap();
        let mut dice = Dice::new(seed ^ 0xed17);
        for _ in 0..EDITS {
            let edited = edit(&drawn, &mut dice);
            let Some(new) = model(&edited.text) else {
                refused += 1;
                continue;
            };
            let is = runtime.block_on(values(&session, &subject, &edited.text)).unwrap();
            let what = format!("seed {seed}, {}", edited.what);
            judge.judge(&what, &diff(&old, &new), (&was, &is), is_label);
        }
    }
    let _ = writeln!(std::io::stderr(), "random: {refused} edits do not compile");
    judge.close("random", 40, 20);
}
