//! Cancels and deadlines.

use crate::tasks::engine::Step;
use crate::tasks::keys::TaskKey;
use crate::tasks::{Effect, Requester, TaskEngine};
use mobula_types::{Failure, FailureKind, ObjectAddress, ObjectSpace, Outcome, TaskId};

impl TaskEngine {
    pub(super) fn cancel(
        &mut self,
        requester: &Requester,
        address: &ObjectAddress,
        force: bool,
        recursive: bool,
        effects: &mut Vec<Effect>,
    ) {
        let object = address.object;
        if object.index.space() != ObjectSpace::Result {
            return;
        }
        if let Some(key) = self.tasks.find(&object.task) {
            let job = self.jobs[self.tasks[key.at()].job.at()].id;
            if self.may_touch(requester, job) {
                let failure = Failure::new(FailureKind::Cancelled, "it was cancelled by its user");
                self.cancel_task(key, failure, force, recursive, effects);
            }
            return;
        }
        let known = self.lookup(object).and_then(|key| self.objects[key.at()].owner().cloned());
        let owner = known.or_else(|| address.owner.clone()).filter(|owner| !self.is_local(owner));
        if let Some(owner) = owner
            && !matches!(requester, Requester::Peer(_))
        {
            effects.push(Effect::CancelRemote { owner, object, force, recursive });
        }
    }

    /// Ends a task now. What runs of it is told to stop; its report changes nothing any more.
    pub(super) fn cancel_task(
        &mut self,
        key: TaskKey,
        failure: Failure,
        force: bool,
        recursive: bool,
        effects: &mut Vec<Effect>,
    ) {
        let task = &self.tasks[key.at()];
        if task.is_ended() {
            return;
        }
        let (id, attempt) = (task.id, task.attempt);
        let failure = failure.of_task(id, self.shapes[task.shape.at()].name.clone());
        if let (true, Some(place)) = (self.is_assigned(key), task.place.clone()) {
            let failure = failure.clone();
            if self.is_routed(key) {
                self.cancel_routed(id, attempt, failure, effects);
            } else {
                effects.push(Effect::CancelAssignment { place, task: id, attempt, failure, force });
            }
        }
        if recursive {
            self.cancel_children(id, &failure, force);
        }
        self.finish(key, Outcome::Failed(failure), effects);
    }

    /// Cancels the unfinished children of a task, which may be another node's.
    pub(super) fn cancel_children(&mut self, parent: TaskId, failure: &Failure, force: bool) {
        for child in self.children_of(parent) {
            let task = self.tasks[child.at()].id;
            let text = format!("its parent {parent} was cancelled");
            let failure = Failure::new(failure.kind(), text);
            self.steps.push_back(Step::Cancel { task, failure, force });
        }
    }

    pub(super) fn cancel_tree(
        &mut self,
        task: TaskId,
        failure: Failure,
        force: bool,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(key) = self.tasks.find(&task) {
            self.cancel_task(key, failure, force, true, effects);
        }
    }

    pub(super) fn deadline_passed(&mut self, key: TaskKey, effects: &mut Vec<Effect>) {
        let task = &mut self.tasks[key.at()];
        task.deadline_timer = 0;
        let after = task.deadline.since(task.submitted);
        let failure = Failure::new(
            FailureKind::DeadlineExceeded,
            format!("its deadline, {} ms after it was submitted, has passed", after.as_millis()),
        );
        self.cancel_task(key, failure, true, true, effects);
    }
}
