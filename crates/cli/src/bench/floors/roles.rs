//! The child processes of the floors.

use super::wire::{BATCHES, Batch, FloorServer, OnBatches};
use super::{CHUNK_BYTES, transport};
use crate::process::{Ready, exit_with_parent, report_ready};
use anyhow::Context;
use clap::Parser;
use futures::StreamExt;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

/// Batches that may wait between the two streams of the relay.
const RELAY_QUEUE: usize = 64;

/// Which process of a floor this is; an argument that only the benchmark itself passes.
#[derive(Clone, Debug, clap::Parser)]
pub(crate) enum FloorRole {
    /// Answers each item at once, on a Unix socket.
    Worker {
        /// Where to listen.
        socket: PathBuf,
    },
    /// Passes what comes by TCP on to the worker, and its answers back.
    Relay {
        /// Where the worker listens.
        socket: PathBuf,
    },
    /// Answers each item at once, by TCP.
    Echo,
    /// Reads what comes on a bare TCP connection.
    Sink,
}

/// The first argument of a process that plays a role.
const MARK: &str = "bench-floor";

impl FloorRole {
    /// The role of this process, if the benchmark started it to play one.
    pub(crate) fn of_this_process() -> Option<Self> {
        let mut arguments = std::env::args_os().skip(1).peekable();
        (arguments.peek()? == MARK).then(|| FloorRole::parse_from(arguments))
    }

    /// The arguments that make a process of this executable play the role.
    pub(super) fn arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments: Vec<std::ffi::OsString> = vec![MARK.into()];
        match self {
            FloorRole::Worker { socket } => arguments.extend(["worker".into(), socket.into()]),
            FloorRole::Relay { socket } => arguments.extend(["relay".into(), socket.into()]),
            FloorRole::Echo => arguments.push("echo".into()),
            FloorRole::Sink => arguments.push("sink".into()),
        }
        arguments
    }

    /// Plays the role until the parent is gone.
    pub(crate) fn play(self) -> anyhow::Result<()> {
        exit_with_parent()?;
        if let FloorRole::Sink = self {
            return sink();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            match self {
                FloorRole::Worker { socket } => worker(socket).await,
                FloorRole::Relay { socket } => relay(socket).await,
                FloorRole::Echo | FloorRole::Sink => echo().await,
            }
        })
    }
}

/// Answers every batch with the results of its items: the same items, with two bytes each.
fn answering() -> OnBatches {
    Arc::new(|batches| {
        Box::pin(async move {
            let answers = batches.map(|batch| {
                let mut batch = batch?;
                for item in &mut batch.items {
                    item.payload = bytes::Bytes::from_static(b"ok");
                }
                Ok(batch)
            });
            Ok(answers.boxed())
        })
    })
}

async fn worker(socket: PathBuf) -> anyhow::Result<()> {
    let listener = UnixListener::bind(&socket)
        .with_context(|| format!("listening on the Unix socket {}", socket.display()))?;
    report_ready(&Ready { address: socket.display().to_string() })?;
    transport::serve_unix(listener, FloorServer::new(answering())).await
}

async fn echo() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listening on the loopback address")?;
    report_ready(&Ready { address: listener.local_addr()?.to_string() })?;
    transport::serve_tcp(listener, FloorServer::new(answering())).await
}

async fn relay(socket: PathBuf) -> anyhow::Result<()> {
    let worker = transport::connect_unix(socket).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listening on the loopback address")?;
    report_ready(&Ready { address: listener.local_addr()?.to_string() })?;
    let on_batches: OnBatches = Arc::new(move |batches| {
        let worker = worker.clone();
        Box::pin(async move {
            let (sender, receiver) = tokio::sync::mpsc::channel(RELAY_QUEUE);
            let forwarding = mobula_runtime::spawn("forward a floor's batches", async move {
                let mut batches = batches;
                while let Ok(Some(batch)) = batches.message().await {
                    if sender.send(batch).await.is_err() {
                        break;
                    }
                }
            });
            // Ends when the stream does, which its client holds.
            forwarding.detach();
            let answers = open_batches(worker, ReceiverStream::new(receiver)).await?;
            Ok(answers.boxed())
        })
    });
    transport::serve_tcp(listener, FloorServer::new(on_batches)).await
}

/// Opens the stream of batches on a connection.
pub(super) async fn open_batches(
    channel: Channel,
    requests: ReceiverStream<Batch>,
) -> Result<tonic::Streaming<Batch>, Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static(BATCHES);
    let codec = ProstCodec::<Batch, Batch>::default();
    let response = client.streaming(Request::new(requests), path, codec).await?;
    Ok(response.into_inner())
}

/// Reads a bare TCP connection to its end, and answers with the number of bytes.
fn sink() -> anyhow::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("listening on the loopback address")?;
    report_ready(&Ready { address: listener.local_addr()?.to_string() })?;
    let (mut connection, _peer) = listener.accept().context("accepting the floor's connection")?;
    let mut buffer = vec![0_u8; CHUNK_BYTES];
    let mut total = 0_u64;
    loop {
        match connection.read(&mut buffer).context("reading the floor's connection")? {
            0 => break,
            read => total += read as u64,
        }
    }
    std::io::Write::write_all(&mut connection, &total.to_le_bytes())
        .context("answering the floor's connection")
}
