//! Serves a [`HeadService`] over gRPC.

use super::adapter::Adapter;
use super::service::HeadService;
use super::targets::MESSAGE_LIMIT;
use crate::server::{RpcServer, ServerOptions};
use mobula_proto::wire::head_server::HeadServer as WireServer;
use mobula_types::Failure;
use std::sync::Arc;

/// The server of a head: the `Head` service, gRPC health and reflection, behind the cluster's token.
#[derive(Debug)]
pub struct HeadServer;

impl HeadServer {
    /// A server for `service`; see [`RpcServer::serve`].
    ///
    /// # Errors
    /// `Internal`: a defect of the build.
    pub fn build(service: Arc<dyn HeadService>, options: ServerOptions) -> Result<RpcServer, Failure> {
        let head = WireServer::new(Adapter { service })
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT);
        RpcServer::builder(options).add(head).build()
    }
}
