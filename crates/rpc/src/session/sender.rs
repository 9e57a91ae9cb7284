//! The sending half.

use super::core::Core;
use super::end::{SessionEnd, SessionEvent};
use mobula_types::Frame;
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// Sends frames. Clones send on the same session, from any thread; frames of one thread keep their order.
///
/// Sending never waits and never blocks: frames queue up until the stream takes them, batch by batch. Callers that can
/// wait look at [`backlog`](Self::backlog) and hold back; for those that cannot, the session itself ends with
/// [`SessionEnd::Overflow`] at its bound. Frames sent after the session's end vanish: its receiver has said why.
#[derive(Clone)]
pub struct FrameSender {
    core: Arc<Core>,
    /// The other end of an in-process pair.
    direct: Option<Arc<Core>>,
}

/// What waits for the peer: queued, or sent and not yet taken by the peer's program.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Backlog {
    /// Frames.
    pub frames: u64,
    /// Bytes, within a small factor.
    pub bytes: u64,
    /// Frames among them that no stream has taken yet: nobody can have received them.
    pub unsent: u64,
}

impl FrameSender {
    pub(crate) fn new(core: Arc<Core>, direct: Option<Arc<Core>>) -> Self {
        FrameSender { core, direct }
    }

    /// Queues a frame.
    pub fn send(&self, frame: Frame) {
        match &self.direct {
            None => self.core.queue(frame),
            Some(peer) => self.delivered(peer.deliver_one(frame)),
        }
    }

    /// Queues all frames, in order and nothing between them, and leaves the vector empty with its room.
    pub fn send_all(&self, frames: &mut Vec<Frame>) {
        if frames.is_empty() {
            return;
        }
        match &self.direct {
            None => self.core.queue_all(frames),
            Some(peer) => self.delivered(peer.deliver_all(frames)),
        }
    }

    fn delivered(&self, end: Option<SessionEnd>) {
        if let Some(end) = end {
            self.core.finish(end);
        }
    }

    /// What waits for the peer.
    pub fn backlog(&self) -> Backlog {
        match &self.direct {
            None => self.core.backlog(),
            Some(peer) => peer.inbox_backlog(),
        }
    }

    /// How many frames, of those that were sent since the session began, a stream has taken: the peer may have received
    /// these, and no others. A frame in pieces is one, from its first piece on.
    pub fn taken(&self) -> u64 {
        match &self.direct {
            None => self.core.sent(),
            Some(_) => u64::MAX,
        }
    }

    /// Ends the session in order: everything queued so far is delivered, then the peer's receiver reports
    /// [`SessionEnd::Closed`]. Returns at once; [`ended`](Self::ended) waits. Closing again does nothing.
    pub fn close(&self) {
        match &self.direct {
            None => self.core.close(),
            Some(peer) => {
                self.core.finish(SessionEnd::Closed);
                peer.finish(SessionEnd::Closed);
            }
        }
    }

    /// Ends the session at once and tells the peer why.
    pub fn abort(&self, end: SessionEnd) {
        if let Some(peer) = &self.direct {
            peer.finish(SessionEnd::from_peer(Some(end.failure())));
        }
        self.core.abort(end);
    }

    /// Waits until the session is over, and says why it ended. Cancellation safe.
    pub async fn ended(&self) -> SessionEnd {
        self.core.ended().await
    }

    /// What happens to the session's streams.
    pub fn events(&self) -> watch::Receiver<SessionEvent> {
        self.core.events()
    }
}

impl fmt::Debug for FrameSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameSender")
            .field("session", &self.core.id())
            .field("backlog", &self.backlog())
            .finish()
    }
}
