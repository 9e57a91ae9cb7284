//! The messages and the gRPC service of the floors: as small as Mobula's own, and without anything behind them.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::server::{ClientStreamingService, NamedService, StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// One task, or the answer to one: what a frame carries at the least.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Item {
    /// Which task.
    #[prost(fixed64, tag = "1")]
    pub(super) high: u64,
    /// Which task.
    #[prost(fixed64, tag = "2")]
    pub(super) low: u64,
    /// What repeats.
    #[prost(uint32, tag = "3")]
    pub(super) template: u32,
    /// Arguments, or the result.
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) payload: Bytes,
}

/// A batch of them.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Batch {
    /// What a session numbers its batches with.
    #[prost(uint64, tag = "1")]
    pub(super) first_sequence: u64,
    /// The items.
    #[prost(message, repeated, tag = "2")]
    pub(super) items: Vec<Item>,
}

/// A piece of bulk data.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Chunk {
    /// The bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) data: Bytes,
}

/// The path of the bidirectional stream of batches.
pub(super) const BATCHES: &str = "/mobula.floor.Floor/Batches";
/// The path of the call that answers a batch with a batch.
pub(super) const ECHO: &str = "/mobula.floor.Floor/Echo";
/// The path of the stream of chunks towards the server.
pub(super) const CHUNKS: &str = "/mobula.floor.Floor/Chunks";

/// A stream of batches that answers another one.
pub(super) type BatchStream = BoxStream<'static, Result<Batch, Status>>;

/// What a server does with a stream of batches.
pub(super) type OnBatches =
    Arc<dyn Fn(Streaming<Batch>) -> BoxFuture<'static, Result<BatchStream, Status>> + Send + Sync>;

/// The server of the floors.
#[derive(Clone)]
pub(super) struct FloorServer {
    on_batches: OnBatches,
}

impl FloorServer {
    /// A server that does that with a stream of batches, and echoes and swallows the rest.
    pub(super) fn new(on_batches: OnBatches) -> Self {
        FloorServer { on_batches }
    }
}

impl NamedService for FloorServer {
    const NAME: &'static str = "mobula.floor.Floor";
}

impl tower::Service<http::Request<Body>> for FloorServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let on_batches = self.on_batches.clone();
        Box::pin(async move {
            let response = match request.uri().path() {
                BATCHES => {
                    let codec = ProstCodec::<Batch, Batch>::default();
                    tonic::server::Grpc::new(codec).streaming(Batches(on_batches), request).await
                }
                ECHO => {
                    let codec = ProstCodec::<Batch, Batch>::default();
                    tonic::server::Grpc::new(codec).unary(Echo, request).await
                }
                CHUNKS => {
                    let codec = ProstCodec::<Chunk, Chunk>::default();
                    tonic::server::Grpc::new(codec)
                        .max_decoding_message_size(super::CHUNK_BYTES * 2)
                        .client_streaming(Swallow, request)
                        .await
                }
                path => Status::unimplemented(format!("the floors have no {path}")).into_http(),
            };
            Ok(response)
        })
    }
}

struct Batches(OnBatches);

impl StreamingService<Batch> for Batches {
    type Response = Batch;
    type ResponseStream = BatchStream;
    type Future = BoxFuture<'static, Result<Response<BatchStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Batch>>) -> Self::Future {
        let answer = (self.0)(request.into_inner());
        Box::pin(async move { answer.await.map(Response::new) })
    }
}

struct Echo;

impl UnaryService<Batch> for Echo {
    type Response = Batch;
    type Future = BoxFuture<'static, Result<Response<Batch>, Status>>;

    fn call(&mut self, request: Request<Batch>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(request.into_inner())) })
    }
}

struct Swallow;

impl ClientStreamingService<Chunk> for Swallow {
    type Response = Chunk;
    type Future = BoxFuture<'static, Result<Response<Chunk>, Status>>;

    fn call(&mut self, request: Request<Streaming<Chunk>>) -> Self::Future {
        Box::pin(async move {
            let mut chunks = request.into_inner();
            let mut total = 0_u64;
            while let Some(chunk) = chunks.message().await? {
                total += chunk.data.len() as u64;
            }
            Ok(Response::new(Chunk { data: Bytes::copy_from_slice(&total.to_le_bytes()) }))
        })
    }
}
