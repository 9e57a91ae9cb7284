//! Who waits for a value, and who is told.

use crate::tasks::engine::Step;
use crate::tasks::keys::{JobKey, ObjectKey, TaskKey};
use crate::tasks::object::{Object, Value, Waiter};
use crate::tasks::task::Phase;
use crate::tasks::{Effect, Requester, SessionKey, TaskEngine};
use mobula_types::{
    ArgumentShape, Failure, FailureKind, JobId, NodeId, ObjectAddress, ObjectId, Outcome, ResultValue,
};

impl TaskEngine {
    /// Queues a task whose inputs are there; else it waits for those that are missing.
    pub(super) fn await_inputs(&mut self, key: TaskKey, effects: &mut Vec<Effect>) {
        if self.tasks[key.at()].inputs.is_none() {
            return self.enqueue(key, false);
        }
        let ticket = self.new_ticket();
        let task = &mut self.tasks[key.at()];
        task.phase = Phase::Waiting;
        task.ticket = ticket;
        let mut missing = 0;
        for position in 0..self.tasks[key.at()].inputs.as_ref().map_or(0, |inputs| inputs.keys.len()) {
            let Some(inputs) = &self.tasks[key.at()].inputs else { break };
            let reference = &inputs.references[position];
            if reference.shape == ArgumentShape::EmptyVec {
                continue;
            }
            let object = inputs.keys[position];
            if object.is_none() {
                let failure = dependency_failed(position, not_held(reference.address.object));
                self.steps.push_back(Step::Fail(key, ticket, failure));
                return;
            }
            match &self.objects[object.at()].value {
                Value::Ready(_) => {}
                Value::Failed(failure) => {
                    let failure = dependency_failed(position, failure.clone());
                    self.steps.push_back(Step::Fail(key, ticket, failure));
                    return;
                }
                _ => {
                    missing += 1;
                    self.add_waiter(object, Waiter::Task(key, ticket), effects);
                }
            }
        }
        if let Some(inputs) = &mut self.tasks[key.at()].inputs {
            inputs.missing = missing;
        }
        if missing == 0 {
            self.enqueue(key, false);
        }
    }

    /// Somebody waits for a value that is not there: it is asked for, or made again.
    fn add_waiter(&mut self, key: ObjectKey, waiter: Waiter, effects: &mut Vec<Effect>) {
        let tasks = &self.tasks;
        let sessions = &self.sessions;
        let object = &mut self.objects[key.at()];
        let count = object.waiters.len();
        if count >= 64 && count.is_power_of_two() {
            let mut seen: Vec<Requester> = Vec::new();
            object.waiters.retain(|waiter| match waiter {
                Waiter::Task(task, ticket) => tasks.get(task.at()).is_some_and(|task| task.ticket == *ticket),
                Waiter::Requester(requester) => {
                    let is_open = match requester {
                        Requester::Session(session) => sessions.contains_key(session),
                        _ => true,
                    };
                    let is_new = !seen.contains(requester);
                    if is_new {
                        seen.push(requester.clone());
                    }
                    is_open && is_new
                }
            });
        }
        object.waiters.push(waiter);
        match object.value {
            Value::Lost | Value::Freed => self.steps.push_back(Step::Recover(key)),
            _ => self.ask_owner(key, effects),
        }
    }

    /// Asks the owner of another node's object for its value, unless it has been asked.
    pub(super) fn ask_owner(&mut self, key: ObjectKey, effects: &mut Vec<Effect>) {
        let object = &mut self.objects[key.at()];
        let id = object.id;
        if let Some(remote) = &mut object.remote
            && let Some(owner) = &remote.owner
            && !remote.asked
        {
            remote.asked = true;
            effects.push(Effect::Resolve { owner: owner.clone(), object: id });
        }
    }

    /// An object has its value, or its failure: who waited is told.
    pub(super) fn settle(&mut self, key: ObjectKey, value: Value, effects: &mut Vec<Effect>) {
        self.release_contents(key);
        if let Value::Ready(ResultValue { contained: Some(contained), .. }) = &value {
            let contained = contained.clone();
            let job = self.objects[key.at()].job;
            let keys: Vec<ObjectKey> =
                contained.iter().filter_map(|address| self.locate(job, address, effects)).collect();
            keys.iter().for_each(|inner| self.objects[inner.at()].pins += 1);
            self.objects[key.at()].remote_mut().contained = keys;
        }
        let object = &mut self.objects[key.at()];
        object.value = value;
        let (job, bytes) = (object.job, object.inline_bytes());
        self.hold_bytes(job, bytes);
        let object = &self.objects[key.at()];
        if !object.waiters.is_empty() {
            self.wake(key, effects);
        }
        self.drop_if_unneeded(key, effects);
    }

    fn wake(&mut self, key: ObjectKey, effects: &mut Vec<Effect>) {
        let waiters = std::mem::take(&mut self.objects[key.at()].waiters);
        for waiter in waiters {
            match waiter {
                Waiter::Task(task, ticket) => self.wake_task(key, task, ticket),
                Waiter::Requester(requester) => {
                    if let Some(outcome) = self.objects[key.at()].outcome() {
                        self.answer(requester, key, outcome, effects);
                    }
                }
            }
        }
    }

    fn wake_task(&mut self, object: ObjectKey, key: TaskKey, ticket: u64) {
        let Some(task) = self.tasks.get_mut(key.at()) else { return };
        if task.ticket != ticket || task.phase != Phase::Waiting {
            return;
        }
        let Some(inputs) = &mut task.inputs else { return };
        match &self.objects[object.at()].value {
            Value::Failed(failure) => {
                let position = inputs.keys.iter().position(|input| *input == object).unwrap_or(0);
                let failure = dependency_failed(position, failure.clone());
                self.steps.push_back(Step::Fail(key, ticket, failure));
            }
            _ => {
                inputs.missing -= 1;
                if inputs.missing == 0 {
                    self.enqueue(key, false);
                }
            }
        }
    }

    pub(super) fn wanted(
        &mut self,
        requester: Requester,
        address: &ObjectAddress,
        effects: &mut Vec<Effect>,
    ) {
        let object = address.object;
        let job = self.job_of(&requester).and_then(|job| self.job_index.get(&job).copied());
        let known = match &requester {
            Requester::Peer(_) => self.lookup(object),
            _ => self.locate(job.unwrap_or(JobKey::NONE), address, effects),
        };
        let Some(key) = known else {
            let outcome = Outcome::Failed(not_held(object));
            effects.push(Effect::Got { requester, object, outcome });
            return;
        };
        if let Some(failure) = self.forbidden(&requester, key) {
            effects.push(Effect::Got { requester, object, outcome: Outcome::Failed(failure) });
            return;
        }
        match &requester {
            Requester::Peer(node) if !self.objects[key.at()].is_foreign() && !self.is_lost(node) => {
                self.objects[key.at()].add_borrower(node);
            }
            Requester::Call { .. } => self.hold(key, &requester),
            _ => {}
        }
        match self.objects[key.at()].outcome() {
            Some(outcome) => self.answer(requester, key, outcome, effects),
            None => self.add_waiter(key, Waiter::Requester(requester), effects),
        }
    }

    /// Somebody does not wait any more. What calls hold they hold together, until one of them releases it: the one that
    /// asks next finds it still there.
    pub(super) fn withdrawn(&mut self, requester: &Requester, object: ObjectId, effects: &mut Vec<Effect>) {
        let Some(key) = self.lookup(object) else { return };
        let waiters = &mut self.objects[key.at()].waiters;
        let is_it = |waiter: &Waiter| matches!(waiter, Waiter::Requester(waiting) if waiting == requester);
        if let Some(position) = waiters.iter().position(is_it) {
            waiters.remove(position);
            self.drop_if_unneeded(key, effects);
        }
    }

    /// Why the requester may not have the object: it belongs to another job than the session.
    fn forbidden(&self, requester: &Requester, key: ObjectKey) -> Option<Failure> {
        let object = &self.objects[key.at()];
        let job: JobId = self.jobs.get(object.job.at()).map(|job| job.id)?;
        if self.may_touch(requester, job) {
            return None;
        }
        let text = format!("object {} belongs to another job", object.id);
        Some(Failure::new(FailureKind::PermissionDenied, text).of_object(object.id))
    }

    /// Sends a value, with the references in it.
    fn answer(&mut self, requester: Requester, key: ObjectKey, outcome: Outcome, effects: &mut Vec<Effect>) {
        let object: &Object = &self.objects[key.at()];
        let (id, job) = (object.id, object.job);
        match &requester {
            Requester::Session(session) if self.sessions.contains_key(session) => {
                self.give(*session, job, &outcome, effects);
            }
            Requester::Session(_) => return,
            Requester::Peer(node) => {
                let node = node.clone();
                for address in contained_in(&outcome) {
                    self.hand(&node, &address, effects);
                }
            }
            Requester::Call { .. } => {}
        }
        effects.push(Effect::Got { requester, object: id, outcome });
    }

    /// Gives a session the references in values that it is sent.
    pub(super) fn give(
        &mut self,
        session: SessionKey,
        job: JobKey,
        outcome: &Outcome,
        effects: &mut Vec<Effect>,
    ) {
        for value in outcome.values().unwrap_or_default() {
            for address in value.contained.iter().flat_map(|contained| contained.iter()) {
                if let Some(object) = self.locate(job, address, effects) {
                    self.hold(object, &Requester::Session(session));
                }
            }
        }
    }

    /// An owner has answered.
    pub(super) fn resolved(
        &mut self,
        owner: &NodeId,
        object: ObjectId,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        let Some(key) = self.object_index.get(&object).copied() else { return };
        let Some(remote) = &mut self.objects[key.at()].remote else { return };
        if remote.owner.as_ref() != Some(owner) {
            return;
        }
        remote.asked = false;
        if !matches!(self.objects[key.at()].value, Value::Pending) {
            return;
        }
        let value = match crate::tasks::end::with_owner(outcome, owner) {
            Outcome::Value(value) => Value::Ready(value),
            Outcome::Failed(failure) => Value::Failed(failure),
            Outcome::Values(values) => {
                let text = format!("{owner} answered with {} values for one object", values.len());
                Value::Failed(Failure::new(FailureKind::Internal, text).of_object(object))
            }
        };
        self.settle(key, value, effects);
    }
}

/// The references in all values of an outcome.
fn contained_in(outcome: &Outcome) -> Vec<ObjectAddress> {
    let values = outcome.values().unwrap_or_default().iter();
    values.flat_map(|value| value.contained.iter().flat_map(|contained| contained.iter().cloned())).collect()
}

/// How many causes a failed dependency carries along; of longer chains only the root.
const MAX_CAUSES: usize = 8;

fn dependency_failed(position: usize, cause: Failure) -> Failure {
    let chain = std::iter::successors(Some(&cause), |failure| failure.detail().cause.as_ref());
    let cause =
        if chain.take(MAX_CAUSES + 1).count() > MAX_CAUSES { cause.root_cause().clone() } else { cause };
    let text = format!("what reference {position} among its arguments stands for failed");
    Failure::new(FailureKind::DependencyFailed, text).caused_by(cause)
}

fn not_held(object: ObjectId) -> Failure {
    let text =
        format!("object {object} is not known here: its last reference was released, or it was never made");
    Failure::new(FailureKind::ObjectLost, text).of_object(object)
}
