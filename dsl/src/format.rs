//! The one layout of a file, and trees back to text.
//!
//! ```text
//!  text ──grammar──► nodes ──layout──► lines of cells ──align──► text
//! ```
//!
//! The layout is made from the grammar's nodes, not from the tree, so that every word and every
//! comment of the author is in the result; only blanks, line breaks and trailing commas differ. There
//! are no options. Formatting twice changes nothing more.
//!
//! What decides: a block has its members on lines of their own, unless it is a `service` or `source`
//! of one member or a test's `expect` of at most two assertions, and short; joins break a header; one
//! blank line may stand between members where the author put some, and one stands around every item
//! of several lines; consecutive columns, clauses, features and assertions are aligned.

mod align;
mod comment;
mod expr;
mod layout;
mod lines;
#[cfg(test)]
mod relaid;
mod spacing;
mod words;

use crate::diagnostic::Diagnostic;
use crate::parse::grammar::{Grammar, Rule};
use crate::parse::parse;
use crate::span::FileId;
use pest::Parser;

pub use expr::expr;

/// The text in its one layout, with `\n` at the end of every line.
///
/// Errors: the diagnostics of [`parse`](crate::parse), in a file numbered 0, if there are any: a
/// text that is not sound is not touched.
///
/// ```
/// let text = "features f of user from logins{n=count()over 7d\n// mean\nlong_name=avg(x)over[1d,7d,]}";
/// assert_eq!(
///     feat_dsl::format::format(text).unwrap(),
///     "features f of user from logins {\n  n         = count() over 7d\n  // mean\n  long_name = avg(x)  over [1d, 7d]\n}\n",
/// );
/// ```
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    let (_, diagnostics) = parse(FileId(0), text);
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let file = Grammar::parse(Rule::file, text).expect("grammar: a text without diagnostics is a file");
    Ok(align::text(layout::lines(text, file)))
}
