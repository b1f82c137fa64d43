//! Hashes and encodings. `hash64` is xxh3: the same for ever, and the same in every engine.

use std::fmt::Write;
use std::sync::Arc;

use feat_kernel::types::Type;
use feat_kernel::value::Value;
use sha2::{Digest, Sha256};
use twox_hash::XxHash3_64;

use super::operand::{Operand, each, ints, texts};
use super::types::{arity, exactly, strict, text, unwritten, whole, written, wrong};
use super::{Arg, Binding, Columns, Function, FunctionError, Kernel};

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
        "hmac_sha256",
        "hmac_sha256(x, key: secret(\"name\"))",
        &["x", "key"],
        "The keyed SHA-256 digest (RFC 2104) of a string or bytes, in hexadecimal digits. Its key is a secret: the \
         environment's `FEAT_SECRET_NAME`.",
        hmac_sha256,
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

fn hmac_sha256(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "a value and `key:`")?;
    let ty = bytes_or_text(args)?;
    Ok(Binding {
        result: strict(&args[..1], Type::String),
        kernel: Kernel::Keyed(match ty {
            Type::Bytes => tags_of_bytes,
            _ => tags_of_texts,
        }),
        params: vec![ty, Type::String],
    })
}

fn tags_of_bytes(key: &[u8]) -> Arc<Columns> {
    let keyed = keyed(key);
    Arc::new(move |ops, rows| {
        let x = ops[0].bytes();
        Ok(texts(each(ops, rows, |row| Ok(Some(tag(&keyed, x.at(row)))))?))
    })
}

fn tags_of_texts(key: &[u8]) -> Arc<Columns> {
    let keyed = keyed(key);
    Arc::new(move |ops, rows| {
        let x = ops[0].texts();
        Ok(texts(each(ops, rows, |row| Ok(Some(tag(&keyed, x.at(row).as_bytes()))))?))
    })
}

/// HMAC (RFC 2104) with its key taken in: what both hashes begin with.
#[derive(Clone)]
struct Keyed {
    inner: Sha256,
    outer: Sha256,
}

/// The bytes that SHA-256 takes in at a time.
const BLOCK: usize = 64;

fn keyed(key: &[u8]) -> Keyed {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        let digest = Sha256::digest(key);
        block[..digest.len()].copy_from_slice(&digest);
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let begun = |pad: u8| Sha256::new().chain_update(block.map(|byte| byte ^ pad));
    Keyed { inner: begun(0x36), outer: begun(0x5c) }
}

/// The digest of `message`, in lower case.
fn tag(keyed: &Keyed, message: &[u8]) -> String {
    let Keyed { inner, outer } = keyed.clone();
    let digest = outer.chain_update(inner.chain_update(message).finalize()).finalize();
    digest.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string never fails.
        let _written = write!(out, "{byte:02x}");
        out
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

#[cfg(test)]
mod tests {
    use super::{keyed, tag};

    /// The cases of RFC 4231, but for the one that cuts the digest off.
    #[test]
    fn keyed_digests_are_those_of_the_standard() {
        let counted: Vec<u8> = (1..=25).collect();
        let long = b"This is a test using a larger than block-size key and a larger than block-size data. \
            The key needs to be hashed before being used by the HMAC algorithm.";
        let cases: [(&[u8], &[u8], &str); 6] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (&counted, &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (&[0xaa; 131], long, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
        ];
        for (key, message, expected) in cases {
            assert_eq!(tag(&keyed(key), message), expected);
        }
    }
}
