//! What happens to the file when the disk or somebody else interferes.

use std::sync::Mutex;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::*;

fn view() -> ViewId {
    "visits@1#00000000".into()
}

fn commit(expected: Option<u32>, marker: u32, bytes: usize) -> Commit {
    let text = |number: u32| Bytes::from(number.to_string());
    let blob = Bytes::from(vec![marker as u8; bytes]);
    let writes = vec![("a".into(), Some(blob.clone())), ("b".into(), Some(blob))];
    Commit { view: view(), partition: 0, expected: expected.map(text), marker: text(marker), writes }
}

/// A disk with room for a while.
#[derive(Debug)]
struct SmallDisk {
    file: FileBackend,
    room: Arc<Mutex<Option<u64>>>,
}

impl SmallDisk {
    fn take(&self, end: u64) -> std::io::Result<()> {
        match *self.room.lock().unwrap() {
            Some(room) if end > room => Err(std::io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl StorageBackend for SmallDisk {
    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.take(len)?;
        self.file.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.take(offset + data.len() as u64)?;
        self.file.write(offset, data)
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_that_leaves_the_last_commit_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let file = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let room = Arc::new(Mutex::new(None));
    let disk = SmallDisk { file: FileBackend::new(file.unwrap()).unwrap(), room: Arc::clone(&room) };
    let database = Builder::new().create_with_backend(disk).unwrap();
    let store = EmbeddedStore::start(path.clone(), database).unwrap();

    let small = commit(None, 1, 10);
    assert_eq!(store.commit(vec![small], Durability::Durable).await.unwrap(), [Committed::Applied]);
    *room.lock().unwrap() = Some(2 << 20);
    let large = commit(Some(1), 2, 8 << 20);
    let error = store.commit(vec![large], Durability::Durable).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    drop(store);

    let store = EmbeddedStore::open(folder.path()).unwrap();
    let read = Read { view: view(), partition: 0, keys: vec!["a".into(), "b".into()] };
    let found = store.read(vec![read]).await.unwrap().remove(0);
    assert_eq!(found.marker, Some("1".into()));
    assert!(found.blobs.iter().all(|blob| blob.as_deref() == Some(&[1; 10])));
    let next = commit(Some(1), 2, 100);
    assert_eq!(store.commit(vec![next], Durability::Durable).await.unwrap(), [Committed::Applied]);
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(EmbeddedStore::open(folder.path()).unwrap());
    let path = folder.path().join(FILE);
    {
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let facts = redb::TableDefinition::<&str, u64>::new("facts");
        transaction.open_table(facts).unwrap().insert("format", file::FORMAT + 1).unwrap();
        transaction.commit().unwrap();
    }
    let error = EmbeddedStore::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 3, reads: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("use the newer feat"), "{error}");
}
