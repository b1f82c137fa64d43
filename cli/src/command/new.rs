//! `feat new DIR`: a small working project.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::output;

const FILES: [(&str, &str); 4] = [
    ("feat.toml", include_str!("../../template/feat.toml")),
    ("visits.feat", include_str!("../../template/visits.feat")),
    ("data/visits.jsonl", include_str!("../../template/data/visits.jsonl")),
    ("README.md", include_str!("../../template/README.md")),
];

/// Refuses a folder that holds anything: nothing is overwritten.
pub(crate) fn run(dir: &Path) -> Result<ExitCode> {
    if dir.exists()
        && dir.read_dir().with_context(|| format!("{} is not a folder", dir.display()))?.next().is_some()
    {
        bail!("{} is not empty: name a folder that does not exist yet", dir.display());
    }
    for (name, text) in FILES {
        let path = dir.join(name);
        let folder = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    output::line(format!("{} is ready; its README.md has the next commands", dir.display()));
    Ok(ExitCode::SUCCESS)
}
