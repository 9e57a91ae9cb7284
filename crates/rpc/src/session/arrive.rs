//! What streams bring: frames in their order, each once, and acknowledgements.

use super::codec::{Inbound, InboundBatch};
use super::core::{Core, wake};
use super::end::SessionEnd;
use super::options::{BATCH_FRAMES, MESSAGE_BYTES};
use mobula_proto::batch::{self, Piece};
use mobula_types::{Failure, FailureKind, Frame};

impl Core {
    /// Takes what a stream has brought; whether it is to be read on.
    pub(crate) fn accept(&self, attachment: u64, inbound: Inbound) -> bool {
        let read = match inbound {
            Inbound::Batch(batch) => self.accept_batch(attachment, batch),
            Inbound::Malformed(failure) => Err(failure),
        };
        match read {
            Ok(go_on) => go_on,
            Err(failure) => {
                if self.is_attached(attachment) {
                    let failure = Failure::new(
                        FailureKind::Malformed,
                        format!("session {} with {}: {}", self.info.id, self.info.peer, failure.message()),
                    );
                    self.abort(SessionEnd::Malformed(failure));
                }
                false
            }
        }
    }

    fn accept_batch(&self, attachment: u64, batch: InboundBatch) -> Result<bool, Failure> {
        let mut writer = self.writer.lock();
        if writer.attachment != attachment {
            return Ok(false);
        }
        let freed = writer.acknowledge(batch.acknowledged)?;
        drop(writer);
        if freed.frames > 0 {
            let mut outgoing = self.outgoing.lock();
            outgoing.held_frames -= freed.frames;
            outgoing.held_bytes -= freed.bytes;
            let waker = outgoing.waker.take();
            drop(outgoing);
            wake(waker);
        }
        if !batch.frames.is_empty() {
            self.arrive(batch.first_sequence, batch.frames, batch.bytes)?;
        }
        if let Some(piece) = batch.piece {
            self.arrive_piece(batch.first_sequence, piece, batch.bytes)?;
        }
        if let Some(close) = batch.rest.and_then(|rest| rest.close) {
            let received = self.received();
            if close.failure.is_none() && close.sent > received {
                let message =
                    format!("the peer closed after {} frames, and {received} have arrived", close.sent);
                return Err(Failure::new(FailureKind::Malformed, message));
            }
            self.finish(SessionEnd::from_peer(close.failure));
            return Ok(false);
        }
        Ok(true)
    }

    /// A piece of a large frame: the frame follows the last one. Pieces count as taken when they arrive, because the
    /// program sees them only together.
    fn arrive_piece(&self, number: u64, piece: Piece, bytes: u64) -> Result<(), Failure> {
        let mut inbox = self.inbox.lock();
        if number > inbox.received {
            let message = format!("frame {number} has arrived, and frame {} was expected", inbox.received);
            return Err(Failure::new(FailureKind::Malformed, message));
        }
        if number < inbox.received || inbox.end.is_some() {
            return Ok(());
        }
        inbox.received += 1;
        let length = inbox.pieces.len() as u64 + piece.bytes.len() as u64;
        if length.saturating_add(piece.left) > self.options.most_bytes {
            let message = format!("a frame of {} bytes is too large", length.saturating_add(piece.left));
            return Err(Failure::new(FailureKind::Malformed, message));
        }
        inbox.pieces.extend_from_slice(&piece.bytes);
        if piece.left > 0 {
            let acknowledge = inbox.note_piece(bytes);
            drop(inbox);
            if acknowledge {
                let waker = self.outgoing.lock().waker.take();
                wake(waker);
            }
            return Ok(());
        }
        let whole = std::mem::take(&mut inbox.pieces).freeze();
        let read = batch::read_batch(whole)
            .map_err(|error| Failure::new(FailureKind::Malformed, error.to_string()))?;
        let [frame] = <[Frame; 1]>::try_from(read.frames).map_err(|frames| {
            let message = format!("the pieces of one frame are {} frames", frames.len());
            Failure::new(FailureKind::Malformed, message)
        })?;
        inbox.frames.push(frame);
        inbox.bytes += bytes;
        let waker = inbox.waker.take();
        drop(inbox);
        wake(waker);
        Ok(())
    }

    fn arrive(&self, first: u64, mut frames: Vec<Frame>, bytes: u64) -> Result<(), Failure> {
        let mut inbox = self.inbox.lock();
        let Some(known) = inbox.received.checked_sub(first) else {
            let message = format!("frame {first} has arrived, and frame {} was expected", inbox.received);
            return Err(Failure::new(FailureKind::Malformed, message));
        };
        if known >= frames.len() as u64 || inbox.end.is_some() {
            return Ok(());
        }
        frames.drain(..known as usize);
        inbox.received += frames.len() as u64;
        inbox.bytes += bytes;
        if inbox.frames.is_empty() {
            inbox.frames = frames;
        } else {
            inbox.frames.append(&mut frames);
        }
        let too_many = inbox.frames.len() as u64 > 4 * self.options.window_frames + BATCH_FRAMES as u64
            || inbox.bytes > 4 * self.options.window_bytes + MESSAGE_BYTES as u64;
        if too_many {
            return Err(Failure::new(FailureKind::Malformed, "the peer sends more than was acknowledged"));
        }
        let waker = inbox.waker.take();
        drop(inbox);
        wake(waker);
        Ok(())
    }
}
