//! The kernel alone against the definition, over random logs whose clocks lag and jump.

use std::collections::BTreeMap;
use std::io::Write;

use feat_tests::draw::{Drawn, draw, stamped};
use feat_tests::oracle::Oracle;
use feat_tests::read::tiles::{self, Compared, Differs};
use feat_tests::shrink::{shown, shrink};

/// Enough for every mutation of the kernel to be noticed, and few enough for an unoptimised build.
const LOGS: u64 = 300;

fn compare(drawn: &Drawn) -> Result<Compared, Differs> {
    let oracle = Oracle::new(drawn.spec.clone(), &BTreeMap::new()).with_log("events", stamped(drawn));
    let mut all = Compared::default();
    for group in drawn.spec.groups.iter().filter(|group| group.source == "events") {
        let compared = tiles::compare(&oracle, group, drawn.seed)?;
        all.values += compared.values;
        all.complete += compared.complete;
    }
    Ok(all)
}

#[test]
fn tiles_agree_with_the_definition() {
    let (mut values, mut complete) = (0, 0);
    for seed in 0..LOGS {
        let drawn = draw(seed);
        match compare(&drawn) {
            Ok(compared) => {
                values += compared.values;
                complete += compared.complete;
            }
            Err(differs) => {
                let (smallest, said) = shrink(&drawn, |drawn| compare(drawn).err());
                panic!("{differs}\nand smaller: {said}\n{}", shown(&smallest));
            }
        }
    }
    assert!(complete > 1_000, "only {complete} values were complete before the log's end");
    let _ = writeln!(
        std::io::stderr(),
        "tiles: compared {values} values and {complete} complete ones over {LOGS} logs, 0 differ"
    );
}
