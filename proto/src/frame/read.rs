//! The frequent frames, read without a wire message in between.
//!
//! What is read here is what [`direct`](super::direct) writes: fields in ascending order, each at most once. Anything else,
//! malformed bytes included, is left to the general way, which says what is wrong; so both always agree.

use super::direct::{COMPLETED, DONE, RUN, SUBMIT};
use crate::value::COPIED_LENGTH;
use bytes::Bytes;
use mobula_types::frame::{Run, Submit};
use mobula_types::{
    Attempt, Frame, Outcome, OwnerTerm, Payload, ResultValue, StoredValue, TaskId, TemplateId,
};
use std::time::Duration;

/// A frame, if it is one of the frequent kinds in their usual form. `frame` is a part of `message`.
#[inline]
pub(crate) fn read(frame: &[u8], message: &Bytes) -> Option<Frame> {
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
        SUBMIT => read_submit(fields, message).map(Frame::Submit),
        COMPLETED => read_completed(fields, message),
        RUN => read_run(fields, message).map(Frame::Run),
        DONE => read_done(fields, message),
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

fn read_submit(mut fields: Fields<'_>, message: &Bytes) -> Option<Submit> {
    let mut submit = Submit {
        task: TaskId::default(),
        template: TemplateId(0),
        arguments: Payload::EMPTY,
        references: Vec::new(),
        contained: Vec::new(),
        deadline: None,
        parent: None,
        reoffered: false,
    };
    while !fields.is_empty() {
        match fields.key()? {
            (1, FIXED64) => submit.task.high = fields.fixed64()?,
            (2, FIXED64) => submit.task.low = fields.fixed64()?,
            (3, VARINT) => submit.template = TemplateId(fields.number()?),
            (4, LENGTH_DELIMITED) => submit.arguments = payload(fields.bytes()?, message),
            (7, VARINT) => submit.deadline = Some(fields.nanos()?),
            (8, VARINT) => submit.parent = Some(fields.varint()?),
            (9, VARINT) => submit.reoffered = fields.boolean()?,
            _ => return None,
        }
    }
    Some(submit)
}

fn read_run(mut fields: Fields<'_>, message: &Bytes) -> Option<Run> {
    let mut run = Run {
        handle: 0,
        slot: 0,
        task: TaskId::default(),
        attempt: Attempt::default(),
        template: TemplateId(0),
        arguments: Payload::EMPTY,
        inputs: Vec::new(),
        deadline: None,
    };
    while !fields.is_empty() {
        match fields.key()? {
            (1, VARINT) => run.handle = fields.varint()?,
            (2, VARINT) => run.slot = fields.number()?,
            (3, FIXED64) => run.task.high = fields.fixed64()?,
            (4, FIXED64) => run.task.low = fields.fixed64()?,
            (5, VARINT) => run.attempt.owner_term = OwnerTerm(fields.number()?),
            (6, VARINT) => run.attempt.number = fields.number()?,
            (7, VARINT) => run.template = TemplateId(fields.number()?),
            (8, LENGTH_DELIMITED) => run.arguments = payload(fields.bytes()?, message),
            (10, VARINT) => run.deadline = Some(fields.nanos()?),
            _ => return None,
        }
    }
    Some(run)
}

fn read_completed(mut fields: Fields<'_>, message: &Bytes) -> Option<Frame> {
    let mut task = TaskId::default();
    let mut outcome = None;
    while !fields.is_empty() {
        match fields.key()? {
            (1, FIXED64) => task.high = fields.fixed64()?,
            (2, FIXED64) => task.low = fields.fixed64()?,
            (3, LENGTH_DELIMITED) => outcome = Some(inline(fields.bytes()?, message)?),
            _ => return None,
        }
    }
    Some(Frame::Completed { task, outcome: outcome? })
}

fn read_done(mut fields: Fields<'_>, message: &Bytes) -> Option<Frame> {
    let (mut handle, mut outcome, mut retryable, mut micros) = (0, None, false, 0);
    while !fields.is_empty() {
        match fields.key()? {
            (1, VARINT) => handle = fields.varint()?,
            (2, LENGTH_DELIMITED) => outcome = Some(inline(fields.bytes()?, message)?),
            (3, VARINT) => retryable = fields.boolean()?,
            (4, VARINT) => micros = fields.number()?,
            _ => return None,
        }
    }
    Some(Frame::Done { handle, outcome: outcome?, retryable, micros })
}

/// An outcome that is one value, in place, without references.
#[inline]
fn inline(outcome: &[u8], message: &Bytes) -> Option<Outcome> {
    let mut fields = Fields { rest: outcome, last: 0 };
    if fields.key()? != (1, LENGTH_DELIMITED) {
        return None;
    }
    let value = payload(fields.bytes()?, message);
    fields
        .is_empty()
        .then_some(Outcome::Value(ResultValue { value: StoredValue::Inline(value), contained: None }))
}
