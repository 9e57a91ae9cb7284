//! The shared page that says what a worker was running when it died.
//!
//! The node makes it as a memory file and hands its descriptor to the worker. Before each run, the worker's slot
//! writes the run's handle there; when the run is over, it says so beside it. Nothing is ever cleared: until the next
//! run of the slot starts, the end of the last one may not have reached the node, and must not be taken for a run that
//! has not started. A panic that ends the process writes message and place. When the worker is dead, the node reads the
//! page. The page is written by untrusted code: its content is a hint about that job's own runs, and is checked before
//! it is believed.

use memmap2::{MmapMut, MmapOptions};
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots that a page has room for.
const SLOTS: usize = 2048;
/// Says of a slot's handle that its run is over.
const OVER: u64 = 1 << 63;
/// Bytes of the panic note: a length of the message, a length of the place, both texts.
const NOTE: usize = 8 * 1024;
const NOTE_HEAD: usize = 16;
const SLOT_BYTES: usize = SLOTS * 8;
const LENGTH: usize = SLOT_BYTES + NOTE;

/// The node's side.
#[derive(Debug)]
pub struct CrashPage {
    file: File,
    map: MmapMut,
}

/// The worker's side.
#[derive(Debug)]
pub struct CrashPageWriter {
    map: MmapMut,
}

/// The last run that a slot started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedRun {
    /// Its handle, below 2^63 - 1.
    pub handle: u64,
    /// Whether it was over: its end may still not have reached the node.
    pub over: bool,
}

/// What a panic hook wrote before the worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanicNote {
    /// The panic's message.
    pub message: String,
    /// `file:line:column`.
    pub place: String,
}

impl CrashPage {
    /// A new, empty page.
    ///
    /// # Errors
    /// The system's, where a memory file cannot be made.
    pub fn new() -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(rustix::fs::memfd_create("mobula-crash-page", flags)?);
        file.set_len(LENGTH as u64)?;
        // Sealed, so that no side can shrink the file under the other's mapping.
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let map = map(&file)?;
        Ok(CrashPage { file, map })
    }

    /// The descriptor to hand to the worker.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// How many slots it has room for: what those beyond have started is not known.
    pub const SLOTS: u32 = SLOTS as u32;

    /// The last run that each of the worker's slots started.
    pub fn last_runs(&self) -> Vec<NotedRun> {
        let noted = (0..SLOTS).map(|slot| slot_cell(&self.map, slot).load(Ordering::Acquire));
        let noted = noted.map(|stored| ((stored & !OVER).checked_sub(1), stored & OVER != 0));
        noted.filter_map(|(handle, over)| Some(NotedRun { handle: handle?, over })).collect()
    }

    /// The panic that ended the worker, if its hook could say so.
    pub fn panic_note(&self) -> Option<PanicNote> {
        let length = |at: usize| slot_cell(&self.map, SLOTS + at).load(Ordering::Acquire);
        let message = usize::try_from(length(0)).ok()?;
        let place = usize::try_from(length(1)).ok()?;
        if message == 0 && place == 0 {
            return None;
        }
        let text = self.map.get(SLOT_BYTES + NOTE_HEAD..)?;
        let end = message.checked_add(place)?;
        let (message_bytes, place_bytes) = (text.get(..message)?, text.get(message..end)?);
        let owned = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Some(PanicNote { message: owned(message_bytes), place: owned(place_bytes) })
    }
}

impl CrashPageWriter {
    /// Maps the page that came with `descriptor`.
    ///
    /// # Errors
    /// Where the descriptor is no page of this kind.
    pub fn from_descriptor(descriptor: OwnedFd) -> io::Result<Self> {
        let file = File::from(descriptor);
        if file.metadata()?.len() != LENGTH as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the crash page has another size"));
        }
        Ok(CrashPageWriter { map: map(&file)? })
    }

    /// Notes that `slot` starts a run. A slot beyond the page's room is not noted.
    #[inline]
    pub fn started(&self, slot: u32, handle: u64) {
        if (slot as usize) < SLOTS {
            slot_cell(&self.map, slot as usize).store(stored(handle), Ordering::Release);
        }
    }

    /// Notes that the run that `slot` has started is over.
    #[inline]
    pub fn finished(&self, slot: u32, handle: u64) {
        if (slot as usize) < SLOTS {
            slot_cell(&self.map, slot as usize).store(stored(handle) | OVER, Ordering::Release);
        }
    }

    /// Notes a panic. Only the first is kept: it is the one that ends the worker.
    pub fn panicked(&mut self, message: &str, place: &str) {
        if slot_cell(&self.map, SLOTS).load(Ordering::Acquire) != 0 {
            return;
        }
        let room = NOTE - NOTE_HEAD;
        let place = &place.as_bytes()[..place.len().min(room / 4)];
        let message = &message.as_bytes()[..message.len().min(room - place.len())];
        let text = &mut self.map[SLOT_BYTES + NOTE_HEAD..];
        text[..message.len()].copy_from_slice(message);
        text[message.len()..message.len() + place.len()].copy_from_slice(place);
        slot_cell(&self.map, SLOTS + 1).store(place.len() as u64, Ordering::Release);
        slot_cell(&self.map, SLOTS).store(message.len() as u64, Ordering::Release);
    }
}

/// A handle as a slot's cell holds it: 0 stands for none.
fn stored(handle: u64) -> u64 {
    handle.wrapping_add(1) & !OVER
}

#[allow(unsafe_code)]
fn map(file: &File) -> io::Result<MmapMut> {
    // SAFETY: the file is a sealed memory file of exactly LENGTH bytes, so the mapping can neither shrink nor fault.
    // The other process may write at any time: slots are only touched through atomics, and the note's text is only
    // read after the worker has ended.
    unsafe { MmapOptions::new().len(LENGTH).map_mut(file) }
}

#[allow(unsafe_code)]
fn slot_cell(map: &MmapMut, index: usize) -> &AtomicU64 {
    assert!((index + 1) * 8 <= LENGTH, "a slot beyond the page");
    let pointer = map.as_ptr().cast::<u64>().wrapping_add(index).cast_mut();
    // SAFETY: the mapping is page-aligned and at least `(index + 1) * 8` long, lives as long as the borrow of `map`,
    // and these eight bytes are only ever accessed as this atomic.
    unsafe { AtomicU64::from_ptr(pointer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (CrashPage, CrashPageWriter) {
        let page = CrashPage::new().unwrap();
        let writer =
            CrashPageWriter::from_descriptor(page.descriptor().try_clone_to_owned().unwrap()).unwrap();
        (page, writer)
    }

    #[test]
    fn the_node_sees_what_has_started() {
        let (page, writer) = pair();
        assert!(page.last_runs().is_empty());
        writer.started(0, 0);
        writer.started(3, 41);
        writer.started(CrashPage::SLOTS, 7);
        let noted = |handle, over| NotedRun { handle, over };
        assert_eq!(page.last_runs(), [noted(0, false), noted(41, false)]);
        writer.finished(0, 0);
        assert_eq!(page.last_runs(), [noted(0, true), noted(41, false)], "it has started all the same");
        writer.started(0, 42);
        assert_eq!(page.last_runs(), [noted(42, false), noted(41, false)]);
    }

    #[test]
    fn the_first_panic_is_kept_and_long_texts_are_cut() {
        let (page, mut writer) = pair();
        assert_eq!(page.panic_note(), None);
        writer.panicked("boom", "src/lib.rs:1:2");
        writer.panicked("later", "elsewhere");
        let note = PanicNote { message: "boom".into(), place: "src/lib.rs:1:2".into() };
        assert_eq!(page.panic_note(), Some(note));
        let (page, mut writer) = pair();
        writer.panicked(&"x".repeat(100_000), &"y".repeat(100_000));
        let note = page.panic_note().unwrap();
        assert_eq!(note.message.len() + note.place.len(), NOTE - NOTE_HEAD);
    }

    #[test]
    fn nonsense_on_the_page_is_not_believed() {
        let (page, writer) = pair();
        slot_cell(&writer.map, SLOTS).store(u64::MAX, Ordering::Release);
        slot_cell(&writer.map, SLOTS + 1).store(9, Ordering::Release);
        assert_eq!(page.panic_note(), None);
    }

    #[test]
    fn another_file_is_refused() {
        let file = tempfile::tempfile().unwrap();
        assert!(CrashPageWriter::from_descriptor(file.into()).is_err());
    }
}
