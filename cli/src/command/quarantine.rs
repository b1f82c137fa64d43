//! `feat quarantine`: records that were put aside, looked at and put back.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use feat_streaming::kafka::{Kept, Kind, Letter, Place, Quarantine as Letters, Which};
use serde_json::{Value as Json, json};

use super::stream::live::settings;
use crate::arguments::{Arguments, Quarantine, Replay};
use crate::output;
use crate::project::Project;

/// Bytes of a value that is no text in one line.
const IN_A_LINE: usize = 16;

/// Lists, shows or replays the letters of the topic that `feat.toml` names.
pub(crate) fn run(common: &Arguments, what: &Quarantine) -> Result<ExitCode> {
    let project = super::deployed(common)?;
    let letters = letters(&project)?;
    match what {
        Quarantine::List { json } => list(&letters, *json),
        Quarantine::Show { place, raw, json } => show(&letters, place, *raw, *json),
        Quarantine::Replay(replay) => put_back(&letters, replay),
    }
}

/// The topic of dead letters.
fn letters(project: &Project) -> Result<Letters> {
    Letters::of(&settings(project)?).context(
        "feat.toml names no topic of dead letters:\n  [kafka]\n  dead_letters = \"feat.dead-letters\"",
    )
}

fn list(letters: &Letters, as_json: bool) -> Result<ExitCode> {
    let kept = letters.read(|_| false)?;
    if as_json {
        output::json(&kept.letters.values().map(letter_json).collect())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = kept
        .letters
        .values()
        .map(|letter| {
            let Place { topic, partition, offset } = &letter.place;
            let (partition, offset) = (partition.to_string(), offset.to_string());
            // One line a letter, whatever is said of it.
            let reason = letter.reason.replace(char::is_control, " ");
            vec![topic.clone(), partition, offset, letter.time.to_string(), letter.kind.to_string(), reason]
        })
        .collect();
    if rows.is_empty() {
        output::line(format!("no letters in topic `{}`", letters.topic()));
    } else {
        output::line(output::table(&["topic", "partition", "offset", "time", "kind", "reason"], &rows));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(letters: &Letters, place: &Place, raw: bool, as_json: bool) -> Result<ExitCode> {
    let kept = letters.read(|of| of == place)?;
    let letter = kept.letters.get(place).ok_or_else(|| gone(letters, &kept, place))?;
    if raw {
        output::bytes(&letter.value)?;
    } else if as_json {
        let mut document = letter_json(letter);
        document["key"] = letter.key.as_deref().map_or(Json::Null, value_json);
        document["value"] = value_json(&letter.value);
        output::json(&document)?;
    } else {
        let mut head = format!("{place}, {}, {}: {}\n", letter.kind, letter.time, letter.reason);
        if let Some(key) = &letter.key {
            let _ = writeln!(head, "key {}", shown(key));
        }
        for (name, value) in &letter.headers {
            let _ =
                writeln!(head, "header {name} {}", value.as_deref().map_or_else(|| "null".to_owned(), shown));
        }
        output::line(format!("{head}\n{}", shown(&letter.value)));
    }
    Ok(ExitCode::SUCCESS)
}

fn put_back(letters: &Letters, replay: &Replay) -> Result<ExitCode> {
    let which = match (&replay.value, &replay.places[..]) {
        (None, []) => Which::All,
        (None, places) => Which::These(places.to_vec()),
        (Some(file), [place]) => {
            let value = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            Which::Corrected(place.clone(), value)
        }
        (Some(_), _) => {
            return Ok(output::usage("`--value` is what one record is to be: name one record with it"));
        }
    };
    let corrected = matches!(which, Which::Corrected(..));
    let (mut late, mut judged) = (0, false);
    let done = letters.replay(&which, |kept, letter| {
        // All that are named are there, before the first is written.
        if !std::mem::replace(&mut judged, true) {
            refuse_missing(letters, kept, &replay.places)?;
        }
        if letter.kind != Kind::Late || corrected {
            return Ok(true);
        }
        if replay.all {
            late += 1;
            return Ok(false);
        }
        bail!(
            "{} is late, and would be later still if it were replayed: it {}; write it with another time (`--value FILE`), or give the source more `lateness`, which is a new meaning, and fill the view with `feat stream --refill`",
            letter.place,
            letter.reason
        )
    })?;
    if !judged && !replay.places.is_empty() {
        refuse_missing(letters, &letters.read(|_| false)?, &replay.places)?;
    }
    for place in replay.places.iter().filter(|place| !done.contains(place)) {
        output::line(format!("{place} was replayed before"));
    }
    for place in &done {
        output::line(format!("{place} is at the end of its partition"));
    }
    let left =
        if late == 0 { String::new() } else { format!(", {} left: late", output::counted(late, "letter")) };
    output::line(format!("{} replayed{left}", output::counted(done.len(), "letter")));
    Ok(ExitCode::SUCCESS)
}

/// Refuses places of which there is no letter and was none.
fn refuse_missing(letters: &Letters, kept: &Kept, places: &[Place]) -> Result<()> {
    let missing = |place: &&Place| !kept.letters.contains_key(place) && !kept.was_replayed(place);
    match places.iter().find(missing) {
        Some(place) => Err(gone(letters, kept, place)),
        None => Ok(()),
    }
}

/// Why there is no letter of `place`.
fn gone(letters: &Letters, kept: &Kept, place: &Place) -> anyhow::Error {
    if kept.was_replayed(place) {
        return anyhow::anyhow!("{place} was replayed: its record is at the end of its partition");
    }
    let topic = letters.topic();
    anyhow::anyhow!(
        "topic `{topic}` has no letter of {place}: `feat quarantine list` names those that it has"
    )
}

fn letter_json(letter: &Letter) -> Json {
    json!({
        "place": letter.place.to_string(),
        "topic": letter.place.topic,
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "time": letter.time.to_string(),
        "kind": letter.kind.as_str(),
        "reason": letter.reason,
        "bytes": letter.bytes,
    })
}

/// `{"text": …}` where the bytes are text, else `{"hex": …}`.
fn value_json(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "hex": hex(bytes).concat() }),
    }
}

/// Each byte as two hexadecimal digits.
fn hex(bytes: &[u8]) -> Vec<String> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text as it stands; of anything else the bytes as hexadecimal numbers, with where they stand.
fn shown(bytes: &[u8]) -> String {
    let terminal = |text: &str| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r'));
    match std::str::from_utf8(bytes) {
        Ok(text) if terminal(text) => text.to_owned(),
        _ => {
            let line =
                |(at, bytes): (usize, &[u8])| format!("{:08x}  {}", at * IN_A_LINE, hex(bytes).join(" "));
            bytes.chunks(IN_A_LINE).enumerate().map(line).collect::<Vec<_>>().join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_text_and_anything_else_in_numbers() {
        assert_eq!(shown(b"{\"a\":\t1}\n"), "{\"a\":\t1}\n");
        assert_eq!(shown(b"\x1b[2J"), "00000000  1b 5b 32 4a");
        let bytes: Vec<u8> = (240..=255).chain([1]).collect();
        assert_eq!(shown(&bytes), "00000000  f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 fa fb fc fd fe ff\n00000010  01");
        assert_eq!(value_json(b"\xff\x00"), json!({ "hex": "ff00" }));
    }
}
