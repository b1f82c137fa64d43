//! The codes of the compiler's diagnostics: one constant and one title each.
//!
//! `000` syntax (in `feat-dsl`) · `001`–`009` names · `010`–`019` structure and keys · `020`–`029`
//! types · `030`–`039` time and units · `040`–`049` windows and aggregates · `050`–`059` leakage ·
//! `060`–`069` streaming, changes, state · `070`–`079` tests · `080`–`089` versions, which [`diff`](mod@crate::diff) gives · `090`–`099` governance. Each code has a page in
//! `docs/reference/codes` and a case in `compiler/tests/cases`; a test walks [`ALL`].

use feat_dsl::diagnostic::Code;

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($code);)*

        /// Every code of this crate with its title, in order.
        pub const ALL: &[(Code, &str)] = &[$(($name, $title)),*];
    };
}

codes! {
    UNKNOWN_NAME = "FEAT001", "a name is not known where it is used";
    DEFINED_TWICE = "FEAT002", "a name is declared twice in a package";
    UNKNOWN_ITEM = "FEAT003", "no item, function or aggregate has that name";
    UNKNOWN_PACKAGE = "FEAT004", "an import names a package that is not in the project";
    PRIVATE = "FEAT005", "a private name is used outside its package";
    WRONG_KIND = "FEAT006", "a name stands for another kind of item than the place needs";
    HOLE = "FEAT007", "a hole in a name has no value that could be part of a name";
    ATTRIBUTE = "FEAT008", "an attribute or setting is not known";
    PENDING = "FEAT009", "a construct is in the language and not compiled by this version";
    FEATURE_TWICE = "FEAT010", "a feature, column or output is defined twice";
    MISSING_KEY = "FEAT011", "the key of a group is not covered by the entities of its reader";
    AMBIGUOUS_KEY = "FEAT012", "the key of a group can be filled in more than one way";
    NEEDS_AGGREGATE = "FEAT013", "a column of many rows is used without an aggregate";
    MISPLACED_AGGREGATE = "FEAT014", "an aggregate or a clause stands where it has no meaning";
    SEVERAL_ROWS = "FEAT015", "a row lookup whose key can match several rows";
    KEY_COLUMN = "FEAT016", "the source lacks a key column of the entity, or has it with another type";
    CLAUSE = "FEAT017", "a clause is missing, repeated or does not belong to this kind of item";
    ORDER = "FEAT018", "a definition needs itself, or something that is defined after it";
    VERSION = "FEAT019", "a pinned version does not exist";
    ARGUMENT_TYPE = "FEAT020", "an argument has the wrong type";
    DECLARED_TYPE = "FEAT021", "a value does not fit its declared type";
    DEAD_DEFAULT = "FEAT022", "`??` on a value that is never null";
    NULL_COMPARISON = "FEAT023", "comparing with null is always null";
    ENUM_DOMAIN = "FEAT024", "a literal outside the domain of its enum";
    DECIMAL_FLOAT = "FEAT025", "decimal and float are mixed in arithmetic";
    ARGUMENTS = "FEAT026", "a call has too many, too few or unknown arguments";
    MATCH = "FEAT027", "a `match` does not cover every value";
    CONSTANT = "FEAT028", "a place needs a constant";
    TYPE = "FEAT029", "a type does not exist or cannot stand here";
    NEVER_NULL = "FEAT030", "keys, event time and `known` are never null";
    EVENT_TIME = "FEAT031", "event time must be a timestamp";
    RANGE = "FEAT032", "a number, length or period is outside its range";
    TIME_ZONE = "FEAT033", "a part of a timestamp needs a time zone";
    UNIT = "FEAT034", "values of different units are combined";
    NO_KNOWN = "FEAT036", "a source says nothing about arrival";
    WINDOW = "FEAT040", "a window is missing, too long or empty";
    HOP = "FEAT041", "a hop does not divide its window";
    NOT_MERGEABLE = "FEAT042", "an aggregate that cannot be merged across tiles";
    HOP_CHAIN = "FEAT043", "the hops of one group do not divide one another";
    OPEN_BUCKETS = "FEAT044", "`by` over an open set of values";
    LOCK_STEP = "FEAT045", "window lists of one definition differ";
    AS_OF = "FEAT046", "`as_of` inside an aggregate";
    LIMIT = "FEAT047", "a limit of the language is exceeded";
    ALONG = "FEAT048", "a window over a table needs its own time";
    LABEL_AS_FEATURE = "FEAT050", "a label is used as a feature";
    LOOKS_FORWARD = "FEAT051", "`next` outside labels";
    LOOKS_BACK = "FEAT052", "`over` in labels";
    NOT_RETRACTABLE = "FEAT060", "an aggregate over a table cannot take a row back";
    TEST_DATA = "FEAT070", "the data of a test does not fit its source or group";
    NEEDS_VERSION = "FEAT080", "a meaning changed and its version did not";
    STILL_READ = "FEAT081", "something is removed that a service reads";
    NARROWED = "FEAT083", "a column that something reads is dropped or narrowed";
    PERSONAL = "FEAT090", "personal data reaches a service that does not allow it";
    OWNER = "FEAT091", "a group or service has no owner";
    SECRET = "FEAT092", "a secret stands elsewhere than as a key, or a key is no secret";
    UNSET = "FEAT093", "a secret that a run needs is not set";
}
