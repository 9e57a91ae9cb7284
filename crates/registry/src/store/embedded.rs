//! The registry inside this process: in memory, or in a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{oneshot, watch};

use super::inbox::{Inbox, Rejected};
use super::machine::StoreMachine;
use super::request::{Reply, Request};
use super::storage::{NoStorage, Storage};
use super::watcher;
use super::writer::{Progress, Shared, Writer};
use crate::clock::{BootClock, Clock};
use crate::entry::{Entry, Lease, LeaseId, Revision};
use crate::error::RegistryError;
use crate::list::{List, ListPage};
use crate::registry::{Registry, RegistryStatus};
use crate::transaction::{Committed, Transaction, check_key};
use crate::watch::{Watch, WatchStart};

/// The longest lease.
pub(crate) const MAX_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long defragmenting may take.
const DEFRAGMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// How a registry in memory behaves.
#[derive(Clone, Debug)]
pub struct MemoryOptions {
    /// By what leases end. Default: [`BootClock`]; tests take a [`ManualClock`](crate::ManualClock).
    pub clock: Arc<dyn Clock>,
    /// About how many bytes of history watches can go back; older changes are compacted. Default: 16 MiB.
    pub history_bytes: usize,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        MemoryOptions { clock: Arc::new(BootClock), history_bytes: 16 * 1024 * 1024 }
    }
}

/// A registry inside this process: in memory, or in a file that no other process may open meanwhile.
///
/// A file has a writer thread: writes that come together share one synchronisation of the disk. In memory, calls are
/// answered at once, without a wait or a timer; with a clock that is moved by hand there is no thread either.
#[derive(Debug)]
pub struct EmbeddedRegistry {
    shared: Arc<Shared>,
    kind: Kind,
    stopped: watch::Receiver<bool>,
}

#[derive(Debug)]
enum Kind {
    Memory,
    File { call_timeout: Duration },
}

/// What a storage gives to the registry that opens it.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) target: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) machine: StoreMachine,
    pub(crate) storage: Box<dyn Storage>,
    pub(crate) call_timeout: Duration,
}

impl EmbeddedRegistry {
    /// An empty registry in memory; it is gone when the last handle is dropped.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] if no thread can be started to end leases by a clock that runs by itself.
    pub fn in_memory(options: MemoryOptions) -> Result<Self, RegistryError> {
        let machine = StoreMachine::new(options.history_bytes);
        let shared = share("memory".to_owned(), options.clock, machine, Box::new(NoStorage));
        let moved_by_hand = {
            let weak = Arc::downgrade(&shared);
            shared
                .clock
                .on_advance(Arc::new(move || weak.upgrade().map(|shared| shared.round(Vec::new())).is_some()))
        };
        let (stop, stopped) = watch::channel(false);
        if moved_by_hand {
            stop.send_replace(true);
        } else {
            start_thread(&shared, stop)?;
        }
        Ok(EmbeddedRegistry { shared, kind: Kind::Memory, stopped })
    }

    pub(crate) fn start(opening: Opening) -> Result<Self, RegistryError> {
        let Opening { target, clock, machine, storage, call_timeout } = opening;
        let shared = share(target, clock, machine, storage);
        let weak = Arc::downgrade(&shared);
        shared
            .clock
            .on_advance(Arc::new(move || weak.upgrade().map(|shared| shared.inbox.nudge()).is_some()));
        let (stop, stopped) = watch::channel(false);
        start_thread(&shared, stop)?;
        Ok(EmbeddedRegistry { shared, kind: Kind::File { call_timeout }, stopped })
    }

    /// Sends a request to the writer and waits for its answer. An answer that does not come leaves the outcome unknown.
    async fn ask<T>(
        &self,
        action: &'static str,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T, RegistryError> {
        let (reply, answer) = oneshot::channel();
        let request = request(reply);
        if self.shared.inbox.is_closed() {
            return Err(self.shared.closed());
        }
        let lost = |reason: &str| RegistryError::OutcomeUnknown {
            target: self.shared.target.clone(),
            reason: reason.to_owned(),
        };
        let Kind::File { call_timeout } = self.kind else {
            let may_end_sooner = matches!(request, Request::Grant(..));
            self.shared.round(vec![request]);
            if may_end_sooner {
                self.shared.inbox.nudge();
            }
            return answer.await.unwrap_or_else(|_| Err(self.shared.closed()));
        };
        let timeout =
            if matches!(request, Request::Defragment(_)) { DEFRAGMENT_TIMEOUT } else { call_timeout };
        self.shared.inbox.push(request).map_err(|rejected| match rejected {
            Rejected::Closed => self.shared.closed(),
            Rejected::Full => self.shared.unavailable(action, "too many requests wait for the disk"),
        })?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(lost("the writer ended before it answered")),
            Err(_) => Err(lost(&format!("the disk did not answer within {timeout:?}"))),
        }
    }

    /// Looks at the state, once it is certain.
    async fn look<T>(
        &self,
        action: &'static str,
        look: impl FnOnce(&StoreMachine) -> T + Send,
    ) -> Result<T, RegistryError> {
        if self.shared.inbox.is_closed() {
            return Err(self.shared.closed());
        }
        if self.shared.unresolved.load(Ordering::Acquire) {
            self.ask(action, Request::Resolve).await.map_err(|error| error.for_repeatable(action))?;
        }
        Ok(look(&self.shared.machine.read()))
    }
}

#[async_trait]
impl Registry for EmbeddedRegistry {
    async fn get(&self, key: &str) -> Result<Option<Entry>, RegistryError> {
        check_key(key)?;
        self.look("read a key", |machine| machine.get(key).cloned()).await
    }

    async fn list(&self, prefix: &str, page: ListPage) -> Result<List, RegistryError> {
        check_key(prefix)?;
        self.look("list keys", |machine| machine.list(prefix, &page)).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, RegistryError> {
        transaction.validate()?;
        self.ask("commit a transaction", |reply| Request::Commit(transaction, reply)).await
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<Lease, RegistryError> {
        const ACTION: &str = "grant a lease";
        check_ttl(ttl)?;
        // Files hold whole milliseconds.
        let whole =
            Duration::from_millis(u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        let granted = self.ask(ACTION, |reply| Request::Grant(whole, reply)).await;
        granted.map_err(|error| error.for_repeatable(ACTION))
    }

    async fn renew_lease(&self, lease: LeaseId) -> Result<Duration, RegistryError> {
        const ACTION: &str = "renew a lease";
        let renewed = self.ask(ACTION, |reply| Request::Renew(lease, reply)).await;
        renewed.map_err(|error| error.for_repeatable(ACTION))
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), RegistryError> {
        const ACTION: &str = "revoke a lease";
        let revoked = self.ask(ACTION, |reply| Request::Revoke(lease, reply)).await;
        revoked.map_err(|error| error.for_repeatable(ACTION))
    }

    async fn lease_time_left(&self, lease: LeaseId) -> Result<Duration, RegistryError> {
        let now = self.shared.clock.now();
        let left = self.look("read a lease", |machine| machine.time_left(lease, now)).await?;
        left.ok_or(RegistryError::LeaseNotFound { lease })
    }

    fn watch(&self, prefix: &str, start: WatchStart) -> Watch {
        match check_key(prefix) {
            Ok(()) => Watch::new(prefix, watcher::watch(Arc::clone(&self.shared), prefix, start)),
            Err(error) => Watch::failed(prefix, error),
        }
    }

    async fn claim_term(&self, leader_key: &Entry) -> Result<u64, RegistryError> {
        const ACTION: &str = "claim a term";
        match self.kind {
            Kind::Memory => Ok(leader_key.create_revision.get()),
            Kind::File { .. } => {
                let raised = self.ask(ACTION, Request::RaiseTerm).await;
                raised.map_err(|error| error.for_repeatable(ACTION))
            }
        }
    }

    async fn compact(&self, revision: Revision) -> Result<(), RegistryError> {
        if self.shared.inbox.is_closed() {
            return Err(self.shared.closed());
        }
        self.shared.machine.write().compact(revision)
    }

    async fn defragment(&self) -> Result<(), RegistryError> {
        const ACTION: &str = "defragment";
        let done = self.ask(ACTION, Request::Defragment).await;
        done.map_err(|error| error.for_repeatable(ACTION))
    }

    async fn status(&self) -> Result<RegistryStatus, RegistryError> {
        let revision = self.look("read the status", StoreMachine::revision).await?;
        let size_bytes = self.shared.size_bytes.load(Ordering::Relaxed);
        Ok(RegistryStatus {
            target: self.shared.target.clone(),
            revision,
            size_bytes,
            // The file's free pages are used again, and not counted.
            used_bytes: size_bytes,
            no_space: self.shared.no_space.load(Ordering::Acquire),
        })
    }

    async fn close(&self) -> Result<(), RegistryError> {
        self.shared.inbox.close();
        let mut stopped = self.stopped.clone();
        match self.kind {
            Kind::Memory => self.shared.finish(),
            Kind::File { call_timeout } => {
                let ended = tokio::time::timeout(call_timeout, stopped.wait_for(|stopped| *stopped)).await;
                ended.map_err(|_| self.shared.unavailable("close", "the disk did not answer in time"))?.ok();
            }
        }
        Ok(())
    }
}

impl Drop for EmbeddedRegistry {
    fn drop(&mut self) {
        self.shared.inbox.close();
        if matches!(self.kind, Kind::Memory) {
            self.shared.finish();
        }
    }
}

fn share(
    target: String,
    clock: Arc<dyn Clock>,
    machine: StoreMachine,
    storage: Box<dyn Storage>,
) -> Arc<Shared> {
    let (progress, _) = watch::channel(Progress::At(machine.revision()));
    let size_bytes = storage.size_bytes().into();
    Arc::new(Shared {
        target,
        clock,
        machine: RwLock::new(machine),
        inbox: Inbox::default(),
        writer: Mutex::new(Some(Writer::new(storage))),
        unresolved: AtomicBool::new(false),
        no_space: AtomicBool::new(false),
        size_bytes,
        progress,
    })
}

/// The writer's thread. It ends when the handle closes the inbox, and then closes the storage.
fn start_thread(shared: &Arc<Shared>, stop: watch::Sender<bool>) -> Result<(), RegistryError> {
    let shared_with_thread = Arc::clone(shared);
    let run = move || {
        let shared = shared_with_thread;
        let mut wake_at = shared.round(Vec::new());
        while let Some(requests) = shared.inbox.take(wake_at.map(|time| time.since(shared.clock.now()))) {
            wake_at = shared.round(requests);
        }
        shared.finish();
        stop.send_replace(true);
    };
    let started = std::thread::Builder::new().name("mobula-registry".to_owned()).spawn(run);
    started.map(drop).map_err(|error| shared.unavailable("start the writer's thread", &error.to_string()))
}

pub(crate) fn check_ttl(ttl: Duration) -> Result<(), RegistryError> {
    if ttl.is_zero() || ttl > MAX_LEASE {
        let reason = format!("a lease lasts more than nothing and at most {MAX_LEASE:?}, not {ttl:?}");
        return Err(RegistryError::InvalidRequest { reason });
    }
    Ok(())
}
