//! The frequent frames, written without a wire message in between: no allocation, and each field looked at once or
//! twice. The bytes are the same; the tests hold them against each other.

use crate::identity::nanos;
use bytes::{BufMut, BytesMut};
use mobula_types::frame::{Run, Submit};
use mobula_types::{Frame, Outcome, Payload, ResultValue, StoredValue, TaskId};
use prost::encoding::{
    WireType, bool as boolean, encode_key, encode_varint, encoded_len_varint, fixed64, key_len, uint32,
    uint64,
};

/// A field that is left out where it is zero.
macro_rules! unless_zero {
    (length $kind:ident, $tag:expr, $value:expr) => {
        if $value == Default::default() { 0 } else { $kind::encoded_len($tag, &$value) }
    };
    (put $kind:ident, $tag:expr, $value:expr, $body:expr) => {
        if $value != Default::default() {
            $kind::encode($tag, &$value, $body);
        }
    };
}

pub(super) mod call;

/// The number of `Batch.frames`.
const FRAMES: u32 = 3;
/// The numbers of the kinds in `Frame.kind`.
pub(super) const SUBMIT: u32 = 2;
pub(super) const COMPLETED: u32 = 8;
pub(super) const RUN: u32 = 16;
pub(super) const DONE: u32 = 22;

/// Appends a frame to a batch's body, if it is one of the frequent kinds; `false` where it is not.
#[inline]
pub(crate) fn append(frame: &Frame, body: &mut BytesMut) -> bool {
    match frame {
        Frame::Submit(submit) if is_plain(submit) => {
            append_submit(submit, body);
        }
        Frame::Run(run) if run.inputs().is_empty() => append_run(run, body),
        Frame::Completed { task, outcome } => match inline(outcome) {
            Some(value) => append_completed(*task, value, body),
            None => return false,
        },
        Frame::Done { handle, outcome, retryable, micros, borrows } => match inline(outcome) {
            Some(value) if borrows.is_empty() => append_done(*handle, value, *retryable, *micros, body),
            _ => return false,
        },
        Frame::Call(call) => return call::append_call(call, body),
        Frame::Turn(turn) if turn.inputs.is_empty() => call::append_turn(turn, body),
        Frame::LaneCall(call) if call.inputs.is_empty() && !call.resent => call::append_lane_call(call, body),
        Frame::LaneCallEnded(ended) => return call::append_lane_call_ended(ended, body),
        _ => return false,
    }
    true
}

/// The usual outcome: one value, in place, without references.
fn inline(outcome: &Outcome) -> Option<&Payload> {
    match outcome {
        Outcome::Value(ResultValue { value: StoredValue::Inline(payload), contained: None }) => Some(payload),
        _ => None,
    }
}

/// Writes what stands before a frame's fields, which have `length` bytes.
#[inline]
fn begin(kind: u32, length: usize, body: &mut BytesMut) {
    let frame_length = key_len(kind) + encoded_len_varint(length as u64) + length;
    body.reserve(frame_length + 8);
    encode_key(FRAMES, WireType::LengthDelimited, body);
    encode_varint(frame_length as u64, body);
    encode_key(kind, WireType::LengthDelimited, body);
    encode_varint(length as u64, body);
}

#[inline]
fn bytes_length(tag: u32, bytes: &[u8]) -> usize {
    key_len(tag) + encoded_len_varint(bytes.len() as u64) + bytes.len()
}

#[inline]
fn put_bytes(tag: u32, bytes: &[u8], body: &mut BytesMut) {
    encode_key(tag, WireType::LengthDelimited, body);
    encode_varint(bytes.len() as u64, body);
    body.put_slice(bytes);
}

fn is_plain(submit: &Submit) -> bool {
    submit.references().is_empty() && submit.contained().is_empty() && submit.reoffer().is_none()
}

fn append_submit(submit: &Submit, body: &mut BytesMut) {
    let arguments = submit.arguments.as_slice();
    let deadline = submit.deadline().map(nanos);
    let length = unless_zero!(length fixed64, 1, submit.task.high)
        + unless_zero!(length fixed64, 2, submit.task.low)
        + unless_zero!(length uint32, 3, submit.template.0)
        + if arguments.is_empty() { 0 } else { bytes_length(4, arguments) }
        + deadline.map_or(0, |deadline| uint64::encoded_len(7, &deadline))
        + submit.parent.map_or(0, |parent| uint64::encoded_len(8, &parent));
    begin(SUBMIT, length, body);
    unless_zero!(put fixed64, 1, submit.task.high, body);
    unless_zero!(put fixed64, 2, submit.task.low, body);
    unless_zero!(put uint32, 3, submit.template.0, body);
    if !arguments.is_empty() {
        put_bytes(4, arguments, body);
    }
    if let Some(deadline) = deadline {
        uint64::encode(7, &deadline, body);
    }
    if let Some(parent) = submit.parent {
        uint64::encode(8, &parent, body);
    }
}

fn append_run(run: &Run, body: &mut BytesMut) {
    let arguments = run.arguments.as_slice();
    let deadline = run.deadline().map(nanos);
    let length = unless_zero!(length uint64, 1, run.handle)
        + unless_zero!(length uint32, 2, run.slot)
        + unless_zero!(length fixed64, 3, run.task.high)
        + unless_zero!(length fixed64, 4, run.task.low)
        + unless_zero!(length uint32, 5, run.attempt.owner_term.0)
        + unless_zero!(length uint32, 6, run.attempt.number)
        + unless_zero!(length uint32, 7, run.template.0)
        + if arguments.is_empty() { 0 } else { bytes_length(8, arguments) }
        + deadline.map_or(0, |deadline| uint64::encoded_len(10, &deadline));
    begin(RUN, length, body);
    unless_zero!(put uint64, 1, run.handle, body);
    unless_zero!(put uint32, 2, run.slot, body);
    unless_zero!(put fixed64, 3, run.task.high, body);
    unless_zero!(put fixed64, 4, run.task.low, body);
    unless_zero!(put uint32, 5, run.attempt.owner_term.0, body);
    unless_zero!(put uint32, 6, run.attempt.number, body);
    unless_zero!(put uint32, 7, run.template.0, body);
    if !arguments.is_empty() {
        put_bytes(8, arguments, body);
    }
    if let Some(deadline) = deadline {
        uint64::encode(10, &deadline, body);
    }
}

/// `Outcome.inline` is written even where it is empty: it says which kind of end it is.
fn outcome_length(tag: u32, value: &[u8]) -> usize {
    let length = bytes_length(1, value);
    key_len(tag) + encoded_len_varint(length as u64) + length
}

fn put_outcome(tag: u32, value: &[u8], body: &mut BytesMut) {
    encode_key(tag, WireType::LengthDelimited, body);
    encode_varint(bytes_length(1, value) as u64, body);
    put_bytes(1, value, body);
}

fn append_completed(task: TaskId, value: &Payload, body: &mut BytesMut) {
    let value = value.as_slice();
    let length = unless_zero!(length fixed64, 1, task.high)
        + unless_zero!(length fixed64, 2, task.low)
        + outcome_length(3, value);
    begin(COMPLETED, length, body);
    unless_zero!(put fixed64, 1, task.high, body);
    unless_zero!(put fixed64, 2, task.low, body);
    put_outcome(3, value, body);
}

fn append_done(handle: u64, value: &Payload, retryable: bool, micros: u32, body: &mut BytesMut) {
    let value = value.as_slice();
    let length = unless_zero!(length uint64, 1, handle)
        + outcome_length(2, value)
        + unless_zero!(length boolean, 3, retryable)
        + unless_zero!(length uint32, 4, micros);
    begin(DONE, length, body);
    unless_zero!(put uint64, 1, handle, body);
    put_outcome(2, value, body);
    unless_zero!(put boolean, 3, retryable, body);
    unless_zero!(put uint32, 4, micros, body);
}
