//! Why a request to the registry failed, and what follows from it.

use std::path::PathBuf;

use crate::entry::LeaseId;
use crate::transaction::{Condition, EntryRevisions};

/// Why a request to the registry failed: what was tried, on what, why, and whether a retry can help.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A condition did not hold; nothing was written. Read again before another try.
    #[error("the transaction was not applied: {condition} does not hold, {}", describe_found(.found))]
    Conflict {
        /// The first condition that did not hold.
        condition: Condition,
        /// What the registry holds under the condition's key; `None`: the key is absent.
        found: Option<EntryRevisions>,
    },
    /// The transaction was sent and no answer came: it may or may not be applied, now or a moment later.
    /// Its keys must be read again before anything is said about them.
    #[error("a transaction sent to {target} may or may not have been applied: {reason}")]
    OutcomeUnknown {
        /// The endpoint or the file.
        target: String,
        /// What went wrong.
        reason: String,
    },
    /// Nobody answered; a write that fails so was not applied. A later retry may succeed.
    #[error("could not {action} at {target}: {reason}; trying again later may help")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// The endpoints or the file.
        target: String,
        /// What went wrong, for each endpoint.
        reason: String,
    },
    /// The request is over a limit; nothing was written. Split it.
    #[error("the transaction is too large: {size} {what}, at most {limit} are allowed; split it")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// How much there was.
        size: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// The request makes no sense; nothing was done. A retry will fail the same.
    #[error("invalid request to the registry: {reason}")]
    InvalidRequest {
        /// What is wrong with it.
        reason: String,
    },
    /// The lease has ended, was revoked, or never was. A retry needs a new lease.
    #[error("lease {lease} does not exist: it has ended or was revoked; grant a new one")]
    LeaseNotFound {
        /// The lease asked for.
        lease: LeaseId,
    },
    /// The disk or the quota is full; nothing was written, reads still work. A retry helps once there is room.
    #[error(
        "no space left for the registry at {target}: {reason}; make room (compact, defragment, or a larger disk or quota), then try again"
    )]
    NoSpace {
        /// The endpoint or the file.
        target: String,
        /// What went wrong.
        reason: String,
    },
    /// What is stored cannot be read. A retry will fail the same; restore it from a backup.
    #[error("the registry at {target} is corrupt: {reason}")]
    Corrupt {
        /// The endpoint or the file.
        target: String,
        /// What cannot be read.
        reason: String,
    },
    /// Another process has the file open. A retry helps once it has ended.
    #[error("the registry file {} is in use by {holder}; only one process may open it", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
        /// Who holds it, as far as known.
        holder: String,
    },
    /// The file was written by a version that this one does not understand. A retry will fail the same.
    #[error("the registry file {} has format {found}; this version reads format {supported}", path.display())]
    Incompatible {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u64,
        /// The format that is understood.
        supported: u64,
    },
    /// The registry refused the request itself (permission, authentication, unsupported). A retry will fail the same.
    #[error("{target} refused to {action}: {reason}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// The endpoint or the file.
        target: String,
        /// Why.
        reason: String,
    },
    /// This handle was closed. Open another one.
    #[error("the registry at {target} was closed by this process")]
    Closed {
        /// The endpoint or the file.
        target: String,
    },
}

impl RegistryError {
    /// Whether the same request may succeed later without anybody doing anything. It is safe for a write too:
    /// nothing was applied. [`OutcomeUnknown`](Self::OutcomeUnknown) is not retryable, it asks for a read first.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// For requests that may safely be sent again: an unknown outcome is then no more than an absence.
    pub(crate) fn for_repeatable(self, action: &'static str) -> Self {
        match self {
            Self::OutcomeUnknown { target, reason } => Self::Unavailable { action, target, reason },
            other => other,
        }
    }
}

fn describe_found(found: &Option<EntryRevisions>) -> String {
    match found {
        None => "the key is absent".to_owned(),
        Some(revisions) => format!(
            "the key was created at revision {} and last put at {}",
            revisions.create_revision, revisions.mod_revision
        ),
    }
}
