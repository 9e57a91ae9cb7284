//! Lost values: another copy, else the task that made them is run again, else a typed loss.

use crate::tasks::keys::{ObjectKey, TaskKey};
use crate::tasks::object::Value;
use crate::tasks::task::{InputHold, Phase};
use crate::tasks::{Effect, TaskEngine};
use mobula_types::outcome::CopyVersion;
use mobula_types::{
    Failure, FailureKind, NodeId, ObjectId, Outcome, Payload, ResultValue, StoredValue, Time,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often an owner is asked again because the copies that it named were gone.
const MAX_TRIES: u32 = 8;

/// Tasks that are kept so that they can be run again, in the order in which they ended.
#[derive(Default, Debug)]
pub(super) struct Lineage {
    order: BTreeMap<u64, TaskKey>,
    pub(super) bytes: u64,
}

impl TaskEngine {
    /// Keeps an ended task, and drops the oldest ones where that is too much.
    pub(super) fn enter_lineage(&mut self, key: TaskKey) {
        self.release_inputs(key, InputHold::Lineage);
        let number = self.new_ticket();
        self.lineage.order.insert(number, key);
        let task = &mut self.tasks[key.at()];
        task.in_lineage = true;
        // Its place in the order: an ended task is in no queue.
        task.ticket = number;
        self.lineage.bytes += task.input_cost();
        while self.lineage.bytes > self.options.lineage_bytes {
            let Some((_, oldest)) = self.lineage.order.first_key_value() else { break };
            let oldest = *oldest;
            self.leave_lineage(oldest);
            self.release_inputs(oldest, InputHold::None);
            let task = &mut self.tasks[oldest.at()];
            task.arguments = Payload::EMPTY;
            task.inputs = None;
        }
    }

    /// The task is not kept any more; its inputs are still held as they were.
    pub(super) fn leave_lineage(&mut self, key: TaskKey) {
        let task = &mut self.tasks[key.at()];
        if task.in_lineage {
            task.in_lineage = false;
            self.lineage.bytes -= task.input_cost();
            self.lineage.order.remove(&task.ticket);
        }
    }

    pub(super) fn copy_made(
        &mut self,
        node: &NodeId,
        object: ObjectId,
        version: CopyVersion,
        effects: &mut Vec<Effect>,
    ) {
        let Some(key) = self.lookup(object) else {
            // One that the driver has yet to offer again may be found there.
            if self.found_of_driver(object.task).is_none() {
                self.free(node, object, effects);
            }
            return;
        };
        let is_foreign = self.objects[key.at()].is_foreign();
        match &mut self.objects[key.at()].value {
            Value::Ready(ResultValue { value: StoredValue::Stored(copy), .. })
                if copy.holders.contains(node) => {}
            Value::Ready(ResultValue { value: StoredValue::Stored(copy), .. })
                if copy.version() == version =>
            {
                Arc::make_mut(copy).holders.push(node.clone());
            }
            // It was freed, or made again differently, while it was copied.
            _ if !is_foreign => self.free(node, object, effects),
            _ => {}
        }
    }

    pub(super) fn copy_lost(
        &mut self,
        node: &NodeId,
        reporter: &NodeId,
        object: ObjectId,
        version: CopyVersion,
        effects: &mut Vec<Effect>,
    ) {
        let Some(key) = self.lookup(object) else { return };
        // Word of a version that is not the one on record any more is late.
        if !self.objects[key.at()].is_held_by(node, version) {
            return;
        }
        match self.objects[key.at()].owner().cloned() {
            None if node == reporter => {}
            // It may have another version.
            None => self.free(node, object, effects),
            Some(owner) if self.is_lost(&owner) => {}
            Some(owner) => {
                effects.push(Effect::CopyLost { owner, object, version, holder: node.clone() });
            }
        }
        self.drop_copy(key, node, effects);
    }

    /// A node has its copy no more.
    pub(super) fn drop_copy(&mut self, key: ObjectKey, node: &NodeId, effects: &mut Vec<Effect>) {
        let object = &mut self.objects[key.at()];
        let Value::Ready(ResultValue { value: StoredValue::Stored(copy), .. }) = &mut object.value else {
            return;
        };
        if !copy.holders.contains(node) {
            return;
        }
        Arc::make_mut(copy).holders.retain(|holder| holder != node);
        if copy.holders.is_empty() {
            let cause = Failure::new(FailureKind::NodeLost, "the last copy was there").on_node(node.clone());
            self.lose(key, cause, effects);
        }
    }

    fn lose(&mut self, key: ObjectKey, cause: Failure, effects: &mut Vec<Effect>) {
        self.release_contents(key);
        let object = &mut self.objects[key.at()];
        object.value = Value::Lost;
        object.remote_mut().cause = Some(cause);
        self.drop_if_unneeded(key, effects);
    }

    /// A value that is wanted has no copy: it is asked for, or made, again.
    pub(super) fn recover(&mut self, key: ObjectKey, effects: &mut Vec<Effect>) {
        // It may have been freed, or recovered, since this was decided.
        let Some(object) = self.objects.get_mut(key.at()) else { return };
        if !matches!(object.value, Value::Lost | Value::Freed) {
            return;
        }
        let task = object.task;
        if object.is_foreign() {
            object.value = Value::Pending;
            let remote = object.remote_mut();
            remote.tries += 1;
            if remote.tries > MAX_TRIES {
                let failure = self.object_lost(key, "its owner named copies that were gone, again and again");
                return self.settle(key, Value::Failed(failure), effects);
            }
            return self.ask_owner(key, effects);
        }
        if task.is_none() {
            let failure = self.object_lost(key, "it was put, and what was put cannot be made again");
            return self.settle(key, Value::Failed(failure), effects);
        }
        if !self.tasks[task.at()].is_ended() {
            self.objects[key.at()].value = Value::Pending;
            return;
        }
        match self.may_run_again(task) {
            Ok(()) => self.run_again(task, effects),
            Err((kind, why)) => {
                let failure = self.object_lost(key, why);
                let failure = failure.with(|detail| detail.kind = kind);
                self.settle(key, Value::Failed(failure.clone()), effects);
                self.tell_submitters(task, &failure, effects);
            }
        }
    }

    /// Sessions that submitted an ended task again learn that a result of it is gone.
    fn tell_submitters(&mut self, key: TaskKey, failure: &Failure, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(key.at()) else { return };
        for session in std::mem::take(&mut task.submitters) {
            self.complete(session, key, Outcome::Failed(failure.clone()), effects);
        }
    }

    fn may_run_again(&self, key: TaskKey) -> Result<(), (FailureKind, &'static str)> {
        let task = &self.tasks[key.at()];
        let max_retries = self.shapes[task.shape.at()].template.options.max_retries;
        if max_retries == 0 {
            return Err((FailureKind::ObjectLost, "its task may run at most once (max_retries = 0)"));
        }
        if !task.in_lineage {
            let why =
                "what it takes to make it again was dropped: tasks that could run again took too much memory";
            return Err((FailureKind::LineageEvicted, why));
        }
        if task.retries >= max_retries {
            return Err((FailureKind::ObjectLost, "its task has used up its retries"));
        }
        Ok(())
    }

    /// Runs an ended task again for the results that are gone.
    fn run_again(&mut self, key: TaskKey, effects: &mut Vec<Effect>) {
        self.leave_lineage(key);
        self.release_inputs(key, InputHold::Pinned);
        let task = &mut self.tasks[key.at()];
        task.recovering = true;
        task.phase = Phase::Waiting;
        // The deadline was for the first run, which kept it.
        task.deadline = Time::NEVER;
        self.shapes[task.shape.at()].ended -= 1;
        for result in task.results.clone() {
            if !result.is_none() && matches!(self.objects[result.at()].value, Value::Lost | Value::Freed) {
                self.objects[result.at()].value = Value::Pending;
            }
        }
        self.charge(key, effects);
        self.next_attempt(key);
        self.recount(key);
        self.await_inputs(key, effects);
    }

    fn object_lost(&self, key: ObjectKey, why: &str) -> Failure {
        let object = &self.objects[key.at()];
        let text = format!("the last copy of object {} is gone, and {why}", object.id);
        let failure = Failure::new(FailureKind::ObjectLost, text).of_object(object.id);
        match object.remote.as_ref().and_then(|remote| remote.cause.clone()) {
            Some(cause) => failure.caused_by(cause),
            None => failure,
        }
    }

    /// What a task's end means for results that were there before: if it ran again and failed, they are lost.
    pub(super) fn as_recovery(&self, key: TaskKey, outcome: Outcome) -> Outcome {
        let task = &self.tasks[key.at()];
        match outcome {
            Outcome::Failed(failure)
                if task.recovering
                    && !matches!(failure.kind(), FailureKind::Cancelled | FailureKind::ObjectLost) =>
            {
                let text = "the last copy is gone, and its task failed when it was run again";
                let lost = Failure::new(FailureKind::ObjectLost, text);
                let lost = lost.of_task(task.id, self.shapes[task.shape.at()].name.clone());
                Outcome::Failed(lost.caused_by(failure))
            }
            outcome => outcome,
        }
    }
}
