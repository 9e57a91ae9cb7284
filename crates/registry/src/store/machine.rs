//! The state of a store: entries, leases, history. Pure: no clock, no I/O; time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use mobula_types::Time;

use super::changes::Changes;
use super::history::History;
use crate::entry::{Entry, LeaseId, Revision};
use crate::error::RegistryError;
use crate::list::{List, ListPage};

/// The state of a store as it was last made durable.
#[derive(Debug)]
pub(crate) struct StoreMachine {
    entries: BTreeMap<String, Entry>,
    leases: BTreeMap<LeaseId, LeaseState>,
    deadlines: BTreeSet<(Time, LeaseId)>,
    history: History,
    sequence: u64,
    revision: Revision,
    next_lease: u64,
    term: u64,
}

#[derive(Debug)]
struct LeaseState {
    ttl: Duration,
    deadline: Time,
    keys: BTreeSet<String>,
}

impl StoreMachine {
    /// An empty store.
    pub(crate) fn new(history_bytes: usize) -> Self {
        StoreMachine {
            entries: BTreeMap::new(),
            leases: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            history: History::new(Revision::ZERO, history_bytes),
            sequence: 0,
            revision: Revision::ZERO,
            next_lease: 1,
            term: 0,
        }
    }

    /// The store as it was kept. Every lease gets its full length again from `now` on, and history begins here.
    pub(crate) fn restore(kept: Changes, history_bytes: usize, now: Time) -> Self {
        let revision = kept.revision;
        let mut machine = Self::new(history_bytes);
        machine.apply(kept, now);
        machine.history = History::new(revision, history_bytes);
        machine
    }

    /// Takes over what was made durable. A lease begins at `now`.
    pub(crate) fn apply(&mut self, changes: Changes, now: Time) {
        let mut ended = Vec::new();
        for (lease, ttl) in changes.leases {
            match ttl {
                Some(ttl) => self.begin_lease(lease, ttl, now),
                None => ended.push(lease),
            }
        }
        for (key, entry) in changes.entries {
            self.set(key, entry);
        }
        for lease in ended {
            if let Some(state) = self.leases.remove(&lease) {
                self.deadlines.remove(&(state.deadline, lease));
            }
        }
        for batch in changes.batches {
            self.history.push(batch);
        }
        self.sequence = changes.sequence;
        self.revision = changes.revision;
        self.next_lease = changes.next_lease;
        self.term = changes.term;
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(crate) fn with_prefix<'m>(&'m self, prefix: &'m str) -> impl Iterator<Item = &'m Entry> {
        self.from(Bound::Included(prefix), prefix)
    }

    pub(crate) fn list(&self, prefix: &str, page: &ListPage) -> List {
        let start = match page.start_after.as_deref() {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut rest = self.from(start, prefix);
        let entries = rest.by_ref().take(page.bounded_limit()).cloned().collect();
        List { entries, revision: self.revision, more: rest.next().is_some() }
    }

    /// Gives the lease its full length from `now` on.
    pub(crate) fn renew(&mut self, lease: LeaseId, now: Time) -> Result<Duration, RegistryError> {
        let not_found = RegistryError::LeaseNotFound { lease };
        let state = self.leases.get_mut(&lease).filter(|state| state.deadline > now).ok_or(not_found)?;
        self.deadlines.remove(&(state.deadline, lease));
        state.deadline = now + state.ttl;
        self.deadlines.insert((state.deadline, lease));
        Ok(state.ttl)
    }

    /// What remains of the lease; `None` once it has ended, even if its keys are still being deleted.
    pub(crate) fn time_left(&self, lease: LeaseId, now: Time) -> Option<Duration> {
        let left = self.leases.get(&lease)?.deadline.since(now);
        (!left.is_zero()).then_some(left)
    }

    /// The leases that have ended by `now` and still hold keys or a place.
    pub(crate) fn ended_leases(&self, now: Time) -> Vec<LeaseId> {
        self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now).map(|(_, lease)| *lease).collect()
    }

    /// When the next lease ends.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    pub(crate) fn keys_of(&self, lease: LeaseId) -> impl Iterator<Item = &String> {
        self.leases.get(&lease).into_iter().flat_map(|state| &state.keys)
    }

    pub(crate) fn compact(&mut self, revision: Revision) -> Result<(), RegistryError> {
        if revision > self.revision {
            let reason = format!("cannot compact up to revision {revision}, the latest is {}", self.revision);
            return Err(RegistryError::InvalidRequest { reason });
        }
        self.history.compact(revision);
        Ok(())
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn next_lease(&self) -> u64 {
        self.next_lease
    }

    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    fn from<'m>(&'m self, start: Bound<&'m str>, prefix: &'m str) -> impl Iterator<Item = &'m Entry> {
        let range = self.entries.range::<str, _>((start, Bound::Unbounded));
        range.take_while(move |(key, _)| key.starts_with(prefix)).map(|(_, entry)| entry)
    }

    fn begin_lease(&mut self, lease: LeaseId, ttl: Duration, now: Time) {
        let deadline = now + ttl;
        self.deadlines.insert((deadline, lease));
        self.leases.insert(lease, LeaseState { ttl, deadline, keys: BTreeSet::new() });
    }

    fn set(&mut self, key: String, entry: Option<Entry>) {
        let lease = entry.as_ref().and_then(|entry| entry.lease);
        let previous = match entry {
            Some(entry) => self.entries.insert(key.clone(), entry),
            None => self.entries.remove(&key),
        };
        let previous_lease = previous.and_then(|entry| entry.lease);
        if let Some(state) = previous_lease.and_then(|lease| self.leases.get_mut(&lease)) {
            state.keys.remove(&key);
        }
        if let Some(state) = lease.and_then(|lease| self.leases.get_mut(&lease)) {
            state.keys.insert(key);
        }
    }
}
