//! Where finished runs go.

use crate::CallResult;
use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// A run that is over.
#[derive(Debug)]
pub struct Completion {
    /// The run's handle.
    pub handle: u64,
    /// How it ended.
    pub result: CallResult,
    /// How long it ran, in microseconds; 0 for one that was cancelled unstarted.
    pub micros: u32,
}

/// Takes finished runs. Called on slot threads, so it must neither block nor panic.
pub trait Completed: Send + Sync + fmt::Debug {
    /// A run is over.
    fn completed(&self, completion: Completion);
}

/// Collects finished runs for one reader on another thread, which is woken once for all that gather until it looks.
///
/// Bounded by what was queued on the host.
#[derive(Debug, Default)]
pub struct Completions {
    gathered: Mutex<Vec<Completion>>,
    notify: Notify,
    wakeups: AtomicU64,
}

impl Completions {
    /// Waits for at least one and takes all that are there, in the order in which they ended. Cancellation safe.
    pub async fn take(&self, into: &mut Vec<Completion>) {
        loop {
            self.try_take(into);
            if !into.is_empty() {
                return;
            }
            self.notify.notified().await;
        }
    }

    /// Takes all that are there.
    pub fn try_take(&self, into: &mut Vec<Completion>) {
        into.append(&mut self.gathered.lock());
    }

    /// How often the reader was woken.
    pub fn wakeups(&self) -> u64 {
        self.wakeups.load(Ordering::Relaxed)
    }
}

impl Completed for Completions {
    fn completed(&self, completion: Completion) {
        let first = {
            let mut gathered = self.gathered.lock();
            gathered.push(completion);
            gathered.len() == 1
        };
        if first {
            self.wakeups.fetch_add(1, Ordering::Relaxed);
            self.notify.notify_one();
        }
    }
}
