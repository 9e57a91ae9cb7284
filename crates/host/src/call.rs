//! One call of a function, as its body sees it.

use crate::CancelToken;
use mobula_types::{ArgumentShape, Attempt, Failure, Outcome, Payload, TaskId, TaskTemplate, Time};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// One call: what to run a body with.
#[derive(Clone)]
pub struct Call {
    /// The run's handle; no two runs of a host have the same at one time.
    pub handle: u64,
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: Attempt,
    /// Function and options.
    pub template: Arc<TaskTemplate>,
    /// The encoded arguments that were given by value, one behind the other.
    pub arguments: Payload,
    /// Those that were given by reference.
    pub inputs: Vec<InputValue>,
    /// When the task must have ended.
    pub deadline: Option<Time>,
    /// Tells the body to end. Set by the host when the call starts.
    pub cancel: CancelToken,
    /// What the guest's side needs to find its way back, such as the session to submit through; opaque to the host.
    pub guest: Arc<dyn Any + Send + Sync>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("handle", &self.handle)
            .field("task", &self.task)
            .field("attempt", &self.attempt)
            .field("function", &self.template.function)
            .field("arguments", &self.arguments)
            .field("inputs", &self.inputs)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// An argument that was given by reference, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputValue {
    /// Which parameter, from 0.
    pub parameter: u32,
    /// How it fills it.
    pub shape: ArgumentShape,
    /// The encoded value.
    pub payload: Payload,
}

/// How a call ended.
pub struct CallResult {
    /// The values or the failure.
    pub outcome: Outcome,
    /// Whether the failure is one that the function wants to be tried again for, or that of an actor's end.
    pub retryable: bool,
    /// What must live until the outcome has been handed on, such as handles to objects that the values refer to.
    pub kept: Option<Box<dyn Any + Send>>,
}

impl CallResult {
    /// A result that is not tried again and keeps nothing.
    pub fn of(outcome: Outcome) -> Self {
        CallResult { outcome, retryable: false, kept: None }
    }

    /// A failure that is not tried again.
    pub fn failed(failure: Failure) -> Self {
        CallResult::of(Outcome::Failed(failure))
    }
}

impl fmt::Debug for CallResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallResult")
            .field("outcome", &self.outcome)
            .field("retryable", &self.retryable)
            .finish_non_exhaustive()
    }
}
