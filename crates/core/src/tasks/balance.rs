//! What is asked back from a node that is behind while another one is idle.
//!
//! Tasks queue ahead on nodes by an estimate of how long they run. Where the estimate was wrong, a node may have a queue
//! while another has nothing to do. With each sample of the nodes' loads, the owner then asks for the youngest of its tasks
//! there; those that have started stay.

use crate::tasks::keys::TaskKey;
use crate::tasks::task::Phase;
use crate::tasks::{Effect, Place, TaskEngine};
use mobula_types::{Attempt, NodeId, NodeInfo, NodeState, Quantity, Strategy, TaskId};

impl TaskEngine {
    pub(super) fn balance(&mut self, effects: &mut Vec<Effect>) {
        if self.queued > 0 || self.view.nodes.len() < 2 {
            // What waits here is placed on idle nodes first.
            return;
        }
        let view = self.view.clone();
        let alive = || view.nodes.values().filter(|node| node.state == NodeState::Alive && slots(node) > 0);
        let is_idle = |node: &&std::sync::Arc<NodeInfo>| {
            self.placement.placed_on(&node.id) == 0 && node.load.running == 0
        };
        let mut idle: u64 = alive().filter(is_idle).map(|node| slots(node)).sum();
        for node in alive() {
            let behind = self.placement.placed_on(&node.id).saturating_sub(slots(node)).min(idle);
            if behind == 0 || node.load.queued == 0 {
                continue;
            }
            let tasks = self.youngest_on(&node.id, behind);
            if tasks.is_empty() {
                continue;
            }
            idle -= tasks.len() as u64;
            let place = if self.is_local(&node.id) { Place::Local } else { Place::Peer(node.id.clone()) };
            effects.push(Effect::RecallAssignments { place, tasks });
        }
    }

    /// The tasks on a node that were queued last and may run elsewhere.
    fn youngest_on(&self, node: &NodeId, count: u64) -> Vec<(TaskId, Attempt)> {
        let may_move = |key: &TaskKey| {
            let task = &self.tasks[key.at()];
            let strategy = &self.shapes[task.shape.at()].template.options.strategy;
            task.phase == Phase::Assigned
                && task.place.as_ref().is_some_and(|place| self.node_of(place) == node)
                && !matches!(strategy, Strategy::NodeAffinity { .. })
        };
        let keys = self.tasks.iter().map(|(position, _)| TaskKey::new(position));
        let mut there: Vec<TaskKey> = keys.filter(may_move).collect();
        there.sort_by_key(|key| std::cmp::Reverse(self.tasks[key.at()].ticket));
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let tasks = there.iter().take(count).map(|key| &self.tasks[key.at()]);
        tasks.map(|task| (task.id, task.attempt)).collect()
    }
}

/// How many tasks run at once on a node in the usual case.
fn slots(node: &NodeInfo) -> u64 {
    node.resources.cpu.steps() / Quantity::ONE.steps()
}
