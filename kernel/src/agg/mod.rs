//! Aggregates: states that form exact commutative monoids, and the one table that lists them.
//!
//! Every aggregate is one file here and one line in the table at the end of this file.

pub mod approx_distinct;
mod call;
pub mod content;
pub mod count;
pub mod distinct;
pub mod first_last;
pub mod first_n;
mod hash;
pub mod kept;
pub mod mean;
pub mod min_max;
pub mod moments;
pub mod number;
pub mod quantile;
pub mod ratio;
pub mod share;
pub mod sum;

use self::content::Finite;
use crate::codec::{CodecError, Reader};
use crate::time::Instant;
use crate::types::{Slot, Type};
use crate::value::{Value, ValueRef};
use crate::window::Interval;

/// What one row gives to an aggregate.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The first argument; [`ValueRef::Null`] when there is none.
    pub x: ValueRef<'a>,
    /// The second argument; [`ValueRef::Null`] when there is none.
    pub y: ValueRef<'a>,
    /// The row's place in the row order.
    pub at: Place<'a>,
}

/// A row's place in the row order: `tau` first, then the tie-break bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<'a> {
    /// The row's effective event time.
    pub tau: Instant,
    /// `order by` columns, dedupe id and canonical bytes, encoded so that bytes compare as values do.
    pub tie: &'a [u8],
}

/// What a reader gets from a state.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A value, null among them.
    Value(Value),
    /// The value does not fit its type, or the window holds more than its bound: null with status
    /// `overflow`.
    Overflow,
}

impl Outcome {
    /// The value null.
    pub const NULL: Self = Self::Value(Value::Null);
}

/// One aggregate function as a mergeable state.
///
/// # Laws
/// `merge` is associative and commutative and `State::default()` is its identity; updating with
/// `xs` then `ys` equals merging the update of `xs` with the update of `ys`. Equal states encode to
/// equal bytes. Tiling, parallelism, arrival order and restarts are correct because of these and
/// nothing else; the module `laws` tests them and every implementation calls it.
pub trait Aggregate: Clone + std::fmt::Debug + PartialEq + Send + 'static {
    /// What is kept. Wide enough for any number of rows: judgements are left to `finish`.
    type State: Clone + std::fmt::Debug + Default + PartialEq + Send;

    /// Whether `update` looks at the row's tie-break bytes.
    const ORDERED: bool = false;

    /// Adds one row that passed the cell's `where`. An aggregate skips a null first argument itself.
    fn update(&self, state: &mut Self::State, input: Input<'_>);
    /// Adds `from` to `into`. `from` is borrowed: a cached tile cannot be changed by a read.
    fn merge(&self, into: &mut Self::State, from: &Self::State);
    /// The value of a state over `window`. Pure: asking twice gives the same answer.
    fn finish(&self, state: &Self::State, window: Interval) -> Outcome;
    /// A part of what `finish` looks at, as the aggregate that keeps nothing else would give it.
    fn finish_part(&self, state: &Self::State, window: Interval, part: Part) -> Outcome {
        match part {
            Part::Whole => self.finish(state, window),
            Part::Sum | Part::Count => broken("only a state of several parts is read by its parts"),
        }
    }
    /// Appends the state's canonical bytes.
    fn encode(&self, state: &Self::State, out: &mut Vec<u8>);
    /// Reads what [`Aggregate::encode`] wrote.
    fn decode(&self, from: &mut Reader<'_>) -> Result<Self::State, CodecError>;

    /// Whether [`Aggregate::take_back`] is exact.
    fn can_take_back(&self) -> bool {
        false
    }
    /// Undoes a merge of `from`, exactly. Called only where [`Aggregate::can_take_back`] is true.
    fn take_back(&self, _into: &mut Self::State, _from: &Self::State) {}
    /// Bytes on the heap.
    fn heap_size(&self, _state: &Self::State) -> usize {
        0
    }
}

/// What of a state is read. `sum(x)` and `count(x)` beside `avg(x)` need no state of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The aggregate's value.
    Whole,
    /// The sum in a mean.
    Sum,
    /// The count in a mean.
    Count,
}

/// Work over an aggregate whose type is known, so that many states are kept as what they are: see
/// [`Aggregator::typed`].
pub trait Typed {
    /// What comes of it.
    type Output;

    /// Does it for `aggregate`.
    fn over<A: Aggregate>(self, aggregate: A) -> Self::Output;
}

/// How an aggregate's answer relates to its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Exact and order-free.
    Exact,
    /// A deterministic, order-free sketch.
    Sketch,
    /// Exact, by the row order: its rows need tie-break bytes.
    Ordered,
}

/// An aggregate with its arguments' types and parameters settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The function.
    pub aggregator: Aggregator,
    /// The type of its value, and whether it may be null.
    pub result: Slot,
    /// How its answer relates to its rows.
    pub class: Class,
}

/// Why a call of an aggregate has no meaning. The compiler turns it into a diagnostic.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BindError {
    /// There is no aggregate of that name.
    #[error("there is no aggregate `{0}`")]
    Unknown(String),
    /// Too many or too few arguments.
    #[error("takes {expected}, found {found}")]
    Arguments {
        /// In words: `one argument`.
        expected: &'static str,
        /// How many were written.
        found: usize,
    },
    /// An argument of a type that does not do.
    #[error("argument {index} needs {expected}, found {found}")]
    Type {
        /// From zero.
        index: usize,
        /// In words: `a number`.
        expected: &'static str,
        /// What was written.
        found: Type,
    },
    /// A parameter that is missing, unknown or out of range.
    #[error("parameter `{name}`: {reason}")]
    Parameter {
        /// Its name.
        name: String,
        /// What would be valid.
        reason: String,
    },
}

/// Settles a call: the arguments' slots and the named parameters, in the order written.
pub type Bind = fn(&[Slot], &[(String, Value)]) -> Result<Bound, BindError>;

/// What the reference and the compiler say of an aggregate by name.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// As it is called: `first_n`.
    pub name: &'static str,
    /// As the reference writes it: `first_n(x, n:)`.
    pub usage: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// What an empty window gives, as the language writes it.
    pub empty: &'static str,
    /// How its answer relates to its rows.
    pub class: Class,
    /// Whether it can take a row back.
    pub deletable: bool,
    /// Settles the arguments' types and the named parameters.
    pub bind: Bind,
}

/// Stops at what only a mistake of ours can bring about.
#[cold]
#[inline(never)]
fn broken(invariant: &str) -> ! {
    panic!("invariant: {invariant}")
}

/// What a state and an aggregator of different kinds mean.
const PAIRED: &str = "a state meets only the aggregator that made it";

/// Generates the enums over all aggregates. A line is a variant, the type behind it, and the functions
/// that authors know it by.
macro_rules! aggregates {
    ($($(#[$doc:meta])* $variant:ident($aggregate:ty): $($signature:path)|+;)+) => {
        /// An aggregate with its parameters: the functions over its [`State`].
        #[derive(Clone, Debug, PartialEq)]
        pub enum Aggregator {
            $($(#[$doc])* $variant($aggregate),)+
        }

        /// The state of an [`Aggregator`], of its variant of the same name.
        ///
        /// Each method of the aggregator panics when it meets the state of another one.
        #[derive(Clone, Debug, PartialEq)]
        pub enum State {
            $($(#[$doc])* $variant(<$aggregate as Aggregate>::State),)+
        }

        /// Every aggregate that authors may write, in the order of the reference.
        pub fn signatures() -> &'static [Signature] {
            const SIGNATURES: &[Signature] = &[$($($signature),+),+];
            SIGNATURES
        }

        impl Aggregator {
            /// Does `work` for the aggregate itself, without the enums; over an `argument` that is a
            /// number, for the form of it whose states hold numbers.
            pub fn typed<T: Typed>(&self, argument: Option<&Type>, work: T) -> T::Output {
                let int = matches!(argument, Some(Type::Int | Type::Timestamp | Type::Duration | Type::Date));
                let float = matches!(argument, Some(Type::Float));
                match self {
                    Self::Extreme(over) if int => return work.over(over.keeping::<i64>()),
                    Self::Extreme(over) if float => return work.over(over.keeping::<Finite>()),
                    // The newest row may be one whose value is null, which is no number.
                    Self::Edge(over) if over.which == first_last::Edge::Latest => {}
                    Self::Edge(over) if int => return work.over(over.keeping::<i64>()),
                    Self::Edge(over) if float => return work.over(over.keeping::<Finite>()),
                    _ => {}
                }
                match self {
                    $(Self::$variant(aggregate) => work.over(aggregate.clone()),)+
                }
            }

            /// The state of no rows.
            #[inline]
            pub fn empty(&self) -> State {
                match self {
                    $(Self::$variant(_) => State::$variant(Default::default()),)+
                }
            }

            /// Adds one row that passed the cell's `where`.
            #[inline]
            pub fn update(&self, state: &mut State, input: Input<'_>) {
                match (self, state) {
                    $((Self::$variant(aggregate), State::$variant(state)) => aggregate.update(state, input),)+
                    _ => broken(PAIRED),
                }
            }

            /// Adds `from` to `into`.
            #[inline]
            pub fn merge(&self, into: &mut State, from: &State) {
                match (self, into, from) {
                    $((Self::$variant(aggregate), State::$variant(into), State::$variant(from)) => {
                        aggregate.merge(into, from);
                    })+
                    _ => broken(PAIRED),
                }
            }

            /// Whether [`Aggregator::take_back`] is exact.
            pub fn can_take_back(&self) -> bool {
                match self {
                    $(Self::$variant(aggregate) => aggregate.can_take_back(),)+
                }
            }

            /// Undoes a merge of `from`. Called only where [`Aggregator::can_take_back`] is true.
            pub fn take_back(&self, into: &mut State, from: &State) {
                match (self, into, from) {
                    $((Self::$variant(aggregate), State::$variant(into), State::$variant(from)) => {
                        aggregate.take_back(into, from);
                    })+
                    _ => broken(PAIRED),
                }
            }

            /// The value of a state over `window`.
            pub fn finish(&self, state: &State, window: Interval) -> Outcome {
                self.finish_part(state, window, Part::Whole)
            }

            /// A part of the value of a state over `window`.
            pub fn finish_part(&self, state: &State, window: Interval, part: Part) -> Outcome {
                match (self, state) {
                    $((Self::$variant(aggregate), State::$variant(state)) => {
                        aggregate.finish_part(state, window, part)
                    })+
                    _ => broken(PAIRED),
                }
            }

            /// Appends the state's canonical bytes.
            pub fn encode(&self, state: &State, out: &mut Vec<u8>) {
                match (self, state) {
                    $((Self::$variant(aggregate), State::$variant(state)) => aggregate.encode(state, out),)+
                    _ => broken(PAIRED),
                }
            }

            /// Reads what [`Aggregator::encode`] wrote. Errors: bytes that it would not have written.
            pub fn decode(&self, from: &mut Reader<'_>) -> Result<State, CodecError> {
                match self {
                    $(Self::$variant(aggregate) => aggregate.decode(from).map(State::$variant),)+
                }
            }

            /// Bytes on the heap.
            pub fn heap_size(&self, state: &State) -> usize {
                match (self, state) {
                    $((Self::$variant(aggregate), State::$variant(state)) => aggregate.heap_size(state),)+
                    _ => broken(PAIRED),
                }
            }
        }
    };
}

aggregates! {
    /// Rows or values.
    Count(count::Count): count::COUNT;
    /// An exact sum.
    Sum(sum::Sum): sum::SUM;
    /// A mean.
    Mean(mean::Mean): mean::AVG;
    /// The least or greatest value.
    Extreme(content::Over<min_max::Extreme>): min_max::MIN | min_max::MAX;
    /// One row's value.
    Edge(content::Over<first_last::Edge>): first_last::FIRST | first_last::LAST;
    /// Several rows' values.
    Run(first_n::Run): first_n::FIRST_N | first_n::LAST_N;
    /// A variance or standard deviation.
    Spread(moments::Spread):
        moments::VARIANCE | moments::STDDEV | moments::VARIANCE_POP | moments::STDDEV_POP;
    /// Rows that hold a condition.
    Share(share::Share): share::FRACTION | share::ANY | share::ALL;
    /// One sum over another.
    Ratio(ratio::Ratio): ratio::RATIO;
    /// Different values, up to a bound.
    Distinct(distinct::Distinct): distinct::COUNT_DISTINCT;
    /// About how many different values.
    ApproxDistinct(approx_distinct::ApproxDistinct): approx_distinct::APPROX_COUNT_DISTINCT;
    /// Values by their rank, about.
    Quantile(quantile::Quantile): quantile::APPROX_QUANTILE;
}

impl Aggregator {
    /// The part of this aggregate's state that is all that `other` keeps, over the same rows and
    /// arguments.
    pub fn part_for(&self, other: &Self) -> Option<Part> {
        match (self, other) {
            (Self::Mean(mean), Self::Sum(sum)) if mean.number == sum.number => Some(Part::Sum),
            (Self::Mean(_), Self::Count(count::Count::Values)) => Some(Part::Count),
            _ => None,
        }
    }

    /// The newest row's value, null or not: what a row lookup answers. Not in [`signatures`].
    pub fn latest() -> Self {
        Self::Edge(content::Over::new(first_last::Edge::Latest))
    }
}

/// Settles the call `name(args, params)`.
///
/// Errors: a [`BindError`] that says what would be valid.
pub fn bind(name: &str, args: &[Slot], params: &[(String, Value)]) -> Result<Bound, BindError> {
    let signature = signatures().iter().find(|signature| signature.name == name);
    let signature = signature.ok_or_else(|| BindError::Unknown(name.to_owned()))?;
    (signature.bind)(args, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_needs_no_more_than_a_cache_line() {
        assert!(size_of::<State>() <= 64, "{}", size_of::<State>());
    }

    #[test]
    #[should_panic(expected = "invariant: a state meets only the aggregator that made it")]
    fn a_state_of_another_aggregate_is_a_mistake_of_ours() {
        let mut state = Aggregator::Count(count::Count::Rows).empty();
        Aggregator::latest().merge(&mut state, &Aggregator::latest().empty());
    }
}
