//! Calls of actors: as they are submitted, as workers are told to take them, and between nodes.

use super::run::inputs;
use crate::actor::exit::reason;
use crate::error::{ConvertError, Required};
use crate::identity::{actor, addresses, attempt, nanos, pack_objects, unpack_objects};
use crate::value::{outcome, payload};
use crate::wire;
use crate::wire::caller::Kind;
use crate::wire::lane_call_ended::End;
use mobula_types::actor::{ActorId, CallEnd, Caller, Epoch, LaneCall, LaneId};
use mobula_types::frame::{Call, Lane, LaneCallEnded, Reoffer, SubmitExtras, Turn};
use mobula_types::{ArgumentRef, JobId, TaskId, TemplateId};
use std::time::Duration;

impl From<Call> for wire::Call {
    fn from(call: Call) -> Self {
        let extras = call.extras.map(|extras| *extras).unwrap_or_default();
        wire::Call {
            task_high: call.task.high,
            task_low: call.task.low,
            actor_high: call.actor.0.high,
            actor_low: call.actor.0.low,
            sequence: call.sequence,
            answered_below: call.answered_below,
            template: call.template.0,
            arguments: call.arguments.into_bytes(),
            references: extras.references.into_iter().map(Into::into).collect(),
            contained: extras.contained.into_iter().map(Into::into).collect(),
            deadline_nanos: extras.deadline.map(nanos),
            parent: call.parent,
            reoffer: extras.reoffer.map(Into::into),
        }
    }
}

impl TryFrom<wire::Call> for Call {
    type Error = ConvertError;
    fn try_from(call: wire::Call) -> Result<Self, ConvertError> {
        let extras = SubmitExtras {
            references: call.references.into_iter().map(ArgumentRef::try_from).collect::<Result<_, _>>()?,
            contained: addresses(call.contained)?,
            deadline: call.deadline_nanos.map(Duration::from_nanos),
            reoffer: call.reoffer.map(Reoffer::try_from).transpose()?,
        };
        Ok(Call {
            task: TaskId { high: call.task_high, low: call.task_low },
            actor: ActorId(TaskId { high: call.actor_high, low: call.actor_low }),
            sequence: call.sequence,
            answered_below: call.answered_below,
            template: TemplateId(call.template),
            arguments: payload(call.arguments),
            parent: call.parent,
            extras: extras.boxed(),
        })
    }
}

impl From<Caller> for wire::Caller {
    fn from(caller: Caller) -> Self {
        let kind = match caller {
            Caller::Driver(job) => Kind::Driver(job.0),
            Caller::Task(task, attempt) => Kind::Task(wire::CallingTask {
                high: task.high,
                low: task.low,
                owner_term: attempt.owner_term.0,
                attempt: attempt.number,
            }),
            Caller::Actor(incarnation) => Kind::Actor(incarnation.into()),
        };
        wire::Caller { kind: Some(kind) }
    }
}

fn caller(caller: Option<wire::Caller>, field: &'static str) -> Result<Caller, ConvertError> {
    Ok(match caller.required(field)?.kind.required("caller.kind")? {
        Kind::Driver(job) => Caller::Driver(JobId(job)),
        Kind::Task(task) => {
            Caller::Task(TaskId { high: task.high, low: task.low }, attempt(task.owner_term, task.attempt))
        }
        Kind::Actor(incarnation) => Caller::Actor(incarnation.into()),
    })
}

impl From<Turn> for wire::Turn {
    fn from(turn: Turn) -> Self {
        wire::Turn {
            handle: turn.handle,
            key: turn.key,
            caller: Some(turn.caller.into()),
            task_high: turn.task.high,
            task_low: turn.task.low,
            owner_term: turn.attempt.owner_term.0,
            attempt: turn.attempt.number,
            template: turn.template.0,
            arguments: turn.arguments.into_bytes(),
            inputs: turn.inputs.into_iter().map(Into::into).collect(),
            deadline_nanos: turn.deadline.map(nanos),
        }
    }
}

impl TryFrom<wire::Turn> for Turn {
    type Error = ConvertError;
    fn try_from(turn: wire::Turn) -> Result<Self, ConvertError> {
        Ok(Turn {
            handle: turn.handle,
            key: turn.key,
            caller: caller(turn.caller, "turn.caller")?,
            task: TaskId { high: turn.task_high, low: turn.task_low },
            attempt: attempt(turn.owner_term, turn.attempt),
            template: TemplateId(turn.template),
            arguments: payload(turn.arguments),
            inputs: inputs(turn.inputs)?,
            deadline: turn.deadline_nanos.map(Duration::from_nanos),
        })
    }
}

impl From<Lane> for wire::Lane {
    fn from(lane: Lane) -> Self {
        wire::Lane {
            lane: lane.lane.0,
            caller: Some(lane.caller.into()),
            actor: Some(lane.actor.into()),
            job: lane.job.0,
        }
    }
}

impl TryFrom<wire::Lane> for Lane {
    type Error = ConvertError;
    fn try_from(lane: wire::Lane) -> Result<Self, ConvertError> {
        Ok(Lane {
            lane: LaneId(lane.lane),
            caller: caller(lane.caller, "lane.caller")?,
            actor: actor(lane.actor, "lane.actor")?,
            job: JobId(lane.job),
        })
    }
}

impl From<LaneCall> for wire::LaneCall {
    fn from(call: LaneCall) -> Self {
        wire::LaneCall {
            lane: call.lane.0,
            sequence: call.sequence,
            epoch: call.epoch.0,
            task_high: call.task.high,
            task_low: call.task.low,
            owner_term: call.attempt.owner_term.0,
            attempt: call.attempt.number,
            template: call.template.0,
            arguments: call.arguments.into_bytes(),
            inputs: call.inputs.into_iter().map(Into::into).collect(),
            deadline_nanos: call.deadline.map(nanos),
            answered_below: call.answered_below,
            resent: call.resent,
        }
    }
}

impl TryFrom<wire::LaneCall> for LaneCall {
    type Error = ConvertError;
    fn try_from(call: wire::LaneCall) -> Result<Self, ConvertError> {
        Ok(LaneCall {
            lane: LaneId(call.lane),
            sequence: call.sequence,
            epoch: Epoch(call.epoch),
            task: TaskId { high: call.task_high, low: call.task_low },
            attempt: attempt(call.owner_term, call.attempt),
            template: TemplateId(call.template),
            arguments: payload(call.arguments),
            inputs: inputs(call.inputs)?,
            deadline: call.deadline_nanos.map(Duration::from_nanos),
            answered_below: call.answered_below,
            resent: call.resent,
        })
    }
}

impl From<LaneCallEnded> for wire::LaneCallEnded {
    fn from(ended: LaneCallEnded) -> Self {
        let end = match ended.end {
            CallEnd::Ran { outcome, retryable, micros, borrows } => End::Ran(wire::Ran {
                outcome: Some(outcome.into()),
                retryable,
                micros,
                borrows: pack_objects(&borrows),
            }),
            CallEnd::NotStarted { reason } => {
                End::NotStarted(wire::NotStarted { reason: reason.as_ref().map(Into::into) })
            }
            CallEnd::Died { reason } => End::Died((&reason).into()),
            CallEnd::Refused { failure } => End::Refused(failure.into()),
            CallEnd::InputsUnavailable { failure } => End::InputsUnavailable(failure.into()),
        };
        wire::LaneCallEnded {
            lane: ended.lane.0,
            sequence: ended.sequence,
            window: ended.window,
            end: Some(end),
        }
    }
}

impl TryFrom<wire::LaneCallEnded> for LaneCallEnded {
    type Error = ConvertError;
    fn try_from(ended: wire::LaneCallEnded) -> Result<Self, ConvertError> {
        let end = match ended.end.required("lane_call_ended.end")? {
            End::Ran(ran) => CallEnd::Ran {
                outcome: outcome(ran.outcome, "ran.outcome")?,
                retryable: ran.retryable,
                micros: ran.micros,
                borrows: unpack_objects(&ran.borrows, "ran.borrows")?,
            },
            End::NotStarted(not) => {
                let reason = not.reason.map(|some| reason(Some(some), "not_started.reason")).transpose()?;
                CallEnd::NotStarted { reason }
            }
            End::Died(reason) => CallEnd::Died { reason: reason.try_into()? },
            End::Refused(failure) => CallEnd::Refused { failure: failure.try_into()? },
            End::InputsUnavailable(failure) => CallEnd::InputsUnavailable { failure: failure.try_into()? },
        };
        Ok(LaneCallEnded { lane: LaneId(ended.lane), sequence: ended.sequence, end, window: ended.window })
    }
}
