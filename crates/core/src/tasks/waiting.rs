//! Tasks that wait for others: what they give back, and waits that could never be served.

use crate::tasks::engine::Step;
use crate::tasks::keys::{ShapeKey, TaskKey};
use crate::tasks::{Place, TaskEngine};
use mobula_types::{Failure, FailureKind, JobId, NodeId, NodeState, Quantity, Resources, TaskId};

/// How many queued tasks of a shape are looked at when the shape finds no place.
const LOOKED_AT: usize = 16;

impl TaskEngine {
    pub(super) fn blocked(&mut self, job: JobId, task: TaskId) {
        let Some(key) = self.job_index.get(&job) else { return };
        if self.jobs[key.at()].blocked.insert(task) {
            self.lend_cpus(task, true);
            // Its CPUs may be used by others, and a wait may have become hopeless.
            self.capacity += 1;
        }
    }

    pub(super) fn unblocked(&mut self, job: JobId, task: TaskId) {
        if let Some(key) = self.job_index.get(&job)
            && self.jobs[key.at()].blocked.remove(&task)
        {
            self.lend_cpus(task, false);
        }
    }

    /// Tells the placement that a task which it placed waits, or goes on.
    fn lend_cpus(&mut self, task: TaskId, waits: bool) {
        let Some(key) = self.tasks.find(&task) else { return };
        let task = &self.tasks[key.at()];
        if let Some(place) = task.place.as_ref().filter(|_| !self.is_routed(key)) {
            let cpu = self.shapes[task.shape.at()].template.options.resources.cpu;
            let node = match place {
                Place::Local => &self.options.node,
                Place::Peer(node) => node,
            };
            self.placement.task_waits(node, cpu, waits);
        }
    }

    /// Fails queued tasks whose ancestors wait for them and hold what they need: nothing would ever move.
    pub(super) fn fail_hopeless(&mut self, shape: ShapeKey) {
        let record = &self.shapes[shape.at()];
        let need = Resources { cpu: Quantity::ZERO, ..record.template.options.resources.clone() };
        if need.is_empty() || self.jobs[record.job.at()].blocked.is_empty() {
            return;
        }
        let name = record.name.clone();
        for key in self.queued_tasks(shape).into_iter().take(LOOKED_AT) {
            let held = self.held_by_ancestors(key);
            if held.is_empty() || self.fits_beside(&need, &held) {
                continue;
            }
            let text = format!(
                "{name} needs {}, which only fits on what its waiting ancestors hold",
                self.shapes[shape.at()].template.options.resources
            );
            let failure = Failure::new(FailureKind::WouldDeadlock, text);
            let ticket = self.tasks[key.at()].ticket;
            self.steps.push_back(Step::Fail(key, ticket, failure));
        }
    }

    /// What a task's waiting ancestors hold beside CPUs, and where.
    fn held_by_ancestors(&self, key: TaskKey) -> Vec<(NodeId, Resources)> {
        let mut held = Vec::new();
        let mut parent = self.tasks[key.at()].kinship.as_ref().map(|kinship| kinship.parent);
        while let Some(id) = parent {
            let Some(ancestor) = self.tasks.find(&id) else { break };
            let task = &self.tasks[ancestor.at()];
            let is_waiting = self.jobs[task.job.at()].blocked.contains(&id) && !self.is_routed(ancestor);
            if let (true, Some(place)) = (is_waiting, &task.place) {
                let resources = &self.shapes[task.shape.at()].template.options.resources;
                let kept = Resources { cpu: Quantity::ZERO, ..resources.clone() };
                if !kept.is_empty() {
                    let node = match place {
                        Place::Local => self.options.node.clone(),
                        Place::Peer(node) => node.clone(),
                    };
                    held.push((node, kept));
                }
            }
            parent = task.kinship.as_ref().map(|kinship| kinship.parent);
        }
        held
    }

    /// Whether some node has room for `need` beside what is held, were it idle otherwise.
    fn fits_beside(&self, need: &Resources, held: &[(NodeId, Resources)]) -> bool {
        self.view.nodes.values().filter(|node| node.state == NodeState::Alive).any(|node| {
            let mut room = node.resources.clone();
            let of_node = held.iter().filter(|(holder, _)| *holder == node.id);
            of_node.into_iter().all(|(_, kept)| room.try_take(kept)) && room.covers(need)
        })
    }
}
