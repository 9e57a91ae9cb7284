//! What waits to be sent to one node: bounded by what the reader has not taken over time, as a single turn may say a lot.

use futures::Stream;
use mobula_rpc::head::{HeadMessage, HeadMessages, HeadOrder};
use mobula_types::Time;
use mobula_types::actor::EncodedSize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;

/// Bytes that may wait for as long as the stream lasts. More than that may wait for [`PATIENCE`].
const BYTES: u64 = 16 * 1024 * 1024;
/// For how long more may wait: what a node is told meanwhile is what memory is held at most.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a message takes beside what it says of actors. The largest of the others are the first view and jobs.
const BASE: u64 = 1024;

/// The leader's end.
#[derive(Debug)]
pub(super) struct Outgoing {
    sender: mpsc::UnboundedSender<(HeadMessage, u64)>,
    said: u64,
    taken: Arc<AtomicU64>,
    /// Since when more has waited than may for long.
    full_since: Option<Time>,
}

/// The node does not read what it is told.
#[derive(Debug)]
pub(super) struct NotRead;

/// The reader's end.
struct Taking {
    messages: mpsc::UnboundedReceiver<(HeadMessage, u64)>,
    taken: Arc<AtomicU64>,
}

impl Outgoing {
    pub(super) fn new() -> (Self, HeadMessages) {
        let (sender, messages) = mpsc::unbounded_channel();
        let taken = Arc::new(AtomicU64::new(0));
        let outgoing = Outgoing { sender, said: 0, taken: taken.clone(), full_since: None };
        (outgoing, Box::pin(Taking { messages, taken }))
    }

    /// Says something.
    ///
    /// # Errors
    /// Too much has waited for too long.
    pub(super) fn send(&mut self, now: Time, message: HeadMessage) -> Result<(), NotRead> {
        let waiting = self.said.saturating_sub(self.taken.load(Ordering::Relaxed));
        if waiting <= BYTES {
            self.full_since = None;
        } else if now.since(*self.full_since.get_or_insert(now)) >= PATIENCE {
            return Err(NotRead);
        }
        let size = size_of(&message.order);
        self.said += size;
        // The end of a stream that is over is heard of by itself.
        let _over = self.sender.send((message, size));
        Ok(())
    }
}

fn size_of(order: &HeadOrder) -> u64 {
    match order {
        HeadOrder::Actors(order) => BASE + order.encoded_size() as u64,
        HeadOrder::View(delta) => BASE * (1 + delta.changed.len() as u64),
        _ => BASE,
    }
}

impl Stream for Taking {
    type Item = HeadMessage;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<HeadMessage>> {
        let Poll::Ready(next) = self.messages.poll_recv(context) else { return Poll::Pending };
        Poll::Ready(next.map(|(message, size)| {
            self.taken.fetch_add(size, Ordering::Relaxed);
            message
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use mobula_types::HeadTerm;
    use mobula_types::actor::ActorOrder;

    fn message() -> HeadMessage {
        let order = HeadOrder::Actors(ActorOrder::ExitsRecorded(Vec::new()));
        HeadMessage { term: HeadTerm::default(), order }
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn a_burst_is_kept_however_many_messages_it_has() {
        let (mut outgoing, mut messages) = Outgoing::new();
        for round in 0..3 {
            for _ in 0..20_000 {
                assert!(outgoing.send(at(round * 60), message()).is_ok());
            }
            for _ in 0..20_000 {
                messages.next().await.unwrap();
            }
        }
    }

    #[test]
    fn who_reads_too_little_for_too_long_loses_its_stream() {
        let (mut outgoing, _messages) = Outgoing::new();
        let mut sent = 0;
        while outgoing.full_since.is_none() {
            outgoing.send(at(0), message()).unwrap();
            sent += 1;
        }
        assert!(sent > BYTES / (2 * BASE));
        assert!(outgoing.send(at(19), message()).is_ok());
        assert!(outgoing.send(at(20), message()).is_err());
    }
}
