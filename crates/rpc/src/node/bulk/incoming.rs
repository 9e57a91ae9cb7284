//! The bytes of a transfer on their way in.

use super::CHUNK_BYTES;
use super::message::{MessageReader, Piece, one_message};
use crate::status::to_failure;
use bytes::{Bytes, BytesMut};
use futures::Stream;
use http::HeaderMap;
use http_body::Body as _;
use mobula_types::{Failure, FailureKind};
use prost::Message;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tonic::body::Body;
use tonic::{Code, Status};

/// The most bytes of one message of a transfer: a chunk and what stands before it, with room for what is yet unknown.
const MESSAGE_LIMIT: usize = 2 * CHUNK_BYTES;

/// Who sends, for people: what was tried, and where.
#[derive(Clone, Debug)]
pub(in crate::node) struct Origin {
    pub(in crate::node) what: &'static str,
    pub(in crate::node) address: Arc<str>,
}

impl Origin {
    pub(in crate::node) fn failure(&self, status: &Status) -> Failure {
        to_failure(status, self.what, &self.address)
    }
}

/// Whether a body has to end with a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// A server's answer has to.
    Status,
    /// A client's request has not.
    Plain,
}

/// A body that is being read.
#[derive(Debug)]
pub(in crate::node) struct Incoming {
    body: Body,
    ending: Ending,
    trailers: Option<HeaderMap>,
    origin: Origin,
}

impl Incoming {
    /// The body of a request.
    pub(in crate::node) fn request(body: Body, origin: Origin) -> Self {
        Incoming { body, ending: Ending::Plain, trailers: None, origin }
    }

    /// The body of an answer.
    ///
    /// # Errors
    /// The failure that the answer is, without a body.
    pub(in crate::node) fn answer(response: http::Response<Body>, origin: Origin) -> Result<Self, Failure> {
        let (parts, body) = response.into_parts();
        if parts.status != http::StatusCode::OK {
            let message = format!("{} at {} was answered with {}", origin.what, origin.address, parts.status);
            return Err(Failure::new(FailureKind::Unavailable, message));
        }
        let trailers = match Status::from_header_map(&parts.headers) {
            Some(status) if status.code() != Code::Ok => return Err(origin.failure(&status)),
            Some(_ok) => Some(parts.headers),
            None => None,
        };
        Ok(Incoming { body, ending: Ending::Status, trailers, origin })
    }

    /// The next bytes as they lie in the connection's memory; `None` after the last, when all is well.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                Some(Err(status)) => return Poll::Ready(Some(Err(self.origin.failure(&status)))),
                None => return Poll::Ready(self.status().err().map(Err)),
            }
        }
    }

    fn status(&self) -> Result<(), Failure> {
        if self.ending == Ending::Plain {
            return Ok(());
        }
        let status = self.trailers.as_ref().and_then(Status::from_header_map);
        let status = status.unwrap_or_else(|| Status::unavailable("it broke off without a status"));
        if status.code() == Code::Ok { Ok(()) } else { Err(self.origin.failure(&status)) }
    }

    /// The one message that the body is.
    ///
    /// # Errors
    /// The sender's, `TooLarge` beyond `limit` bytes, `Malformed` for what is no message.
    pub(in crate::node) async fn message<M: Message + Default>(mut self, limit: usize) -> Result<M, Failure> {
        let mut bytes = BytesMut::new();
        while let Some(more) = std::future::poll_fn(|context| self.poll_bytes(context)).await {
            bytes.extend_from_slice(&more?);
            if bytes.len() > limit {
                let message = format!("a message of more than {limit} bytes came to {}", self.origin.what);
                return Err(Failure::new(FailureKind::TooLarge, message));
            }
        }
        M::decode(one_message(&bytes, limit)?).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &prost::DecodeError) -> Failure {
        let message = format!("a message to {} cannot be read: {error}", self.origin.what);
        Failure::new(FailureKind::Malformed, message)
    }

    /// The header of a transfer, and the bytes that follow.
    ///
    /// # Errors
    /// The sender's, `Malformed` for what is no transfer, or starts without a header.
    pub(in crate::node) async fn transfer<H: Message + Default>(self) -> Result<(H, Pieces), Failure> {
        let mut pieces = Pieces {
            incoming: self,
            reader: MessageReader::new(MESSAGE_LIMIT),
            input: Bytes::new(),
            ended: false,
        };
        let first = std::future::poll_fn(|context| pieces.poll_piece(context)).await.transpose()?;
        let Some(Piece::Header(header)) = first else {
            let message =
                format!("to {} has to start with a header, and does not", pieces.incoming.origin.what);
            return Err(Failure::new(FailureKind::Malformed, message));
        };
        let header = H::decode(header).map_err(|error| pieces.incoming.unreadable(&error))?;
        Ok((header, pieces))
    }
}

/// The data of a transfer, in pieces that are parts of what the connection received. An error is the last item.
#[derive(Debug)]
pub(in crate::node) struct Pieces {
    incoming: Incoming,
    reader: MessageReader,
    input: Bytes,
    ended: bool,
}

impl Pieces {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Piece, Failure>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let result = loop {
            match self.reader.next(&mut self.input) {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(piece))),
                Ok(None) => {}
                Err(error) => break Some(Err(error.into())),
            }
            match ready!(self.incoming.poll_bytes(context)) {
                Some(Ok(bytes)) => self.input = bytes,
                Some(Err(failure)) => break Some(Err(failure)),
                None => break self.reader.finish().err().map(|error| Err(error.into())),
            }
        };
        self.ended = true;
        Poll::Ready(result)
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.poll_piece(context)) {
                // Only the first header counts.
                Some(Ok(Piece::Header(_))) => {}
                Some(Ok(Piece::Data(data))) => return Poll::Ready(Some(Ok(data))),
                Some(Err(failure)) => return Poll::Ready(Some(Err(failure))),
                None => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Chunks;
    use super::super::message::{before_data, header_message};
    use super::*;
    use crate::status::to_status;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use mobula_proto::wire;

    fn origin() -> Origin {
        Origin { what: "fetch an object", address: "http://h:1".into() }
    }

    fn trailers(status: &Status) -> Frame<Bytes> {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        Frame::trailers(headers)
    }

    /// What is read of an answer whose body is that: the length that its header says, and its data.
    async fn read(frames: Vec<Frame<Bytes>>) -> Result<(u64, Bytes), Failure> {
        let frames = frames.into_iter().map(Ok::<_, Status>);
        let response = http::Response::new(Body::new(StreamBody::new(tokio_stream::iter(frames))));
        let incoming = Incoming::answer(response, origin())?;
        let (header, pieces) = incoming.transfer::<wire::DataHeader>().await?;
        let data = Chunks::of_unknown_length(pieces).collect(1 << 20).await?;
        Ok((header.length, data))
    }

    fn header() -> Frame<Bytes> {
        Frame::data(header_message(&wire::DataHeader { length: 5, checksum: 0 }))
    }

    fn data(data: &'static str) -> [Frame<Bytes>; 2] {
        [Frame::data(before_data(data.len())), Frame::data(data.into())]
    }

    #[tokio::test]
    async fn a_transfer_is_whole_when_its_status_says_so() {
        let body = |end: Option<Frame<Bytes>>| {
            [header()].into_iter().chain(data("hel")).chain(data("lo")).chain(end).collect::<Vec<_>>()
        };
        let whole = read(body(Some(trailers(&Status::ok(""))))).await;
        assert_eq!(whole.unwrap(), (5, Bytes::from_static(b"hello")));
        let lost = Failure::new(FailureKind::ObjectLost, "the file shrank");
        assert_eq!(read(body(Some(trailers(&to_status(&lost))))).await.unwrap_err(), lost);
        assert_eq!(read(body(None)).await.unwrap_err().kind(), FailureKind::Unavailable);
    }

    #[tokio::test]
    async fn a_status_counts_for_more_than_the_message_that_it_cuts_off() {
        let lost = Failure::new(FailureKind::ObjectLost, "the file shrank");
        let cut = vec![header(), Frame::data(before_data(9)), trailers(&to_status(&lost))];
        assert_eq!(read(cut).await.unwrap_err(), lost);
        let ended = vec![header(), Frame::data(before_data(9)), trailers(&Status::ok(""))];
        assert_eq!(read(ended).await.unwrap_err().kind(), FailureKind::Malformed);
    }

    #[tokio::test]
    async fn what_is_no_transfer_is_malformed() {
        let headless = data("hello").into_iter().chain([trailers(&Status::ok(""))]).collect();
        assert_eq!(read(headless).await.unwrap_err().kind(), FailureKind::Malformed);
        let compressed = vec![Frame::data(Bytes::from_static(&[1, 0, 0, 0, 0]))];
        let failure = read(compressed).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Malformed);
        assert!(failure.message().contains("compressed"), "{failure}");
        let empty = vec![trailers(&Status::ok(""))];
        assert_eq!(read(empty).await.unwrap_err().kind(), FailureKind::Malformed);
    }

    #[tokio::test]
    async fn an_answer_may_be_a_failure_alone() {
        let lost = Failure::new(FailureKind::NotFound, "no object");
        let answer = Incoming::answer(to_status(&lost).into_http(), origin());
        assert_eq!(answer.unwrap_err(), lost);
        let mut proxy = http::Response::new(Body::empty());
        *proxy.status_mut() = http::StatusCode::BAD_GATEWAY;
        let failure = Incoming::answer(proxy, origin()).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Unavailable);
        assert!(failure.message().contains("502"), "{failure}");
    }
}
