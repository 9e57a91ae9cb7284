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
    /// How many numbers it uses up: pieces are numbered like frames.
    numbers: u64,
    /// How many frames begin in it.
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
    /// The next number to be given: to a frame, or to a piece of one.
    next: u64,
    /// How many frames were encoded since the session began, in one piece or in several.
    frames: u64,
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
    /// What the frame still counts in the queue.
    weight: u64,
    /// Its first piece has gone out: the frame is not in the queue any more.
    begun: bool,
}

/// What a new batch took from the queue, or what an acknowledgement frees.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Numbers that were used up.
    numbers: u64,
    /// Frames that begin in it.
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

    /// Whether there is something that was not encoded yet.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty() || self.pieces.is_some()
    }

    /// Whether the peer's program has to take something first. Not in the middle of a frame: the program can take it
    /// only once it is whole, so that it would never be taken if it were larger than the window.
    pub(crate) fn window_is_full(&self, options: &SessionOptions) -> bool {
        let is_full =
            self.next - self.acknowledged >= options.window_frames || self.kept_bytes >= options.window_bytes;
        is_full && !self.pieces.as_ref().is_some_and(|pieces| pieces.begun)
    }

    /// How many numbers were given since the session began: what the peer counts as received.
    pub(crate) fn numbers(&self) -> u64 {
        self.next
    }

    /// How many frames were encoded since the session began, or begun.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Encodes the next batch from what is pending, as far as the window reaches.
    pub(crate) fn encode(&mut self, options: &SessionOptions) -> (OutgoingBatch, Taken) {
        let mut taken = Taken::default();
        if self.pieces.is_none() {
            self.encode_frames(options, &mut taken);
        }
        // The frames before a large one go first.
        if taken.numbers == 0 {
            self.encode_piece(&mut taken);
        }
        taken.bytes = self.buffer.len() as u64;
        let (first, body) = (self.next, self.buffer.split().freeze());
        let batch = Encoded { first, numbers: taken.numbers, frames: taken.frames, body: body.clone() };
        self.next += taken.numbers;
        self.frames += taken.frames;
        self.kept_bytes += taken.bytes;
        self.kept.push_back(batch);
        self.cursor = self.kept.len();
        (OutgoingBatch { first, body }, taken)
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
        while taken.numbers < most_frames && self.buffer.len() < BATCH_BYTES {
            let Some(frame) = self.pending.pop_front() else { break };
            let (start, weight) = (self.buffer.len(), weight(&frame));
            batch::append_frame(frame, &mut self.buffer);
            if self.buffer.len() - start > WHOLE_FRAME_BYTES {
                let left = self.buffer.split_off(start).freeze();
                self.pieces = Some(Pieces { left, weight, begun: false });
                break;
            }
            taken.numbers += 1;
            taken.frames += 1;
            taken.weight += weight;
        }
    }

    fn encode_piece(&mut self, taken: &mut Taken) {
        let Some(pieces) = &mut self.pieces else { return };
        let piece = pieces.left.split_to(pieces.left.len().min(BATCH_BYTES));
        taken.numbers = 1;
        taken.frames = u64::from(!std::mem::replace(&mut pieces.begun, true));
        self.buffer.reserve(piece.len() + batch::PIECE_LENGTH);
        batch::append_piece(&piece, pieces.left.len() as u64, &mut self.buffer);
        // Piece by piece, so that no byte of it counts twice against the session's bound.
        let is_last = pieces.left.is_empty();
        taken.weight = if is_last { pieces.weight } else { pieces.weight.min(piece.len() as u64) };
        pieces.weight -= taken.weight;
        if is_last {
            self.pieces = None;
        }
    }

    /// The peer's program has taken what the first `count` numbers stand for. Answers what need not be kept any more.
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
            if batch.first + batch.numbers > count {
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

    /// Starts again behind the `received` frames and pieces that have arrived at the peer.
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
        self.cursor = self.kept.partition_point(|batch| batch.first + batch.numbers <= received);
        self.close_sent = false;
        Ok(())
    }
}
