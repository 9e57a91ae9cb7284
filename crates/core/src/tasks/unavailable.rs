//! Inputs that a node could not bring to where their task was to run, though nothing is lost.

use crate::tasks::keys::TaskKey;
use crate::tasks::{Effect, Place, TaskEngine};
use mobula_types::{Failure, FailureKind, NodeState, ObjectId, Outcome, StoredValue, Time};
use std::collections::BTreeMap;

impl TaskEngine {
    /// The task is tried on other nodes, then again after a pause that about doubles: the way to a holder may be there again, the
    /// holder may be declared dead, or room may be made. It fails in the end only for want of room, or for what will not
    /// pass by itself.
    pub(super) fn inputs_unavailable(
        &mut self,
        key: TaskKey,
        place: &Place,
        failure: Failure,
        effects: &mut Vec<Effect>,
    ) {
        let node = self.node_of(place).clone();
        let now = self.now;
        let history = self.tasks[key.at()].history.get_or_insert_default();
        if history.unavailable_since == Time::NEVER {
            history.unavailable_since = now;
        }
        let since = history.unavailable_since;
        let is_full = failure.kind() == FailureKind::StoreFull;
        let is_late = now.since(since) >= self.options.input_patience;
        if (is_full && self.never_fits(key)) || (is_late && (is_full || !failure.kind().is_retryable())) {
            let (kind, text) = if is_full {
                (FailureKind::StoreFull, "no node has had room for the task's arguments")
            } else {
                (FailureKind::DependencyFailed, "no node could read the task's arguments")
            };
            let task = &self.tasks[key.at()];
            let name = self.shapes[task.shape.at()].name.clone();
            let failed = Failure::new(kind, text).of_task(task.id, name).caused_by(failure);
            return self.finish(key, Outcome::Failed(failed), effects);
        }
        let task = &mut self.tasks[key.at()];
        let history = task.history.get_or_insert_default();
        task.refusals += 1;
        if task.refusals < self.options.max_refusals {
            if !history.avoid.contains(&node) {
                history.avoid.push(node);
            }
            return self.enqueue(key, true);
        }
        history.forgive();
        task.refusals = 0;
        let rounds = history.rounds_unavailable;
        history.rounds_unavailable = rounds.saturating_add(1);
        let pause = self.options.refusal_pause.saturating_mul(1 << rounds.min(20));
        let pause = self.scattered(pause.min(self.options.retry_backoff_limit));
        self.pause(key, pause);
    }

    /// Whether the task's arguments are more than the store of any node holds.
    fn never_fits(&self, key: TaskKey) -> bool {
        let lengths: BTreeMap<ObjectId, u64> = self.stored_inputs(key).collect();
        let needed: u64 = lengths.values().sum();
        let alive = self.view.nodes.values().filter(|node| node.state == NodeState::Alive);
        alive.map(|node| node.object_store_memory).max().is_some_and(|largest| needed > largest)
    }

    fn stored_inputs(&self, key: TaskKey) -> impl Iterator<Item = (ObjectId, u64)> + '_ {
        let inputs = self.tasks[key.at()].inputs.iter().flat_map(|inputs| &inputs.keys);
        let objects = inputs.filter(|key| !key.is_none()).map(|key| &self.objects[key.at()]);
        objects.filter_map(|object| match object.ready()? {
            StoredValue::Stored(copy) => Some((object.id, copy.length)),
            StoredValue::Inline(_) => None,
        })
    }
}
