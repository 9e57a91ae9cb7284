//! The receiving half.

use super::core::Core;
use super::end::SessionEnd;
use mobula_types::Frame;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Receives frames, each once and in order. The session lives as long as its receiver: dropping it closes the session
/// in order.
pub struct FrameReceiver {
    core: Arc<Core>,
    /// The other end of an in-process pair, which ends with this one.
    direct: Option<Arc<Core>>,
}

impl FrameReceiver {
    pub(crate) fn new(core: Arc<Core>, direct: Option<Arc<Core>>) -> Self {
        FrameReceiver { core, direct }
    }

    /// Waits until there is a frame and appends all that are there. Taking frames is what lets the peer send more, so
    /// that a slow consumer holds back its peer and nobody else. Cancellation safe: a frame is either in `into` or
    /// comes with the next call.
    ///
    /// # Errors
    /// The end of the session, after the last frame, and again at each later call.
    pub async fn receive(&mut self, into: &mut Vec<Frame>) -> Result<(), SessionEnd> {
        poll_fn(|context| self.poll_receive(context, into)).await
    }

    /// [`receive`](Self::receive) for hand-written futures.
    ///
    /// # Errors
    /// As there.
    pub fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        into: &mut Vec<Frame>,
    ) -> Poll<Result<(), SessionEnd>> {
        self.core.poll_take(context, into)
    }

    /// Appends what is there; `false` where nothing is.
    pub fn try_receive(&mut self, into: &mut Vec<Frame>) -> bool {
        self.core.take(into)
    }
}

impl Drop for FrameReceiver {
    fn drop(&mut self) {
        match &self.direct {
            None => self.core.close(),
            Some(peer) => {
                self.core.finish(SessionEnd::Closed);
                peer.finish(SessionEnd::Closed);
            }
        }
    }
}

impl fmt::Debug for FrameReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReceiver").field("session", &self.core.id()).finish()
    }
}
