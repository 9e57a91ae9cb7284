//! A task on its way from the machine that owns it to the machine that runs it.

use mobula_types::frame::Input;
use mobula_types::{Attempt, JobId, Payload, TaskId, TaskTemplate, Time};
use std::sync::Arc;

/// One attempt at a task, with everything that is needed to run it.
///
/// The owner's engine makes it; the executor of the same node, or of a peer, runs it. What crosses a session is
/// [`mobula_types::frame::Assignment`]: the template by its number, the deadline as the time that is left.
#[derive(Clone, PartialEq, Debug)]
pub struct Assignment {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: Attempt,
    /// Its job.
    pub job: JobId,
    /// Function and options. The same allocation for every task of one template: both machines recognise it by that.
    pub template: Arc<TaskTemplate>,
    /// The encoded arguments.
    pub arguments: Payload,
    /// Resolved references; those not inline are fetched by the node that runs the task.
    pub inputs: Vec<Input>,
    /// When the task is cancelled with `DeadlineExceeded`, on this process's clock.
    pub deadline: Option<Time>,
    /// How many nodes have refused this attempt.
    pub refusals: u32,
}
