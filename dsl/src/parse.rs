//! Text to tree: one pass of the grammar when the text is sound, piece by piece when it is not.
//!
//! | module | from the grammar's nodes to |
//! | --- | --- |
//! | `node` | spans, names, paths |
//! | `literal` | decoded constants |
//! | `types` | [`ast::TypeExpr`] |
//! | `expr` | [`ast::Expr`], with precedence |
//! | `item`, `source`, `group`, `service`, `test` | [`ast::Item`] and what it holds |
//! | `recover` | the pieces of a text that is not sound, and one diagnostic for each mistake |
//! | `message`, `hint`, `describe` | what the author reads instead of the grammar's rules |

mod describe;
mod expr;
mod group;
mod hint;
mod item;
mod literal;
mod message;
mod node;
mod recover;
mod service;
mod source;
mod test;
mod types;

use crate::ast;
use crate::diagnostic::Diagnostic;
use crate::span::FileId;
use node::{Builder, Node};
use pest::Parser;

/// The generated parser and its [`Rule`](grammar::Rule)s, which do not leave this crate.
pub(crate) mod grammar {
    use pest_derive::Parser;

    #[derive(Parser)]
    #[grammar = "../grammar.pest"]
    pub(crate) struct Grammar;
}

use grammar::{Grammar, Rule};

pub(crate) use expr::{Level, level};
pub(crate) use literal::{UNITS, civil_from_days};
pub(crate) use message::is_reserved;

/// Reads one file.
///
/// Never fails and never panics: what could not be read is left out, with one diagnostic (of
/// [`SYNTAX`](crate::codes::SYNTAX)) for each mistake, in the order of the text. Items are read
/// separately when one is broken, so a mistake hides nothing but its own item.
/// Cost: linear in the text; one or two milliseconds for a file of 100 lines, a few more for one
/// with mistakes.
///
/// ```
/// use feat_dsl::{parse, span::FileId};
///
/// let (file, diagnostics) = parse(FileId(0), "let A = = 1\nlet B = 2\n");
/// assert_eq!(file.items.len(), 1);
/// assert_eq!(diagnostics.len(), 1);
/// ```
pub fn parse(file: FileId, text: &str) -> (ast::File, Vec<Diagnostic>) {
    let mut builder = Builder::new(file);
    let mut tree = ast::File::default();
    match Grammar::parse(Rule::file, text) {
        Ok(pairs) => {
            for node in pairs.flat_map(Node::into_inner) {
                builder.top(&node, &mut tree);
            }
        }
        Err(_) => recover::pieces(&mut builder, text, &mut tree),
    }
    let mut diagnostics = builder.diagnostics;
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    (tree, diagnostics)
}
