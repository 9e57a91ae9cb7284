//! Streams of changes.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::BoxStream;

use crate::entry::{Entry, Revision};
use crate::error::RegistryError;

/// One change of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatchEvent {
    /// The key has this value now.
    Put(Entry),
    /// The key is gone.
    Delete {
        /// The key.
        key: String,
        /// When it was deleted; after a comparison with a fresh list: by when.
        revision: Revision,
    },
}

impl WatchEvent {
    /// The key that changed.
    pub fn key(&self) -> &str {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Delete { key, .. } => key,
        }
    }

    fn revision(&self) -> Revision {
        match self {
            Self::Put(entry) => entry.mod_revision,
            Self::Delete { revision, .. } => *revision,
        }
    }
}

/// The changes of one revision under the watched prefix, whole; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchBatch {
    /// Everything up to this revision has now been delivered.
    pub revision: Revision,
    /// What changed. A key appears once.
    pub events: Vec<WatchEvent>,
    /// Whether history was compacted and the events are the difference to a fresh list: several revisions in one.
    pub resynchronised: bool,
}

/// Where a watch starts.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct WatchStart {
    /// The first revision to deliver.
    pub revision: Revision,
    /// The keys that the watcher holds already and the revisions at which they were last put. Without them a
    /// comparison with a fresh list finds only the deletions of keys that the watch itself has delivered.
    pub known: BTreeMap<String, Revision>,
}

impl WatchStart {
    /// Starts at `revision`, knowing nothing. [`Listing::watch_start`](crate::Listing::watch_start) knows more.
    pub fn at(revision: Revision) -> Self {
        WatchStart { revision, known: BTreeMap::new() }
    }
}

/// The changes under a prefix, revision by revision, in order, none twice and none left out.
///
/// It carries on by itself: after a lost connection or a restart from the revision after the last one delivered, after
/// a compaction with the difference to a fresh list, deletions included. It ends only with an error that no waiting
/// mends, its last item: [`RegistryError::Closed`], [`RegistryError::Refused`], [`RegistryError::InvalidRequest`].
///
/// Nothing runs and nothing is buffered while it is not polled, beyond what the registry holds anyway; a slow reader is
/// at worst compared with a fresh list. Dropping it ends it. Waiting for the next item is cancellation safe.
pub struct Watch {
    prefix: String,
    batches: BoxStream<'static, Result<WatchBatch, RegistryError>>,
}

impl Watch {
    pub(crate) fn new(prefix: &str, batches: BoxStream<'static, Result<WatchBatch, RegistryError>>) -> Self {
        Watch { prefix: prefix.to_owned(), batches }
    }

    /// A watch that only says why there is none.
    pub(crate) fn failed(prefix: &str, error: RegistryError) -> Self {
        Self::new(prefix, Box::pin(futures::stream::iter([Err(error)])))
    }
}

impl Stream for Watch {
    type Item = Result<WatchBatch, RegistryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// What a watcher holds, as far as its watch knows: what a fresh list is compared with.
#[derive(Debug)]
pub(crate) struct WatcherImage {
    keys: BTreeMap<String, Revision>,
}

impl WatcherImage {
    pub(crate) fn new(known: BTreeMap<String, Revision>) -> Self {
        WatcherImage { keys: known }
    }

    /// Takes in the events of one revision and keeps those that are news to the watcher.
    pub(crate) fn absorb(&mut self, revision: Revision, mut events: Vec<WatchEvent>) -> Option<WatchBatch> {
        events.retain(|event| self.keys.get(event.key()).is_none_or(|held| *held < event.revision()));
        for event in &events {
            match event {
                WatchEvent::Put(entry) => self.keys.insert(entry.key.clone(), entry.mod_revision),
                WatchEvent::Delete { key, .. } => self.keys.remove(key),
            };
        }
        (!events.is_empty()).then_some(WatchBatch { revision, events, resynchronised: false })
    }

    /// Compares with a fresh list of `revision`: what is new or newer there, and what is there no more.
    pub(crate) fn resynchronise(&mut self, revision: Revision, entries: Vec<Entry>) -> Option<WatchBatch> {
        let fresh: BTreeMap<_, _> =
            entries.iter().map(|entry| (entry.key.clone(), entry.mod_revision)).collect();
        let gone = self.keys.keys().filter(|key| !fresh.contains_key(*key));
        let mut events: Vec<_> = gone.map(|key| WatchEvent::Delete { key: key.clone(), revision }).collect();
        let changed =
            entries.into_iter().filter(|entry| self.keys.get(&entry.key) != Some(&entry.mod_revision));
        events.extend(changed.map(WatchEvent::Put));
        self.keys = fresh;
        (!events.is_empty()).then_some(WatchBatch { revision, events, resynchronised: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn entry(key: &str, revision: u64) -> Entry {
        let revision = Revision::new(revision);
        let (create_revision, mod_revision) = (revision, revision);
        Entry { key: key.to_owned(), value: Bytes::new(), create_revision, mod_revision, lease: None }
    }

    #[test]
    fn a_fresh_list_gives_the_difference_deletions_too() {
        let known =
            BTreeMap::from([("/gone".to_owned(), Revision::new(1)), ("/same".to_owned(), Revision::new(2))]);
        let mut image = WatcherImage::new(known);
        let batch = image.resynchronise(Revision::new(9), vec![entry("/new", 7), entry("/same", 2)]);
        let expected = vec![
            WatchEvent::Delete { key: "/gone".to_owned(), revision: Revision::new(9) },
            WatchEvent::Put(entry("/new", 7)),
        ];
        assert_eq!(batch.map(|batch| batch.events), Some(expected));
        assert_eq!(image.resynchronise(Revision::new(9), vec![entry("/new", 7), entry("/same", 2)]), None);
    }

    #[test]
    fn what_the_watcher_holds_is_not_repeated() {
        let mut image = WatcherImage::new(BTreeMap::from([("/k".to_owned(), Revision::new(5))]));
        let older = WatchEvent::Delete { key: "/k".to_owned(), revision: Revision::new(4) };
        assert_eq!(image.absorb(Revision::new(4), vec![older]), None);
        assert_eq!(image.absorb(Revision::new(5), vec![WatchEvent::Put(entry("/k", 5))]), None);
        assert!(image.absorb(Revision::new(6), vec![WatchEvent::Put(entry("/k", 6))]).is_some());
    }
}
