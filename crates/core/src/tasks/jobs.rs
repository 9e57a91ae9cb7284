//! Jobs that open and end on this node.

use crate::tasks::engine::Step;
use crate::tasks::job::Job;
use crate::tasks::keys::{JobKey, ObjectKey, ShapeKey, TaskKey};
use crate::tasks::object::Waiter;
use crate::tasks::task::InputHold;
use crate::tasks::timers::Timer;
use crate::tasks::{Effect, Requester, TaskEngine};
use mobula_types::{Failure, JobId, Outcome, OwnerTerm};

impl TaskEngine {
    pub(super) fn job_opened(
        &mut self,
        id: JobId,
        has_executable: bool,
        weight: u32,
        owner_term: OwnerTerm,
        effects: &mut Vec<Effect>,
    ) {
        let key = match self.job_index.get(&id) {
            Some(key) => *key,
            None => {
                let key = JobKey::new(self.jobs.insert(Job::new(id)));
                self.job_index.insert(id, key);
                key
            }
        };
        let job = &mut self.jobs[key.at()];
        job.has_executable = has_executable;
        job.weight = weight.max(1);
        self.capacity += 1;
        if owner_term > job.owner_term && self.homes.note(id, owner_term, self.options.node.clone()) {
            let before = std::mem::replace(&mut job.owner_term, owner_term);
            self.start_seeking(key, effects);
            if owner_term.0 - before.0 > 1 {
                // Another node may have owned the tasks meanwhile, and this one has not heard of it.
                self.forget_driver_tasks(key, effects);
            }
        }
    }

    /// Everything of the job goes, at once.
    pub(super) fn job_ended(&mut self, id: JobId, failure: &Failure, effects: &mut Vec<Effect>) {
        let Some(key) = self.job_index.get(&id).copied() else { return };
        self.stop_assignments(key, failure, effects);
        self.answer_waiters(key, failure, effects);
        self.clear_objects(key, effects);
        self.clear_tasks(key);
        let shapes = self.shapes.iter().filter(|(_, shape)| shape.job == key);
        let shapes: Vec<ShapeKey> = shapes.map(|(position, _)| ShapeKey::new(position)).collect();
        for shape in shapes {
            self.shapes.remove(shape.at());
        }
        self.ready_jobs.retain(|ready| ready.0.1 != key);
        if let Some(seek) = &mut self.jobs[key.at()].seek {
            seek.give_up();
        }
        self.drop_found(id, effects);
        self.jobs.remove(key.at());
        self.job_index.swap_remove(&id);
        self.homes.forget(id);
        self.timers
            .retain(|timer| !matches!(timer, Timer::StopSeeking(job) | Timer::DropFound(job) if *job == id));
    }

    /// What runs of the job is ended. Its reports will be refused.
    fn stop_assignments(&mut self, job: JobKey, failure: &Failure, effects: &mut Vec<Effect>) {
        for key in self.tasks_of(job) {
            let task = &self.tasks[key.at()];
            let (id, attempt, was_ended) = (task.id, task.attempt, task.is_ended());
            if let Some(place) = self.close_assignment(key)
                && !was_ended
            {
                let failure = failure.clone();
                effects.push(Effect::CancelAssignment { place, task: id, attempt, failure, force: true });
            }
        }
    }

    fn tasks_of(&self, job: JobKey) -> Vec<TaskKey> {
        let of_job = self.tasks.iter().filter(|(_, task)| task.job == job);
        of_job.map(|(position, _)| TaskKey::new(position)).collect()
    }

    fn objects_of(&self, job: JobKey) -> Vec<ObjectKey> {
        let of_job = self.objects.iter().filter(|(_, object)| object.job == job);
        of_job.map(|(position, _)| ObjectKey::new(position)).collect()
    }

    /// Calls, peers and workers that wait for an object of the job are answered.
    fn answer_waiters(&mut self, job: JobKey, failure: &Failure, effects: &mut Vec<Effect>) {
        for key in self.objects_of(job) {
            let object = &mut self.objects[key.at()];
            let id = object.id;
            for waiter in std::mem::take(&mut object.waiters) {
                let Waiter::Requester(requester) = waiter else { continue };
                let is_open = match &requester {
                    Requester::Session(session) => self.sessions.contains_key(session),
                    _ => true,
                };
                if is_open {
                    let outcome = Outcome::Failed(failure.clone().of_object(id));
                    effects.push(Effect::Got { requester, object: id, outcome });
                }
            }
        }
    }

    fn clear_objects(&mut self, job: JobKey, effects: &mut Vec<Effect>) {
        let keys = self.objects_of(job);
        for key in &keys {
            self.free_everywhere(*key, effects);
        }
        for key in &keys {
            // Pins on objects of the same job go with these.
            if let Some(remote) = self.objects[key.at()].remote.as_mut() {
                let contained = std::mem::take(&mut remote.contained);
                let others = contained.into_iter().filter(|inner| self.objects[inner.at()].job != job);
                let others: Vec<ObjectKey> = others.collect();
                self.steps.extend(others.into_iter().map(Step::Unpin));
            }
        }
        for key in self.tasks_of(job) {
            self.drop_foreign_inputs(key, job);
        }
        let is_of_job = |object: &ObjectKey| self.objects[object.at()].job == job;
        self.timers.retain(|timer| !matches!(timer, Timer::Arrived(object) if is_of_job(object)));
        for session in self.sessions.values_mut() {
            session.held.retain(|object| self.objects[object.at()].job != job);
        }
        for key in keys {
            let object = self.objects.remove(key.at());
            if object.task.is_none() {
                self.object_index.swap_remove(&object.id);
            }
        }
    }

    /// Drops every copy of an object, or this node's borrow of it.
    fn free_everywhere(&mut self, key: ObjectKey, effects: &mut Vec<Effect>) {
        let object = &self.objects[key.at()];
        let id = object.id;
        let (job, bytes) = (object.job, object.inline_bytes());
        self.drop_bytes(job, bytes);
        let object = &self.objects[key.at()];
        match object.owner().cloned() {
            Some(owner) if !self.is_lost(&owner) => self.unborrow(owner, id, effects),
            Some(_) => {}
            None => {
                for node in self.objects[key.at()].holders().to_vec() {
                    self.free(&node, id, effects);
                }
            }
        }
    }

    /// Gives up inputs that belong to no job: they outlive this one.
    fn drop_foreign_inputs(&mut self, key: TaskKey, job: JobKey) {
        let Some(inputs) = self.tasks[key.at()].inputs.as_mut() else { return };
        let hold = inputs.hold;
        let keys = inputs.keys.iter().chain(&inputs.contained).filter(|input| !input.is_none());
        let others = keys.filter(|input| self.objects[input.at()].job != job);
        for input in others {
            match hold {
                InputHold::Pinned => self.steps.push_back(Step::Unpin(*input)),
                InputHold::Lineage => self.steps.push_back(Step::UnpinLineage(*input)),
                InputHold::None => {}
            }
        }
    }

    fn clear_tasks(&mut self, job: JobKey) {
        let keys = self.tasks_of(job);
        for key in &keys {
            self.leave_lineage(*key);
            let task = &self.tasks[key.at()];
            let (job, cost) = (task.job, task.cost);
            self.drop_bytes(job, cost);
            let task = &self.tasks[key.at()];
            self.families.swap_remove(&task.id);
            if let Some(parent) = task.kinship.as_ref().map(|kinship| kinship.parent) {
                self.families.swap_remove(&parent);
            }
            let task = &self.tasks[key.at()];
            if task.phase == crate::tasks::task::Phase::Queued {
                self.queued -= 1;
                self.queued_single -= usize::from(task.single);
            }
        }
        let is_of_job = |key: &TaskKey| self.tasks.get(key.at()).is_some_and(|task| task.job == job);
        self.timers
            .retain(|timer| !matches!(timer, Timer::Deadline(task) | Timer::Pause(task) if is_of_job(task)));
        for key in keys {
            self.tasks.remove(key);
        }
    }
}
