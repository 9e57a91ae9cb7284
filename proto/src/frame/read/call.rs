//! Calls of actors on their way, read directly.

use super::{FIXED64, Fields, LENGTH_DELIMITED, VARINT, inline, payload};
use bytes::Bytes;
use mobula_types::actor::{ActorId, CallEnd, Caller, Epoch, Incarnation, LaneCall, LaneId};
use mobula_types::frame::{Call, LaneCallEnded, SubmitExtras, Turn};
use mobula_types::{Attempt, Frame, JobId, Outcome, OwnerTerm, ResultValue, TaskId, TemplateId};

pub(super) fn read_call(mut fields: Fields<'_>, message: &Bytes, frames: &mut Vec<Frame>) -> Option<()> {
    let (mut task, mut actor, mut template, mut arguments) =
        (TaskId::default(), TaskId::default(), 0, &[][..]);
    let (mut sequence, mut answered_below, mut deadline, mut parent) = (0, 0, None, None);
    while !fields.is_empty() {
        match fields.key()? {
            (1, FIXED64) => task.high = fields.fixed64()?,
            (2, FIXED64) => task.low = fields.fixed64()?,
            (3, FIXED64) => actor.high = fields.fixed64()?,
            (4, FIXED64) => actor.low = fields.fixed64()?,
            (5, VARINT) => sequence = fields.varint()?,
            (6, VARINT) => answered_below = fields.varint()?,
            (7, VARINT) => template = fields.number()?,
            (8, LENGTH_DELIMITED) => arguments = fields.bytes()?,
            (11, VARINT) => deadline = Some(fields.nanos()?),
            (12, VARINT) => parent = Some(fields.varint()?),
            _ => return None,
        }
    }
    frames.push(Frame::Call(Box::new(Call {
        task,
        actor: ActorId(actor),
        sequence,
        answered_below,
        template: TemplateId(template),
        arguments: payload(arguments, message),
        parent,
        extras: SubmitExtras { deadline, ..SubmitExtras::default() }.boxed(),
    })));
    Some(())
}

/// A caller: exactly one field says which.
fn caller(content: &[u8]) -> Option<Caller> {
    let mut fields = Fields { rest: content, last: 0 };
    let caller = match fields.key()? {
        (1, FIXED64) => Caller::Driver(JobId(fields.fixed64()?)),
        (2, LENGTH_DELIMITED) => calling_task(Fields { rest: fields.bytes()?, last: 0 })?,
        (3, LENGTH_DELIMITED) => calling_actor(Fields { rest: fields.bytes()?, last: 0 })?,
        _ => return None,
    };
    fields.is_empty().then_some(caller)
}

fn calling_task(mut fields: Fields<'_>) -> Option<Caller> {
    let (mut task, mut attempt) = (TaskId::default(), Attempt::default());
    while !fields.is_empty() {
        match fields.key()? {
            (1, FIXED64) => task.high = fields.fixed64()?,
            (2, FIXED64) => task.low = fields.fixed64()?,
            (3, VARINT) => attempt.owner_term = OwnerTerm(fields.number()?),
            (4, VARINT) => attempt.number = fields.number()?,
            _ => return None,
        }
    }
    Some(Caller::Task(task, attempt))
}

fn calling_actor(mut fields: Fields<'_>) -> Option<Caller> {
    let mut incarnation = Incarnation::default();
    while !fields.is_empty() {
        match fields.key()? {
            (1, FIXED64) => incarnation.actor.0.high = fields.fixed64()?,
            (2, FIXED64) => incarnation.actor.0.low = fields.fixed64()?,
            (3, VARINT) => incarnation.epoch = Epoch(fields.varint()?),
            _ => return None,
        }
    }
    Some(Caller::Actor(incarnation))
}

pub(super) fn read_turn(mut fields: Fields<'_>, message: &Bytes, frames: &mut Vec<Frame>) -> Option<()> {
    let (mut handle, mut key, mut caller, mut task) = (0, 0, None, TaskId::default());
    let (mut attempt, mut template, mut arguments) = (Attempt::default(), 0, &[][..]);
    let mut deadline = None;
    while !fields.is_empty() {
        match fields.key()? {
            (1, VARINT) => handle = fields.varint()?,
            (2, VARINT) => key = fields.number()?,
            (3, LENGTH_DELIMITED) => caller = Some(self::caller(fields.bytes()?)?),
            (4, FIXED64) => task.high = fields.fixed64()?,
            (5, FIXED64) => task.low = fields.fixed64()?,
            (6, VARINT) => attempt.owner_term = OwnerTerm(fields.number()?),
            (7, VARINT) => attempt.number = fields.number()?,
            (8, VARINT) => template = fields.number()?,
            (9, LENGTH_DELIMITED) => arguments = fields.bytes()?,
            (11, VARINT) => deadline = Some(fields.nanos()?),
            _ => return None,
        }
    }
    frames.push(Frame::Turn(Box::new(Turn {
        handle,
        key,
        caller: caller?,
        task,
        attempt,
        template: TemplateId(template),
        arguments: payload(arguments, message),
        inputs: Vec::new(),
        deadline,
    })));
    Some(())
}

pub(super) fn read_lane_call(mut fields: Fields<'_>, message: &Bytes, frames: &mut Vec<Frame>) -> Option<()> {
    let (mut lane, mut sequence, mut epoch, mut task) = (0, 0, 0, TaskId::default());
    let (mut attempt, mut template, mut arguments) = (Attempt::default(), 0, &[][..]);
    let (mut deadline, mut answered_below) = (None, 0);
    while !fields.is_empty() {
        match fields.key()? {
            (1, VARINT) => lane = fields.varint()?,
            (2, VARINT) => sequence = fields.varint()?,
            (3, VARINT) => epoch = fields.varint()?,
            (4, FIXED64) => task.high = fields.fixed64()?,
            (5, FIXED64) => task.low = fields.fixed64()?,
            (6, VARINT) => attempt.owner_term = OwnerTerm(fields.number()?),
            (7, VARINT) => attempt.number = fields.number()?,
            (8, VARINT) => template = fields.number()?,
            (9, LENGTH_DELIMITED) => arguments = fields.bytes()?,
            (11, VARINT) => deadline = Some(fields.nanos()?),
            (12, VARINT) => answered_below = fields.varint()?,
            _ => return None,
        }
    }
    frames.push(Frame::LaneCall(Box::new(LaneCall {
        lane: LaneId(lane),
        sequence,
        epoch: Epoch(epoch),
        task,
        attempt,
        template: TemplateId(template),
        arguments: payload(arguments, message),
        inputs: Vec::new(),
        deadline,
        answered_below,
        resent: false,
    })));
    Some(())
}

pub(super) fn read_lane_call_ended(
    mut fields: Fields<'_>,
    message: &Bytes,
    frames: &mut Vec<Frame>,
) -> Option<()> {
    let (mut lane, mut sequence, mut window, mut end) = (0, 0, 0, None);
    while !fields.is_empty() {
        match fields.key()? {
            (1, VARINT) => lane = fields.varint()?,
            (2, VARINT) => sequence = fields.varint()?,
            (3, VARINT) => window = fields.number()?,
            (4, LENGTH_DELIMITED) => end = Some(ran(Fields { rest: fields.bytes()?, last: 0 }, message)?),
            _ => return None,
        }
    }
    frames.push(Frame::LaneCallEnded(Box::new(LaneCallEnded {
        lane: LaneId(lane),
        sequence,
        end: end?,
        window,
    })));
    Some(())
}

fn ran(mut fields: Fields<'_>, message: &Bytes) -> Option<CallEnd> {
    let (mut value, mut retryable, mut micros) = (None, false, 0);
    while !fields.is_empty() {
        match fields.key()? {
            (1, LENGTH_DELIMITED) => value = Some(inline(fields.bytes()?)?),
            (2, VARINT) => retryable = fields.boolean()?,
            (3, VARINT) => micros = fields.number()?,
            _ => return None,
        }
    }
    let outcome = Outcome::Value(ResultValue::inline(payload(value?, message)));
    Some(CallEnd::Ran { outcome, retryable, micros, borrows: Vec::new() })
}
