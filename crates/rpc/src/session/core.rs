//! A session's state, which its two halves, its streams and its driver share.
//!
//! Three locks, none held across an await, taken in the order writer, outgoing, inbox where more than one is needed.

use super::SessionInfo;
use super::codec::Outbound;
use super::end::{SessionEnd, SessionEvent};
use super::inbox::Inbox;
use super::options::SessionOptions;
use super::sender::Backlog;
use super::weight::weight;
use super::writer::{Outgoing, Taken, Writer};
use mobula_types::{Failure, FailureKind, Frame, SessionId};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct Core {
    pub(super) info: SessionInfo,
    pub(super) options: SessionOptions,
    pub(super) writer: Mutex<Writer>,
    pub(super) outgoing: Mutex<Outgoing>,
    pub(super) inbox: Mutex<Inbox>,
    events: watch::Sender<SessionEvent>,
}

pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Core {
    pub(crate) fn new(info: SessionInfo, options: SessionOptions) -> Arc<Self> {
        Arc::new(Core {
            info,
            options,
            writer: Mutex::default(),
            outgoing: Mutex::default(),
            inbox: Mutex::new(Inbox::new(&options)),
            events: watch::Sender::new(SessionEvent::Opened),
        })
    }

    pub(crate) fn id(&self) -> SessionId {
        self.info.id
    }

    pub(crate) fn info(&self) -> &SessionInfo {
        &self.info
    }

    pub(crate) fn options(&self) -> &SessionOptions {
        &self.options
    }

    pub(crate) fn events(&self) -> watch::Receiver<SessionEvent> {
        self.events.subscribe()
    }

    // ---- the program's side

    pub(crate) fn queue(&self, frame: Frame) {
        let bytes = weight(&frame);
        let mut outgoing = self.outgoing.lock();
        if outgoing.closing || outgoing.ended {
            return;
        }
        outgoing.frames.push(frame);
        outgoing.queued_frames += 1;
        outgoing.queued_bytes += bytes;
        self.queued(outgoing);
    }

    pub(crate) fn queue_all(&self, frames: &mut Vec<Frame>) {
        let bytes: u64 = frames.iter().map(weight).sum();
        let mut outgoing = self.outgoing.lock();
        if outgoing.closing || outgoing.ended {
            return frames.clear();
        }
        outgoing.queued_frames += frames.len() as u64;
        outgoing.queued_bytes += bytes;
        outgoing.frames.append(frames);
        self.queued(outgoing);
    }

    fn queued(&self, mut outgoing: parking_lot::MutexGuard<'_, Outgoing>) {
        let frames = outgoing.queued_frames + outgoing.held_frames;
        let bytes = outgoing.queued_bytes + outgoing.held_bytes;
        let waker = outgoing.waker.take();
        drop(outgoing);
        wake(waker);
        if frames > self.options.most_frames || bytes > self.options.most_bytes {
            self.abort(SessionEnd::Overflow(self.overflow(frames, bytes)));
        }
    }

    #[cold]
    fn overflow(&self, frames: u64, bytes: u64) -> Failure {
        let SessionOptions { most_frames, most_bytes, .. } = self.options;
        let message = format!(
            "{frames} frames of {bytes} bytes wait for {}, which takes them too slowly; a session holds at most \
             {most_frames} frames and {most_bytes} bytes",
            self.info.peer
        );
        Failure::new(FailureKind::ResourceExhausted, message)
    }

    pub(crate) fn backlog(&self) -> Backlog {
        let outgoing = self.outgoing.lock();
        Backlog {
            frames: outgoing.queued_frames + outgoing.held_frames,
            bytes: outgoing.queued_bytes + outgoing.held_bytes,
            unsent: outgoing.queued_frames,
        }
    }

    /// How many frames were handed to streams since the session began; one in pieces from its first piece on.
    pub(crate) fn sent(&self) -> u64 {
        self.writer.lock().frames()
    }

    pub(crate) fn poll_take(
        &self,
        context: &mut Context<'_>,
        into: &mut Vec<Frame>,
    ) -> Poll<Result<(), SessionEnd>> {
        if self.take(into) {
            return Poll::Ready(Ok(()));
        }
        let mut inbox = self.inbox.lock();
        match &inbox.end {
            _ if !inbox.frames.is_empty() => {}
            Some(end) => return Poll::Ready(Err(end.clone())),
            None => {
                inbox.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
        drop(inbox);
        self.take(into);
        Poll::Ready(Ok(()))
    }

    pub(crate) fn take(&self, into: &mut Vec<Frame>) -> bool {
        let mut inbox = self.inbox.lock();
        if inbox.frames.is_empty() {
            return false;
        }
        let acknowledge = inbox.take(into);
        drop(inbox);
        if acknowledge {
            let waker = self.outgoing.lock().waker.take();
            wake(waker);
        }
        true
    }

    // ---- an in-process pair's delivery

    /// Answers the end of both sides where nobody takes the frames.
    pub(crate) fn deliver_one(&self, frame: Frame) -> Option<SessionEnd> {
        let bytes = weight(&frame);
        let mut inbox = self.inbox.lock();
        if inbox.end.is_some() {
            return None;
        }
        inbox.frames.push(frame);
        inbox.bytes += bytes;
        self.delivered(inbox)
    }

    pub(crate) fn deliver_all(&self, frames: &mut Vec<Frame>) -> Option<SessionEnd> {
        let bytes: u64 = frames.iter().map(weight).sum();
        let mut inbox = self.inbox.lock();
        if inbox.end.is_some() {
            frames.clear();
            return None;
        }
        inbox.frames.append(frames);
        inbox.bytes += bytes;
        self.delivered(inbox)
    }

    fn delivered(&self, mut inbox: parking_lot::MutexGuard<'_, Inbox>) -> Option<SessionEnd> {
        let (frames, bytes) = (inbox.frames.len() as u64, inbox.bytes);
        let waker = inbox.waker.take();
        drop(inbox);
        wake(waker);
        if frames > self.options.most_frames || bytes > self.options.most_bytes {
            let end = SessionEnd::Overflow(self.overflow(frames, bytes));
            self.finish(end.clone());
            return Some(end);
        }
        None
    }

    pub(crate) fn inbox_backlog(&self) -> Backlog {
        let inbox = self.inbox.lock();
        Backlog { frames: inbox.frames.len() as u64, bytes: inbox.bytes, unsent: 0 }
    }

    // ---- the end

    /// Accepts nothing more; what is queued still goes out, then the end is said.
    pub(crate) fn close(&self) {
        let mut outgoing = self.outgoing.lock();
        outgoing.closing = true;
        let waker = outgoing.waker.take();
        drop(outgoing);
        wake(waker);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.outgoing.lock().closing
    }

    /// The session is over; `false` where it was before.
    pub(crate) fn finish(&self, end: SessionEnd) -> bool {
        let mut inbox = self.inbox.lock();
        if inbox.end.is_some() {
            return false;
        }
        inbox.end = Some(end);
        let consumer = inbox.waker.take();
        drop(inbox);
        let mut outgoing = self.outgoing.lock();
        outgoing.ended = true;
        outgoing.frames = Vec::new();
        let stream = outgoing.waker.take();
        drop(outgoing);
        self.events.send_replace(SessionEvent::Ended);
        wake(consumer);
        wake(stream);
        true
    }

    /// Ends the session and tells the peer why.
    pub(crate) fn abort(&self, end: SessionEnd) {
        self.writer.lock().last_word = Some(end.failure());
        self.finish(end);
    }

    pub(crate) fn end(&self) -> Option<SessionEnd> {
        self.inbox.lock().end.clone()
    }

    pub(crate) async fn ended(&self) -> SessionEnd {
        let mut events = self.events();
        // The sender lives in `self`, so that waiting cannot fail.
        let _event = events.wait_for(|event| *event == SessionEvent::Ended).await;
        self.end().unwrap_or(SessionEnd::Closed)
    }

    // ---- streams

    /// Numbers a stream that is about to be opened.
    pub(crate) fn number_stream(&self) -> u64 {
        let mut writer = self.writer.lock();
        writer.numbered += 1;
        writer.numbered
    }

    /// How many frames and pieces have arrived: what a greeting says.
    pub(crate) fn received(&self) -> u64 {
        self.inbox.lock().received
    }

    /// From now on that stream serves the session; an earlier one ends. The peer has received that many frames and
    /// pieces.
    ///
    /// # Errors
    /// Where the peer's number makes no sense.
    pub(crate) fn attach(&self, attachment: u64, peer_received: u64) -> Result<(), Failure> {
        let mut writer = self.writer.lock();
        writer.rewind(peer_received)?;
        writer.attachment = attachment;
        let waiting = writer.waiting.take();
        let replaced = self.outgoing.lock().waker.take();
        drop(writer);
        self.events.send_if_modified(|event| {
            if *event == SessionEvent::Ended {
                return false;
            }
            *event =
                if attachment == 1 { SessionEvent::Opened } else { SessionEvent::Resumed(attachment - 1) };
            true
        });
        wake(waiting);
        wake(replaced);
        Ok(())
    }

    pub(crate) fn is_attached(&self, attachment: u64) -> bool {
        self.writer.lock().attachment == attachment
    }

    /// That stream has broken; `false` where another one serves the session already, or it is over.
    pub(crate) fn detach(&self, attachment: u64) -> bool {
        let current = self.is_attached(attachment);
        current
            && self.events.send_if_modified(|event| {
                let detached = *event != SessionEvent::Ended;
                if detached {
                    *event = SessionEvent::Detached;
                }
                detached
            })
    }

    /// The next message for the stream of that number; `None` where it has nothing more to say.
    pub(crate) fn poll_outbound(&self, attachment: u64, context: &mut Context<'_>) -> Poll<Option<Outbound>> {
        let mut writer = self.writer.lock();
        if writer.attachment > attachment {
            return Poll::Ready(None);
        }
        if writer.attachment < attachment {
            writer.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        if let Some(batch) = writer.resend() {
            return Poll::Ready(Some(self.batch(batch.first, batch.body)));
        }
        let mut outgoing = self.outgoing.lock();
        if outgoing.ended {
            drop(outgoing);
            return Poll::Ready(last_word(&mut writer));
        }
        if !writer.has_pending() && !outgoing.frames.is_empty() {
            refill(&mut writer.pending, &mut outgoing.frames);
        }
        if !writer.has_pending() || writer.window_is_full(&self.options) {
            if !writer.has_pending() && outgoing.closing && !writer.close_sent {
                drop(outgoing);
                return Poll::Ready(last_word(&mut writer));
            }
            outgoing.waker = Some(context.waker().clone());
            drop(outgoing);
            return self.poll_acknowledgement();
        }
        drop(outgoing);
        let (batch, taken) = writer.encode(&self.options);
        self.count_encoded(&taken);
        drop(writer);
        Poll::Ready(Some(self.batch(batch.first, batch.body)))
    }

    fn count_encoded(&self, taken: &Taken) {
        let mut outgoing = self.outgoing.lock();
        outgoing.queued_frames -= taken.frames;
        outgoing.queued_bytes -= taken.weight;
        outgoing.held_frames += taken.frames;
        outgoing.held_bytes += taken.bytes;
    }

    fn batch(&self, first: u64, body: bytes::Bytes) -> Outbound {
        Outbound::Frames { first, acknowledged: self.inbox.lock().acknowledge(), body }
    }

    fn poll_acknowledgement(&self) -> Poll<Option<Outbound>> {
        let mut inbox = self.inbox.lock();
        if !inbox.acknowledgement_due() {
            return Poll::Pending;
        }
        let acknowledged = inbox.acknowledge();
        Poll::Ready(Some(Outbound::Frames { first: 0, acknowledged, body: bytes::Bytes::new() }))
    }
}

/// What a side says last, once: how many frames and pieces it sent, and why it ends where that is not in order.
fn last_word(writer: &mut Writer) -> Option<Outbound> {
    if std::mem::replace(&mut writer.close_sent, true) {
        return None;
    }
    Some(Outbound::close(writer.last_word.as_ref(), writer.numbers()))
}

/// Takes the queued frames over, and gives the queue the room that the pending ones had.
fn refill(pending: &mut VecDeque<Frame>, frames: &mut Vec<Frame>) {
    /// A queue that was longer than this once gives its room back.
    const KEPT_ROOM: usize = 64 * 1024;
    let room = Vec::from(std::mem::take(pending));
    let room = if room.capacity() > KEPT_ROOM { Vec::new() } else { room };
    *pending = VecDeque::from(std::mem::replace(frames, room));
}
