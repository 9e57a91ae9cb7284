//! Who keeps an object, and when it is freed.

use crate::tasks::engine::Step;
use crate::tasks::keys::{JobKey, ObjectKey, TaskKey};
use crate::tasks::object::{Object, Value};
use crate::tasks::task::InputHold;
use crate::tasks::{Effect, Place, Requester, TaskEngine};
use mobula_types::{NodeId, ObjectAddress, ObjectId, ObjectSpace};

impl TaskEngine {
    /// The record of an object.
    #[inline]
    pub(super) fn lookup(&self, object: ObjectId) -> Option<ObjectKey> {
        if object.index.space() == ObjectSpace::Result
            && let Some(task) = self.tasks.find(&object.task)
        {
            let position = usize::try_from(object.index.position()).ok()?;
            let result = self.tasks[task.at()].results.get(position).copied();
            return result.filter(|result| !result.is_none());
        }
        self.object_index.get(&object).copied()
    }

    /// The record of what an address names, for a job; one is made where it is another node's. `None` where this node
    /// should know it and does not.
    pub(super) fn locate(
        &mut self,
        job: JobKey,
        address: &ObjectAddress,
        effects: &mut Vec<Effect>,
    ) -> Option<ObjectKey> {
        if let Some(known) = self.lookup(address.object) {
            let of = self.objects[known.at()].job;
            return (of == job || of.is_none() || job.is_none()).then_some(known);
        }
        if let Some(found) = self.adopt_object(job, address.object, effects) {
            return Some(found);
        }
        let owner = address.owner.as_ref().filter(|owner| !self.is_local(owner))?.clone();
        let mut object = Object::new(address.object, job, TaskKey::NONE, Value::Pending);
        object.remote_mut().owner = Some(owner.clone());
        let is_gone = self.is_lost(&owner);
        let key = ObjectKey::new(self.objects.insert(object));
        self.object_index.insert(address.object, key);
        if is_gone {
            self.expect_owner(&owner);
        } else {
            self.borrow(owner, address.object, effects);
        }
        Some(key)
    }

    pub(super) fn held(
        &mut self,
        requester: &Requester,
        objects: &[ObjectAddress],
        effects: &mut Vec<Effect>,
    ) {
        let job = self.job_of(requester).and_then(|job| self.job_index.get(&job).copied());
        for address in objects {
            if let Some(object) = self.locate(job.unwrap_or(JobKey::NONE), address, effects) {
                self.hold(object, requester);
                // A session that is over holds nothing.
                self.drop_if_unneeded(object, effects);
            }
        }
    }

    pub(super) fn released(
        &mut self,
        requester: &Requester,
        objects: &[ObjectAddress],
        effects: &mut Vec<Effect>,
    ) {
        for address in objects {
            if let Some(object) = self.lookup(address.object) {
                self.unhold(object, requester, effects);
            }
        }
    }

    /// Keeps the values of a task's inputs until it has run.
    pub(super) fn pin_inputs(&mut self, key: TaskKey) {
        self.hold_inputs(key, InputHold::Pinned);
    }

    /// Changes the way in which a task keeps its inputs.
    pub(super) fn release_inputs(&mut self, key: TaskKey, hold: InputHold) {
        self.hold_inputs(key, hold);
    }

    fn hold_inputs(&mut self, key: TaskKey, hold: InputHold) {
        let Some(inputs) = &mut self.tasks[key.at()].inputs else { return };
        let before = std::mem::replace(&mut inputs.hold, hold);
        if before == hold {
            return;
        }
        for object in inputs.keys.iter().chain(&inputs.contained).filter(|object| !object.is_none()) {
            let record = &mut self.objects[object.at()];
            match hold {
                InputHold::Pinned => record.pins += 1,
                InputHold::Lineage => record.lineage_pins += 1,
                InputHold::None => {}
            }
            match before {
                InputHold::Pinned => self.steps.push_back(Step::Unpin(*object)),
                InputHold::Lineage => self.steps.push_back(Step::UnpinLineage(*object)),
                InputHold::None => {}
            }
        }
    }

    pub(super) fn unpin(&mut self, key: ObjectKey, effects: &mut Vec<Effect>) {
        self.objects[key.at()].pins -= 1;
        self.drop_if_unneeded(key, effects);
    }

    pub(super) fn unpin_lineage(&mut self, key: ObjectKey, effects: &mut Vec<Effect>) {
        self.objects[key.at()].lineage_pins -= 1;
        self.drop_if_unneeded(key, effects);
    }

    /// Frees an object that nobody needs. What only a task needs that may have to run again is kept where that is cheap,
    /// and made again where it is not.
    #[inline]
    pub(super) fn drop_if_unneeded(&mut self, key: ObjectKey, effects: &mut Vec<Effect>) {
        let object = &self.objects[key.at()];
        if object.is_needed() || self.is_seeking(object.job) {
            return;
        }
        if object.lineage_pins == 0 {
            return self.remove_object(key, effects);
        }
        if !object.is_foreign() && !object.holders().is_empty() {
            self.free_copies(key, effects);
            self.release_contents(key);
            self.objects[key.at()].value = Value::Freed;
        }
    }

    fn remove_object(&mut self, key: ObjectKey, effects: &mut Vec<Effect>) {
        self.free_copies(key, effects);
        self.release_contents(key);
        let object = self.objects.remove(key.at());
        if object.task.is_none() {
            self.object_index.swap_remove(&object.id);
            if let Some(owner) = object.remote.and_then(|remote| remote.owner)
                && !self.is_lost(&owner)
            {
                self.unborrow(owner, object.id, effects);
            }
        } else {
            let position = object.id.index.position() as usize;
            self.tasks[object.task.at()].results[position] = ObjectKey::NONE;
            self.handles_gone(object.task, effects);
            self.drop_task_if_unused(object.task);
        }
    }

    /// Takes back what an object's value counted for and keeps alive; the value itself is replaced by the caller.
    pub(super) fn release_contents(&mut self, key: ObjectKey) {
        let object = &self.objects[key.at()];
        self.drop_bytes(object.job, object.inline_bytes());
        let object = &mut self.objects[key.at()];
        if let Some(remote) = &mut object.remote
            && !remote.contained.is_empty()
        {
            let contained = std::mem::take(&mut remote.contained);
            self.steps.extend(contained.into_iter().map(Step::Unpin));
        }
    }

    /// Drops every copy of one of this node's own objects. Copies of another node's are that node's to drop.
    fn free_copies(&mut self, key: ObjectKey, effects: &mut Vec<Effect>) {
        let object = &self.objects[key.at()];
        if object.is_foreign() || object.holders().is_empty() {
            return;
        }
        let id = object.id;
        for node in object.holders().to_vec() {
            self.free(&node, id, effects);
        }
    }

    /// Has a node drop its copy; several in a row are one effect.
    pub(super) fn free(&mut self, node: &NodeId, object: ObjectId, effects: &mut Vec<Effect>) {
        if self.is_lost(node) {
            return;
        }
        let place = if self.is_local(node) { Place::Local } else { Place::Peer(node.clone()) };
        match effects.last_mut() {
            Some(Effect::Free { place: last, objects }) if *last == place => objects.push(object),
            _ => effects.push(Effect::Free { place, objects: vec![object] }),
        }
    }

    /// Forgets a task that has ended, once nobody holds a result of it.
    #[inline]
    pub(super) fn drop_task_if_unused(&mut self, key: TaskKey) {
        if !self.tasks[key.at()].is_unused() {
            return;
        }
        self.leave_lineage(key);
        self.release_inputs(key, InputHold::None);
        self.leave_family(key);
        let task = self.tasks.remove(key);
        self.drop_bytes(task.job, task.cost);
        let shape = &mut self.shapes[task.shape.at()];
        shape.tasks -= 1;
        shape.ended -= 1;
    }
}
