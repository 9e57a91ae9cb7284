//! Connections of the floors, set up as Mobula sets up its own.

use super::wire::FloorServer;
use anyhow::Context;
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};

/// HTTP/2 window of a stream, in bytes.
const STREAM_WINDOW: u32 = 16 << 20;
/// HTTP/2 window of a connection, in bytes.
const CONNECTION_WINDOW: u32 = 64 << 20;
/// The most bytes of an HTTP/2 frame.
const FRAME_SIZE: u32 = 1 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

fn server() -> Server {
    Server::builder()
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_SIZE)
}

/// Serves on a TCP socket until the process ends.
pub(super) async fn serve_tcp(listener: TcpListener, service: FloorServer) -> anyhow::Result<()> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    server().add_service(service).serve_with_incoming(incoming).await.context("serving a floor on TCP")
}

/// Serves on a Unix socket until the process ends.
pub(super) async fn serve_unix(listener: UnixListener, service: FloorServer) -> anyhow::Result<()> {
    let incoming = UnixListenerStream::new(listener);
    server()
        .add_service(service)
        .serve_with_incoming(incoming)
        .await
        .context("serving a floor on a Unix socket")
}

fn endpoint(url: String) -> anyhow::Result<Endpoint> {
    Ok(Endpoint::from_shared(url)?
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_SIZE))
}

/// Connects to `host:port`.
pub(super) async fn connect_tcp(address: &str) -> anyhow::Result<Channel> {
    endpoint(format!("http://{address}"))?
        .connect()
        .await
        .with_context(|| format!("connecting to the floor's server at {address}"))
}

/// Connects to a Unix socket.
pub(super) async fn connect_unix(path: PathBuf) -> anyhow::Result<Channel> {
    let shown = path.display().to_string();
    let connector = tower::service_fn(move |_uri: http::Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // The URL is not looked at: the connector knows the path.
    endpoint("http://localhost".into())?
        .connect_with_connector(connector)
        .await
        .with_context(|| format!("connecting to the floor's server at {shown}"))
}
