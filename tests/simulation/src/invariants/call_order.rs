//! The calls of one caller to one incarnation start in the order in which they were made, each at an incarnation that it
//! was sent to. Calls that may be retried may run after later ones.

use mobula_types::{ActorId, Epoch, Incarnation, JobId, TaskId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
struct Made {
    job: JobId,
    actor: ActorId,
    sequence: u64,
    retries: u32,
    sent: BTreeSet<Epoch>,
}

/// The calls that were made, and the last one of each caller that has started at an incarnation.
#[derive(Default, Debug)]
pub(super) struct CallOrder {
    made: BTreeMap<TaskId, Made>,
    last: BTreeMap<(Incarnation, JobId), u64>,
}

impl CallOrder {
    /// Epochs may come again.
    pub(super) fn restored(&mut self) {
        self.last.clear();
    }

    pub(super) fn made(&mut self, task: TaskId, job: JobId, actor: ActorId, sequence: u64, retries: u32) {
        self.made.insert(task, Made { job, actor, sequence, retries, sent: BTreeSet::new() });
    }

    pub(super) fn target_of(&self, task: TaskId) -> Option<ActorId> {
        self.made.get(&task).map(|made| made.actor)
    }

    pub(super) fn sent(&mut self, task: TaskId, epoch: Epoch) {
        if let Some(made) = self.made.get_mut(&task) {
            made.sent.insert(epoch);
        }
    }

    pub(super) fn begins(&mut self, incarnation: Incarnation, task: TaskId) -> Result<(), String> {
        let Some(made) = self.made.get(&task) else { return Ok(()) };
        let low = task.low;
        if made.actor != incarnation.actor || !made.sent.contains(&incarnation.epoch) {
            return Err(format!("call {low} starts at {incarnation}, and was not sent there"));
        }
        if made.retries > 0 {
            return Ok(());
        }
        let last = self.last.entry((incarnation, made.job)).or_default();
        if made.sequence <= *last {
            let sequence = made.sequence;
            return Err(format!(
                "call {low} is number {sequence} of its caller at {incarnation}, after {last}"
            ));
        }
        *last = made.sequence;
        Ok(())
    }
}
