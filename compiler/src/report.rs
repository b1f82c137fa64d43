//! What the stages tell the author: diagnostics and pending constructs, gathered over one run.

use feat_dsl::ast::ItemKind;
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use indexmap::IndexSet;

use crate::codes;
use crate::pending::{self, Construct, Effect, Pending};

/// More errors than this help nobody; the rest is counted.
const MOST_ERRORS: usize = 20;

/// Why something has no meaning here; it was already reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The author was told of an error.
    Error,
    /// The author was told that this version does not compile it.
    Pending,
}

/// A part of the answer, or the reason why there is none.
pub(crate) type Checked<T> = Result<T, Stop>;

/// How a named thing came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is in the model.
    Ready,
    /// It is left out because this version does not compile it.
    Pending,
    /// It is left out because of an error.
    Broken,
}

impl From<Stop> for Fate {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Error => Self::Broken,
            Stop::Pending => Self::Pending,
        }
    }
}

/// Everything there is to say.
#[derive(Debug, Default)]
pub(crate) struct Report {
    diagnostics: Vec<Diagnostic>,
    pending: Vec<Pending>,
    /// The item under work, for the table of pending uses.
    item: String,
    /// Places and constructs that were already reported, so that a loop or a window list says it once.
    said: IndexSet<(Span, &'static str)>,
}

impl Report {
    /// Names the item that what follows belongs to.
    pub(crate) fn enter(&mut self, item: impl Into<String>) {
        self.item = item.into();
    }

    /// The item under work.
    pub(crate) fn item(&self) -> &str {
        &self.item
    }

    /// Adds a diagnostic; the same code at the same place is said once.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) -> Stop {
        if self.said.insert((diagnostic.span, diagnostic.code.0)) {
            self.diagnostics.push(diagnostic);
        }
        Stop::Error
    }

    /// Adds what the parser said, as it is.
    pub(crate) fn absorb(&mut self, diagnostics: Vec<Diagnostic>) {
        self.diagnostics.extend(diagnostics);
    }

    /// Warns that the item under work uses `construct`, which is left out; `what` names the use.
    pub(crate) fn pending(&mut self, construct: &'static Construct, span: Span, what: &str) -> Stop {
        self.pending.push(Pending { construct, item: self.item.clone(), span });
        if self.said.insert((span, construct.name)) {
            let name = if what.is_empty() {
                construct.name.to_owned()
            } else {
                format!("{} `{what}`", construct.name)
            };
            self.diagnostics.push(
                Diagnostic::warning(
                    codes::PENDING,
                    span,
                    format!("{name} is in the language and not yet compiled"),
                )
                .label(match construct.effect {
                    Effect::LeftOut => "checked, but left out",
                    Effect::Ignored => "checked, but without effect",
                })
                .note(construct.doc.to_owned()),
            );
        }
        Stop::Pending
    }

    /// Warns that `what` is left out because it reads `reads`, which wait.
    pub(crate) fn waits(&mut self, span: Span, what: &str, reads: &[String]) -> Stop {
        /// More names than this are counted.
        const MOST_NAMES: usize = 4;
        let mut names: Vec<String> = reads.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
        if reads.len() > MOST_NAMES {
            names.push(format!("{} more", reads.len() - MOST_NAMES));
        }
        self.pending.push(Pending { construct: pending::READS_PENDING, item: self.item.clone(), span });
        self.push(
            Diagnostic::warning(codes::PENDING, span, format!("{what} reads what is not yet compiled"))
                .label("checked, but left out")
                .note(format!("it reads {}", names.join(", "))),
        );
        Stop::Pending
    }

    /// Notes that the item under work is left out because it reads something that is.
    pub(crate) fn follows(&mut self, construct: &'static Construct, span: Span) -> Stop {
        self.pending.push(Pending { construct, item: self.item.clone(), span });
        Stop::Pending
    }

    /// How many diagnostics there are: a mark for [`Report::split_off`].
    pub(crate) fn len(&self) -> usize {
        self.diagnostics.len()
    }

    /// Takes back what was said since `mark`.
    pub(crate) fn split_off(&mut self, mark: usize) -> Vec<Diagnostic> {
        let taken = self.diagnostics.split_off(mark);
        for diagnostic in &taken {
            self.said.shift_remove(&(diagnostic.span, diagnostic.code.0));
        }
        taken
    }

    /// All of it in the order of the text, at most [`MOST_ERRORS`] errors.
    pub(crate) fn finish(self) -> (Vec<Diagnostic>, Vec<Pending>) {
        let mut diagnostics = self.diagnostics;
        diagnostics
            .sort_by_key(|diagnostic| (diagnostic.span.file, diagnostic.span.start, diagnostic.span.end));
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        if errors > MOST_ERRORS {
            let mut left = MOST_ERRORS;
            diagnostics.retain(|diagnostic| {
                let keep = !diagnostic.is_error() || left > 0;
                left -= usize::from(diagnostic.is_error() && left > 0);
                keep
            });
            if let Some(last) = diagnostics.iter_mut().rfind(|diagnostic| diagnostic.is_error()) {
                last.notes.push(format!("{} more errors are not shown", errors - MOST_ERRORS));
            }
        }
        (diagnostics, self.pending)
    }
}

/// The word for a kind of item, as messages say it.
pub(crate) fn word(kind: &ItemKind) -> &'static str {
    match kind {
        ItemKind::Let(_) => "constant",
        ItemKind::Fn(_) | ItemKind::ExternFn(_) => "function",
        ItemKind::Type(_) => "type",
        ItemKind::Entity(_) => "entity",
        ItemKind::Source(_) => "source",
        ItemKind::Features(_) => "features group",
        ItemKind::Labels(_) => "labels group",
        ItemKind::Derived(_) => "derived group",
        ItemKind::Service(_) => "service",
        ItemKind::Dataset(_) => "dataset",
        ItemKind::Test(_) => "test",
        ItemKind::For(_) => "loop",
    }
}
