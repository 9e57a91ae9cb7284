//! Tasks that no executor runs: calls of actors, and creations of them. The engine records them, waits for what they need and
//! keeps what comes of them; who takes them on their way is told by effects.

use crate::calls::{NewCall, ReadyCall};
use crate::tasks::keys::TaskKey;
use crate::tasks::task::{InputHold, Phase};
use crate::tasks::{Effect, Place, TaskEngine};
use mobula_types::actor::{Caller, Target};
use mobula_types::frame::AssignmentEnd;
use mobula_types::{ActorId, Attempt, Failure, TaskId, Time};

/// Which actor a call is for, and which of its caller's calls it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallTarget {
    /// Who calls.
    pub caller: Caller,
    /// Whom.
    pub actor: ActorId,
    /// Counts the caller's calls to the actor, from 1.
    pub sequence: u64,
    /// The caller has the answers of all calls below this number.
    pub answered_below: u64,
    /// The task that makes the call, where it is one.
    pub parent: Option<TaskId>,
}

impl TaskEngine {
    /// Whether no executor runs the task.
    #[inline]
    pub(super) fn is_routed(&self, key: TaskKey) -> bool {
        self.shapes[self.tasks[key.at()].shape.at()].is_routed
    }

    /// A call was recorded: it has its place among its caller's calls from now on. `resent` where it may have run.
    pub(super) fn call_made(
        &mut self,
        key: TaskKey,
        target: CallTarget,
        resent: bool,
        effects: &mut Vec<Effect>,
    ) {
        let task = &mut self.tasks[key.at()];
        let Target::Method(options) = self.shapes[task.shape.at()].template.options.target else { return };
        task.in_lane = true;
        let (task, job) = (task.id, self.jobs[task.job.at()].id);
        let CallTarget { caller, actor, sequence, answered_below, parent: _ } = target;
        effects.push(Effect::CallMade(NewCall {
            task,
            job,
            caller,
            actor,
            sequence,
            answered_below,
            options,
            resent,
        }));
    }

    /// The task has all that it needs, and goes on its way.
    pub(super) fn route(&mut self, key: TaskKey, ticket: u64, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get(key.at()) else { return };
        if task.ticket != ticket || task.phase != Phase::Waiting {
            return;
        }
        let Some(inputs) = self.collect_inputs(key) else { return self.await_inputs(key, effects) };
        let task = &mut self.tasks[key.at()];
        task.phase = Phase::Assigned;
        task.place = Some(Place::Local);
        let template = self.shapes[task.shape.at()].template.clone();
        let (id, attempt, arguments) = (task.id, task.attempt, task.arguments.clone());
        if let Target::Method(_) = template.options.target {
            let deadline = (task.deadline != Time::NEVER).then_some(task.deadline);
            let ready = ReadyCall { task: id, attempt, template, arguments, inputs, deadline };
            effects.push(Effect::CallReady(ready));
        } else {
            let job = self.jobs[task.job.at()].id;
            effects.push(Effect::CreateActor { task: id, attempt, job, template, arguments, inputs });
        }
        self.count_assigned(key);
    }

    /// An attempt at a task that was routed is over.
    pub(super) fn routed_ended(
        &mut self,
        place: &Place,
        task: TaskId,
        attempt: Attempt,
        end: AssignmentEnd,
        effects: &mut Vec<Effect>,
    ) {
        let known = self.tasks.find(&task).filter(|key| {
            let task = &self.tasks[key.at()];
            task.attempt == attempt && task.place.is_some() && self.is_routed(*key)
        });
        let Some(key) = known else { return self.free_unclaimed(task, &end, effects) };
        self.close_assignment(key);
        self.note_borrows(place, &end, effects);
        if self.tasks[key.at()].is_ended() {
            // It was cancelled meanwhile.
            self.free_unclaimed(task, &end, effects);
            return self.drop_task_if_unused(key);
        }
        match end {
            AssignmentEnd::Ran { outcome, micros, .. } => {
                self.tasks[key.at()].in_lane = false;
                self.tasks[key.at()].feeds_actor =
                    self.is_creation(key) && self.tasks[key.at()].inputs.is_some();
                // Whoever routed it has tried as often as its caller wants.
                self.ran(key, place, outcome, false, micros, effects);
            }
            AssignmentEnd::InputsUnavailable { .. } | AssignmentEnd::InputLost { .. } => {
                self.next_attempt(key);
                self.pause(key, self.options.refusal_pause);
            }
            AssignmentEnd::Lost { failure, .. } | AssignmentEnd::CannotRun { failure } => {
                self.tasks[key.at()].in_lane = false;
                self.finish(key, mobula_types::Outcome::Failed(failure), effects);
            }
            AssignmentEnd::NoRoom { .. } | AssignmentEnd::Returned | AssignmentEnd::Superseded { .. } => {
                self.next_attempt(key);
                self.await_inputs(key, effects);
            }
        }
    }

    /// A task that was routed is over before it went on its way, or again between two tries: nobody is to wait for it.
    pub(super) fn leave_lane(&mut self, key: TaskKey, effects: &mut Vec<Effect>) {
        let task = &mut self.tasks[key.at()];
        if std::mem::take(&mut task.in_lane) && task.place.is_none() {
            effects.push(Effect::CallDropped { task: task.id });
        }
    }

    /// Has whoever took a routed task on its way stop it.
    pub(super) fn cancel_routed(
        &self,
        task: TaskId,
        attempt: Attempt,
        failure: Failure,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::CancelRouted { task, attempt, failure });
    }

    /// A task has failed: where an actor was to come of it, there is none.
    pub(super) fn creates_nothing(&self, key: TaskKey, failure: &Failure, effects: &mut Vec<Effect>) {
        if self.is_creation(key) {
            let actor = ActorId(self.tasks[key.at()].id);
            effects.push(Effect::ActorNotCreated { actor, failure: failure.clone() });
        }
    }

    fn is_creation(&self, key: TaskKey) -> bool {
        let shape = &self.shapes[self.tasks[key.at()].shape.at()];
        matches!(shape.template.options.target, Target::Constructor(_))
    }

    /// The last reference to an actor that was created here is gone.
    pub(super) fn handles_gone(&self, key: TaskKey, effects: &mut Vec<Effect>) {
        if self.is_creation(key) {
            effects.push(Effect::ActorUnreferenced { actor: ActorId(self.tasks[key.at()].id) });
        }
    }

    /// An actor that was created here is dead: what its constructor was given is not kept for it any more.
    pub(super) fn actor_over(&mut self, actor: ActorId) {
        let Some(key) = self.tasks.find(&actor.0) else { return };
        if std::mem::take(&mut self.tasks[key.at()].feeds_actor) {
            self.release_inputs(key, InputHold::None);
            self.drop_task_if_unused(key);
        }
    }
}
