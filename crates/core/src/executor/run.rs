//! Runs: attempts that this node has taken and not reported yet.

use super::{Owner, RunKey};
use crate::assignment::Assignment;
use crate::lookup::Lookup;
use mobula_types::{Attempt, Failure, JobId, StoredValue, TaskId, Time};

/// One attempt on this node.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) owner: Owner,
    pub(super) assignment: Assignment,
    /// Its job and the kind of task within it.
    pub(super) job: usize,
    pub(super) kind: usize,
    pub(super) phase: Phase,
    /// Where it is, once handed out.
    pub(super) worker: usize,
    pub(super) slot: u32,
    /// Its place in the order of arrival.
    pub(super) arrived: u64,
    /// What it was expected to take when it was handed out, in nanoseconds.
    pub(super) expected: u64,
    /// Bytes of its arguments that travel with it.
    pub(super) bytes: u64,
    /// When it got to the head of its slot.
    pub(super) started: Time,
    /// One behind it on its slot has ended: it is over too, and the news of that is under way.
    pub(super) overtaken: bool,
    /// Whether it waits for others.
    pub(super) wait: Wait,
    /// Its worker was asked to give it back.
    pub(super) recalled: bool,
    /// Its owner wants it back if it is given back.
    pub(super) give_back: bool,
    /// Its owner has been told already: its thread cannot be stopped, and still holds what it needs.
    pub(super) reported: bool,
    /// Why it was cancelled.
    pub(super) cancelled: Option<Failure>,
    /// When its worker is killed because of it.
    pub(super) kill_at: Time,
    /// Until when it goes on without an owner; `NEVER` for one that has its owner.
    pub(super) orphan_until: Time,
    /// Where it stands in the timers.
    pub(super) timer: Time,
}

impl Run {
    pub(super) fn new(owner: Owner, assignment: Assignment, job: usize, kind: usize, arrived: u64) -> Self {
        let inputs = assignment.inputs.iter().map(|input| match &input.value {
            StoredValue::Inline(payload) => payload.len() as u64,
            StoredValue::Stored(_) => 0,
        });
        let bytes = assignment.arguments.len() as u64 + inputs.sum::<u64>();
        Run {
            bytes,
            owner,
            assignment,
            job,
            kind,
            phase: Phase::Waiting,
            worker: usize::MAX,
            slot: 0,
            arrived,
            expected: 0,
            started: Time::NEVER,
            overtaken: false,
            wait: Wait::No,
            recalled: false,
            give_back: false,
            reported: false,
            cancelled: None,
            kill_at: Time::NEVER,
            orphan_until: Time::NEVER,
            timer: Time::NEVER,
        }
    }

    pub(super) fn is_orphan(&self) -> bool {
        self.orphan_until != Time::NEVER
    }

    /// Whether a driver of that job submitted it: its owner is the driver's home node.
    pub(super) fn is_of_driver(&self, job: JobId) -> bool {
        self.assignment.job == job && self.assignment.task.is_of_driver(job)
    }

    fn name(&self) -> (TaskId, Attempt) {
        (self.assignment.task, self.assignment.attempt)
    }
}

/// How far a run has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Waits for its turn to fetch its inputs.
    FetchQueued,
    /// Its inputs are being fetched.
    Fetching,
    /// Waits in its lane for resources and a slot.
    Waiting,
    /// Has its resources; the worker that is for it alone is being started.
    Starting,
    /// Handed to a worker: runs if it is the first of its slot, else waits there.
    Sent,
}

/// Whether a run waits for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    /// It does not.
    No,
    /// It does, and has given its CPUs back.
    Blocked,
    /// It does not any more, and wants its CPUs again.
    Resuming,
}

/// All runs. A key is the place in the table and how often that place was used, so that it is never mistaken.
#[derive(Debug)]
pub(super) struct RunTable {
    entries: Vec<Entry>,
    free: Vec<u32>,
    names: Lookup<RunKey>,
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    run: Option<Run>,
}

const INDEX_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// The name of a run that is in the table; of no other does it hold the key.
fn name_of(entries: &[Entry], key: RunKey) -> (TaskId, Attempt) {
    let run = entries[(key.0 & INDEX_MASK) as usize].run.as_ref();
    run.map_or_else(Default::default, Run::name)
}

impl RunTable {
    pub(super) fn new() -> Self {
        RunTable { entries: Vec::new(), free: Vec::new(), names: Lookup::new(0x6d6f_6275) }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no further run can be held.
    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty() && self.entries.len() as u64 > INDEX_MASK
    }

    pub(super) fn find(&self, task: TaskId, attempt: Attempt) -> Option<RunKey> {
        self.names.find(&(task, attempt), |key| name_of(&self.entries, key))
    }

    pub(super) fn insert(&mut self, run: Run) -> RunKey {
        let name = run.name();
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.entries.push(Entry { generation: 0, run: None });
                (self.entries.len() - 1) as u32
            }
        };
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.run = Some(run);
        let key = RunKey((u64::from(entry.generation) << INDEX_BITS) | u64::from(index));
        self.names.insert(&name, key, |key| name_of(&self.entries, key));
        key
    }

    pub(super) fn remove(&mut self, key: RunKey) -> Option<Run> {
        let index = (key.0 & INDEX_MASK) as usize;
        let entry = self.entries.get(index)?;
        if u64::from(entry.generation) != key.0 >> INDEX_BITS {
            return None;
        }
        let name = entry.run.as_ref()?.name();
        self.names.remove(&name, |key| name_of(&self.entries, key));
        self.free.push(index as u32);
        self.entries[index].run.take()
    }

    pub(super) fn get(&self, key: RunKey) -> Option<&Run> {
        let entry = self.entries.get((key.0 & INDEX_MASK) as usize)?;
        if u64::from(entry.generation) == key.0 >> INDEX_BITS { entry.run.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, key: RunKey) -> Option<&mut Run> {
        let entry = self.entries.get_mut((key.0 & INDEX_MASK) as usize)?;
        if u64::from(entry.generation) == key.0 >> INDEX_BITS { entry.run.as_mut() } else { None }
    }

    /// All runs, in the table's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RunKey, &Run)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| {
            let key = RunKey((u64::from(entry.generation) << INDEX_BITS) | index as u64);
            entry.run.as_ref().map(|run| (key, run))
        })
    }

    /// The keys of the runs that satisfy a condition, in the order of their arrival.
    pub(super) fn keys_where(&self, holds: impl Fn(&Run) -> bool) -> Vec<RunKey> {
        let mut found: Vec<_> =
            self.iter().filter(|(_, run)| holds(run)).map(|(key, run)| (run.arrived, key)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, key)| key).collect()
    }
}
