//! Frames that have arrived and wait for the program.

use super::end::SessionEnd;
use super::options::SessionOptions;
use bytes::BytesMut;
use mobula_types::Frame;
use std::task::Waker;

/// What has arrived. Bounded by the window that the peer keeps, in an in-process pair by the sender's bound.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) frames: Vec<Frame>,
    pub(crate) bytes: u64,
    /// How many frames have arrived since the session began: the number of the next one.
    pub(crate) received: u64,
    /// How many the program has taken.
    pub(crate) taken: u64,
    /// What has arrived of a frame that comes in pieces.
    pub(crate) pieces: BytesMut,
    pub(crate) end: Option<SessionEnd>,
    pub(crate) waker: Option<Waker>,
    unacknowledged_frames: u64,
    unacknowledged_bytes: u64,
    /// From how many on the peer is to hear of them without waiting for other traffic.
    due_frames: u64,
    due_bytes: u64,
}

/// An acknowledgement goes out by itself when the program has taken that many frames, or a quarter of the window.
const ACKNOWLEDGE_FRAMES: u64 = 256;
/// Or for that many bytes.
const ACKNOWLEDGE_BYTES: u64 = 256 * 1024;

impl Inbox {
    pub(crate) fn new(options: &SessionOptions) -> Self {
        Inbox {
            frames: Vec::new(),
            bytes: 0,
            received: 0,
            taken: 0,
            pieces: BytesMut::new(),
            end: None,
            waker: None,
            unacknowledged_frames: 0,
            unacknowledged_bytes: 0,
            due_frames: ACKNOWLEDGE_FRAMES.min(options.window_frames / 4).max(1),
            due_bytes: ACKNOWLEDGE_BYTES.min(options.window_bytes / 4).max(1),
        }
    }

    /// Moves everything into `into`; whether the peer should hear of it without waiting for other traffic.
    pub(crate) fn take(&mut self, into: &mut Vec<Frame>) -> bool {
        let count = self.frames.len() as u64;
        if into.is_empty() {
            std::mem::swap(into, &mut self.frames);
        } else {
            into.append(&mut self.frames);
        }
        self.taken += count;
        self.unacknowledged_frames += count;
        self.unacknowledged_bytes += std::mem::take(&mut self.bytes);
        self.acknowledgement_due()
    }

    /// Counts a piece as taken; whether the peer should hear of it without waiting for other traffic.
    pub(crate) fn note_piece(&mut self, bytes: u64) -> bool {
        self.taken += 1;
        self.unacknowledged_frames += 1;
        self.unacknowledged_bytes += bytes;
        self.acknowledgement_due()
    }

    pub(crate) fn acknowledgement_due(&self) -> bool {
        self.unacknowledged_frames >= self.due_frames || self.unacknowledged_bytes >= self.due_bytes
    }

    /// What to tell the peer now: how many frames were taken.
    pub(crate) fn acknowledge(&mut self) -> u64 {
        self.unacknowledged_frames = 0;
        self.unacknowledged_bytes = 0;
        self.taken
    }
}
