//! Why a node could not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a node could not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The address is in use, or not this machine's.
    #[error(
        "could not listen on {address}: {source}; choose another with --listen, or port 0 for a free one"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The data folder cannot be used.
    #[error("could not use the data folder {}: {source}", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// No thread or runtime could be made.
    #[error("could not start the node's thread: {0}")]
    Thread(#[source] io::Error),
    /// The head refused the node for good.
    #[error("the head refused this node: {0}")]
    Refused(mobula_types::Failure),
    /// No head was named.
    #[error("no head was named: give --head http://HOST:7420, once for each head")]
    NoHead,
}
