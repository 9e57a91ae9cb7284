//! The embedded registry's file: one redb database, opened by one process at a time.
//!
//! Every round of writes is one redb transaction with immediate durability. When the disk is full, the file's growth is
//! refused before anything else is touched; the database is then opened anew, and what it says decides whether the
//! round was kept. So a full disk fails writes with [`RegistryError::NoSpace`], loses nothing that was acknowledged,
//! and passes by itself once there is room.

mod file;
mod format;
mod lock;
mod storage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{BootClock, Clock};
use crate::error::RegistryError;
use crate::store::{Changes, EmbeddedRegistry, Opening, StoreMachine};
use lock::FileLock;
use storage::FileStorage;

/// How a registry in a file behaves.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// By what leases end. Default: [`BootClock`].
    pub clock: Arc<dyn Clock>,
    /// About how many bytes of history watches can go back; older changes are compacted. Default: 16 MiB.
    pub history_bytes: usize,
    /// How long a call waits for the disk. Default: 5 s.
    pub call_timeout: Duration,
    /// How large the file may grow, in bytes; beyond it writes fail with [`RegistryError::NoSpace`]. Default: 8 GiB.
    pub max_file_bytes: u64,
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions {
            clock: Arc::new(BootClock),
            history_bytes: 16 * 1024 * 1024,
            call_timeout: Duration::from_secs(5),
            max_file_bytes: 8 * 1024 * 1024 * 1024,
        }
    }
}

impl EmbeddedRegistry {
    /// Opens the file, or makes it (readable by its owner alone); its folder must exist. Beside it, a file with
    /// `.lock` added to its name is locked, and stays. Every lease has its full length again from now on; the term is
    /// raised. It blocks the thread for as long as reading the file takes.
    ///
    /// # Errors
    /// [`InUse`](RegistryError::InUse) where another process (or this one) has it open,
    /// [`Corrupt`](RegistryError::Corrupt), [`Incompatible`](RegistryError::Incompatible),
    /// [`NoSpace`](RegistryError::NoSpace), [`Unavailable`](RegistryError::Unavailable) where the file system refuses.
    pub fn open(path: impl AsRef<Path>, options: FileOptions) -> Result<Self, RegistryError> {
        Self::open_guarded(path.as_ref(), options, file::Faults::default())
    }

    fn open_guarded(path: &Path, options: FileOptions, faults: file::Faults) -> Result<Self, RegistryError> {
        let path: PathBuf = path.to_owned();
        let lock = FileLock::acquire(&path)?;
        let mut storage = FileStorage::open(path, lock, options.max_file_bytes, faults)?;
        let mut kept = storage.load()?;
        raise_term(&mut storage, &mut kept)?;
        let machine = StoreMachine::restore(kept, options.history_bytes, options.clock.now());
        Self::start(Opening {
            target: storage.target(),
            clock: options.clock,
            machine,
            storage: Box::new(storage),
            call_timeout: options.call_timeout,
        })
    }
}

/// A start is a new leadership, whatever becomes of it: its term is durable before anybody can ask for it.
fn raise_term(storage: &mut FileStorage, kept: &mut Changes) -> Result<(), RegistryError> {
    use crate::store::{PersistFailure, Storage};
    kept.sequence += 1;
    kept.term += 1;
    let raise =
        Changes { entries: Default::default(), leases: Default::default(), batches: Vec::new(), ..*kept };
    storage.persist(&raise).map_err(|failure| match failure {
        PersistFailure::NotKept(error) | PersistFailure::Unresolved(error) => error,
    })
}

#[cfg(test)]
mod tests;
