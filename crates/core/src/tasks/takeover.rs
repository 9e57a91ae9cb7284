//! After a take-over: what other nodes still have of a job is adopted before anything is run again.

use crate::tasks::keys::{Index, JobKey, ObjectKey, TaskKey};
use crate::tasks::object::{Holder, Object, Value};
use crate::tasks::task::Phase;
use crate::tasks::timers::Timer;
use crate::tasks::{Effect, Place, TaskEngine};
use mobula_types::outcome::StoredCopy;
use mobula_types::{
    Attempt, Failure, FailureKind, JobId, NodeId, NodeState, ObjectId, Outcome, ResultValue, StoredValue,
    TaskId,
};
use std::sync::Arc;

/// What is known of a job that was taken over.
#[derive(Default, Debug)]
pub(super) struct Seek {
    /// Who has not answered yet. While anybody has not, nothing of the job is freed or run again.
    waiting_for: Vec<Place>,
    /// Tasks that were offered again meanwhile.
    offered: Vec<(TaskKey, TaskId)>,
    /// Copies that nobody has claimed.
    copies: Index<ObjectId, StoredCopy>,
    /// Attempts that nobody has claimed.
    running: Index<TaskId, (Place, Attempt)>,
}

impl Seek {
    /// Waits for nobody any more.
    pub(super) fn give_up(&mut self) {
        self.waiting_for.clear();
    }
}

impl TaskEngine {
    /// Asks every node, this one too, what it has of the job.
    pub(super) fn start_seeking(&mut self, key: JobKey, effects: &mut Vec<Effect>) {
        let local = self.options.node.clone();
        let peers = self.view.nodes.values().filter(|node| node.state != NodeState::Dead && node.id != local);
        let peers = peers.map(|node| Place::Peer(node.id.clone()));
        let waiting_for: Vec<Place> = std::iter::once(Place::Local).chain(peers).collect();
        let record = &mut self.jobs[key.at()];
        let (job, owner_term) = (record.id, record.owner_term);
        for place in &waiting_for {
            effects.push(Effect::FindJob { place: place.clone(), job, owner_term });
        }
        let earlier = record.seek.take().unwrap_or_default();
        record.seek = Some(Box::new(Seek { waiting_for, ..*earlier }));
        self.timers.set(self.now + self.options.seek_timeout, Timer::StopSeeking(job));
    }

    /// Whether the nodes have yet to say what they have of the job.
    #[inline]
    pub(super) fn is_seeking(&self, job: JobKey) -> bool {
        let seek = self.jobs.get(job.at()).and_then(|job| job.seek.as_ref());
        seek.is_some_and(|seek| !seek.waiting_for.is_empty())
    }

    /// A task was offered again: it waits for the answers, or is adopted. `false` where it has to run.
    pub(super) fn seek(&mut self, key: TaskKey, effects: &mut Vec<Effect>) -> bool {
        let task = &mut self.tasks[key.at()];
        let (id, job) = (task.id, task.job);
        let Some(seek) = &mut self.jobs[job.at()].seek else { return false };
        if seek.waiting_for.is_empty() {
            return self.adopt(key, effects);
        }
        task.phase = Phase::Seeking;
        seek.offered.push((key, id));
        true
    }

    /// Takes over the results of a task, or an attempt at it, that survived elsewhere.
    fn adopt(&mut self, key: TaskKey, effects: &mut Vec<Effect>) -> bool {
        let task = &self.tasks[key.at()];
        let (id, count) = (task.id, task.results.len() as u64);
        let Some(seek) = &mut self.jobs[task.job.at()].seek else { return false };
        let results: Vec<ObjectId> = (0..count).map(|position| ObjectId::result(id, position)).collect();
        if count > 0 && results.iter().all(|result| seek.copies.contains_key(result)) {
            seek.running.swap_remove(&id);
            let copies = results.iter().filter_map(|result| seek.copies.swap_remove(result));
            let mut values: Vec<ResultValue> = copies.map(as_value).collect();
            let outcome = if count == 1 { Outcome::Value(values.remove(0)) } else { Outcome::Values(values) };
            self.finish(key, outcome, effects);
            return true;
        }
        let Some((place, attempt)) = seek.running.swap_remove(&id) else { return false };
        let task = &mut self.tasks[key.at()];
        task.phase = Phase::Assigned;
        task.place = Some(place);
        task.attempt = attempt;
        self.shapes[task.shape.at()].assigned += 1;
        true
    }

    /// A copy of something that this node should own and does not know, found after a take-over.
    pub(super) fn adopt_object(
        &mut self,
        job: JobKey,
        object: ObjectId,
        effects: &mut Vec<Effect>,
    ) -> Option<ObjectKey> {
        let copy = self.jobs.get_mut(job.at())?.seek.as_mut()?.copies.swap_remove(&object)?;
        if self.tasks.find(&object.task).is_some() {
            // A result of a task on record is the task's business.
            return None;
        }
        let mut record = Object::new(object, job, TaskKey::NONE, Value::Pending);
        record.add_hold(Holder::CALLS);
        record.remote_mut().adopted = true;
        let key = ObjectKey::new(self.objects.insert(record));
        self.object_index.insert(object, key);
        self.settle(key, Value::Ready(as_value(copy)), effects);
        Some(key)
    }

    pub(super) fn found_job(
        &mut self,
        place: Place,
        job: JobId,
        copies: Vec<(ObjectId, StoredValue)>,
        running: Vec<(TaskId, Attempt)>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(key) = self.job_index.get(&job).copied() else { return };
        let holder = self.node_of(&place).clone();
        let mut unwanted = Vec::new();
        let Some(seek) = &mut self.jobs[key.at()].seek else { return };
        for (object, value) in copies {
            let StoredValue::Stored(copy) = value else { continue };
            match seek.copies.get_mut(&object) {
                None => {
                    let copy = StoredCopy { holders: vec![holder.clone()], ..Arc::unwrap_or_clone(copy) };
                    seek.copies.insert(object, copy);
                }
                // Versions are never mixed: the first one that was found is the object.
                Some(known) if (known.length, known.checksum) != (copy.length, copy.checksum) => {
                    unwanted.push(object);
                }
                Some(known) if !known.holders.contains(&holder) => known.holders.push(holder.clone()),
                Some(_) => {}
            }
        }
        for (task, attempt) in running {
            let newer = seek.running.get(&task).is_none_or(|(_, known)| *known < attempt);
            if newer {
                seek.running.insert(task, (place.clone(), attempt));
            }
        }
        for object in unwanted {
            self.free(&holder, object, effects);
        }
        self.seek_job_without(key, &place, effects);
    }

    /// A node will not answer any more.
    pub(super) fn seek_without(&mut self, place: &Place, effects: &mut Vec<Effect>) {
        let seeking = self.jobs.iter().filter(|(_, job)| job.seek.is_some());
        let keys: Vec<JobKey> = seeking.map(|(position, _)| JobKey::new(position)).collect();
        for key in keys {
            self.seek_job_without(key, place, effects);
        }
    }

    fn seek_job_without(&mut self, key: JobKey, place: &Place, effects: &mut Vec<Effect>) {
        let Some(seek) = &mut self.jobs[key.at()].seek else { return };
        let Some(position) = seek.waiting_for.iter().position(|waiting| waiting == place) else { return };
        seek.waiting_for.remove(position);
        if seek.waiting_for.is_empty() {
            self.end_seeking(key, effects);
        }
    }

    pub(super) fn stop_seeking(&mut self, job: JobId, effects: &mut Vec<Effect>) {
        let Some(key) = self.job_index.get(&job).copied() else { return };
        if self.is_seeking(key) {
            if let Some(seek) = &mut self.jobs[key.at()].seek {
                seek.give_up();
            }
            self.end_seeking(key, effects);
        }
    }

    /// Everybody has answered, or had the time to: tasks are adopted or run, and what nobody needs is freed.
    fn end_seeking(&mut self, key: JobKey, effects: &mut Vec<Effect>) {
        let job = &mut self.jobs[key.at()];
        let Some(seek) = &mut job.seek else { return };
        let offered = std::mem::take(&mut seek.offered);
        let timer = Timer::DropFound(job.id);
        self.timers.set(self.now + self.options.grace, timer);
        for (task, id) in offered {
            let is_waiting =
                self.tasks.get(task.at()).is_some_and(|task| task.id == id && task.phase == Phase::Seeking);
            if is_waiting && !self.adopt(task, effects) {
                self.await_inputs(task, effects);
            }
        }
        let of_job = self.objects.iter().filter(|(_, object)| object.job == key);
        let objects: Vec<ObjectKey> = of_job.map(|(position, _)| ObjectKey::new(position)).collect();
        for object in objects {
            if self.objects.contains(object.at()) {
                self.drop_if_unneeded(object, effects);
            }
        }
    }

    /// What was found and claimed by nobody goes.
    pub(super) fn drop_found(&mut self, job: JobId, effects: &mut Vec<Effect>) {
        let Some(key) = self.job_index.get(&job).copied() else { return };
        if self.is_seeking(key) {
            return;
        }
        let Some(seek) = self.jobs[key.at()].seek.take() else { return };
        for (object, copy) in seek.copies {
            copy.holders.iter().for_each(|holder: &NodeId| self.free(holder, object, effects));
        }
        for (task, (place, attempt)) in seek.running {
            let failure =
                Failure::new(FailureKind::Cancelled, "the job's new owner was not offered the task again");
            effects.push(Effect::CancelAssignment { place, task, attempt, failure, force: true });
        }
    }
}

fn as_value(copy: StoredCopy) -> ResultValue {
    ResultValue { value: StoredValue::Stored(Arc::new(copy)), contained: None }
}
