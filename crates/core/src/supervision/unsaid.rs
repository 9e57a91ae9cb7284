//! What is said once a write is durable: each thing once, however often it comes up while the registry is away.
//!
//! Nodes report an exit, and repeat a creation, until they are answered; what they are answered then takes the place of what
//! waits already. Of questions that nobody waits for any more, nothing is kept.

use super::RequestKey;
use super::outbox::Said;
use indexmap::IndexMap;
use mobula_types::{ActorId, Incarnation, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// What waits for writes, by their numbers.
#[derive(Clone, Default, Debug)]
pub(super) struct Unsaid {
    by_write: BTreeMap<u64, Words>,
    /// The writes that answers to a question wait for.
    by_request: BTreeMap<RequestKey, BTreeSet<u64>>,
    /// What the next thing that is like no other is numbered.
    next: u64,
}

type Words = IndexMap<Topic, Said, foldhash::fast::FixedState>;

/// What something is about: of two that are about the same, the later one counts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Topic {
    Recorded(NodeId, Incarnation),
    Located(NodeId, ActorId),
    Other(u64),
}

impl Unsaid {
    pub(super) fn push(&mut self, after: u64, said: Said) {
        let topic = match &said {
            Said::Recorded(node, incarnation) => Topic::Recorded(node.clone(), *incarnation),
            Said::Located(node, location) => Topic::Located(node.clone(), location.actor),
            _ => {
                self.next += 1;
                Topic::Other(self.next)
            }
        };
        if let Some(request) = request_of(&said) {
            self.by_request.entry(request).or_default().insert(after);
        }
        self.by_write.entry(after).or_default().insert(topic, said);
    }

    /// The first write that something waits for.
    pub(super) fn first(&self) -> Option<u64> {
        self.by_write.first_key_value().map(|(write, _)| *write)
    }

    /// What waits for that write, in order.
    pub(super) fn take(&mut self, write: u64) -> impl Iterator<Item = Said> + use<> {
        let words = self.by_write.remove(&write).unwrap_or_default();
        for request in words.values().filter_map(request_of) {
            if let Some(writes) = self.by_request.get_mut(&request) {
                writes.remove(&write);
                if writes.is_empty() {
                    self.by_request.remove(&request);
                }
            }
        }
        words.into_values()
    }

    /// Nobody waits for the answer to a question any more.
    pub(super) fn forget(&mut self, request: RequestKey) {
        for write in self.by_request.remove(&request).unwrap_or_default() {
            let Some(words) = self.by_write.get_mut(&write) else { continue };
            words.retain(|_, said| request_of(said) != Some(request));
            if words.is_empty() {
                self.by_write.remove(&write);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_write.values().map(Words::len).sum()
    }
}

fn request_of(said: &Said) -> Option<RequestKey> {
    match said {
        Said::Answer { request, .. } | Said::Created { request, .. } => Some(*request),
        _ => None,
    }
}
