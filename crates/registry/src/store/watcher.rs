//! Watches of a store: readers of its history, each at its own pace.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{BoxStream, unfold};
use tokio::sync::watch;

use super::writer::{Progress, Shared};
use crate::entry::Revision;
use crate::error::RegistryError;
use crate::watch::{WatchBatch, WatchStart, WatcherImage};

/// How many revisions are taken from the history at once.
const READ_AHEAD: usize = 64;

/// A reader of a store's history.
#[derive(Debug)]
struct Watcher {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    prefix: String,
    next: Revision,
    image: WatcherImage,
    pending: VecDeque<WatchBatch>,
    ended: bool,
}

/// The changes under `prefix` from `start` on, until the store is closed.
pub(crate) fn watch(
    shared: Arc<Shared>,
    prefix: &str,
    start: WatchStart,
) -> BoxStream<'static, Result<WatchBatch, RegistryError>> {
    let watcher = Watcher {
        progress: shared.progress.subscribe(),
        shared,
        prefix: prefix.to_owned(),
        next: start.revision,
        image: WatcherImage::new(start.known),
        pending: VecDeque::new(),
        ended: false,
    };
    Box::pin(unfold(watcher, |mut watcher| async move { watcher.step().await.map(|item| (item, watcher)) }))
}

impl Watcher {
    async fn step(&mut self) -> Option<Result<WatchBatch, RegistryError>> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(batch) = self.pending.pop_front() {
                return Some(Ok(batch));
            }
            // Marked as seen before reading, so that a change during the reading wakes this up again.
            let progress = *self.progress.borrow_and_update();
            if self.read() {
                continue;
            }
            // The sender lives in `shared`, so a change is all that can happen.
            if progress == Progress::Closed || self.progress.changed().await.is_err() {
                self.ended = true;
                return Some(Err(self.shared.closed()));
            }
        }
    }

    /// Takes what is there; answers whether there may be more.
    fn read(&mut self) -> bool {
        let machine = self.shared.machine.read();
        let latest = machine.revision();
        if self.next > latest {
            return false;
        }
        let Some(batches) = machine.history().since(self.next) else {
            let entries = machine.with_prefix(&self.prefix).cloned().collect();
            self.pending.extend(self.image.resynchronise(latest, entries));
            self.next = latest.next();
            return true;
        };
        self.next = latest.next();
        for (taken, batch) in batches.enumerate() {
            if taken == READ_AHEAD {
                self.next = batch.revision;
                break;
            }
            let events = batch.events.iter().filter(|event| event.key().starts_with(&self.prefix));
            let events: Vec<_> = events.cloned().collect();
            self.pending.extend(self.image.absorb(batch.revision, events));
        }
        true
    }
}
