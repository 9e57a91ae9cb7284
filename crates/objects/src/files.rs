//! A job's folder of files, packed into one piece that is named by its hash.
//!
//! The same content gives the same bytes: entries are sorted, and hold nothing of owners, times or modes but whether a file
//! may be executed. A packed folder is moved and kept like an executable; [`is_packed`] tells the two apart.
//!
//! | part | bytes |
//! |---|---|
//! | head | `mobula-files-1\n` |
//! | entry | its kind (1 folder, 2 file, 3 executable file, 4 link), its path's length (2, little endian), its path |
//! | … of a file | its length (8), its content |
//! | … of a link | its target's length (2), its target |
//! | end | 0, and nothing behind it |
//!
//! Folders come before what is in them, links after everything else, so that nothing is ever written through a link. No
//! path and no link leads out of the folder.

mod entry;
mod pack;
mod unpack;

pub use pack::{PackedFiles, pack};
pub use unpack::{check, is_packed, unpack};

use std::io;
use std::path::PathBuf;

/// The most bytes of a packed folder (512 MiB): what is larger belongs into objects, or on a file system that nodes share.
pub const MOST_BYTES: u64 = 512 << 20;
/// The most files, folders and links in it.
pub const MOST_ENTRIES: usize = 100_000;

/// Why a folder cannot be packed or unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The system's reason.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// There is no folder of that name.
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// A link leads out of the folder.
    #[error("the link {} leads out of the folder, to {}; copy what it leads to into the folder", link.display(), target.display())]
    LinkLeaves {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Neither file, folder nor link.
    #[error("{} is neither a file, a folder nor a link", .0.display())]
    Special(PathBuf),
    /// A file has changed while it was packed.
    #[error("{} has changed while it was packed", .0.display())]
    Changed(PathBuf),
    /// Too many bytes or entries.
    #[error(
        "the folder has more than {} MiB or {MOST_ENTRIES} entries; put large data as objects, or on a file system that nodes share",
        MOST_BYTES >> 20
    )]
    TooLarge,
    /// These bytes are no packed folder.
    #[error("this is no packed folder: {0}")]
    Malformed(&'static str),
}

impl FilesError {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| FilesError::Io { path, source }
    }
}
