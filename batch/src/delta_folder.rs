//! A folder with a Delta table that this run alone may write, and of which nothing is left if it fails.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use deltalake::DeltaTable;

use crate::error::BatchError;

/// A Delta table in a folder, held by one writer.
pub(crate) struct DeltaFolder {
    location: String,
    /// The files that were there before.
    before: BTreeSet<PathBuf>,
    /// Held until the run ends, however it ends.
    _lock: File,
}

impl DeltaFolder {
    /// Makes the folder, if need be, and holds it.
    ///
    /// Errors: it cannot be made; another run writes there.
    pub(crate) fn hold(location: String) -> Result<Self, BatchError> {
        let folder = Path::new(&location);
        let refused = |reason: String| BatchError::File { path: folder.to_owned(), reason };
        fs::create_dir_all(folder).map_err(|cause| refused(cause.to_string()))?;
        let lock = File::create(folder.with_extension("lock")).map_err(|cause| refused(cause.to_string()))?;
        lock.try_lock()
            .map_err(|_| refused("is being written by another run: wait for its end".to_owned()))?;
        let mut held = Self { location, before: BTreeSet::new(), _lock: lock };
        held.keep()?;
        Ok(held)
    }

    /// Where it is.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    /// The table as it stands; without a version where there is none yet.
    pub(crate) async fn table(&self) -> Result<DeltaTable, BatchError> {
        let failed = |cause| BatchError::Delta { location: self.location.clone(), cause };
        let url = deltalake::ensure_table_uri(&self.location).map_err(failed)?;
        DeltaTable::try_from_url(url).await.map_err(failed)
    }

    /// What is there now stays, whatever fails later.
    pub(crate) fn keep(&mut self) -> Result<(), BatchError> {
        self.before.clear();
        files(Path::new(&self.location), &mut self.before).map_err(|cause| self.refused(cause.to_string()))
    }

    /// An error that names the folder.
    pub(crate) fn refused(&self, reason: String) -> BatchError {
        BatchError::File { path: PathBuf::from(&self.location), reason }
    }

    /// Removes the files of a run that has failed, and folders that have become empty.
    pub(crate) fn remove_what_is_new(&self) {
        let folder = Path::new(&self.location);
        let mut now = BTreeSet::new();
        if files(folder, &mut now).is_err() {
            return;
        }
        for path in now.difference(&self.before) {
            // What cannot be removed is in no commit, and no reader sees it.
            let _ = fs::remove_file(path);
            for parent in path.ancestors().skip(1).take_while(|parent| parent.starts_with(folder)) {
                if fs::remove_dir(parent).is_err() {
                    break;
                }
            }
        }
    }
}

/// Every file below `folder`.
fn files(folder: &Path, into: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, into)?;
        } else {
            into.insert(path);
        }
    }
    Ok(())
}
