//! A task that is known is submitted again.

use crate::tasks::engine::Step;
use crate::tasks::keys::{ObjectKey, TaskKey};
use crate::tasks::object::{Object, Value};
use crate::tasks::submit::Submission;
use crate::tasks::task::Phase;
use crate::tasks::{Effect, Requester, SessionKey, TaskEngine};
use mobula_types::summary::TaskState;
use mobula_types::{Failure, FailureKind, ObjectId, Outcome, ResultValue};

impl TaskEngine {
    /// A task that is known was submitted again: by a parent that runs again, by a driver that offers it again, or by two
    /// calls that are equal.
    pub(super) fn attach(&mut self, key: TaskKey, submission: Submission, effects: &mut Vec<Effect>) {
        if let Some(parent) = submission.parent {
            self.claim(key, parent);
        }
        for position in 0..self.tasks[key.at()].results.len() {
            let result = self.result_again(key, position);
            self.hold(result, &submission.requester);
        }
        let session = match submission.requester {
            Requester::Session(session) => Some(session),
            _ => None,
        };
        match self.tasks[key.at()].phase {
            Phase::Ended(TaskState::Succeeded) => self.attach_to_success(key, session, effects),
            Phase::Ended(_) if submission.parent.is_some() => {
                self.tasks[key.at()].submitters.extend(session);
                self.run_anew(key, submission, effects);
            }
            Phase::Ended(_) => {
                let failure = self.failure_of(key);
                if let Some(session) = session {
                    let task = submission.task;
                    effects.push(Effect::Completed { session, task, outcome: Outcome::Failed(failure) });
                }
            }
            _ => self.tasks[key.at()].submitters.extend(session),
        }
    }

    /// The object of a result, made again where nobody held it any more.
    fn result_again(&mut self, key: TaskKey, position: usize) -> ObjectKey {
        let task = &self.tasks[key.at()];
        let known = task.results[position];
        if !known.is_none() {
            return known;
        }
        let value = match task.phase {
            Phase::Ended(TaskState::Succeeded) => Value::Freed,
            Phase::Ended(_) => Value::Failed(self.failure_of(key)),
            _ => Value::Pending,
        };
        let id = ObjectId::result(self.tasks[key.at()].id, position as u64);
        let job = self.tasks[key.at()].job;
        let object = ObjectKey::new(self.objects.insert(Object::new(id, job, key, value)));
        self.tasks[key.at()].results[position] = object;
        object
    }

    fn attach_to_success(&mut self, key: TaskKey, session: Option<SessionKey>, effects: &mut Vec<Effect>) {
        let results = self.tasks[key.at()].results.clone();
        let has_failed = |object: &ObjectKey| matches!(self.objects[object.at()].value, Value::Failed(_));
        if results.iter().any(has_failed) {
            if let Some(session) = session {
                let outcome = Outcome::Failed(self.failure_of(key));
                self.complete(session, key, outcome, effects);
            }
            return;
        }
        let missing = |object: &ObjectKey| !matches!(self.objects[object.at()].value, Value::Ready(_));
        if let Some(lost) = results.iter().copied().find(missing) {
            self.tasks[key.at()].submitters.extend(session);
            self.steps.push_back(Step::Recover(lost));
            return;
        }
        let Some(session) = session else { return };
        let value = |object: &ObjectKey| match &self.objects[object.at()].value {
            Value::Ready(value) => Some(value.clone()),
            _ => None,
        };
        let mut values: Vec<ResultValue> = results.iter().filter_map(value).collect();
        let outcome = match values.len() {
            1 => Outcome::Value(values.remove(0)),
            _ => Outcome::Values(values),
        };
        self.complete(session, key, outcome, effects);
    }

    /// A nested task that failed is run again for a parent that runs again.
    fn run_anew(&mut self, key: TaskKey, submission: Submission, effects: &mut Vec<Effect>) {
        // What still runs of it was cancelled; its report will be refused.
        self.close_assignment(key);
        let shape = self.shape_of(self.tasks[key.at()].job, &submission.template);
        let task = &mut self.tasks[key.at()];
        let earlier = std::mem::replace(&mut task.shape, shape);
        task.phase = Phase::Waiting;
        (task.retries, task.refusals) = (0, 0);
        task.arguments = submission.arguments;
        task.deadline = submission.deadline;
        let results = task.results.clone();
        let earlier_shape = &mut self.shapes[earlier.at()];
        earlier_shape.tasks -= 1;
        earlier_shape.ended -= 1;
        self.shapes[shape.at()].tasks += 1;
        for result in results {
            // One that is there outlived the failure of a later run.
            if !matches!(self.objects[result.at()].value, Value::Ready(_)) {
                self.objects[result.at()].value = Value::Pending;
            }
        }
        self.next_attempt(key);
        let extras = submission.extras.map(|extras| *extras).unwrap_or_default();
        self.set_inputs(key, extras.references, extras.contained, effects);
        self.set_deadline(key);
        self.await_inputs(key, effects);
    }

    /// The failure of a task that has failed.
    pub(super) fn failure_of(&self, key: TaskKey) -> Failure {
        let task = &self.tasks[key.at()];
        let failed = task.results.iter().filter(|result| !result.is_none()).find_map(|result| {
            match &self.objects[result.at()].value {
                Value::Failed(failure) => Some(failure.clone()),
                _ => None,
            }
        });
        failed.unwrap_or_else(|| {
            Failure::new(FailureKind::Cancelled, "the task ended before its result was asked for")
        })
    }
}
