//! Frames that have arrived and wait for the program.

use super::end::SessionEnd;
use super::options::SessionOptions;
use bytes::BytesMut;
use mobula_types::Frame;
use std::task::Waker;

/// What has arrived. Bounded by the window that the peer keeps and one large frame, in an in-process pair by the
/// sender's bound.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) frames: Vec<Frame>,
    /// The bytes that those came in.
    pub(crate) bytes: u64,
    /// How many frames and pieces have arrived since the session began: the number of the next one.
    pub(crate) received: u64,
    /// How many the program has taken. Pieces are taken with the frame that they are of.
    taken: u64,
    /// How many numbers the waiting frames have; one that came in pieces has as many as those.
    numbers: u64,
    /// The frame that comes in pieces now.
    pub(crate) partial: Partial,
    pub(crate) end: Option<SessionEnd>,
    pub(crate) waker: Option<Waker>,
    unacknowledged_frames: u64,
    unacknowledged_bytes: u64,
    /// From how many on the peer is to hear of them without waiting for other traffic.
    due_frames: u64,
    due_bytes: u64,
}

/// What has arrived of a frame that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Partial {
    pub(crate) body: BytesMut,
    /// The pieces, and the bytes that they came in.
    pub(crate) pieces: u64,
    pub(crate) bytes: u64,
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
            numbers: 0,
            partial: Partial::default(),
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
        if into.is_empty() {
            std::mem::swap(into, &mut self.frames);
        } else {
            into.append(&mut self.frames);
        }
        let numbers = std::mem::take(&mut self.numbers);
        self.taken += numbers;
        self.unacknowledged_frames += numbers;
        self.unacknowledged_bytes += std::mem::take(&mut self.bytes);
        self.acknowledgement_due()
    }

    /// Frames for the program, which have come in that many bytes.
    pub(crate) fn add(&mut self, frames: &mut Vec<Frame>, bytes: u64) {
        self.received += frames.len() as u64;
        self.numbers += frames.len() as u64;
        self.bytes += bytes;
        if self.frames.is_empty() {
            std::mem::swap(&mut self.frames, frames);
        } else {
            self.frames.append(frames);
        }
    }

    /// A piece of the frame that comes in pieces.
    pub(crate) fn add_piece(&mut self, piece: &[u8], bytes: u64) {
        self.received += 1;
        self.partial.body.extend_from_slice(piece);
        self.partial.pieces += 1;
        self.partial.bytes += bytes;
    }

    /// The frame whose last piece has arrived.
    pub(crate) fn add_whole(&mut self, frame: Frame, pieces: u64, bytes: u64) {
        self.numbers += pieces;
        self.bytes += bytes;
        self.frames.push(frame);
    }

    pub(crate) fn acknowledgement_due(&self) -> bool {
        self.unacknowledged_frames >= self.due_frames || self.unacknowledged_bytes >= self.due_bytes
    }

    /// What to tell the peer now: how many frames and pieces were taken.
    pub(crate) fn acknowledge(&mut self) -> u64 {
        self.unacknowledged_frames = 0;
        self.unacknowledged_bytes = 0;
        self.taken
    }
}
