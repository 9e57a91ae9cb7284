//! Completions that somebody waits for in a group.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Counts the batches in which a watched object became ready. A `wait` over many references looks at them again when
/// the count changes, instead of registering with each.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    changes: AtomicU64,
    notify: Notify,
}

impl Groups {
    /// The count, to be read before the references are looked at.
    pub(crate) fn seen(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(super) fn announce(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.notify.notify_waiters();
    }

    /// Waits until the count is no longer `seen`. Cancellation safe.
    pub(crate) async fn changed(&self, seen: u64) {
        loop {
            let mut notified = std::pin::pin!(self.notify.notified());
            notified.as_mut().enable();
            if self.seen() != seen {
                return;
            }
            notified.await;
        }
    }
}
