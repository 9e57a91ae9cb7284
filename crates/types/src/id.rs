//! Identities. What each is made of and who compares it is in `docs/architecture.md`, "Identities".

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
        pub struct $name(pub u64);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:x})", stringify!($name), self.0)
            }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                u64::from_str_radix(text, 16).map($name).map_err(|_| ParseIdError::new(stringify!($name), text))
            }
        }
    };
}

number_id!(
    /// A cluster: random, written once when its registry is first used.
    ClusterId
);
number_id!(
    /// A job: random. It grants nothing; the job of the *session* decides what may be touched.
    JobId
);
number_id!(
    /// A worker process of one node, counted by that node; never used twice in one generation.
    WorkerId
);

/// Text that is not an id of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {kind}")]
pub struct ParseIdError {
    kind: &'static str,
    text: String,
}

impl ParseIdError {
    fn new(kind: &'static str, text: &str) -> Self {
        ParseIdError { kind, text: text.chars().take(80).collect() }
    }
}

/// How often a node's name was granted anew: a restarted or fenced node is a new generation. Granted by the head.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A node's name: unique among living nodes, host name and port unless it was set.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct NodeName(pub Arc<str>);

impl NodeName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeName {
    fn from(name: &str) -> Self {
        NodeName(name.into())
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// A node: its name and the generation of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct NodeId {
    /// The name.
    pub name: NodeName,
    /// Which grant of that name.
    pub generation: Generation,
}

impl NodeId {
    /// The node of that name and generation.
    pub fn new(name: impl Into<NodeName>, generation: u64) -> Self {
        NodeId { name: name.into(), generation: Generation(generation) }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.generation)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Which leadership a head's message comes from: registry incarnation first, then the leader key's revision.
/// Every message of a head carries it, and nodes refuse lower ones.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct HeadTerm {
    /// Grows when the registry is restored from a backup.
    pub incarnation: u64,
    /// etcd: create revision of the leader's key. Embedded: a counter raised at each start.
    pub revision: u64,
}

/// What a message of some term means to whoever has heard of another one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TermHeard {
    /// The same leadership, or a later one.
    InForce,
    /// An earlier leadership: nothing of it counts.
    Outdated,
    /// A later one of a registry that was restored from a backup: what was granted since that backup may be granted again, to
    /// others.
    Restored,
}

impl HeadTerm {
    /// What a message of this term means after the highest one heard so far; the default stands for none.
    ///
    /// # Example
    /// ```
    /// use mobula_types::{HeadTerm, TermHeard};
    /// let seen = HeadTerm { incarnation: 1, revision: 7 };
    /// assert_eq!(HeadTerm { incarnation: 1, revision: 9 }.heard_after(seen), TermHeard::InForce);
    /// assert_eq!(HeadTerm { incarnation: 1, revision: 3 }.heard_after(seen), TermHeard::Outdated);
    /// assert_eq!(HeadTerm { incarnation: 2, revision: 3 }.heard_after(seen), TermHeard::Restored);
    /// assert_eq!(HeadTerm { incarnation: 2, revision: 3 }.heard_after(HeadTerm::default()), TermHeard::InForce);
    /// ```
    pub fn heard_after(self, seen: HeadTerm) -> TermHeard {
        match self {
            term if term < seen => TermHeard::Outdated,
            term if seen != HeadTerm::default() && term.incarnation > seen.incarnation => TermHeard::Restored,
            _ => TermHeard::InForce,
        }
    }
}

impl fmt::Display for HeadTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.revision)
    }
}

/// How often the ownership of a job's tasks was taken over. Raised by the driver at each take-over.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct OwnerTerm(pub u32);

/// One try at a task; compared by owner term, then by number. Effects of an older attempt are refused.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct Attempt {
    /// The term of the owner that started the attempt.
    pub owner_term: OwnerTerm,
    /// Counts from 0 within the term.
    pub number: u32,
}

/// A task. A driver's is its job and a sequence number; a nested one is a hash, so that a parent that runs again
/// finds its children again.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct TaskId {
    /// A driver's task: the job. A nested task: the upper half of the hash.
    pub high: u64,
    /// A driver's task: its sequence number, from 1. A nested task: the lower half of the hash.
    pub low: u64,
}

impl TaskId {
    /// A driver's task number `sequence` (from 1; 0 stands for the driver itself, which owns its puts).
    pub const fn of_driver(job: JobId, sequence: u64) -> Self {
        TaskId { high: job.0, low: sequence }
    }

    /// The lowest sequence number of a thin client's task. Those are owned by the node that was called, whatever becomes of
    /// the job's driver.
    pub const FIRST_OF_THIN_CLIENTS: u64 = 1 << 62;

    /// Whether it was submitted by the job's driver, or is what stands for that: its owner is the driver's home node.
    pub const fn is_of_driver(&self, job: JobId) -> bool {
        self.high == job.0 && self.low < Self::FIRST_OF_THIN_CLIENTS
    }

    /// The task with that hash.
    pub const fn from_hash(hash: u128) -> Self {
        TaskId { high: (hash >> 64) as u64, low: hash as u64 }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({:x}:{:x})", self.high, self.low)
    }
}

impl FromStr for TaskId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        u128::from_str_radix(text, 16).map(TaskId::from_hash).map_err(|_| ParseIdError::new("task id", text))
    }
}

/// In which of a task's three index spaces an object lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ObjectSpace {
    /// What the task returned.
    Result,
    /// Items of a stream that the task returned.
    StreamItem,
    /// What was put while the task ran, or by a driver.
    Put,
}

/// Which of a task's objects: a space, and a position in it. Two bits of space, 62 of position.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct ObjectIndex(u64);

impl ObjectIndex {
    const SPACE_SHIFT: u32 = 62;
    const POSITION: u64 = (1 << Self::SPACE_SHIFT) - 1;
    const ATTEMPT_SHIFT: u32 = 40;

    /// Result number `position`.
    pub const fn result(position: u64) -> Self {
        ObjectIndex(position & Self::POSITION)
    }

    /// Stream item number `position`.
    pub const fn stream_item(position: u64) -> Self {
        ObjectIndex((1 << Self::SPACE_SHIFT) | (position & Self::POSITION))
    }

    /// Put number `position` of a driver.
    pub const fn driver_put(position: u64) -> Self {
        ObjectIndex((2 << Self::SPACE_SHIFT) | (position & Self::POSITION))
    }

    /// Put number `position` of one attempt of a task: another attempt's puts are other objects.
    pub const fn task_put(attempt: Attempt, position: u64) -> Self {
        let attempt = ((attempt.owner_term.0 as u64 & 0x3ff) << 12) | (attempt.number as u64 & 0xfff);
        let position = (attempt << Self::ATTEMPT_SHIFT) | (position & ((1 << Self::ATTEMPT_SHIFT) - 1));
        ObjectIndex((2 << Self::SPACE_SHIFT) | position)
    }

    /// The index as one number, as it travels.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The index that [`to_bits`](Self::to_bits) gave, or `None` for a space that does not exist.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits >> Self::SPACE_SHIFT == 3 { None } else { Some(ObjectIndex(bits)) }
    }

    /// Of a task's put: the low bits of the attempt that made it.
    pub const fn put_attempt(self) -> Attempt {
        let bits = self.position() >> Self::ATTEMPT_SHIFT;
        Attempt { owner_term: OwnerTerm((bits >> 12) as u32), number: (bits & 0xfff) as u32 }
    }

    /// The position within its space.
    pub const fn position(self) -> u64 {
        self.0 & Self::POSITION
    }

    /// The space.
    pub const fn space(self) -> ObjectSpace {
        match self.0 >> Self::SPACE_SHIFT {
            0 => ObjectSpace::Result,
            1 => ObjectSpace::StreamItem,
            _ => ObjectSpace::Put,
        }
    }
}

impl fmt::Debug for ObjectIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}[{}]", self.space(), self.position())
    }
}

/// An object: the task that made it and an index.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct ObjectId {
    /// The task that made it.
    pub task: TaskId,
    /// Which of its objects.
    pub index: ObjectIndex,
}

impl ObjectId {
    /// Result number `position` of a task.
    pub const fn result(task: TaskId, position: u64) -> Self {
        ObjectId { task, index: ObjectIndex::result(position) }
    }

    /// Whether it is a driver's put, or a result of a driver's task: its owner is the driver's home node.
    pub fn is_of_driver(&self, job: JobId) -> bool {
        match self.index.space() {
            // What a task puts is owned by the node that runs it.
            ObjectSpace::Put => self.task == TaskId::of_driver(job, 0),
            ObjectSpace::Result | ObjectSpace::StreamItem => self.task.is_of_driver(job),
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:016x}", self.task, self.index.0)
    }
}

impl FromStr for ObjectId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let error = || ParseIdError::new("object id", text);
        let (task, index) = text.split_at_checked(32).ok_or_else(error)?;
        let index = u64::from_str_radix(index, 16).ok().and_then(ObjectIndex::from_bits).ok_or_else(error)?;
        Ok(ObjectId { task: task.parse()?, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse() {
        let task = TaskId::of_driver(JobId(0xabc), 7);
        assert_eq!(task.to_string().parse(), Ok(task));
        let object = ObjectId { task, index: ObjectIndex::driver_put(9) };
        assert_eq!(object.to_string().parse(), Ok(object));
        assert!("zz".parse::<ObjectId>().is_err());
        assert!("".parse::<TaskId>().is_err());
    }

    #[test]
    fn a_drivers_own_are_told_apart() {
        let job = JobId(7);
        let task = TaskId::of_driver(job, 3);
        assert!(task.is_of_driver(job) && ObjectId::result(task, 0).is_of_driver(job));
        assert!(!task.is_of_driver(JobId(8)));
        assert!(!TaskId::of_driver(job, TaskId::FIRST_OF_THIN_CLIENTS).is_of_driver(job));
        assert!(!TaskId::from_hash(9 << 64).is_of_driver(job));
        let put = |task| ObjectId { task, index: ObjectIndex::driver_put(1) };
        assert!(put(TaskId::of_driver(job, 0)).is_of_driver(job));
        assert!(!put(task).is_of_driver(job), "a put of the task is its node's");
    }

    #[test]
    fn spaces_do_not_overlap() {
        let attempt = Attempt { owner_term: OwnerTerm(1), number: 2 };
        assert_eq!(ObjectIndex::result(3).space(), ObjectSpace::Result);
        assert_eq!(ObjectIndex::stream_item(3).space(), ObjectSpace::StreamItem);
        assert_eq!(ObjectIndex::task_put(attempt, 3).space(), ObjectSpace::Put);
        assert_ne!(ObjectIndex::task_put(attempt, 3), ObjectIndex::task_put(Attempt::default(), 3));
        assert_eq!(ObjectIndex::task_put(attempt, 3).put_attempt(), attempt);
        assert_eq!(ObjectIndex::from_bits(u64::MAX), None);
    }

    #[test]
    fn attempts_compare_by_owner_term_first() {
        let old = Attempt { owner_term: OwnerTerm(0), number: 9 };
        let new = Attempt { owner_term: OwnerTerm(1), number: 0 };
        assert!(new > old);
    }
}
