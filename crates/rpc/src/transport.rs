//! Connections to nodes: TCP, or sockets that were handed over.

use crate::auth::Bearer;
use crate::socket::QuietSocket;
use futures::future::ready;
use http::header::AUTHORIZATION;
use hyper_util::rt::TokioIo;
use mobula_types::{Failure, FailureKind};
use parking_lot::Mutex;
use std::error::Error;
use std::fmt;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// HTTP/2 windows and limits, the same on both sides of every connection.
pub(crate) const STREAM_WINDOW: u32 = 16 << 20;
pub(crate) const CONNECTION_WINDOW: u32 = 64 << 20;
pub(crate) const FRAME_SIZE: u32 = 1 << 20;
pub(crate) const HEADER_LIMIT: u32 = 32 * 1024;
/// A silent connection is asked for a sign of life this often, and given up when none comes for twice as long.
pub(crate) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
pub(crate) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes connections to one peer.
pub(crate) struct Connector {
    target: Target,
    address: Arc<str>,
    bearer: Bearer,
}

enum Target {
    /// Connects as often as it is asked.
    Tcp(Box<Endpoint>),
    /// Each socket serves one connection.
    Sockets(Mutex<Sockets>),
}

/// Sockets that are connected already.
struct Sockets {
    session: Option<StdUnixStream>,
    bulk: Option<StdUnixStream>,
}

impl Connector {
    /// Connects to `host:port` or `http://host:port`.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no address.
    pub(crate) fn tcp(address: &str, bearer: Bearer) -> Result<Self, Failure> {
        let invalid = |problem: String| {
            let message =
                format!("'{address}' is no address of a server, such as http://127.0.0.1:7421: {problem}");
            Failure::new(FailureKind::InvalidArgument, message)
        };
        let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let uri: http::Uri =
            url.parse().map_err(|error: http::uri::InvalidUri| invalid(error.to_string()))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
            return Err(invalid("it must start with http:// and name a host".into()));
        }
        let endpoint = Endpoint::from(uri);
        Ok(Connector { target: Target::Tcp(Box::new(configure(endpoint))), address: url.into(), bearer })
    }

    /// Uses sockets that are connected already: first the session's, then the one for everything else.
    pub(crate) fn sockets(session: StdUnixStream, bulk: StdUnixStream, name: &str, bearer: Bearer) -> Self {
        let sockets = Sockets { session: Some(session), bulk: Some(bulk) };
        Connector { target: Target::Sockets(Mutex::new(sockets)), address: name.into(), bearer }
    }

    /// Where it connects to, for people.
    pub(crate) fn address(&self) -> &Arc<str> {
        &self.address
    }

    pub(crate) fn bearer(&self) -> &Bearer {
        &self.bearer
    }

    /// Whether a broken connection can be made anew.
    pub(crate) fn can_reconnect(&self) -> bool {
        matches!(self.target, Target::Tcp(_))
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// `Unavailable`, which names the address and the cause.
    pub(crate) async fn connect(&self, within: Duration) -> Result<Channel, Failure> {
        let connected = match &self.target {
            Target::Tcp(endpoint) => Endpoint::clone(endpoint).connect_timeout(within).connect().await,
            Target::Sockets(sockets) => {
                let (session, bulk) = {
                    let mut sockets = sockets.lock();
                    let session = sockets.session.take();
                    let bulk = if session.is_none() { sockets.bulk.take() } else { None };
                    (session, bulk)
                };
                match (session, bulk) {
                    (Some(session), _) => hand_over(QuietSocket::new(session)).await,
                    (None, Some(bulk)) => hand_over(adopt(bulk)).await,
                    (None, None) => hand_over(Err::<UnixStream, _>(closed())).await,
                }
            }
        };
        connected.map_err(|error| self.unreachable(&error))
    }

    /// What to say when the peer cannot be reached.
    pub(crate) fn unreachable(&self, error: &dyn Error) -> Failure {
        let message = format!("could not connect to {}: {}", self.address, chain(error));
        Failure::new(FailureKind::Unavailable, message)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("address", &self.address).finish_non_exhaustive()
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the socket was handed over once and is used up")
}

fn adopt(socket: StdUnixStream) -> io::Result<UnixStream> {
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

/// A connection over what is connected already.
async fn hand_over<I>(io: io::Result<I>) -> Result<Channel, tonic::transport::Error>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut io = Some(io.map(TokioIo::new));
    let connector =
        tower::service_fn(move |_uri: http::Uri| ready(io.take().unwrap_or_else(|| Err(closed()))));
    configure(Endpoint::from_static("http://node.local")).connect_with_connector(connector).await
}

fn configure(endpoint: Endpoint) -> Endpoint {
    endpoint
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_SIZE)
        .http2_max_header_list_size(HEADER_LIMIT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
}

/// An error and its causes in one line, none of them twice.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

fn show(bearer: &Bearer, metadata: &mut MetadataMap) {
    if let Some(value) = bearer.value() {
        let mut headers = std::mem::take(metadata).into_headers();
        headers.insert(AUTHORIZATION, value.clone());
        *metadata = MetadataMap::from_headers(headers);
    }
}

/// A request that shows the bearer token.
pub(crate) fn bearer_request<T>(message: T, bearer: &Bearer) -> Request<T> {
    let mut request = Request::new(message);
    show(bearer, request.metadata_mut());
    request
}

/// Shows the bearer token with every request of a client.
#[derive(Clone, Debug)]
pub(crate) struct ShowBearer(pub(crate) Bearer);

impl Interceptor for ShowBearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        show(&self.0, request.metadata_mut());
        Ok(request)
    }
}
