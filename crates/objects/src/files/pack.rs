//! Packing a folder.

use super::entry::{Entry, MAGIC, stays_inside, write_end, write_entry};
use super::{FilesError, MOST_BYTES, MOST_ENTRIES};
use mobula_types::ExecutableHash;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder that was packed.
#[derive(Clone, Debug)]
pub struct PackedFiles {
    /// The packed folder. It has no name, and goes with the last clone.
    pub file: Arc<File>,
    /// Its hash.
    pub hash: ExecutableHash,
    /// Its length in bytes.
    pub length: u64,
}

/// Packs a folder with all that is in it. Blocks on the disk.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("settings.toml"), "depth = 3")?;
/// let packed = mobula_objects::files::pack(folder.path())?;
/// mobula_objects::files::check(&packed.file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`FilesError`]: what cannot be read, a link that leads out of the folder, too much of it.
pub fn pack(folder: &Path) -> Result<PackedFiles, FilesError> {
    let root = fs::canonicalize(folder).map_err(FilesError::io(folder))?;
    if !root.is_dir() {
        return Err(FilesError::NotAFolder(folder.to_owned()));
    }
    let temporary = std::env::temp_dir();
    let file = tempfile::tempfile().map_err(FilesError::io(&temporary))?;
    let mut packing = Packing {
        root,
        to: BufWriter::with_capacity(256 * 1024, Hashing { file, hasher: Box::default(), length: 0 }),
        entries: 0,
        bytes: 0,
        links: Vec::new(),
        temporary,
    };
    packing.write(|to| to.write_all(MAGIC))?;
    packing.folder(Path::new(""))?;
    for (path, target) in std::mem::take(&mut packing.links) {
        packing.entry(&path, &Entry::Link { target })?;
    }
    packing.write(write_end)?;
    packing.finish()
}

struct Packing {
    root: PathBuf,
    to: BufWriter<Hashing>,
    entries: usize,
    bytes: u64,
    /// They come last.
    links: Vec<(PathBuf, PathBuf)>,
    temporary: PathBuf,
}

impl Packing {
    fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<Hashing>) -> io::Result<()>,
    ) -> Result<(), FilesError> {
        write(&mut self.to).map_err(FilesError::io(&self.temporary))
    }

    fn entry(&mut self, path: &Path, entry: &Entry) -> Result<(), FilesError> {
        self.entries += 1;
        if let Entry::File { length, .. } = entry {
            self.bytes = self.bytes.saturating_add(*length);
        }
        if self.entries > MOST_ENTRIES || self.bytes > MOST_BYTES {
            return Err(FilesError::TooLarge);
        }
        self.write(|to| write_entry(to, path, entry))
    }

    fn folder(&mut self, path: &Path) -> Result<(), FilesError> {
        let full = self.root.join(path);
        let mut names = Vec::new();
        for entry in fs::read_dir(&full).map_err(FilesError::io(&full))? {
            names.push(entry.map_err(FilesError::io(&full))?.file_name());
            if names.len() > MOST_ENTRIES {
                return Err(FilesError::TooLarge);
            }
        }
        names.sort();
        names.into_iter().try_for_each(|name| self.member(&path.join(name)))
    }

    fn member(&mut self, path: &Path) -> Result<(), FilesError> {
        let full = self.root.join(path);
        let metadata = fs::symlink_metadata(&full).map_err(FilesError::io(&full))?;
        let kind = metadata.file_type();
        if kind.is_symlink() {
            let target = self.target(path, &full)?;
            self.links.push((path.to_owned(), target));
            Ok(())
        } else if kind.is_dir() {
            self.entry(path, &Entry::Folder)?;
            self.folder(path)
        } else if kind.is_file() {
            self.file(path, &full)
        } else {
            Err(FilesError::Special(full))
        }
    }

    /// Where a link leads. One that leads nowhere may, as long as that is inside.
    fn target(&self, path: &Path, full: &Path) -> Result<PathBuf, FilesError> {
        let target = fs::read_link(full).map_err(FilesError::io(full))?;
        let is_inside = stays_inside(path.parent().unwrap_or(Path::new("")), &target)
            && fs::canonicalize(full).map_or(true, |real| real.starts_with(&self.root));
        if is_inside { Ok(target) } else { Err(FilesError::LinkLeaves { link: full.to_owned(), target }) }
    }

    fn file(&mut self, path: &Path, full: &Path) -> Result<(), FilesError> {
        let file = File::open(full).map_err(FilesError::io(full))?;
        let metadata = file.metadata().map_err(FilesError::io(full))?;
        let (length, executable) = (metadata.len(), metadata.permissions().mode() & 0o111 != 0);
        self.entry(path, &Entry::File { length, executable })?;
        let copied = io::copy(&mut file.take(length.saturating_add(1)), &mut self.to);
        match copied {
            Ok(copied) if copied == length => Ok(()),
            Ok(_) => Err(FilesError::Changed(full.to_owned())),
            Err(source) => Err(FilesError::Io { path: full.to_owned(), source }),
        }
    }

    fn finish(self) -> Result<PackedFiles, FilesError> {
        let Packing { to, temporary, .. } = self;
        let failed = FilesError::io(&temporary);
        let mut written = match to.into_inner() {
            Ok(written) => written,
            Err(error) => return Err(failed(error.into_error())),
        };
        written.file.rewind().map_err(failed)?;
        let hash = ExecutableHash(*written.hasher.finalize().as_bytes());
        Ok(PackedFiles { file: Arc::new(written.file), hash, length: written.length })
    }
}

/// A file, and the hash of what was written to it.
struct Hashing {
    file: File,
    hasher: Box<blake3::Hasher>,
    length: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
