//! Tasks as workers are told to run them.

use crate::{ArgumentShape, Attempt, ObjectId, Payload, StoredValue, TaskId, TemplateId};
use std::time::Duration;

/// A task as a worker is told to run it.
#[derive(Clone, PartialEq, Debug)]
pub struct Run {
    /// The run, numbered by the node for this worker.
    pub handle: u64,
    /// Which slot it queues on; slots beyond the worker's own are opened on demand.
    pub slot: u32,
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: Attempt,
    /// Function and options.
    pub template: TemplateId,
    /// The encoded arguments.
    pub arguments: Payload,
    /// What most runs do without. It lies apart, because frames are moved often.
    pub extras: Option<Box<RunExtras>>,
}

/// What only some runs have.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct RunExtras {
    /// Resolved references, in the order of the task's.
    pub inputs: Vec<Input>,
    /// How much time is left until the task's deadline.
    pub deadline: Option<Duration>,
}

impl RunExtras {
    /// A place of their own, where there are any.
    pub fn boxed(self) -> Option<Box<Self>> {
        if self.inputs.is_empty() && self.deadline.is_none() { None } else { Some(Box::new(self)) }
    }
}

impl Run {
    /// Resolved references, in the order of the task's.
    pub fn inputs(&self) -> &[Input] {
        self.extras.as_ref().map_or(&[], |extras| &extras.inputs)
    }

    /// How much time is left until the task's deadline.
    pub fn deadline(&self) -> Option<Duration> {
        self.extras.as_ref()?.deadline
    }
}

/// A resolved reference of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    /// Which parameter.
    pub parameter: u32,
    /// How it fills it.
    pub shape: ArgumentShape,
    /// The object.
    pub object: ObjectId,
    /// Its value, or where the bytes are.
    pub value: StoredValue,
}
