//! How messages of a session become bytes: bodies are encoded once, when their frames are taken from the queue.

use super::handshake::{Hello, WelcomeMessage};
use super::handshake::{read_hello, read_welcome};
use bytes::{Buf, BufMut, Bytes};
use mobula_proto::{ConvertError, batch, wire};
use mobula_types::{Failure, FailureKind, Frame};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// A message to send.
#[derive(Debug)]
pub(crate) enum Outbound {
    /// A batch of frames, or an acknowledgement where the body is empty.
    Frames { first: u64, acknowledged: u64, body: Bytes },
    /// A greeting, or the end.
    Message(Box<wire::Batch>),
}

impl Outbound {
    pub(crate) fn hello(hello: wire::Hello) -> Self {
        Outbound::Message(Box::new(wire::Batch { hello: Some(hello), ..Default::default() }))
    }

    pub(crate) fn welcome(welcome: wire::Welcome) -> Self {
        Outbound::Message(Box::new(wire::Batch { welcome: Some(welcome), ..Default::default() }))
    }

    pub(crate) fn close(failure: Option<&Failure>, sent: u64) -> Self {
        let close = wire::Close { failure: failure.map(Into::into), sent };
        Outbound::Message(Box::new(wire::Batch { close: Some(close), ..Default::default() }))
    }
}

/// A message that has arrived.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// It can be read.
    Batch(InboundBatch),
    /// It cannot.
    Malformed(Failure),
}

/// A message in domain types.
#[derive(Debug)]
pub(crate) struct InboundBatch {
    pub(crate) first_sequence: u64,
    pub(crate) acknowledged: u64,
    pub(crate) frames: Vec<Frame>,
    /// A piece of a frame, where there are none.
    pub(crate) piece: Option<batch::Piece>,
    /// How long the message is.
    pub(crate) bytes: u64,
    /// What is there beside frames, which is rare.
    pub(crate) rest: Option<Box<Rest>>,
}

/// Greetings, and the end.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) hello: Option<Hello>,
    pub(crate) welcome: Option<WelcomeMessage>,
    pub(crate) close: Option<Close>,
}

/// A side's last word.
#[derive(Debug)]
pub(crate) struct Close {
    pub(crate) failure: Option<Failure>,
    pub(crate) sent: u64,
}

/// Encodes [`Outbound`], decodes [`Inbound`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SessionCodec;

impl Codec for SessionCodec {
    type Encode = Outbound;
    type Decode = Inbound;
    type Encoder = SessionCodec;
    type Decoder = SessionCodec;

    fn encoder(&mut self) -> Self::Encoder {
        SessionCodec
    }

    fn decoder(&mut self) -> Self::Decoder {
        SessionCodec
    }
}

impl Encoder for SessionCodec {
    type Item = Outbound;
    type Error = Status;

    fn encode(&mut self, item: Outbound, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        match item {
            Outbound::Frames { first, acknowledged, body } => {
                buffer.reserve(body.len() + batch::NUMBERS_LENGTH);
                batch::put_numbers(first, acknowledged, buffer);
                buffer.put_slice(&body);
                Ok(())
            }
            Outbound::Message(message) => {
                message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
            }
        }
    }
}

impl Decoder for SessionCodec {
    type Item = Inbound;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Inbound>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let inbound = match read(bytes) {
            Ok(batch) => Inbound::Batch(batch),
            Err(error) => Inbound::Malformed(Failure::new(FailureKind::Malformed, error.to_string())),
        };
        Ok(Some(inbound))
    }
}

fn read(bytes: Bytes) -> Result<InboundBatch, ConvertError> {
    let length = bytes.len() as u64;
    let batch = batch::read_batch(bytes)?;
    let rest = batch.rest.map(|rest| read_rest(*rest).map(Box::new)).transpose()?;
    Ok(InboundBatch {
        first_sequence: batch.first_sequence,
        acknowledged: batch.acknowledged,
        frames: batch.frames,
        piece: batch.piece,
        bytes: length,
        rest,
    })
}

fn read_rest(rest: wire::Batch) -> Result<Rest, ConvertError> {
    let close = |close: wire::Close| {
        let failure = close.failure.map(Failure::try_from).transpose()?;
        Ok::<_, ConvertError>(Close { failure, sent: close.sent })
    };
    Ok(Rest {
        hello: rest.hello.map(read_hello).transpose()?,
        welcome: rest.welcome.map(read_welcome).transpose()?,
        close: rest.close.map(close).transpose()?,
    })
}
