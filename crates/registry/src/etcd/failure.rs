//! What a failed call to etcd means for the request.

use std::error::Error as StdError;

use etcd_client::Error;
use tonic::{Code, ConnectError};

use crate::entry::LeaseId;
use crate::error::RegistryError;
use crate::transaction::{Operation, Transaction};

/// What a failed call means for the request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// It certainly changed nothing; another endpoint, or a later try, may do it.
    NotDone(String),
    /// It may have been done.
    Unknown(String),
    /// The answer is larger than the client takes.
    AnswerTooLarge,
    /// It certainly changed nothing, and would fail the same anywhere.
    Final(RegistryError),
}

/// For failures whose error does not carry the lease: the caller knows which it was.
const NO_LEASE: LeaseId = LeaseId::new(0);

/// Reads a failure of `action` at `target`. The texts are etcd's own (`api/v3rpc/rpctypes/error.go`), which its
/// clients tell its errors apart by.
pub(super) fn classify(error: &Error, action: &'static str, target: &str) -> Failure {
    let status = match error {
        Error::GRpcStatus(status) => status,
        Error::LeaseKeepAliveError(text) if text.contains("not found") => return lease_not_found(),
        Error::TransportError(error) if is_connect_error(error) => return Failure::NotDone(chain(error)),
        Error::InvalidArgs(_) | Error::InvalidUri(_) | Error::EndpointError(_) => {
            return Failure::Final(RegistryError::InvalidRequest { reason: error.to_string() });
        }
        other => return Failure::Unknown(other.to_string()),
    };
    let reason = status.message().to_owned();
    let target = target.to_owned();
    let says = |text: &str| status.message().contains(text);
    match status.code() {
        Code::NotFound if says("lease not found") => lease_not_found(),
        Code::ResourceExhausted if says("database space exceeded") => {
            Failure::Final(RegistryError::NoSpace { target, reason })
        }
        Code::ResourceExhausted if says("too many requests") => Failure::NotDone(reason),
        Code::OutOfRange if says("decoded message length too large") => Failure::AnswerTooLarge,
        Code::InvalidArgument
        | Code::OutOfRange
        | Code::FailedPrecondition
        | Code::NotFound
        | Code::AlreadyExists => Failure::Final(RegistryError::InvalidRequest { reason }),
        Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented => {
            Failure::Final(RegistryError::Refused { action, target, reason })
        }
        Code::DataLoss => Failure::Final(RegistryError::Corrupt { target, reason }),
        Code::Unavailable if is_connect_error(status) => Failure::NotDone(chain(status)),
        Code::Unavailable if says("etcdserver: no leader") => Failure::NotDone(reason),
        code => Failure::Unknown(format!("{reason} ({code:?})")),
    }
}

/// Whether etcd says that the revision is compacted.
pub(super) fn is_compacted(error: &Error) -> bool {
    matches!(error, Error::GRpcStatus(status) if status.message().contains("has been compacted"))
}

/// Names the lease that a call was about.
pub(super) fn is_lease(error: RegistryError, lease: LeaseId) -> RegistryError {
    match error {
        RegistryError::LeaseNotFound { .. } => RegistryError::LeaseNotFound { lease },
        other => other,
    }
}

/// Names the lease that a transaction was about; where it has several, etcd does not say which: the first.
pub(super) fn name_lease(error: RegistryError, transaction: &Transaction) -> RegistryError {
    let lease = transaction.operations.iter().find_map(|operation| match operation {
        Operation::Put { lease, .. } => *lease,
        _ => None,
    });
    match lease {
        Some(lease) => is_lease(error, lease),
        None => error,
    }
}

fn lease_not_found() -> Failure {
    Failure::Final(RegistryError::LeaseNotFound { lease: NO_LEASE })
}

/// Whether no connection was there to send anything on.
fn is_connect_error(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<ConnectError>())
}

/// The error with its causes, each said once.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let said = match cause.downcast_ref::<tonic::Status>() {
            Some(status) => status.message().to_owned(),
            None => cause.to_string(),
        };
        if !text.contains(&said) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&said);
        }
    }
    text
}

fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Status;

    fn classified(status: Status) -> Failure {
        classify(&Error::GRpcStatus(status), "try", "http://a:1")
    }

    #[test]
    fn only_a_certain_failure_is_called_not_done() {
        assert!(matches!(classified(Status::unavailable("etcdserver: no leader")), Failure::NotDone(_)));
        for status in [
            Status::unavailable("etcdserver: request timed out"),
            Status::unavailable("etcdserver: leader changed"),
            Status::unavailable("error reading a body from connection"),
            Status::deadline_exceeded("timeout"),
            Status::unknown("h2 protocol error"),
            Status::cancelled("operation was cancelled"),
        ] {
            assert!(matches!(classified(status.clone()), Failure::Unknown(_)), "{status}");
        }
    }

    #[test]
    fn a_full_etcd_is_no_space() {
        let full = classified(Status::resource_exhausted("etcdserver: mvcc: database space exceeded"));
        assert!(matches!(full, Failure::Final(RegistryError::NoSpace { .. })));
    }
}
