//! What goes out: frames become encoded batches, which are kept until the peer's program has taken them.

use super::options::{BATCH_BYTES, BATCH_FRAMES, MESSAGE_BYTES, SessionOptions};
use super::weight::weight;
use bytes::{Bytes, BytesMut};
use mobula_proto::batch;
use mobula_types::{Failure, FailureKind, Frame};
use std::collections::VecDeque;
use std::task::Waker;

/// Frames that the program has sent and nobody has encoded yet, and what counts against the session's bound.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) frames: Vec<Frame>,
    /// Frames not encoded yet, here and at the writer.
    pub(crate) queued_frames: u64,
    pub(crate) queued_bytes: u64,
    /// Frames encoded, and not taken by the peer's program.
    pub(crate) held_frames: u64,
    pub(crate) held_bytes: u64,
    /// Nothing more is accepted; what is there still goes out.
    pub(crate) closing: bool,
    /// The session is over.
    pub(crate) ended: bool,
    /// The stream that waits for something to send.
    pub(crate) waker: Option<Waker>,
}

/// A batch as it goes over the wire, but for the numbers before it.
#[derive(Clone, Debug)]
struct Encoded {
    first: u64,
    frames: u64,
    body: Bytes,
}

/// The outgoing direction. One stream at a time, the latest attached, takes batches from it.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// Which stream serves the session; streams are counted from 1.
    pub(crate) attachment: u64,
    /// How many streams were numbered.
    pub(crate) numbered: u64,
    /// A stream that has said its greeting and is not attached yet.
    pub(crate) waiting: Option<Waker>,
    pub(crate) pending: VecDeque<Frame>,
    pub(crate) last_word: Option<Failure>,
    pub(crate) close_sent: bool,
    kept: VecDeque<Encoded>,
    kept_bytes: u64,
    /// Which of the kept batches the stream takes next; all are sent where it is their count.
    cursor: usize,
    /// The number of the next frame to be encoded.
    next: u64,
    acknowledged: u64,
    buffer: BytesMut,
}

/// A batch to send: the number of its first frame, and its body.
#[derive(Debug)]
pub(crate) struct OutgoingBatch {
    pub(crate) first: u64,
    pub(crate) body: Bytes,
}

/// What a new batch took from the queue.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) frames: u64,
    pub(crate) weight: u64,
    pub(crate) bytes: u64,
}

/// The fewest bytes that are allocated for batches at once.
const BLOCK: usize = 4 * 1024;

impl Writer {
    /// The next batch that was sent on an earlier stream, or encoded for it.
    pub(crate) fn resend(&mut self) -> Option<OutgoingBatch> {
        let batch = self.kept.get(self.cursor)?;
        self.cursor += 1;
        Some(OutgoingBatch { first: batch.first, body: batch.body.clone() })
    }

    /// Whether the peer's program has to take something first.
    pub(crate) fn window_is_full(&self, options: &SessionOptions) -> bool {
        self.next - self.acknowledged >= options.window_frames || self.kept_bytes >= options.window_bytes
    }

    /// How many frames were encoded since the session began.
    pub(crate) fn sent(&self) -> u64 {
        self.next
    }

    /// Encodes the next batch from the pending frames, as far as the window reaches.
    ///
    /// # Errors
    /// For a frame that no message can hold.
    pub(crate) fn encode(&mut self, options: &SessionOptions) -> Result<(OutgoingBatch, Taken), Failure> {
        let mut taken = Taken::default();
        let window = options.window_frames.saturating_sub(self.next - self.acknowledged);
        let most_frames = window.min(BATCH_FRAMES as u64);
        let likely = 64 * self.pending.len().min(BATCH_FRAMES) + 64;
        if self.buffer.capacity() < likely {
            // Lone frames share a block.
            self.buffer.reserve(likely.max(BLOCK));
        }
        while taken.frames < most_frames && self.buffer.len() < BATCH_BYTES {
            let Some(frame) = self.pending.pop_front() else { break };
            taken.frames += 1;
            taken.weight += weight(&frame);
            batch::append_frame(frame, &mut self.buffer);
        }
        taken.bytes = self.buffer.len() as u64;
        if self.buffer.len() + batch::NUMBERS_LENGTH > MESSAGE_BYTES {
            let length = self.buffer.len();
            let message =
                format!("a frame of {length} bytes does not fit a message of {MESSAGE_BYTES} bytes");
            return Err(Failure::new(FailureKind::TooLarge, message));
        }
        let body = self.buffer.split().freeze();
        let batch = Encoded { first: self.next, frames: taken.frames, body: body.clone() };
        self.next += taken.frames;
        self.kept_bytes += taken.bytes;
        self.kept.push_back(batch);
        self.cursor = self.kept.len();
        Ok((OutgoingBatch { first: self.next - taken.frames, body }, taken))
    }

    /// The peer's program has taken `count` frames in all. Answers what need not be kept any more.
    ///
    /// # Errors
    /// Where it says that it has taken more than it was sent.
    pub(crate) fn acknowledge(&mut self, count: u64) -> Result<Taken, Failure> {
        if count > self.next {
            let message = format!("{count} frames were acknowledged, and {} were sent", self.next);
            return Err(Failure::new(FailureKind::Malformed, message));
        }
        self.acknowledged = self.acknowledged.max(count);
        let mut freed = Taken::default();
        while let Some(batch) = self.kept.front() {
            if batch.first + batch.frames > count {
                break;
            }
            freed.frames += batch.frames;
            freed.bytes += batch.body.len() as u64;
            self.cursor = self.cursor.saturating_sub(1);
            self.kept.pop_front();
        }
        self.kept_bytes -= freed.bytes;
        Ok(freed)
    }

    /// Starts again behind the `received` frames that have arrived at the peer.
    ///
    /// # Errors
    /// Where the peer has received more than was sent, or less than it has acknowledged.
    pub(crate) fn rewind(&mut self, received: u64) -> Result<(), Failure> {
        if received > self.next || received < self.acknowledged {
            let message = format!(
                "the peer says that it has received {received} frames; {} were sent and {} acknowledged",
                self.next, self.acknowledged
            );
            return Err(Failure::new(FailureKind::Malformed, message));
        }
        self.cursor = self.kept.partition_point(|batch| batch.first + batch.frames <= received);
        self.close_sent = false;
        Ok(())
    }
}
