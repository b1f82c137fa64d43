//! `feat fmt`: formats `.feat` files in place.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use feat_dsl::source_map::SourceMap;

use crate::arguments::Arguments;
use crate::{output, project};

/// Exit code 1 if a file has a syntax error, or, with `check`, is not formatted. A file with an
/// error stays as it is; the others are formatted.
pub(crate) fn run(common: &Arguments, paths: &[PathBuf], check: bool) -> Result<ExitCode> {
    let mut wrong = 0;
    for path in super::feat_files(common, paths)? {
        let text = project::read_spec(&path)?;
        match feat_dsl::format::format(text.trim_start_matches(project::BYTE_ORDER_MARK)) {
            Ok(formatted) if formatted == text => {}
            Ok(_) if check => {
                output::line(path.display().to_string());
                wrong += 1;
            }
            Ok(formatted) => replace(&path, &formatted)?,
            Err(diagnostics) => {
                let mut texts = SourceMap::new();
                texts.add(path.to_string_lossy(), text);
                output::note(feat_dsl::render::render(&diagnostics, &texts, feat_dsl::render::Color::Never));
                wrong += 1;
            }
        }
    }
    Ok(if wrong > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Writes beside the file and renames, so that a full disk leaves the old text.
fn replace(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("feat.tmp");
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, path))
        .inspect_err(|_| drop(std::fs::remove_file(&beside)))
        .with_context(|| format!("cannot write {}", path.display()))?;
    output::line(path.display().to_string());
    Ok(())
}
