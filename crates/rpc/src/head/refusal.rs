//! Refusals of a head as gRPC statuses, and back.

use super::service::HeadRefusal;
use crate::status;
use mobula_types::{Failure, FailureKind};
use std::error::Error;
use std::sync::Arc;
use tonic::metadata::MetadataValue;
use tonic::{ConnectError, Status};

/// Names the leader in the answer of a head that does not lead; empty where there is none yet.
const LEADER: &str = "mobula-leader";

pub(super) fn to_status(refusal: &HeadRefusal) -> Status {
    let mut status = status::to_status(&refusal.failure);
    if refusal.not_leader {
        let leader = refusal.leader.as_deref().unwrap_or_default();
        let value = MetadataValue::try_from(leader).unwrap_or_else(|_| MetadataValue::from_static(""));
        status.metadata_mut().insert(LEADER, value);
    }
    status
}

/// What a head refused; `what` was asked of it.
pub(super) fn from_status(status: &Status, what: &str, address: &str) -> HeadRefusal {
    let leader = status.metadata().get(LEADER).map(|value| value.to_str().unwrap_or_default());
    HeadRefusal {
        failure: status::to_failure(status, what, address),
        not_leader: leader.is_some(),
        leader: leader.filter(|address| !address.is_empty()).map(Arc::from),
    }
}

/// Whether another try, perhaps at another head, may succeed where this one failed.
pub(super) fn may_pass(refusal: &HeadRefusal) -> bool {
    refusal.not_leader || matches!(refusal.failure.kind(), FailureKind::Unavailable | FailureKind::TimedOut)
}

/// Whether a request has certainly come to no leader.
pub(super) fn was_not_heard(status: &Status) -> bool {
    let mut sources = std::iter::successors(status.source(), |&error| error.source());
    status.metadata().contains_key(LEADER) || sources.any(|error| error.is::<ConnectError>())
}

/// Nothing was answered in time.
pub(super) fn timed_out(what: &str, address: &str, after: std::time::Duration) -> HeadRefusal {
    Failure::new(FailureKind::TimedOut, format!("could not {what} at {address}: no answer within {after:?}"))
        .into()
}
