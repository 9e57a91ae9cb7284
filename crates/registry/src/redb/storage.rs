//! Keeping changes in the database, and coming back from a disk that failed.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Builder, Database};

use super::file::{Faults, ReservedFile};
use super::format::{self, Found};
use super::lock::FileLock;
use crate::entry::Revision;
use crate::error::RegistryError;
use crate::store::{Changes, PersistFailure, Storage};

/// How much of the file redb keeps in memory; the machine holds everything already.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// A database that is opened anew after each failure: redb refuses to go on with one whose disk failed.
#[derive(Debug)]
pub(super) struct FileStorage {
    /// `None` after a failure, until it could be opened again. Declared before the lock: closed before it is released.
    database: Option<Database>,
    path: PathBuf,
    max_bytes: u64,
    /// After a failed synchronisation the system may drop what it could not write and then call the file clean: what
    /// reads show is no longer what the disk holds. Only a new start, from the disk, mends that.
    sync_failed: Arc<AtomicBool>,
    faults: Faults,
    _lock: FileLock,
}

impl FileStorage {
    pub(super) fn open(
        path: PathBuf,
        lock: FileLock,
        max_bytes: u64,
        faults: Faults,
    ) -> Result<Self, RegistryError> {
        let mut storage =
            FileStorage { database: None, path, max_bytes, sync_failed: Arc::default(), faults, _lock: lock };
        storage.database()?;
        // The name of a new file must outlive a crash, too.
        let folder =
            storage.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| {
            storage.describe("make the name of the file durable", &redb::Error::Io(error))
        })?;
        Ok(storage)
    }

    pub(super) fn target(&self) -> String {
        self.path.display().to_string()
    }

    /// Everything that is kept, as changes to an empty store.
    pub(super) fn load(&mut self) -> Result<Changes, RegistryError> {
        let found = format::read(self.database()?);
        match found.map_err(|error| self.describe("read the file", &error))? {
            Found::Store(kept) => Ok(kept),
            Found::New => Ok(Changes {
                sequence: 0,
                revision: Revision::ZERO,
                next_lease: 1,
                term: 0,
                entries: Default::default(),
                leases: Default::default(),
                batches: Vec::new(),
            }),
            Found::OtherFormat(found) => {
                let supported = format::FORMAT;
                Err(RegistryError::Incompatible { path: self.path.clone(), found, supported })
            }
            Found::Damaged(reason) => Err(RegistryError::Corrupt { target: self.target(), reason }),
        }
    }

    fn database(&mut self) -> Result<&Database, RegistryError> {
        if self.sync_failed.load(Ordering::Acquire) {
            let reason = "the disk failed to synchronise a write; check it, then start this process again";
            return Err(self.unavailable("use the file", reason));
        }
        if self.database.is_none() {
            self.database = Some(self.reopen().map_err(|error| self.describe("open the file", &error))?);
        }
        self.database.as_ref().ok_or_else(|| self.unavailable("open the file", "it is not open"))
    }

    fn reopen(&self) -> Result<Database, redb::Error> {
        let sync_failed = Arc::clone(&self.sync_failed);
        let file = ReservedFile::open(&self.path, self.max_bytes, sync_failed, self.faults.clone())?;
        Ok(Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(file)?)
    }

    fn unavailable(&self, action: &'static str, reason: &str) -> RegistryError {
        RegistryError::Unavailable { action, target: self.target(), reason: reason.to_owned() }
    }

    fn describe(&self, action: &'static str, error: &redb::Error) -> RegistryError {
        let target = self.target();
        let reason = error.to_string();
        match error {
            redb::Error::DatabaseAlreadyOpen => {
                RegistryError::InUse { path: self.path.clone(), holder: "another process".to_owned() }
            }
            redb::Error::Io(io) if is_full(io) => RegistryError::NoSpace { target, reason },
            redb::Error::Io(io) if matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                RegistryError::Corrupt { target, reason }
            }
            redb::Error::Corrupted(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::UpgradeRequired(_) => RegistryError::Corrupt { target, reason },
            _ => RegistryError::Unavailable { action, target, reason },
        }
    }
}

impl Storage for FileStorage {
    fn persist(&mut self, changes: &Changes) -> Result<(), PersistFailure> {
        // Nothing was tried on the file yet.
        let database = self.database().map_err(PersistFailure::NotKept)?;
        let Err(error) = format::write(database, changes) else { return Ok(()) };
        let error = self.describe("write the file", &error);
        // What the disk holds decides; redb does not say, and lets nobody go on before it is opened anew.
        self.database = None;
        match self.kept_sequence() {
            Ok(kept) if kept == changes.sequence => Ok(()),
            Ok(_) => Err(PersistFailure::NotKept(error)),
            Err(reopening) => {
                tracing::warn!(registry = %self.target(), %error, %reopening, "the file cannot be opened again yet");
                Err(PersistFailure::Unresolved(error))
            }
        }
    }

    fn kept_sequence(&mut self) -> Result<u64, RegistryError> {
        let sequence = format::read_sequence(self.database()?);
        sequence.map_err(|error| {
            self.database = None;
            self.describe("read the file", &error)
        })
    }

    fn size_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    fn defragment(&mut self) -> Result<(), RegistryError> {
        self.database()?;
        let Some(database) = self.database.as_mut() else { return Ok(()) };
        // Whatever becomes of it, the store's content stays the same.
        database.compact().map(drop).map_err(|error| {
            self.database = None;
            self.describe("defragment the file", &redb::Error::from(error))
        })
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}
