//! What is due when.

use crate::tasks::SessionKey;
use crate::tasks::keys::{ObjectKey, TaskKey};
use mobula_types::{JobId, NodeId, Time};
use std::collections::BTreeMap;

/// Something that is due.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Timer {
    /// The task's deadline.
    Deadline(TaskKey),
    /// The end of the task's pause.
    Pause(TaskKey),
    /// The node's borrows end, and what it owned is lost.
    ForgetNode(NodeId),
    /// What is waited for from the owner is asked for again.
    AskAgain(NodeId),
    /// The object is pinned no more for a reference that was under way to another node.
    Arrived(ObjectKey),
    /// What was held through a session that broke off is held no more.
    ForgetHolder(SessionKey),
    /// The nodes have had their time to say what they have of the job.
    StopSeeking(JobId),
    /// What was found of the job and claimed by nobody is dropped.
    DropFound(JobId),
    /// The session has waited for credit for as long as it should, since it had sent that many requests.
    Starved(SessionKey, u64),
    /// Nodes that refused may be asked again.
    Reopen,
}

/// Timers in the order in which they are due; those due at once in the order in which they were set.
#[derive(Default, Debug)]
pub(super) struct Timers {
    due: BTreeMap<(Time, u64), Timer>,
    next: u64,
}

impl Timers {
    /// Sets one; the number takes it back.
    pub(super) fn set(&mut self, at: Time, timer: Timer) -> u64 {
        self.next += 1;
        self.due.insert((at, self.next), timer);
        self.next
    }

    pub(super) fn cancel(&mut self, at: Time, number: u64) {
        self.due.remove(&(at, number));
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Time {
        self.due.first_key_value().map_or(Time::NEVER, |((at, _), _)| *at)
    }

    /// Takes one that is due.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Timer> {
        if self.next() > now {
            return None;
        }
        self.due.pop_first().map(|(_, timer)| timer)
    }

    /// How many references to an object are under way to other nodes.
    pub(super) fn arrivals(&self, object: ObjectKey) -> usize {
        self.due.values().filter(|timer| **timer == Timer::Arrived(object)).count()
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Timer) -> bool) {
        self.due.retain(|_, timer| keep(timer));
    }
}
