//! A call runs at most once unless retries were asked for, and its caller is told the truth about that.

use mobula_types::{FailureKind, Incarnation, Outcome, TaskId};
use std::collections::BTreeMap;

#[derive(Default, Debug)]
struct Known {
    retries: u32,
    begun: Vec<Incarnation>,
    /// Its caller was told of its end; whether as of one that may have run.
    ended: Option<bool>,
}

/// The calls, and where each has started.
#[derive(Default, Debug)]
pub(super) struct AtMostOnce {
    calls: BTreeMap<TaskId, Known>,
}

impl AtMostOnce {
    /// Nodes have given up what they knew of earlier calls.
    pub(super) fn restored(&mut self) {
        self.calls.values_mut().for_each(|known| known.retries = known.retries.max(1));
    }

    pub(super) fn made(&mut self, task: TaskId, retries: u32) {
        self.calls.insert(task, Known { retries, ..Known::default() });
    }

    pub(super) fn begins(&mut self, incarnation: Incarnation, task: TaskId) -> Result<(), String> {
        let Some(known) = self.calls.get_mut(&task) else { return Ok(()) };
        known.begun.push(incarnation);
        if known.begun.len() > 1 && known.retries == 0 {
            return Err(format!("call {} runs more than once: {:?}", task.low, known.begun));
        }
        if known.ended == Some(false) && known.retries == 0 {
            return Err(format!(
                "call {} runs at {incarnation}, and its caller was told that it had ended",
                task.low
            ));
        }
        Ok(())
    }

    /// It begins at an incarnation that nobody knows any more.
    pub(super) fn begins_in_vain(&mut self, incarnation: Incarnation, task: TaskId) {
        if let Some(known) = self.calls.get_mut(&task) {
            known.begun.push(incarnation);
            known.retries = known.retries.max(1);
        }
    }

    pub(super) fn ended(&mut self, task: TaskId, outcome: &Outcome) -> Result<(), String> {
        let Some(known) = self.calls.get_mut(&task) else { return Ok(()) };
        let may_have_run = matches!(outcome, Outcome::Failed(failure) if failure.detail().may_have_run);
        if known.ended.replace(may_have_run).is_some() {
            return Err(format!("call {} ends twice", task.low));
        }
        match outcome {
            Outcome::Failed(failure) => {
                let denies = failure.kind() == FailureKind::ActorDied && !failure.detail().may_have_run;
                if denies && !known.begun.is_empty() {
                    let begun = &known.begun;
                    return Err(format!(
                        "call {} ran at {begun:?}, and its caller hears: {failure:?}",
                        task.low
                    ));
                }
                Ok(())
            }
            _ if known.begun.is_empty() => Err(format!("call {} has a value and did not run", task.low)),
            _ => Ok(()),
        }
    }
}
