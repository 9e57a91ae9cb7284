//! Calls a node.

mod bulk;
mod calls;

use crate::auth::Bearer;
use crate::session::{MESSAGE_BYTES, NotOpened, Session, SessionOptions, Welcome, connect};
use crate::status::to_failure;
use crate::transport::{Connector, ShowBearer};
use mobula_proto::wire::node_client::NodeClient as WireClient;
use mobula_types::{Failure, FailureKind, SessionRole};
use std::fmt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Response, Status};

/// How a node is called.
#[derive(Clone, Debug)]
pub struct NodeClientOptions {
    /// What is shown with every call.
    pub bearer: Bearer,
    /// The bounds of sessions.
    pub session: SessionOptions,
    /// How long making a connection may take (5 s).
    pub connect_within: Duration,
    /// How long a call may take beyond what it asks for itself (30 s).
    pub call_within: Duration,
}

impl NodeClientOptions {
    /// The usual times.
    pub fn new(bearer: Bearer) -> Self {
        NodeClientOptions {
            bearer,
            session: SessionOptions::default(),
            connect_within: Duration::from_secs(5),
            call_within: Duration::from_secs(30),
        }
    }
}

/// Calls one node. Clones share its connections: one for calls, one for bulk transfers, made when they are needed, and
/// one for each session.
///
/// Every call may be dropped at any point; what it asked for may have happened then. Errors are what the node answered,
/// or `Unavailable` and `TimedOut`, which name the address.
#[derive(Clone)]
pub struct NodeClient {
    inner: Arc<Inner>,
}

struct Inner {
    connector: Arc<Connector>,
    options: NodeClientOptions,
    calls: OnceCell<Channel>,
    bulk: OnceCell<Channel>,
}

type Client = WireClient<InterceptedService<Channel, ShowBearer>>;

impl NodeClient {
    /// Connects to the first of the addresses (`http://host:port`) that answers.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no address, `Unavailable` where none answers: names each, and why not.
    pub async fn connect(
        addresses: impl IntoIterator<Item = impl AsRef<str>>,
        options: NodeClientOptions,
    ) -> Result<Self, Failure> {
        let mut problems = Vec::new();
        for address in addresses {
            let client = NodeClient::at(address.as_ref(), options.clone())?;
            match client.calls().await {
                Ok(_connected) => return Ok(client),
                Err(failure) => problems.push(failure.message().to_owned()),
            }
        }
        if problems.is_empty() {
            return Err(Failure::new(FailureKind::InvalidArgument, "no address of a node was given"));
        }
        Err(Failure::new(FailureKind::Unavailable, problems.join("; ")))
    }

    /// A client of that address, which connects when it is first used.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no address.
    pub fn at(address: &str, options: NodeClientOptions) -> Result<Self, Failure> {
        let connector = Connector::tcp(address, options.bearer.clone())?;
        Ok(NodeClient::with(connector, options))
    }

    /// A client over sockets whose other ends a node serves: one carries the session, the other all calls. They cannot
    /// be connected anew, so that the end of one is the end of what it carries.
    pub fn over_sockets(session: StdUnixStream, bulk: StdUnixStream, options: NodeClientOptions) -> Self {
        let name = "the node that started this process";
        let connector = Connector::sockets(session, bulk, name, options.bearer.clone());
        NodeClient::with(connector, options)
    }

    fn with(connector: Connector, options: NodeClientOptions) -> Self {
        let connector = Arc::new(connector);
        NodeClient {
            inner: Arc::new(Inner { connector, options, calls: OnceCell::new(), bulk: OnceCell::new() }),
        }
    }

    /// Where the node is, for people.
    pub fn address(&self) -> &Arc<str> {
        self.inner.connector.address()
    }

    /// Opens a session. It resumes by itself when its connection breaks, as long as
    /// [`SessionOptions::resume_within`]; it lives as long as its receiver. Needs a tokio runtime, which drives it.
    ///
    /// # Errors
    /// As for every call.
    pub async fn open_session(&self, role: SessionRole) -> Result<(Session, Welcome), NotOpened> {
        connect::open(self.inner.connector.clone(), role, self.inner.options.session).await
    }

    async fn calls(&self) -> Result<Channel, Failure> {
        self.inner.calls.get_or_try_init(|| self.channel()).await.cloned()
    }

    /// The connection of bulk transfers. It belongs to the runtime on which it is first used.
    async fn bulk(&self) -> Result<Channel, Failure> {
        if !self.inner.connector.can_reconnect() {
            return self.calls().await;
        }
        self.inner.bulk.get_or_try_init(|| self.channel()).await.cloned()
    }

    async fn channel(&self) -> Result<Channel, Failure> {
        self.inner.connector.connect(self.inner.options.connect_within).await
    }

    /// Makes one call, which may take `more` than usual.
    async fn call<A>(
        &self,
        what: &'static str,
        more: Duration,
        call: impl AsyncFnOnce(Client) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        let bearer = ShowBearer(self.inner.connector.bearer().clone());
        let client = WireClient::with_interceptor(self.calls().await?, bearer)
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES);
        // Boxed: the future of a gRPC call is large, and callers hold it.
        self.within(what, more, Box::pin(call(client))).await
    }

    async fn within<A>(
        &self,
        what: &'static str,
        more: Duration,
        call: impl Future<Output = Result<Response<A>, Status>>,
    ) -> Result<A, Failure> {
        let call = async {
            let answered = call.await.map(Response::into_inner);
            answered.map_err(|status| to_failure(&status, what, self.address()))
        };
        self.in_time(what, more, call).await
    }

    /// Bounds a call, which may take `more` than usual.
    async fn in_time<A>(
        &self,
        what: &'static str,
        more: Duration,
        call: impl Future<Output = Result<A, Failure>>,
    ) -> Result<A, Failure> {
        let within = self.inner.options.call_within.saturating_add(more);
        tokio::time::timeout(within, call).await.unwrap_or_else(|_elapsed| {
            let message = format!("could not {what} at {}: no answer within {within:?}", self.address());
            Err(Failure::new(FailureKind::TimedOut, message))
        })
    }
}

impl fmt::Debug for NodeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeClient").field("address", self.address()).finish_non_exhaustive()
    }
}
