//! What counts against a task's retries, and who is told, so that the count outlives this node.

use crate::tasks::keys::TaskKey;
use crate::tasks::{Effect, SessionKey, TaskEngine};
use mobula_types::frame::Charges;
use mobula_types::{Failure, FailureKind, NodeId, Outcome};

impl TaskEngine {
    /// One more of the task's retries is used up.
    pub(super) fn charge(&mut self, key: TaskKey, effects: &mut Vec<Effect>) {
        self.tasks[key.at()].retries += 1;
        let task = &self.tasks[key.at()];
        let job = &self.jobs[task.job.at()];
        if !task.id.is_of_driver(job.id) {
            return;
        }
        let losses = task.history.iter().flat_map(|history| &history.losses);
        let losses = losses.map(|at| self.now.since(*at)).collect();
        let charges = Charges { retries: task.retries, losses };
        let told = |session: &SessionKey| Effect::Charged {
            session: *session,
            task: task.id,
            charges: charges.clone(),
        };
        effects.extend(job.drivers.iter().map(told));
    }

    /// A node was lost that may have been running the task: another attempt follows, unless its retries are used up or it
    /// is suspected of the losses.
    pub(super) fn charge_loss(&mut self, key: TaskKey, lost: Failure, effects: &mut Vec<Effect>) {
        let (now, window) = (self.now, self.options.poison_window);
        let task = &mut self.tasks[key.at()];
        let name = self.shapes[task.shape.at()].name.clone();
        let history = task.history.get_or_insert_default();
        history.losses.retain(|at| now.since(*at) <= window);
        history.losses.push(now);
        let losses = history.losses.len();
        let lost = lost.of_task(task.id, name.clone());
        if losses > self.options.poison_losses {
            let text = format!(
                "{losses} nodes were lost within {} minutes while they had this task: it is not run again",
                window.as_secs() / 60
            );
            let failure = Failure::new(FailureKind::PoisonSuspected, text);
            let failure = failure.of_task(self.tasks[key.at()].id, name).caused_by(lost);
            return self.finish(key, Outcome::Failed(failure), effects);
        }
        self.retry_or_fail(key, lost, effects);
    }

    /// The task's node was lost.
    pub(super) fn lost_under(&mut self, key: TaskKey, node: &NodeId, effects: &mut Vec<Effect>) {
        self.close_assignment(key);
        if self.tasks[key.at()].is_ended() {
            return self.drop_task_if_unused(key);
        }
        let history = self.tasks[key.at()].history.get_or_insert_default();
        if !history.avoid.contains(node) {
            history.avoid.push(node.clone());
        }
        let lost = Failure::new(FailureKind::NodeLost, "the node was lost while it had the task");
        self.charge_loss(key, lost.on_node(node.clone()), effects);
    }

    /// The task was offered again, and nothing of it was found: it may have been running on the home node that was lost, or
    /// its end was lost with that.
    pub(super) fn lost_with_owner(&mut self, key: TaskKey, effects: &mut Vec<Effect>) {
        let text = "the driver's home node was lost while it had the task, which may have run";
        self.charge_loss(key, Failure::new(FailureKind::NodeLost, text), effects);
    }

    /// The task had ended, and its result was lost with the home node or before: it is made again, where it may be.
    pub(super) fn lost_after_end(&mut self, key: TaskKey, effects: &mut Vec<Effect>) {
        let task = &mut self.tasks[key.at()];
        // Its end has been counted.
        task.recovering = true;
        let shape = &self.shapes[task.shape.at()];
        let max_retries = shape.template.options.max_retries;
        if task.retries < max_retries {
            self.charge(key, effects);
            self.next_attempt(key);
            return self.await_inputs(key, effects);
        }
        let why = match max_retries {
            0 => "its task may run at most once (max_retries = 0)",
            _ => "its task has used up its retries",
        };
        let text = format!("the result was lost with the home node of its driver, and {why}");
        let failure = Failure::new(FailureKind::ObjectLost, text).of_task(task.id, shape.name.clone());
        self.finish(key, Outcome::Failed(failure), effects);
    }
}
