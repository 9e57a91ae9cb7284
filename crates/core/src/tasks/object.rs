//! An object on record.

use crate::tasks::keys::{JobKey, ObjectKey, TaskKey};
use crate::tasks::{Requester, SessionKey};
use mobula_types::outcome::CopyVersion;
use mobula_types::{Failure, NodeId, ObjectId, Outcome, ResultValue, StoredValue};
use smallvec::SmallVec;

/// An object of this node, or one of another node that is referred to here.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) id: ObjectId,
    /// `NONE` for one that a worker of many jobs asked for.
    pub(super) job: JobKey,
    /// The task that makes it; `NONE` for what was put, and for another node's.
    pub(super) task: TaskKey,
    /// Values that need it: arguments of unfinished tasks, other values.
    pub(super) pins: u32,
    /// Ended tasks that may have to be run again with it.
    pub(super) lineage_pins: u32,
    pub(super) value: Value,
    pub(super) holds: SmallVec<[Hold; 1]>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) remote: Option<Box<Remote>>,
}

/// What is known of an object's value.
#[derive(Debug)]
pub(super) enum Value {
    /// It will come: its task has not ended, or its owner has not answered.
    Pending,
    /// It is there.
    Ready(ResultValue),
    /// It will never come.
    Failed(Failure),
    /// Its last copy is gone; it is made again when it is wanted.
    Lost,
    /// Nobody wants it but tasks that may have to be run again: its copies were dropped.
    Freed,
}

/// A process that holds references.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Holder(u64);

impl Holder {
    /// The thin clients of the job together.
    pub(super) const CALLS: Holder = Holder(u64::MAX);

    pub(super) fn session(session: SessionKey) -> Self {
        Holder(session.0)
    }

    /// The session, where it is one.
    pub(super) fn session_key(self) -> Option<SessionKey> {
        (self != Holder::CALLS).then_some(SessionKey(self.0))
    }

    /// Who holds on behalf of a requester; nodes borrow instead.
    pub(super) fn of(requester: &Requester) -> Option<Self> {
        match requester {
            Requester::Session(session) => Some(Holder::session(*session)),
            Requester::Call { .. } => Some(Holder::CALLS),
            Requester::Peer(_) => None,
        }
    }
}

/// How often a process was given a reference.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub(super) holder: Holder,
    pub(super) count: u32,
}

/// Who waits for a value.
#[derive(Debug)]
pub(super) enum Waiter {
    /// A task, as of that ticket.
    Task(TaskKey, u64),
    /// Somebody who asked.
    Requester(Requester),
}

/// What only some objects have.
#[derive(Default, Debug)]
pub(super) struct Remote {
    /// The node that owns it; `None` for this one.
    pub(super) owner: Option<NodeId>,
    /// Nodes that hold references to it.
    pub(super) borrowers: Vec<NodeId>,
    /// Objects that its value refers to, each pinned once.
    pub(super) contained: Vec<ObjectKey>,
    /// Found after a take-over: who held it before is not known, so the job holds it until a session lets go of it.
    pub(super) adopted: bool,
    /// Whether the owner has been asked and has not answered.
    pub(super) asked: bool,
    /// How often it was asked again because what it named was gone.
    pub(super) tries: u32,
    /// How the last copy was lost.
    pub(super) cause: Option<Failure>,
}

impl Object {
    pub(super) fn new(id: ObjectId, job: JobKey, task: TaskKey, value: Value) -> Self {
        Object {
            id,
            job,
            task,
            pins: 0,
            lineage_pins: 0,
            value,
            holds: SmallVec::new(),
            waiters: Vec::new(),
            remote: None,
        }
    }

    pub(super) fn remote_mut(&mut self) -> &mut Remote {
        self.remote.get_or_insert_default()
    }

    /// The owner, where it is another node.
    pub(super) fn owner(&self) -> Option<&NodeId> {
        self.remote.as_ref().and_then(|remote| remote.owner.as_ref())
    }

    pub(super) fn is_foreign(&self) -> bool {
        self.owner().is_some()
    }

    pub(super) fn borrowers(&self) -> &[NodeId] {
        self.remote.as_ref().map_or(&[], |remote| &remote.borrowers)
    }

    /// Whether anybody needs the value.
    #[inline]
    pub(super) fn is_needed(&self) -> bool {
        !self.holds.is_empty() || self.pins > 0 || !self.waiters.is_empty() || !self.borrowers().is_empty()
    }

    pub(super) fn add_hold(&mut self, holder: Holder) {
        match self.holds.iter_mut().find(|hold| hold.holder == holder) {
            Some(hold) if holder == Holder::CALLS => hold.count = 1,
            Some(hold) => hold.count = hold.count.saturating_add(1),
            None => self.holds.push(Hold { holder, count: 1 }),
        }
    }

    /// Takes one hold back, or all of the holder's. Says whether the holder has none left, having had one.
    pub(super) fn drop_hold(&mut self, holder: Holder, all: bool) -> bool {
        let Some(position) = self.holds.iter().position(|hold| hold.holder == holder) else {
            return false;
        };
        let hold = &mut self.holds[position];
        hold.count -= 1;
        let gone = all || hold.count == 0;
        if gone {
            self.holds.swap_remove(position);
        }
        gone
    }

    pub(super) fn add_borrower(&mut self, node: &NodeId) {
        let borrowers = &mut self.remote_mut().borrowers;
        if !borrowers.contains(node) {
            borrowers.push(node.clone());
        }
    }

    pub(super) fn drop_borrower(&mut self, node: &NodeId) {
        if let Some(remote) = &mut self.remote {
            remote.borrowers.retain(|borrower| borrower != node);
        }
    }

    /// The value or the failure, where one of them is there.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match &self.value {
            Value::Ready(value) => Some(Outcome::Value(value.clone())),
            Value::Failed(failure) => Some(Outcome::Failed(failure.clone())),
            Value::Pending | Value::Lost | Value::Freed => None,
        }
    }

    /// The value, where it is there.
    pub(super) fn ready(&self) -> Option<&StoredValue> {
        match &self.value {
            Value::Ready(value) => Some(&value.value),
            _ => None,
        }
    }

    /// The nodes whose stores hold the value.
    pub(super) fn holders(&self) -> &[NodeId] {
        match &self.value {
            Value::Ready(ResultValue { value: StoredValue::Stored(copy), .. }) => &copy.holders,
            _ => &[],
        }
    }

    /// Whether a node is on record for that version of the value.
    pub(super) fn is_held_by(&self, node: &NodeId, version: CopyVersion) -> bool {
        match &self.value {
            Value::Ready(ResultValue { value: StoredValue::Stored(copy), .. }) => {
                copy.version() == version && copy.holders.contains(node)
            }
            _ => false,
        }
    }

    /// Bytes of the value that lie in the engine itself.
    pub(super) fn inline_bytes(&self) -> u64 {
        match &self.value {
            Value::Ready(ResultValue { value: StoredValue::Inline(payload), .. }) => payload.len() as u64,
            _ => 0,
        }
    }
}
