//! What becomes of a job here whose driver goes on through another node.

use crate::tasks::keys::{JobKey, ObjectKey, TaskKey};
use crate::tasks::object::{Holder, Object, Value, Waiter};
use crate::tasks::task::{InputHold, Phase};
use crate::tasks::{Effect, Place, SessionKind, TaskEngine};
use mobula_types::{JobId, NodeId, ObjectAddress, ObjectId, OwnerTerm, ResultValue, TaskId};

impl TaskEngine {
    /// What this node, which may have owned a job's tasks until now, knows of them: values, and tasks of which no attempt
    /// is anywhere. References inside values that are the driver's name no owner: it is whoever asks.
    pub fn legacy(&self, job: JobId) -> (Vec<(ObjectId, ResultValue)>, Vec<TaskId>) {
        let own = self.objects.iter().map(|(_, object)| object);
        let own = own.filter(|object| !object.is_foreign() && object.id.is_of_driver(job));
        let values = own.filter_map(|object| match &object.value {
            Value::Ready(value) => Some((object.id, self.as_legacy(job, value))),
            _ => None,
        });
        let is_nowhere = |phase| matches!(phase, Phase::Waiting | Phase::Queued | Phase::Paused);
        let of_driver = self.tasks.iter().filter(|(_, task)| task.id.is_of_driver(job));
        let unstarted = of_driver.filter(|(_, task)| is_nowhere(task.phase)).map(|(_, task)| task.id);
        (values.collect(), unstarted.collect())
    }

    /// Whether another node has taken the job over under a later term than this, or under the same.
    pub fn is_superseded(&self, job: JobId, owner_term: OwnerTerm) -> bool {
        self.homes.is_superseded(job, owner_term, &self.options.node)
    }

    fn as_legacy(&self, job: JobId, value: &ResultValue) -> ResultValue {
        let named = |address: &ObjectAddress| match &address.owner {
            _ if address.object.is_of_driver(job) => ObjectAddress::at_home(address.object),
            Some(_) => address.clone(),
            None => ObjectAddress { object: address.object, owner: Some(self.options.node.clone()) },
        };
        let contained = value.contained.as_ref().map(|contained| contained.iter().map(named).collect());
        ResultValue { value: value.value.clone(), contained }
    }

    /// Another node owns the job's tasks now, under a term of its own: what this one owned of them it gives up, and what it
    /// borrows of them is borrowed from the new owner.
    pub(super) fn taken_over(
        &mut self,
        job: JobId,
        owner: &NodeId,
        owner_term: OwnerTerm,
        effects: &mut Vec<Effect>,
    ) {
        if self.is_local(owner) || self.is_lost(owner) || !self.homes.note(job, owner_term, owner.clone()) {
            return;
        }
        if let Some(key) = self.job_index.get(&job).copied() {
            self.give_up(key, owner, effects);
        }
        self.follow(job, owner, effects);
    }

    /// Forgets the driver's tasks, without a word to those who run them: they report to the new owner. What processes of
    /// this node still need of the driver's objects becomes the new owner's.
    fn give_up(&mut self, key: JobKey, owner: &NodeId, effects: &mut Vec<Effect>) {
        let job = self.jobs[key.at()].id;
        self.jobs[key.at()].seek = None;
        self.give_up_calls(key, effects);
        self.give_up_tasks(key);
        let is_own = |object: &Object| !object.is_foreign() && object.id.is_of_driver(job);
        let own = self.objects.iter().filter(|(_, object)| object.job == key && is_own(object));
        let own: Vec<ObjectKey> = own.map(|(position, _)| ObjectKey::new(position)).collect();
        for object in own {
            self.give_up_object(object, owner, effects);
        }
        self.run_steps(effects);
        self.drop_unneeded_of(key, effects);
    }

    /// The driver has come back, and what is known here of its tasks may be out of date: they are known once it has offered
    /// them again. What runs is found like what runs elsewhere; values stay.
    pub(super) fn forget_driver_tasks(&mut self, key: JobKey, effects: &mut Vec<Effect>) {
        let job = self.jobs[key.at()].id;
        self.give_up_calls(key, effects);
        self.give_up_tasks(key);
        let own = self.objects.iter_mut().map(|(_, object)| object);
        for object in own.filter(|object| object.job == key && object.id.is_of_driver(job)) {
            if matches!(object.value, Value::Lost | Value::Freed | Value::Failed(_)) {
                object.value = Value::Pending;
            }
        }
        self.run_steps(effects);
    }

    /// The new owner sends the driver's calls, those too that wait for arguments here. Where this node is the new owner, it
    /// sends those that it is offered: the others ended elsewhere, and would hold up what is behind them.
    fn give_up_calls(&self, key: JobKey, effects: &mut Vec<Effect>) {
        let job = self.jobs[key.at()].id;
        let of_driver = self.tasks.iter().map(|(_, task)| task).filter(|task| task.job == key);
        let calls = of_driver.filter(|task| task.in_lane && task.id.is_of_driver(job));
        let tasks: Vec<TaskId> = calls.map(|task| task.id).collect();
        if !tasks.is_empty() {
            effects.push(Effect::CallsGivenUp { tasks });
        }
    }

    fn give_up_tasks(&mut self, key: JobKey) {
        let job = self.jobs[key.at()].id;
        let of_driver = self.tasks.iter().filter(|(_, task)| task.job == key && task.id.is_of_driver(job));
        let tasks: Vec<TaskKey> = of_driver.map(|(position, _)| TaskKey::new(position)).collect();
        for task in tasks {
            self.give_up_task(task);
        }
    }

    fn give_up_task(&mut self, key: TaskKey) {
        let place = self.close_assignment(key);
        let was_ended = self.tasks[key.at()].is_ended();
        if !was_ended {
            self.leave_phase(key);
        }
        self.leave_lineage(key);
        self.release_inputs(key, InputHold::None);
        self.leave_family(key);
        let id = self.tasks[key.at()].id;
        if place != Some(Place::Local) {
            // One that runs here goes on as a guest, and its children with it.
            self.dissolve(id);
        }
        let task = self.tasks.remove(key);
        self.drop_bytes(task.job, task.cost);
        let shape = &mut self.shapes[task.shape.at()];
        shape.tasks -= 1;
        shape.ended -= u32::from(was_ended);
        for result in task.results.into_iter().filter(|result| !result.is_none()) {
            let object = &mut self.objects[result.at()];
            object.task = TaskKey::NONE;
            self.object_index.insert(object.id, result);
        }
    }

    fn give_up_object(&mut self, key: ObjectKey, owner: &NodeId, effects: &mut Vec<Effect>) {
        let (sessions, tasks, object) = (&self.sessions, &self.tasks, &mut self.objects[key.at()]);
        let id = object.id;
        // Tasks that were given up wait no more.
        object.waiters.retain(|waiter| match waiter {
            Waiter::Task(task, ticket) => tasks.get(task.at()).is_some_and(|task| task.ticket == *ticket),
            Waiter::Requester(_) => true,
        });
        // The driver holds nothing through this node any more.
        object.holds.retain(|hold| {
            hold.holder.session_key().is_none_or(|session| {
                sessions.get(&session).is_some_and(|session| session.kind == SessionKind::Worker)
            })
        });
        let remote = object.remote_mut();
        let was_adopted = std::mem::take(&mut remote.adopted);
        remote.owner = Some(owner.clone());
        // They tell the new owner themselves.
        remote.borrowers.clear();
        (remote.asked, remote.cause) = (false, None);
        if was_adopted {
            object.drop_hold(Holder::CALLS, true);
        }
        if matches!(object.value, Value::Lost | Value::Freed) {
            object.value = Value::Pending;
        }
        if object.is_needed() || object.lineage_pins > 0 {
            let is_waited_for = matches!(object.value, Value::Pending) && !object.waiters.is_empty();
            self.borrow(owner.clone(), id, effects);
            if is_waited_for {
                self.ask_owner(key, effects);
            }
        } else {
            self.release_contents(key);
            self.objects.remove(key.at());
            self.object_index.swap_remove(&id);
        }
    }

    /// What this node borrows of the driver's, or of the job from an owner that is lost, is the new owner's.
    fn follow(&mut self, job: JobId, owner: &NodeId, effects: &mut Vec<Effect>) {
        let of_job = self.job_index.get(&job).copied();
        let keys: Vec<ObjectKey> =
            self.objects.iter().map(|(position, _)| ObjectKey::new(position)).collect();
        for key in keys {
            let object = &self.objects[key.at()];
            let is_of_job = object.id.task.high == job.0 || of_job == Some(object.job);
            let has_moved = object
                .owner()
                .is_some_and(|old| old != owner && (object.id.is_of_driver(job) || self.is_lost(old)));
            if !is_of_job || !has_moved {
                continue;
            }
            let object = &mut self.objects[key.at()];
            let id = object.id;
            let is_waited_for = !object.waiters.is_empty();
            let remote = object.remote_mut();
            remote.owner = Some(owner.clone());
            remote.asked = false;
            self.borrow(owner.clone(), id, effects);
            if is_waited_for {
                self.ask_owner(key, effects);
            }
        }
    }

    /// What a driver held through a session that broke off: by now it has gone on through another node, or through
    /// another session, or its job has ended.
    pub(super) fn forget_holder(&mut self, holder: Holder, effects: &mut Vec<Effect>) {
        let holds = |object: &Object| object.holds.iter().any(|hold| hold.holder == holder);
        let held = self.objects.iter().filter(|(_, object)| holds(object));
        let held: Vec<ObjectKey> = held.map(|(position, _)| ObjectKey::new(position)).collect();
        for object in held {
            if self.objects.contains(object.at()) {
                self.objects[object.at()].drop_hold(holder, true);
                self.drop_if_unneeded(object, effects);
                self.run_steps(effects);
            }
        }
    }
}
