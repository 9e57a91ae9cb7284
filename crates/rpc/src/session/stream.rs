//! One stream of a session: what the transport pulls, and the loop that reads.

use super::codec::{Inbound, Outbound};
use super::core::Core;
use super::end::SessionEvent;
use mobula_runtime::clock;
use mobula_types::Failure;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_stream::Stream;
use tonic::{Status, Streaming};

/// The outgoing direction of one stream: its greeting, then what the session has to say while the stream serves it.
pub(crate) struct OutgoingStream {
    core: Arc<Core>,
    attachment: u64,
    greeting: Option<Outbound>,
}

impl OutgoingStream {
    pub(crate) fn new(core: Arc<Core>, attachment: u64, greeting: Outbound) -> Self {
        OutgoingStream { core, attachment, greeting: Some(greeting) }
    }
}

impl fmt::Debug for OutgoingStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingStream").field("session", &self.core.id()).finish_non_exhaustive()
    }
}

impl Stream for OutgoingStream {
    type Item = Outbound;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Outbound>> {
        match self.greeting.take() {
            Some(greeting) => Poll::Ready(Some(greeting)),
            None => self.core.poll_outbound(self.attachment, context),
        }
    }
}

/// Why a stream is not read any more.
#[derive(Debug)]
pub(crate) enum StreamEnd {
    /// The session is over.
    Ended,
    /// Another stream serves the session.
    Replaced,
    /// The stream broke.
    Broken(Status),
}

/// How long a stream of an ended session may take to bring its last words to the peer.
const LINGER: Duration = Duration::from_secs(5);

/// Reads a stream until it ends or is not needed any more.
pub(crate) async fn read(core: &Core, attachment: u64, stream: &mut Streaming<Inbound>) -> StreamEnd {
    let mut events = core.events();
    if core.end().is_some() || !core.is_attached(attachment) {
        return stopped(core, attachment);
    }
    loop {
        tokio::select! {
            biased;
            message = stream.message() => match message {
                Ok(Some(inbound)) => {
                    if !core.accept(attachment, inbound) {
                        return stopped(core, attachment);
                    }
                }
                Ok(None) => return broken(core, attachment, Status::unavailable("the peer ended the stream")),
                Err(status) => return broken(core, attachment, status),
            },
            _ = events.changed() => {
                if *events.borrow_and_update() == SessionEvent::Ended || !core.is_attached(attachment) {
                    return stopped(core, attachment);
                }
            }
        }
    }
}

fn stopped(core: &Core, attachment: u64) -> StreamEnd {
    if core.end().is_some() || core.is_attached(attachment) { StreamEnd::Ended } else { StreamEnd::Replaced }
}

fn broken(core: &Core, attachment: u64, status: Status) -> StreamEnd {
    if core.end().is_some() {
        return StreamEnd::Ended;
    }
    if core.is_attached(attachment) { StreamEnd::Broken(status) } else { StreamEnd::Replaced }
}

/// Reads on, for nobody, until the peer ends the stream too: what was said last has to arrive before the stream goes.
pub(crate) async fn linger(stream: &mut Streaming<Inbound>) {
    let drained = async { while let Ok(Some(_)) = stream.message().await {} };
    let _slow_peer = tokio::time::timeout(LINGER, drained).await;
}

/// Waits until a detached session is resumed or over; `false` where neither happens within its time.
pub(crate) async fn resumed(core: &Core, attachment: u64) -> bool {
    let mut events = core.events();
    let changed = async {
        while *events.borrow_and_update() != SessionEvent::Ended && core.is_attached(attachment) {
            if events.changed().await.is_err() {
                return;
            }
        }
    };
    let deadline = clock::now() + core.options().resume_within;
    tokio::select! {
        () = changed => true,
        () = clock::sleep_until(deadline) => false,
    }
}

/// The failure of a stream that could not be used.
pub(crate) fn stream_failure(status: &Status, peer: &str) -> Failure {
    crate::status::to_failure(status, "open a session", peer)
}
