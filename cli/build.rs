//! Puts the pages of `docs/reference/codes` into the binary, for `feat explain FEAT001`.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let pages =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../docs/reference/codes");
    println!("cargo::rerun-if-changed={}", pages.display());
    let mut paths: Vec<_> = fs::read_dir(&pages)
        .expect("docs/reference/codes is there")
        .map(|entry| entry.expect("a folder that can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.sort();
    let mut table = String::from("[\n");
    for path in paths {
        let code = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let path = path.canonicalize().expect("the page was listed a moment ago");
        let _ = writeln!(table, "    ({code:?}, include_str!({:?})),", path.to_string_lossy());
    }
    table.push_str("]\n");
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("codes.rs");
    fs::write(out, table).expect("cargo's folder can be written");
}
