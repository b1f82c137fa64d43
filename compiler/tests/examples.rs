//! The design's examples compile without errors.

use feat_compiler::{Compiled, compile};
use feat_dsl::source_map::SourceMap;

const WINDOWS: (&str, &str) =
    ("common/windows.feat", include_str!("../../dsl/tests/cases/common/windows.feat"));

fn check(path: &str, text: &str) -> (Compiled, String) {
    let mut sources = SourceMap::new();
    sources.add(WINDOWS.0, WINDOWS.1);
    sources.add(path, text);
    let compiled = compile(&sources);
    let report = feat_dsl::render::render(&compiled.diagnostics, &sources, feat_dsl::render::Color::Never);
    (compiled, report)
}

macro_rules! examples {
    ($($name:ident, $file:literal;)*) => {
        $(#[test]
        fn $name() {
            let (compiled, report) = check($file, include_str!(concat!("../../dsl/tests/cases/", $file)));
            assert!(!compiled.has_errors(), "{report}");
            println!("{report}");
        })*
    };
}

examples! {
    the_smallest_file_compiles, "hello.feat";
    flights_compile, "flights.feat";
    fraud_compiles, "fraud.feat";
    ads_compile, "ads.feat";
    churn_compiles, "churn.feat";
    every_construct_compiles, "kitchen_sink.feat";
}
