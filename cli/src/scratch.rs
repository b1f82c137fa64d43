//! A folder to work in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A folder that is removed at the end, unless the caller named it.
pub(crate) struct Scratch {
    path: PathBuf,
    ours: bool,
}

impl Scratch {
    /// The folder `named`, or one of its own for `command` under the system's temporary one.
    pub(crate) fn new(command: &str, named: Option<PathBuf>) -> Result<Self> {
        let ours = named.is_none();
        let own = || std::env::temp_dir().join(format!("feat-{command}-{}", std::process::id()));
        let path = named.unwrap_or_else(own);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, ours })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.ours {
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}
