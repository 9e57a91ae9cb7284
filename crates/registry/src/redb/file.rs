//! The file under the database: it finds out that the disk is full before the database depends on the space.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind};
use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// A file whose blocks are reserved when it grows, so that a write within it does not find the disk full (on file
/// systems that write in place), and that grows up to a quota.
#[derive(Debug)]
pub(super) struct ReservedFile {
    file: File,
    inner: FileBackend,
    max_bytes: u64,
    sync_failed: Arc<AtomicBool>,
    faults: Faults,
}

impl ReservedFile {
    /// Opens the file, or makes it. `sync_failed` is set when the disk fails to synchronise.
    pub(super) fn open(
        path: &Path,
        max_bytes: u64,
        sync_failed: Arc<AtomicBool>,
        faults: Faults,
    ) -> Result<Self, Error> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let inner = FileBackend::new(file.try_clone()?).map_err(|error| Error::other(error.to_string()))?;
        Ok(ReservedFile { file, inner, max_bytes, sync_failed, faults })
    }

    fn reserve(&self, from: u64, to: u64) -> Result<(), Error> {
        if to > self.max_bytes {
            let reason = format!("the file would grow to {to} bytes, its quota is {}", self.max_bytes);
            return Err(Error::new(ErrorKind::QuotaExceeded, reason));
        }
        match fallocate(&self.file, FallocateFlags::empty(), from, to - from) {
            Ok(()) => Ok(()),
            // A file system that cannot reserve: the full disk shows in a write.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.inner.set_len(to),
            Err(errno) => {
                // What was reserved in part is given back; the file's old end is what counts.
                self.inner.set_len(from)?;
                Err(errno.into())
            }
        }
    }
}

impl StorageBackend for ReservedFile {
    fn len(&self) -> Result<u64, Error> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        let current = self.inner.len()?;
        if len <= current {
            return self.inner.set_len(len);
        }
        self.faults.check_growth()?;
        self.reserve(current, len)
    }

    fn sync_data(&self) -> Result<(), Error> {
        let synced = self.faults.check_sync().and_then(|()| self.inner.sync_data());
        if synced.is_err() {
            self.sync_failed.store(true, Ordering::Release);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.faults.check_write()?;
        self.inner.write(offset, data)
    }

    fn close(&self) -> Result<(), Error> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}

/// A disk that fails on demand, for this crate's tests; outside of them there is nothing to it.
#[derive(Clone, Default, Debug)]
pub(super) struct Faults {
    #[cfg(test)]
    pub(super) plan: Arc<FaultPlan>,
}

/// What fails.
#[cfg(test)]
#[derive(Default, Debug)]
pub(super) struct FaultPlan {
    /// The disk is full: no write is taken, no growth granted.
    pub(super) full: AtomicBool,
    /// How many further writes are taken before the disk is full.
    pub(super) writes_left: std::sync::atomic::AtomicI64,
    /// Whether `writes_left` counts.
    pub(super) counted: AtomicBool,
    /// Whether only one write fails when `writes_left` is used up.
    pub(super) once: AtomicBool,
    /// The next synchronisation fails.
    pub(super) fail_sync: AtomicBool,
}

#[cfg(not(test))]
impl Faults {
    fn check_growth(&self) -> Result<(), Error> {
        Ok(())
    }

    fn check_sync(&self) -> Result<(), Error> {
        Ok(())
    }

    fn check_write(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
impl Faults {
    fn check_growth(&self) -> Result<(), Error> {
        self.check_write()
    }

    fn check_sync(&self) -> Result<(), Error> {
        if self.plan.fail_sync.swap(false, Ordering::SeqCst) {
            return Err(Error::from(ErrorKind::Other));
        }
        Ok(())
    }

    fn check_write(&self) -> Result<(), Error> {
        let exhausted = self.plan.counted.load(Ordering::SeqCst)
            && self.plan.writes_left.fetch_sub(1, Ordering::SeqCst) <= 0;
        if exhausted && self.plan.once.load(Ordering::SeqCst) {
            self.plan.counted.store(false, Ordering::SeqCst);
        }
        if exhausted || self.plan.full.load(Ordering::SeqCst) {
            return Err(Errno::NOSPC.into());
        }
        Ok(())
    }
}
