//! Text to syntax tree for `.feat` files, and back.
//!
//! ```text
//!  text ──parse──► ast::File ──format::expr──► words in a message
//!    │      │
//!    │      └────► Vec<Diagnostic> ──render──► what the author reads
//!    └────format──► the same text in its one layout
//! ```
//!
//! [`parse`] never fails: it returns the items that it could read and one diagnostic for each mistake.
//! The tree is a plain value; every constant in it is decoded. It knows where every name stands in the
//! text and nothing about what the names mean: that is the compiler. Files are never opened here: that
//! is the command line's.
//!
//! The grammar is `grammar.pest`; it is the only description of the syntax, and pest's rules do not
//! leave this crate.
//!
//! ```
//! use feat_dsl::render::{Color, render};
//! use feat_dsl::{parse, source_map::SourceMap};
//!
//! let mut sources = SourceMap::new();
//! let id = sources.add("logins.feat", "features logins of user from login { n = count() over 1h }");
//! let (file, diagnostics) = parse(id, sources.text(id));
//! assert_eq!(file.items.len(), 1);
//! assert_eq!(render(&diagnostics, &sources, Color::Never), "");
//! ```

mod parse;

pub mod ast;
pub mod codes;
pub mod diagnostic;
pub mod format;
pub mod render;
pub mod source_map;
pub mod span;

pub use parse::parse;
