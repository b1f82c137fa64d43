//! Random rows and questions.

use serde_json::{Map, Value as Json, json};

use super::scale::{SECOND, Scale};
use super::{Drawn, Request};
use crate::dice::Dice;
use crate::oracle::spec::{OracleSpec, Over, Source};
use crate::oracle::time::{Length, instant, instant_text};
use crate::oracle::{Log, hop};

/// The same rows as a log that a broker stamped: clocks follow what rows say of themselves, lag behind
/// it or go back, so that rows wait until they are known.
pub fn stamped(drawn: &Drawn) -> Log {
    let mut dice = Dice::new(drawn.seed ^ 0x57a3);
    let source = &drawn.spec.sources[0];
    // A row whose known cannot be read says nothing of when it came: it comes first.
    let least = instant("2024-05-01T00:00:00Z").unwrap_or_default();
    let declared =
        |row: &Map<String, Json>| Log::replay(source, std::slice::from_ref(row)).clock(1).max(least - SECOND);
    let mut stamps: Vec<i64> = drawn.rows["events"].iter().map(declared).collect();
    stamps.sort_unstable();
    let spread = stamps.last().zip(stamps.first()).map_or(1, |(last, first)| (last - first) / 8 + 2);
    let mut rows: Vec<(i64, Map<String, Json>)> =
        stamps.into_iter().zip(drawn.rows["events"].iter().cloned()).collect();
    if dice.once_in(2) {
        // Rows come nearly as they become known; otherwise in the file's order, whenever they are known.
        rows.sort_by_key(|(_, row)| declared(row));
        let mut stamps: Vec<i64> = rows.iter().map(|(stamp, _)| *stamp).collect();
        stamps.sort_unstable();
        rows.iter_mut().zip(stamps).for_each(|((stamp, _), sorted)| *stamp = sorted);
    }
    for (stamp, _) in &mut rows {
        *stamp -= dice.between(0, 4) / 3 * dice.between(0, spread);
    }
    Log::stamped(source, &rows)
}

/// Rows of the source `events`.
pub(super) fn events(dice: &mut Dice, source: &Source, scale: &Scale, wild: bool) -> Vec<Map<String, Json>> {
    let count = dice.between(16, 72);
    let mut rows: Vec<Map<String, Json>> = Vec::new();
    let mut times: Vec<i64> = Vec::new();
    // Distances at which a rule tips: a repetition at the end of the horizon, a row just too late.
    let edges: Vec<i64> = source
        .dedupe
        .iter()
        .filter_map(|dedupe| dedupe.within)
        .chain(source.lateness)
        .map(|edge| edge.0 - source.known.as_ref().map_or(0, |known| known.after.0))
        .collect();
    for _ in 0..count {
        let tied = !times.is_empty() && dice.once_in(5);
        let time = if tied { *dice.pick(&times) } else { scale.instant(dice) };
        times.push(time);
        // Known at once, a little or much later, or before it happened: a row from the future.
        let small = (scale.longest() / 50).max(2);
        let mut seen = time
            + match dice.between(0, 8) {
                0..=2 => 0,
                3..=4 => dice.between(0, small),
                5 => dice.between(0, scale.longest()),
                6 => -dice.between(0, small),
                _ => *dice.pick(&[1, 0, small]),
            };
        let mut row = values(dice, wild);
        row.insert("ts".to_owned(), json!(instant_text(time)));
        if !rows.is_empty() && dice.once_in(5) {
            // The same event again: equal but for when it was seen, or to the last column.
            row.clone_from(dice.pick(&rows));
            if dice.once_in(3) {
                rows.push(row);
                continue;
            }
        }
        if !edges.is_empty() && dice.once_in(2) {
            let from = if dice.once_in(2) { "seen" } else { "ts" };
            let from = row.get(from).and_then(Json::as_str).and_then(instant).unwrap_or(seen);
            seen = from + *dice.pick(&edges) + dice.pick(&[0, 0, 1, -1]);
        }
        row.insert("seen".to_owned(), json!(instant_text(seen)));
        if dice.once_in(40) {
            // A row that cannot be read, and whose place in the log is that of the row before it.
            row.insert((*dice.pick(&["ts", "seen"])).to_owned(), Json::Null);
        }
        rows.push(row);
    }
    if dice.once_in(2) {
        dice.shuffle(&mut rows);
    } else {
        rows.sort_by_key(|row| Log::replay(source, std::slice::from_ref(row)).clock(1));
    }
    rows
}

fn values(dice: &mut Dice, wild: bool) -> Map<String, Json> {
    let ints = [json!(0), json!(1), json!(2), json!(2), json!(3), json!(-7), json!(40), Json::Null];
    let huge = [json!(i64::MAX), json!(i64::MIN), json!(i64::MAX - 1), json!(1)];
    let floats = [
        json!(0.1),
        json!(0.2),
        json!(0.3),
        json!(-0.0),
        json!(0.0),
        json!(3.5),
        json!(-2.25),
        json!(1e16),
        json!(1.0),
        json!("NaN"),
        json!("inf"),
        Json::Null,
    ];
    let far = [json!(1e308), json!(-1e308), json!(1.7e308), json!(5e-324), json!(2.5e-308), json!(-1.0)];
    let money = [json!("0.10"), json!("19.99"), json!("0.50"), json!("-3"), json!("1000000.01"), Json::Null];
    let rich =
        [json!(format!("{}.99", "9".repeat(36))), json!(format!("-{}.99", "9".repeat(36))), json!("0.01")];
    let pick = |dice: &mut Dice, tame: &[Json], other: &[Json]| {
        if wild && dice.once_in(2) { dice.pick(other).clone() } else { dice.pick(tame).clone() }
    };
    let random = |dice: &mut Dice| json!(dice.between(-1_000_000, 1_000_000) as f64 / 997.0);
    let mut z = if dice.once_in(2) { random(dice) } else { pick(dice, &floats[..9], &far) };
    if dice.once_in(25) {
        z = json!("NaN");
    }
    let (a, b) = dice.pick(&[(1, "12"), (11, "2"), (1, "1")]);
    let row = json!({
        "user": dice.pick(&["u", "u", "v", "w"]),
        "a": a,
        "b": b,
        "id": dice.pick(&[json!(1), json!(2), json!(3), json!(4), json!(5), json!(6), Json::Null]),
        "x": pick(dice, &ints, &huge),
        "y": pick(dice, &floats, &far),
        "z": z,
        "amount": pick(dice, &money, &rich),
        "name": dice.pick(&[json!("a"), json!("b"), json!("c"), json!("B"), json!("é"), json!(""), Json::Null]),
        "ok": dice.pick(&[json!(true), json!(false), json!(true), Json::Null]),
        "due": dice.pick(&[json!("2024-05-01T00:00:00Z"), json!("1969-12-31T23:59:59.999999Z"), Json::Null]),
    });
    row.as_object().cloned().unwrap_or_default()
}

/// Versions for the table `versions`: few instants, so that versions of one instant are common.
pub(super) fn versions(dice: &mut Dice, scale: &Scale) -> Vec<Map<String, Json>> {
    let mut rows = Vec::new();
    let mut hour = scale.start;
    for _ in 0..dice.between(4, 20) {
        if !dice.once_in(3) {
            hour = scale.instant(dice);
        }
        let seen = hour + *dice.pick(&[0, 0, 1, scale.longest() / 10, -scale.longest() / 20]);
        let row = json!({
            "user": dice.pick(&["u", "v", "w"]),
            "tier": dice.pick(&[json!("gold"), json!("silver"), Json::Null]),
            "level": dice.pick(&[json!(1), json!(2), json!(3), Json::Null]),
            "hour": instant_text(hour),
            "seen": instant_text(seen),
        });
        rows.push(row.as_object().cloned().unwrap_or_default());
    }
    rows
}

/// Questions about the log of `events`.
pub(super) fn requests(
    dice: &mut Dice,
    spec: &OracleSpec,
    scale: &Scale,
    rows: &[Map<String, Json>],
) -> Vec<Request> {
    let log = Log::replay(&spec.sources[0], rows);
    let overs: Vec<&Over> =
        spec.groups.iter().flat_map(|group| &group.features).map(|feature| &feature.over).collect();
    let mut requests = Vec::new();
    for _ in 0..12 {
        let row = dice.between(0, log.len() as i64) as usize;
        // A row that cannot be read has no instant of its own.
        let near = |at: i64| at.max(scale.start - scale.longest());
        let (known, tau) = (near(log.known(row)), near(log.tau(row)));
        let at = match dice.between(0, 6) {
            0 => known + dice.between(0, 2),
            1 => {
                // The row is the newest that counts for the ttl, to the microsecond.
                let group = dice.pick(&spec.groups);
                tau + group.ttl.map_or(0, |ttl| ttl.0) + dice.between(0, 2)
            }
            2..=4 => {
                // Where the row leaves a window: a length after it, on an edge or beside one.
                let over = *dice.pick(&overs);
                let length = |length: Option<Length>| length.map_or(0, |length| length.0);
                let hop = hop(over).unwrap_or(SECOND);
                let past = tau + length(over.length) + length(over.offset);
                past + dice.pick(&[0, 0, 1, -1, hop, hop - 1, -hop])
            }
            _ => scale.instant(dice) + scale.longest() / 2,
        };
        let (a, b) = dice.pick(&[(1, "12"), (11, "2"), (1, "1"), (12, "1")]);
        let user = if dice.once_in(12) {
            Json::Null
        } else {
            json!(dice.pick(&["u", "u", "u", "v", "w", "nobody"]))
        };
        let key = json!({"user": user, "a": a, "b": b});
        requests.push(Request { key: key.as_object().cloned().unwrap_or_default(), at });
    }
    requests
}
