//! Sessions: what the first frames of a conversation say.

use crate::{JobId, NodeId, OwnerTerm, WorkerId};
use std::fmt;

/// A session: random, chosen by the side that connects; a broken one is resumed under the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u128);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({:x})", self.0)
    }
}

/// Who opens a session with a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionRole {
    /// A driver, or another client, of a job.
    Client {
        /// The job that was opened before the session.
        job: JobId,
        /// Proof that the job is the client's.
        secret: JobSecret,
        /// Raised at each take-over.
        owner_term: OwnerTerm,
    },
    /// A worker process of this node.
    Worker {
        /// The worker, as the node numbered it when it started it.
        worker: WorkerId,
        /// The secret that it inherited.
        secret: JobSecret,
    },
    /// Another node.
    Peer {
        /// The node that connects.
        node: NodeId,
    },
}

/// What proves that a caller belongs to a job. Never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct JobSecret(pub [u8; 32]);

impl fmt::Debug for JobSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JobSecret(…)")
    }
}
