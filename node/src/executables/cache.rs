//! The cache of executables, and of jobs' packed files, on disk.

use super::index::Index;
use mobula_objects::{executable, files};
use mobula_runtime::spawn_blocking;
use mobula_types::{ExecutableHash, Failure, FailureKind};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// How a cache is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheOptions {
    /// Bytes that it may hold.
    pub(crate) limit: u64,
    /// Whether the folder outlives the process, so that what is written has to outlive the machine's end.
    pub(crate) durable: bool,
}

/// A folder with one file for each executable, named by its hash. A file appears there whole or not at all; what an
/// earlier life left is checked before its first use. The folder never holds more than its limit.
#[derive(Debug)]
pub(crate) struct ExecutableCache {
    folder: PathBuf,
    durable: bool,
    uploads: AtomicU64,
    index: Mutex<Index>,
    /// Held while a file of an earlier life is checked.
    checking: Mutex<()>,
    told: OnceLock<Dropped>,
}

/// Is told of executables that are here no more.
struct Dropped(Box<dyn Fn(ExecutableHash) + Send + Sync>);

impl std::fmt::Debug for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dropped")
    }
}

/// An executable that must stay where it is here: that of an open job.
#[derive(Debug)]
pub(crate) struct ExecutableUse {
    cache: Arc<ExecutableCache>,
    hash: ExecutableHash,
}

impl Drop for ExecutableUse {
    fn drop(&mut self) {
        self.cache.index().release(self.hash);
    }
}

/// An executable on its way into the cache. Dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Upload {
    room: Room,
    expected: ExecutableHash,
    length: u64,
    received: u64,
    hasher: Box<blake3::Hasher>,
    file: File,
    partial: PathBuf,
    destination: PathBuf,
}

impl ExecutableCache {
    /// The cache in `folder`, which is made if it is missing; half-finished uploads of an earlier life are removed.
    pub(crate) fn open(folder: PathBuf, options: CacheOptions) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "partial") {
                fs::remove_file(path)?;
            } else if let Some(hash) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                let metadata = entry.metadata()?;
                found.push((metadata.modified()?, hash, metadata.len()));
            }
        }
        found.sort_unstable();
        let mut index = Index::new(options.limit);
        found.into_iter().for_each(|(_, hash, length)| index.insert(hash, length, false));
        Ok(ExecutableCache {
            folder,
            durable: options.durable,
            uploads: AtomicU64::new(0),
            index: Mutex::new(index),
            checking: Mutex::default(),
            told: OnceLock::new(),
        })
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `told` hears of each executable that is here no more.
    pub(crate) fn tell_of_dropped(&self, told: impl Fn(ExecutableHash) + Send + Sync + 'static) {
        let _set_before = self.told.set(Dropped(Box::new(told)));
    }

    fn dropped(&self, hash: ExecutableHash) {
        if let Some(Dropped(told)) = self.told.get() {
            told(hash);
        }
    }

    fn path_of(&self, hash: ExecutableHash) -> PathBuf {
        self.folder.join(hash.to_string())
    }

    /// Where the executable is, if it is here. One of an earlier life is read whole the first time; if its content is not
    /// that of its hash, it is here no more. Blocks on the disk.
    pub(crate) fn path(&self, hash: ExecutableHash) -> Option<PathBuf> {
        let path = self.path_of(hash);
        if self.index().touch(hash)? {
            return Some(path);
        }
        let _one_at_a_time = self.checking.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever held the lock may have checked it.
        if self.index().touch(hash)? {
            return Some(path);
        }
        match executable::hash_file(&path) {
            Ok((found, _)) if found == hash => self.index().set_checked(hash).then_some(path),
            damaged => {
                tracing::warn!(%hash, ?damaged, "a damaged executable of an earlier life is removed");
                self.index().remove(hash);
                let _gone_already = fs::remove_file(path);
                self.dropped(hash);
                None
            }
        }
    }

    /// As [`path`](Self::path), for those who must not block.
    pub(crate) async fn find(self: &Arc<Self>, hash: ExecutableHash) -> Option<PathBuf> {
        if self.index().touch(hash)? {
            return Some(self.path_of(hash));
        }
        let cache = self.clone();
        spawn_blocking("check an executable", move || cache.path(hash)).await.flatten()
    }

    /// Keeps an executable from being dropped while it is here, as long as the answer lives.
    pub(crate) fn hold(self: &Arc<Self>, hash: ExecutableHash) -> ExecutableUse {
        self.index().hold(hash);
        ExecutableUse { cache: self.clone(), hash }
    }

    /// The executables that are here and held.
    pub(crate) fn in_use(&self) -> Vec<ExecutableHash> {
        self.index().in_use()
    }

    /// The executables that are here.
    pub(crate) fn list(&self) -> Vec<ExecutableHash> {
        self.index().list()
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.index().bytes()
    }

    /// Starts an upload of `length` bytes; what was not used for longest makes room for it. Blocks on the disk.
    ///
    /// # Errors
    /// `TooLarge` over 4 GiB; `ResourceExhausted` where executables of open jobs leave no room; `ExecutableRefused` with
    /// the system's reason where the file cannot be made.
    pub(crate) fn upload(self: &Arc<Self>, expected: ExecutableHash, length: u64) -> Result<Upload, Failure> {
        const LIMIT: u64 = 4 << 30;
        if length > LIMIT {
            let message = format!("the executable has {length} bytes, and the limit is {LIMIT}");
            return Err(Failure::new(FailureKind::TooLarge, message));
        }
        let room = Room::take(self, length)?;
        let number = self.uploads.fetch_add(1, Ordering::Relaxed);
        let partial = self.folder.join(format!("{expected}.{number}.partial"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o700).open(&partial);
        let file = file.map_err(|error| refused(&partial, &error))?;
        let destination = self.path_of(expected);
        let hasher = Box::new(blake3::Hasher::new());
        Ok(Upload { room, expected, length, received: 0, hasher, file, partial, destination })
    }
}

/// Room in a cache for an executable on its way.
#[derive(Debug)]
struct Room {
    cache: Arc<ExecutableCache>,
    length: u64,
}

impl Room {
    fn take(cache: &Arc<ExecutableCache>, length: u64) -> Result<Self, Failure> {
        let going = cache.index().reserve(length)?;
        let room = Room { cache: cache.clone(), length };
        for hash in going {
            tracing::info!(%hash, "an executable that no open job uses makes room for another");
            let path = cache.path_of(hash);
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "could not remove an executable");
            }
            cache.dropped(hash);
        }
        Ok(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.cache.index().give_back(self.length);
    }
}

impl Upload {
    /// Adds bytes. Blocks on the disk.
    ///
    /// # Errors
    /// `InvalidArgument` beyond the announced length; `ExecutableRefused` with the system's reason (a full disk).
    pub(crate) fn write(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        self.received += chunk.len() as u64;
        if self.received > self.length {
            let message = format!("more than the announced {} bytes of the executable arrived", self.length);
            return Err(Failure::new(FailureKind::InvalidArgument, message));
        }
        self.hasher.update(chunk);
        self.file.write_all(chunk).map_err(|error| refused(&self.partial, &error))
    }

    /// Copies `source` from its beginning, and hashes the copy: the source may change meanwhile. Where the file system
    /// can, the copy shares its blocks with the source. Blocks on the disk.
    ///
    /// # Errors
    /// `InvalidArgument` where it is no file, or a longer one than was announced; `ExecutableRefused` with the system's
    /// reason.
    pub(crate) fn copy(&mut self, source: File) -> Result<(), Failure> {
        let failed = |error: io::Error| refused(&self.partial, &error);
        if !source.metadata().map_err(failed)?.is_file() {
            let message = "the descriptor of an executable is not a file's";
            return Err(Failure::new(FailureKind::InvalidArgument, message));
        }
        self.received = self.copy_from(&source).map_err(failed)?;
        self.file.rewind().map_err(failed)?;
        self.hasher.update_reader(&self.file).map_err(failed)?;
        Ok(())
    }

    /// Reads at positions of its own: the client's descriptor has the same cursor.
    fn copy_from(&self, source: &File) -> io::Result<u64> {
        let limit = self.length.saturating_add(1);
        let mut copied = 0;
        while copied < limit {
            let rest = usize::try_from(limit - copied).unwrap_or(usize::MAX);
            // It fails where the file systems differ, and the bytes are read and written then.
            match rustix::fs::copy_file_range(source, Some(&mut copied), &self.file, None, rest) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let mut buffer = vec![0; 256 * 1024];
        while copied < limit {
            match source.read_at(&mut buffer, copied)? {
                0 => break,
                read => {
                    (&self.file).write_all(&buffer[..read])?;
                    copied += read as u64;
                }
            }
        }
        Ok(copied)
    }

    /// An executable can run here, or packed files can be unpacked.
    fn check(&self, hash: ExecutableHash) -> Result<(), Failure> {
        if files::is_packed(&self.file) {
            return files::check(&self.file).map_err(|error| {
                Failure::new(FailureKind::InvalidArgument, format!("files {hash}: {error}"))
            });
        }
        let folder = self.destination.parent().unwrap_or(Path::new("/"));
        let requirements = executable::requirements_of(&self.file);
        requirements.and_then(|requirements| executable::check(&requirements, folder)).map_err(|refusal| {
            Failure::new(FailureKind::ExecutableRefused, format!("executable {hash}: {refusal}"))
        })
    }

    /// Checks hash and requirements, and puts the executable into the cache. Blocks on the disk.
    ///
    /// # Errors
    /// `InvalidArgument` where length or hash differ; `ExecutableRefused` where it cannot be a worker on this machine.
    pub(crate) fn finish(mut self) -> Result<PathBuf, Failure> {
        let hash = ExecutableHash(*self.hasher.finalize().as_bytes());
        if self.received != self.length || hash != self.expected {
            let (expected, length, received) = (self.expected, self.length, self.received);
            let message = format!(
                "the executable arrived as {hash} with {received} bytes, announced was {expected} with {length}"
            );
            return Err(Failure::new(FailureKind::InvalidArgument, message));
        }
        self.check(hash)?;
        self.file.flush().map_err(|error| refused(&self.partial, &error))?;
        let Upload { room: Room { cache, .. }, file, partial, destination, .. } = &self;
        // A file that the machine's end could tear must not get its name.
        let written = if cache.durable { file.sync_all() } else { Ok(()) };
        // It must not be open for writing when it is run: the system answers that with "text file busy".
        let named = written.and_then(|()| fs::rename(partial, destination));
        let named =
            named.and_then(|()| if cache.durable { File::open(&cache.folder)?.sync_all() } else { Ok(()) });
        named.map_err(|error| refused(destination, &error))?;
        cache.index().insert(hash, self.length, true);
        Ok(destination.clone())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let _moved_already = fs::remove_file(&self.partial);
    }
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    let message = format!("could not write the executable to {}: {error}", path.display());
    Failure::new(FailureKind::ExecutableRefused, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: CacheOptions = CacheOptions { limit: 1 << 30, durable: true };

    fn cache() -> (tempfile::TempDir, Arc<ExecutableCache>) {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(&folder, OPTIONS);
        (folder, cache)
    }

    fn open(folder: &tempfile::TempDir, options: CacheOptions) -> Arc<ExecutableCache> {
        Arc::new(ExecutableCache::open(folder.path().join("executables"), options).unwrap())
    }

    /// What an earlier life left.
    fn left(folder: &tempfile::TempDir, hash: ExecutableHash, data: &[u8]) {
        fs::create_dir_all(folder.path().join("executables")).unwrap();
        fs::write(folder.path().join("executables").join(hash.to_string()), data).unwrap();
    }

    fn hash_of(data: &[u8]) -> ExecutableHash {
        ExecutableHash(*blake3::hash(data).as_bytes())
    }

    #[test]
    fn what_is_no_program_is_refused_and_leaves_nothing() {
        let (_folder, cache) = cache();
        let data = b"#!/bin/sh\n";
        let mut upload = cache.upload(hash_of(data), data.len() as u64).unwrap();
        upload.write(data).unwrap();
        let failure = upload.finish().unwrap_err();
        assert_eq!(failure.kind(), FailureKind::ExecutableRefused);
        assert_eq!(cache.list(), []);
        assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 0);
    }

    #[test]
    fn another_content_than_announced_is_refused() {
        let (_folder, cache) = cache();
        let mut upload = cache.upload(hash_of(b"abc"), 3).unwrap();
        upload.write(b"abd").unwrap();
        assert_eq!(upload.finish().unwrap_err().kind(), FailureKind::InvalidArgument);
        let mut upload = cache.upload(hash_of(b"abc"), 3).unwrap();
        assert_eq!(upload.write(b"abcd").unwrap_err().kind(), FailureKind::InvalidArgument);
    }

    #[test]
    fn half_an_upload_of_an_earlier_life_is_removed() {
        let (_folder, cache) = cache();
        let partial = cache.folder.join("x.0.partial");
        fs::write(&partial, b"half").unwrap();
        let again = ExecutableCache::open(cache.folder.clone(), OPTIONS).unwrap();
        assert!(!partial.exists());
        assert_eq!(again.path(hash_of(b"abc")), None);
    }

    #[tokio::test]
    async fn a_torn_file_of_an_earlier_life_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, torn) = (hash_of(b"whole"), hash_of(b"torn in two"));
        left(&folder, whole, b"whole");
        left(&folder, torn, b"torn in");
        let cache = open(&folder, OPTIONS);
        let dropped = Arc::new(Mutex::new(Vec::new()));
        let heard = dropped.clone();
        cache.tell_of_dropped(move |hash| heard.lock().unwrap().push(hash));
        assert_eq!(cache.list().len(), 2);
        assert_eq!(cache.find(torn).await, None);
        assert_eq!(cache.find(whole).await, Some(cache.path_of(whole)));
        assert_eq!((cache.list(), cache.bytes()), (vec![whole], 5));
        assert!(!cache.path_of(torn).exists());
        assert_eq!(*dropped.lock().unwrap(), [torn]);
    }

    #[test]
    fn a_file_is_checked_once() {
        let folder = tempfile::tempdir().unwrap();
        let whole = hash_of(b"whole");
        left(&folder, whole, b"whole");
        let cache = open(&folder, OPTIONS);
        assert!(cache.path(whole).is_some());
        fs::write(cache.path_of(whole), b"changed by somebody").unwrap();
        assert!(cache.path(whole).is_some(), "it was not read again");
    }

    #[test]
    fn what_no_open_job_uses_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let (used, idle) = (hash_of(b"used"), hash_of(b"idle"));
        left(&folder, idle, b"idle");
        left(&folder, used, b"used");
        let cache = open(&folder, CacheOptions { limit: 10, durable: false });
        let dropped = Arc::new(Mutex::new(Vec::new()));
        let heard = dropped.clone();
        cache.tell_of_dropped(move |hash| heard.lock().unwrap().push(hash));
        let job = cache.hold(used);
        assert_eq!(cache.in_use(), [used]);
        let other = hash_of(b"other");
        assert_eq!(cache.upload(other, 7).unwrap_err().kind(), FailureKind::ResourceExhausted);
        assert_eq!(cache.list().len(), 2);
        let upload = cache.upload(other, 6).unwrap();
        assert_eq!((cache.list(), cache.bytes()), (vec![used], 4));
        assert!(!cache.path_of(idle).exists());
        assert_eq!(*dropped.lock().unwrap(), [idle]);
        assert!(cache.upload(other, 1).is_err(), "one that is on its way takes room");
        drop(upload);
        drop(job);
        assert!(cache.upload(other, 10).is_ok());
        assert_eq!(cache.list(), []);
    }
}
