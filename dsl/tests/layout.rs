//! The layout of the example files, as `format` writes them.

use feat_dsl::format::format;

/// Pins the formatted text of one example.
macro_rules! layout {
    ($name:ident, $path:literal) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(format(include_str!(concat!("cases/", $path))).unwrap());
        }
    };
}

layout!(ads_is_laid_out, "ads.feat");
layout!(churn_is_laid_out, "churn.feat");
layout!(common_windows_is_laid_out, "common/windows.feat");
layout!(flights_is_laid_out, "flights.feat");
layout!(fraud_is_laid_out, "fraud.feat");
layout!(hello_is_laid_out, "hello.feat");
layout!(kitchen_sink_is_laid_out, "kitchen_sink.feat");

#[test]
fn a_text_with_mistakes_is_not_formatted() {
    let diagnostics = format("let A = = 1\n").unwrap_err();
    assert_eq!(diagnostics.len(), 1);
}

#[test]
fn comments_keep_their_place() {
    let text = "// first\n\n// second\nlet A = 1 // behind\n\n\n\n// alone\n\nfeatures f of u from s { // opens\n\n  // above\n  \
                n = count() // behind\n    over 7d\n  m = sum(/* what */ x) over 7d\n  // last\n\n}\n// end";
    insta::assert_snapshot!(format(text).unwrap(), @r"
    // first

    // second
    let A = 1  // behind

    // alone

    features f of u from s {  // opens
      // above
      n = count() // behind
          over 7d
      m = sum(/* what */ x) over 7d
      // last
    }
    // end
    ");
}

#[test]
fn a_long_function_stands_on_two_lines() {
    let text = "fn ratio(first_number: float, second_number: float, prior: float) -> float = first_number / second_number ?? prior";
    insta::assert_snapshot!(format(text).unwrap(), @r"
    fn ratio(first_number: float, second_number: float, prior: float) -> float =
      first_number / second_number ?? prior
    ");
}

#[test]
fn an_empty_file_stays_empty() {
    assert_eq!(format("\n\n").unwrap(), "");
    assert_eq!(format("// only this").unwrap(), "// only this\n");
}
