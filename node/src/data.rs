//! The node's folder.

use crate::NodeError;
use rustix::fs::FlockOperation;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The folder of a node's executables and scratch, locked as long as this lives.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Random, made with the folder: two processes that hold the same one cannot both live.
    pub(crate) id: u128,
    temporary: bool,
    _lock: File,
}

impl DataFolder {
    /// Opens and locks the folder; a temporary one where none is given.
    ///
    /// # Errors
    /// [`NodeError::Data`], where it cannot be made or another node uses it.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, NodeError> {
        let temporary = path.is_none();
        let name = format!("mobula-node-{}-{:08x}", std::process::id(), rand::random::<u32>());
        let path = path.map_or_else(|| std::env::temp_dir().join(name), Path::to_owned);
        lock(&path, temporary).map_err(|source| NodeError::Data { path, source })
    }

    /// Whether the folder goes with the node.
    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// The folder of executables.
    pub(crate) fn executables(&self) -> PathBuf {
        self.path.join("executables")
    }

    /// The folder of jobs' scratch.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.path.join("jobs")
    }
}

fn lock(path: &Path, temporary: bool) -> io::Result<DataFolder> {
    fs::create_dir_all(path)?;
    let mut lock =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join("lock"))?;
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        io::Error::new(io::Error::from(error).kind(), format!("another node uses it ({error})"))
    })?;
    let mut text = String::new();
    lock.read_to_string(&mut text)?;
    let id = match u128::from_str_radix(text.trim(), 16) {
        Ok(id) => id,
        Err(_new_or_damaged) => {
            let id: u128 = rand::random();
            lock.set_len(0)?;
            lock.write_all(format!("{id:032x}\n").as_bytes())?;
            id
        }
    };
    Ok(DataFolder { path: path.to_owned(), id, temporary, _lock: lock })
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        if self.temporary {
            let _gone_already = fs::remove_dir_all(&self.path);
        } else {
            let _none = fs::remove_dir_all(self.scratch());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_id_and_has_one_user() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::open(Some(folder.path())).unwrap();
        assert!(DataFolder::open(Some(folder.path())).is_err());
        let id = first.id;
        drop(first);
        assert_eq!(DataFolder::open(Some(folder.path())).unwrap().id, id);
    }

    #[test]
    fn a_temporary_folder_goes_with_its_node() {
        let folder = DataFolder::open(None).unwrap();
        let path = folder.path.clone();
        assert!(path.exists());
        drop(folder);
        assert!(!path.exists());
    }
}
