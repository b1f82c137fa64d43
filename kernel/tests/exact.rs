//! Exact sums against Python's `math.fsum`: `fsum.json` is written by `fsum.py` beside it.

use feat_kernel::exact::Exact;
use serde_json::Value;

struct Case {
    name: String,
    values: Vec<f64>,
    sum: Option<u64>,
}

fn bits(text: &Value) -> u64 {
    text.as_str().and_then(|text| u64::from_str_radix(text, 16).ok()).expect("16 hex digits")
}

fn cases() -> Vec<Case> {
    let file: Value = serde_json::from_str(include_str!("fsum.json")).expect("json");
    let read = |case: &Value| Case {
        name: case["name"].to_string(),
        values: case["values"].as_array().expect("a list").iter().map(|x| f64::from_bits(bits(x))).collect(),
        sum: (!case["sum"].is_null()).then(|| bits(&case["sum"])),
    };
    file.as_array().expect("a list").iter().map(read).collect()
}

fn sum<'a>(values: impl IntoIterator<Item = &'a f64>) -> Exact {
    let mut sum = Exact::default();
    for x in values {
        sum.add(*x);
    }
    sum
}

fn bytes(sum: &Exact) -> Vec<u8> {
    let mut out = Vec::new();
    sum.encode(&mut out);
    out
}

#[test]
fn sums_are_those_of_fsum_in_every_order() {
    let cases = cases();
    assert!(cases.len() > 150);
    for Case { name, values, sum: expected } in cases {
        let forward = sum(&values);
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let mut tiled = Exact::default();
        for tile in values.chunks(3).rev() {
            tiled.merge(&sum(tile));
        }
        for (order, other) in [
            ("forward", forward.clone()),
            ("backward", sum(values.iter().rev())),
            ("ascending", sum(&sorted)),
            ("descending", sum(sorted.iter().rev())),
            ("in tiles of three", tiled),
        ] {
            assert_eq!(other.round().map(f64::to_bits), expected, "{name}, {order}");
            assert_eq!(bytes(&other), bytes(&forward), "{name}, {order}");
        }
    }
}
