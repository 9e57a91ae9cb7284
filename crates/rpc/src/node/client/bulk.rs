//! Bulk transfers, on a connection of their own.

use super::NodeClient;
use crate::node::bulk::incoming::{Incoming, Origin};
use crate::node::bulk::message::whole_message;
use crate::node::bulk::outgoing::ChunkBody;
use crate::node::bulk::service::{FETCH, FETCH_EXECUTABLE, STORE, UPLOAD_EXECUTABLE};
use crate::node::bulk::{Chunks, Download};
use crate::node::convert::unreadable;
use crate::node::handover::hand_over;
use crate::node::request::{ExecutableUpload, ObjectUpload};
use crate::session::MESSAGE_BYTES;
use bytes::Bytes;
use futures::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, TE};
use http_body_util::Full;
use mobula_proto::wire;
use mobula_types::outcome::StoredCopy;
use mobula_types::{ExecutableHash, Failure, FailureKind, ObjectId};
use parking_lot::Mutex;
use prost::Message;
use std::fs::File;
use std::time::Duration;
use tonic::body::Body;
use tonic::metadata::GRPC_CONTENT_TYPE;
use tower::{Service, ServiceExt};

/// A transfer that brings nothing for so long has failed.
const STALL: Duration = Duration::from_secs(30);
/// The slowest pace at which an upload is waited for, in bytes a second.
const SLOWEST: u64 = 1 << 20;

fn patience(length: u64) -> Duration {
    Duration::from_secs(length / SLOWEST)
}

/// The failure of an upload: of the chunks themselves, if there was one; the call's own is only its consequence.
fn first_of(failed: &Mutex<Option<Failure>>, of_call: Failure) -> Failure {
    failed.lock().take().unwrap_or(of_call)
}

impl NodeClient {
    /// The bytes of an object in the node's store.
    ///
    /// # Errors
    /// As for every call; `NotFound` where it is not there.
    pub async fn fetch(&self, object: ObjectId) -> Result<Download, Failure> {
        let request = wire::FetchRequest { object: Some(object.into()) };
        self.download("fetch an object", FETCH, &request).await
    }

    /// The bytes of an executable.
    ///
    /// # Errors
    /// As for every call; `NotFound` where it is not there.
    pub async fn fetch_executable(&self, hash: ExecutableHash) -> Result<Download, Failure> {
        let request = wire::ExecutableRequest { hash: hash.to_string() };
        self.download("fetch an executable", FETCH_EXECUTABLE, &request).await
    }

    async fn download(
        &self,
        what: &'static str,
        path: &'static str,
        request: &impl Message,
    ) -> Result<Download, Failure> {
        let address = self.address().clone();
        let body: Full<Bytes> = Full::new(whole_message(request));
        // Boxed, as every call is: its future is large, and callers hold it.
        let call = Box::pin(self.bulk_call(what, path, Body::new(body)));
        let incoming = self.in_time(what, Duration::ZERO, call).await?;
        let started = tokio::time::timeout(STALL, incoming.transfer::<wire::DataHeader>()).await;
        let (header, pieces) = started.unwrap_or_else(|_elapsed| Err(stalled(what, &address)))?;
        let pieces = tokio_stream::StreamExt::timeout(pieces, STALL)
            .map(move |piece| piece.unwrap_or_else(|_elapsed| Err(stalled(what, &address))));
        let chunks = Chunks::new(header.length, pieces);
        Ok(Download { length: header.length, checksum: header.checksum, chunks })
    }

    /// Stores an object's bytes at the node.
    ///
    /// # Errors
    /// As for every call; the first failure among the chunks.
    pub async fn store(&self, upload: ObjectUpload, chunks: Chunks) -> Result<StoredCopy, Failure> {
        let (body, failed) = ChunkBody::upload(&wire::StoreHeader::from(&upload), chunks);
        let call = self.upload::<wire::StoredCopy>("store an object", STORE, upload.length, body);
        let stored = call.await.map_err(|failure| first_of(&failed, failure))?;
        stored.try_into().map_err(unreadable)
    }

    /// Offers an executable without sending its bytes: the node is asked whether it has it, and on the same host gets the
    /// open file handed over. `true` where the node has it now, `false` where it is to be uploaded.
    ///
    /// # Errors
    /// As for every call; `ExecutableRefused` where the node has looked at it and refuses it. Whatever else goes wrong with
    /// the handover is left to the upload.
    pub async fn offer_executable(
        &self,
        hash: ExecutableHash,
        length: u64,
        file: &File,
    ) -> Result<bool, Failure> {
        let held = self.has_executable(hash).await?;
        let Some(name) = held.handover.filter(|_| !held.present) else { return Ok(held.present) };
        let within = self.inner.options.call_within.saturating_add(patience(length));
        let handed_over = hand_over(&name, self.inner.connector.bearer(), hash, length, file);
        match tokio::time::timeout(within, handed_over).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(failure)) if failure.kind() == FailureKind::ExecutableRefused => Err(failure),
            Ok(Err(failure)) => {
                tracing::debug!(address = %self.address(), %failure, "an executable is uploaded instead");
                Ok(false)
            }
            Err(_elapsed) => {
                tracing::debug!(address = %self.address(), ?within, "the handover of an executable took too long");
                Ok(false)
            }
        }
    }

    /// Uploads an executable.
    ///
    /// # Errors
    /// As for every call; the first failure among the chunks; `ExecutableRefused` where it cannot run on the node.
    pub async fn upload_executable(&self, upload: ExecutableUpload, chunks: Chunks) -> Result<(), Failure> {
        let (body, failed) = ChunkBody::upload(&wire::ExecutableHeader::from(&upload), chunks);
        let call = self.upload("upload an executable", UPLOAD_EXECUTABLE, upload.length, body);
        let uploaded: Result<wire::Empty, Failure> = call.await;
        uploaded.map(drop).map_err(|failure| first_of(&failed, failure))
    }

    async fn upload<A: Message + Default>(
        &self,
        what: &'static str,
        path: &'static str,
        length: u64,
        body: ChunkBody,
    ) -> Result<A, Failure> {
        let call = async {
            let incoming = self.bulk_call(what, path, Body::new(body)).await?;
            incoming.message(MESSAGE_BYTES).await
        };
        self.in_time(what, patience(length), Box::pin(call)).await
    }

    /// Sends a request, and waits for the start of its answer.
    async fn bulk_call(
        &self,
        what: &'static str,
        path: &'static str,
        body: Body,
    ) -> Result<Incoming, Failure> {
        let origin = Origin { what, address: self.address().clone() };
        let mut request = http::Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = http::Uri::from_static(path);
        let headers = request.headers_mut();
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
        if let Some(bearer) = self.inner.connector.bearer().value() {
            headers.insert(AUTHORIZATION, bearer.clone());
        }
        let mut channel = self.bulk().await?;
        let broken =
            |error: tonic::transport::Error| origin.failure(&tonic::Status::from_error(Box::new(error)));
        let response = channel.ready().await.map_err(broken)?.call(request).await.map_err(broken)?;
        Incoming::answer(response, origin)
    }
}

fn stalled(what: &str, address: &str) -> Failure {
    let message = format!("could not {what} at {address}: nothing came for {STALL:?}");
    Failure::new(FailureKind::TimedOut, message)
}
