//! What other threads have left for the session's thread.

use super::{Command, LinkOptions, Request};
use mobula_types::{Failure, FailureKind};
use parking_lot::Mutex;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use tokio::sync::Notify;

/// Requests and commands on their way to the session's thread, which takes them all at once.
///
/// Requests are bounded by number and bytes, counted until they have been handed to the session under the node's
/// credit. Commands have no bound of their own: there are at most a few for each handle that the program holds, and as
/// many frames as a worker has runs.
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
