//! After a take-over: what other nodes still have of a job is adopted before anything is run again.

use crate::tasks::keys::{JobKey, ObjectKey, TaskKey};
use crate::tasks::object::{Holder, Object, Value};
use crate::tasks::seek::Seek;
use crate::tasks::task::{Phase, Task};
use crate::tasks::timers::Timer;
use crate::tasks::{Effect, Place, TaskEngine};
use mobula_types::frame::{AssignmentEnd, FoundJob, Progress, Reoffer};
use mobula_types::{
    Attempt, Failure, FailureKind, JobId, NodeId, NodeState, ObjectId, Outcome, ResultValue, StoredValue,
    Strategy, TaskId,
};

/// How many losses of a task that is offered again are looked at: more than are ever needed.
const MOST_LOSSES: usize = 64;

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
        self.claim_objects(key);
        self.raise_attempts(key);
    }

    /// What processes here refer to of the driver's was another node's: it is this one's now, and is known once the
    /// driver has offered it again, or a copy was found.
    fn claim_objects(&mut self, key: JobKey) {
        let job = self.jobs[key.at()].id;
        let foreign =
            self.objects.iter().filter(|(_, object)| object.is_foreign() && object.id.is_of_driver(job));
        let keys: Vec<ObjectKey> = foreign.map(|(position, _)| ObjectKey::new(position)).collect();
        for object_key in keys {
            let object = &mut self.objects[object_key.at()];
            let (before, bytes) = (std::mem::replace(&mut object.job, key), object.inline_bytes());
            self.drop_bytes(before, bytes);
            self.hold_bytes(key, bytes);
            let remote = self.objects[object_key.at()].remote_mut();
            (remote.owner, remote.asked) = (None, false);
        }
    }

    /// Attempts that have yet to be handed out are of the new term: those of an older one are refused.
    fn raise_attempts(&mut self, key: JobKey) {
        let owner_term = self.jobs[key.at()].owner_term;
        let of_job = |(_, task): &(usize, &Task)| task.job == key && task.place.is_none();
        let keys: Vec<usize> = self.tasks.iter().filter(of_job).map(|(position, _)| position).collect();
        for position in keys {
            self.tasks[position].attempt.owner_term = owner_term;
        }
    }

    /// Whether the nodes have yet to say what they have of the job.
    #[inline]
    pub(super) fn is_seeking(&self, job: JobKey) -> bool {
        let seek = self.jobs.get(job.at()).and_then(|job| job.seek.as_ref());
        seek.is_some_and(|seek| !seek.waiting_for.is_empty())
    }

    /// What was found, and may still be claimed, of the job whose driver made a task or an object of this name.
    pub(super) fn found_of_driver(&mut self, task: TaskId) -> Option<(JobKey, &mut Seek)> {
        let job = JobId(task.high);
        let key = *self.job_index.get(&job).filter(|_| task.is_of_driver(job))?;
        Some((key, self.jobs[key.at()].seek.as_mut()?))
    }

    /// A task was offered again: it waits for the answers, or it is decided what becomes of it.
    pub(super) fn offered_again(&mut self, key: TaskKey, reoffer: Reoffer, effects: &mut Vec<Effect>) {
        let Reoffer { progress, charges, outcome } = reoffer;
        let now = self.now;
        let task = &mut self.tasks[key.at()];
        let (id, job) = (task.id, task.job);
        task.retries = charges.retries;
        if !charges.losses.is_empty() {
            let losses = charges.losses.into_iter().take(MOST_LOSSES).map(|ago| now.before(ago)).collect();
            task.history.get_or_insert_default().losses = losses;
        }
        if let Some(outcome) = outcome.filter(|outcome| self.is_whole(key, outcome)) {
            return self.ended_before(key, outcome, effects);
        }
        let task = &mut self.tasks[key.at()];
        match &mut self.jobs[job.at()].seek {
            Some(seek) if !seek.waiting_for.is_empty() => {
                task.phase = Phase::Seeking;
                seek.offered.push((key, id, progress));
            }
            _ => self.adopt_or_run(key, progress, effects),
        }
    }

    /// The task had ended, and the driver has all that came of it: nothing is lost.
    fn ended_before(&mut self, key: TaskKey, outcome: Outcome, effects: &mut Vec<Effect>) {
        // The end of one that succeeded has been counted.
        self.tasks[key.at()].recovering = !matches!(outcome, Outcome::Failed(_));
        self.finish(key, outcome, effects);
    }

    /// Whether there is a value for each of the task's results, or a failure.
    fn is_whole(&self, key: TaskKey, outcome: &Outcome) -> bool {
        let results = self.tasks[key.at()].results.len();
        outcome.values().map_or(true, |values| values.len() == results)
    }

    /// Everything is known that the nodes have of the job: what there is of a task is adopted; else it is run, and charged
    /// where it may have been running when its owner was lost.
    fn adopt_or_run(&mut self, key: TaskKey, progress: Progress, effects: &mut Vec<Effect>) {
        if self.adopt(key, effects) {
            return;
        }
        let id = self.tasks[key.at()].id;
        let seek = self.jobs[self.tasks[key.at()].job.at()].seek.as_mut();
        let has_not_started = seek.is_some_and(|seek| seek.unstarted.swap_remove(&id));
        match progress {
            // A call goes on its way again, as one that may have run: its actor's host removes duplicates. A creation finds
            // itself.
            Progress::Offered if !has_not_started && !self.is_routed(key) => {
                self.lost_with_owner(key, effects);
            }
            Progress::Ended => self.lost_after_end(key, effects),
            Progress::Unsent | Progress::Offered => self.await_inputs(key, effects),
        }
    }

    /// Takes over the results of a task, or an attempt at it, that survived elsewhere.
    fn adopt(&mut self, key: TaskKey, effects: &mut Vec<Effect>) -> bool {
        if let Some(outcome) = self.found_results(key) {
            self.finish(key, outcome, effects);
            return true;
        }
        let Task { id, job, shape, .. } = self.tasks[key.at()];
        let Some(seek) = &mut self.jobs[job.at()].seek else { return false };
        let Some((place, attempt)) = seek.running.swap_remove(&id) else { return false };
        let end = seek.ended.swap_remove(&id);
        let task = &mut self.tasks[key.at()];
        task.phase = Phase::Assigned;
        task.place = Some(place.clone());
        task.attempt = attempt;
        self.count_assigned(key);
        let template = &self.shapes[shape.at()].template;
        let resources = &template.options.resources;
        let node = match &place {
            Place::Local => &self.options.node,
            Place::Peer(node) => node,
        };
        self.placement.adopted(node, resources);
        if matches!(template.options.strategy, Strategy::Spread) {
            self.placement.spread_adopted(node, self.jobs[job.at()].id, &template.function);
        }
        if self.jobs[job.at()].blocked.contains(&id) {
            self.placement.task_waits(node, resources.cpu, true);
        }
        // What it has submitted here, as a guest, was submitted by this attempt.
        for child in self.children_of(id) {
            self.claim(child, id);
        }
        if let Some(end) = end {
            self.ended(place, id, attempt, end, effects);
        }
        true
    }

    /// The values of a task's results, if all of them survived.
    fn found_results(&mut self, key: TaskKey) -> Option<Outcome> {
        let task = &self.tasks[key.at()];
        let id = task.id;
        let Some(seek) = &mut self.jobs[task.job.at()].seek else { return None };
        let here = |position: usize| match &self.objects.get(task.results[position].at())?.value {
            Value::Ready(value) => Some(value.clone()),
            _ => None,
        };
        let name = |position: usize| ObjectId::result(id, position as u64);
        let found = |position: usize| here(position).or_else(|| seek.copies.get(&name(position)).cloned());
        let count = task.results.len();
        let values: Vec<ResultValue> = (0..count).map(found).collect::<Option<_>>()?;
        for position in 0..count {
            seek.copies.swap_remove(&name(position));
        }
        if !values.is_empty() {
            seek.running.swap_remove(&id);
        }
        outcome_of(values)
    }

    /// A copy of something that this node should own and does not know, found after a take-over.
    pub(super) fn adopt_object(
        &mut self,
        job: JobKey,
        object: ObjectId,
        effects: &mut Vec<Effect>,
    ) -> Option<ObjectKey> {
        let found = self.jobs.get_mut(job.at())?.seek.as_mut()?.copies.swap_remove(&object)?;
        if self.tasks.find(&object.task).is_some() {
            // A result of a task on record is the task's business.
            return None;
        }
        let mut record = Object::new(object, job, TaskKey::NONE, Value::Pending);
        record.add_hold(Holder::CALLS);
        record.remote_mut().adopted = true;
        let key = ObjectKey::new(self.objects.insert(record));
        self.object_index.insert(object, key);
        self.settle(key, Value::Ready(found), effects);
        Some(key)
    }

    pub(super) fn found_job(&mut self, place: Place, found: FoundJob, effects: &mut Vec<Effect>) {
        let FoundJob { job, copies, running, unstarted, more } = found;
        let Some(key) = self.job_index.get(&job).copied() else { return };
        let holder = self.node_of(&place).clone();
        let mut unwanted = Vec::new();
        if let Some(seek) = &mut self.jobs[key.at()].seek {
            for (object, value) in copies {
                if !seek.add_copy(object, value, &holder) {
                    unwanted.push(object);
                }
            }
            seek.unstarted.extend(unstarted);
        }
        for object in unwanted {
            self.free(&holder, object, effects);
        }
        for (task, attempt) in running {
            self.found_attempt(key, &place, task, attempt, effects);
        }
        if !more {
            self.seek_job_without(key, &place, effects);
        }
    }

    /// An attempt at a task of the driver's runs somewhere, and is this node's to end. The latest one is kept for the task,
    /// as long as that has not been decided.
    fn found_attempt(
        &mut self,
        job: JobKey,
        place: &Place,
        task: TaskId,
        attempt: Attempt,
        effects: &mut Vec<Effect>,
    ) {
        let mut unwanted = Some((place.clone(), attempt));
        let record = self.tasks.find(&task).map(|key| &self.tasks[key.at()]);
        let is_decided = record.is_some_and(|task| task.phase != Phase::Seeking);
        if record.is_some_and(|task| task.attempt == attempt && task.place.as_ref() == Some(place)) {
            return;
        }
        if !is_decided && let Some(seek) = &mut self.jobs[job.at()].seek {
            let newer = seek.running.get(&task).is_none_or(|(_, known)| *known < attempt);
            if newer {
                unwanted = seek.running.insert(task, (place.clone(), attempt));
            }
        }
        if let Some((place, attempt)) = unwanted {
            effects.push(unclaimed(place, task, attempt));
        }
    }

    /// A node will not answer any more; its attempts are lost to this node, and with `dead` its copies too.
    pub(super) fn seek_without(&mut self, node: &NodeId, dead: bool, effects: &mut Vec<Effect>) {
        let place = Place::Peer(node.clone());
        let mut keys = Vec::new();
        for (position, job) in &mut self.jobs {
            let Some(seek) = &mut job.seek else { continue };
            seek.forget_attempts(&place);
            if dead {
                seek.forget_copies(node);
            }
            keys.push(JobKey::new(position));
        }
        for key in keys {
            self.seek_job_without(key, &place, effects);
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
        for (task, id, progress) in offered {
            let is_waiting =
                self.tasks.get(task.at()).is_some_and(|task| task.id == id && task.phase == Phase::Seeking);
            if is_waiting {
                self.adopt_or_run(task, progress, effects);
            }
        }
        for object in self.unclaimed_objects(key) {
            let id = self.objects[object.at()].id;
            let found = self.jobs[key.at()].seek.as_mut().and_then(|seek| seek.copies.swap_remove(&id));
            if let Some(found) = found {
                self.settle(object, Value::Ready(found), effects);
            }
        }
        self.drop_unneeded_of(key, effects);
    }

    /// The objects of a job that nobody needs any more go.
    pub(super) fn drop_unneeded_of(&mut self, job: JobKey, effects: &mut Vec<Effect>) {
        let of_job = self.objects.iter().filter(|(_, object)| object.job == job);
        let objects: Vec<ObjectKey> = of_job.map(|(position, _)| ObjectKey::new(position)).collect();
        for object in objects {
            if self.objects.contains(object.at()) {
                self.drop_if_unneeded(object, effects);
            }
        }
    }

    /// Objects of the driver that are referred to here, and that the driver has not offered again.
    fn unclaimed_objects(&self, key: JobKey) -> Vec<ObjectKey> {
        let job = self.jobs[key.at()].id;
        let is_unclaimed = |object: &Object| {
            object.job == key
                && object.task.is_none()
                && !object.is_foreign()
                && matches!(object.value, Value::Pending)
                && object.id.is_of_driver(job)
        };
        let unclaimed = self.objects.iter().filter(|(_, object)| is_unclaimed(object));
        unclaimed.map(|(position, _)| ObjectKey::new(position)).collect()
    }

    /// A node holds references to something of the driver's that has yet to be offered again.
    pub(super) fn expect_object(&mut self, object: ObjectId) -> Option<ObjectKey> {
        let (job, _) = self.found_of_driver(object.task)?;
        let id = self.jobs[job.at()].id;
        if !object.is_of_driver(id) || self.tasks.find(&object.task).is_some() {
            return None;
        }
        let record = Object::new(object, job, TaskKey::NONE, Value::Pending);
        let key = ObjectKey::new(self.objects.insert(record));
        self.object_index.insert(object, key);
        Some(key)
    }

    /// What was found and claimed by nobody goes, and what nobody has offered again is lost.
    pub(super) fn drop_found(&mut self, job: JobId, effects: &mut Vec<Effect>) {
        let Some(key) = self.job_index.get(&job).copied() else { return };
        if self.is_seeking(key) {
            return;
        }
        let Some(seek) = self.jobs[key.at()].seek.take() else { return };
        let Seek { copies, running, ended, .. } = *seek;
        for (object, found) in copies {
            // A nested task's value belongs to the node that runs the parent.
            let StoredValue::Stored(copy) = &found.value else { continue };
            if !object.is_of_driver(job) {
                continue;
            }
            let known = self.lookup(object);
            for holder in &copy.holders {
                let is_kept = known.is_some_and(|key| self.objects[key.at()].holders().contains(holder));
                if !is_kept {
                    self.free(holder, object, effects);
                }
            }
        }
        for (task, (place, attempt)) in running {
            match ended.get(&task) {
                Some(end) => self.free_unclaimed(task, end, effects),
                None => effects.push(unclaimed(place, task, attempt)),
            }
        }
        for object in self.unclaimed_objects(key) {
            let id = self.objects[object.at()].id;
            let text =
                format!("object {id} was owned by a node that was lost, and its driver does not hold it");
            let failure = Failure::new(FailureKind::ObjectLost, text).of_object(id);
            self.settle(object, Value::Failed(failure), effects);
            self.run_steps(effects);
        }
    }

    /// The end of an attempt that was found after a take-over, and that its driver has yet to claim, is kept. `false` where
    /// there is none.
    pub(super) fn keep_end(
        &mut self,
        place: &Place,
        task: TaskId,
        attempt: Attempt,
        end: &AssignmentEnd,
    ) -> bool {
        self.found_of_driver(task).is_some_and(|(_, seek)| seek.keep_end(task, place, attempt, end))
    }
}

fn outcome_of(mut values: Vec<ResultValue>) -> Option<Outcome> {
    match values.len() {
        0 => None,
        1 => values.pop().map(Outcome::Value),
        _ => Some(Outcome::Values(values)),
    }
}

fn unclaimed(place: Place, task: TaskId, attempt: Attempt) -> Effect {
    let failure = Failure::new(FailureKind::Cancelled, "the job's new owner was not offered the task again");
    Effect::CancelAssignment { place, task, attempt, failure, force: true }
}
