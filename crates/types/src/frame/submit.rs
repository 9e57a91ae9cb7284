//! Tasks as they are submitted, and as they are offered again.

use crate::{ArgumentRef, ObjectAddress, Outcome, Payload, TaskId, TemplateId};
use std::time::Duration;

/// A task as it is submitted.
#[derive(Clone, PartialEq, Debug)]
pub struct Submit {
    /// The task, named by the sender.
    pub task: TaskId,
    /// Function and options.
    pub template: TemplateId,
    /// The encoded arguments, one behind the other.
    pub arguments: Payload,
    /// A worker's submit: the handle of the run that submits.
    pub parent: Option<u64>,
    /// What most submits do without. It lies apart, because frames are moved often.
    pub extras: Option<Box<SubmitExtras>>,
}

/// What only some submits have.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct SubmitExtras {
    /// The references among the arguments.
    pub references: Vec<ArgumentRef>,
    /// References inside encoded arguments, which the task keeps alive.
    pub contained: Vec<ObjectAddress>,
    /// How much time is left; without an end unless set.
    pub deadline: Option<Duration>,
    /// Offered again after the loss of its owner: what became of it before. Its result may exist somewhere.
    pub reoffer: Option<Reoffer>,
}

impl SubmitExtras {
    /// A place of their own, where there are any.
    pub fn boxed(self) -> Option<Box<Self>> {
        let Self { references, contained, deadline, reoffer } = &self;
        let is_empty =
            references.is_empty() && contained.is_empty() && deadline.is_none() && reoffer.is_none();
        if is_empty { None } else { Some(Box::new(self)) }
    }
}

impl Submit {
    /// The references among the arguments.
    pub fn references(&self) -> &[ArgumentRef] {
        self.extras.as_ref().map_or(&[], |extras| &extras.references)
    }

    /// References inside encoded arguments.
    pub fn contained(&self) -> &[ObjectAddress] {
        self.extras.as_ref().map_or(&[], |extras| &extras.contained)
    }

    /// How much time is left.
    pub fn deadline(&self) -> Option<Duration> {
        self.extras.as_ref()?.deadline
    }

    /// What became of it before, where it is offered again.
    pub fn reoffer(&self) -> Option<&Reoffer> {
        self.extras.as_ref()?.reoffer.as_ref()
    }

    /// The extras, to be changed.
    pub fn extras_mut(&mut self) -> &mut SubmitExtras {
        self.extras.get_or_insert_default()
    }
}

/// What is known of a task that is offered to another owner.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Reoffer {
    /// How far it had come.
    pub progress: Progress,
    /// What was counted against it before.
    pub charges: Charges,
    /// How it ended, where all of that is in the driver's hands.
    pub outcome: Option<Outcome>,
}

/// How far a task had come with the owner that was lost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Progress {
    /// No owner can have received it.
    #[default]
    Unsent,
    /// It may have been running.
    Offered,
    /// It had ended.
    Ended,
}

/// What counts against a task's retries.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Charges {
    /// How many of its retries are used up.
    pub retries: u32,
    /// How long ago nodes were lost while they may have been running it, as far as that counts still.
    pub losses: Vec<Duration>,
}
