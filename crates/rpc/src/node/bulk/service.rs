//! Serves the calls that move bulk bytes.
//!
//! On the wire they are calls of `mobula.v1.Node` like all others, and reflection shows them so. They are answered here,
//! in front of the generated service, because its codec copies every message: here a stored value goes out in the memory
//! that it lies in, and what arrives is handed on in the memory that it arrived in.

use super::incoming::{Incoming, Origin};
use super::message::whole_message;
use super::outgoing::ChunkBody;
use super::{Chunks, Download};
use crate::auth::Caller;
use crate::node::convert::{hash, refused};
use crate::node::request::{ChunkEncoding, ExecutableUpload, ObjectUpload};
use crate::node::service::NodeService;
use crate::session::MESSAGE_BYTES;
use crate::status::to_status;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Full};
use mobula_proto::{ConvertError, wire};
use mobula_types::{Failure, ObjectId};
use prost::Message;
use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::GRPC_CONTENT_TYPE;
use tonic::server::NamedService;
use tower::Service;

/// The paths of the calls.
pub(in crate::node) const FETCH: &str = "/mobula.v1.Node/Fetch";
pub(in crate::node) const STORE: &str = "/mobula.v1.Node/Store";
pub(in crate::node) const FETCH_EXECUTABLE: &str = "/mobula.v1.Node/FetchExecutable";
pub(in crate::node) const UPLOAD_EXECUTABLE: &str = "/mobula.v1.Node/UploadExecutable";

/// Answers bulk calls, and passes all others on.
#[derive(Clone)]
pub(in crate::node) struct BulkService<S> {
    service: Arc<dyn NodeService>,
    others: S,
}

impl<S> BulkService<S> {
    /// In front of those that answer the `others`.
    pub(in crate::node) fn new(service: Arc<dyn NodeService>, others: S) -> Self {
        BulkService { service, others }
    }
}

impl<S: NamedService> NamedService for BulkService<S> {
    const NAME: &'static str = S::NAME;
}

type Response = http::Response<Body>;
type Answer = Result<Response, Failure>;

impl<S> Service<http::Request<Body>> for BulkService<S>
where
    S: Service<
            http::Request<Body>,
            Response = Response,
            Error = Infallible,
            Future = BoxFuture<'static, Result<Response, Infallible>>,
        >,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.others.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.service.clone();
        match request.uri().path() {
            FETCH => answered(fetch(service, request)),
            STORE => answered(store(service, request)),
            FETCH_EXECUTABLE => answered(fetch_executable(service, request)),
            UPLOAD_EXECUTABLE => answered(upload_executable(service, request)),
            _ => self.others.call(request),
        }
    }
}

fn answered(
    answer: impl Future<Output = Answer> + Send + 'static,
) -> BoxFuture<'static, Result<Response, Infallible>> {
    Box::pin(async move { Ok(answer.await.unwrap_or_else(|failure| to_status(&failure).into_http())) })
}

/// Who calls, and the request's body.
fn opened(request: http::Request<Body>) -> Result<(Caller, Incoming), Failure> {
    let (parts, body) = request.into_parts();
    let origin = Origin { what: "receive an upload", address: "the client".into() };
    Ok((Caller::in_extensions(&parts.extensions)?, Incoming::request(body, origin)))
}

async fn fetch(service: Arc<dyn NodeService>, request: http::Request<Body>) -> Answer {
    let (caller, body) = opened(request)?;
    let request: wire::FetchRequest = body.message(MESSAGE_BYTES).await?;
    let object = request.object.ok_or_else(|| ConvertError::missing("fetch_request.object"));
    let object = object.and_then(ObjectId::try_from).map_err(refused)?;
    Ok(download(service.fetch(caller, object).await?))
}

async fn store(service: Arc<dyn NodeService>, request: http::Request<Body>) -> Answer {
    let (caller, body) = opened(request)?;
    let (header, pieces) = body.transfer::<wire::StoreHeader>().await?;
    let header = ObjectUpload::try_from(header).map_err(refused)?;
    caller.require_job(header.access.job)?;
    let chunks = Chunks::new(header.length, pieces);
    Ok(unary::<wire::StoredCopy>(&(&service.store(header, chunks).await?).into()))
}

async fn fetch_executable(service: Arc<dyn NodeService>, request: http::Request<Body>) -> Answer {
    let (caller, body) = opened(request)?;
    caller.require_cluster("fetch an executable")?;
    let request: wire::ExecutableRequest = body.message(MESSAGE_BYTES).await?;
    let hash = hash(&request.hash, "executable_request.hash").map_err(refused)?;
    Ok(download(service.fetch_executable(hash).await?))
}

async fn upload_executable(service: Arc<dyn NodeService>, request: http::Request<Body>) -> Answer {
    let (caller, body) = opened(request)?;
    caller.require_cluster("upload an executable")?;
    let (header, pieces) = body.transfer::<wire::ExecutableHeader>().await?;
    let header = ExecutableUpload::try_from(header).map_err(refused)?;
    let chunks = match header.encoding {
        ChunkEncoding::Plain => Chunks::new(header.length, pieces),
        ChunkEncoding::Zstd => Chunks::of_unknown_length(pieces),
    };
    service.upload_executable(header, chunks).await?;
    Ok(unary(&wire::Empty {}))
}

fn download(download: Download) -> Response {
    let header = wire::DataHeader { length: download.length, checksum: download.checksum };
    response(Body::new(ChunkBody::answer(&header, download.chunks)))
}

fn unary<M: Message>(message: &M) -> Response {
    let mut trailers = HeaderMap::new();
    let trailers = Status::ok("").add_header(&mut trailers).map(|()| trailers);
    let body: Full<Bytes> = Full::new(whole_message(message));
    let body = body.map_err(|never| match never {}).with_trailers(ready(Some(trailers)));
    response(Body::new(body))
}

fn response(body: Body) -> Response {
    let mut response = http::Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    response
}
