//! Bytes in chunks: what bulk calls carry. Never on the connection of a session.
//!
//! Their bytes are copied once on each side at most: by whoever puts them where they are to stay.

pub(super) mod incoming;
pub(super) mod message;
pub(super) mod outgoing;
pub(super) mod service;

use bytes::Bytes;
use futures::Stream;
use futures::stream::BoxStream;
use mobula_objects::ValueBuffer;
use mobula_types::{Failure, FailureKind};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

/// The most bytes of one chunk (1 MiB).
pub const CHUNK_BYTES: usize = 1 << 20;

/// The bytes of one transfer, in order. An error is its last item. Reading slowly holds back the sender.
///
/// A transfer says its length before, unless it is compressed; then the stream ends with an error unless exactly that
/// many bytes came.
pub struct Chunks {
    chunks: BoxStream<'static, Result<Bytes, Failure>>,
    length: Option<u64>,
    passed: u64,
    ended: bool,
}

impl Chunks {
    /// The transfer that these chunks make up, which has to have `length` bytes in all.
    pub fn new(length: u64, chunks: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static) -> Self {
        Chunks { chunks: Box::pin(chunks), length: Some(length), passed: 0, ended: false }
    }

    /// A transfer whose end its content tells.
    pub fn of_unknown_length(chunks: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static) -> Self {
        Chunks { chunks: Box::pin(chunks), length: None, passed: 0, ended: false }
    }

    /// Bytes that are here already, in chunks that share their memory.
    pub fn from_bytes(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        let mut rest = bytes;
        let pieces = std::iter::from_fn(move || {
            (!rest.is_empty()).then(|| Ok(rest.split_to(rest.len().min(CHUNK_BYTES))))
        });
        Chunks::new(length, tokio_stream::iter(pieces))
    }

    /// How many bytes the whole transfer has, where that is known.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next chunk, `None` after the last. Cancellation safe.
    pub async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        StreamExt::next(self).await
    }

    /// All bytes in one piece.
    ///
    /// # Errors
    /// `TooLarge` as soon as it shows that there are more than `limit`, else the transfer's own.
    pub async fn collect(mut self, limit: u64) -> Result<Bytes, Failure> {
        let too_large = |length: u64| {
            let message = format!("a transfer of {length} bytes or more, and at most {limit} are taken here");
            Failure::new(FailureKind::TooLarge, message)
        };
        let expected = self.length.unwrap_or(0);
        if expected > limit {
            return Err(too_large(expected));
        }
        let mut buffer = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        while let Some(chunk) = self.next().await {
            buffer.extend_from_slice(&chunk?);
            if buffer.len() as u64 > limit {
                return Err(too_large(buffer.len() as u64));
            }
        }
        Ok(buffer.into())
    }

    /// All bytes of a transfer of that length in one piece, checked against their CRC-32C as they come.
    ///
    /// # Errors
    /// The transfer's own, `Malformed` for another length, `BadValue` for another checksum, `StoreFull` where there is no
    /// memory.
    pub async fn collect_checked(self, length: u64, expected: u32) -> Result<Bytes, Failure> {
        let room = usize::try_from(length).unwrap_or(usize::MAX);
        self.collect_into(ValueBuffer::new(room), length, expected).await
    }

    /// The same in memory that the caller has got. This is the only copy of what came.
    ///
    /// # Errors
    /// The same.
    pub async fn collect_into(
        mut self,
        buffer: std::io::Result<ValueBuffer>,
        length: u64,
        expected: u32,
    ) -> Result<Bytes, Failure> {
        let mut buffer = buffer.map_err(|error| {
            let message = format!("no memory for a value of {length} bytes: {error}");
            Failure::new(FailureKind::StoreFull, message)
        })?;
        let mut checksum = 0;
        while let Some(chunk) = self.next().await {
            checksum = buffer
                .push_checked(checksum, &chunk?)
                .ok_or_else(|| self.wrong_length(length, self.passed))?;
        }
        let bytes = buffer.into_bytes();
        if bytes.len() as u64 != length {
            return Err(self.wrong_length(length, bytes.len() as u64));
        }
        if checksum != expected {
            let message = format!("{length} bytes arrived with another checksum than announced");
            return Err(Failure::new(FailureKind::BadValue, message));
        }
        Ok(bytes)
    }

    fn wrong_length(&self, expected: u64, passed: u64) -> Failure {
        let message = format!("a transfer was to have {expected} bytes, and {passed} came");
        Failure::new(FailureKind::Malformed, message)
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(self.chunks.as_mut().poll_next(context));
        let item = match next {
            Some(Ok(chunk)) => {
                self.passed += chunk.len() as u64;
                match self.length {
                    Some(length) if self.passed > length => Some(Err(self.wrong_length(length, self.passed))),
                    _ => return Poll::Ready(Some(Ok(chunk))),
                }
            }
            Some(Err(failure)) => Some(Err(failure)),
            None => match self.length {
                Some(length) if self.passed < length => Some(Err(self.wrong_length(length, self.passed))),
                _ => None,
            },
        };
        self.ended = true;
        Poll::Ready(item)
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Chunks");
        shown.field("length", &self.length).field("passed", &self.passed).finish_non_exhaustive()
    }
}

/// Bytes on their way from a node.
#[derive(Debug)]
pub struct Download {
    /// Bytes.
    pub length: u64,
    /// CRC-32C of the bytes; 0 for executables, whose name is their hash. For the receiver to check.
    pub checksum: u32,
    /// The bytes.
    pub chunks: Chunks,
}

/// The end of a transfer's channel that fills it.
#[derive(Clone, Debug)]
pub struct ChunkSender(mpsc::Sender<Result<Bytes, Failure>>);

/// A transfer that is filled from elsewhere, such as a thread that reads a file: `depth` chunks may wait.
pub fn chunk_channel(length: u64, depth: usize) -> (ChunkSender, Chunks) {
    let (sender, receiver) = mpsc::channel(depth.max(1));
    (ChunkSender(sender), Chunks::new(length, tokio_stream::wrappers::ReceiverStream::new(receiver)))
}

impl ChunkSender {
    /// Waits for room and adds a chunk; `false` where nobody reads any more. Cancellation safe.
    pub async fn send(&self, chunk: Result<Bytes, Failure>) -> bool {
        self.0.send(chunk).await.is_ok()
    }

    /// The same from a thread that may block.
    pub fn blocking_send(&self, chunk: Result<Bytes, Failure>) -> bool {
        self.0.blocking_send(chunk).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transfer_has_exactly_its_length() {
        let chunks = |length: u64| Chunks::new(length, tokio_stream::iter([Ok(Bytes::from_static(b"abc"))]));
        assert_eq!(chunks(3).collect(3).await.unwrap(), "abc");
        assert_eq!(chunks(4).collect(9).await.unwrap_err().kind(), FailureKind::Malformed);
        assert_eq!(chunks(2).collect(9).await.unwrap_err().kind(), FailureKind::Malformed);
        assert_eq!(chunks(3).collect(2).await.unwrap_err().kind(), FailureKind::TooLarge);
        let large = Bytes::from(vec![7; CHUNK_BYTES + 1]);
        let mut pieces = Chunks::from_bytes(large);
        assert_eq!(pieces.next().await.unwrap().unwrap().len(), CHUNK_BYTES);
        assert_eq!(pieces.next().await.unwrap().unwrap().len(), 1);
        assert!(pieces.next().await.is_none());
    }
}
