//! Checking and unpacking.

use super::entry::{Entry, MAGIC, read_entry};
use super::{FilesError, MOST_BYTES, MOST_ENTRIES};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

const BUFFER: usize = 64 * 1024;

/// Whether the file begins like a packed folder.
pub fn is_packed(file: &File) -> bool {
    let mut head = [0; MAGIC.len()];
    file.read_exact_at(&mut head, 0).is_ok() && head == *MAGIC
}

/// Checks that a file is a packed folder that can be unpacked. Moves its cursor.
///
/// # Errors
/// [`FilesError::Malformed`], [`FilesError::TooLarge`], or the system's.
pub fn check(file: &File) -> Result<(), FilesError> {
    read(file, |_path, _entry, content| {
        let Some(content) = content else { return Ok(()) };
        let length = i64::try_from(content.limit()).map_err(|_| FilesError::TooLarge)?;
        // Beyond the end there is no end mark, which the next read misses.
        content.get_mut().seek_relative(length).map_err(FilesError::io("the packed folder"))
    })
}

/// Unpacks a packed folder into `folder`, which is made and must not be there before. Blocks on the disk. Where it fails,
/// what is there is left.
///
/// # Errors
/// As for [`check`].
pub fn unpack(file: &File, folder: &Path) -> Result<(), FilesError> {
    fs::create_dir(folder).map_err(FilesError::io(folder))?;
    read(file, |path, entry, content| {
        let full = folder.join(&path);
        let made = match entry {
            Entry::Folder => fs::create_dir(&full),
            Entry::Link { target } => symlink(target, &full),
            Entry::File { length, executable } => {
                let mode = if executable { 0o755 } else { 0o644 };
                let to = OpenOptions::new().write(true).create_new(true).mode(mode).open(&full);
                let content = content.ok_or(FilesError::Malformed("a file has no content"))?;
                match to.and_then(|mut to| io::copy(content, &mut to)) {
                    Ok(copied) if copied == length => Ok(()),
                    Ok(_) => return Err(FilesError::Malformed("it is cut off")),
                    Err(error) => Err(error),
                }
            }
        };
        made.map_err(FilesError::io(full))
    })
}

/// A file's content in the packed folder.
type Content<'a, 'file> = io::Take<&'a mut BufReader<&'file File>>;

/// Shows each entry, with a file's content, to `take`.
fn read(
    file: &File,
    mut take: impl FnMut(PathBuf, Entry, Option<&mut Content<'_, '_>>) -> Result<(), FilesError>,
) -> Result<(), FilesError> {
    let mut from = BufReader::with_capacity(BUFFER, file);
    from.seek(SeekFrom::Start(0)).map_err(FilesError::io("the packed folder"))?;
    if super::entry::read::<{ MAGIC.len() }>(&mut from)? != *MAGIC {
        return Err(FilesError::Malformed("it begins otherwise"));
    }
    let (mut entries, mut bytes, mut links) = (0, 0_u64, false);
    while let Some((path, entry)) = read_entry(&mut from)? {
        let is_link = matches!(entry, Entry::Link { .. });
        if links && !is_link {
            return Err(FilesError::Malformed("something follows its links"));
        }
        links = is_link;
        let length = if let Entry::File { length, .. } = entry { Some(length) } else { None };
        (entries, bytes) = (entries + 1, bytes.saturating_add(length.unwrap_or(0)));
        if entries > MOST_ENTRIES || bytes > MOST_BYTES {
            return Err(FilesError::TooLarge);
        }
        match length {
            Some(length) => take(path, entry, Some(&mut from.by_ref().take(length)))?,
            None => take(path, entry, None)?,
        }
    }
    Ok(())
}
