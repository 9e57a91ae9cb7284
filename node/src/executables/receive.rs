//! An executable as it arrives.

use super::ExecutableCache;
use bytes::Bytes;
use mobula_rpc::node::{ChunkEncoding, Chunks, ExecutableUpload};
use mobula_runtime::spawn_blocking;
use mobula_types::{Failure, FailureKind};
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Writes an executable into the cache while it arrives; checks it whole. One that is here already is read to its end
/// and dropped. `held` is called once it is here, also where whoever sent it does not wait for the answer any more.
pub(crate) async fn receive(
    cache: &Arc<ExecutableCache>,
    upload: ExecutableUpload,
    mut chunks: Chunks,
    held: impl FnOnce() + Send + 'static,
) -> Result<(), Failure> {
    let (sender, receiver) = mpsc::channel::<Bytes>(4);
    let cache = cache.clone();
    let writing = spawn_blocking("write an executable", move || {
        let written = write(&cache, &upload, receiver);
        if written.is_ok() {
            held();
        }
        written
    });
    while let Some(chunk) = chunks.next().await {
        if sender.send(chunk?).await.is_err() {
            break;
        }
    }
    drop(sender);
    writing
        .await
        .unwrap_or_else(|| Err(Failure::new(FailureKind::Internal, "writing an executable was cut short")))
}

fn write(
    cache: &Arc<ExecutableCache>,
    upload: &ExecutableUpload,
    chunks: mpsc::Receiver<Bytes>,
) -> Result<(), Failure> {
    let mut reader: Box<dyn Read> = match upload.encoding {
        ChunkEncoding::Plain => Box::new(Arriving { chunks, current: Bytes::new() }),
        ChunkEncoding::Zstd => {
            let arriving = Arriving { chunks, current: Bytes::new() };
            Box::new(zstd::Decoder::new(arriving).map_err(unreadable)?)
        }
    };
    if cache.path(upload.hash).is_some() {
        return io::copy(&mut reader, &mut io::sink()).map(drop).map_err(unreadable);
    }
    let mut file = cache.upload(upload.hash, upload.length)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = reader.read(&mut buffer).map_err(unreadable)?;
        if read == 0 {
            return file.finish().map(drop);
        }
        file.write(&buffer[..read])?;
    }
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new(FailureKind::Malformed, format!("the executable's bytes cannot be read: {error}"))
}

/// Chunks as a reader for a thread that may block.
struct Arriving {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}
