//! The registry: keys under leases, transactions with conditions, revisions, and backups.

use mobula_types::actor::{ActorRecord, RecordChange, SpecKey, SpecRecord, SupervisorRecord};
use mobula_types::{ActorId, Generation, NodeName, NodeRecord, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What something is kept under.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Key {
    Leader,
    Incarnation,
    Floor,
    Head(usize),
    Node(NodeName),
    Alive(NodeName),
    Actor(ActorId),
    Spec(SpecKey),
    Supervisor(ActorId),
    Name(Arc<str>, Arc<str>),
}

/// What is kept.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    Number(u64),
    Node(NodeRecord),
    Alive(Generation),
    Actor(ActorRecord),
    Spec(SpecRecord),
    Supervisor(Box<SupervisorRecord>),
    Name(ActorId),
}

/// A value with its revisions and its lease.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) created: u64,
    pub(crate) modified: u64,
    pub(crate) lease: Option<u64>,
}

/// One change.
#[derive(Clone, PartialEq, Debug)]
// One world holds few of them at a time.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Operation {
    Put { key: Key, value: Value, lease: Option<u64> },
    Delete(Key),
}

impl Operation {
    pub(crate) fn key(&self) -> &Key {
        match self {
            Operation::Put { key, .. } | Operation::Delete(key) => key,
        }
    }
}

/// Changes that are made together, if all conditions hold.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Transaction {
    /// The leader's key is of this creation.
    pub(crate) leader: Option<u64>,
    /// Keys were modified last at these revisions; 0 for those that are not there.
    pub(crate) revisions: Vec<(Key, u64)>,
    pub(crate) operations: Vec<Operation>,
}

/// What the registry is asked.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    GrantLease(Duration),
    RenewLease(u64),
    RevokeLease(u64),
    Commit(Transaction),
    Get(Key),
    /// Everything.
    Read,
}

/// What it answers.
#[derive(Clone, Debug)]
// One world holds few of them at a time.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Answer {
    Lease(u64),
    Done,
    Committed(u64),
    Entry(Option<Entry>),
    Image(Box<Image>),
}

/// Why it does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// It was done, or was not, or will be.
    Unknown,
    /// A condition does not hold; whether it is the leader's.
    Conflict {
        leader: bool,
    },
    LeaseNotFound,
}

/// Everything that the registry holds at one revision.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) entries: BTreeMap<Key, Entry>,
    pub(crate) revision: u64,
}

#[derive(Clone, Debug)]
struct Lease {
    length: Duration,
    ends: Time,
}

/// The registry.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    entries: BTreeMap<Key, Entry>,
    leases: BTreeMap<u64, Lease>,
    revision: u64,
    last_lease: u64,
    /// Nodes' leases that have ended, at which revision.
    ended: Vec<(u64, NodeName)>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Registry {
            entries: BTreeMap::new(),
            leases: BTreeMap::new(),
            revision: 1,
            last_lease: 0,
            ended: Vec::new(),
        }
    }

    /// Answers a request that arrives at `now` of its clock.
    pub(crate) fn answer(&mut self, now: Time, request: Request) -> Result<Answer, Trouble> {
        match request {
            Request::GrantLease(length) => {
                self.last_lease += 1;
                self.leases.insert(self.last_lease, Lease { length, ends: now + length });
                Ok(Answer::Lease(self.last_lease))
            }
            Request::RenewLease(id) => match self.leases.get_mut(&id).filter(|lease| lease.ends > now) {
                Some(lease) => {
                    lease.ends = now + lease.length;
                    Ok(Answer::Done)
                }
                None => Err(Trouble::LeaseNotFound),
            },
            Request::RevokeLease(id) => {
                self.end_lease(id);
                Ok(Answer::Done)
            }
            Request::Commit(transaction) => self.commit(transaction),
            Request::Get(key) => Ok(Answer::Entry(self.entries.get(&key).cloned())),
            Request::Read => {
                Ok(Answer::Image(Box::new(Image { entries: self.entries.clone(), revision: self.revision })))
            }
        }
    }

    fn commit(&mut self, transaction: Transaction) -> Result<Answer, Trouble> {
        if let Some(created) = transaction.leader {
            let leads = self.entries.get(&Key::Leader).is_some_and(|entry| entry.created == created);
            if !leads {
                return Err(Trouble::Conflict { leader: true });
            }
        }
        for (key, revision) in &transaction.revisions {
            if self.entries.get(key).map_or(0, |entry| entry.modified) != *revision {
                return Err(Trouble::Conflict { leader: false });
            }
        }
        for operation in &transaction.operations {
            if let Operation::Put { lease: Some(lease), .. } = operation
                && !self.leases.contains_key(lease)
            {
                return Err(Trouble::LeaseNotFound);
            }
        }
        self.revision += 1;
        let revision = self.revision;
        for operation in transaction.operations {
            match operation {
                Operation::Put { key, value, lease } => {
                    let created = self.entries.get(&key).map_or(revision, |entry| entry.created);
                    self.entries.insert(key, Entry { value, created, modified: revision, lease });
                }
                Operation::Delete(key) => self.delete(&key),
            }
        }
        Ok(Answer::Committed(revision))
    }

    fn delete(&mut self, key: &Key) {
        if self.entries.remove(key).is_some()
            && let Key::Alive(name) = key
        {
            self.ended.push((self.revision, name.clone()));
        }
    }

    fn end_lease(&mut self, id: u64) {
        self.leases.remove(&id);
        let under = self.entries.iter().filter(|(_, entry)| entry.lease == Some(id));
        let keys: Vec<Key> = under.map(|(key, _)| key.clone()).collect();
        if !keys.is_empty() {
            self.revision += 1;
            keys.iter().for_each(|key| self.delete(key));
        }
    }

    /// Ends the leases that have run out.
    pub(crate) fn expire(&mut self, now: Time) {
        let over = self.leases.iter().filter(|(_, lease)| lease.ends <= now);
        for id in over.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_lease(id);
        }
    }

    /// When the next lease runs out, by its clock.
    pub(crate) fn next_expiry(&self) -> Time {
        self.leases.values().map(|lease| lease.ends).min().unwrap_or(Time::NEVER)
    }

    /// The nodes whose leases have ended since, with the revisions at which they did.
    pub(crate) fn ended_after(&self, revision: u64) -> Vec<(u64, NodeName)> {
        let first = self.ended.partition_point(|(at, _)| *at <= revision);
        self.ended[first..].to_vec()
    }

    /// How many ends of nodes' leases there were.
    pub(crate) fn ended(&self) -> usize {
        self.ended.len()
    }

    /// Takes the place of a registry that was lost: it counts as a later one, nobody leads in it, every lease has its whole
    /// length again, and no number is given twice.
    pub(crate) fn restored(mut self, now: Time, lost: &Registry) -> Self {
        for lease in self.leases.values_mut() {
            lease.ends = now + lease.length;
        }
        if let Some(lease) = self.entries.remove(&Key::Leader).and_then(|leader| leader.lease) {
            self.leases.remove(&lease);
        }
        let incarnation = match lost.get(&Key::Incarnation) {
            Some(Value::Number(number)) => *number,
            _ => 1,
        };
        self.revision += 1;
        let (value, revision) = (Value::Number(incarnation + 1), self.revision);
        let entry = Entry { value, created: revision, modified: revision, lease: None };
        self.entries.insert(Key::Incarnation, entry);
        // Leases are random numbers, which do not come again.
        self.last_lease = lost.last_lease;
        self
    }

    pub(crate) fn entries(&self) -> &BTreeMap<Key, Entry> {
        &self.entries
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        self.entries.get(key).map(|entry| &entry.value)
    }
}

/// A change of what is held of actors, as the registry takes it.
pub(crate) fn operation(change: RecordChange) -> Operation {
    let put = |key, value| Operation::Put { key, value, lease: None };
    match change {
        RecordChange::PutActor(record) => put(Key::Actor(record.actor), Value::Actor(*record)),
        RecordChange::DeleteActor(actor) => Operation::Delete(Key::Actor(actor)),
        RecordChange::PutSpec(record) => put(Key::Spec(record.key), Value::Spec(record)),
        RecordChange::DeleteSpec(key) => Operation::Delete(Key::Spec(key)),
        RecordChange::PutSupervisor(record) => {
            put(Key::Supervisor(record.supervisor), Value::Supervisor(record))
        }
        RecordChange::DeleteSupervisor(supervisor) => Operation::Delete(Key::Supervisor(supervisor)),
        RecordChange::PutName { namespace, name, actor } => {
            put(Key::Name(namespace, name), Value::Name(actor))
        }
        RecordChange::DeleteName { namespace, name } => Operation::Delete(Key::Name(namespace, name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_takes_its_keys_with_it_and_a_deposed_leader_writes_nothing() {
        let mut registry = Registry::new();
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        let Ok(Answer::Lease(lease)) = registry.answer(at(1), Request::GrantLease(Duration::from_secs(4)))
        else {
            unreachable!("a lease is always granted")
        };
        let put = |key, lease| Operation::Put { key, value: Value::Number(1), lease };
        let take = Transaction {
            revisions: vec![(Key::Leader, 0)],
            operations: vec![put(Key::Leader, Some(lease))],
            ..Transaction::default()
        };
        let Ok(Answer::Committed(leads)) = registry.answer(at(1), Request::Commit(take.clone())) else {
            unreachable!("nobody leads")
        };
        let again = registry.answer(at(2), Request::Commit(take));
        assert!(matches!(again, Err(Trouble::Conflict { leader: false })));
        let write = Transaction {
            leader: Some(leads),
            operations: vec![put(Key::Floor, None)],
            ..Default::default()
        };
        assert!(registry.answer(at(2), Request::Commit(write.clone())).is_ok());
        registry.expire(at(5));
        let deposed = registry.answer(at(5), Request::Commit(write));
        assert!(matches!(deposed, Err(Trouble::Conflict { leader: true })));
    }
}
