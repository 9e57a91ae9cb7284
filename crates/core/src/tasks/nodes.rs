//! What the loss of a node, or of the way to it, means for what was there.

use crate::tasks::keys::{ObjectKey, TaskKey};
use crate::tasks::task::Phase;
use crate::tasks::timers::Timer;
use crate::tasks::{Effect, Place, TaskEngine};
use mobula_types::{Failure, FailureKind, NodeId, Outcome};

/// How many names of lost nodes are remembered.
const LOST_NAMES: usize = 4096;

impl TaskEngine {
    pub(super) fn node_lost(&mut self, node: &NodeId, effects: &mut Vec<Effect>) {
        if self.is_lost(node) || self.is_local(node) {
            return;
        }
        if self.lost_nodes.len() >= LOST_NAMES {
            self.lost_nodes.pop_first();
        }
        self.lost_nodes.insert(node.name.clone(), node.generation);
        self.placement.forget(node);
        self.capacity += 1;
        for key in self.assigned_to(node) {
            self.lost_under(key, node, effects);
        }
        for key in self.held_by(node) {
            if self.objects.contains(key.at()) {
                self.drop_copy(key, node, effects);
            }
        }
        self.timers.set(self.now + self.options.grace, Timer::ForgetNode(node.clone()));
        self.seek_without(node, true, effects);
    }

    /// The way to a node is gone and with it what was under way: tasks are run elsewhere, at no charge, unless they may
    /// run at most once.
    pub(super) fn peer_unreachable(&mut self, node: &NodeId, effects: &mut Vec<Effect>) {
        for key in self.assigned_to(node) {
            self.close_assignment(key);
            let task = &mut self.tasks[key.at()];
            if task.is_ended() {
                self.drop_task_if_unused(key);
                continue;
            }
            let shape = &self.shapes[task.shape.at()];
            if shape.template.options.max_retries == 0 {
                let text =
                    "the session with the node was lost while it had the task, which may run at most once";
                let failure = Failure::new(FailureKind::Unavailable, text);
                let failure = failure.of_task(task.id, shape.name.clone()).on_node(node.clone());
                self.finish(key, Outcome::Failed(failure), effects);
                continue;
            }
            let history = task.history.get_or_insert_default();
            if !history.avoid.contains(node) {
                history.avoid.push(node.clone());
            }
            self.next_attempt(key);
            self.enqueue(key, true);
        }
        self.ask_later(node);
        self.seek_without(node, false, effects);
    }

    /// There is still a way to a node, but what was under way on one that has ended may be lost: the node says which
    /// assignments it does not have, and is told and asked again what it is told and asked as an owner.
    pub(super) fn peer_doubtful(&mut self, node: &NodeId, effects: &mut Vec<Effect>) {
        let there = self.assigned_to(node).into_iter().map(|key| &self.tasks[key.at()]);
        let tasks: Vec<_> = there.map(|task| (task.id, task.attempt)).collect();
        if !tasks.is_empty() {
            effects.push(Effect::ConfirmAssignments { node: node.clone(), tasks });
        }
        self.ask_later(node);
    }

    fn ask_later(&mut self, node: &NodeId) {
        let owned = self.owned_by(node);
        if !owned.is_empty() {
            for key in owned {
                self.objects[key.at()].remote_mut().asked = false;
            }
            self.timers.set(self.now + self.options.ask_again, Timer::AskAgain(node.clone()));
        }
    }

    /// Some time after a node was lost: its borrows end, and what it owned and nobody took over is lost.
    pub(super) fn forget_node(&mut self, node: &NodeId, effects: &mut Vec<Effect>) {
        let borrows = self.objects.iter().filter(|(_, object)| object.borrowers().contains(node));
        let keys: Vec<ObjectKey> = borrows.map(|(position, _)| ObjectKey::new(position)).collect();
        for key in keys {
            if let Some(object) = self.objects.get_mut(key.at()) {
                object.drop_borrower(node);
                self.drop_if_unneeded(key, effects);
            }
        }
        self.fail_owned_by(node, effects);
    }

    /// The tasks that have an attempt on a node, in the order of the table.
    fn assigned_to(&self, node: &NodeId) -> Vec<TaskKey> {
        let is_there = |place: &Option<Place>| matches!(place, Some(Place::Peer(at)) if at == node);
        let there = self.tasks.iter().filter(|(_, task)| is_there(&task.place));
        there.map(|(position, _)| TaskKey::new(position)).collect()
    }

    /// The objects that a node's store holds.
    fn held_by(&self, node: &NodeId) -> Vec<ObjectKey> {
        let held = self.objects.iter().filter(|(_, object)| object.holders().contains(node));
        held.map(|(position, _)| ObjectKey::new(position)).collect()
    }

    /// The earlier attempt may have started: the next one has another number.
    pub(super) fn next_attempt(&mut self, key: TaskKey) {
        let task = &mut self.tasks[key.at()];
        task.attempt.owner_term = self.jobs[task.job.at()].owner_term.max(task.attempt.owner_term);
        task.attempt.number += 1;
        task.refusals = 0;
        if let Some(history) = &mut task.history {
            history.next_attempt();
        }
    }

    /// Whether the task is at an executor.
    pub(super) fn is_assigned(&self, key: TaskKey) -> bool {
        self.tasks[key.at()].phase == Phase::Assigned
    }
}
