//! The bounds of a session.

use std::time::Duration;

/// The most frames in one batch.
pub const BATCH_FRAMES: usize = 512;
/// The most bytes of frames in one batch, unless its only frame is larger.
pub const BATCH_BYTES: usize = 1 << 20;
/// A frame of more bytes goes in pieces of [`BATCH_BYTES`], each in a message of its own.
pub(super) const WHOLE_FRAME_BYTES: usize = 4 << 20;
/// The most bytes that one frame may have: what a task may have of small values, and as much as stands beside them.
pub const LARGEST_FRAME_BYTES: u64 = (256 << 20) + (16 << 20);
/// The most bytes that one message may have.
pub const MESSAGE_BYTES: usize = 64 << 20;

/// The bounds of a session, the same for both of its directions.
#[derive(Clone, Copy, Debug)]
pub struct SessionOptions {
    /// How long a broken session may be resumed (30 s). Zero: its stream's end is its own.
    pub resume_within: Duration,
    /// How many bytes may wait for the peer, sent or not, before the session ends with `Overflow` (1 GiB).
    pub most_bytes: u64,
    /// How many frames may (8 M).
    pub most_frames: u64,
    /// How many frames the peer is sent before its program has taken them (16,384).
    pub window_frames: u64,
    /// How many bytes (16 MiB); a frame in pieces that has been begun goes out to its end all the same.
    pub window_bytes: u64,
    /// How many bytes one frame may have (272 MiB).
    pub largest_frame: u64,
    /// How long opening a stream may take, from the connection to the first answer (10 s).
    pub open_within: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        SessionOptions {
            resume_within: Duration::from_secs(30),
            most_bytes: 1 << 30,
            most_frames: 8 << 20,
            window_frames: 16 * 1024,
            window_bytes: 16 << 20,
            largest_frame: LARGEST_FRAME_BYTES,
            open_within: Duration::from_secs(10),
        }
    }
}
