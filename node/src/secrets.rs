//! Which job a bearer token stands for.

use mobula_rpc::Authenticator;
use mobula_types::JobId;
use mobula_types::session::JobSecret;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The secrets of living jobs that this node has seen proof of: those that it opened, those that the head confirmed, and
/// those of its own workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Arc<RwLock<HashMap<[u8; 32], JobId>>>);

impl Secrets {
    pub(crate) fn insert(&self, secret: &JobSecret, job: JobId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(fingerprint(secret), job);
    }

    pub(crate) fn forget(&self, secret: &JobSecret) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&fingerprint(secret));
    }

    pub(crate) fn forget_job(&self, job: JobId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|_, of| *of != job);
    }

    pub(crate) fn is_of(&self, secret: &JobSecret, job: JobId) -> bool {
        self.job_of(secret) == Some(job)
    }
}

/// Looked up by hash, so that the time of a look-up says nothing about a secret's bytes.
fn fingerprint(secret: &JobSecret) -> [u8; 32] {
    *blake3::hash(&secret.0).as_bytes()
}

impl Authenticator for Secrets {
    fn job_of(&self, secret: &JobSecret) -> Option<JobId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&fingerprint(secret)).copied()
    }
}
