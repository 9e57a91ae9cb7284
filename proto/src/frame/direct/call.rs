//! Calls of actors on their way, written directly.

use super::{begin, bytes_length, inline, outcome_length, put_bytes, put_outcome};
use crate::identity::nanos;
use bytes::BytesMut;
use mobula_types::actor::{CallEnd, Caller, Incarnation, LaneCall};
use mobula_types::frame::{Call, LaneCallEnded, Turn};
use mobula_types::{Attempt, Payload, TaskId};
use prost::encoding::{
    WireType, bool as boolean, encode_key, encode_varint, encoded_len_varint, fixed64, key_len, uint32,
    uint64,
};

/// The numbers of the kinds in `Frame.kind`.
pub(in crate::frame) const CALL: u32 = 42;
pub(in crate::frame) const TURN: u32 = 47;
pub(in crate::frame) const LANE_CALL: u32 = 52;
pub(in crate::frame) const LANE_CALL_ENDED: u32 = 53;

fn message_length(tag: u32, length: usize) -> usize {
    key_len(tag) + encoded_len_varint(length as u64) + length
}

/// Writes what stands before a message's fields, which have `length` bytes.
fn begin_message(tag: u32, length: usize, body: &mut BytesMut) {
    encode_key(tag, WireType::LengthDelimited, body);
    encode_varint(length as u64, body);
}

/// Appends a call without references; `false` where it has some.
pub(super) fn append_call(call: &Call, body: &mut BytesMut) -> bool {
    let deadline = match call.extras.as_deref() {
        None => None,
        Some(extras)
            if extras.references.is_empty() && extras.contained.is_empty() && extras.reoffer.is_none() =>
        {
            extras.deadline.map(nanos)
        }
        Some(_) => return false,
    };
    let arguments = call.arguments.as_slice();
    let actor = call.actor.0;
    let length = unless_zero!(length fixed64, 1, call.task.high)
        + unless_zero!(length fixed64, 2, call.task.low)
        + unless_zero!(length fixed64, 3, actor.high)
        + unless_zero!(length fixed64, 4, actor.low)
        + unless_zero!(length uint64, 5, call.sequence)
        + unless_zero!(length uint64, 6, call.answered_below)
        + unless_zero!(length uint32, 7, call.template.0)
        + if arguments.is_empty() { 0 } else { bytes_length(8, arguments) }
        + deadline.map_or(0, |deadline| uint64::encoded_len(11, &deadline))
        + call.parent.map_or(0, |parent| uint64::encoded_len(12, &parent));
    begin(CALL, length, body);
    unless_zero!(put fixed64, 1, call.task.high, body);
    unless_zero!(put fixed64, 2, call.task.low, body);
    unless_zero!(put fixed64, 3, actor.high, body);
    unless_zero!(put fixed64, 4, actor.low, body);
    unless_zero!(put uint64, 5, call.sequence, body);
    unless_zero!(put uint64, 6, call.answered_below, body);
    unless_zero!(put uint32, 7, call.template.0, body);
    if !arguments.is_empty() {
        put_bytes(8, arguments, body);
    }
    if let Some(deadline) = deadline {
        uint64::encode(11, &deadline, body);
    }
    if let Some(parent) = call.parent {
        uint64::encode(12, &parent, body);
    }
    true
}

fn task_length(task: TaskId, attempt: Attempt) -> usize {
    unless_zero!(length fixed64, 1, task.high)
        + unless_zero!(length fixed64, 2, task.low)
        + unless_zero!(length uint32, 3, attempt.owner_term.0)
        + unless_zero!(length uint32, 4, attempt.number)
}

fn incarnation_length(incarnation: Incarnation) -> usize {
    unless_zero!(length fixed64, 1, incarnation.actor.0.high)
        + unless_zero!(length fixed64, 2, incarnation.actor.0.low)
        + unless_zero!(length uint64, 3, incarnation.epoch.0)
}

/// How long the content of a `Caller` is. Its field is written even where it is zero: it says which kind of caller it is.
fn caller_length(caller: Caller) -> usize {
    match caller {
        Caller::Driver(job) => fixed64::encoded_len(1, &job.0),
        Caller::Task(task, attempt) => message_length(2, task_length(task, attempt)),
        Caller::Actor(incarnation) => message_length(3, incarnation_length(incarnation)),
    }
}

fn put_caller(caller: Caller, body: &mut BytesMut) {
    match caller {
        Caller::Driver(job) => fixed64::encode(1, &job.0, body),
        Caller::Task(task, attempt) => {
            begin_message(2, task_length(task, attempt), body);
            unless_zero!(put fixed64, 1, task.high, body);
            unless_zero!(put fixed64, 2, task.low, body);
            unless_zero!(put uint32, 3, attempt.owner_term.0, body);
            unless_zero!(put uint32, 4, attempt.number, body);
        }
        Caller::Actor(incarnation) => {
            begin_message(3, incarnation_length(incarnation), body);
            unless_zero!(put fixed64, 1, incarnation.actor.0.high, body);
            unless_zero!(put fixed64, 2, incarnation.actor.0.low, body);
            unless_zero!(put uint64, 3, incarnation.epoch.0, body);
        }
    }
}

/// Appends a turn without inputs.
pub(super) fn append_turn(turn: &Turn, body: &mut BytesMut) {
    let arguments = turn.arguments.as_slice();
    let deadline = turn.deadline.map(nanos);
    let caller = caller_length(turn.caller);
    let length = unless_zero!(length uint64, 1, turn.handle)
        + unless_zero!(length uint32, 2, turn.key)
        + message_length(3, caller)
        + unless_zero!(length fixed64, 4, turn.task.high)
        + unless_zero!(length fixed64, 5, turn.task.low)
        + unless_zero!(length uint32, 6, turn.attempt.owner_term.0)
        + unless_zero!(length uint32, 7, turn.attempt.number)
        + unless_zero!(length uint32, 8, turn.template.0)
        + if arguments.is_empty() { 0 } else { bytes_length(9, arguments) }
        + deadline.map_or(0, |deadline| uint64::encoded_len(11, &deadline));
    begin(TURN, length, body);
    unless_zero!(put uint64, 1, turn.handle, body);
    unless_zero!(put uint32, 2, turn.key, body);
    begin_message(3, caller, body);
    put_caller(turn.caller, body);
    unless_zero!(put fixed64, 4, turn.task.high, body);
    unless_zero!(put fixed64, 5, turn.task.low, body);
    unless_zero!(put uint32, 6, turn.attempt.owner_term.0, body);
    unless_zero!(put uint32, 7, turn.attempt.number, body);
    unless_zero!(put uint32, 8, turn.template.0, body);
    if !arguments.is_empty() {
        put_bytes(9, arguments, body);
    }
    if let Some(deadline) = deadline {
        uint64::encode(11, &deadline, body);
    }
}

/// Appends a call without inputs that was not made before through another node.
pub(super) fn append_lane_call(call: &LaneCall, body: &mut BytesMut) {
    let arguments = call.arguments.as_slice();
    let deadline = call.deadline.map(nanos);
    let length = unless_zero!(length uint64, 1, call.lane.0)
        + unless_zero!(length uint64, 2, call.sequence)
        + unless_zero!(length uint64, 3, call.epoch.0)
        + unless_zero!(length fixed64, 4, call.task.high)
        + unless_zero!(length fixed64, 5, call.task.low)
        + unless_zero!(length uint32, 6, call.attempt.owner_term.0)
        + unless_zero!(length uint32, 7, call.attempt.number)
        + unless_zero!(length uint32, 8, call.template.0)
        + if arguments.is_empty() { 0 } else { bytes_length(9, arguments) }
        + deadline.map_or(0, |deadline| uint64::encoded_len(11, &deadline))
        + unless_zero!(length uint64, 12, call.answered_below);
    begin(LANE_CALL, length, body);
    unless_zero!(put uint64, 1, call.lane.0, body);
    unless_zero!(put uint64, 2, call.sequence, body);
    unless_zero!(put uint64, 3, call.epoch.0, body);
    unless_zero!(put fixed64, 4, call.task.high, body);
    unless_zero!(put fixed64, 5, call.task.low, body);
    unless_zero!(put uint32, 6, call.attempt.owner_term.0, body);
    unless_zero!(put uint32, 7, call.attempt.number, body);
    unless_zero!(put uint32, 8, call.template.0, body);
    if !arguments.is_empty() {
        put_bytes(9, arguments, body);
    }
    if let Some(deadline) = deadline {
        uint64::encode(11, &deadline, body);
    }
    unless_zero!(put uint64, 12, call.answered_below, body);
}

/// Appends the end of a call that ran and answered one value in place; `false` for any other end.
pub(super) fn append_lane_call_ended(ended: &LaneCallEnded, body: &mut BytesMut) -> bool {
    let CallEnd::Ran { outcome, retryable, micros, borrows } = &ended.end else { return false };
    match inline(outcome) {
        Some(value) if borrows.is_empty() => append_ran(ended, value, *retryable, *micros, body),
        _ => return false,
    }
    true
}

fn append_ran(ended: &LaneCallEnded, value: &Payload, retryable: bool, micros: u32, body: &mut BytesMut) {
    let value = value.as_slice();
    let ran = outcome_length(1, value)
        + unless_zero!(length boolean, 2, retryable)
        + unless_zero!(length uint32, 3, micros);
    let length = unless_zero!(length uint64, 1, ended.lane.0)
        + unless_zero!(length uint64, 2, ended.sequence)
        + unless_zero!(length uint32, 3, ended.window)
        + message_length(4, ran);
    begin(LANE_CALL_ENDED, length, body);
    unless_zero!(put uint64, 1, ended.lane.0, body);
    unless_zero!(put uint64, 2, ended.sequence, body);
    unless_zero!(put uint32, 3, ended.window, body);
    begin_message(4, ran, body);
    put_outcome(1, value, body);
    unless_zero!(put boolean, 2, retryable, body);
    unless_zero!(put uint32, 3, micros, body);
}

#[cfg(test)]
mod tests {
    use crate::frame::{direct, read};
    use bytes::BytesMut;
    use mobula_types::actor::{ActorId, CallEnd, Caller, Epoch, Incarnation, LaneCall, LaneId};
    use mobula_types::frame::{Call, LaneCallEnded, Turn};
    use mobula_types::{Attempt, Frame, JobId, Outcome, Payload, ResultValue, TaskId, TemplateId};

    const TASK: TaskId = TaskId { high: 1, low: 2 };

    fn turn(caller: Caller) -> Frame {
        Frame::Turn(Box::new(Turn {
            handle: 300,
            key: 7,
            caller,
            task: TASK,
            attempt: Attempt::default(),
            template: TemplateId(3),
            arguments: Payload::from(&b"\x07"[..]),
            inputs: Vec::new(),
            deadline: None,
        }))
    }

    fn frames() -> Vec<Frame> {
        let call = Call {
            task: TASK,
            actor: ActorId(TASK),
            sequence: 9,
            answered_below: 8,
            template: TemplateId(3),
            arguments: Payload::EMPTY,
            parent: Some(1),
            extras: None,
        };
        let lane_call = LaneCall {
            lane: LaneId(1),
            sequence: 9,
            epoch: Epoch(2),
            task: TASK,
            attempt: Attempt::default(),
            template: TemplateId(3),
            arguments: Payload::EMPTY,
            inputs: Vec::new(),
            deadline: None,
            answered_below: 8,
            resent: false,
        };
        let outcome = Outcome::Value(ResultValue::inline(Payload::EMPTY));
        let end = CallEnd::Ran { outcome, retryable: false, micros: 5, borrows: Vec::new() };
        let ended = LaneCallEnded { lane: LaneId(1), sequence: 9, end, window: 64 };
        vec![
            Frame::Call(Box::new(call)),
            turn(Caller::Driver(JobId(0))),
            turn(Caller::Task(TASK, Attempt::default())),
            turn(Caller::Actor(Incarnation::default())),
            Frame::LaneCall(Box::new(lane_call)),
            Frame::LaneCallEnded(Box::new(ended)),
        ]
    }

    #[test]
    fn the_usual_frames_of_calls_need_no_wire_message() {
        for frame in frames() {
            let mut body = BytesMut::new();
            assert!(direct::append(&frame, &mut body), "{frame:?}");
            // Behind the key of `Batch.frames` and a length of one byte.
            let message = body.freeze();
            let mut read = Vec::new();
            assert!(read::read(&message[2..], &message, &mut read), "{frame:?}");
            assert_eq!(read, [frame]);
            assert!(message.len() < 64, "{} bytes", message.len());
        }
    }
}
