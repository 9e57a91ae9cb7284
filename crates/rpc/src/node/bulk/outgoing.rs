//! The bytes of a transfer on their way out.

use super::message::{before_data, header_message};
use super::{CHUNK_BYTES, Chunks};
use crate::status::to_status;
use bytes::Bytes;
use futures::Stream;
use http::HeaderMap;
use http_body::Frame;
use mobula_types::{Failure, FailureKind};
use parking_lot::Mutex;
use prost::Message;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tonic::Status;

/// A body of messages: a header, then chunks, whose bytes go out as they are.
#[derive(Debug)]
pub(in crate::node) struct ChunkBody {
    header: Option<Bytes>,
    /// The data of a message whose start has gone out.
    data: Option<Bytes>,
    chunks: Chunks,
    end: End,
}

/// How a body ends.
#[derive(Debug)]
enum End {
    /// A server's: with a status.
    Status,
    /// A client's: it breaks off at a failure, which is kept.
    Failure(Arc<Mutex<Option<Failure>>>),
    /// It has ended.
    Ended,
}

impl ChunkBody {
    /// What a server answers.
    pub(in crate::node) fn answer(header: &impl Message, chunks: Chunks) -> Self {
        ChunkBody { header: Some(header_message(header)), data: None, chunks, end: End::Status }
    }

    /// What a client uploads. The first failure among the chunks ends it, and is where the other half of the pair looks:
    /// the call's own error is only its consequence.
    pub(in crate::node) fn upload(
        header: &impl Message,
        chunks: Chunks,
    ) -> (Self, Arc<Mutex<Option<Failure>>>) {
        let failed = Arc::new(Mutex::new(None));
        let end = End::Failure(failed.clone());
        (ChunkBody { header: Some(header_message(header)), data: None, chunks, end }, failed)
    }

    fn finish(&mut self, result: Result<(), Failure>) -> Option<Result<Frame<Bytes>, Status>> {
        match std::mem::replace(&mut self.end, End::Ended) {
            End::Status => {
                let status = match result {
                    Ok(()) => Status::ok(""),
                    Err(failure) => to_status(&failure),
                };
                let mut trailers = HeaderMap::new();
                Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers)))
            }
            End::Failure(kept) => {
                *kept.lock() = result.err();
                None
            }
            End::Ended => None,
        }
    }
}

impl http_body::Body for ChunkBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(bytes) = self.header.take().or_else(|| self.data.take()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if let End::Ended = self.end {
            return Poll::Ready(None);
        }
        loop {
            let result = match ready!(Pin::new(&mut self.chunks).poll_next(context)) {
                Some(Ok(chunk)) if chunk.is_empty() => continue,
                Some(Ok(chunk)) if chunk.len() <= CHUNK_BYTES => {
                    let before = before_data(chunk.len());
                    self.data = Some(chunk);
                    return Poll::Ready(Some(Ok(Frame::data(before))));
                }
                Some(Ok(chunk)) => {
                    let message = format!("a chunk of {} bytes, and {CHUNK_BYTES} is the most", chunk.len());
                    Err(Failure::new(FailureKind::Internal, message))
                }
                Some(Err(failure)) => Err(failure),
                None => Ok(()),
            };
            return Poll::Ready(self.finish(result));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body;
    use mobula_proto::wire;

    async fn frames(mut body: ChunkBody) -> Vec<Frame<Bytes>> {
        let mut frames = Vec::new();
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            frames.push(frame.unwrap());
        }
        frames
    }

    #[tokio::test]
    async fn a_chunk_goes_out_in_the_memory_that_it_came_in() {
        let value = Bytes::from(vec![7; 3 * CHUNK_BYTES]);
        let header = wire::DataHeader { length: value.len() as u64, checksum: 1 };
        let frames = frames(ChunkBody::answer(&header, Chunks::from_bytes(value.clone()))).await;
        let data: Vec<&Bytes> = frames.iter().filter_map(Frame::data_ref).collect();
        assert_eq!(data.len(), 1 + 2 * 3, "a header, and for each chunk what stands before it");
        for (number, chunk) in data.iter().skip(2).step_by(2).enumerate() {
            assert_eq!(chunk.as_ptr(), value[number * CHUNK_BYTES..].as_ptr());
            assert_eq!(chunk.len(), CHUNK_BYTES);
        }
        let copied: usize = data.iter().map(|bytes| bytes.len()).sum::<usize>() - value.len();
        assert!(copied < 100, "{copied} bytes were written anew");
        assert_eq!(frames.last().unwrap().trailers_ref().unwrap()["grpc-status"], "0");
    }

    #[tokio::test]
    async fn a_failure_is_a_servers_status_and_kept_by_a_client() {
        let lost = Failure::new(FailureKind::ObjectLost, "the file shrank");
        let chunks =
            || Chunks::new(9, tokio_stream::iter([Ok(Bytes::from_static(b"abc")), Err(lost.clone())]));
        let header = wire::DataHeader::default();
        let answered = frames(ChunkBody::answer(&header, chunks())).await;
        assert_eq!(answered.last().unwrap().trailers_ref().unwrap()["grpc-status"], "15");
        let (body, failed) = ChunkBody::upload(&header, chunks());
        assert_eq!(frames(body).await.len(), 3);
        assert_eq!(*failed.lock(), Some(lost));
    }
}
