//! The frequent frames, read without a wire message in between.
//!
//! What is read here is what [`direct`](super::direct) writes: fields in ascending order, each at most once. Anything else,
//! malformed bytes included, is left to the general way, which says what is wrong; so both always agree.

mod call;

use super::direct::call::{CALL, LANE_CALL, LANE_CALL_ENDED, TURN};
use super::direct::{COMPLETED, DONE, RUN, SUBMIT};
use crate::value::COPIED_LENGTH;
use bytes::Bytes;
use mobula_types::frame::{Run, RunExtras, Submit, SubmitExtras};
use mobula_types::{Attempt, Frame, Outcome, OwnerTerm, Payload, ResultValue, TaskId, TemplateId};
use std::time::Duration;

/// Reads a frame, if it is one of the frequent kinds in their usual form, and appends it. `frame` is a part of `message`.
#[inline]
pub(crate) fn read(frame: &[u8], message: &Bytes, frames: &mut Vec<Frame>) -> bool {
    read_usual(frame, message, frames).is_some()
}

#[inline]
fn read_usual(frame: &[u8], message: &Bytes, frames: &mut Vec<Frame>) -> Option<()> {
    let mut fields = Fields { rest: frame, last: 0 };
    let (kind, wire_type) = fields.key()?;
    if wire_type != LENGTH_DELIMITED {
        return None;
    }
    let content = fields.bytes()?;
    if !fields.rest.is_empty() {
        return None;
    }
    let fields = Fields { rest: content, last: 0 };
    match kind {
        SUBMIT => read_submit(fields, message, frames),
        COMPLETED => read_completed(fields, message, frames),
        RUN => read_run(fields, message, frames),
        DONE => read_done(fields, message, frames),
        CALL => call::read_call(fields, message, frames),
        TURN => call::read_turn(fields, message, frames),
        LANE_CALL => call::read_lane_call(fields, message, frames),
        LANE_CALL_ENDED => call::read_lane_call_ended(fields, message, frames),
        _ => None,
    }
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;

/// The fields of a message that have not been read yet.
struct Fields<'a> {
    rest: &'a [u8],
    /// The number of the last field.
    last: u32,
}

impl<'a> Fields<'a> {
    /// The next field's number, which is higher than the one before, and its wire type.
    #[inline]
    fn key(&mut self) -> Option<(u32, u8)> {
        let key = u32::try_from(self.varint()?).ok()?;
        let tag = key >> 3;
        if tag <= self.last {
            return None;
        }
        self.last = tag;
        Some((tag, (key & 7) as u8))
    }

    #[inline]
    fn varint(&mut self) -> Option<u64> {
        let (value, length) = varint(self.rest)?;
        self.rest = &self.rest[length..];
        Some(value)
    }

    #[inline]
    fn number(&mut self) -> Option<u32> {
        u32::try_from(self.varint()?).ok()
    }

    #[inline]
    fn boolean(&mut self) -> Option<bool> {
        match self.varint()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    #[inline]
    fn fixed64(&mut self) -> Option<u64> {
        let (value, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u64::from_le_bytes(*value))
    }

    #[inline]
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (value, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(value)
    }

    #[inline]
    fn nanos(&mut self) -> Option<Duration> {
        self.varint().map(Duration::from_nanos)
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// A varint at the beginning of `bytes`, and how long it is.
#[inline]
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((u64::from(first), 1));
    }
    long_varint(bytes)
}

fn long_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (position, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if position == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * position);
        if byte & 0x80 == 0 {
            return Some((value, position + 1));
        }
    }
    None
}

/// As [`payload`](crate::value::payload): what is small does not keep its message alive.
#[inline]
fn payload(bytes: &[u8], message: &Bytes) -> Payload {
    if bytes.len() <= COPIED_LENGTH { Payload::from(bytes) } else { Payload::from(message.slice_ref(bytes)) }
}

fn read_submit(mut fields: Fields<'_>, message: &Bytes, frames: &mut Vec<Frame>) -> Option<()> {
    let (mut task, mut template, mut arguments) = (TaskId::default(), 0, &[][..]);
    let (mut deadline, mut parent) = (None, None);
    while !fields.is_empty() {
        match fields.key()? {
            (1, FIXED64) => task.high = fields.fixed64()?,
            (2, FIXED64) => task.low = fields.fixed64()?,
            (3, VARINT) => template = fields.number()?,
            (4, LENGTH_DELIMITED) => arguments = fields.bytes()?,
            (7, VARINT) => deadline = Some(fields.nanos()?),
            (8, VARINT) => parent = Some(fields.varint()?),
            _ => return None,
        }
    }
    frames.push(Frame::Submit(Submit {
        task,
        template: TemplateId(template),
        arguments: payload(arguments, message),
        parent,
        extras: SubmitExtras { deadline, ..SubmitExtras::default() }.boxed(),
    }));
    Some(())
}

fn read_run(mut fields: Fields<'_>, message: &Bytes, frames: &mut Vec<Frame>) -> Option<()> {
    let (mut handle, mut slot, mut task) = (0, 0, TaskId::default());
    let (mut attempt, mut template, mut arguments) = (Attempt::default(), 0, &[][..]);
    let mut deadline = None;
    while !fields.is_empty() {
        match fields.key()? {
            (1, VARINT) => handle = fields.varint()?,
            (2, VARINT) => slot = fields.number()?,
            (3, FIXED64) => task.high = fields.fixed64()?,
            (4, FIXED64) => task.low = fields.fixed64()?,
            (5, VARINT) => attempt.owner_term = OwnerTerm(fields.number()?),
            (6, VARINT) => attempt.number = fields.number()?,
            (7, VARINT) => template = fields.number()?,
            (8, LENGTH_DELIMITED) => arguments = fields.bytes()?,
            (10, VARINT) => deadline = Some(fields.nanos()?),
            _ => return None,
        }
    }
    frames.push(Frame::Run(Run {
        handle,
        slot,
        task,
        attempt,
        template: TemplateId(template),
        arguments: payload(arguments, message),
        extras: RunExtras { deadline, ..RunExtras::default() }.boxed(),
    }));
    Some(())
}

fn read_completed(mut fields: Fields<'_>, message: &Bytes, frames: &mut Vec<Frame>) -> Option<()> {
    let (mut task, mut value) = (TaskId::default(), None);
    while !fields.is_empty() {
        match fields.key()? {
            (1, FIXED64) => task.high = fields.fixed64()?,
            (2, FIXED64) => task.low = fields.fixed64()?,
            (3, LENGTH_DELIMITED) => value = Some(inline(fields.bytes()?)?),
            _ => return None,
        }
    }
    let value = payload(value?, message);
    frames.push(Frame::Completed { task, outcome: Outcome::Value(ResultValue::inline(value)) });
    Some(())
}

fn read_done(mut fields: Fields<'_>, message: &Bytes, frames: &mut Vec<Frame>) -> Option<()> {
    let (mut handle, mut value, mut retryable, mut micros) = (0, None, false, 0);
    while !fields.is_empty() {
        match fields.key()? {
            (1, VARINT) => handle = fields.varint()?,
            (2, LENGTH_DELIMITED) => value = Some(inline(fields.bytes()?)?),
            (3, VARINT) => retryable = fields.boolean()?,
            (4, VARINT) => micros = fields.number()?,
            _ => return None,
        }
    }
    let value = payload(value?, message);
    let outcome = Outcome::Value(ResultValue::inline(value));
    frames.push(Frame::Done { handle, outcome, retryable, micros, borrows: Box::default() });
    Some(())
}

/// The bytes of an outcome that is one value, in place, without references.
#[inline]
fn inline(outcome: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields { rest: outcome, last: 0 };
    if fields.key()? != (1, LENGTH_DELIMITED) {
        return None;
    }
    let value = fields.bytes()?;
    fields.is_empty().then_some(value)
}
