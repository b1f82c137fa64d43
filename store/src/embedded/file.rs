//! What the file holds, and what its errors mean to the one who runs feat.

use std::cell::Cell;
use std::io;
use std::ops::Bound;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use redb::{Database, ReadableDatabase, TableDefinition};

use crate::StoreError;

/// The version of the tables below: a file of another one is refused. Since 2 values are
/// [sealed](super::seal).
pub(super) const FORMAT: u64 = 2;

/// Facts of the file: `format`.
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
/// View → count of partitions, four bytes, the least first.
pub(super) const VIEWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("views");
/// [`marker_key`](feat_kernel::layout::marker_key) → marker.
pub(super) const MARKERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("markers");
/// [`blob_key`](feat_kernel::layout::blob_key) → blob. Apart from the markers, so that a partition's
/// entities are a range of their own.
pub(super) const BLOBS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("blobs");

/// The open file. Closing it may stumble over what is damaged as well.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    /// There until it is closed.
    database: Option<Database>,
}

impl File {
    pub(super) fn new(path: PathBuf, database: Database) -> Self {
        Self { path, database: Some(database) }
    }
}

impl std::ops::Deref for File {
    type Target = Database;

    fn deref(&self) -> &Database {
        self.database.as_ref().expect("invariant: the file is open until it is dropped")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let database = self.database.take();
        // Nobody is left to tell.
        let _ = guarded(&self.path, || drop(database));
    }
}

/// Makes the tables of a new file; refuses a file of another format.
pub(super) fn prepare(path: &Path, database: &Database) -> Result<(), StoreError> {
    match format(database).map_err(|cause| failed(path, cause))? {
        Some(FORMAT) => Ok(()),
        Some(found) if found < FORMAT => {
            Err(StoreError::Older { path: path.to_owned(), found, reads: FORMAT })
        }
        Some(found) => Err(StoreError::Newer { path: path.to_owned(), found, reads: FORMAT }),
        None => make_tables(database).map_err(|cause| failed(path, cause)),
    }
}

fn format(database: &Database) -> Result<Option<u64>, redb::Error> {
    match database.begin_read()?.open_table(FACTS) {
        Ok(facts) => Ok(facts.get("format")?.map(|format| format.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(cause) => Err(cause.into()),
    }
}

fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(FACTS)?.insert("format", FORMAT)?;
    transaction.open_table(VIEWS)?;
    transaction.open_table(MARKERS)?;
    transaction.open_table(BLOBS)?;
    Ok(transaction.commit()?)
}

/// The keys that begin with a prefix, or those of them after one key.
pub(super) struct Range {
    from: Bound<Vec<u8>>,
    end: Vec<u8>,
}

impl Range {
    /// The keys that begin with `prefix`, after `prefix` + `after` if that is given.
    ///
    /// A prefix ends in `}`, so the next prefix of its length is the one with a greater last byte.
    pub(super) fn new(prefix: &[u8], after: Option<&[u8]>) -> Self {
        let mut end = prefix.to_vec();
        if let Some(last) = end.last_mut() {
            *last = last.saturating_add(1);
        }
        let from = match after {
            None => Bound::Included(prefix.to_vec()),
            Some(after) => Bound::Excluded([prefix, after].concat()),
        };
        Self { from, end }
    }

    /// As the library takes it.
    pub(super) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.from.as_ref().map(Vec::as_slice), Bound::Excluded(&self.end))
    }
}

/// The count of partitions as it stands in [`VIEWS`].
pub(super) fn count(bytes: &[u8]) -> Result<u32, redb::Error> {
    let bytes = bytes.try_into();
    bytes.map(u32::from_le_bytes).map_err(|_| redb::Error::Corrupted("a count of partitions".to_owned()))
}

thread_local! {
    /// Whether a panic of this thread is on its way to [`guarded`], which tells it as an error.
    static TOLD: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, which may panic where the file is not what the library wrote; nothing is printed then.
pub(super) fn guarded<T>(path: &Path, f: impl FnOnce() -> T) -> Result<T, StoreError> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !TOLD.get() {
                print(panic);
            }
        }));
    });
    let before = TOLD.replace(true);
    let done = std::panic::catch_unwind(AssertUnwindSafe(f));
    TOLD.set(before);
    done.map_err(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a page that makes no sense".to_owned());
        StoreError::Damaged { path: path.to_owned(), what }
    })
}

/// What an error of the library means.
pub(super) fn failed(path: &Path, cause: impl Into<redb::Error>) -> StoreError {
    let path = path.to_owned();
    match cause.into() {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => StoreError::InUse { path },
        redb::Error::Io(cause) => match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path },
            io::ErrorKind::UnexpectedEof => {
                StoreError::Damaged { path, what: "it ends before what it holds does".to_owned() }
            }
            // So the library says that the file is not one of its own.
            io::ErrorKind::InvalidData => StoreError::Damaged { path, what: cause.to_string() },
            _ => StoreError::Io { path, cause: Arc::new(cause) },
        },
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => StoreError::Closed { path },
        redb::Error::Corrupted(what) => StoreError::Damaged { path, what },
        other => StoreError::Damaged { path, what: other.to_string() },
    }
}
