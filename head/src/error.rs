//! Why a head does not start.

use mobula_registry::RegistryError;
use mobula_types::Failure;
use std::io;
use std::net::SocketAddr;

/// Why a head does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// Another process listens there. A retry helps once it has ended.
    #[error(
        "head cannot listen on {address}: the port is in use; end the process that has it (`ss -ltnp` shows it), or choose another with --listen (0 takes a free one)"
    )]
    PortInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("head cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Listening beyond this machine without a token must be asked for.
    #[error(
        "head would listen on {address}, beyond this machine, without a token; give one with --token-file, or permit it with --insecure"
    )]
    Insecure {
        /// The address.
        address: SocketAddr,
    },
    /// The registry cannot be opened, and waiting would not help.
    #[error("head cannot open its registry: {0}")]
    Registry(#[from] RegistryError),
    /// The name of the cluster cannot be part of a key.
    #[error("'{name}' cannot name a cluster: use up to 64 letters, digits, '-', '_' and '.'")]
    ClusterName {
        /// The name.
        name: String,
    },
    /// A defect of the build.
    #[error("head cannot serve: {0}")]
    Serve(Failure),
}
