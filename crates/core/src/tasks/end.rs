//! What the end of an attempt means.

use crate::tasks::keys::{ObjectKey, TaskKey};
use crate::tasks::object::Value;
use crate::tasks::task::{InputHold, Phase};
use crate::tasks::timers::Timer;
use crate::tasks::{Effect, Place, SessionKey, TaskEngine};
use mobula_types::frame::AssignmentEnd;
use mobula_types::summary::{JobSummary, TaskState};
use mobula_types::{
    Attempt, Failure, FailureKind, NodeId, ObjectAddress, ObjectId, Outcome, OwnerTerm, ResultValue,
    StoredValue, TaskId, Time,
};
use std::time::Duration;

impl TaskEngine {
    pub(super) fn ended(
        &mut self,
        place: Place,
        task_id: TaskId,
        attempt: Attempt,
        end: AssignmentEnd,
        effects: &mut Vec<Effect>,
    ) {
        if self.tasks.find(&task_id).is_some_and(|key| self.is_routed(key)) {
            return self.routed_ended(&place, task_id, attempt, end, effects);
        }
        let known = self.tasks.find(&task_id).filter(|key| {
            let task = &self.tasks[key.at()];
            task.attempt == attempt && task.place.as_ref() == Some(&place)
        });
        let Some(key) = known else {
            if !self.keep_end(&place, task_id, attempt, &end) {
                self.free_unclaimed(task_id, &end, effects);
            }
            return;
        };
        if let AssignmentEnd::Superseded { owner, owner_term } = &end {
            return self.superseded(key, owner, *owner_term, effects);
        }
        self.close_assignment(key);
        self.note_borrows(&place, &end, effects);
        if self.tasks[key.at()].is_ended() {
            // It was cancelled meanwhile.
            self.free_unclaimed(task_id, &end, effects);
            self.drop_task_if_unused(key);
            return;
        }
        match end {
            AssignmentEnd::Ran { outcome, retryable, micros, .. } => {
                self.ran(key, &place, outcome, retryable, micros, effects);
            }
            AssignmentEnd::NoRoom { queued } => self.refused(key, &place, queued),
            AssignmentEnd::Returned => self.enqueue(key, true),
            AssignmentEnd::Lost { failure, charged } => {
                let shape = self.tasks[key.at()].shape;
                let at_most_once = self.shapes[shape.at()].template.options.max_retries == 0;
                if charged || at_most_once {
                    self.retry_or_fail(key, failure, effects);
                } else {
                    self.next_attempt(key);
                    self.enqueue(key, true);
                }
            }
            AssignmentEnd::InputLost { object, version, holder } => {
                let reporter = self.node_of(&place).clone();
                self.copy_lost(&holder, &reporter, object, version, effects);
                self.await_inputs(key, effects);
            }
            AssignmentEnd::InputsUnavailable { failure } => {
                self.inputs_unavailable(key, &place, failure, effects);
            }
            AssignmentEnd::CannotRun { failure } => self.cannot_run(key, &place, failure, effects),
            AssignmentEnd::Superseded { .. } => {}
        }
    }

    /// A node knows a later owner of the driver's tasks: they are given up to it. Where this node is that owner again, the
    /// attempt is of an earlier term of its own, and another one follows.
    fn superseded(&mut self, key: TaskKey, owner: &NodeId, owner_term: OwnerTerm, effects: &mut Vec<Effect>) {
        let (id, job) = (self.tasks[key.at()].id, self.jobs[self.tasks[key.at()].job.at()].id);
        self.taken_over(job, owner, owner_term, effects);
        if let Some(key) = self.tasks.find(&id) {
            self.close_assignment(key);
            if self.tasks[key.at()].is_ended() {
                return self.drop_task_if_unused(key);
            }
            self.next_attempt(key);
            self.pause(key, self.options.refusal_pause);
        }
    }

    pub(super) fn ran(
        &mut self,
        key: TaskKey,
        place: &Place,
        outcome: Outcome,
        retryable: bool,
        micros: u32,
        effects: &mut Vec<Effect>,
    ) {
        let task = &self.tasks[key.at()];
        let task_id = task.id;
        let shape = &mut self.shapes[task.shape.at()];
        shape.estimate.add(micros);
        let returns = shape.template.options.num_returns as usize;
        match &outcome {
            Outcome::Failed(failure) if retryable => {
                return self.retry_or_fail(key, failure.clone(), effects);
            }
            Outcome::Failed(_) => return self.finish(key, outcome, effects),
            Outcome::Value(_) if returns == 1 => {}
            Outcome::Values(values) if values.len() == returns => {}
            _ => {
                let count = outcome.values().map_or(0, <[_]>::len);
                let text = format!(
                    "the task returned {count} values and was submitted with num_returns = {returns}"
                );
                let failure = Failure::new(FailureKind::BadValue, text).of_task(task.id, shape.name.clone());
                self.free_unclaimed_outcome(task_id, &outcome, effects);
                return self.finish(key, Outcome::Failed(failure), effects);
            }
        }
        let outcome = match place {
            Place::Local => outcome,
            Place::Peer(node) => with_owner(outcome, node),
        };
        self.finish(key, outcome, effects);
    }

    /// The attempt is gone: another one after a pause, or the failure is the task's.
    pub(super) fn retry_or_fail(&mut self, key: TaskKey, failure: Failure, effects: &mut Vec<Effect>) {
        let task = &mut self.tasks[key.at()];
        let max_retries = self.shapes[task.shape.at()].template.options.max_retries;
        if task.retries >= max_retries {
            return self.finish(key, Outcome::Failed(failure), effects);
        }
        let pause = {
            let doubled = self.options.retry_backoff.saturating_mul(1 << task.retries.min(20));
            doubled.min(self.options.retry_backoff_limit)
        };
        self.charge(key, effects);
        self.next_attempt(key);
        let pause = self.scattered(pause);
        self.pause(key, pause);
    }

    /// Half of a pause, and up to another half: what became unavailable to many at once is not asked for by all of them at
    /// once.
    pub(super) fn scattered(&mut self, pause: Duration) -> Duration {
        let half = pause / 2;
        let most = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_nanos(self.draw() % most)
    }

    /// The task queues again after a while.
    pub(super) fn pause(&mut self, key: TaskKey, length: Duration) {
        let at = self.now + length;
        let number = self.timers.set(at, Timer::Pause(key));
        let task = &mut self.tasks[key.at()];
        task.phase = Phase::Paused;
        task.pause = (at, number);
    }

    pub(super) fn pause_over(&mut self, key: TaskKey, effects: &mut Vec<Effect>) {
        self.tasks[key.at()].pause = (Time::NEVER, 0);
        self.await_inputs(key, effects);
    }

    /// The node had no room: another one is asked; after some, the task queues here for a while.
    fn refused(&mut self, key: TaskKey, place: &Place, queued: u64) {
        let node = self.node_of(place).clone();
        self.placement.refused(&node, queued);
        if !self.reopening {
            self.reopening = true;
            self.timers.set(self.now + self.options.refusal_pause, Timer::Reopen);
        }
        let max_refusals = self.options.max_refusals;
        let task = &mut self.tasks[key.at()];
        task.refusals += 1;
        let history = task.history.get_or_insert_default();
        if task.refusals < max_refusals {
            if !history.avoid.contains(&node) {
                history.avoid.push(node);
            }
            self.enqueue(key, true);
        } else {
            history.forgive();
            task.refusals = 0;
            self.pause(key, self.options.refusal_pause);
        }
    }

    /// The node does not get workers for the task started. It has not begun, so that the others are tried; where none of
    /// those that could run it can, that is its end.
    fn cannot_run(&mut self, key: TaskKey, place: &Place, failure: Failure, effects: &mut Vec<Effect>) {
        let node = self.node_of(place).clone();
        let history = self.tasks[key.at()].history.get_or_insert_default();
        if !history.unable.contains(&node) {
            history.unable.push(node.clone());
            if !history.avoid.contains(&node) {
                history.avoid.push(node);
            }
            return self.enqueue(key, true);
        }
        // Nodes to be avoided are chosen only where there is no other.
        if history.avoid.iter().all(|avoided| history.unable.contains(avoided)) {
            return self.finish(key, Outcome::Failed(failure), effects);
        }
        history.forgive();
        self.pause(key, self.options.refusal_pause);
    }

    /// The task is over.
    pub(super) fn finish(&mut self, key: TaskKey, outcome: Outcome, effects: &mut Vec<Effect>) {
        let outcome = self.as_recovery(key, outcome);
        let ending = match &outcome {
            Outcome::Failed(failure) if failure.kind() == FailureKind::Cancelled => TaskState::Cancelled,
            Outcome::Failed(_) => TaskState::Failed,
            Outcome::Value(_) | Outcome::Values(_) => TaskState::Succeeded,
        };
        self.leave_phase(key);
        self.leave_lane(key, effects);
        if let Outcome::Failed(failure) = &outcome {
            self.creates_nothing(key, failure, effects);
        }
        self.count_end(key, ending, &outcome);
        let task = &mut self.tasks[key.at()];
        let id = task.id;
        let mut submitters = std::mem::take(&mut task.submitters);
        self.settle_results(key, &outcome, effects);
        if let Some(last) = submitters.pop() {
            for session in submitters {
                self.complete(session, key, outcome.clone(), effects);
            }
            self.complete(last, key, outcome, effects);
        }
        self.end_inputs(key, ending);
        if !self.families.is_empty() {
            self.parent_over(id, key);
        }
        // Only now, so that the record outlives its results up to here.
        let task = &mut self.tasks[key.at()];
        task.phase = Phase::Ended(ending);
        task.recovering = false;
        self.shapes[task.shape.at()].ended += 1;
        self.drop_task_if_unused(key);
    }

    /// Takes back what the phase that ends had set up: timers, a place in a queue.
    pub(super) fn leave_phase(&mut self, key: TaskKey) {
        let task = &mut self.tasks[key.at()];
        if task.deadline_timer != 0 {
            self.timers.cancel(task.deadline, task.deadline_timer);
            task.deadline_timer = 0;
        }
        match task.phase {
            Phase::Queued => self.withdraw(key),
            Phase::Paused => self.timers.cancel(task.pause.0, task.pause.1),
            Phase::Assigned => self.count_unassigned(key),
            Phase::Seeking | Phase::Waiting | Phase::Ended(_) => {}
        }
        self.tasks[key.at()].phase = Phase::Waiting;
    }

    fn settle_results(&mut self, key: TaskKey, outcome: &Outcome, effects: &mut Vec<Effect>) {
        let count = self.tasks[key.at()].results.len();
        for position in 0..count {
            let result = self.tasks[key.at()].results[position];
            let value = match outcome {
                Outcome::Failed(failure) => Value::Failed(failure.clone()),
                Outcome::Value(value) => Value::Ready(value.clone()),
                Outcome::Values(values) => Value::Ready(values[position].clone()),
            };
            if !result.is_none() && matches!(self.objects[result.at()].value, Value::Pending) {
                self.settle(result, value, effects);
            } else {
                self.free_extra(result, key, position, &value, effects);
            }
        }
    }

    /// A value that nobody holds, or that was there already: its new copies are dropped.
    fn free_extra(
        &mut self,
        result: ObjectKey,
        key: TaskKey,
        position: usize,
        value: &Value,
        effects: &mut Vec<Effect>,
    ) {
        let Value::Ready(ResultValue { value: StoredValue::Stored(copy), .. }) = value else { return };
        let kept: &[NodeId] = if result.is_none() { &[] } else { self.objects[result.at()].holders() };
        let extra: Vec<NodeId> = copy.holders.iter().filter(|node| !kept.contains(node)).cloned().collect();
        let object = ObjectId::result(self.tasks[key.at()].id, position as u64);
        for node in extra {
            self.free(&node, object, effects);
        }
    }

    /// Tells a session that a task of its own has ended, and gives it the references in the values.
    pub(super) fn complete(
        &mut self,
        session: SessionKey,
        key: TaskKey,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        if !self.sessions.contains_key(&session) {
            return;
        }
        let task = &self.tasks[key.at()];
        let (id, job) = (task.id, task.job);
        self.give(session, job, &outcome, effects);
        effects.push(Effect::Completed { session, task: id, outcome });
    }

    /// What it takes to run the task again is kept where a result is stored and could be lost; else its inputs go.
    fn end_inputs(&mut self, key: TaskKey, ending: TaskState) {
        let keep = ending == TaskState::Succeeded && self.has_stored_result(key);
        let task = &mut self.tasks[key.at()];
        if keep {
            self.enter_lineage(key);
        } else if task.feeds_actor && ending == TaskState::Succeeded {
            task.arguments = mobula_types::Payload::EMPTY;
        } else {
            task.feeds_actor = false;
            task.arguments = mobula_types::Payload::EMPTY;
            self.release_inputs(key, InputHold::None);
            self.tasks[key.at()].inputs = None;
        }
        self.recount(key);
    }

    fn has_stored_result(&self, key: TaskKey) -> bool {
        let task = &self.tasks[key.at()];
        let stored =
            |result: &ObjectKey| !result.is_none() && !self.objects[result.at()].holders().is_empty();
        task.results.iter().any(stored) && self.shapes[task.shape.at()].template.options.max_retries > 0
    }

    fn count_end(&mut self, key: TaskKey, ending: TaskState, outcome: &Outcome) {
        let task = &self.tasks[key.at()];
        if task.recovering {
            return;
        }
        let shape = &mut self.shapes[task.shape.at()];
        let name = &shape.name;
        let job = &mut self.jobs[task.job.at()];
        // Entries are never taken out, so that a position once found stays right.
        let position = *shape.summary.get_or_insert_with(|| {
            let is_new = !job.ended.contains_key(name) && job.ended.len() >= JobSummary::FUNCTION_LIMIT;
            let entry = job.ended.entry(if is_new { "…".into() } else { name.clone() });
            let position = entry.index();
            entry.or_default();
            position
        });
        let counts = &mut job.ended[position];
        match ending {
            TaskState::Succeeded => counts.succeeded += 1,
            TaskState::Cancelled => counts.cancelled += 1,
            _ => counts.failed += 1,
        }
        let failure = match outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Value(_) | Outcome::Values(_) => None,
        };
        if let Some(failure) = failure.filter(|_| ending == TaskState::Failed) {
            job.note_failure(self.now, task.id, name.clone(), failure.clone());
        }
        self.note_end(key, ending, failure);
    }

    /// Fails a task that has not ended, if its ticket is still that one.
    pub(super) fn fail(&mut self, key: TaskKey, ticket: u64, failure: Failure, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get(key.at()) else { return };
        if task.ticket == ticket && !task.is_ended() {
            let name = self.shapes[task.shape.at()].name.clone();
            let failure = failure.of_task(task.id, name);
            self.finish(key, Outcome::Failed(failure), effects);
        }
    }

    /// Drops what an attempt stored that counts no more.
    pub(super) fn free_unclaimed(&mut self, task: TaskId, end: &AssignmentEnd, effects: &mut Vec<Effect>) {
        if let AssignmentEnd::Ran { outcome, .. } = end {
            self.free_unclaimed_outcome(task, outcome, effects);
        }
    }

    /// Drops the copies in an outcome that are not the ones on record.
    fn free_unclaimed_outcome(&mut self, task: TaskId, outcome: &Outcome, effects: &mut Vec<Effect>) {
        for (position, value) in outcome.values().unwrap_or_default().iter().enumerate() {
            let StoredValue::Stored(copy) = &value.value else { continue };
            let object = ObjectId::result(task, position as u64);
            let known = self.lookup(object);
            for node in &copy.holders {
                let is_kept = known.is_some_and(|key| self.objects[key.at()].holders().contains(node));
                if !is_kept {
                    self.free(node, object, effects);
                }
            }
        }
    }

    /// Registers the node that ran a task as the borrower of what its processes still hold, before the task lets go of
    /// it. What a third node owns is kept here until the node has had the time to register with that one.
    pub(super) fn note_borrows(&mut self, place: &Place, end: &AssignmentEnd, effects: &mut Vec<Effect>) {
        if let (Place::Peer(node), AssignmentEnd::Ran { borrows, .. }) = (place, end) {
            for object in borrows {
                self.hand(node, &ObjectAddress::at_home(*object), effects);
            }
        }
    }
}

/// Names the owner of references that came from a peer and belong to it.
pub(super) fn with_owner(mut outcome: Outcome, node: &NodeId) -> Outcome {
    let name_owner = |value: &mut ResultValue| {
        let Some(contained) = &value.contained else { return };
        if contained.iter().any(|address| address.owner.is_none()) {
            let owned = |address: &ObjectAddress| ObjectAddress {
                object: address.object,
                owner: Some(address.owner.clone().unwrap_or_else(|| node.clone())),
            };
            value.contained = Some(contained.iter().map(owned).collect());
        }
    };
    match &mut outcome {
        Outcome::Value(value) => name_owner(value),
        Outcome::Values(values) => values.iter_mut().for_each(name_owner),
        Outcome::Failed(_) => {}
    }
    outcome
}
