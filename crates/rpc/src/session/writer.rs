//! What goes out: frames become encoded batches, which are kept until the peer's program has taken them.

use super::options::{BATCH_BYTES, BATCH_FRAMES, SessionOptions, WHOLE_FRAME_BYTES};
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
    /// A large frame that goes in pieces, before anything else that is pending.
    pieces: Option<Pieces>,
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

/// A frame as bytes that do not fit one message.
#[derive(Debug)]
struct Pieces {
    left: Bytes,
    /// What the frame counted in the queue.
    weight: u64,
}

/// What a new batch took from the queue.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Frames of the batch, each with a number; pieces are numbered too.
    pub(crate) frames: u64,
    /// Frames that are not in the queue any more.
    pub(crate) unqueued: u64,
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

    /// Whether there is something that was not encoded yet.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty() || self.pieces.is_some()
    }

    /// Whether the peer's program has to take something first.
    pub(crate) fn window_is_full(&self, options: &SessionOptions) -> bool {
        self.next - self.acknowledged >= options.window_frames || self.kept_bytes >= options.window_bytes
    }

    /// How many frames were encoded since the session began.
    pub(crate) fn sent(&self) -> u64 {
        self.next
    }

    /// Encodes the next batch from what is pending, as far as the window reaches.
    pub(crate) fn encode(&mut self, options: &SessionOptions) -> (OutgoingBatch, Taken) {
        let mut taken = Taken::default();
        if self.pieces.is_none() {
            self.encode_frames(options, &mut taken);
        }
        // The frames before a large one go first.
        if taken.frames == 0 {
            self.encode_piece(&mut taken);
        }
        taken.bytes = self.buffer.len() as u64;
        let body = self.buffer.split().freeze();
        let batch = Encoded { first: self.next, frames: taken.frames, body: body.clone() };
        self.next += taken.frames;
        self.kept_bytes += taken.bytes;
        self.kept.push_back(batch);
        self.cursor = self.kept.len();
        (OutgoingBatch { first: self.next - taken.frames, body }, taken)
    }

    /// Encodes pending frames up to one that is too large for a message, which is cut into pieces.
    fn encode_frames(&mut self, options: &SessionOptions, taken: &mut Taken) {
        let window = options.window_frames.saturating_sub(self.next - self.acknowledged);
        let most_frames = window.min(BATCH_FRAMES as u64);
        let likely = 64 * self.pending.len().min(BATCH_FRAMES) + 64;
        if self.buffer.capacity() < likely {
            // Lone frames share a block.
            self.buffer.reserve(likely.max(BLOCK));
        }
        while taken.frames < most_frames && self.buffer.len() < BATCH_BYTES {
            let Some(frame) = self.pending.pop_front() else { break };
            let (start, weight) = (self.buffer.len(), weight(&frame));
            batch::append_frame(frame, &mut self.buffer);
            if self.buffer.len() - start > WHOLE_FRAME_BYTES {
                self.pieces = Some(Pieces { left: self.buffer.split_off(start).freeze(), weight });
                break;
            }
            taken.frames += 1;
            taken.unqueued += 1;
            taken.weight += weight;
        }
    }

    fn encode_piece(&mut self, taken: &mut Taken) {
        let Some(pieces) = &mut self.pieces else { return };
        let piece = pieces.left.split_to(pieces.left.len().min(BATCH_BYTES));
        taken.frames = 1;
        self.buffer.reserve(piece.len() + batch::PIECE_LENGTH);
        batch::append_piece(&piece, pieces.left.len() as u64, &mut self.buffer);
        if pieces.left.is_empty() {
            taken.unqueued = 1;
            taken.weight = pieces.weight;
            self.pieces = None;
        }
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
