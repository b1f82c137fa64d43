//! Compile-time constants: what `let` names stand for, what loops run over, what holes are filled with.

use feat_dsl::ast::{self, Literal, NamePart};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;

use crate::codes;
use crate::report::{Checked, Report};

/// A constant and how it was written.
#[derive(Clone, Debug)]
pub(crate) struct Constant {
    /// What it is.
    pub(crate) kind: ConstantKind,
    /// As it was written, where it is made of letters and digits: `24h` stays `24h` in a suffix.
    pub(crate) text: Option<String>,
    /// Where it was written.
    pub(crate) span: Span,
}

/// The forms of a constant.
#[derive(Clone, Debug)]
pub(crate) enum ConstantKind {
    /// A literal, its sign included.
    Literal(Literal),
    /// `[a, b]`
    List(Vec<Constant>),
    /// A name that is no constant: `card` in `for e in [card, merchant]`.
    Name(String),
}

/// The loop variables in effect, innermost last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loops(Vec<(String, Constant)>);

impl Loops {
    /// These loops and one more variable.
    pub(crate) fn with(&self, name: &str, value: Constant) -> Self {
        let mut inner = self.0.clone();
        inner.push((name.to_owned(), value));
        Self(inner)
    }

    /// The value of a loop variable.
    pub(crate) fn get(&self, name: &str) -> Option<&Constant> {
        self.0.iter().rev().find(|(bound, _)| bound == name).map(|(_, value)| value)
    }

    /// A name with its holes filled.
    pub(crate) fn fill(&self, name: &ast::Name, report: &mut Report) -> Checked<String> {
        let mut filled = String::new();
        for part in &name.parts {
            match part {
                NamePart::Text(text) => filled.push_str(text),
                NamePart::Hole(hole) => filled.push_str(&self.hole(hole, name.span.0, report)?),
            }
        }
        Ok(filled)
    }

    /// `text` with every `{variable}` of these loops replaced; other braces stay.
    pub(crate) fn fill_text(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in self.0.iter().rev() {
            if let Some(word) = value.word() {
                filled = filled.replace(&format!("{{{name}}}"), &word);
            }
        }
        filled
    }

    /// In which iteration an error arose, in words; `None` outside loops.
    pub(crate) fn iteration(&self) -> Option<String> {
        let turns: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("`{name}` is `{}`", value.word().unwrap_or_else(|| "…".to_owned())))
            .collect();
        (!turns.is_empty()).then(|| format!("in the iteration where {}", turns.join(" and ")))
    }

    fn hole(&self, hole: &str, span: Span, report: &mut Report) -> Checked<String> {
        let Some(value) = self.get(hole) else {
            return Err(report.push(
                Diagnostic::error(codes::HOLE, span, format!("no loop variable is named `{hole}`"))
                    .label("a hole outside its loop")
                    .help(format!("write it inside `for {hole} in […] {{ … }}`")),
            ));
        };
        let word = value.word();
        match word
            .filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        {
            Some(word) => Ok(word),
            None => Err(report.push(
                Diagnostic::error(
                    codes::HOLE,
                    span,
                    format!("the value of `{hole}` cannot be part of a name"),
                )
                .label("letters, digits and `_` only")
                .also(value.span, "this value"),
            )),
        }
    }
}

impl Constant {
    /// As a part of a name: letters as they were written.
    pub(crate) fn word(&self) -> Option<String> {
        match &self.kind {
            ConstantKind::Name(name) => Some(name.clone()),
            ConstantKind::Literal(Literal::String(text)) => Some(text.clone()),
            ConstantKind::Literal(Literal::Int(number)) => Some(number.to_string()),
            ConstantKind::Literal(Literal::Bool(value)) => Some(value.to_string()),
            ConstantKind::Literal(Literal::Duration(length)) => Some(self.length_text(*length)),
            ConstantKind::Literal(_) | ConstantKind::List(_) => None,
        }
    }

    fn length_text(&self, length: i64) -> String {
        self.text.clone().unwrap_or_else(|| feat_kernel::time::Micros(length).to_string())
    }
}

/// `-x` of a constant number; `None` for what has no negative.
pub(crate) fn negative(literal: &Literal) -> Option<Literal> {
    match literal {
        Literal::Int(x) => x.checked_neg().map(Literal::Int),
        Literal::Fraction(text) => Some(Literal::Fraction(match text.strip_prefix('-') {
            Some(positive) => positive.to_owned(),
            None => format!("-{text}"),
        })),
        Literal::Duration(x) => x.checked_neg().map(Literal::Duration),
        _ => None,
    }
}
