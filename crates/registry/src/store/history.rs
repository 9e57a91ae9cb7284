//! The recent changes, for watchers: bounded, the oldest go first.

use std::collections::VecDeque;

use crate::entry::Revision;
use crate::watch::{WatchBatch, WatchEvent};

/// The changes of the revisions after `compacted`.
#[derive(Debug)]
pub(crate) struct History {
    batches: VecDeque<WatchBatch>,
    compacted: Revision,
    bytes: usize,
    max_bytes: usize,
}

impl History {
    /// An empty history that knows nothing of `revision` and before, and keeps about `max_bytes`.
    pub(crate) fn new(revision: Revision, max_bytes: usize) -> Self {
        History { batches: VecDeque::new(), compacted: revision, bytes: 0, max_bytes }
    }

    pub(crate) fn push(&mut self, batch: WatchBatch) {
        self.bytes += size_of_batch(&batch);
        self.batches.push_back(batch);
        while self.bytes > self.max_bytes && self.forget_oldest() {}
    }

    /// Forgets everything up to and including `revision`.
    pub(crate) fn compact(&mut self, revision: Revision) {
        while self.batches.front().is_some_and(|batch| batch.revision <= revision) {
            self.forget_oldest();
        }
        self.compacted = self.compacted.max(revision);
    }

    /// The batches from `revision` on, in order; `None` where some of them are forgotten.
    pub(crate) fn since(&self, revision: Revision) -> Option<impl Iterator<Item = &WatchBatch>> {
        if revision <= self.compacted {
            return None;
        }
        let first = self.batches.partition_point(|batch| batch.revision < revision);
        Some(self.batches.range(first..))
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(batch) = self.batches.pop_front() else { return false };
        self.bytes -= size_of_batch(&batch);
        self.compacted = self.compacted.max(batch.revision);
        true
    }
}

/// About what a batch takes in memory.
fn size_of_batch(batch: &WatchBatch) -> usize {
    let events = batch.events.iter().map(|event| {
        let value = match event {
            WatchEvent::Put(entry) => entry.value.len(),
            WatchEvent::Delete { .. } => 0,
        };
        size_of::<WatchEvent>() + event.key().len() + value
    });
    size_of::<WatchBatch>() + events.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(revision: u64) -> WatchBatch {
        let revision = Revision::new(revision);
        let events = vec![WatchEvent::Delete { key: "/k".to_owned(), revision }];
        WatchBatch { revision, events, resynchronised: false }
    }

    #[test]
    fn it_is_bounded_and_says_what_it_forgot() {
        let mut history = History::new(Revision::new(10), size_of_batch(&batch(0)) * 3);
        for revision in 11..=15 {
            history.push(batch(revision));
        }
        assert_eq!(history.compacted, Revision::new(12));
        assert!(history.since(Revision::new(12)).is_none());
        let kept: Vec<_> =
            history.since(Revision::new(14)).into_iter().flatten().map(|b| b.revision.get()).collect();
        assert_eq!(kept, [14, 15]);
        history.compact(Revision::new(15));
        assert_eq!(history.since(Revision::new(16)).into_iter().flatten().count(), 0);
        assert!(history.since(Revision::new(15)).is_none());
    }
}
