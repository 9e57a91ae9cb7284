//! An executable that workers are to run.

use super::hash_cache;
use mobula_objects::executable::{Refusal, hash_file, requirements_of};
use mobula_types::{ExecutableHash, Failure, FailureKind};
use std::fs::File;
use std::path::{Path, PathBuf};

/// An executable that was looked at: it has a worker's entry.
#[derive(Clone, Debug)]
pub(crate) struct WorkerBinary {
    pub(super) path: PathBuf,
    pub(super) hash: ExecutableHash,
    pub(super) length: u64,
}

impl WorkerBinary {
    /// The hash of its content.
    pub(crate) fn hash(&self) -> ExecutableHash {
        self.hash
    }

    /// Looks at a file. What was found out is kept by inode and time, so that a large one is read once.
    ///
    /// # Errors
    /// `ExecutableRefused` where it cannot be read, is no executable, or has no worker's entry.
    pub(crate) async fn read(path: PathBuf) -> Result<Self, Failure> {
        let read = mobula_runtime::spawn_blocking("read the executable", move || read(path));
        read.await
            .unwrap_or_else(|| Err(Failure::new(FailureKind::Internal, "looking at the executable failed")))
    }
}

fn read(path: PathBuf) -> Result<WorkerBinary, Failure> {
    if let Some((hash, length)) = hash_cache::find(&path) {
        return Ok(WorkerBinary { path, hash, length });
    }
    let unreadable = |error: std::io::Error| refused(&path, &error.to_string());
    let file = File::open(&path).map_err(unreadable)?;
    let needs = requirements_of(&file).map_err(|refusal| refused(&path, &refusal.to_string()))?;
    if !needs.has_entry {
        return Err(refused(&path, &Refusal::NoEntry.to_string()));
    }
    let (hash, length) = hash_file(&path).map_err(unreadable)?;
    hash_cache::store(&path, hash, length);
    Ok(WorkerBinary { path, hash, length })
}

fn refused(path: &Path, why: &str) -> Failure {
    let message =
        format!("{} cannot be brought to the cluster as its workers' executable: {why}", path.display());
    Failure::new(FailureKind::ExecutableRefused, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_worker_is_refused_before_it_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        let failure = WorkerBinary::read(path).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::ExecutableRefused);
        assert!(failure.message().contains("ELF"), "{failure}");
        let failure = WorkerBinary::read(folder.path().join("absent")).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::ExecutableRefused);
    }

    #[tokio::test]
    async fn a_program_without_a_workers_entry_is_refused_before_it_is_sent() {
        let failure = WorkerBinary::read("/bin/sh".into()).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::ExecutableRefused);
        for part in ["/bin/sh", "no worker entry", "#[mobula::main]"] {
            assert!(failure.message().contains(part), "{failure}");
        }
    }
}
