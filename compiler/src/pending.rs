//! What is in the language and not compiled by this version: one table, and the report of its uses.
//!
//! A construct of this table passes `check` with a warning that names it. What uses it is left out
//! of the model, so running that is an error that can say why. `docs/reference/pending.md` is
//! generated from [`ALL`].

use feat_dsl::span::Span;

/// A construct of the language that this version does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Construct {
    /// As the warning names it.
    pub name: &'static str,
    /// One sentence for the reference.
    pub doc: &'static str,
    /// What becomes of a use.
    pub effect: Effect,
}

/// What becomes of a use of a construct that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The feature, group or other item that uses it is left out: running it is an error.
    LeftOut,
    /// What uses it is compiled as if it were not there.
    Ignored,
}

/// A use of a [`Construct`]: what was left out because of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// Which construct.
    pub construct: &'static Construct,
    /// What was left out: `ads.ctr.user_taste.idle`.
    pub item: String,
    /// Where it stands.
    pub span: Span,
}

macro_rules! constructs {
    ($($id:ident = $effect:ident $name:literal, $doc:literal;)*) => {
        $(#[doc = $doc]
        pub const $id: &Construct = &Construct { name: $name, doc: $doc, effect: Effect::$effect };)*

        /// Every construct that waits, in the order of the reference.
        pub const ALL: &[&Construct] = &[$($id),*];
    };
}

constructs! {
    JOIN = LeftOut "join", "Facts of a table or static source beside each row, as they were known then.";
    BY = LeftOut "by", "A map of results, one for each bucket.";
    LAST_WINDOW = LeftOut "over last(n)", "The n latest rows before the evaluation instant.";
    SESSION_WINDOW = LeftOut "over session(gap)", "The run of rows without a gap that ends at the last row.";
    CALENDAR_WINDOW = LeftOut "over calendar(unit)", "From local midnight, or another local unit, to the evaluation instant.";
    ALONG_TIME = LeftOut "along", "A window over another time column than the event time.";
    DERIVED_LOG = LeftOut "from union, explode, changes, sessions", "Sources made of other sources' rows, other than by filters and columns.";
    REFRESH = Ignored "refresh", "Values published on a schedule; the group is compiled as live.";
    SETTING = Ignored "setting", "Settings that the engines do not act on: `online`, `offline`, `log`, `latency`, `history`.";
    AGGREGATE = LeftOut "aggregate", "Aggregates whose state is not part of the kernel yet.";
    TABLE_AGGREGATE = LeftOut "aggregates over a table", "Folds of a table's current rows, which take rows back.";
    FUNCTION = LeftOut "function", "Functions of the groups ml, json, url, net, ua, geo, list, map and vector.";
    LAMBDA = LeftOut "lambda", "`x => …` as an argument.";
    INDEX = LeftOut "index", "`xs[i]` of a list and `m[k]` of a map.";
    EXTERN = LeftOut "extern fn", "Functions of a WebAssembly module.";
    OTHER_GROUP = LeftOut "a feature of another group in a features group", "Use a derived group.";
    EXPECT_SHARE = Ignored "expect for a share of rows", "`expect … for 97%` and aggregates in expectations.";
    EXPECT_FEATURE = Ignored "expect on features", "Expectations in a features or derived group.";
    TEST_CHANGES = LeftOut "given changes", "Tests whose rows are changes of a table.";
    OLD_VERSION = LeftOut "a pin to an earlier version", "Reading an earlier version of a group from the registry.";
    SPINE_INPUT = LeftOut "a spine without a column for an input", "Training sets whose spine lacks a key or request column of the service.";
    EMBEDDING = LeftOut "embedding", "Columns of vectors.";
    READS_PENDING = LeftOut "what it reads", "Services, datasets and tests that read something that waits itself.";
}

/// The reference page: a row a construct.
///
/// Shape: markdown, one table.
pub fn reference() -> String {
    use std::fmt::Write;

    let mut page = String::from(
        "# In the language and not yet compiled\n\n\
         Generated from `compiler/src/pending.rs`. `check` warns of each use \
         ([FEAT009](codes/FEAT009.md)); what uses it is left out, or compiled as if it were not there, as \
         the last column says.\n\n\
         | construct | what it means | a use is |\n| --- | --- | --- |\n",
    );
    for construct in ALL {
        let effect = match construct.effect {
            Effect::LeftOut => "left out",
            Effect::Ignored => "without effect",
        };
        // Writing to a string never fails.
        let _written = writeln!(page, "| {} | {} | {effect} |", construct.name, construct.doc);
    }
    page
}
