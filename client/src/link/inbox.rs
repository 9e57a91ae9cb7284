//! What other threads have left for the session's thread.

use super::{Command, LinkOptions, Request};
use mobula_types::{Failure, FailureKind, Frame};
use parking_lot::Mutex;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use tokio::sync::Notify;

/// Requests and commands on their way to the session's thread, which takes them all at once.
///
/// Requests are bounded by number and bytes, counted until they have been handed to the session under the node's
/// credit. Of messages that are published, at most once each, those are dropped for which there is no room. Other commands
/// have no bound of their own: the thread takes them whatever the node accepts, and there are a few at most for each handle,
/// run, turn, watch, subscription and question that the program has at that moment.
///
/// Right after it has woken others the thread dozes: what they ask for next is worth waking up for, while what they let
/// go of can ride along with that. It looks by itself before long.
#[derive(Debug)]
pub(crate) struct Inbox {
    options: LinkOptions,
    queue: Mutex<Queue>,
    room: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    requests: Vec<Request>,
    commands: Vec<Command>,
    /// The thread sleeps, or is about to.
    sleeper: Option<Waker>,
    /// It dozes: releases alone do not wake it.
    dozing: bool,
    /// Some command is worth waking up for.
    urgent: bool,
    /// The messages among the commands, and their bytes.
    published: usize,
    published_bytes: usize,
    unsent_requests: usize,
    unsent_bytes: usize,
    waits_for_room: usize,
    over: Option<Failure>,
}

/// What the thread takes at once; kept for its memory.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) requests: Vec<Request>,
    pub(super) commands: Vec<Command>,
}

/// What has been sent since the thread last looked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) requests: usize,
    pub(super) bytes: usize,
}

const KEPT_ENTRIES: usize = 16 * 1024;
/// So many commands are worth waking up for, whatever they are.
const MOST_DELAYED: usize = 64;

/// Messages that may wait for the thread, and after how many bytes of them there is no room for more.
const MOST_PUBLISHED: usize = 10_000;
const MOST_PUBLISHED_BYTES: usize = 64 << 20;

impl Queue {
    /// Counts a message, if there is room for it.
    fn takes_published(&mut self, bytes: usize) -> bool {
        let has_room = self.published < MOST_PUBLISHED && self.published_bytes < MOST_PUBLISHED_BYTES;
        if has_room {
            self.published += 1;
            self.published_bytes += bytes;
        }
        has_room
    }
}

impl Inbox {
    pub(super) fn new(options: LinkOptions) -> Self {
        Inbox { options, queue: Mutex::default(), room: Notify::new() }
    }

    /// A refused request is dropped outside of the lock, as parameters are: it holds handles, which leave commands here.
    pub(super) fn request(&self, request: Request) -> Result<(), Failure> {
        let bytes = request.bytes();
        // The session would end with it, and everything else that it carries.
        if request.frame_bytes() > self.options.largest_frame {
            return Err(self.too_large(request.frame_bytes()));
        }
        let sleeper = {
            let mut queue = self.queue.lock();
            if let Some(failure) = &queue.over {
                return Err(failure.clone());
            }
            if !self.has_room(&queue, bytes) {
                return Err(self.backpressure());
            }
            queue.unsent_requests += 1;
            queue.unsent_bytes += bytes;
            queue.requests.push(request);
            queue.sleeper.take()
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
        Ok(())
    }

    pub(super) fn command(&self, command: Command) {
        let sleeper = {
            let mut queue = self.queue.lock();
            if queue.over.is_some() {
                drop(queue);
                // Outside of the lock: it may hold handles, which leave a command of their own.
                drop(command);
                return;
            }
            if let Command::Frame(Frame::Publish(publication)) = &command
                && !queue.takes_published(publication.payload.len())
            {
                return;
            }
            let may_wait = queue.dozing
                && matches!(command, Command::Release { .. })
                && queue.commands.len() < MOST_DELAYED;
            queue.commands.push(command);
            if may_wait {
                return;
            }
            queue.urgent = true;
            queue.sleeper.take()
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    /// One request is always taken, however large.
    fn has_room(&self, queue: &Queue, bytes: usize) -> bool {
        queue.unsent_requests == 0
            || (queue.unsent_requests < self.options.most_requests
                && queue.unsent_bytes.saturating_add(bytes) <= self.options.most_bytes)
    }

    fn backpressure(&self) -> Failure {
        let LinkOptions { most_requests, most_bytes, .. } = self.options;
        let message = format!(
            "{most_requests} requests or {} MiB wait for the home node to accept them; wait for some results first, \
             or submit with `submit_wait().await`, which waits for room",
            most_bytes >> 20
        );
        Failure::new(FailureKind::Backpressure, message)
    }

    #[cold]
    fn too_large(&self, bytes: u64) -> Failure {
        let message = format!(
            "the request takes {bytes} bytes with all its references, and may take {}; put some of them together into \
             a value of their own, or make several calls",
            self.options.largest_frame
        );
        Failure::new(FailureKind::TooLarge, message)
    }

    pub(super) async fn room(&self, bytes: usize) {
        loop {
            let mut notified = std::pin::pin!(self.room.notified());
            notified.as_mut().enable();
            {
                let mut queue = self.queue.lock();
                if queue.over.is_some() || self.has_room(&queue, bytes) {
                    return;
                }
                queue.waits_for_room += 1;
            }
            notified.await;
        }
    }

    /// Takes everything, and notes what has been sent meanwhile.
    pub(super) fn take(&self, into: &mut Taken, sent: Sent) {
        debug_assert!(into.requests.is_empty() && into.commands.is_empty());
        if into.requests.capacity() > KEPT_ENTRIES {
            into.requests = Vec::new();
        }
        if into.commands.capacity() > KEPT_ENTRIES {
            into.commands = Vec::new();
        }
        let wake = {
            let mut queue = self.queue.lock();
            queue.sleeper = None;
            queue.urgent = false;
            std::mem::swap(&mut queue.requests, &mut into.requests);
            std::mem::swap(&mut queue.commands, &mut into.commands);
            (queue.published, queue.published_bytes) = (0, 0);
            queue.unsent_requests -= sent.requests;
            queue.unsent_bytes -= sent.bytes;
            sent.requests > 0 && std::mem::take(&mut queue.waits_for_room) > 0
        };
        if wake {
            self.room.notify_waiters();
        }
    }

    /// Waits until something is there; where the thread dozes, until something is there that cannot wait. Cancellation
    /// safe.
    pub(super) async fn filled(&self, dozing: bool) {
        poll_fn(|context| {
            let mut queue = self.queue.lock();
            queue.dozing = dozing;
            let has_commands = queue.urgent || (!dozing && !queue.commands.is_empty());
            if !queue.requests.is_empty() || has_commands {
                return Poll::Ready(());
            }
            match &queue.sleeper {
                Some(sleeper) if sleeper.will_wake(context.waker()) => {}
                _ => queue.sleeper = Some(context.waker().clone()),
            }
            Poll::Pending
        })
        .await;
    }

    /// Whether the session is over.
    pub(super) fn is_over(&self) -> bool {
        self.queue.lock().over.is_some()
    }

    /// Refuses everything from now on, and returns what was left.
    pub(super) fn close(&self, failure: Failure) -> Taken {
        let taken = {
            let mut queue = self.queue.lock();
            queue.over = Some(failure);
            Taken {
                requests: std::mem::take(&mut queue.requests),
                commands: std::mem::take(&mut queue.commands),
            }
        };
        self.room.notify_waiters();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::Payload;
    use mobula_types::actor::Publication;

    fn publish(bytes: usize) -> Command {
        let payload = Payload::from(vec![0; bytes].as_slice());
        Command::Frame(Frame::Publish(Box::new(Publication {
            namespace: "default".into(),
            topic: "a.b".into(),
            payload,
        })))
    }

    fn taken(inbox: &Inbox) -> usize {
        let mut taken = Taken::default();
        inbox.take(&mut taken, Sent::default());
        taken.commands.len()
    }

    #[test]
    fn messages_for_which_there_is_no_room_are_dropped_and_nothing_else_is() {
        let inbox = Inbox::new(LinkOptions::default());
        for _ in 0..MOST_PUBLISHED + 5 {
            inbox.command(publish(1));
        }
        inbox.command(Command::Forget(1));
        assert_eq!(taken(&inbox), MOST_PUBLISHED + 1);
        for _ in 0..5 {
            inbox.command(publish(MOST_PUBLISHED_BYTES / 4));
        }
        assert_eq!(taken(&inbox), 4, "by their bytes");
    }
}
