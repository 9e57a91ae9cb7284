//! Serves a [`HeadService`] over gRPC.

use super::adapter::Adapter;
use super::service::HeadService;
use super::status::from_failure;
use super::targets::MESSAGE_LIMIT;
use crate::ClusterToken;
use mobula_proto::wire::head_server::HeadServer as WireServer;
use mobula_types::{Failure, FailureKind};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Status};

/// Streams that one connection may have open.
const STREAMS_PER_CONNECTION: u32 = 1024;
const CALLS_PER_CONNECTION: usize = 256;
const HEADER_LIMIT: u32 = 16 * 1024;
const WINDOW: u32 = 1024 * 1024;

/// The server of a head: the `Head` service, gRPC health and reflection, behind the cluster's token.
pub struct HeadServer {
    service: Arc<dyn HeadService>,
    token: Option<ClusterToken>,
}

impl fmt::Debug for HeadServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadServer").field("service", &self.service).finish_non_exhaustive()
    }
}

impl HeadServer {
    /// Serves `service` to whoever has `token`; to everybody where there is none.
    pub fn new(service: Arc<dyn HeadService>, token: Option<ClusterToken>) -> Self {
        HeadServer { service, token }
    }

    /// Serves what connects to `listener` until `stop` ends, and then until the open calls are over.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), tonic::transport::Error> {
        let head = WireServer::new(Adapter { service: self.service })
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT);
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_serving::<WireServer<Adapter>>().await;
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(mobula_proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let guard = guard(self.token);
        let mut server = Server::builder()
            .concurrency_limit_per_connection(CALLS_PER_CONNECTION)
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .http2_keepalive_interval(Some(Duration::from_secs(5)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .http2_max_header_list_size(HEADER_LIMIT)
            .initial_stream_window_size(Some(WINDOW))
            .initial_connection_window_size(Some(4 * WINDOW))
            .layer(tonic::service::InterceptorLayer::new(guard))
            .add_service(head)
            .add_service(health);
        if let Ok(service) = reflection().build_v1() {
            server = server.add_service(service);
        }
        if let Ok(service) = reflection().build_v1alpha() {
            server = server.add_service(service);
        }
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        server.serve_with_incoming_shutdown(incoming, stop).await
    }
}

/// Refuses whoever does not present the token.
fn guard(token: Option<ClusterToken>) -> impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone {
    move |request| {
        let Some(token) = &token else { return Ok(request) };
        let presented = request.metadata().get("authorization").map(|value| value.as_bytes());
        let presented = presented.and_then(|value| value.strip_prefix(b"Bearer "));
        match presented {
            Some(presented) if token.matches(presented) => Ok(request),
            Some(_) => Err(unauthenticated("the token is not this cluster's")),
            None => Err(unauthenticated("no token was sent")),
        }
    }
}

fn unauthenticated(problem: &str) -> Status {
    let message = format!("{problem}; give the cluster's token with --token-file or MOBULA_TOKEN_FILE");
    from_failure(&Failure::new(FailureKind::Unauthenticated, message))
}
