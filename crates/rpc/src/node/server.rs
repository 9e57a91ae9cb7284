//! Serves a node.

use super::adapter::Adapter;
use super::bulk::service::BulkService;
use super::handover::{HandoverServer, HandoverSocket};
use super::service::NodeService;
use crate::server::{Connection, RpcServer, ServerOptions};
use crate::session::MESSAGE_BYTES;
use crate::session::accept::{SessionTable, SessionsService};
use mobula_proto::wire::node_server::NodeServer as WireServer;
use mobula_runtime::Shutdown;
use mobula_types::Failure;
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves a [`NodeService`]: sessions, the calls beside them, gRPC health and reflection.
///
/// Clones serve the same node. Each of a process's single-threaded runtimes serves the connections that it is given; a
/// session is resumed on whichever of them its next stream arrives.
#[derive(Clone)]
pub struct NodeServer {
    rpc: RpcServer,
    sessions: Arc<SessionTable>,
    handover: HandoverServer,
}

impl NodeServer {
    /// A server for that node.
    ///
    /// # Errors
    /// `Internal` for a defect of the build.
    pub fn new(service: Arc<dyn NodeService>, options: ServerOptions) -> Result<Self, Failure> {
        let host = Arc::new(Adapter { service: service.clone() });
        let sessions = SessionTable::new(host, options.session, options.most_sessions);
        let node = WireServer::new(Adapter { service: service.clone() })
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES);
        let handover = HandoverServer { service: service.clone(), token: options.token.clone() };
        let rpc = RpcServer::builder(options)
            .authenticator(service.clone())
            .add(SessionsService::new(sessions.clone()))
            .add(BulkService::new(service, node))
            .build()?;
        Ok(NodeServer { rpc, sessions, handover })
    }

    /// Serves what connects to `listener` until `shutdown` is triggered and the open calls are over, or were given their
    /// time. Sessions are calls too: [`close_sessions`](Self::close_sessions) ends them in order. Dropping the future
    /// ends all its connections at once.
    pub async fn serve(&self, listener: TcpListener, shutdown: Shutdown) {
        self.rpc.serve(listener, shutdown).await;
    }

    /// Serves one connection that was accepted or made elsewhere, on the runtime that polls the future. Sessions over a
    /// [`Connection::Unix`] cannot be resumed: their end is the connection's.
    ///
    /// # Errors
    /// Where the socket cannot be used on this runtime.
    pub async fn serve_connection(&self, connection: Connection, shutdown: Shutdown) -> io::Result<()> {
        self.rpc.serve_connection(connection, shutdown).await
    }

    /// Takes executables that clients of this host hand over on `socket`, until `shutdown` is triggered. Dropping the
    /// future ends what is under way.
    ///
    /// # Errors
    /// Where the socket cannot be used on this runtime.
    pub async fn serve_handovers(&self, socket: &HandoverSocket, shutdown: Shutdown) -> io::Result<()> {
        self.handover.serve(socket, shutdown).await
    }

    /// Closes every session in order: what was sent on it is delivered, then its peer is told.
    pub fn close_sessions(&self) {
        self.sessions.close_all();
    }

    /// How many sessions are open, detached ones included.
    pub fn session_count(&self) -> usize {
        self.sessions.count()
    }
}

impl fmt::Debug for NodeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeServer").field("sessions", &self.session_count()).finish_non_exhaustive()
    }
}
