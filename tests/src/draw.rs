//! Random specifications with random logs and requests, all from one seed.
//!
//! Times are drawn where mistakes live: on hop edges and one microsecond beside them, at instants of
//! other rows, a window's length after a row. Values repeat, so that ties and duplicates are common;
//! some draws are wild, with sums that overflow and cancel.

mod edit;
mod rows;
mod scale;
mod spec;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::dice::Dice;
use crate::oracle::spec::OracleSpec;
pub use edit::{Edited, edit};
pub use rows::stamped;
use scale::Scale;

/// The aggregates that every draw picks from; the coverage table has a row for each.
pub const AGGREGATES: [&str; 20] = [
    "count",
    "sum",
    "avg",
    "ratio",
    "min",
    "max",
    "first",
    "last",
    "first_n",
    "last_n",
    "variance",
    "stddev",
    "variance_pop",
    "stddev_pop",
    "fraction",
    "any",
    "all",
    "count_distinct",
    "approx_count_distinct",
    "approx_quantile",
];

/// A question: keys and an instant in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Keys by their input names.
    pub key: Map<String, Json>,
    /// The instant.
    pub at: i64,
}

/// One draw.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// What it was drawn from.
    pub seed: u64,
    /// The specification: the source `events`, in some draws the table `versions` beside it, and labels.
    pub spec: OracleSpec,
    /// The rows of each source in the file's order.
    pub rows: BTreeMap<String, Vec<Map<String, Json>>>,
    /// What is asked.
    pub requests: Vec<Request>,
}

/// The draw of `seed`.
pub fn draw(seed: u64) -> Drawn {
    let mut dice = Dice::new(seed);
    let scale = Scale::draw(&mut dice);
    let wild = dice.once_in(6);
    let mut spec = spec::events(&mut dice, &scale, wild);
    let events = rows::events(&mut dice, &spec.sources[0], &scale, wild);
    let requests = rows::requests(&mut dice, &spec, &scale, &events);
    let mut rows = BTreeMap::from([("events".to_owned(), events)]);
    if dice.once_in(4) {
        spec::versions(&mut dice, &scale, &mut spec);
        rows.insert("versions".to_owned(), rows::versions(&mut dice, &scale));
    }
    if dice.once_in(4) {
        spec::labels(&mut dice, &scale, &mut spec);
    }
    Drawn { seed, spec, rows, requests }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_draw() {
        let (a, b) = (draw(7), draw(7));
        assert_eq!((a.spec, a.rows, a.requests), (b.spec, b.rows, b.requests));
        assert_ne!(draw(7).rows, draw(8).rows);
    }

    #[test]
    fn a_draw_reads_back_from_its_json() {
        for seed in 0..50 {
            let spec = draw(seed).spec;
            let text = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<OracleSpec>(&text).unwrap(), spec, "seed {seed}");
        }
    }
}
