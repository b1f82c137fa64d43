//! The slide against the definition: filter the rows, fold them, compare bit for bit.

use std::sync::Arc;

use feat_kernel::agg::{Aggregator, Outcome, Part, bind};
use feat_kernel::row::Kept;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use feat_kernel::view::{Cell, Output, View};
use feat_kernel::window::{Reach, Window, bounds};
use proptest::prelude::*;

use super::*;

fn aggregator(name: &str, ty: Type) -> Aggregator {
    bind(name, &[Slot::nullable(ty)], &[]).unwrap().aggregator
}

/// Every cell over every window.
fn view(windows: Vec<Window>, ttl: Option<Micros>) -> Arc<View> {
    let cell = |name: &str, arg: usize, mask: Option<usize>| Cell {
        aggregator: aggregator(name, if arg == 0 { Type::Float } else { Type::Int }),
        args: vec![arg],
        mask,
    };
    let cells = vec![
        cell("count", 1, None),
        cell("sum", 0, Some(0)),
        cell("avg", 0, None),
        cell("min", 0, None),
        cell("max", 1, Some(0)),
        cell("last", 1, None),
        cell("first", 0, None),
        cell("stddev", 0, None),
    ];
    let outputs = (0..windows.len())
        .flat_map(|window| {
            (0..cells.len()).filter(move |cell| (cell + window) % 5 != 4).flat_map(move |cell| {
                // The mean is read by its parts too.
                let parts =
                    if cell == 2 { &[Part::Whole, Part::Sum, Part::Count][..] } else { &[Part::Whole] };
                parts.iter().map(move |&part| Output { cell, window, part })
            })
        })
        .collect();
    Arc::new(View {
        args: vec![Type::Float, Type::Int],
        masks: 1,
        cells,
        windows,
        outputs,
        dedupe: None,
        ttl,
        ties: true,
    })
}

fn over(length: i64, hop: i64, offset: i64) -> Window {
    Window { reach: Reach::Length(Micros(length)), hop: Micros(hop), offset: Micros(offset) }
}

fn all(since: i64, hop: i64, offset: i64) -> Window {
    Window { reach: Reach::All(Instant(since)), hop: Micros(hop), offset: Micros(offset) }
}

/// Filters and folds: no tiles, no order.
fn by_definition(view: &View, rows: &[Kept], t: Instant) -> Vec<Outcome> {
    let visible: Vec<&Kept> = rows.iter().filter(|row| row.known <= t && row.tau < t).collect();
    if view.ttl.is_some_and(|ttl| !visible.iter().any(|row| row.tau >= t.minus(ttl))) {
        return vec![Outcome::Value(Value::Null); view.outputs.len()];
    }
    view.outputs
        .iter()
        .map(|output| {
            let interval = bounds(&view.windows[output.window], t);
            let mut state = view.cells[output.cell].aggregator.empty();
            for row in visible.iter().filter(|row| interval.contains(row.tau)) {
                view.update_cell(output.cell, &mut state, row);
            }
            view.cells[output.cell].aggregator.finish_part(&state, interval, output.part)
        })
        .collect()
}

/// Settles at arbitrary places: what waits is done later, never otherwise.
fn by_slide(
    view: &Arc<View>,
    rows: &[Kept],
    questions: &[i64],
    slide: &mut Slide,
    settle_every: usize,
) -> Vec<Vec<Outcome>> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let visible = |row: &Kept| row.known.max(row.tau.next());
    order.sort_by_key(|&at| visible(&rows[at]));
    let page = Page { rows: None, aside: rows };
    let mut answers = vec![vec![UNANSWERED; questions.len()]; view.outputs.len()];
    let mut order = order.into_iter().peekable();
    for (answer, &t) in questions.iter().enumerate() {
        while let Some(at) = order.next_if(|&at| visible(&rows[at]) <= Instant(t)) {
            slide.push(rows[at].tau, At::aside(at));
        }
        if slide.ask(Instant(t), answer) == Presence::Absent {
            for column in &mut answers {
                column[answer] = Value::Null;
            }
        }
        if answer % settle_every == 0 {
            slide.settle(&page, &mut answers);
        }
    }
    slide.settle(&page, &mut answers);
    let outcome = |value: &Value| match value {
        Value::Bool(_) => Outcome::Overflow,
        value => Outcome::Value(value.clone()),
    };
    (0..questions.len()).map(|at| answers.iter().map(|column| outcome(&column[at])).collect()).collect()
}

/// Not a value of any cell here: an overflow leaves it.
const UNANSWERED: Value = Value::Bool(false);

fn row(time: i64, late: i64, x: Option<f64>, n: i64, mask: bool) -> Kept {
    let (tau, known) = (Instant(time), Instant(time + late));
    Kept {
        known,
        tau,
        tie: n.to_be_bytes().to_vec(),
        id: None,
        pass: true,
        args: vec![x.map_or(Value::Null, Value::Float), Value::Int(n)],
        masks: vec![mask],
    }
}

fn rows() -> impl Strategy<Value = Vec<Kept>> {
    let late = prop_oneof![5 => Just(0i64), 2 => 0i64..40, 1 => 0i64..900];
    let float = prop::option::weighted(
        0.8,
        prop_oneof![any::<i16>().prop_map(|x| f64::from(x) / 100.0), -1e300..1e300f64],
    );
    prop::collection::vec((-500i64..500, late, float, -50i64..50, any::<bool>()), 0..120).prop_map(|rows| {
        rows.into_iter().map(|(time, late, x, n, mask)| row(time, late, x, n, mask)).collect()
    })
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    let window = prop_oneof![
        (1i64..20, 0usize..3).prop_map(|(n, hop)| over(n * [5, 20, 100][hop], [5, 20, 100][hop], 0)),
        (1i64..20, 0usize..3, 1i64..150).prop_map(|(n, hop, d)| over(
            n * [5, 20, 100][hop],
            [5, 20, 100][hop],
            d
        )),
        Just(all(i64::MIN, 1, 0)),
        (1i64..150).prop_map(|d| all(i64::MIN, 20, d)),
    ];
    prop::collection::vec(window, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_slide_agrees_with_the_definition(
        first in rows(),
        second in rows(),
        windows in windows(),
        mut questions in prop::collection::vec(-600i64..1200, 1..25),
        ttl in prop::option::weighted(0.3, 1i64..300),
        settle_every in 1usize..30,
        few in any::<bool>(),
        kept in prop_oneof![Just(0), 0usize..20, Just(128)],
    ) {
        questions.sort_unstable();
        let view = view(windows, ttl.map(Micros));
        let layout = if few { Layout::of_instants } else { Layout::of_hops };
        let layout = Layout { kept, ..layout(Arc::clone(&view)) };
        let mut slide = Slide::new(Arc::new(layout));
        // The second key meets what the first one leaves behind.
        for rows in [first, second] {
            let answers = by_slide(&view, &rows, &questions, &mut slide, settle_every);
            for (&t, answer) in questions.iter().zip(&answers) {
                let expected = by_definition(&view, &rows, Instant(t));
                prop_assert_eq!(format!("{answer:?}"), format!("{expected:?}"), "at {}", t);
            }
            slide.clear();
        }
    }

    #[test]
    fn the_slide_stands_as_the_kernel_says(
        rows in rows(),
        windows in windows(),
        mut questions in prop::collection::vec(-600i64..1200, 1..10),
        ttl in prop::option::weighted(0.5, 1i64..300),
    ) {
        questions.sort_unstable();
        let view = view(windows, ttl.map(Micros));
        for &t in &questions {
            let mut slide = Slide::new(Arc::new(Layout::of_hops(Arc::clone(&view))));
            let visible: Vec<&Kept> = rows.iter().filter(|row| row.known <= Instant(t) && row.tau < Instant(t)).collect();
            let mut sorted: Vec<(usize, &&Kept)> = visible.iter().enumerate().collect();
            sorted.sort_by_key(|(_, row)| row.known);
            for (at, row) in sorted {
                slide.push(row.tau, At::aside(at));
            }
            let newest = visible.iter().map(|row| row.tau).max();
            let start = view.windows.iter().map(|window| bounds(window, Instant(t)).start).min();
            let expected = match (view.ttl, newest) {
                (Some(ttl), newest) if newest.is_none_or(|newest| newest < Instant(t).minus(ttl)) => Presence::Absent,
                (_, newest) if newest.is_some() && newest >= start => Presence::Present,
                _ => Presence::Empty,
            };
            prop_assert_eq!(slide.ask(Instant(t), 0), expected);
        }
    }
}

#[test]
fn memory_is_the_tiles_within_reach_whatever_the_number_of_rows() {
    let view = view(vec![over(100, 5, 0), over(1000, 100, 0)], None);
    let layout = Layout { kept: 0, ..Layout::of_hops(Arc::clone(&view)) };
    let mut slide = Slide::new(Arc::new(layout));
    let mut answers = vec![vec![Value::Null]; view.outputs.len()];
    for time in 0..50_000 {
        slide.push(Instant(time), At::aside(0));
        slide.settle(&Page { rows: None, aside: &[row(time, 0, Some(1.0), time, true)] }, &mut answers);
    }
    let tiles: usize = slide.rings.iter().map(Ring::tiles).sum();
    assert!(tiles <= 21 + 2 + 11 + 2, "{tiles} tiles");
    slide.ask(Instant(50_000), 0);
    slide.settle(&Page { rows: None, aside: &[] }, &mut answers);
    assert!(matches!(answers[0][0], Value::Int(100)));
}

#[test]
fn a_key_of_few_rows_far_apart_has_tiles_of_instants() {
    let view = view(vec![over(100, 5, 0), over(1000, 100, 0)], None);
    let layouts = Layouts::new(&view);
    let instants =
        |rows, more, span| layouts.of_key(Outlook { rows, more, span: Micros(span) }).rings.len() == 1;
    assert!(instants(1, false, 0));
    assert!(instants(10, false, 1_000));
    // A tile of 5 holds two of them.
    assert!(!instants(400, false, 1_000));
    assert!(instants(1_000, false, 1_000_000));
    // More than are few, or who knows how many.
    assert!(!instants(2_000, false, 2_000_000));
    assert!(!instants(10, true, 1_000));
}
