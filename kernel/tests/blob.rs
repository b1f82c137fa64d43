//! Blobs and `assemble` against the definition: filter the log by visibility and window, then fold.
//!
//! The logs are small and mean: disorder, ties, duplicates, late and future rows, waiting rows,
//! clocks that move without rows, bytes written and read back at any step, idle entities deleted.

#![expect(clippy::unwrap_used, reason = "a test that unwraps none fails where it stands")]

use std::collections::BTreeMap;

use feat_kernel::agg::{self, Outcome, Part};
use feat_kernel::assemble::assemble;
use feat_kernel::blob::Blob;
use feat_kernel::presence::Presence;
use feat_kernel::row::{Kept, Row};
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use feat_kernel::view::{Cell, Dedupe, Output, View};
use feat_kernel::window::{Reach, Window, bounds};
use proptest::prelude::*;

fn cell(name: &str, arg: bool, mask: Option<usize>) -> Cell {
    let slots = if arg { vec![Slot::nullable(Type::Int)] } else { vec![] };
    let params = if name == "last_n" { vec![("n".to_owned(), Value::Int(2))] } else { vec![] };
    let bound = agg::bind(name, &slots, &params).unwrap();
    Cell { aggregator: bound.aggregator, args: if arg { vec![0] } else { vec![] }, mask }
}

/// One entity's log in clock order, and what happens after each row.
#[derive(Clone, Debug)]
struct Draw {
    view: View,
    rows: Vec<Kept>,
    /// The record's clock, which its known may lie after.
    clocks: Vec<Instant>,
    /// How far the clock runs on, whether the blob goes through bytes, how far after the clock a
    /// lookup comes.
    steps: Vec<(i64, bool, i64)>,
}

fn window() -> impl Strategy<Value = Window> {
    let hop = prop::sample::select(vec![1, 2, 4, 12]);
    prop_oneof![
        4 => (hop, 1..6i64, prop::sample::select(vec![0, 0, 0, 1, 7, 20])).prop_map(|(hop, hops, offset)| Window {
            reach: Reach::Length(Micros(hop * hops)),
            hop: Micros(hop),
            offset: Micros(offset),
        }),
        1 => Just(Window { reach: Reach::All(Instant::MIN), hop: Micros(1), offset: Micros::ZERO }),
    ]
}

fn draw() -> impl Strategy<Value = Draw> {
    let row = (
        prop::sample::select(vec![0, 0, 0, 1, 2, 5, 23]),
        prop::sample::select(vec![0, 0, 0, 2, 15]),
        prop::sample::select(vec![0, 0, 1, 2, 3, 9, 30]),
        prop::option::weighted(0.8, 0..3u8),
        prop::option::weighted(0.9, -9..9i64),
        prop::bool::weighted(0.9),
        any::<bool>(),
    );
    let ahead = prop::sample::select(vec![1, 1, 2, 5, 60]);
    let step = (prop::sample::select(vec![0, 0, 0, 1, 3, 40]), any::<bool>(), ahead);
    let within = prop::option::of(prop::sample::select(vec![0, 3, 30]));
    let ttl = prop::option::of(prop::sample::select(vec![6, 20]));
    (prop::collection::vec(window(), 1..4), within, ttl, prop::collection::vec((row, step), 1..14)).prop_map(
        |(windows, within, ttl, log)| {
            let cells = vec![
                cell("count", false, None),
                cell("sum", true, Some(0)),
                cell("max", true, None),
                cell("last", true, None),
                cell("last_n", true, Some(0)),
                cell("avg", true, None),
            ];
            let outputs = (0..windows.len())
                .flat_map(|window| {
                    (0..cells.len()).map(move |cell| Output { cell, window, part: Part::Whole })
                })
                .collect();
            let view = View {
                args: vec![Type::Int],
                masks: 1,
                cells,
                windows,
                outputs,
                dedupe: within.map(|within| Dedupe { within: Some(Micros(within)) }),
                ttl: ttl.map(Micros),
                ties: true,
            };
            let mut clock = 100;
            let (mut rows, mut clocks) = (Vec::new(), Vec::new());
            let mut steps = Vec::new();
            for ((gap, wait, lag, id, value, pass, mask), step) in log {
                clock += gap;
                let known = clock + wait;
                let value = value.map_or(Value::Null, Value::Int);
                let mut tie = vec![id.unwrap_or(9)];
                feat_kernel::order::put(&mut tie, value.as_ref());
                tie.extend([u8::from(pass), u8::from(mask)]);
                rows.push(Kept {
                    known: Instant(known),
                    tau: Instant(known - lag),
                    tie,
                    id: id.map(|id| vec![id]),
                    pass,
                    args: vec![value],
                    masks: vec![mask],
                });
                // The clock never goes back: the next record comes after what it ran on to.
                clocks.push(Instant(clock));
                clock += step.0;
                steps.push(step);
            }
            Draw { view, rows, clocks, steps }
        },
    )
}

/// The rows of the log that are admitted, as SEMANTICS has it.
fn admitted<'a>(view: &View, log: &'a [Kept]) -> Vec<&'a Kept> {
    let mut rows: Vec<&Kept> = log.iter().collect();
    rows.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut last = BTreeMap::new();
    rows.retain(|row| {
        let (Some(dedupe), Some(id)) = (view.dedupe, &row.id) else { return true };
        let again = last.get(id).is_some_and(|&known| row.known.since(known) <= dedupe.within.unwrap());
        if !again {
            last.insert(id.clone(), row.known);
        }
        !again
    });
    rows
}

fn by_definition(view: &View, log: &[Kept], t: Instant) -> (Vec<Outcome>, Presence) {
    let visible: Vec<&Kept> =
        admitted(view, log).into_iter().filter(|row| row.pass && row.known <= t && row.tau < t).collect();
    if let Some(ttl) = view.ttl
        && visible.iter().all(|row| row.tau < t.minus(ttl))
    {
        return (vec![Outcome::Value(Value::Null); view.outputs.len()], Presence::Absent);
    }
    let outcomes = view
        .outputs
        .iter()
        .map(|output| {
            let interval = bounds(&view.windows[output.window], t);
            let cell = &view.cells[output.cell];
            let mut state = cell.aggregator.empty();
            for row in &visible {
                if interval.contains(row.tau) && cell.mask.is_none_or(|mask| row.masks[mask]) {
                    cell.aggregator.update(&mut state, row.input(&cell.args));
                }
            }
            cell.aggregator.finish(&state, interval)
        })
        .collect();
    let start = view.windows.iter().map(|window| bounds(window, t).start).min().unwrap();
    let some = visible.iter().any(|row| row.tau >= start);
    (outcomes, if some { Presence::Present } else { Presence::Empty })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_lookup_equals_the_definition_at_every_step(Draw { view, rows, clocks, steps } in draw()) {
        let mut blob: Option<Blob> = None;
        for (at, ((row, &clock), (idle, bytes, ahead))) in rows.iter().zip(&clocks).zip(&steps).enumerate() {
            let entity = blob.get_or_insert_default();
            entity.append(&view, &row);
            entity.advance(&view, clock);
            if *bytes {
                let encoded = entity.encode(&view);
                *entity = Blob::decode(&view, &encoded).unwrap();
                prop_assert_eq!(entity.encode(&view), encoded);
            }
            // The clock may run on without rows of this entity, which the blob does not see until it is
            // written again; the sweep does.
            let swept_to = clock.plus(Micros(*idle));
            if blob.as_ref().is_some_and(|blob| blob.is_idle(&view, swept_to)) {
                blob = None;
            }
            let after = blob.as_ref().map_or(swept_to, Blob::clock);
            let t = Instant(after.0 + ahead);
            let found = assemble(&view, blob.as_ref(), t);
            let (outcomes, presence) = by_definition(&view, &rows[..=at], t);
            prop_assert_eq!(&found.outcomes, &outcomes, "at {} after row {}: {:#?}", t, at, blob);
            prop_assert_eq!(found.presence, presence, "at {} after row {}", t, at);
        }
    }

    #[test]
    fn bytes_from_anybody_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        Draw { view, .. } in draw(),
    ) {
        let _ = Blob::decode(&view, &bytes);
        bytes.insert(0, 1);
        let _ = Blob::decode(&view, &bytes);
    }
}
