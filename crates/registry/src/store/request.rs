//! What is asked of a store's writer, and where the answer goes.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::entry::{Lease, LeaseId};
use crate::error::RegistryError;
use crate::transaction::{Committed, Transaction};

/// Where an answer goes. Nobody may be waiting for it any more.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, RegistryError>>;

/// What is asked of a store's writer.
pub(crate) enum Request {
    /// Apply a valid transaction.
    Commit(Transaction, Reply<Committed>),
    /// Grant a lease.
    Grant(Duration, Reply<Lease>),
    /// Renew a lease.
    Renew(LeaseId, Reply<Duration>),
    /// End a lease.
    Revoke(LeaseId, Reply<()>),
    /// Raise the term.
    RaiseTerm(Reply<u64>),
    /// Give unused space back.
    Defragment(Reply<()>),
    /// Find out what became of a round whose keeping failed.
    Resolve(Reply<()>),
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commit(..) => "Commit",
            Self::Grant(..) => "Grant",
            Self::Renew(..) => "Renew",
            Self::Revoke(..) => "Revoke",
            Self::RaiseTerm(..) => "RaiseTerm",
            Self::Defragment(..) => "Defragment",
            Self::Resolve(..) => "Resolve",
        })
    }
}

/// An answer that must wait until the round it belongs to is durable.
pub(crate) struct Deferred(Box<dyn FnOnce(Result<(), RegistryError>) + Send>);

impl Deferred {
    /// The answer if the round is kept; if it is not, even a refusal was based on what never was.
    pub(crate) fn new<T: Send + 'static>(reply: Reply<T>, answer: Result<T, RegistryError>) -> Self {
        Deferred(Box::new(move |kept| {
            let _nobody_waits = reply.send(kept.and(answer));
        }))
    }

    /// Sends it.
    pub(crate) fn send(self, kept: Result<(), RegistryError>) {
        (self.0)(kept);
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deferred")
    }
}
