//! Hashes of executables that were looked at before, by inode, size and time.
//!
//! One small file for each inode in the user's state folder. It holds nothing that cannot be found out again: whatever is
//! wrong with it counts as absent.

use mobula_rpc::token_store;
use mobula_types::ExecutableHash;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The hash and length of the file, if it has not changed since it was looked at.
pub(super) fn find(path: &Path) -> Option<(ExecutableHash, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    let line = std::fs::read_to_string(entry(&metadata)?).ok()?;
    let (stamp, hash) = line.trim().rsplit_once(' ')?;
    (stamp == self::stamp(&metadata)).then_some((hash.parse().ok()?, metadata.len()))
}

/// Notes the hash. A failure to do so costs the next start some time, and nothing else.
pub(super) fn store(path: &Path, hash: ExecutableHash, length: u64) {
    let write = || -> Option<()> {
        let metadata = std::fs::metadata(path).ok().filter(|metadata| metadata.len() == length)?;
        let entry = entry(&metadata)?;
        std::fs::create_dir_all(entry.parent()?).ok()?;
        let temporary = entry.with_extension(format!("{}", std::process::id()));
        std::fs::write(&temporary, format!("{} {hash}\n", stamp(&metadata))).ok()?;
        std::fs::rename(&temporary, &entry).ok()
    };
    if write().is_none() {
        tracing::debug!(path = %path.display(), "the executable's hash was not kept");
    }
}

fn entry(metadata: &Metadata) -> Option<PathBuf> {
    let name = format!("{:x}-{:x}", metadata.dev(), metadata.ino());
    Some(token_store::state_folder()?.join("executables").join(name))
}

fn stamp(metadata: &Metadata) -> String {
    format!(
        "1 {} {}.{:09} {}.{:09}",
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec()
    )
}
