//! One entry of a packed folder.

use super::FilesError;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

pub(super) const MAGIC: &[u8; 15] = b"mobula-files-1\n";

/// An entry, without a file's content, which stands behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    Folder,
    File { length: u64, executable: bool },
    Link { target: PathBuf },
}

const END: u8 = 0;
const FOLDER: u8 = 1;
const FILE: u8 = 2;
const EXECUTABLE: u8 = 3;
const LINK: u8 = 4;

pub(super) fn write_entry(to: &mut impl Write, path: &Path, entry: &Entry) -> io::Result<()> {
    let kind = match entry {
        Entry::Folder => FOLDER,
        Entry::File { executable: false, .. } => FILE,
        Entry::File { executable: true, .. } => EXECUTABLE,
        Entry::Link { .. } => LINK,
    };
    to.write_all(&[kind])?;
    write_path(to, path)?;
    match entry {
        Entry::Folder => Ok(()),
        Entry::File { length, .. } => to.write_all(&length.to_le_bytes()),
        Entry::Link { target } => write_path(to, target),
    }
}

pub(super) fn write_end(to: &mut impl Write) -> io::Result<()> {
    to.write_all(&[END])
}

fn write_path(to: &mut impl Write, path: &Path) -> io::Result<()> {
    let bytes = path.as_os_str().as_bytes();
    let length = u16::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidFilename))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(bytes)
}

/// The next entry, checked; `None` at the end.
pub(super) fn read_entry(from: &mut impl Read) -> Result<Option<(PathBuf, Entry)>, FilesError> {
    let [kind] = read::<1>(from)?;
    if kind == END {
        return match from.read(&mut [0]) {
            Ok(0) => Ok(None),
            _ => Err(FilesError::Malformed("something follows its end")),
        };
    }
    let path = read_path(from)?;
    if !stays_inside(Path::new(""), &path)
        || !path.components().all(|part| matches!(part, Component::Normal(_)))
    {
        return Err(FilesError::Malformed("a path leads out of it"));
    }
    let entry = match kind {
        FOLDER => Entry::Folder,
        FILE | EXECUTABLE => {
            Entry::File { length: u64::from_le_bytes(read(from)?), executable: kind == EXECUTABLE }
        }
        LINK => {
            let target = read_path(from)?;
            if !stays_inside(path.parent().unwrap_or(Path::new("")), &target) {
                return Err(FilesError::Malformed("a link leads out of it"));
            }
            Entry::Link { target }
        }
        _ => return Err(FilesError::Malformed("it has an entry of an unknown kind")),
    };
    Ok(Some((path, entry)))
}

fn read_path(from: &mut impl Read) -> Result<PathBuf, FilesError> {
    let length = u16::from_le_bytes(read(from)?);
    let mut path = vec![0; usize::from(length)];
    from.read_exact(&mut path).map_err(|_| FilesError::Malformed("it is cut off"))?;
    if path.is_empty() || path.contains(&0) {
        return Err(FilesError::Malformed("a path is empty or has a zero byte"));
    }
    Ok(PathBuf::from(OsStr::from_bytes(&path)))
}

pub(super) fn read<const N: usize>(from: &mut impl Read) -> Result<[u8; N], FilesError> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(|_| FilesError::Malformed("it is cut off"))?;
    Ok(bytes)
}

/// Whether `path`, as seen from `folder` inside the packed folder, stays inside. Goes by the text alone.
pub(super) fn stays_inside(folder: &Path, path: &Path) -> bool {
    let mut depth = folder.components().count();
    path.components().all(|part| match part {
        Component::Normal(_) => {
            depth += 1;
            true
        }
        Component::CurDir => true,
        Component::ParentDir => {
            let goes_up = depth > 0;
            depth = depth.saturating_sub(1);
            goes_up
        }
        Component::RootDir | Component::Prefix(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_as_it_went() {
        let entries = [
            ("a", Entry::Folder),
            ("a/b", Entry::File { length: 7, executable: false }),
            ("a/c", Entry::File { length: 0, executable: true }),
            ("a/d", Entry::Link { target: "../a/b".into() }),
        ];
        for (path, entry) in entries {
            let mut bytes = Vec::new();
            write_entry(&mut bytes, Path::new(path), &entry).unwrap();
            assert_eq!(read_entry(&mut &bytes[..]).unwrap(), Some((path.into(), entry)));
            for length in 0..bytes.len() {
                assert!(read_entry(&mut &bytes[..length]).is_err());
            }
        }
        assert_eq!(read_entry(&mut &[END][..]).unwrap(), None);
        assert!(read_entry(&mut &[END, 1][..]).is_err());
        assert!(read_entry(&mut &[9, 1, 0, b'a'][..]).is_err());
    }

    #[test]
    fn no_path_leads_out() {
        let refused = |path: &str, entry: Entry| {
            let mut bytes = Vec::new();
            write_entry(&mut bytes, Path::new(path), &entry).unwrap();
            assert!(read_entry(&mut &bytes[..]).is_err(), "{path} {entry:?}");
        };
        for path in ["", "/etc/passwd", "..", "../a", "a/../../b", "a/..", "a\0b"] {
            refused(path, Entry::Folder);
        }
        for target in ["/etc", "../..", "../../a", "b/../../../c", ""] {
            refused("a/link", Entry::Link { target: target.into() });
        }
    }
}
