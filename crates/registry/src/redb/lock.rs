//! Only one process opens the file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::RegistryError;

/// An exclusive lock beside the database. redb locks its own file too, but lets go of it whenever it is opened anew.
/// Released when dropped, and by the system when the process ends.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    pub(super) fn acquire(database: &Path) -> Result<Self, RegistryError> {
        let path = lock_path(database);
        let unavailable = |error: std::io::Error| RegistryError::Unavailable {
            action: "lock the registry file",
            target: path.display().to_string(),
            reason: error.to_string(),
        };
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = opened.map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RegistryError::InUse {
                    path: database.to_owned(),
                    holder: read_holder(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
        note_holder(&mut file);
        Ok(FileLock { _file: file })
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// For the error of the next opener only; on a full disk it stays out.
fn note_holder(file: &mut File) {
    let written = file.set_len(0).and_then(|()| file.rewind());
    if let Err(error) = written.and_then(|()| writeln!(file, "{}", std::process::id())) {
        tracing::debug!(%error, "the lock file does not name its holder");
    }
}

fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
    match read.ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(process) => format!("process {process}"),
        None => "another process".to_owned(),
    }
}
