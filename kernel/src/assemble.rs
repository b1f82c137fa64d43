//! A blob and an instant make values: tiles and visible waiting rows are merged per window.

use crate::agg::{Outcome, State};
use crate::blob::Blob;
use crate::presence::Presence;
use crate::row::Kept;
use crate::tile::{cover, spanned};
use crate::time::Instant;
use crate::value::Value;
use crate::view::View;
use crate::window::{Interval, Reach, bounds};

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
    let presence = view.presence(newest, t);
    if presence == Presence::Absent {
        return Assembled { outcomes: vec![Outcome::Value(Value::Null); view.outputs.len()], presence };
    }
    let intervals: Vec<Interval> = view.windows.iter().map(|window| bounds(window, t)).collect();
    let mut outcomes = vec![Outcome::Value(Value::Null); view.outputs.len()];
    for cell in 0..view.cells.len() {
        assemble_cell(view, blob, &visible, &intervals, cell, &mut outcomes);
    }
    Assembled { outcomes, presence }
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
            let window = &view.windows[view.outputs[output].window];
            let whole = matches!(window.reach, Reach::All(_));
            add(&mut state, spanned(window, interval));
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
