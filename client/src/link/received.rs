//! What the home node has sent.

use super::io::Io;
use super::table::TaskEntry;
use crate::reference::{Handle, HeldValue, State};
use mobula_runtime::clock;
use mobula_types::{
    Failure, FailureKind, Frame, ObjectAddress, ObjectId, Outcome, ResultValue, StoredValue, TaskId,
};
use std::sync::Arc;

impl Io {
    /// Applies a batch of frames; nobody is woken before all are applied.
    pub(super) fn receive(&mut self, frames: &mut Vec<Frame>) {
        for frame in frames.drain(..) {
            match frame {
                Frame::Completed { task, outcome } => self.completed(task, outcome),
                Frame::Charged { task, charges } => {
                    if let Some(entry) = self.table.tasks.get_mut(&task) {
                        entry.past.charge(clock::now(), &charges);
                    }
                }
                Frame::Got { object, outcome } => self.got(object, outcome),
                Frame::PutDone { object, failure } => self.put_done(object, failure),
                Frame::Answered { number, answer } => self.answered(number, *answer),
                Frame::Down { key: None, down, .. } => self.down(*down),
                Frame::Published { subscription, publication } => self.published(subscription, publication),
                Frame::Observed { number, changes } => self.observed(number, changes),
                Frame::Credit { total } => self.out.raise_credit(total),
                Frame::View(delta) => {
                    let applied = self.link.view.write().apply(&delta);
                    self.link.views.announce();
                    if !applied {
                        tracing::debug!(
                            ?delta,
                            "a step of the view does not start at this one; the next full view follows"
                        );
                    }
                }
                Frame::Warning { text } => warn(&text),
                Frame::JobEnded { failure } => self.job_ended(failure),
                Frame::Draining => self.draining = true,
                other => match &self.guest {
                    Some(_) => self.guest_frames.push(other),
                    None => {
                        tracing::warn!(frame = ?other, "the home node sent a frame that is not for a driver")
                    }
                },
            }
        }
        if let Some(guest) = &mut self.guest
            && !self.guest_frames.is_empty()
        {
            guest.receive(&mut self.guest_frames);
            self.guest_frames.clear();
        }
    }

    fn completed(&mut self, task: TaskId, outcome: Outcome) {
        let Some(entry) = self.table.tasks.get_mut(&task) else { return };
        entry.ended = true;
        entry.end_call(&mut self.table.lanes);
        // The usual case: one value, in place, without references.
        if let Outcome::Value(ResultValue { value: StoredValue::Inline(payload), contained: None }) = outcome
        {
            if let Some(handle) = entry.results.first().and_then(|handle| handle.upgrade()) {
                let value = State::Value(HeldValue { payload, contained: None });
                self.announce |= handle.resolve(value, &mut self.wakers);
            }
            if entry.results.len() > 1 {
                self.fail_missing(task, 1);
            }
            return;
        }
        match outcome {
            Outcome::Value(value) => self.resolve_results(task, vec![value]),
            Outcome::Values(values) => self.resolve_results(task, values),
            Outcome::Failed(failure) => self.fail_task(task, &failure),
        }
    }

    fn resolve_results(&mut self, task: TaskId, values: Vec<ResultValue>) {
        let count = values.len();
        for (place, value) in values.into_iter().enumerate() {
            let result = |entry: &TaskEntry| entry.results.get(place)?.upgrade();
            // Made even where nobody waits any more: its references are released with it.
            let state = self.state_of(value);
            if let Some(handle) = self.table.tasks.get(&task).and_then(result) {
                self.announce |= handle.resolve(state, &mut self.wakers);
            }
        }
        self.fail_missing(task, count);
    }

    /// Fails the results that a task should have had beyond those that it returned.
    fn fail_missing(&mut self, task: TaskId, returned: usize) {
        let Some(entry) = self.table.tasks.get(&task) else { return };
        if entry.results.len() > returned {
            let missing: Vec<_> = entry.results[returned..].to_vec();
            let message =
                format!("{} results were asked for and {returned} were returned", returned + missing.len());
            self.fail(&missing, &Failure::new(FailureKind::BadValue, message));
        }
    }

    pub(super) fn fail_task(&mut self, task: TaskId, failure: &Failure) {
        let Some(entry) = self.table.tasks.get_mut(&task) else { return };
        entry.ended = true;
        entry.end_call(&mut self.table.lanes);
        // What is here stays: a task that is offered again for the sake of another one may fail.
        for handle in entry.results.iter().filter_map(|result| result.upgrade()) {
            self.announce |= handle.fail_if_pending(failure.clone(), &mut self.wakers);
        }
    }

    fn got(&mut self, object: ObjectId, outcome: Outcome) {
        if let Some(entry) = self.table.objects.get_mut(&object) {
            entry.asked = false;
        }
        let state = match outcome {
            Outcome::Value(value) => self.state_of(value),
            Outcome::Values(mut values) if values.len() == 1 => {
                values.pop().map(|value| self.state_of(value)).unwrap_or_else(|| odd_answer(object, 0))
            }
            Outcome::Values(values) => odd_answer(object, values.len()),
            Outcome::Failed(failure) => State::Failed(failure),
        };
        let mut waiting = self.table.waiting(object);
        let Some(last) = waiting.pop() else { return };
        for handle in waiting {
            if let Some(state) = state.outcome() {
                self.announce |= handle.resolve(state, &mut self.wakers);
            }
        }
        self.announce |= last.resolve(state, &mut self.wakers);
    }

    /// A value as a handle keeps it, with handles for the references inside.
    fn state_of(&mut self, value: ResultValue) -> State {
        let contained = value.contained.map(|addresses| {
            addresses.iter().map(|address| self.given(address)).collect::<Arc<[Arc<Handle>]>>()
        });
        match value.value {
            StoredValue::Inline(payload) => State::Value(HeldValue { payload, contained }),
            StoredValue::Stored(copy) => State::Stored(copy, contained),
        }
    }

    /// The handle of a reference that has just come in a value: the node counts it with each value.
    fn given(&mut self, address: &ObjectAddress) -> Arc<Handle> {
        let object = address.object;
        if let Some(handle) = self.table.find(object) {
            handle.give_again();
            return handle;
        }
        let owner = address.owner.clone().filter(|owner| *owner != self.link.home());
        let handle = Handle::given(self.link.clone(), ObjectAddress { object, owner });
        self.table.add_handle(&handle);
        handle
    }

    pub(super) fn put_done(&mut self, object: ObjectId, failure: Option<Failure>) {
        let handle = self.table.objects.get(&object).and_then(|entry| entry.handle.upgrade());
        let done = self.table.put_done(object);
        if let (Some(handle), Some(failure)) = (&handle, &failure) {
            self.announce |= handle.resolve(State::Failed(failure.clone()), &mut self.wakers);
        }
        if let Some(done) = done {
            let _nobody_waits = done.send(failure.map_or(Ok(()), Err));
        }
    }

    fn job_ended(&mut self, failure: Failure) {
        if self.guest.is_none() {
            self.ended_by = Some(failure);
        }
    }
}

fn odd_answer(object: ObjectId, count: usize) -> State {
    let message = format!("an answer with {count} values to a question for one object");
    State::Failed(Failure::new(FailureKind::Internal, message).of_object(object))
}

/// Tells the program's user, also where the program has set up no logging.
fn warn(text: &str) {
    if tracing::dispatcher::has_been_set() {
        tracing::warn!("{text}");
    } else {
        eprintln!("mobula: {text}");
    }
}
