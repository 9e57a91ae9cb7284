//! A won election: its term, its lease by this head's own clock, and its end.

use crate::image::ImageError;
use mobula_registry::{Condition, Entry, LeaseId, Registry, RegistryError, Revision, list_all};
use mobula_runtime::{Shutdown, clock};
use mobula_types::{HeadTerm, Time};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Clocks may drift by a tenth: that much of the lease is not trusted.
const TRUSTED_TENTHS: u32 = 9;
/// Before a renewal that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// A leadership, for as long as the leader's key lasts.
#[derive(Debug)]
pub(crate) struct Leadership {
    pub(crate) term: HeadTerm,
    pub(crate) key: String,
    pub(crate) create_revision: Revision,
    lease: LeaseId,
    length: Duration,
    renewed: Mutex<Time>,
    /// Given when the leadership is over for good.
    pub(crate) over: Shutdown,
    /// The registry was away for long enough that leases could not be renewed, and is back.
    pub(crate) registry_back: Notify,
    /// A write was refused for want of room.
    pub(crate) refused: Notify,
    problem: Mutex<String>,
}

impl Leadership {
    pub(crate) fn new(
        term: HeadTerm,
        key: String,
        create_revision: Revision,
        lease: LeaseId,
        length: Duration,
        granted: Time,
    ) -> Self {
        Leadership {
            term,
            key,
            create_revision,
            lease,
            length,
            renewed: Mutex::new(granted),
            over: Shutdown::new(),
            registry_back: Notify::new(),
            refused: Notify::new(),
            problem: Mutex::new(String::new()),
        }
    }

    /// What ties a write to this leadership.
    pub(crate) fn condition(&self) -> Condition {
        Condition::CreateRevision { key: self.key.clone(), create_revision: self.create_revision }
    }

    /// Makes sure that what was read up to a revision is what this leadership is to lead over: the registry holds the
    /// leader's key under this head's lease, at that revision or later. One that was restored meanwhile does not, and
    /// another head may have been elected there under the same term.
    pub(crate) async fn confirm(&self, registry: &dyn Registry, latest: Revision) -> Result<(), ImageError> {
        let found = list_all(registry, &self.key).await?;
        let is_own = |entry: &Entry| {
            entry.key == self.key
                && entry.lease == Some(self.lease)
                && entry.create_revision == self.create_revision
        };
        match found.revision >= latest && found.entries.iter().any(is_own) {
            true => Ok(()),
            false => Err(ImageError::Deposed { key: self.key.clone() }),
        }
    }

    /// Whether nobody else can lead yet, by this head's own clock: without it nothing is granted.
    pub(crate) fn may_grant(&self, now: Time) -> bool {
        let until = *self.renewed.lock() + self.length * TRUSTED_TENTHS / 10;
        now < until && !self.over.is_triggered()
    }

    /// What is wrong with the registry; empty where nothing is.
    pub(crate) fn problem(&self) -> String {
        self.problem.lock().clone()
    }

    pub(crate) fn set_problem(&self, problem: String) {
        *self.problem.lock() = problem;
    }

    /// Keeps the leader's lease renewed until it is lost. While the registry is away it goes on trying: the view is
    /// served meanwhile, and nothing is granted.
    pub(crate) async fn keep(self: Arc<Self>, registry: Arc<dyn Registry>) {
        let interval = self.length / 3;
        loop {
            clock::sleep(interval).await;
            while !self.renew(registry.as_ref()).await {
                if self.over.is_triggered() {
                    return;
                }
                clock::sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// One renewal, counted from its sending. `false` where it failed.
    async fn renew(&self, registry: &dyn Registry) -> bool {
        let sent = clock::now();
        let silence = sent.since(*self.renewed.lock());
        match registry.renew_lease(self.lease).await {
            Ok(_) => {
                *self.renewed.lock() = sent;
                if silence > self.length {
                    tracing::info!("the registry is back; this head still leads");
                    self.registry_back.notify_one();
                }
                self.set_problem(String::new());
                true
            }
            Err(RegistryError::LeaseNotFound { .. }) => {
                tracing::warn!(term = %self.term, "this head's leadership has ended: its lease is over");
                self.over.trigger();
                false
            }
            Err(error) => {
                if self.problem().is_empty() {
                    tracing::warn!(%error, "the registry does not answer; the view is served, writes wait");
                }
                self.set_problem(error.to_string());
                false
            }
        }
    }

    /// Gives the leadership up, so that a standby leads at once.
    pub(crate) async fn resign(&self, registry: &dyn Registry) {
        self.over.trigger();
        if let Err(error) = registry.revoke_lease(self.lease).await {
            tracing::debug!(%error, "the leader's lease was not revoked; it ends by itself");
        }
    }
}
