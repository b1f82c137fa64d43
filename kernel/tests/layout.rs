//! The bytes that a store keeps are pinned: keys and blobs of codec version 1, markers of
//! version 2.
//!
//! `golden/*.hex` are never written by a program. A change that makes this test fail needs a
//! new codec version, a reader for the old one and a golden file of its own.

#![expect(clippy::unwrap_used, reason = "a test that unwraps none fails where it stands")]

use std::fmt::Write as _;

use feat_kernel::agg::{self, Part};
use feat_kernel::blob::Blob;
use feat_kernel::codec::CodecError;
use feat_kernel::key::{EntityKey, partition};
use feat_kernel::layout::{LogMark, Marker, blob_key, marker_key};
use feat_kernel::order;
use feat_kernel::row::Kept;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::{Value, ValueRef};
use feat_kernel::view::{Cell, Dedupe, Output, View};
use feat_kernel::window::{Reach, Window};

fn view() -> View {
    let aggregator = |name: &str, slots: &[Slot]| agg::bind(name, slots, &[]).unwrap().aggregator;
    let float = [Slot::nullable(Type::Float)];
    let over =
        |length: i64, hop: Micros| Window { reach: Reach::Length(Micros(length)), hop, offset: Micros::ZERO };
    View {
        args: vec![Type::Float],
        masks: 1,
        cells: vec![
            Cell { aggregator: aggregator("count", &[]), args: vec![], mask: None },
            Cell { aggregator: aggregator("sum", &float), args: vec![0], mask: Some(0) },
            Cell { aggregator: aggregator("last", &float), args: vec![0], mask: None },
        ],
        windows: vec![
            over(Micros::HOUR.0, Micros(5 * Micros::MINUTE.0)),
            over(7 * Micros::DAY.0, Micros::HOUR),
            Window { reach: Reach::All(Instant::MIN), hop: Micros::DAY, offset: Micros::ZERO },
        ],
        outputs: (0..9).map(|at| Output { cell: at / 3, window: at % 3, part: Part::Whole }).collect(),
        dedupe: Some(Dedupe { within: Some(Micros::DAY) }),
        ttl: None,
        ties: true,
    }
}

fn blob(view: &View) -> Blob {
    let start = 1_357_034_400_000_000_i64;
    let mut blob = Blob::default();
    for (at, price) in [0.1, 19.99, 0.2, 5.0e-324, 7.25].into_iter().enumerate() {
        let known = Instant(start + at as i64 * 2 * Micros::DAY.0);
        let id = vec![b'a' + at as u8];
        let row = Kept {
            known,
            tau: known.minus(Micros::MINUTE),
            tie: id.clone(),
            id: Some(id),
            pass: true,
            args: vec![Value::Float(price)],
            masks: vec![at % 2 == 0],
        };
        blob.append(view, &&row);
        blob.advance(view, known);
    }
    blob
}

#[test]
fn bytes_kept_by_a_store_are_those_of_version_2() {
    let view = view();
    let entity =
        EntityKey::new([ValueRef::Str("EWR"), ValueRef::Int(-7), ValueRef::Bool(true)].into_iter()).unwrap();
    let mut tie = Vec::new();
    for value in [ValueRef::Int(-1), ValueRef::Null, ValueRef::Str("a\0b"), ValueRef::Float(-0.5)] {
        order::put(&mut tie, value);
    }
    let found = [
        ("entity key", entity.0.clone()),
        ("tie-break", tie),
        ("marker key", marker_key("lane_delays@1#0011aabb", 5)),
        ("blob key", blob_key("lane_delays@1#0011aabb", 5, &entity.0)),
        ("partition of 64", vec![partition(&entity.0, 64) as u8]),
        ("blob", blob(&view).encode(&view)),
    ];
    let mut text = String::new();
    for (name, bytes) in found {
        let _ = writeln!(text, "{name}: {}", hex(&bytes));
    }
    assert_eq!(text.trim_end(), include_str!("golden/layout-v2.hex").trim_end(), "the layout changed");
}

#[test]
fn markers_kept_by_a_store_are_those_of_version_2() {
    let landings = LogMark {
        next: 327_346,
        clock: Instant(1_388_565_000_000_000),
        seen_to: Instant(1_388_565_600_000_000),
        last: Some(3),
        checksum: 0xfedc_ba98_7654_3210,
    };
    let logs = [("landings/0".to_owned(), landings), ("landings/1".to_owned(), LogMark::default())];
    let marker =
        Marker { logs: logs.into(), swept_to: Instant(1_388_000_000_000_000), nonce: 0x0123_4567_89ab_cdef };
    assert_eq!(hex(&marker.encode()), include_str!("golden/marker-v2.hex").trim_end(), "the marker changed");
    let old = include_str!("golden/layout-v1.hex").lines().find_map(|line| line.strip_prefix("marker: "));
    let refused = Marker::decode(&bytes(old.unwrap()));
    assert_eq!(refused, Err(CodecError::Older { found: 1, reads: 2 }));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn a_blob_of_an_older_version_is_refused() {
    let old = include_str!("golden/layout-v1.hex").lines().find_map(|line| line.strip_prefix("blob: "));
    let refused = Blob::decode(&view(), &bytes(old.unwrap()));
    assert_eq!(refused, Err(CodecError::Older { found: 1, reads: 2 }));
}
