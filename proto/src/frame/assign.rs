//! Node to node: assignments, how they end, and what a new owner finds.

use super::run::inputs;
use crate::error::{ConvertError, Required};
use crate::identity::{attempt, nanos, object, pack_objects, unpack_objects};
use crate::value::{outcome, payload};
use crate::wire;
use crate::wire::assignment_ended::End;
use mobula_types::frame::{Assignment, AssignmentEnd, FoundJob};
use mobula_types::outcome::CopyVersion;
use mobula_types::{Attempt, Frame, JobId, ObjectId, OwnerTerm, ResultValue, TaskId, TemplateId};
use std::time::Duration;

impl From<Assignment> for wire::Assign {
    fn from(assignment: Assignment) -> Self {
        wire::Assign {
            task_high: assignment.task.high,
            task_low: assignment.task.low,
            owner_term: assignment.attempt.owner_term.0,
            attempt: assignment.attempt.number,
            job: assignment.job.0,
            template: assignment.template.0,
            arguments: assignment.arguments.into_bytes(),
            inputs: assignment.inputs.into_iter().map(Into::into).collect(),
            deadline_nanos: assignment.deadline.map(nanos),
            refusals: assignment.refusals,
        }
    }
}

impl TryFrom<wire::Assign> for Assignment {
    type Error = ConvertError;
    fn try_from(assign: wire::Assign) -> Result<Self, ConvertError> {
        Ok(Assignment {
            task: TaskId { high: assign.task_high, low: assign.task_low },
            attempt: attempt(assign.owner_term, assign.attempt),
            job: JobId(assign.job),
            template: TemplateId(assign.template),
            arguments: payload(assign.arguments),
            inputs: inputs(assign.inputs)?,
            deadline: assign.deadline_nanos.map(Duration::from_nanos),
            refusals: assign.refusals,
        })
    }
}

pub(super) fn ended(task: TaskId, attempt: Attempt, end: AssignmentEnd) -> wire::AssignmentEnded {
    let end = match end {
        AssignmentEnd::Ran { outcome, retryable, micros, borrows } => End::Ran(wire::Ran {
            outcome: Some(outcome.into()),
            retryable,
            micros,
            borrows: pack_objects(&borrows),
        }),
        AssignmentEnd::NoRoom { queued } => End::NoRoom(wire::NoRoom { queued }),
        AssignmentEnd::Returned => End::Returned(wire::Empty {}),
        AssignmentEnd::Lost { failure, charged } => {
            End::Lost(wire::Lost { failure: Some(failure.into()), charged })
        }
        AssignmentEnd::Superseded { owner, owner_term } => {
            End::Superseded(wire::Superseded { owner: Some(owner.into()), owner_term: owner_term.0 })
        }
        AssignmentEnd::InputLost { object, version, holder } => End::InputLost(wire::InputLost {
            object: Some(object.into()),
            holder: Some(holder.into()),
            length: version.length,
            checksum: version.checksum,
        }),
        AssignmentEnd::CannotRun { failure } => {
            End::CannotRun(wire::CannotRun { failure: Some(failure.into()) })
        }
        AssignmentEnd::InputsUnavailable { failure } => {
            End::InputsUnavailable(wire::InputsUnavailable { failure: Some(failure.into()) })
        }
    };
    wire::AssignmentEnded {
        task_high: task.high,
        task_low: task.low,
        owner_term: attempt.owner_term.0,
        attempt: attempt.number,
        end: Some(end),
    }
}

pub(super) fn read_ended(ended: wire::AssignmentEnded) -> Result<Frame, ConvertError> {
    let end = match ended.end.required("assignment_ended.end")? {
        End::Ran(ran) => AssignmentEnd::Ran {
            outcome: outcome(ran.outcome, "ran.outcome")?,
            retryable: ran.retryable,
            micros: ran.micros,
            borrows: unpack_objects(&ran.borrows, "ran.borrows")?,
        },
        End::NoRoom(no_room) => AssignmentEnd::NoRoom { queued: no_room.queued },
        End::Returned(_) => AssignmentEnd::Returned,
        End::Lost(lost) => AssignmentEnd::Lost {
            failure: super::failure(lost.failure, "lost.failure")?,
            charged: lost.charged,
        },
        End::InputLost(lost) => AssignmentEnd::InputLost {
            object: object(lost.object, "input_lost.object")?,
            version: CopyVersion { length: lost.length, checksum: lost.checksum },
            holder: lost.holder.required("input_lost.holder")?.try_into()?,
        },
        End::CannotRun(cannot) => {
            AssignmentEnd::CannotRun { failure: super::failure(cannot.failure, "cannot_run.failure")? }
        }
        End::InputsUnavailable(unavailable) => AssignmentEnd::InputsUnavailable {
            failure: super::failure(unavailable.failure, "inputs_unavailable.failure")?,
        },
        End::Superseded(superseded) => AssignmentEnd::Superseded {
            owner: superseded.owner.required("superseded.owner")?.try_into()?,
            owner_term: OwnerTerm(superseded.owner_term),
        },
    };
    Ok(Frame::AssignmentEnded {
        task: TaskId { high: ended.task_high, low: ended.task_low },
        attempt: attempt(ended.owner_term, ended.attempt),
        end: Box::new(end),
    })
}

pub(super) fn task_attempts(tasks: Vec<(TaskId, Attempt)>) -> wire::TaskAttempts {
    let pair = |(task, attempt): (TaskId, Attempt)| wire::TaskAttempt {
        task: Some(task.into()),
        attempt: Some(attempt.into()),
    };
    wire::TaskAttempts { tasks: tasks.into_iter().map(pair).collect() }
}

pub(super) fn read_task_attempts(
    tasks: Vec<wire::TaskAttempt>,
) -> Result<Vec<(TaskId, Attempt)>, ConvertError> {
    let pair = |pair: wire::TaskAttempt| {
        let task = pair.task.required("task_attempt.task")?.into();
        Ok((task, pair.attempt.required("task_attempt.attempt")?.into()))
    };
    tasks.into_iter().map(pair).collect()
}

pub(super) fn found_job(found: FoundJob) -> wire::FoundJob {
    let copy = |(object, value): (ObjectId, ResultValue)| wire::ObjectCopy {
        object: Some(object.into()),
        value: Some(value.into()),
    };
    wire::FoundJob {
        job: found.job.0,
        copies: found.copies.into_iter().map(copy).collect(),
        running: task_attempts(found.running).tasks,
        unstarted: found.unstarted.into_iter().map(Into::into).collect(),
        more: found.more,
    }
}

pub(super) fn read_found_job(found: wire::FoundJob) -> Result<FoundJob, ConvertError> {
    let copy = |copy: wire::ObjectCopy| {
        let value = copy.value.required("object_copy.value")?.try_into()?;
        Ok((object(copy.object, "object_copy.object")?, value))
    };
    Ok(FoundJob {
        job: JobId(found.job),
        copies: found.copies.into_iter().map(copy).collect::<Result<_, ConvertError>>()?,
        running: read_task_attempts(found.running)?,
        unstarted: found.unstarted.into_iter().map(Into::into).collect(),
        more: found.more,
    })
}
