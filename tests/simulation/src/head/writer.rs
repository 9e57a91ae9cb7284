//! The single writer: one transaction at a time, tied to the leadership, and tried again until its outcome is known.

use super::leader::{Leader, Over, Purpose};
use super::{Asked, Io};
use crate::message::RegistryReply;
use crate::registry::{Answer, Key, Operation, Request, Transaction, Trouble};
use mobula_types::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How many operations one transaction has at most.
const BATCH: usize = 120;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Operations that become durable together.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) operations: Vec<Operation>,
    pub(super) may_fail: bool,
    pub(super) purpose: Purpose,
}

#[derive(Debug)]
struct InFlight {
    writes: Vec<Write>,
    transaction: Transaction,
    /// Its outcome was unknown once.
    may_be_there: bool,
    /// When it is tried again; `NEVER` while the registry is asked.
    again_at: Time,
    pause: Duration,
}

/// Writes in order.
#[derive(Debug)]
pub(super) struct Writer {
    leader: u64,
    revisions: BTreeMap<Key, u64>,
    pending: VecDeque<Write>,
    in_flight: Option<InFlight>,
}

/// What became of a transaction.
enum Outcome {
    Written(Vec<Write>, u64),
    Failed(Vec<Write>),
}

impl Writer {
    pub(super) fn new(leader: u64, revisions: BTreeMap<Key, u64>) -> Self {
        Writer { leader, revisions, pending: VecDeque::new(), in_flight: None }
    }

    pub(super) fn push(&mut self, write: Write) {
        self.pending.push_back(write);
    }

    pub(super) fn next_try(&self) -> Time {
        self.in_flight.as_ref().map_or(Time::NEVER, |in_flight| in_flight.again_at)
    }

    /// Sends what waits, or tries again what is due.
    pub(super) fn start(&mut self, io: &mut Io<'_>) {
        let now = io.now();
        match &mut self.in_flight {
            Some(in_flight) if in_flight.again_at <= now => {
                in_flight.again_at = Time::NEVER;
                io.ask(Request::Commit(in_flight.transaction.clone()), Asked::Write);
            }
            Some(_) => {}
            None => {
                let writes = self.take_batch();
                if writes.is_empty() {
                    return;
                }
                let mut transaction = Transaction { leader: Some(self.leader), ..Transaction::default() };
                for operation in writes.iter().flat_map(|write| &write.operations) {
                    let revision = self.revisions.get(operation.key()).copied().unwrap_or(0);
                    transaction.revisions.push((operation.key().clone(), revision));
                    transaction.operations.push(operation.clone());
                }
                io.ask(Request::Commit(transaction.clone()), Asked::Write);
                let (again_at, pause) = (Time::NEVER, FIRST_PAUSE);
                self.in_flight = Some(InFlight { writes, transaction, may_be_there: false, again_at, pause });
            }
        }
    }

    /// The longest run of waiting writes that touches no key twice.
    fn take_batch(&mut self) -> Vec<Write> {
        let mut keys = BTreeSet::new();
        let (mut operations, mut count) = (0, 0);
        for write in &self.pending {
            operations += write.operations.len();
            let apart = write.operations.iter().all(|operation| keys.insert(operation.key().clone()));
            if count > 0 && !(operations <= BATCH && apart) {
                break;
            }
            count += 1;
        }
        self.pending.drain(..count).collect()
    }

    fn written(&mut self, revision: u64) -> Vec<Write> {
        let Some(in_flight) = self.in_flight.take() else { return Vec::new() };
        for operation in in_flight.writes.iter().flat_map(|write| &write.operations) {
            match operation {
                Operation::Put { key, .. } => drop(self.revisions.insert(key.clone(), revision)),
                Operation::Delete(key) => drop(self.revisions.remove(key)),
            }
        }
        in_flight.writes
    }

    /// Nothing was written. What must not fail stays at the head of the queue.
    fn failed(&mut self) -> Vec<Write> {
        let Some(in_flight) = self.in_flight.take() else { return Vec::new() };
        let alone = in_flight.writes.len() == 1;
        let (failed, mut kept): (Vec<Write>, VecDeque<Write>) = (Vec::new(), VecDeque::new());
        let (mut failed, writes) = (failed, in_flight.writes);
        for write in writes {
            if alone || write.may_fail { failed.push(write) } else { kept.push_back(write) }
        }
        kept.append(&mut self.pending);
        self.pending = kept;
        failed
    }
}

impl Leader {
    pub(super) fn write(&mut self, operations: Vec<Operation>, may_fail: bool, purpose: Purpose) {
        self.writer.push(Write { operations, may_fail, purpose });
    }

    pub(super) fn write_answered(&mut self, io: &mut Io<'_>, reply: RegistryReply) {
        let now = io.now();
        let Some(in_flight) = &mut self.writer.in_flight else { return };
        let outcome = match reply {
            Ok(Answer::Committed(revision)) => Outcome::Written(self.writer.written(revision), revision),
            Err(Trouble::Unknown) => {
                in_flight.may_be_there = true;
                in_flight.again_at = now + in_flight.pause;
                in_flight.pause = (in_flight.pause * 2).min(LONGEST_PAUSE);
                return;
            }
            Err(Trouble::Conflict { leader: false }) if in_flight.may_be_there => {
                return io.ask(Request::Read, Asked::Reread);
            }
            Err(Trouble::LeaseNotFound) => Outcome::Failed(self.writer.failed()),
            _ => return self.over = Some(Over::Deposed),
        };
        self.tell_outcome(io, outcome);
    }

    /// A transaction whose outcome was unknown conflicts: it is there already, or another head leads.
    pub(super) fn reread(&mut self, io: &mut Io<'_>, reply: RegistryReply) {
        let Some(in_flight) = &mut self.writer.in_flight else { return };
        let Ok(Answer::Image(image)) = reply else {
            in_flight.again_at = io.now() + in_flight.pause;
            return;
        };
        let mut revision = 0;
        let there = in_flight.transaction.operations.iter().all(|operation| match operation {
            Operation::Put { key, value, .. } => image.entries.get(key).is_some_and(|entry| {
                revision = entry.modified;
                entry.value == *value
            }),
            Operation::Delete(key) => !image.entries.contains_key(key),
        });
        if !there {
            self.over = Some(Over::Deposed);
            return;
        }
        let outcome = Outcome::Written(self.writer.written(revision), revision);
        self.tell_outcome(io, outcome);
    }

    fn tell_outcome(&mut self, io: &mut Io<'_>, outcome: Outcome) {
        match outcome {
            Outcome::Written(writes, revision) => {
                for write in writes {
                    self.purpose_written(io, write.purpose, revision);
                }
            }
            Outcome::Failed(writes) => {
                for write in writes {
                    self.purpose_failed(io, write.purpose);
                }
            }
        }
    }
}
