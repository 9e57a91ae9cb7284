//! How an actor is on its way to its exit.

use mobula_types::{ExitReason, Time};
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::Notify;

/// How much of an actor's work an ending lets go on. Each lets go on less than the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum How {
    /// What is queued still runs; then `on_stop`.
    Drain,
    /// What runs ends by itself; then `on_stop`.
    Exit,
    /// What runs is dropped at its next await; then `on_stop`.
    Expired,
    /// What runs is dropped at its next await, and that is all.
    Dead,
}

/// The ending of an actor.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) how: How,
    pub(crate) reason: ExitReason,
    /// When the grace of a stop is over.
    pub(crate) deadline: Option<Time>,
}

impl Ending {
    pub(crate) fn new(how: How, reason: ExitReason) -> Self {
        Ending { how, reason, deadline: None }
    }

    /// Another ending is asked for. The stricter one counts, and the first reason, unless the later one is a death.
    pub(crate) fn merge(&mut self, other: Ending) {
        if other.how == How::Dead && self.how != How::Dead {
            self.reason = other.reason;
        }
        self.how = self.how.max(other.how);
        self.deadline = match (self.deadline, other.deadline) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
    }
}

/// Tells what runs of an actor to let itself be dropped.
#[derive(Debug, Default)]
pub(crate) struct Dropping {
    /// 0 before any ending; else as [`Ending::how`] demands.
    level: AtomicU8,
    notify: Notify,
}

/// Turns are to be dropped.
pub(crate) const TURNS: u8 = 1;
/// Hooks are to be dropped too.
pub(crate) const EVERYTHING: u8 = 2;

impl Dropping {
    /// What runs is to end as far as `how` demands.
    pub(crate) fn demand(&self, how: How) {
        let level = match how {
            How::Drain | How::Exit => return,
            How::Expired => TURNS,
            How::Dead => EVERYTHING,
        };
        self.level.fetch_max(level, Ordering::Release);
        self.notify.notify_waiters();
    }

    /// Waits for the demand to be at least `level`. Cancellation safe.
    pub(crate) async fn demanded(&self, level: u8) {
        loop {
            let mut notified = std::pin::pin!(self.notify.notified());
            notified.as_mut().enable();
            if self.level.load(Ordering::Acquire) >= level {
                return;
            }
            notified.await;
        }
    }
}
