//! The cache of executables on disk.

use mobula_objects::executable;
use mobula_types::{ExecutableHash, Failure, FailureKind};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder with one file for each executable, named by its hash. A file appears there whole or not at all.
#[derive(Debug)]
pub(crate) struct ExecutableCache {
    folder: PathBuf,
    uploads: AtomicU64,
}

/// An executable on its way into the cache. Dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Upload {
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
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "partial") {
                fs::remove_file(path)?;
            }
        }
        Ok(ExecutableCache { folder, uploads: AtomicU64::new(0) })
    }

    /// Where the executable is, if it is here.
    pub(crate) fn path(&self, hash: ExecutableHash) -> Option<PathBuf> {
        let path = self.folder.join(hash.to_string());
        path.exists().then_some(path)
    }

    /// The executables that are here.
    pub(crate) fn list(&self) -> Vec<ExecutableHash> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.parse().ok()).collect()
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        let Ok(entries) = fs::read_dir(&self.folder) else { return 0 };
        entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    /// Starts an upload of `length` bytes.
    ///
    /// # Errors
    /// `TooLarge` over 4 GiB; `ExecutableRefused` with the system's reason where the file cannot be made.
    pub(crate) fn upload(&self, expected: ExecutableHash, length: u64) -> Result<Upload, Failure> {
        const LIMIT: u64 = 4 << 30;
        if length > LIMIT {
            let message = format!("the executable has {length} bytes, and the limit is {LIMIT}");
            return Err(Failure::new(FailureKind::TooLarge, message));
        }
        let number = self.uploads.fetch_add(1, Ordering::Relaxed);
        let partial = self.folder.join(format!("{expected}.{number}.partial"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(&partial);
        let file = file.map_err(|error| refused(&partial, &error))?;
        let destination = self.folder.join(expected.to_string());
        let hasher = Box::new(blake3::Hasher::new());
        Ok(Upload { expected, length, received: 0, hasher, file, partial, destination })
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
        let data = fs::read(&self.partial).map_err(|error| refused(&self.partial, &error))?;
        executable::requirements(&data).and_then(|requirements| executable::check(&requirements)).map_err(
            |refusal| Failure::new(FailureKind::ExecutableRefused, format!("executable {hash}: {refusal}")),
        )?;
        self.file.flush().map_err(|error| refused(&self.partial, &error))?;
        // The file must not be open for writing when it is run: the system answers that with "text file busy".
        let Upload { partial, destination, .. } = &self;
        fs::rename(partial, destination).map_err(|error| refused(destination, &error))?;
        Ok(self.destination.clone())
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

    fn cache() -> (tempfile::TempDir, ExecutableCache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = ExecutableCache::open(folder.path().join("executables")).unwrap();
        (folder, cache)
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
        let again = ExecutableCache::open(cache.folder.clone()).unwrap();
        assert!(!partial.exists());
        assert_eq!(again.path(hash_of(b"abc")), None);
    }
}
