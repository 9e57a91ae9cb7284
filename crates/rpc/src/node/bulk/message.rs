//! The messages of bulk transfers, read and written without a copy of what they carry.
//!
//! Every message of a transfer has the same shape, whatever its name: a header in field 1, data in field 2. On the wire
//! each has five bytes of gRPC before it. [`MessageReader`] takes the bytes as they come, in pieces of any size, and gives
//! out the data as parts of those very pieces.

use bytes::{BufMut, Bytes, BytesMut};
use mobula_types::{Failure, FailureKind};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

/// The most bytes of a header.
const HEADER_LIMIT: u64 = 64 * 1024;
const HEADER_FIELD: u32 = 1;
const DATA_FIELD: u32 = 2;
/// gRPC's own bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// The most bytes of a variable-length number.
const VARINT: u32 = 10;

/// What was read of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// A whole header.
    Header(Bytes),
    /// Some of the data: never empty.
    Data(Bytes),
}

/// Bytes that are no messages of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error("a message is compressed, and no compression was agreed on")]
    Compressed,
    #[error("a message starts with byte {0}, which is neither 0 nor 1")]
    UnknownFlag(u8),
    #[error("a message of {length} bytes, and {limit} are the most")]
    TooLong { length: u64, limit: u64 },
    #[error("a header of {0} bytes, and {HEADER_LIMIT} are the most")]
    HeaderTooLong(u64),
    #[error("a field's number or kind is none")]
    NoField,
    #[error("a number has more than {VARINT} bytes")]
    NumberTooLong,
    #[error("a field goes beyond the end of its message")]
    BeyondMessage,
    #[error("the stream ends within a message")]
    EndsWithin,
}

impl From<MessageError> for Failure {
    fn from(error: MessageError) -> Self {
        Failure::new(FailureKind::Malformed, format!("a transfer cannot be read: {error}"))
    }
}

/// Reads the messages of one transfer. Pure: the same bytes give the same pieces, however they are cut, but for where one
/// piece of data ends and the next begins.
#[derive(Debug)]
pub(super) struct MessageReader {
    limit: u64,
    state: State,
    /// Bytes of the current message that have not been read.
    left: u64,
}

#[derive(Debug)]
enum State {
    Prefix { bytes: [u8; PREFIX], read: usize },
    Key(Varint),
    Number(Varint),
    Length { field: u32, length: Varint },
    Header { length: u64, bytes: BytesMut },
    Data { length: u64 },
    Skipped { length: u64 },
}

/// A variable-length number under way.
#[derive(Clone, Copy, Default, Debug)]
struct Varint {
    value: u64,
    bytes: u32,
}

impl Varint {
    /// The number, if this byte is its last.
    fn take(&mut self, byte: u8) -> Result<Option<u64>, MessageError> {
        if self.bytes == VARINT {
            return Err(MessageError::NumberTooLong);
        }
        self.value |= u64::from(byte & 0x7f).checked_shl(7 * self.bytes).unwrap_or(0);
        self.bytes += 1;
        Ok((byte & 0x80 == 0).then_some(self.value))
    }
}

const START: State = State::Prefix { bytes: [0; PREFIX], read: 0 };

impl MessageReader {
    /// Messages have at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        MessageReader { limit: limit as u64, state: START, left: 0 }
    }

    /// The next piece; takes what it has read out of `input`. `None` where `input` is used up.
    ///
    /// # Errors
    /// [`MessageError`]; nothing can be read after one.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Piece>, MessageError> {
        loop {
            match &mut self.state {
                State::Prefix { bytes, read } => {
                    let Some(byte) = take_byte(input) else { return Ok(None) };
                    bytes[*read] = byte;
                    *read += 1;
                    if *read == PREFIX {
                        self.left = message_length(*bytes, self.limit)?;
                        self.state = State::Key(Varint::default());
                        self.end_of_field();
                    }
                }
                State::Key(key) => {
                    let Some(byte) = take_byte(input) else { return Ok(None) };
                    self.left -= 1;
                    match key.take(byte)? {
                        Some(key) => self.state = after_key(key, self.left)?,
                        None if self.left == 0 => return Err(MessageError::BeyondMessage),
                        None => {}
                    }
                }
                State::Number(number) => {
                    let Some(byte) = take_byte(input) else { return Ok(None) };
                    self.left -= 1;
                    match number.take(byte)? {
                        Some(_ignored) => self.end_of_field(),
                        None if self.left == 0 => return Err(MessageError::BeyondMessage),
                        None => {}
                    }
                }
                State::Length { field, length } => {
                    let Some(byte) = take_byte(input) else { return Ok(None) };
                    self.left -= 1;
                    match length.take(byte)? {
                        Some(length) => self.state = after_length(*field, length, self.left)?,
                        None if self.left == 0 => return Err(MessageError::BeyondMessage),
                        None => {}
                    }
                }
                State::Header { length, bytes } => {
                    let part = take(input, *length);
                    if part.is_empty() && *length > 0 {
                        return Ok(None);
                    }
                    bytes.extend_from_slice(&part);
                    *length -= part.len() as u64;
                    self.left -= part.len() as u64;
                    if *length == 0 {
                        let header = std::mem::take(bytes).freeze();
                        self.end_of_field();
                        return Ok(Some(Piece::Header(header)));
                    }
                }
                State::Data { length: 0 } | State::Skipped { length: 0 } => self.end_of_field(),
                State::Data { length } | State::Skipped { length } => {
                    let part = take(input, *length);
                    if part.is_empty() {
                        return Ok(None);
                    }
                    *length -= part.len() as u64;
                    self.left -= part.len() as u64;
                    let (ended, is_data) = (*length == 0, matches!(self.state, State::Data { .. }));
                    if ended {
                        self.end_of_field();
                    }
                    if is_data {
                        return Ok(Some(Piece::Data(part)));
                    }
                }
            }
        }
    }

    /// The stream is over, and all of it was read.
    ///
    /// # Errors
    /// `EndsWithin` in the middle of a message.
    pub(super) fn finish(&self) -> Result<(), MessageError> {
        match self.state {
            State::Prefix { read: 0, .. } => Ok(()),
            _ => Err(MessageError::EndsWithin),
        }
    }

    fn end_of_field(&mut self) {
        self.state = if self.left == 0 { START } else { State::Key(Varint::default()) };
    }
}

fn take_byte(input: &mut Bytes) -> Option<u8> {
    let byte = *input.first()?;
    bytes::Buf::advance(input, 1);
    Some(byte)
}

fn take(input: &mut Bytes, most: u64) -> Bytes {
    let length = usize::try_from(most).unwrap_or(usize::MAX).min(input.len());
    input.split_to(length)
}

fn message_length(prefix: [u8; PREFIX], limit: u64) -> Result<u64, MessageError> {
    let [flag, length @ ..] = prefix;
    match flag {
        0 => {}
        1 => return Err(MessageError::Compressed),
        flag => return Err(MessageError::UnknownFlag(flag)),
    }
    let length = u64::from(u32::from_be_bytes(length));
    if length > limit {
        return Err(MessageError::TooLong { length, limit });
    }
    Ok(length)
}

fn after_key(key: u64, left: u64) -> Result<State, MessageError> {
    let field = u32::try_from(key >> 3).map_err(|_| MessageError::NoField)?;
    let skipped = |length| {
        if length > left { Err(MessageError::BeyondMessage) } else { Ok(State::Skipped { length }) }
    };
    let needs_more = |state| if left == 0 { Err(MessageError::BeyondMessage) } else { Ok(state) };
    match (field, key & 7) {
        (1.., 2) => needs_more(State::Length { field, length: Varint::default() }),
        (HEADER_FIELD | DATA_FIELD, _) => Err(MessageError::NoField),
        (1.., 0) => needs_more(State::Number(Varint::default())),
        (1.., 1) => skipped(8),
        (1.., 5) => skipped(4),
        _ => Err(MessageError::NoField),
    }
}

fn after_length(field: u32, length: u64, left: u64) -> Result<State, MessageError> {
    if length > left {
        return Err(MessageError::BeyondMessage);
    }
    match field {
        HEADER_FIELD if length > HEADER_LIMIT => Err(MessageError::HeaderTooLong(length)),
        HEADER_FIELD => Ok(State::Header { length, bytes: BytesMut::new() }),
        DATA_FIELD => Ok(State::Data { length }),
        _ => Ok(State::Skipped { length }),
    }
}

/// A message that holds this header alone, as it goes onto the wire.
pub(super) fn header_message(header: &impl Message) -> Bytes {
    let mut field = BytesMut::new();
    prost::encoding::message::encode(HEADER_FIELD, header, &mut field);
    let mut message = BytesMut::with_capacity(PREFIX + field.len());
    put_prefix(field.len(), &mut message);
    message.extend_from_slice(&field);
    message.freeze()
}

/// What goes onto the wire before `length` bytes of data, which follow as they are.
pub(super) fn before_data(length: usize) -> Bytes {
    let mut field = BytesMut::new();
    encode_key(DATA_FIELD, WireType::LengthDelimited, &mut field);
    encode_varint(length as u64, &mut field);
    let mut message = BytesMut::with_capacity(PREFIX + field.len());
    put_prefix(field.len() + length, &mut message);
    message.extend_from_slice(&field);
    message.freeze()
}

/// A whole message on the wire.
pub(in crate::node) fn whole_message(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::with_capacity(PREFIX + message.encoded_len());
    put_prefix(message.encoded_len(), &mut bytes);
    bytes.put(&message.encode_to_vec()[..]);
    bytes.freeze()
}

/// The length of the one message that `bytes` start with, if its five bytes are there.
///
/// # Errors
/// As for [`MessageReader::next`].
pub(super) fn one_message(bytes: &[u8], limit: usize) -> Result<&[u8], MessageError> {
    let (prefix, message) = bytes.split_first_chunk::<PREFIX>().ok_or(MessageError::EndsWithin)?;
    let length = usize::try_from(message_length(*prefix, limit as u64)?).unwrap_or(usize::MAX);
    message.get(..length).ok_or(MessageError::EndsWithin)
}

fn put_prefix(length: usize, bytes: &mut BytesMut) {
    bytes.put_u8(0);
    // A chunk has a megabyte, and a header less.
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

#[cfg(test)]
mod tests;
