//! Brings an executable, or a folder of files, to a node, unless the node has it.

use crate::failure::{CommandFailure, Exit, Outcome};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mobula_objects::executable::hash_file;
use mobula_objects::files;
use mobula_rpc::node::{
    CHUNK_BYTES, ChunkEncoding, ChunkSender, ExecutableUpload, NodeClient, chunk_channel,
};
use mobula_types::{ExecutableHash, Failure, FailureKind};
use std::fs::File;
use std::io::IsTerminal;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Chunks that may wait to be sent.
const QUEUE: usize = 4;

/// Uploads the executable at `path`, unless the node has it already; its hash.
pub(crate) async fn upload_executable(client: &NodeClient, path: &Path) -> Outcome<ExecutableHash> {
    let what = format!("cannot upload {}", path.display());
    let unreadable =
        |error: &(dyn std::error::Error + 'static)| CommandFailure::usage(what.clone()).because(error);
    let (hash, length) = hash_file(path).map_err(|error| unreadable(&error))?;
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    upload(client, path, hash, length, Arc::new(file)).await
}

/// Packs the folder at `path` and uploads it, unless the node has the same already; its hash.
pub(crate) async fn upload_files(client: &NodeClient, path: &Path) -> Outcome<ExecutableHash> {
    let what = format!("cannot bring the files in {} to the cluster", path.display());
    let folder = path.to_owned();
    let packing = mobula_runtime::spawn_blocking("pack files", move || files::pack(&folder));
    let packed = packing.await.ok_or_else(|| CommandFailure::new(Exit::Failed, what.clone()))?;
    let packed = packed.map_err(|error| CommandFailure::usage(what).because(&error))?;
    upload(client, path, packed.hash, packed.length, packed.file).await
}

async fn upload(
    client: &NodeClient,
    path: &Path,
    hash: ExecutableHash,
    length: u64,
    file: Arc<File>,
) -> Outcome<ExecutableHash> {
    let what = format!("cannot upload {}", path.display());
    let refused = |failure: Failure| CommandFailure::answered(what.clone(), &failure);
    if client.offer_executable(hash, length, &file).await.map_err(refused)? {
        return Ok(hash);
    }
    let (sender, chunks) = chunk_channel(length, QUEUE);
    let bar = progress_bar(path, length);
    let reading = Reading { path: path.to_owned(), file, at: 0, sender, bar: bar.clone() };
    let reading = mobula_runtime::spawn_blocking("read an executable", move || reading.run());
    let upload = ExecutableUpload {
        hash,
        length,
        target: format!("{}-linux", std::env::consts::ARCH),
        encoding: ChunkEncoding::Plain,
    };
    let uploaded = client.upload_executable(upload, chunks).await;
    bar.finish_and_clear();
    uploaded.map_err(refused)?;
    // It has sent everything by now.
    reading.await.ok_or_else(|| CommandFailure::new(Exit::Failed, what.clone()))?;
    Ok(hash)
}

/// A bar on a terminal, and nothing elsewhere.
fn progress_bar(path: &Path, length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("uploading {msg} {wide_bar} {bytes}/{total_bytes} {eta}")
    {
        bar.set_style(style);
    }
    bar.set_message(path.display().to_string());
    bar
}

/// A file on its way into a channel.
struct Reading {
    path: PathBuf,
    file: Arc<File>,
    at: u64,
    sender: ChunkSender,
    bar: ProgressBar,
}

impl Reading {
    /// Reads to the end, or until nobody listens any more. What goes wrong is the transfer's last item.
    fn run(mut self) {
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            // Whoever else has it open may be reading too.
            let chunk = match self.file.read_at(&mut chunk, self.at) {
                Ok(0) => return,
                Ok(read) => {
                    self.at += read as u64;
                    chunk.truncate(read);
                    Ok(chunk.into())
                }
                Err(error) => {
                    let message = format!("cannot read {}: {error}", self.path.display());
                    Err(Failure::new(FailureKind::BadValue, message))
                }
            };
            let is_last = chunk.is_err();
            self.bar.inc(chunk.as_ref().map_or(0, |chunk: &bytes::Bytes| chunk.len() as u64));
            if !self.sender.blocking_send(chunk) || is_last {
                return;
            }
        }
    }
}
