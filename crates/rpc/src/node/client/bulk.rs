//! Bulk transfers, on a connection of their own.

use super::NodeClient;
use crate::node::bulk::{Chunks, Download};
use crate::node::convert::unreadable;
use crate::node::request::{ExecutableUpload, ObjectUpload};
use crate::status::to_failure;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use mobula_proto::{ConvertError, wire};
use mobula_types::outcome::StoredCopy;
use mobula_types::{ExecutableHash, Failure, FailureKind, ObjectId};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tonic::Streaming;

/// A transfer that brings nothing for so long has failed.
const STALL: Duration = Duration::from_secs(30);
/// The slowest pace at which an upload is waited for, in bytes a second.
const SLOWEST: u64 = 1 << 20;

/// Takes the chunks of an upload until one is a failure, which is kept: the call's own error is only its consequence.
fn until_failure(
    chunks: Chunks,
) -> (impl Stream<Item = Bytes> + Send + 'static, Arc<Mutex<Option<Failure>>>) {
    let failed = Arc::new(Mutex::new(None));
    let keep = failed.clone();
    let chunks = tokio_stream::StreamExt::map_while(chunks, move |chunk| match chunk {
        Ok(chunk) => Some(chunk),
        Err(failure) => {
            *keep.lock() = Some(failure);
            None
        }
    });
    (Box::pin(chunks), failed)
}

fn patience(length: u64) -> Duration {
    Duration::from_secs(length / SLOWEST)
}

impl NodeClient {
    /// The bytes of an object in the node's store.
    ///
    /// # Errors
    /// As for every call; `NotFound` where it is not there.
    pub async fn fetch(&self, object: ObjectId) -> Result<Download, Failure> {
        let request = wire::FetchRequest { object: Some(object.into()) };
        let mut client = self.bulk().await?;
        let what = "fetch an object";
        let stream = self.within(what, Duration::ZERO, client.fetch(request)).await?;
        self.download(what, stream).await
    }

    /// The bytes of an executable.
    ///
    /// # Errors
    /// As for every call; `NotFound` where it is not there.
    pub async fn fetch_executable(&self, hash: ExecutableHash) -> Result<Download, Failure> {
        let request = wire::ExecutableRequest { hash: hash.to_string() };
        let mut client = self.bulk().await?;
        let what = "fetch an executable";
        let stream = self.within(what, Duration::ZERO, client.fetch_executable(request)).await?;
        self.download(what, stream).await
    }

    async fn download(
        &self,
        what: &'static str,
        mut stream: Streaming<wire::DataChunk>,
    ) -> Result<Download, Failure> {
        let address = self.address().clone();
        let first = match tokio::time::timeout(STALL, stream.message()).await {
            Ok(Ok(message)) => message,
            Ok(Err(status)) => return Err(to_failure(&status, what, &address)),
            Err(_) => return Err(stalled(what, &address)),
        };
        let header = first.and_then(|first| first.header);
        let header = header.ok_or_else(|| unreadable(ConvertError::missing("data_chunk.header")))?;
        let chunks = tokio_stream::StreamExt::timeout(stream, STALL).map(move |chunk| match chunk {
            Ok(Ok(chunk)) => Ok(chunk.data),
            Ok(Err(status)) => Err(to_failure(&status, what, &address)),
            Err(_) => Err(stalled(what, &address)),
        });
        let chunks = Chunks::new(header.length, chunks);
        Ok(Download { length: header.length, checksum: header.checksum, chunks })
    }

    /// Stores an object's bytes at the node.
    ///
    /// # Errors
    /// As for every call; the first failure among the chunks.
    pub async fn store(&self, upload: ObjectUpload, chunks: Chunks) -> Result<StoredCopy, Failure> {
        let header = wire::StoreChunk { header: Some((&upload).into()), data: Bytes::new() };
        let (chunks, failed) = until_failure(chunks);
        let rest = chunks.map(|data| wire::StoreChunk { header: None, data });
        let messages = futures::stream::iter([header]).chain(rest);
        let mut client = self.bulk().await?;
        let stored = self.within("store an object", patience(upload.length), client.store(messages)).await;
        let stored = stored.map_err(|failure| failed.lock().take().unwrap_or(failure))?;
        stored.try_into().map_err(unreadable)
    }

    /// Uploads an executable.
    ///
    /// # Errors
    /// As for every call; the first failure among the chunks; `ExecutableRefused` where it cannot run on the node.
    pub async fn upload_executable(&self, upload: ExecutableUpload, chunks: Chunks) -> Result<(), Failure> {
        let header = wire::ExecutableChunk { header: Some((&upload).into()), data: Bytes::new() };
        let (chunks, failed) = until_failure(chunks);
        let rest = chunks.map(|data| wire::ExecutableChunk { header: None, data });
        let messages = futures::stream::iter([header]).chain(rest);
        let mut client = self.bulk().await?;
        let call = client.upload_executable(messages);
        let uploaded = self.within("upload an executable", patience(upload.length), call).await;
        uploaded.map(drop).map_err(|failure| failed.lock().take().unwrap_or(failure))
    }
}

fn stalled(what: &str, address: &str) -> Failure {
    let message = format!("could not {what} at {address}: nothing came for {STALL:?}");
    Failure::new(FailureKind::TimedOut, message)
}
