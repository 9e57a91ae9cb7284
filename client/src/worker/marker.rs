//! The crash page as the host's marker, and the sign by which a worker's program is known.

use mobula_host::CrashMarker;
use mobula_objects::CrashPageWriter;
use parking_lot::Mutex;
use std::hint::black_box;
use std::io;
use std::os::fd::OwnedFd;

/// Lies in the program if, and only if, [`worker_entry`](crate::worker_entry) is called in it: a program without it would
/// run its `main` again instead of working, and is refused when it is uploaded.
#[allow(unsafe_code)]
// A section of its own, so that it is found without running the program; plain bytes, read by nobody at run time.
#[unsafe(link_section = ".mobula.entry")]
static ENTRY: [u8; 21] = *b"mobula-worker-entry:1";

/// Refers to the sign, which is what keeps it in the program.
#[inline]
pub(crate) fn keep_entry() {
    black_box(&ENTRY);
}

/// Notes on the page that the node reads when the worker has died.
#[derive(Debug)]
pub(crate) struct PageMarker {
    /// For the slots, which never wait for each other.
    runs: CrashPageWriter,
    /// The same page once more, for panics, one at a time.
    panics: Mutex<CrashPageWriter>,
}

impl PageMarker {
    /// # Errors
    /// Where the descriptor is no page of this kind.
    pub(crate) fn new(page: OwnedFd) -> io::Result<Self> {
        let runs = CrashPageWriter::from_descriptor(page.try_clone()?)?;
        let panics = Mutex::new(CrashPageWriter::from_descriptor(page)?);
        Ok(PageMarker { runs, panics })
    }
}

impl CrashMarker for PageMarker {
    fn started(&self, slot: u32, handle: u64) {
        self.runs.started(slot, handle);
    }

    fn finished(&self, slot: u32, handle: u64) {
        self.runs.finished(slot, handle);
    }

    fn panicked(&self, message: &str, place: &str) {
        self.panics.lock().panicked(message, place);
    }
}
