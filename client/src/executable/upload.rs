//! Bringing an executable, or a job's files, to a node that does not have them.

use super::WorkerBinary;
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use mobula_objects::files::PackedFiles;
use mobula_rpc::NodeClient;
use mobula_rpc::node::{CHUNK_BYTES, ChunkEncoding, ChunkSender, ExecutableUpload, chunk_channel};
use mobula_types::{ExecutableHash, Failure, FailureKind};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Chunks that may wait between reading and sending.
const DEPTH: usize = 4;
/// zstd's level: fast, since the network is not waited for long either.
const LEVEL: i32 = 3;

/// Makes sure that the node has the executable.
///
/// # Errors
/// `ExecutableRefused` where it cannot run on the node; what the transfer met.
pub(crate) async fn bring(client: &NodeClient, binary: WorkerBinary) -> Result<(), Failure> {
    let WorkerBinary { path, hash, length } = binary;
    let file = File::open(&path).map_err(|error| unreadable(&error))?;
    bring_file(client, "this program", hash, length, Arc::new(file)).await
}

/// Makes sure that the node has the job's files.
///
/// # Errors
/// What the transfer met.
pub(crate) async fn bring_files(client: &NodeClient, files: PackedFiles) -> Result<(), Failure> {
    let PackedFiles { file, hash, length } = files;
    bring_file(client, "this job's files", hash, length, file).await
}

/// Asks for it by its hash first, and hands the open file over on the same host. Over a network it travels compressed, with
/// a progress bar where there is a terminal.
async fn bring_file(
    client: &NodeClient,
    what: &str,
    hash: ExecutableHash,
    length: u64,
    file: Arc<File>,
) -> Result<(), Failure> {
    if client.offer_executable(hash, length, &file).await? {
        return Ok(());
    }
    let file = FromStart { file, at: 0 };
    let is_local = is_loopback(client.address());
    let encoding = if is_local { ChunkEncoding::Plain } else { ChunkEncoding::Zstd };
    let progress = progress_bar(length, is_local, what, client.address());
    let upload = ExecutableUpload { hash, length, target: target(), encoding };
    let (reader, chunks) = match encoding {
        ChunkEncoding::Plain => {
            let (sender, chunks) = chunk_channel(length, DEPTH);
            let read = move || drop(pump(file, Chunked::new(sender), &progress));
            (mobula_runtime::spawn_blocking("read the executable", read), chunks)
        }
        ChunkEncoding::Zstd => {
            // The transfer has to say its length: what is compressed is known only once it is done.
            let packed =
                mobula_runtime::spawn_blocking("compress the executable", move || pack(file, &progress));
            let lost = || Failure::new(FailureKind::Internal, "compressing the executable failed");
            let packed = packed.await.ok_or_else(lost)?.map_err(|error| unreadable(&error))?;
            let nothing_left = mobula_runtime::spawn_blocking("read the executable", || ());
            (nothing_left, mobula_rpc::node::Chunks::from_bytes(packed.into()))
        }
    };
    client.upload_executable(upload, chunks).await?;
    drop(reader);
    Ok(())
}

/// Reads an open file from its start, wherever others that have it open are reading.
struct FromStart {
    file: Arc<File>,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(FailureKind::ExecutableRefused, format!("the executable cannot be read: {error}"))
}

/// What this program was built for.
fn target() -> String {
    let environment = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    format!("{}-{}-{environment}", std::env::consts::ARCH, std::env::consts::OS)
}

fn is_loopback(address: &str) -> bool {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn progress_bar(length: u64, is_local: bool, what: &str, address: &str) -> ProgressBar {
    if is_local || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {eta}");
    ProgressBar::new(length)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(format!("bringing {what} to {address}"))
}

fn pack(file: FromStart, progress: &ProgressBar) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    pump(file, &mut encoder, progress)?;
    encoder.finish()
}

/// Copies the file, and shows how far it is.
fn pump(mut file: FromStart, mut to: impl Write, progress: &ProgressBar) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            progress.finish_and_clear();
            return to.flush();
        }
        to.write_all(&buffer[..length])?;
        progress.inc(length as u64);
    }
}

/// Sends what is written as chunks of a transfer.
struct Chunked(ChunkSender);

impl Chunked {
    fn new(sender: ChunkSender) -> Self {
        Chunked(sender)
    }
}

impl Write for Chunked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(CHUNK_BYTES)];
        match self.0.blocking_send(Ok(Bytes::copy_from_slice(piece))) {
            true => Ok(piece.len()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_its_address() {
        for address in ["http://127.0.0.1:7421", "localhost:1", "http://[::1]:7421"] {
            assert!(is_loopback(address), "{address}");
        }
        assert!(!is_loopback("http://node-1:7421"));
        assert!(!is_loopback("http://10.0.0.1:7421"));
    }
}
