//! Batches of frames: encoded frame by frame as they are taken from a queue, decoded straight into domain frames.
//!
//! [`wire::Batch`] says the same; going frame by frame spares a list of wire frames in the middle. The tests hold the
//! two against each other.

use crate::error::ConvertError;
use crate::frame::{direct, read};
use crate::wire;
use bytes::{BufMut, Bytes, BytesMut};
use mobula_types::Frame;
use prost::Message;
use prost::encoding::{self, DecodeContext, WireType};

const FIRST_SEQUENCE: u32 = 1;
const ACKNOWLEDGED: u32 = 2;
const FRAMES: u32 = 3;
const PIECE: u32 = 7;
const PIECE_LEFT: u32 = 8;

/// Appends one frame to a batch's body.
pub fn append_frame(frame: Frame, body: &mut BytesMut) {
    if !direct::append(&frame, body) {
        encoding::message::encode(FRAMES, &wire::Frame::from(frame), body);
    }
}

/// Writes a piece of a frame as a batch's body. `left` bytes of the frame's own body follow in further pieces.
pub fn append_piece(piece: &Bytes, left: u64, body: &mut BytesMut) {
    encoding::bytes::encode(PIECE, piece, body);
    if left != 0 {
        encoding::uint64::encode(PIECE_LEFT, &left, body);
    }
}

/// How many bytes [`append_piece`] writes at most, beside the piece.
pub const PIECE_LENGTH: usize = 24;

/// A piece of a frame that is too large for one message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// What comes next of the frame's body.
    pub bytes: Bytes,
    /// How many bytes of it follow.
    pub left: u64,
}

/// Most frames are longer than this; how many a batch may have is guessed from it, up to what a session sends at once.
const LEAST_USUAL_LENGTH: usize = 24;
const MOST_FORESEEN: usize = 512;

/// How many bytes [`put_numbers`] writes at most.
pub const NUMBERS_LENGTH: usize = 22;

/// Writes the numbers that stand before a batch's body.
pub fn put_numbers(first_sequence: u64, acknowledged: u64, buffer: &mut impl BufMut) {
    for (tag, number) in [(FIRST_SEQUENCE, first_sequence), (ACKNOWLEDGED, acknowledged)] {
        if number != 0 {
            encoding::uint64::encode(tag, &number, buffer);
        }
    }
}

/// A batch as it was received.
#[derive(Debug, Default)]
pub struct ReceivedBatch {
    /// The number of the first frame.
    pub first_sequence: u64,
    /// How many frames of the receiver its peer has taken.
    pub acknowledged: u64,
    /// The frames.
    pub frames: Vec<Frame>,
    /// A piece of a large one, where there are none.
    pub piece: Option<Piece>,
    /// What is there beside frames: a greeting, or the end.
    pub rest: Option<Box<wire::Batch>>,
}

/// Reads a batch.
///
/// # Errors
/// Where the bytes are no batch, or a frame does not make sense: nothing of it is to be used then.
pub fn read_batch(bytes: Bytes) -> Result<ReceivedBatch, ConvertError> {
    let frames = Vec::with_capacity((bytes.len() / LEAST_USUAL_LENGTH).min(MOST_FORESEEN));
    let mut batch = ReceivedBatch { frames, ..ReceivedBatch::default() };
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (tag, wire_type) = encoding::decode_key(&mut rest).map_err(|error| broken("batch", error))?;
        match tag {
            FIRST_SEQUENCE => {
                encoding::uint64::merge(wire_type, &mut batch.first_sequence, &mut rest, context())
                    .map_err(|error| broken("batch.first_sequence", error))?
            }
            ACKNOWLEDGED => encoding::uint64::merge(wire_type, &mut batch.acknowledged, &mut rest, context())
                .map_err(|error| broken("batch.acknowledged", error))?,
            FRAMES => read_frame(wire_type, &mut rest, &bytes, &mut batch.frames)?,
            PIECE => {
                let piece = read_content(wire_type, &mut rest, "batch.piece")?;
                batch.piece.get_or_insert_default().bytes = bytes.slice_ref(piece);
            }
            PIECE_LEFT => {
                let left = &mut batch.piece.get_or_insert_default().left;
                encoding::uint64::merge(wire_type, left, &mut rest, context())
                    .map_err(|error| broken("batch.piece_left", error))?
            }
            _ => {
                let message = batch.rest.get_or_insert_default();
                wire::Batch::merge_field(message, tag, wire_type, &mut rest, context())
                    .map_err(|error| broken("batch", error))?
            }
        }
    }
    Ok(batch)
}

fn context() -> DecodeContext {
    DecodeContext::default()
}

/// Reads the frame that `rest` begins with, a part of `message`, and appends it.
fn read_frame(
    wire_type: WireType,
    rest: &mut &[u8],
    message: &Bytes,
    frames: &mut Vec<Frame>,
) -> Result<(), ConvertError> {
    let frame = read_content(wire_type, rest, "batch.frames")?;
    if read::read(frame, message, frames) {
        return Ok(());
    }
    let frame =
        wire::Frame::decode(message.slice_ref(frame)).map_err(|error| broken("batch.frames", error))?;
    frames.push(frame.try_into()?);
    Ok(())
}

/// Takes the bytes of the field that `rest` begins with.
fn read_content<'a>(
    wire_type: WireType,
    rest: &mut &'a [u8],
    field: &'static str,
) -> Result<&'a [u8], ConvertError> {
    if wire_type != WireType::LengthDelimited {
        return Err(ConvertError::new(field, "is not a message"));
    }
    let length = encoding::decode_varint(rest).map_err(|error| broken(field, error))?;
    let split = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    let Some((content, behind)) = split else {
        return Err(ConvertError::new(field, "is longer than the batch"));
    };
    *rest = behind;
    Ok(content)
}

#[cold]
fn broken(field: &'static str, error: prost::DecodeError) -> ConvertError {
    ConvertError::new(field, error.to_string())
}
