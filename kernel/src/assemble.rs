//! A blob and an instant make values: tiles and visible waiting rows are merged per window.

use crate::agg::{Outcome, State};
use crate::blob::Blob;
use crate::row::Kept;
use crate::tile::cover;
use crate::time::Instant;
use crate::value::Value;
use crate::view::View;
use crate::window::{Interval, Reach, bounds};

/// How a key stands at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A visible row lies within the longest window.
    Present,
    /// None does; aggregates are those of no rows.
    Empty,
    /// By `ttl` the key is not there; every value is null.
    Absent,
}

/// What a lookup gets for one key of one view.
#[derive(Clone, Debug, PartialEq)]
pub struct Assembled {
    /// One per output of the view, in its order.
    pub outcomes: Vec<Outcome>,
    /// How the key stands.
    pub presence: Presence,
}

/// The values of a key at `t`.
///
/// Shape: one outcome per output of `view`, in its order.
/// Time: `t` must be greater than [`Blob::clock`]; rows at `t` itself do not count.
/// Absent: a missing blob gives the aggregates of no rows with [`Presence::Empty`], or, in a view
/// with a `ttl`, nulls with [`Presence::Absent`].
/// Cost: one pass over tiles and waiting rows for each cell, from newest to oldest.
pub fn assemble(view: &View, blob: Option<&Blob>, t: Instant) -> Assembled {
    debug_assert!(
        blob.is_none_or(|blob| blob.clock < t),
        "an instant that is not after the clock is refused"
    );
    let visible: Vec<&Kept> = visible(blob, t);
    let newest = visible.iter().map(|row| row.tau).max().max(blob.and_then(|blob| blob.newest));
    if let Some(ttl) = view.ttl
        && newest.is_none_or(|newest| newest < t.minus(ttl))
    {
        return Assembled {
            outcomes: vec![Outcome::Value(Value::Null); view.outputs.len()],
            presence: Presence::Absent,
        };
    }
    let intervals: Vec<Interval> = view.windows.iter().map(|window| bounds(window, t)).collect();
    let reach = intervals.iter().map(|interval| interval.start).min().unwrap_or(Instant::MIN);
    let some_in_reach = visible.iter().any(|row| row.tau >= reach)
        || blob.is_some_and(|blob| {
            blob.tiles.keys().any(|tile| tile.start >= reach) || (view.reaches_all() && blob.newest.is_some())
        });
    let mut outcomes = vec![Outcome::Value(Value::Null); view.outputs.len()];
    for cell in 0..view.cells.len() {
        assemble_cell(view, blob, &visible, &intervals, cell, &mut outcomes);
    }
    Assembled { outcomes, presence: if some_in_reach { Presence::Present } else { Presence::Empty } }
}

/// Waiting rows that count at `t`, newest first.
fn visible(blob: Option<&Blob>, t: Instant) -> Vec<&Kept> {
    let mut rows: Vec<&Kept> = blob
        .into_iter()
        .flat_map(|blob| &blob.kept)
        .filter(|(row, duplicate)| !duplicate && row.pass && row.known <= t && row.tau < t)
        .map(|(row, _)| row)
        .collect();
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.tau));
    rows
}

/// The outputs of one cell. Windows with the same end are nested: each goes on from the state of
/// the one inside it.
fn assemble_cell(
    view: &View,
    blob: Option<&Blob>,
    visible: &[&Kept],
    intervals: &[Interval],
    cell: usize,
    outcomes: &mut [Outcome],
) {
    let aggregator = &view.cells[cell].aggregator;
    let mut outputs: Vec<usize> =
        (0..view.outputs.len()).filter(|&output| view.outputs[output].cell == cell).collect();
    let interval = |output: usize| intervals[view.outputs[output].window];
    outputs.sort_by_key(|&output| (interval(output).end, std::cmp::Reverse(interval(output).start)));
    let mut rest = &outputs[..];
    while let Some(&first) = rest.first() {
        let end = interval(first).end;
        let (nested, others) = rest.split_at(rest.partition_point(|&output| interval(output).end == end));
        rest = others;
        let mut state = aggregator.empty();
        let mut tiles = blob.into_iter().flat_map(|blob| blob.tiles.iter().rev()).peekable();
        let mut rows = visible.iter().peekable();
        let mut add = |state: &mut State, interval: Interval| {
            while let Some((tile, states)) = tiles.next_if(|(tile, _)| tile.start >= interval.start) {
                if cover(interval, *tile) {
                    aggregator.merge(state, &states[cell]);
                }
            }
            while let Some(row) = rows.next_if(|row| row.tau >= interval.start) {
                if interval.contains(row.tau) {
                    view.update_cell(cell, state, row);
                }
            }
        };
        for &output in nested {
            let interval = interval(output);
            let whole = matches!(view.windows[view.outputs[output].window].reach, Reach::All(_));
            // Every admitted row is at or after `since`, but the tile that holds `since` may start
            // before it.
            add(&mut state, if whole { Interval { start: Instant::MIN, ..interval } } else { interval });
            let base = blob.and_then(|blob| blob.base.as_ref()).filter(|_| whole);
            let part = view.outputs[output].part;
            outcomes[output] = match base.zip(view.base().iter().position(|&at| at == cell)) {
                Some((base, at)) => {
                    let mut state = state.clone();
                    aggregator.merge(&mut state, &base[at]);
                    aggregator.finish_part(&state, interval, part)
                }
                None => aggregator.finish_part(&state, interval, part),
            };
        }
    }
}
