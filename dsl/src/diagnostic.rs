//! What the author is told: a value, not yet text. [`render`](crate::render) turns it into text.

use crate::span::Span;

/// A stable, searchable code such as `FEAT001`; each has a page in `docs/reference/codes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// How bad it is. An error stops what would run; a warning does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The text has no meaning as it stands.
    Error,
    /// The text has a meaning that the author may not expect.
    Warning,
}

/// A change of the text that would mend it: replace `span` by `text`.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// What to replace; an empty range inserts.
    pub span: Span,
    /// By what.
    pub text: String,
}

/// One thing to tell the author. Built with [`Diagnostic::error`] and the methods that follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Which rule.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// The fact: lower case, no full stop, names in back-ticks after their kind.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Why here, in a few words under the span; may be empty.
    pub label: String,
    /// Other places that belong to it, each with its own words.
    pub secondary: Vec<(Span, String)>,
    /// Facts that explain.
    pub notes: Vec<String>,
    /// Something to do, if there is something.
    pub help: Option<String>,
    /// Edits that carry out the help.
    pub fixes: Vec<Edit>,
}

impl Diagnostic {
    /// An error of rule `code` at `span`.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::new(),
            secondary: Vec::new(),
            notes: Vec::new(),
            help: None,
            fixes: Vec::new(),
        }
    }

    /// A warning of rule `code` at `span`.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Says why, under the span.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Points at another place that belongs to it.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.secondary.push((span, label.into()));
        self
    }

    /// Adds a fact that explains.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds an edit that carries out the help.
    #[must_use]
    pub fn fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fixes.push(Edit { span, text: text.into() });
        self
    }

    /// Whether it stops what would run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
