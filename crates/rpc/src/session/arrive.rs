//! What streams bring: frames in their order, each once, and acknowledgements.

use super::codec::{Inbound, InboundBatch};
use super::core::{Core, wake};
use super::end::SessionEnd;
use super::inbox::Inbox;
use super::options::SessionOptions;
use bytes::Bytes;
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

    /// A piece of a large frame, which the program sees only whole: its pieces are taken when the frame is.
    fn arrive_piece(&self, number: u64, piece: Piece, bytes: u64) -> Result<(), Failure> {
        let mut inbox = self.inbox.lock();
        if inbox.known_from(number)? > 0 || inbox.end.is_some() {
            return Ok(());
        }
        let begins = inbox.partial.pieces == 0;
        if begins {
            self.check_room(&inbox)?;
        }
        self.check_length(&inbox, &piece)?;
        inbox.add_piece(&piece.bytes, bytes);
        if piece.left > 0 {
            return Ok(());
        }
        let whole = std::mem::take(&mut inbox.partial);
        inbox.add_whole(read_whole(whole.body.freeze())?, whole.pieces, whole.bytes);
        let waker = inbox.waker.take();
        drop(inbox);
        wake(waker);
        Ok(())
    }

    fn arrive(&self, first: u64, mut frames: Vec<Frame>, bytes: u64) -> Result<(), Failure> {
        let mut inbox = self.inbox.lock();
        let known = inbox.known_from(first)?;
        if known >= frames.len() as u64 || inbox.end.is_some() {
            return Ok(());
        }
        if inbox.partial.pieces > 0 {
            return Err(malformed("a frame has arrived in the middle of another one"));
        }
        self.check_room(&inbox)?;
        frames.drain(..known as usize);
        inbox.add(&mut frames, bytes);
        let waker = inbox.waker.take();
        drop(inbox);
        wake(waker);
        Ok(())
    }

    /// Whether there is room for one more message, or one more large frame. What waits already decides, because a frame
    /// larger than the window is sent in one go; behind it nothing may come until it is taken.
    fn check_room(&self, inbox: &Inbox) -> Result<(), Failure> {
        let SessionOptions { window_frames, window_bytes, .. } = self.options;
        // The peer's window need not be the same.
        if inbox.frames.len() as u64 > 4 * window_frames || inbox.bytes > 4 * window_bytes {
            return Err(malformed("the peer sends more than was acknowledged"));
        }
        Ok(())
    }

    fn check_length(&self, inbox: &Inbox, piece: &Piece) -> Result<(), Failure> {
        let arrived = inbox.partial.body.len() as u64 + piece.bytes.len() as u64;
        let (length, most) = (arrived.saturating_add(piece.left), self.options.largest_frame);
        if length > most {
            let message = format!("a frame has {length} bytes, and may have {most}");
            return Err(malformed(message));
        }
        Ok(())
    }
}

impl Inbox {
    /// How many frames and pieces have arrived from that number on.
    ///
    /// # Errors
    /// Where some before it are missing.
    fn known_from(&self, number: u64) -> Result<u64, Failure> {
        self.received.checked_sub(number).ok_or_else(|| {
            malformed(format!("frame {number} has arrived, and frame {} was expected", self.received))
        })
    }
}

fn read_whole(body: Bytes) -> Result<Frame, Failure> {
    let read = batch::read_batch(body).map_err(|error| malformed(error.to_string()))?;
    let [frame] = <[Frame; 1]>::try_from(read.frames)
        .map_err(|frames| malformed(format!("the pieces of one frame are {} frames", frames.len())))?;
    Ok(frame)
}

fn malformed(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Malformed, message)
}
