//! Windowing, what is written: windows with their hops and offsets, before they are judged.

use feat_dsl::ast::{self, LengthExpr, Literal, Over, WindowExpr, WindowItem, Windows};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::{Span, Spanned};
use feat_kernel::time::Micros;

use crate::codes;
use crate::constants::{Constant, ConstantKind, Loops};
use crate::project::{Project, not_a_length};
use crate::report::{Checked, Report};

/// The most windows in one list.
const MOST_WINDOWS: usize = 12;

/// How far back, before the hop is settled.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Back {
    All,
    Length(i64),
    /// `last(10)` and its kin: the name and the call as written.
    Form(String, String),
}

/// One window as written.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(super) back: Back,
    pub(super) every: Option<i64>,
    pub(super) offset: i64,
    /// The feature's whole name.
    pub(super) alias: Option<String>,
    /// `7d`, `7d_offset_7d`: what a list adds to the name.
    pub(super) suffix: Option<String>,
    pub(super) span: Span,
    pub(super) every_span: Span,
}

impl PartialEq for Spec {
    /// Whether two lists may stand in one definition: how a window is spelled is no matter.
    fn eq(&self, other: &Self) -> bool {
        (&self.back, self.every, self.offset, &self.alias)
            == (&other.back, other.every, other.offset, &other.alias)
    }
}

/// The windows of one aggregate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Specs {
    /// One, whatever else the definition has.
    One(Spec),
    /// One for each feature of the definition.
    List(Vec<Spec>),
}

impl Specs {
    /// The window of the `at`th feature.
    pub(crate) fn at(&self, at: usize) -> Option<&Spec> {
        match self {
            Self::One(spec) => Some(spec),
            Self::List(specs) => specs.get(at),
        }
    }
}

/// The windows written in `over`.
pub(crate) fn specs(
    over: &Over,
    file: usize,
    loops: &Loops,
    project: &Project<'_>,
    report: &mut Report,
) -> Checked<Specs> {
    let mut reader = Reader { file, loops, project, report, every: None, offset: None };
    reader.every = reader.length(over.every.as_ref())?;
    reader.offset = reader.length(over.offset.as_ref())?;
    match &over.windows {
        Windows::One(window) => reader.one(window),
        Windows::List(items) => {
            reader.few(items.len(), over.span.0)?;
            items.iter().map(|item| reader.item(item)).collect::<Checked<_>>().map(Specs::List)
        }
    }
}

struct Reader<'r> {
    file: usize,
    loops: &'r Loops,
    project: &'r Project<'r>,
    report: &'r mut Report,
    /// `every` for all windows, and where it stands.
    every: Option<(i64, Span)>,
    /// `offset` for all windows.
    offset: Option<(i64, Span)>,
}

impl Reader<'_> {
    fn length(&mut self, written: Option<&Spanned<LengthExpr>>) -> Checked<Option<(i64, Span)>> {
        let Some(written) = written else { return Ok(None) };
        let length = self.project.length(&written.node, written.span, self.file, self.loops, self.report)?;
        Ok(Some((length, written.span)))
    }

    fn few(&mut self, count: usize, span: Span) -> Checked<()> {
        if count <= MOST_WINDOWS {
            return Ok(());
        }
        Err(self.report.push(
            Diagnostic::error(
                codes::LIMIT,
                span,
                format!("a list has at most {MOST_WINDOWS} windows, this one has {count}"),
            )
            .label("too many windows"),
        ))
    }

    fn spec(&self, back: Back, span: Span, suffix: Option<String>) -> Spec {
        Spec {
            back,
            every: self.every.map(|(every, _)| every),
            offset: self.offset.map_or(0, |(offset, _)| offset),
            alias: None,
            suffix,
            span,
            every_span: self.every.map_or(span, |(_, at)| at),
        }
    }

    fn constant(&mut self, name: &ast::Name, span: Span) -> Checked<(String, Constant)> {
        let name = self.loops.fill(name, self.report)?;
        let constant = self.project.named(&name, span, self.file, self.loops, self.report, 0)?;
        Ok((name, constant))
    }

    /// `over 7d`, or the name of a window or of a list.
    fn one(&mut self, window: &Spanned<WindowExpr>) -> Checked<Specs> {
        let span = window.span;
        let WindowExpr::Name(name) = &window.node else {
            let (back, _) = self.back(window)?;
            return Ok(Specs::One(self.spec(back, span, None)));
        };
        let (name, constant) = self.constant(name, span)?;
        if let ConstantKind::List(items) = &constant.kind {
            self.few(items.len(), span)?;
            let spec = |item: &Constant| {
                let back = of_constant(item, &name, span, self.report)?;
                Ok((back, item.word()))
            };
            let backs: Vec<(Back, Option<String>)> = items.iter().map(spec).collect::<Checked<_>>()?;
            return Ok(Specs::List(
                backs.into_iter().map(|(back, word)| self.spec(back, span, word)).collect(),
            ));
        }
        let back = of_constant(&constant, &name, span, self.report)?;
        Ok(Specs::One(self.spec(back, span, None)))
    }

    /// An item of a list, with its own hop, offset and name.
    fn item(&mut self, item: &WindowItem) -> Checked<Spec> {
        let (back, word) = self.back(&item.window)?;
        let every = self.length(item.every.as_ref())?;
        let offset = self.length(item.offset.as_ref())?;
        let suffix = match (word, offset) {
            (Some(word), Some((offset, at))) => Some(format!("{word}_offset_{}", self.word(offset, at))),
            (word, _) => word,
        };
        let mut spec = self.spec(back, item.window.span, suffix);
        if let Some((every, at)) = every {
            (spec.every, spec.every_span) = (Some(every), at);
        }
        if let Some((offset, _)) = offset {
            spec.offset = offset;
        }
        spec.alias = item.alias.as_ref().map(|alias| alias.node.clone());
        Ok(spec)
    }

    /// How far back a window reaches, and what it adds to a name.
    fn back(&mut self, window: &Spanned<WindowExpr>) -> Checked<(Back, Option<String>)> {
        let span = window.span;
        Ok(match &window.node {
            WindowExpr::All => (Back::All, Some("all".to_owned())),
            WindowExpr::Length(length) => (Back::Length(*length), Some(self.word(*length, span))),
            WindowExpr::Call(call) => {
                let text = self.project.one_line(call.span.0);
                (Back::Form(call.function.node.clone(), text), None)
            }
            WindowExpr::Name(name) => {
                let (name, constant) = self.constant(name, span)?;
                (of_constant(&constant, &name, span, self.report)?, constant.word())
            }
        })
    }

    /// A length as it was written: `24h` stays `24h`.
    fn word(&self, length: i64, span: Span) -> String {
        let text = self.project.text(span);
        let written =
            text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_alphanumeric());
        if written { text.to_owned() } else { Micros(length).to_string() }
    }
}

/// A constant as a window.
fn of_constant(constant: &Constant, name: &str, span: Span, report: &mut Report) -> Checked<Back> {
    match &constant.kind {
        ConstantKind::Literal(Literal::Duration(length)) => Ok(Back::Length(*length)),
        ConstantKind::Name(name) if name == "all" => Ok(Back::All),
        _ => Err(not_a_length(name, span, report)),
    }
}
