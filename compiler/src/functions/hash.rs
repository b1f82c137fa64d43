//! Hashes and encodings. `hash64` is xxh3: the same for ever, and the same in every engine.

use feat_kernel::types::Type;
use feat_kernel::value::Value;
use twox_hash::XxHash3_64;

use super::operand::{Operand, each, ints};
use super::types::{arity, exactly, strict, text, unwritten, whole, written, wrong};
use super::{Arg, Binding, Function, FunctionError, Kernel};

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "md5",
        "md5(x)",
        &["x"],
        "The MD5 digest of a string or bytes, in hexadecimal digits.",
        |args| delegate(args, "md5", Type::String),
    ),
    function("sha256", "sha256(x)", &["x"], "The SHA-256 digest of a string or bytes.", |args| {
        delegate(args, "sha256", Type::Bytes)
    }),
    function(
        "digest",
        "digest(x, \"sha512\")",
        &["x", "algorithm"],
        "A digest of a string or bytes: `md5 sha224 sha256 sha384 sha512 blake2s blake2b blake3`.",
        digest,
    ),
    function(
        "encode",
        "encode(x, \"hex\")",
        &["x", "form"],
        "A string or bytes as `hex` or `base64`.",
        encode,
    ),
    function(
        "decode",
        "decode(s, \"hex\")",
        &["s", "form"],
        "The bytes that `hex` or `base64` writes; an evaluation error if it writes none.",
        decode,
    ),
    function(
        "hash64",
        "hash64(x, seed: 0)",
        &["x", "seed"],
        "64 bits of xxh3 of the value's bytes, as an `int`, stable for ever: of strings and bytes themselves, of numbers and \
         times their little-endian bytes.",
        hash64,
    ),
    function(
        "hash_bucket",
        "hash_bucket(x, n)",
        &["x", "n"],
        "A number from 0 to `n - 1`: `hash64(x)` as a number without sign, modulo `n`.",
        hash_bucket,
    ),
];

constructor!(function, Hash);

/// Strings stay strings, enums become them.
fn bytes_or_text(args: &[Arg]) -> Result<Type, FunctionError> {
    match args[0].slot.ty {
        Type::Bytes => Ok(Type::Bytes),
        Type::String | Type::Enum(_) => Ok(Type::String),
        _ => Err(wrong(args, 0, "a string or bytes")),
    }
}

fn delegate(args: &[Arg], name: &'static str, result: Type) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    Ok(Binding {
        params: vec![bytes_or_text(args)?],
        result: strict(args, result),
        kernel: Kernel::DataFusion(name),
    })
}

fn one_of(args: &[Arg], index: usize, names: &[&str], expected: &'static str) -> Result<(), FunctionError> {
    let name = written(args, index, expected)?;
    if names.contains(&name) { Ok(()) } else { Err(unwritten(index, expected)) }
}

fn digest(args: &[Arg]) -> Result<Binding, FunctionError> {
    const NAMES: [&str; 8] = ["md5", "sha224", "sha256", "sha384", "sha512", "blake2s", "blake2b", "blake3"];
    arity(args, 2..=2, "two arguments")?;
    let ty = bytes_or_text(args)?;
    one_of(
        args,
        1,
        &NAMES,
        "`md5`, `sha224`, `sha256`, `sha384`, `sha512`, `blake2s`, `blake2b` or `blake3`",
    )?;
    Ok(Binding {
        params: vec![ty, Type::String],
        result: strict(args, Type::Bytes),
        kernel: Kernel::DataFusion("digest"),
    })
}

fn encode(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    let ty = bytes_or_text(args)?;
    one_of(args, 1, &["hex", "base64"], "`\"hex\"` or `\"base64\"`")?;
    Ok(Binding {
        params: vec![ty, Type::String],
        result: strict(args, Type::String),
        kernel: Kernel::DataFusion("encode"),
    })
}

fn decode(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    text(args, 0)?;
    one_of(args, 1, &["hex", "base64"], "`\"hex\"` or `\"base64\"`")?;
    Ok(Binding {
        params: vec![Type::String, Type::String],
        result: strict(args, Type::Bytes),
        kernel: Kernel::DataFusion("decode"),
    })
}

/// The types whose bytes are settled for ever.
fn hashable(args: &[Arg]) -> Result<Type, FunctionError> {
    match &args[0].slot.ty {
        Type::Enum(_) => Ok(Type::String),
        Type::List(_) | Type::Map(..) | Type::Struct(_) | Type::Embedding(_) | Type::Float => {
            Err(wrong(args, 0, "a string, bytes, an int, a decimal, a bool or a time"))
        }
        other => Ok(other.clone()),
    }
}

fn hashes(op: &Operand, ty: &Type, seed: u64, rows: usize) -> Result<Vec<Option<u64>>, super::Fault> {
    let ops = std::slice::from_ref(op);
    let hash = |bytes: &[u8]| Ok(Some(XxHash3_64::oneshot_with_seed(seed, bytes)));
    match ty {
        Type::Bytes => {
            let x = op.bytes();
            each(ops, rows, |row| hash(x.at(row)))
        }
        Type::Bool => {
            let x = op.bools();
            each(ops, rows, |row| hash(&[u8::from(x.at(row))]))
        }
        Type::Decimal(..) => {
            let x = op.decimals();
            each(ops, rows, |row| hash(&x.at(row).to_le_bytes()))
        }
        Type::Date => {
            let x = op.days();
            each(ops, rows, |row| hash(&x.at(row).to_le_bytes()))
        }
        Type::Int | Type::Timestamp | Type::Duration => {
            let x = op.ints();
            each(ops, rows, |row| hash(&x.at(row).to_le_bytes()))
        }
        _ => {
            let x = op.texts();
            each(ops, rows, |row| hash(x.at(row).as_bytes()))
        }
    }
}

fn hash64(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=2, "one or two arguments")?;
    let ty = hashable(args)?;
    let seed = if args.len() == 2 { whole(args, 1, "a seed that is written in the text")? } else { 0 };
    let mut params = vec![ty.clone()];
    params.extend(args.get(1).map(|_| Type::Int));
    Ok(Binding {
        params,
        result: strict(&args[..1], Type::Int),
        kernel: Kernel::own(move |ops, rows| {
            let values = hashes(&ops[0], &ty, seed as u64, rows)?;
            Ok(ints(values.into_iter().map(|hash| hash.map(|hash| hash as i64)).collect(), &Type::Int))
        }),
    })
}

fn hash_bucket(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    let ty = hashable(args)?;
    exactly(args, 1, &Type::Int, "an int")?;
    let buckets = match args[1].literal {
        Some(Value::Int(n)) if n > 0 => n.unsigned_abs(),
        _ => return Err(unwritten(1, "a number above 0 that is written in the text")),
    };
    let params = vec![ty.clone(), Type::Int];
    Ok(Binding {
        params,
        result: strict(&args[..1], Type::Int),
        kernel: Kernel::own(move |ops, rows| {
            let hashes = hashes(&ops[0], &ty, 0, rows)?;
            Ok(ints(
                hashes.into_iter().map(|hash| hash.map(|hash| (hash % buckets) as i64)).collect(),
                &Type::Int,
            ))
        }),
    })
}
