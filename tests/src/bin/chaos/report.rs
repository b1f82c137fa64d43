//! What is said at the end.

use std::sync::PoisonError;

use crate::faults::Fault;
use crate::lookups::Shared;
use crate::world::Letters;

/// The kinds of records that go wrong.
const RECORDS: [&str; 6] = [
    "duplicate records",
    "records out of order",
    "records of one instant",
    "late records",
    "poison records",
    "tombstones",
];

/// Lookups a minute without which too little was looked at.
const LOOKUPS: f64 = 5000.0;

/// Says what happened; whether all is well. `letters` are those that there are in the end.
pub(crate) fn tell(
    shared: &Shared,
    minutes: f64,
    letters: Option<Letters>,
    outcome: Result<(), String>,
) -> bool {
    let Shared { tally, stamps, .. } = shared;
    let mut wrong: Vec<String> = outcome.err().into_iter().collect();
    let differences = shared.differences.lock().unwrap_or_else(PoisonError::into_inner);
    for difference in &*differences {
        println!("differs: {difference}");
    }
    for (what, count) in tally.all() {
        if what.starts_with("worker ended") || what.starts_with("lookups") {
            println!("{count:>7}  {what}");
        }
    }
    let unanswered: u64 =
        tally.all().iter().filter(|(what, _)| what.starts_with("lookups")).map(|(_, count)| count).sum();
    let (compared, differ) = (tally.of("compared"), tally.of("differ"));
    println!("{:>7}  lookups said to be complete, compared with the whole log as well", tally.of("complete"));
    if let Some(Letters { unreadable, late }) = letters {
        println!("{unreadable:>7}  records kept because they cannot be read");
        println!("{late:>7}  records kept because they came too late");
        let poison = tally.of("poison records");
        if unreadable != poison || late == 0 {
            wrong.push(format!("{unreadable} dead letters of {poison} poison records, {late} of late ones"));
        }
    }
    println!();
    for kind in Fault::ALL.iter().map(|(fault, _)| fault.name()).chain(RECORDS) {
        println!("{:>7}  {kind}", tally.of(kind));
        // A difference ends everything, whatever is yet to come.
        if tally.of(kind) == 0 && differ == 0 {
            wrong.push(format!("not once: {kind}"));
        }
    }
    let records = shared.truth.read().map(|truth| truth.records()).unwrap_or_default();
    let reached: u64 = stamps.positions().values().sum();
    let (back, furthest) = stamps.back();
    println!(
        "stamps advanced from 0 to {reached} of {records} records, and went back {back} times, by {furthest} at most"
    );
    if differ == 0 && (compared as f64) < LOOKUPS * minutes {
        wrong.push("too few lookups were compared to say anything".to_owned());
    }
    if unanswered > compared / 2 {
        wrong.push(format!("{unanswered} lookups were not answered"));
    }
    for wrong in &wrong {
        println!("wrong: {wrong}");
    }
    println!("compared {compared} lookups, {differ} differ");
    differ == 0 && wrong.is_empty()
}
