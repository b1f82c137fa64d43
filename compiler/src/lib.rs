//! Syntax trees to a typed model, and the model to plans.
//!
//! ```text
//!  texts ──parse──► trees ──gather──► items ──sources, groups, …──► ir::Model ──lower──► plan::Plans
//!                              │  loops unrolled     │ typecheck, windowing                │
//!                              └────────── Vec<Diagnostic>, Vec<Pending> ◄──────────────────┘
//! ```
//!
//! | stage | in | out |
//! | --- | --- | --- |
//! | `project` | syntax trees | items by full name, loops over items unrolled |
//! | `entities`, `sources` | declarations | keys and columns |
//! | `groups`, `derived` | definitions | typed features; `typecheck` and `windowing` do the expressions |
//! | `carried`, `units`, `personal` | typed values, `@unit`, `@pii` | what columns and features carry |
//! | `services`, `datasets`, `testing` | selections, spines, rows | what is served, trained on and tested |
//! | [`lower`] | [`ir::Model`] | [`plan::Plans`] |
//! | [`objects`](mod@objects) | [`ir::Model`], the texts | what a registry keeps versions of |
//! | [`diff`](mod@diff) | two [`ir::Model`]s | what changes for whom |
//! | [`lineage`](mod@lineage) | [`ir::Model`] | which columns and features decide about which |
//!
//! What engines have in common before the kernel is here, too: [`text`] makes columns of what is written,
//! [`conform`] makes any batch the source's, [`prepare`] makes a source's rows a group's.
//!
//! [`compile`] never fails: what has an error is left out and said once, the rest comes through.
//! What the language has and this version does not compile is left out too, with a warning: see
//! [`pending`]. Nothing is read or run here: engines do that, from the plans.
//!
//! ```
//! use feat_dsl::source_map::SourceMap;
//!
//! let mut sources = SourceMap::new();
//! sources.add(
//!     "visits.feat",
//!     r#"
//!     entity user(user_id: string)
//!     source visits: events { user_id: string  ts: timestamp  time ts  known after 5s }
//!     features activity of user from visits { visits = count() over [1d, 7d] }
//!     "#,
//! );
//! let compiled = feat_compiler::compile(&sources);
//! assert!(compiled.diagnostics.is_empty());
//! let group = &compiled.model.groups[0];
//! assert_eq!(group.features[1].name, "visits_7d");
//! ```

mod carried;
mod constants;
mod context;
mod datasets;
mod derived;
mod entities;
mod features;
mod groups;
mod members;
mod owners;
mod personal;
mod phrase;
mod project;
mod report;
mod roles;
mod services;
mod similar;
mod sources;
mod testing;
mod typecheck;
mod types;
mod units;
mod values;
mod walk;
mod windowing;

pub mod codes;
pub mod conform;
pub mod diff;
pub mod explain;
pub mod expr;
pub mod functions;
pub mod ir;
pub mod lineage;
pub mod lower;
pub mod meaning;
pub mod objects;
pub mod pending;
pub mod plan;
pub mod prepare;
pub mod print;
pub mod recorded;
pub mod secrets;
pub mod text;

use feat_dsl::ast::{self, ItemKind};
use feat_dsl::diagnostic::Diagnostic;
/// The files of a project.
pub use feat_dsl::source_map::SourceMap;

use crate::context::{Context, Spot};
use crate::ir::Model;
use crate::pending::Pending;
use crate::plan::Plans;
use crate::report::Report;
use crate::secrets::Secrets;

/// This compiler's version, which a registry keeps beside the texts that it compiled.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a project compiles to.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The typed meaning; what has an error or waits is left out.
    pub model: Model,
    /// What engines run; empty if there is an error.
    pub plans: Plans,
    /// What the author is told, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// What was left out because this version does not compile it.
    pub pending: Vec<Pending>,
    /// Errors of a run, and of no check: secrets that have no value, each at its first use. Rows for
    /// which one is needed are evaluation errors.
    pub unset: Vec<Diagnostic>,
}

impl Compiled {
    /// Whether the project has an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Compiles every file of `sources`.
///
/// Shape: one model of all packages. Errors: none; mistakes of the author are diagnostics, at most 20
/// of which are errors. Cost: linear in the expanded features, about 10 000 of them a second or more.
pub fn compile(sources: &SourceMap) -> Compiled {
    compile_with(sources, &Secrets::default())
}

/// [`compile`], with the secrets that expressions name.
pub fn compile_with(sources: &SourceMap, secrets: &Secrets) -> Compiled {
    let mut report = Report::default();
    let mut files: Vec<ast::File> = Vec::new();
    for id in sources.files() {
        let (file, diagnostics) = feat_dsl::parse(id, sources.text(id));
        report.absorb(diagnostics);
        files.push(file);
    }
    let project = project::gather(sources, &files, &mut report);
    let mut cx = Context::new(&project, report, secrets);
    settle(&mut cx);
    let Context { model, report, unset, .. } = cx;
    let (diagnostics, pending) = report.finish();
    let unset = unset.into_values().collect();
    let mut compiled = Compiled { model, plans: Plans::default(), diagnostics, pending, unset };
    // What an error left out would be missing from the plans without a word.
    if !compiled.has_errors() {
        compiled.plans = lower::lower(&compiled.model);
    }
    compiled
}

/// Brings every item into the model, each kind after those that it may read.
fn settle(cx: &mut Context<'_>) {
    let project = cx.project;
    for file in &project.files {
        cx.attributes(file.attrs, Spot::File);
    }
    for declared in project.items.values() {
        if let ItemKind::Entity(decl) = &declared.item.kind {
            entities::settle(cx, declared, decl);
        }
    }
    for declared in project.items.values() {
        match &declared.item.kind {
            ItemKind::Source(_) => {
                sources::settle(cx, declared);
            }
            ItemKind::Fn(_) => {
                typecheck::check_function(cx, declared);
            }
            ItemKind::Let(_) | ItemKind::Type(_) | ItemKind::ExternFn(_) => testing::constant(cx, declared),
            _ => {}
        }
    }
    for declared in project.items.values() {
        match &declared.item.kind {
            ItemKind::Features(decl) => groups::settle(cx, declared, decl, false),
            ItemKind::Labels(decl) => groups::settle(cx, declared, decl, true),
            _ => {}
        }
    }
    for declared in project.items.values() {
        derived::settle(cx, declared);
    }
    for declared in project.items.values() {
        if let ItemKind::Service(decl) = &declared.item.kind {
            services::settle(cx, declared, decl);
        }
    }
    for declared in project.items.values() {
        if let ItemKind::Dataset(decl) = &declared.item.kind {
            datasets::settle(cx, declared, decl);
        }
    }
    for declared in &project.tests {
        if let ItemKind::Test(decl) = &declared.item.kind {
            testing::settle(cx, declared, decl);
        }
    }
    owners::check(cx);
}
