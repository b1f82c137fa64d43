//! What a file or a record holds becomes what the source declares, or says why not.

#![expect(clippy::unwrap_used, reason = "a helper of a test panics like the test itself")]

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Date32Array, Date64Array, Decimal128Array, DictionaryArray,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, LargeStringArray, ListArray, NullArray,
    RecordBatch, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Schema};
use feat_compiler::compile;
use feat_compiler::conform::{conform, conform_columns};
use feat_compiler::plan::SourcePlan;
use feat_dsl::source_map::SourceMap;
use feat_kernel::column;
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

/// A source with the one column `x` of type `ty`, which may be null, beside a key and a time.
fn source(ty: &str) -> Arc<SourcePlan> {
    let text = format!(
        "entity user(user_id: int)\nsource rows: events {{\n  user_id: int\n  x: {ty}\n  ts: timestamp\n  time ts\n  \
         batch parquet(\"rows/\")\n}}\n"
    );
    let mut sources = SourceMap::new();
    sources.add("test.feat", text);
    let compiled = compile(&sources);
    let report = feat_dsl::render::render(&compiled.diagnostics, &sources, feat_dsl::render::Color::Never);
    assert!(!compiled.has_errors(), "{report}");
    Arc::clone(&compiled.plans.sources[0])
}

/// `x` alone, conformed.
fn x(ty: &str, found: impl Array + 'static) -> Result<ArrayRef, String> {
    conformed(&source(ty), found)
}

fn conformed(source: &SourcePlan, found: impl Array + 'static) -> Result<ArrayRef, String> {
    let field = Field::new("x", found.data_type().clone(), true);
    let batch =
        RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(found) as ArrayRef]).unwrap();
    let columns = ["x".to_owned()];
    let batch =
        conform_columns(source, &batch, &columns, "rows.parquet").map_err(|cause| cause.to_string())?;
    assert_eq!(batch.schema().field(0).data_type(), source.schema.field_with_name("x").unwrap().data_type());
    Ok(Arc::clone(batch.column(0)))
}

fn instants(column: &ArrayRef) -> Vec<String> {
    column::int64(column)
        .iter()
        .map(|micros| micros.map_or("null".to_owned(), |x| Instant(x).to_string()))
        .collect()
}

#[test]
fn columns_are_found_by_name_and_others_dropped() {
    let source = source("int?");
    let ints = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let ts: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![5]).with_timezone("+02:00"));
    let batch = RecordBatch::try_from_iter([
        ("ts", Arc::clone(&ts)),
        ("other", ints(vec![9])),
        ("x", ints(vec![2])),
        ("user_id", ints(vec![1])),
    ])
    .unwrap();
    let whole = conform(&source, &batch, "rows.parquet").unwrap();
    assert_eq!(whole.schema(), source.schema);
    assert_eq!(column::int64(whole.column(2)).value(0), 5);
    let some =
        conform_columns(&source, &batch, &["ts".to_owned(), "user_id".to_owned()], "rows.parquet").unwrap();
    assert_eq!(
        some.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(),
        ["user_id", "ts"]
    );
    let less = batch.project(&[0, 1, 3]).unwrap();
    assert_eq!(
        conform(&source, &less, "rows.parquet").unwrap_err().to_string(),
        "rows.parquet has no column `x`, which source `rows` declares as int?; it has `ts`, `other`, `user_id`"
    );
}

#[test]
fn numbers_widen_and_never_narrow() {
    assert_eq!(
        x("int?", Int16Array::from(vec![Some(-3), None])).unwrap().as_ref(),
        &Int64Array::from(vec![Some(-3), None])
    );
    assert_eq!(x("float?", Int32Array::from(vec![3])).unwrap().as_ref(), &Float64Array::from(vec![3.0]));
    assert_eq!(x("float?", Float32Array::from(vec![0.5])).unwrap().as_ref(), &Float64Array::from(vec![0.5]));
    let decimal = |values: Vec<i128>, precision, scale| {
        Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap()
    };
    assert_eq!(
        x("decimal(20, 0)?", UInt64Array::from(vec![u64::MAX])).unwrap().as_ref(),
        &decimal(vec![u64::MAX.into()], 20, 0)
    );
    assert_eq!(
        x("decimal(12, 4)?", decimal(vec![150], 10, 2)).unwrap().as_ref(),
        &decimal(vec![15_000], 12, 4)
    );
    assert_eq!(x("decimal(10, 1)?", decimal(vec![150], 10, 2)).unwrap().as_ref(), &decimal(vec![15], 10, 1));
    assert_eq!(x("float?", decimal(vec![10], 10, 2)).unwrap().as_ref(), &Float64Array::from(vec![0.1]));
    assert_eq!(
        x("decimal(10, 1)?", decimal(vec![155], 10, 2)).unwrap_err(),
        "column `x` of rows.parquet holds a value that is not decimal(10, 1): it has more digits behind the point"
    );
    assert!(x("decimal(3, 1)?", decimal(vec![12_345], 10, 2)).is_err());
    assert_eq!(
        x("int?", UInt64Array::from(vec![1])).unwrap_err(),
        "column `x` of rows.parquet is UInt64, source `rows` declares int?: declare it `decimal(20, 0)`, which holds \
         every unsigned 64-bit integer"
    );
    assert!(x("int?", Float64Array::from(vec![1.0])).unwrap_err().contains("declare it `float`"));
    assert!(x("decimal(10, 2)?", Float64Array::from(vec![1.0])).unwrap_err().contains("declare it `float`"));
    assert!(x("int?", StringArray::from(vec!["1"])).unwrap_err().contains("cast it in a computed column"));
}

#[test]
fn floats_are_finite_and_have_one_zero() {
    let found =
        x("float?", Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1.5])).unwrap();
    let found = found.as_primitive::<Float64Type>();
    let bits: Vec<Option<u64>> = found.iter().map(|x| x.map(f64::to_bits)).collect();
    assert_eq!(bits, [None, None, None, Some(0), Some(1.5_f64.to_bits())]);
}

#[test]
fn timestamps_of_any_unit_and_zone_become_microseconds() {
    let utc = |column: Result<ArrayRef, String>| instants(&column.unwrap());
    assert_eq!(
        utc(x("timestamp?", TimestampSecondArray::from(vec![1]).with_timezone("UTC"))),
        ["1970-01-01T00:00:01Z"]
    );
    assert_eq!(
        utc(x(
            "timestamp?",
            TimestampMillisecondArray::from(vec![Some(-1), None]).with_timezone("Asia/Tokyo")
        )),
        ["1969-12-31T23:59:59.999Z", "null"]
    );
    assert_eq!(
        utc(x("timestamp?", TimestampNanosecondArray::from(vec![2_000]).with_timezone("UTC"))),
        ["1970-01-01T00:00:00.000002Z"]
    );
    assert!(
        x("timestamp?", TimestampNanosecondArray::from(vec![2_001]).with_timezone("UTC"))
            .unwrap_err()
            .contains("2001 ns is not a whole number of microseconds")
    );
    assert!(
        x("timestamp?", TimestampSecondArray::from(vec![i64::MAX]).with_timezone("UTC"))
            .unwrap_err()
            .contains("out of range")
    );
    assert_eq!(
        utc(x("timestamp?", StringArray::from(vec!["1970-01-01T01:00:00+01:00"]))),
        ["1970-01-01T00:00:00Z"]
    );
    assert!(
        x("timestamp?", StringArray::from(vec!["soon"]))
            .unwrap_err()
            .contains("`soon` is not a time such as")
    );
    assert!(x("timestamp?", Int64Array::from(vec![5])).unwrap_err().contains("to_timestamp_millis"));
}

#[test]
fn a_wall_clock_needs_its_zone() {
    let wall = |text: &str| {
        let naive = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
        TimestampMicrosecondArray::from(vec![naive.and_utc().timestamp_micros()])
    };
    let cause = x("timestamp?", wall("2025-01-01 12:00")).unwrap_err();
    assert!(cause.contains("say whose clock: `x: timestamp in \"America/New_York\"`"), "{cause}");
    let local = |text: &str| instants(&x("timestamp in \"America/New_York\"", wall(text)).unwrap()).remove(0);
    assert_eq!(local("2025-01-01 12:00"), "2025-01-01T17:00:00Z");
    assert_eq!(local("2025-07-01 12:00"), "2025-07-01T16:00:00Z");
    // The clock jumps from 02:00 to 03:00: what it never showed moves forward.
    assert_eq!(local("2025-03-09 02:30"), "2025-03-09T07:30:00Z");
    // The clock shows 01:30 twice: the earlier counts.
    assert_eq!(local("2025-11-02 01:30"), "2025-11-02T05:30:00Z");
    let text =
        StringArray::from(vec!["2025-01-01 12:00:00", "2025-01-01T12:00:00.25", "2025-01-01T12:00:00Z"]);
    assert_eq!(
        instants(&x("timestamp in \"America/New_York\"", text.clone()).unwrap()),
        ["2025-01-01T17:00:00Z", "2025-01-01T17:00:00.250Z", "2025-01-01T12:00:00Z"]
    );
    assert!(x("timestamp?", text).unwrap_err().contains("has no zone"));
}

#[test]
fn text_dates_and_bytes_come_in_any_layout() {
    let plain = StringArray::from(vec![Some("a"), None]);
    assert_eq!(x("string?", LargeStringArray::from(vec![Some("a"), None])).unwrap().as_ref(), &plain);
    assert_eq!(x("string?", StringViewArray::from(vec![Some("a"), None])).unwrap().as_ref(), &plain);
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None].into_iter().collect();
    assert_eq!(x("string?", dictionary.clone()).unwrap().as_ref(), &plain);
    // Whether it lies in the enum is judged row by row.
    assert_eq!(x("enum(\"x\", \"y\")?", dictionary).unwrap().as_ref(), &plain);
    assert_eq!(x("string?", NullArray::new(2)).unwrap().null_count(), 2);
    assert!(x("bytes?", BinaryArray::from(vec![b"a".as_slice()])).is_ok());
    let day = 86_400_000;
    assert_eq!(x("date?", Date64Array::from(vec![2 * day])).unwrap().as_ref(), &Date32Array::from(vec![2]));
    assert!(x("date?", Date64Array::from(vec![2 * day + 1])).unwrap_err().contains("it has a time of day"));
    assert!(x("date?", StringArray::from(vec!["2025-01-01"])).is_err());
}

#[test]
fn lists_and_structs_conform_within() {
    let items: ArrayRef = Arc::new(Float32Array::from(vec![0.5, f32::NAN]));
    let field = Arc::new(Field::new("element", DataType::Float32, true));
    let list = ListArray::new(field, arrow::buffer::OffsetBuffer::from_lengths([2]), items, None);
    let found = x("list<float?>?", list).unwrap();
    let ty = Type::List(Box::new(Slot::nullable(Type::Float)));
    assert_eq!(column::value(&found, &ty, 0), Value::List(vec![Value::Float(0.5), Value::Null]));
    let pair = StructArray::from(vec![
        (
            Arc::new(Field::new("extra", DataType::Int32, true)),
            Arc::new(Int32Array::from(vec![1])) as ArrayRef,
        ),
        (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![2])) as ArrayRef),
    ]);
    assert!(x("struct { a: int? }?", pair.clone()).is_ok());
    // Without a part that must be there the whole has no value.
    let rows = vec![Some(vec![Some(1.0), Some(2.0)]), Some(vec![Some(f32::NAN), Some(1.0)]), None];
    let rows = ListArray::from_iter_primitive::<arrow::datatypes::Float32Type, _, _>(rows);
    let mut embedding = SourcePlan::clone(&source("int?"));
    embedding.stored[1].slot = Slot::nullable(Type::Embedding(2));
    embedding.schema = Arc::new(Schema::new(vec![embedding.stored[1].slot.field("x")]));
    for found in [x("list<float>?", rows.clone()), conformed(&embedding, rows)] {
        let found = found.unwrap();
        assert_eq!((0..3).map(|row| found.is_null(row)).collect::<Vec<_>>(), [false, true, true]);
    }
    let short =
        ListArray::from_iter_primitive::<arrow::datatypes::Float32Type, _, _>([Some(vec![Some(1.0)])]);
    assert!(conformed(&embedding, short).unwrap_err().contains("row 0 has 1 numbers"));
    assert!(x("struct { a: int }?", pair.clone()).is_ok());
    assert!(x("struct { b: int }?", pair).unwrap_err().contains("the struct has no field `b`"));
}
