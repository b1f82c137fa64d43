//! `first`, `last` and `latest`: one row's value, by the row order.

use std::cmp::Ordering;

use super::call::Call;
use super::content::{Content, Over};
use super::kept::Kept;
use super::{Aggregate, Aggregator, BindError, Bound, Class, Input, Outcome, Signature};
use crate::codec::{CodecError, Reader};
use crate::types::{Slot, Type};
use crate::value::Value;
use crate::window::Interval;

/// Which row's value is kept. The state is that row: its instant, its tie-break bytes and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// `first(x)`: the oldest row whose value is not null.
    First,
    /// `last(x)`: the newest row whose value is not null.
    Last,
    /// The newest row, null or not: what a row lookup answers. Authors do not write it.
    Latest,
}

pub(super) const FIRST: Signature = Signature {
    name: "first",
    usage: "first(x)",
    doc: "The oldest value that is not null.",
    empty: "null",
    class: Class::Ordered,
    deletable: false,
    bind: |args, params| bind(Edge::First, args, params),
};

pub(super) const LAST: Signature = Signature {
    name: "last",
    usage: "last(x)",
    doc: "The newest value that is not null.",
    bind: |args, params| bind(Edge::Last, args, params),
    ..FIRST
};

fn bind(edge: Edge, args: &[Slot], params: &[(String, Value)]) -> Result<Bound, BindError> {
    let ty: &Type = Call::of_one(args, params)?.arg(0, "a value", |_| true)?;
    Ok(Bound {
        aggregator: Aggregator::Edge(Over::new(edge)),
        result: Slot::nullable(ty.clone()),
        class: Class::Ordered,
    })
}

impl Edge {
    /// Whether a row that compares so with the kept one, in the row order, takes its place.
    #[inline]
    pub fn wins(self, order: Ordering) -> bool {
        order == if self == Self::First { Ordering::Less } else { Ordering::Greater }
    }
}

impl<C: Content> Aggregate for Over<Edge, C> {
    type State = Option<Kept<C>>;

    const ORDERED: bool = true;

    #[inline]
    fn update(&self, state: &mut Option<Kept<C>>, input: Input<'_>) {
        if input.x.is_null() && self.which != Edge::Latest {
            return;
        }
        match state {
            Some(kept) if !self.which.wins(kept.order_of(input)) => {}
            _ => *state = Some(Kept::new(input)),
        }
    }

    #[inline]
    fn merge(&self, into: &mut Option<Kept<C>>, from: &Option<Kept<C>>) {
        if let Some(row) = from
            && into.as_ref().is_none_or(|kept| self.which.wins(row.cmp(kept)))
        {
            into.clone_from(from);
        }
    }

    #[inline]
    fn finish(&self, state: &Option<Kept<C>>, _window: Interval) -> Outcome {
        Outcome::Value(state.as_ref().map_or(Value::Null, Kept::value))
    }

    fn encode(&self, state: &Option<Kept<C>>, out: &mut Vec<u8>) {
        out.push(u8::from(state.is_some()));
        if let Some(kept) = state {
            kept.encode(out);
        }
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Option<Kept<C>>, CodecError> {
        match from.u8()? {
            0 => Ok(None),
            1 => Ok(Some(Kept::decode(from)?)),
            _ => Err(CodecError::invalid("row of a state")),
        }
    }

    fn heap_size(&self, state: &Option<Kept<C>>) -> usize {
        state.as_ref().map_or(0, Kept::heap_size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::content::Finite;
    use super::*;
    use crate::laws::{self, Row};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(laws::CASES))]

        #[test]
        fn edges_keep_the_laws(
            ints in laws::tiles(laws::ints()),
            floats in laws::tiles(laws::floats()),
            strings in laws::tiles(laws::strings()),
            noise in laws::noise(),
        ) {
            for edge in [Edge::First, Edge::Last, Edge::Latest] {
                let any = Over::<_, Value>::new(edge);
                laws::check(&any, &ints)?;
                laws::check(&any, &strings)?;
                laws::check_bytes(&any, &noise)?;
            }
            for edge in [Edge::First, Edge::Last] {
                let any = Over::<_, Value>::new(edge);
                laws::check(&any.keeping::<i64>(), &ints)?;
                laws::check(&any.keeping::<Finite>(), &floats)?;
                laws::check_bytes(&any.keeping::<i64>(), &noise)?;
                laws::check_same(&any, &any.keeping::<i64>(), &ints)?;
                laws::check_same(&any, &any.keeping::<Finite>(), &floats)?;
            }
        }
    }

    #[test]
    fn the_tie_break_decides_between_rows_of_one_instant() {
        let row = |x, tau, tie: u8| Row { x, y: Value::Null, tau, tie: vec![tie] };
        let rows = [row(Value::Int(1), 5, 1), row(Value::Int(2), 5, 0), row(Value::Null, 6, 0)];
        let answer = |edge| {
            let edge = Over::<_, Value>::new(edge);
            edge.finish(&laws::fold(&edge, &rows), laws::WINDOW)
        };
        assert_eq!(answer(Edge::First), Outcome::Value(Value::Int(2)));
        assert_eq!(answer(Edge::Last), Outcome::Value(Value::Int(1)));
        assert_eq!(answer(Edge::Latest), Outcome::NULL);
    }
}
