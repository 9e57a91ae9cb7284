//! An executable that a client of this host hands over as an open file.

use super::ExecutableCache;
use mobula_runtime::spawn_blocking;
use mobula_types::{ExecutableHash, Failure, FailureKind};
use std::fs::File;
use std::sync::Arc;

/// Copies the file into the cache, and checks the copy: the client's file may be built anew at any time. `held` is called
/// once it is here, also where the client does not wait for the answer any more.
pub(crate) async fn take(
    cache: &Arc<ExecutableCache>,
    hash: ExecutableHash,
    length: u64,
    file: File,
    held: impl FnOnce() + Send + 'static,
) -> Result<(), Failure> {
    let cache = cache.clone();
    let taking = spawn_blocking("copy an executable", move || {
        if cache.path(hash).is_none() {
            let mut upload = cache.upload(hash, length)?;
            upload.copy(file)?;
            upload.finish()?;
        }
        held();
        Ok(())
    });
    taking
        .await
        .unwrap_or_else(|| Err(Failure::new(FailureKind::Internal, "copying an executable was cut short")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executables::CacheOptions;
    use std::io::{Seek, SeekFrom, Write};
    use std::sync::atomic::{AtomicBool, Ordering};

    const OPTIONS: CacheOptions = CacheOptions { limit: 1 << 20, durable: false };

    struct Taken {
        _folder: tempfile::TempDir,
        cache: Arc<ExecutableCache>,
        held: Arc<AtomicBool>,
    }

    impl Taken {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let cache = Arc::new(ExecutableCache::open(folder.path().to_owned(), OPTIONS).unwrap());
            Taken { _folder: folder, cache, held: Arc::default() }
        }

        async fn take(&self, announced: &[u8], length: u64, file: File) -> Result<(), Failure> {
            let hash = ExecutableHash(*blake3::hash(announced).as_bytes());
            let held = self.held.clone();
            take(&self.cache, hash, length, file, move || held.store(true, Ordering::Relaxed)).await
        }

        fn has_nothing(&self) -> bool {
            self.cache.list().is_empty() && self.cache.bytes() == 0 && !self.held.load(Ordering::Relaxed)
        }
    }

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[tokio::test]
    async fn the_content_is_hashed_from_the_descriptor() {
        let taken = Taken::new();
        let failure = taken.take(b"announced", 9, file(b"something")).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::InvalidArgument);
        let failure = taken.take(b"short", 5, file(b"short and more")).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::InvalidArgument);
        let failure = taken.take(b"long", 400, file(b"long")).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::InvalidArgument);
        assert!(taken.has_nothing());
    }

    #[tokio::test]
    async fn it_is_read_from_its_beginning_and_checked() {
        let taken = Taken::new();
        let script = b"#!/bin/sh\n";
        let mut file = file(script);
        file.seek(SeekFrom::End(0)).unwrap();
        // The hash is right, so what is refused is the content.
        let failure = taken.take(script, script.len() as u64, file).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::ExecutableRefused);
        assert!(failure.message().contains("ELF"), "{failure}");
        assert!(taken.has_nothing());
    }

    #[tokio::test]
    async fn what_is_no_file_is_not_read() {
        let taken = Taken::new();
        let (read, _write) = rustix::pipe::pipe().unwrap();
        let failure = taken.take(b"", 0, read.into()).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::InvalidArgument);
        assert!(taken.has_nothing());
    }
}
