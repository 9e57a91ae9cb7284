//! Serves gRPC on connections that are accepted here or handed over.
//!
//! A [`RpcServer`] is cheap to clone and belongs to no runtime: each of a process's single-threaded runtimes serves the
//! connections that it is given, with the same services behind all of them.

use crate::auth::{AuthLayer, AuthService, Authenticator, NoJobs};
use crate::session::SessionOptions;
use crate::socket::QuietSocket;
use crate::token::ClusterToken;
use crate::transport::{
    CONNECTION_WINDOW, FRAME_SIZE, HEADER_LIMIT, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, STREAM_WINDOW,
};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use mobula_runtime::{Shutdown, TaskHandle};
use mobula_types::{Failure, FailureKind};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::TcpStream as StdTcpStream;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tower::{Layer, Service};

/// What is served beside the services that were added.
const BESIDE: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// The limits of a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The cluster's token; `None` lets everybody in.
    pub token: Option<ClusterToken>,
    /// How many connections are served at a time by one call of `serve` (16,384); more wait to be accepted.
    pub most_connections: usize,
    /// How many calls and streams one connection may have open (1,024).
    pub most_streams: u32,
    /// How long open calls may go on after the shutdown was triggered (5 s).
    pub drain_within: Duration,
    /// The bounds of accepted sessions.
    pub session: SessionOptions,
    /// How many sessions may be open, detached ones included (65,536).
    pub most_sessions: usize,
}

impl ServerOptions {
    /// The usual limits.
    pub fn new(token: Option<ClusterToken>) -> Self {
        ServerOptions {
            token,
            most_connections: 16 * 1024,
            most_streams: 1024,
            drain_within: Duration::from_secs(5),
            session: SessionOptions::default(),
            most_sessions: 64 * 1024,
        }
    }
}

/// A connection that belongs to no runtime yet.
#[derive(Debug)]
pub enum Connection {
    /// From another machine, or another process of this one.
    Tcp(StdTcpStream),
    /// One end of a socket pair, whose other end a worker inherited, for a session.
    Unix(StdUnixStream),
    /// The same, for bulk.
    UnixBulk(StdUnixStream),
}

impl From<StdTcpStream> for Connection {
    fn from(stream: StdTcpStream) -> Self {
        Connection::Tcp(stream)
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct PeerAddress {
    /// For people.
    pub(crate) text: Arc<str>,
    /// One end of a socket pair: it cannot be connected anew.
    pub(crate) local: bool,
}

impl PeerAddress {
    fn local() -> Self {
        PeerAddress { text: "a process on this host".into(), local: true }
    }
}

impl Default for PeerAddress {
    fn default() -> Self {
        PeerAddress { text: "unknown".into(), local: false }
    }
}

/// gRPC services, health and reflection, behind the check of bearer tokens.
#[derive(Clone)]
pub struct RpcServer {
    service: AuthService<Routes>,
    options: ServerOptions,
}

/// Collects services.
pub struct RpcServerBuilder {
    routes: Routes,
    names: Vec<&'static str>,
    options: ServerOptions,
    authenticator: Arc<dyn Authenticator>,
}

impl fmt::Debug for RpcServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcServerBuilder").field("services", &self.names).finish_non_exhaustive()
    }
}

impl RpcServerBuilder {
    /// Knows jobs by their secrets; none unless set.
    pub fn authenticator(mut self, authenticator: Arc<dyn Authenticator>) -> Self {
        self.authenticator = authenticator;
        self
    }

    /// Adds a service.
    #[allow(clippy::should_implement_trait, reason = "a builder's step, not a sum")]
    pub fn add<S>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes = self.routes.add_service(service);
        self
    }

    /// The server, with health (`SERVING` for each service and for the whole) and reflection added.
    ///
    /// # Errors
    /// `Internal` where the descriptors of the services cannot be read: a defect of the build.
    pub fn build(self) -> Result<RpcServer, Failure> {
        let (reporter, health) = tonic_health::server::health_reporter();
        for name in self.names.iter().copied().chain([""]) {
            // Nobody else holds the reporter yet, so that this never waits.
            let _done = reporter.set_service_status(name, ServingStatus::Serving).now_or_never();
        }
        let reflection = || {
            let builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(mobula_proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
            // The descriptors are those of every server; what is listed is served here.
            let names = self.names.iter().copied().chain(BESIDE);
            names.fold(builder, |builder, name| builder.with_service_name(name))
        };
        let defect = |error: tonic_reflection::server::Error| {
            Failure::new(FailureKind::Internal, format!("the services' descriptors cannot be read: {error}"))
        };
        let (v1, v1alpha) =
            (reflection().build_v1().map_err(defect)?, reflection().build_v1alpha().map_err(defect)?);
        let routes = self.routes.add_service(health).add_service(v1).add_service(v1alpha).prepare();
        let auth = AuthLayer::new(self.options.token.clone(), self.authenticator);
        Ok(RpcServer { service: auth.layer(routes), options: self.options })
    }
}

impl fmt::Debug for RpcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcServer").field("options", &self.options).finish_non_exhaustive()
    }
}

/// After a failed accept, such as for want of file descriptors, the next is tried this much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl RpcServer {
    /// Starts to collect services.
    pub fn builder(options: ServerOptions) -> RpcServerBuilder {
        RpcServerBuilder {
            routes: Routes::default(),
            names: Vec::new(),
            options,
            authenticator: Arc::new(NoJobs),
        }
    }

    /// Serves what connects to `listener` until `shutdown` is triggered and the open calls are over, or were given
    /// [`drain_within`](ServerOptions::drain_within). Dropping the future ends all its connections at once.
    pub async fn serve(&self, listener: TcpListener, shutdown: Shutdown) {
        let mut connections = FuturesUnordered::new();
        loop {
            let room = connections.len() < self.options.most_connections;
            tokio::select! {
                () = shutdown.wait() => break,
                Some(_ended) = connections.next() => {}
                accepted = listener.accept(), if room => match accepted {
                    Ok((stream, _address)) => connections.push(self.spawn_tcp(stream, &shutdown)),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        mobula_runtime::clock::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        while connections.next().await.is_some() {}
    }

    fn spawn_tcp(&self, stream: TcpStream, shutdown: &Shutdown) -> TaskHandle<()> {
        let server = self.clone();
        let shutdown = shutdown.clone();
        mobula_runtime::spawn("connection", async move { server.serve_tcp(stream, shutdown).await })
    }

    /// Serves one connection that was accepted elsewhere, until the peer leaves or `shutdown` is triggered and the open
    /// calls are over. Dropping the future ends the connection at once.
    ///
    /// # Errors
    /// Where the socket cannot be used on this runtime.
    pub async fn serve_connection(&self, connection: Connection, shutdown: Shutdown) -> io::Result<()> {
        match connection {
            Connection::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                self.serve_tcp(TcpStream::from_std(stream)?, shutdown).await;
            }
            Connection::Unix(stream) => {
                self.serve_io(QuietSocket::new(stream)?, PeerAddress::local(), shutdown).await;
            }
            Connection::UnixBulk(stream) => {
                stream.set_nonblocking(true)?;
                self.serve_io(UnixStream::from_std(stream)?, PeerAddress::local(), shutdown).await;
            }
        }
        Ok(())
    }

    async fn serve_tcp(&self, stream: TcpStream, shutdown: Shutdown) {
        let peer = match stream.set_nodelay(true).and_then(|()| stream.peer_addr()) {
            Ok(address) => PeerAddress { text: address.to_string().into(), local: false },
            // The peer has left already.
            Err(_) => return,
        };
        self.serve_io(stream, peer, shutdown).await;
    }

    async fn serve_io(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send,
        peer: PeerAddress,
        shutdown: Shutdown,
    ) {
        let text = peer.text.clone();
        let service = self.service.clone();
        let call = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let mut service = service.clone();
            // The routes are always ready.
            service.call(request)
        });
        let connection = self.http2().serve_connection(TokioIo::new(io), call);
        tokio::pin!(connection);
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = shutdown.wait() => {
                connection.as_mut().graceful_shutdown();
                match tokio::time::timeout(self.options.drain_within, connection).await {
                    Ok(result) => result,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(peer = %text, %error, "a connection broke");
        }
    }

    fn http2(&self) -> http2::Builder<StreamExecutor> {
        let mut builder = http2::Builder::new(StreamExecutor);
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_SIZE)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(HEADER_LIMIT)
            .max_concurrent_streams(self.options.most_streams)
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        builder
    }
}

/// How many bytes one stream may have written that the connection has not sent yet.
const SEND_BUFFER: usize = 2 << 20;

/// Runs a connection's calls, which end with the connection.
#[derive(Clone, Copy, Debug)]
struct StreamExecutor;

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        mobula_runtime::spawn("call", future).detach();
    }
}
