//! Bad input gets an error that names the place and what to do: exit code 1, or 2 for wrong usage; no
//! panic, and nothing half written.

use std::fs;
use std::path::Path;

use crate::feat::{copy, feat, printed, words};

/// Runs a command that must fail with `code` and say each of `says`.
fn refuses(folder: &Path, command: &str, code: i32, says: &[&str]) {
    let output = feat(folder, &words(command));
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(code), "`feat {command}` printed:\n{text}");
    assert!(!text.contains("panicked"), "`feat {command}` panicked:\n{text}");
    for words in says {
        assert!(text.contains(words), "`feat {command}` does not say `{words}`:\n{text}");
    }
}

fn project() -> tempfile::TempDir {
    copy("cli/template")
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let place = project();
    for command in [
        "",
        "fly",
        "serve --nope",
        "train",
        "get",
        "sample user_visits.visits_1h user_id=ann",
        "check --nope",
    ] {
        let output = feat(place.path(), &words(command));
        assert_eq!(output.status.code(), Some(2), "`feat {command}`: {}", printed(&output));
    }
}

#[test]
fn a_place_without_a_project_says_how_to_make_one() {
    let place = tempfile::tempdir().expect("a folder");
    refuses(place.path(), "check", 1, &["feat.toml", "feat new"]);
}

#[test]
fn an_error_in_the_spec_is_shown_where_it_stands_and_stops_every_command() {
    let place = project();
    let spec = place.path().join("visits.feat");
    let text = fs::read_to_string(&spec).expect("the spec").replace("sum(seconds)", "sum(secnds)");
    fs::write(&spec, text).expect("the spec can be written");
    refuses(place.path(), "check", 1, &["FEAT001", "visits.feat:", "did you mean `seconds`"]);
    refuses(place.path(), "stream --replay --until-end", 1, &["FEAT001"]);
    assert!(!place.path().join(".feat/online").exists(), "a refused run made a store");
}

#[test]
fn names_that_nothing_has_list_what_there_is() {
    let place = project();
    refuses(place.path(), "get recomend user_id=ann", 1, &["recomend", "recommend"]);
    refuses(place.path(), "explain nothing", 1, &["nothing is called `nothing`"]);
    refuses(place.path(), "train --dataset d --out x.parquet", 1, &["dataset `d`"]);
    refuses(
        place.path(),
        "sample user_visits.nope user_id=ann --at 2025-01-01T12:00:00Z",
        1,
        &["nope", "visits_1h"],
    );
}

#[test]
fn a_lookup_needs_its_inputs_and_online_values() {
    let place = project();
    refuses(place.path(), "get recommend user_id=ann", 1, &["feat stream"]);
    refuses(place.path(), "get recommend", 1, &["user_id"]);
    refuses(place.path(), "get recommend user_id", 1, &["NAME=VALUE"]);
    refuses(place.path(), "get recommend user_id=ann colour=red", 1, &["colour", "user_id"]);
    refuses(place.path(), "get recommend user_id=ann --at 2025-01-01T12:00:00", 1, &["zone"]);
    assert!(feat(place.path(), &words("stream --replay --until-end")).status.success());
    refuses(
        place.path(),
        "get recommend user_id=ann --at 2020-01-01T00:00:00Z",
        1,
        &["2020-01-01T00:00:00Z"],
    );
}

#[test]
fn a_missing_or_damaged_file_of_a_source_is_named() {
    let place = project();
    let data = place.path().join("data/visits.jsonl");
    fs::write(&data, "{\"user_id\": \"ann\", \"page\"").expect("the data can be written");
    refuses(place.path(), "stream --replay --until-end", 1, &["visits.jsonl"]);
    fs::write(&data, "{\"user_id\": \"ann\", \"page\": \"/\", \"seconds\": \"long\", \"ended_at\": \"2025-01-01T10:00:00Z\"}\n")
        .expect("the data can be written");
    refuses(place.path(), "stream --replay --until-end", 1, &["visits.jsonl"]);
    fs::remove_file(&data).expect("the data was there");
    refuses(place.path(), "stream --replay --until-end", 1, &["visits.jsonl"]);
}

#[test]
fn a_spine_time_without_a_zone_names_the_flag_and_leaves_nothing_behind() {
    let place = project();
    fs::write(place.path().join("spine.csv"), "user_id,at\nann,2025-01-01T12:00:00\n").expect("a spine");
    let train = "train --service recommend --spine spine.csv --time at --out out.parquet";
    refuses(place.path(), train, 1, &["--zone"]);
    refuses(place.path(), &format!("{train} --zone Mars/Olympus"), 1, &["Mars/Olympus", "--zone", "`UTC`"]);
    let left: Vec<_> = fs::read_dir(place.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().contains("out.parquet"))
        .collect();
    assert!(left.is_empty(), "a refused run left {left:?}");
    let output = feat(place.path(), &words(&format!("{train} --zone UTC")));
    assert!(output.status.success(), "{}", printed(&output));
}

#[test]
fn a_damaged_store_is_named() {
    let place = project();
    assert!(feat(place.path(), &words("stream --replay --until-end")).status.success());
    let folder = place.path().join(".feat/online");
    let file = fs::read_dir(&folder).expect("the store").next().expect("a file").expect("an entry").path();
    let bytes = fs::read(&file).expect("the store's file");
    fs::write(&file, &bytes[..bytes.len() / 2]).expect("the file can be cut");
    refuses(place.path(), "get recommend user_id=ann", 1, &[".feat/online"]);
    fs::write(&file, b"not a store").expect("the file can be written");
    refuses(place.path(), "get recommend user_id=ann", 1, &[".feat/online"]);
}

#[test]
fn a_new_project_is_never_laid_over_another() {
    let place = project();
    refuses(place.path(), "new .", 1, &["not empty"]);
    let output = feat(place.path(), &words("new fresh"));
    assert!(output.status.success(), "{}", printed(&output));
    for command in ["check", "test", "fmt --check", "stream --replay --until-end"] {
        let output = feat(&place.path().join("fresh"), &words(command));
        assert!(output.status.success(), "`feat {command}` in a new project: {}", printed(&output));
    }
}

/// The names of the files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn an_output_that_the_run_reads_is_refused_before_anything_is_written() {
    let place = project();
    let path = place.path();
    fs::write(path.join("spine.csv"), "user_id,at\nann,2025-01-01T12:00:00Z\n").expect("a spine");
    std::os::unix::fs::symlink("data/visits.jsonl", path.join("link.parquet")).expect("a link");
    fs::hard_link(path.join("spine.csv"), path.join("twin.parquet")).expect("a link");
    let before = fs::read(path.join("data/visits.jsonl")).expect("the data");
    let train = |out: &str| format!("train --service recommend --spine spine.csv --time at --out {out}");
    for out in ["spine.csv", "./data/../spine.csv", "twin.parquet"] {
        refuses(path, &train(out), 1, &["the spine reads", "write to another place"]);
    }
    for out in ["data/visits.jsonl", "link.parquet"] {
        refuses(path, &train(out), 1, &["visits", "reads", "write to another place"]);
    }
    fs::write(path.join("keys.parquet"), "").expect("keys");
    refuses(path, "get recommend --keys keys.parquet --out ./keys.parquet", 1, &["write to another place"]);
    // A folder that is read as a whole takes no output.
    let toml = fs::read_to_string(path.join("feat.toml")).expect("the project");
    fs::write(path.join("feat.toml"), format!("{toml}batch = \"data\"\n")).expect("the project");
    refuses(path, &train("data/o.parquet"), 1, &["every file in the folder"]);
    let offline = toml.replace(".feat/offline", "data/offline") + "batch = \"data\"\n";
    fs::write(path.join("feat.toml"), offline).expect("the project");
    let materialize =
        "materialize user_visits --from 2025-01-01T00:00:00Z --to 2025-01-02T00:00:00Z --every 1d";
    refuses(path, materialize, 1, &["every file in the folder", "[offline] url"]);
    assert_eq!(before, fs::read(path.join("data/visits.jsonl")).expect("the data"));
    let left = files(path);
    assert!(!left.iter().any(|file| file.contains("unfinished") || file.contains("manifest")), "{left:?}");
}

#[test]
fn an_offline_table_has_one_meaning() {
    let place = project();
    let path = place.path();
    let materialize =
        "materialize user_visits --from 2025-01-01T00:00:00Z --to 2025-01-03T00:00:00Z --every 1d";
    for _ in 0..2 {
        let output = feat(path, &words(materialize));
        assert!(output.status.success(), "{}", printed(&output));
    }
    let before = files(path);
    let spec = fs::read_to_string(path.join("visits.feat")).expect("the spec");
    let changes = [
        ("sum(seconds)", "sum(seconds * 10.0)", "another meaning"),
        ("  longest", "  often = count() over 1d\n  longest", "than group"),
    ];
    for (from, to, says) in changes {
        assert!(spec.contains(from), "the template has no `{from}`");
        fs::write(path.join("visits.feat"), spec.replacen(from, to, 1)).expect("the spec can be written");
        refuses(path, materialize, 1, &["user_visits", says, "raise `version`", "remove the folder"]);
    }
    assert_eq!(before, files(path));
    for file in before.iter().filter(|file| file.contains("part-")) {
        assert!(file.contains(".zstd."), "{file} is not compressed with Zstandard");
    }
}

#[test]
fn a_materialize_that_fails_leaves_no_part() {
    let place = project();
    let path = place.path();
    let materialize =
        "materialize user_visits --from 2025-01-01T00:00:00Z --to 2025-01-03T00:00:00Z --every 1d";
    let data = path.join("data/visits.jsonl");
    let good = fs::read_to_string(&data).expect("the data");
    fs::write(&data, format!("{good}{{\"user_id\": 7}}\n")).expect("the data can be written");
    let line = format!("visits.jsonl:{}: column `user_id`", good.lines().count() + 1);
    refuses(path, materialize, 1, &[&line]);
    let left = files(&path.join(".feat/offline"));
    assert!(!left.iter().any(|file| file.contains("part-") || file.contains("_delta_log")), "{left:?}");
}

#[test]
fn sources_of_one_short_name_are_told_apart_by_their_packages() {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path();
    for (package, rows) in [("shop", 1), ("help", 3)] {
        let spec = format!(
            "package {package}\nentity who_{package}(k: string)\nsource calls: events {{\n  k: string\n  ts: timestamp\n  \
             time ts\n  known after 0s\n}}\nfeatures {package}_calls of who_{package} from calls {{ n = count() over all }}\n\
             service {package}_all of who_{package} {{ {package}_calls.* }}\n"
        );
        fs::write(path.join(format!("{package}.feat")), spec).expect("a spec");
        let row = "{\"k\": \"a\", \"ts\": \"2025-01-01T00:00:00Z\"}\n".repeat(rows);
        fs::write(path.join(format!("{package}.jsonl")), row).expect("rows");
    }
    let toml = "[project]\nname = \"p\"\n";
    fs::write(path.join("feat.toml"), format!("{toml}[sources.calls]\nreplay = \"shop.jsonl\"\n"))
        .expect("a project");
    refuses(
        path,
        "stream --replay --until-end",
        1,
        &["[sources.calls]", "shop.calls", "help.calls", "in quotes"],
    );
    let named = format!(
        "{toml}[sources.\"shop.calls\"]\nreplay = \"shop.jsonl\"\n[sources.\"help.calls\"]\nreplay = \"help.jsonl\"\n"
    );
    fs::write(path.join("feat.toml"), named).expect("a project");
    let output = feat(path, &words("stream --replay --until-end --json"));
    assert!(output.status.success(), "{}", printed(&output));
    let reports: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the answer is JSON");
    let read: Vec<(Option<&str>, Option<u64>)> = reports
        .as_array()
        .expect("a list")
        .iter()
        .map(|report| (report["group"].as_str(), report["read"].as_u64()))
        .collect();
    assert!(read.contains(&(Some("shop.shop_calls"), Some(1))), "{read:?}");
    assert!(read.contains(&(Some("help.help_calls"), Some(3))), "{read:?}");
}

/// A project of one source and one service, streamed from `data/s.jsonl`.
fn small(rows: &[&str]) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    fs::create_dir(place.path().join("data")).expect("a folder can be made");
    let spec = r#"
package p
entity u(k: string)
source s: events {
  k: string
  x: int
  ts: timestamp
  time ts
  known after 0s
  batch jsonl("data/s.jsonl")
}
features g of u from s {
  n = count() over all
  sx = sum(x) over all
}
service v of u { g.* }
"#;
    for (name, text) in [
        ("p.feat", spec.to_owned()),
        ("feat.toml", "[project]\nname = \"p\"\n[sources.s]\nreplay = \"data/s.jsonl\"\n".to_owned()),
        ("data/s.jsonl", rows.join("\n") + "\n"),
    ] {
        fs::write(place.path().join(name), text).expect("a file can be written");
    }
    place
}

const STREAM: &str = "stream --replay --until-end";
const ROW: &str = r#"{"k": "a", "x": 1, "ts": "2025-01-01T00:00:00Z"}"#;
const LATER: &str = r#"{"k": "a", "x": 10, "ts": "2025-01-01T03:00:00Z"}"#;

#[test]
fn a_log_that_changed_under_the_store_is_refused() {
    let place = small(&[ROW, LATER]);
    assert!(feat(place.path(), &words(STREAM)).status.success());
    let data = place.path().join("data/s.jsonl");
    let between = r#"{"k": "a", "x": 100, "ts": "2025-01-01T02:00:00Z"}"#;
    fs::write(&data, format!("{ROW}\n{LATER}\n{between}\n")).expect("the data can be written");
    refuses(place.path(), STREAM, 1, &["log `s/0`", "records 0 to 2", "restore it", "[online]"]);
    fs::write(&data, format!("{ROW}\n")).expect("the data can be written");
    refuses(place.path(), STREAM, 1, &["ends after 1 records"]);
    let last = r#"{"k": "a", "x": 100, "ts": "2025-01-01T03:00:00Z"}"#;
    fs::write(&data, format!("{ROW}\n{LATER}\n{last}\n")).expect("the data can be written");
    assert!(feat(place.path(), &words(STREAM)).status.success());
    let got = feat(place.path(), &words("get v k=a --at 2025-01-02T00:00:00Z"));
    assert!(printed(&got).contains("111"), "{}", printed(&got));
}

#[test]
fn a_stream_that_failed_leaves_no_zeros_behind() {
    let place = small(&[r#"{"k": "a", "x": "foo", "ts": "2025-01-01T00:00:00Z"}"#]);
    refuses(place.path(), STREAM, 1, &["s.jsonl"]);
    refuses(place.path(), "get v k=a --at 2025-01-02T00:00:00Z", 1, &["no online values yet", "feat stream"]);
}

#[test]
fn no_url_is_printed_with_its_secrets() {
    let place = small(&[ROW]);
    let config = fs::read_to_string(place.path().join("feat.toml")).expect("the configuration");
    for (section, command) in [
        ("[online]", "get v k=a"),
        ("[offline]", "materialize g --from 2025-01-01T00:00:00Z --to 2025-01-02T00:00:00Z --every 1d"),
        ("[engine]", STREAM),
    ] {
        let text = format!("{config}{section}\nurl = \"s3://AKIA:sekret@bucket/x?token=hidden\"\n");
        fs::write(place.path().join("feat.toml"), text).expect("the configuration can be written");
        refuses(place.path(), command, 1, &[section, "s3://…@bucket/x?…"]);
        let text = printed(&feat(place.path(), &words(command)));
        assert!(!text.contains("sekret") && !text.contains("hidden") && !text.contains("AKIA"), "{text}");
    }
    let text = format!("{config}[online]\nurl = \"s3://AKIA:sekret@bucket/x\n");
    fs::write(place.path().join("feat.toml"), text).expect("the configuration can be written");
    refuses(place.path(), "check", 1, &["feat.toml", "line 6"]);
    assert!(!printed(&feat(place.path(), &words("check"))).contains("sekret"));
}

#[test]
fn the_text_null_is_a_key_like_any_other() {
    let place = small(&[r#"{"k": "null", "x": 5, "ts": "2025-01-01T00:00:00Z"}"#]);
    assert!(feat(place.path(), &words(STREAM)).status.success());
    let get = |key: &str| {
        let words = ["get", "v", key, "--at", "2025-01-02T00:00:00Z"].map(str::to_owned);
        printed(&feat(place.path(), &words))
    };
    let text = get("k=\"null\"");
    assert!(text.contains("g.sx") && text.contains("present"), "{text}");
    assert!(get("k=null").contains("no key"), "{}", get("k=null"));
    refuses(place.path(), "get v k=a k=b", 1, &["`k` is given twice"]);
}

#[test]
fn what_has_no_effect_in_the_configuration_is_refused() {
    let place = small(&[ROW]);
    let config = fs::read_to_string(place.path().join("feat.toml")).expect("the configuration");
    for (more, says) in [
        ("[sources.zz]\nbatch = \"x.csv\"\n", &["[sources.zz]", "it has `s`"][..]),
        ("[engine]\nthreads = 0\n", &["threads = 0", "1 or more"]),
        ("[engine]\nmemory = \"1KB\"\n", &["1KB", "64MB"]),
    ] {
        fs::write(place.path().join("feat.toml"), format!("{config}{more}")).expect("it can be written");
        refuses(place.path(), STREAM, 1, says);
        if more.contains("sources") {
            refuses(place.path(), "check", 1, says);
        }
    }
    fs::write(place.path().join("feat.toml"), &config).expect("it can be written");
    refuses(place.path(), "stream --until-end", 1, &["source `s` has no topic", "--replay --until-end"]);
    refuses(place.path(), "stream --replay", 2, &["--until-end"]);
    refuses(place.path(), "stream --replay --until-end --workers 0", 2, &["--workers"]);
}

#[test]
fn a_value_of_the_environment_is_not_looked_into() {
    let place = small(&[ROW]);
    let config = fs::read_to_string(place.path().join("feat.toml")).expect("the configuration");
    let text = format!("{config}[kafka]\nbrokers = \"${{FEAT_TEST_LOOP}}\"\n");
    fs::write(place.path().join("feat.toml"), text).expect("the configuration can be written");
    let output = crate::feat::command(place.path(), &words("check"))
        .env("FEAT_TEST_LOOP", "${FEAT_TEST_LOOP}")
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{}", printed(&output));
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let place = small(&[ROW]);
    let path = place.path().join("p.feat");
    let text = fs::read_to_string(&path).expect("the spec");
    fs::write(&path, format!("\u{feff}{}", text.trim_start())).expect("the spec can be written");
    assert!(feat(place.path(), &words("check")).status.success());
    assert!(feat(place.path(), &words("fmt")).status.success());
    assert!(fs::read_to_string(&path).expect("the spec").starts_with("package p"));
    fs::write(&path, "\u{feff}package p q\n").expect("the spec can be written");
    refuses(place.path(), "check", 1, &["p.feat:1:11"]);
}

#[test]
fn what_waits_is_named_where_it_is_asked_for() {
    let place = small(&[ROW]);
    let path = place.path().join("p.feat");
    let text = fs::read_to_string(&path).expect("the spec");
    let waits = "features later of u from s { m = most_frequent(x) over 1d }\nservice w of u { later.* }\n";
    fs::write(&path, format!("{text}{waits}")).expect("the spec can be written");
    let uses = &["later", "left out", "`aggregate`", "p.feat:17:34"];
    for command in [
        "stream --replay --until-end --group later",
        "explain later",
        "explain later.m",
        "get w k=a",
        "materialize later --from 2025-01-01T00:00:00Z --to 2025-01-02T00:00:00Z --every 1d",
    ] {
        let words = if command.starts_with("get") { &uses[1..] } else { &uses[..] };
        refuses(place.path(), command, 1, words);
    }
}

#[test]
fn a_code_that_does_not_exist_needs_no_project_to_say_so() {
    let place = tempfile::tempdir().expect("a folder");
    refuses(place.path(), "explain FEAT999", 1, &["no code `FEAT999`"]);
}

#[test]
fn a_store_whose_bits_changed_never_answers_with_them() {
    let place = small(&[ROW, LATER]);
    assert!(feat(place.path(), &words(STREAM)).status.success());
    let file = place.path().join(".feat/online/feat.redb");
    let sound = fs::read(&file).expect("the store's file");
    let get = "get v k=a --at 2025-01-02T00:00:00Z --json";
    let values = |output: &std::process::Output| {
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an answer is JSON");
        answer["features"].clone()
    };
    let right = values(&feat(place.path(), &words(get)));
    let used: Vec<usize> = (0..sound.len()).filter(|&at| sound[at] != 0).collect();
    let mut noticed = 0;
    for step in 0..60 {
        let mut bytes = sound.clone();
        bytes[used[step * used.len() / 60]] ^= 1 << (step % 8);
        fs::write(&file, &bytes).expect("the store's file can be written");
        let output = feat(place.path(), &words(get));
        let text = printed(&output);
        assert!(!text.contains("panicked"), "bit of byte {}: {text}", used[step * used.len() / 60]);
        if output.status.success() {
            assert_eq!(values(&output), right, "bit of byte {}", used[step * used.len() / 60]);
        } else {
            noticed += 1;
        }
    }
    assert!(noticed > 0, "no change was noticed");
}
