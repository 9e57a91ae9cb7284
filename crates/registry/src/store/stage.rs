//! A round of requests on top of a store's state, not yet durable. Pure, as the machine is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mobula_types::Time;

use super::changes::Changes;
use super::machine::StoreMachine;
use crate::entry::{Entry, Lease, LeaseId, Revision};
use crate::error::RegistryError;
use crate::transaction::{Committed, Condition, EntryRevisions, Operation, Transaction};
use crate::watch::{WatchBatch, WatchEvent};

/// Requests see what earlier ones of the same round did; nobody else does.
#[derive(Debug)]
pub(crate) struct Stage<'m> {
    machine: &'m StoreMachine,
    now: Time,
    changed: bool,
    changes: Changes,
}

impl<'m> Stage<'m> {
    pub(crate) fn new(machine: &'m StoreMachine, now: Time) -> Self {
        let changes = Changes {
            sequence: machine.sequence() + 1,
            revision: machine.revision(),
            next_lease: machine.next_lease(),
            term: machine.term(),
            entries: BTreeMap::new(),
            leases: BTreeMap::new(),
            batches: Vec::new(),
        };
        Stage { machine, now, changed: false, changes }
    }

    /// Applies a valid transaction if its conditions hold.
    pub(crate) fn commit(&mut self, transaction: Transaction) -> Result<Committed, RegistryError> {
        self.check(&transaction.conditions)?;
        for operation in &transaction.operations {
            if let Operation::Put { lease: Some(lease), .. } = operation {
                self.check_lease(*lease)?;
            }
        }
        let revision = self.changes.revision.next();
        let mut events = Vec::with_capacity(transaction.operations.len());
        for operation in transaction.operations {
            match operation {
                Operation::Put { key, value, lease } => {
                    let create_revision = self.get(&key).map_or(revision, |entry| entry.create_revision);
                    let entry = Entry { key, value, create_revision, mod_revision: revision, lease };
                    events.push(WatchEvent::Put(entry));
                }
                Operation::Delete { key } => events.extend(self.deletion(key, revision)),
                Operation::DeletePrefix { prefix } => {
                    let keys = self.keys_with_prefix(&prefix);
                    events.extend(keys.into_iter().filter_map(|key| self.deletion(key, revision)));
                }
            }
        }
        self.record(events);
        Ok(Committed { revision: self.changes.revision })
    }

    /// Grants a lease; it begins when the round is applied.
    pub(crate) fn grant(&mut self, ttl: Duration) -> Lease {
        let id = LeaseId::new(self.changes.next_lease);
        self.changes.next_lease += 1;
        self.changes.leases.insert(id, Some(ttl));
        self.changed = true;
        Lease { id, ttl }
    }

    /// Ends a lease that has not ended yet, and deletes its keys.
    pub(crate) fn revoke(&mut self, lease: LeaseId) -> Result<(), RegistryError> {
        self.check_lease(lease)?;
        self.end(lease);
        Ok(())
    }

    /// Ends a lease, whatever time remains of it, and deletes its keys.
    pub(crate) fn end(&mut self, lease: LeaseId) {
        let revision = self.changes.revision.next();
        let staged = self.changes.entries.keys().chain(self.machine.keys_of(lease));
        let keys: BTreeSet<_> = staged.filter(|key| self.lease_of(key) == Some(lease)).cloned().collect();
        let events = keys.into_iter().filter_map(|key| self.deletion(key, revision)).collect();
        self.record(events);
        self.changes.leases.insert(lease, None);
        self.changed = true;
    }

    /// Raises the term and answers it.
    pub(crate) fn raise_term(&mut self) -> u64 {
        self.changes.term += 1;
        self.changed = true;
        self.changes.term
    }

    /// What the round changes; `None` where it changes nothing.
    pub(crate) fn finish(self) -> Option<Changes> {
        self.changed.then_some(self.changes)
    }

    fn check(&self, conditions: &[Condition]) -> Result<(), RegistryError> {
        for condition in conditions {
            let found = self.get(condition.key()).map(EntryRevisions::from);
            if !condition.holds(found) {
                return Err(RegistryError::Conflict { condition: condition.clone(), found });
            }
        }
        Ok(())
    }

    fn check_lease(&self, lease: LeaseId) -> Result<(), RegistryError> {
        let alive = match self.changes.leases.get(&lease) {
            Some(staged) => staged.is_some(),
            None => self.machine.time_left(lease, self.now).is_some(),
        };
        if alive { Ok(()) } else { Err(RegistryError::LeaseNotFound { lease }) }
    }

    fn get(&self, key: &str) -> Option<&Entry> {
        match self.changes.entries.get(key) {
            Some(staged) => staged.as_ref(),
            None => self.machine.get(key),
        }
    }

    fn lease_of(&self, key: &str) -> Option<LeaseId> {
        self.get(key).and_then(|entry| entry.lease)
    }

    fn keys_with_prefix(&self, prefix: &str) -> BTreeSet<String> {
        let staged = self.changes.entries.range(prefix.to_owned()..).map(|(key, _)| key);
        let staged = staged.take_while(|key| key.starts_with(prefix));
        staged.chain(self.machine.with_prefix(prefix).map(|entry| &entry.key)).cloned().collect()
    }

    fn deletion(&self, key: String, revision: Revision) -> Option<WatchEvent> {
        self.get(&key)?;
        Some(WatchEvent::Delete { key, revision })
    }

    /// Takes in the events of the next revision; without any there is none. A key deleted by two prefixes counts once.
    fn record(&mut self, mut events: Vec<WatchEvent>) {
        let mut seen = BTreeSet::new();
        events.retain(|event| seen.insert(event.key().to_owned()));
        if events.is_empty() {
            return;
        }
        for event in &events {
            let (key, entry) = match event {
                WatchEvent::Put(entry) => (&entry.key, Some(entry.clone())),
                WatchEvent::Delete { key, .. } => (key, None),
            };
            self.changes.entries.insert(key.clone(), entry);
        }
        self.changes.revision = self.changes.revision.next();
        self.changes.batches.push(WatchBatch {
            revision: self.changes.revision,
            events,
            resynchronised: false,
        });
        self.changed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> StoreMachine {
        StoreMachine::new(1024 * 1024)
    }

    fn run<T>(machine: &mut StoreMachine, now: Time, request: impl FnOnce(&mut Stage<'_>) -> T) -> T {
        let mut stage = Stage::new(machine, now);
        let answer = request(&mut stage);
        if let Some(changes) = stage.finish() {
            machine.apply(changes, now);
        }
        answer
    }

    #[test]
    fn requests_of_a_round_see_each_other_and_nobody_else_does() {
        let mut machine = machine();
        let mut stage = Stage::new(&machine, Time::ZERO);
        let put = || Transaction::new().when(Condition::KeyAbsent("/k".to_owned())).put("/k", "v");
        assert_eq!(stage.commit(put()).map(|committed| committed.revision.get()), Ok(1));
        assert!(matches!(stage.commit(put()), Err(RegistryError::Conflict { found: Some(_), .. })));
        assert!(machine.get("/k").is_none());
        let changes = stage.finish().expect("one put");
        assert_eq!(changes.batches.len(), 1);
        machine.apply(changes, Time::ZERO);
        assert_eq!(machine.get("/k").map(|entry| entry.create_revision.get()), Some(1));
    }

    #[test]
    fn what_changes_nothing_has_no_revision() {
        let machine = machine();
        let mut stage = Stage::new(&machine, Time::ZERO);
        let nothing = stage.commit(Transaction::new().delete("/absent").delete_prefix("/absent/"));
        assert_eq!(nothing, Ok(Committed { revision: Revision::ZERO }));
        assert_eq!(stage.finish(), None);
    }

    #[test]
    fn a_lease_takes_its_keys_with_it_but_not_those_it_lost() {
        let mut machine = machine();
        let ttl = Duration::from_secs(1);
        let lease = run(&mut machine, Time::ZERO, |stage| stage.grant(ttl)).id;
        run(&mut machine, Time::ZERO, |stage| {
            let put = Transaction::new().put_leased("/a", "1", lease).put_leased("/b", "1", lease);
            stage.commit(put.put_leased("/c", "1", lease)).expect("a living lease");
            stage.commit(Transaction::new().put("/b", "2").delete("/c")).expect("no conditions");
        });
        let late = Time::ZERO + ttl;
        assert_eq!(machine.ended_leases(late), [lease]);
        assert_eq!(machine.renew(lease, late), Err(RegistryError::LeaseNotFound { lease }));
        run(&mut machine, late, |stage| stage.end(lease));
        let keys: Vec<_> = machine.with_prefix("/").map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["/b"]);
        assert_eq!((machine.keys_of(lease).count(), machine.next_deadline()), (0, None));
    }

    #[test]
    fn a_key_put_again_is_a_new_one() {
        let mut machine = machine();
        run(&mut machine, Time::ZERO, |stage| {
            stage.commit(Transaction::new().put("/k", "1")).expect("no conditions");
            stage.commit(Transaction::new().put("/k", "2")).expect("no conditions");
            let entry = stage.get("/k").map(EntryRevisions::from).unwrap_or_default();
            assert_eq!((entry.create_revision.get(), entry.mod_revision.get()), (1, 2));
            stage.commit(Transaction::new().delete("/k")).expect("no conditions");
            stage.commit(Transaction::new().put("/k", "3")).expect("no conditions");
        });
        assert_eq!(machine.get("/k").map(|entry| entry.create_revision.get()), Some(4));
    }
}
