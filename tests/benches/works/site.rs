//! The project that `serve` measures: its text, its data, and the stores that it is loaded into.
//!
//! | service | features | kept as |
//! | --- | --- | --- |
//! | `twenty` | 20 plain values | one group of a table |
//! | `windows` | 6 aggregates over 4 windows | one group of events, 40 active tiles |
//! | `wide` | 250 plain values | 25 groups of a table |
//! | `fifty` | 50 plain values | 5 of those groups |

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;

use crate::serve::{Result, text};

/// Users that `twenty` is asked about, from 0.
pub(crate) const USERS: i64 = 100_000;
/// Users that the other services are asked about.
pub(crate) const FEW: i64 = 10_000;
/// Features of `twenty`.
pub(crate) const TWENTY: usize = 20;
/// Groups of `wide`, and features of each.
const GROUPS: usize = 25;
const EACH: usize = 10;
/// Groups of `fifty`.
const FIVE: usize = 5;
const MINUTE: i64 = 60_000_000;

/// What is served of a user's column.
pub(crate) fn value(user: i64, column: usize) -> f64 {
    ((user * 31 + column as i64 * 7) % 10_007) as f64 / 8.0
}

/// Microseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "what is loaded has just happened")]
fn now() -> Result<i64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(text)?;
    Ok(now.as_micros() as i64)
}

/// Writes the files that the sources read.
pub(crate) fn write_data(folder: &Path) -> Result<()> {
    let now = now()?;
    write_table(&folder.join("profile.parquet"), USERS, TWENTY, now - MINUTE)?;
    write_table(&folder.join("many.parquet"), FEW, GROUPS * EACH, now - MINUTE)?;
    // Minutes before now, so that each is in a tile of its own.
    let ages = (1..=5).rev().map(|day| day * 1440 * 4).chain((2..25).rev().map(|hour| hour * 60));
    let ages: Vec<i64> = ages.chain((0..12).rev().map(|five| five * 5)).collect();
    let events = ages.iter().flat_map(|age| (0..FEW).map(move |user| (user, now - (age + 1) * MINUTE)));
    let (users, times): (Vec<i64>, Vec<i64>) = events.unzip();
    let prices = users.iter().map(|user| (user % 9973) as f64 / 100.0).collect::<Vec<_>>();
    let ids: Vec<i64> = (0..users.len() as i64).collect();
    let columns = [
        ("event_id", Arc::new(Int64Array::from(ids)) as ArrayRef),
        ("user_id", Arc::new(Int64Array::from(users))),
        ("price", Arc::new(Float64Array::from(prices))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))),
    ];
    write_file(&folder.join("events.parquet"), columns.map(|(name, column)| (name.to_owned(), column)))
}

/// A table with a row a user.
fn write_table(path: &Path, users: i64, columns: usize, at: i64) -> Result<()> {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..users));
    let times = TimestampMicrosecondArray::from_iter_values((0..users).map(|_| at)).with_timezone("UTC");
    let keys = [("user_id".to_owned(), ids), ("ts".to_owned(), Arc::new(times) as ArrayRef)];
    let column = |column: usize| {
        let values = Float64Array::from_iter_values((0..users).map(|user| value(user, column)));
        (format!("c{column}"), Arc::new(values) as ArrayRef)
    };
    write_file(path, keys.into_iter().chain((0..columns).map(column)))
}

fn write_file(path: &Path, columns: impl IntoIterator<Item = (String, ArrayRef)>) -> Result<()> {
    let batch = RecordBatch::try_from_iter(columns).map_err(text)?;
    let mut writer =
        ArrowWriter::try_new(File::create(path).map_err(text)?, batch.schema(), None).map_err(text)?;
    writer.write(&batch).map_err(text)?;
    writer.close().map_err(text)?;
    Ok(())
}

/// The project's text.
fn spec() -> String {
    let columns = |from: usize, to: usize| (from..to).map(|at| format!("c{at}")).collect::<Vec<_>>();
    let table = |name: &str, width: usize| {
        let fields: String = columns(0, width).iter().fold(String::new(), |text, c| text + c + ": float\n");
        format!(
            "source {name}: table {{\nuser_id: int\nts: timestamp\n{fields}key user_id\ntime ts\n\
             batch parquet(\"{name}.parquet\")\n}}\n"
        )
    };
    let mut spec =
        "@owner(\"bench@example.com\")\npackage bench.serve\nentity user(user_id: int)\n".to_owned();
    spec += &table("profile", TWENTY);
    spec += &table("many", GROUPS * EACH);
    spec += "source events: events {\nevent_id: int\nuser_id: int?\nprice: float?\nts: timestamp\ntime ts\n\
             order by event_id\nbatch parquet(\"events.parquet\")\n}\n";
    spec += "features clicks of user from events {\n";
    for aggregate in ["cnt = count()", "sum = sum(price)", "avg = avg(price)", "min = min(price)"]
        .into_iter()
        .chain(["max = max(price)", "last = last(price)"])
    {
        let _infallible = writeln!(spec, "{aggregate} over [1h, 1d, 7d, 30d]");
    }
    let keep = columns(0, TWENTY).join(", ");
    let _infallible = writeln!(spec, "}}\nfeatures plain of user from profile {{ keep {keep} }}");
    for group in 0..GROUPS {
        let keep = columns(group * EACH, (group + 1) * EACH).join(", ");
        let _infallible = writeln!(spec, "features w{group} of user from many {{ keep {keep} }}");
    }
    let all = |groups: usize| (0..groups).fold(String::new(), |text, at| text + &format!("w{at}.*\n"));
    spec += "service twenty of user { plain.* }\nservice windows of user { clicks.* }\n";
    let _infallible = writeln!(spec, "service fifty of user {{\n{}}}", all(FIVE));
    let _infallible = writeln!(spec, "service wide of user {{\n{}}}", all(GROUPS));
    spec
}

/// The binary of feat beside this one, as the same build has made it.
pub(crate) fn binary() -> Result<PathBuf> {
    let here = std::env::current_exe().map_err(text)?;
    let folder =
        here.parent().and_then(Path::parent).ok_or("a bench is built into a folder of the target")?;
    let binary = folder.join("feat");
    if binary.is_file() { Ok(binary) } else { Err(format!("{} is not there: build it", binary.display())) }
}

/// Makes the project in `folder`, with the data that stands beside it, and loads it into `online`.
pub(crate) fn load(folder: &Path, online: &str) -> Result<()> {
    fs::create_dir(folder).map_err(text)?;
    let data = folder.parent().ok_or("a project has a folder around it")?;
    for file in ["profile.parquet", "many.parquet", "events.parquet"] {
        fs::hard_link(data.join(file), folder.join(file)).map_err(text)?;
    }
    fs::write(folder.join("serve.feat"), spec()).map_err(text)?;
    let toml = format!("[project]\nname = \"serve\"\n[online]\nurl = \"{online}\"\n");
    fs::write(folder.join("feat.toml"), toml).map_err(text)?;
    for word in ["apply", "load"] {
        let mut feat = Command::new(binary()?);
        let said = feat.arg(word).current_dir(folder).stdin(Stdio::null()).output().map_err(text)?;
        if !said.status.success() {
            return Err(format!("feat {word}: {}", String::from_utf8_lossy(&said.stderr)));
        }
    }
    Ok(())
}
