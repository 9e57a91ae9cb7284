//! The registry of a cluster: etcd.
//!
//! Calls go to one endpoint until it fails, then to the next. A call that certainly did not reach etcd, or that may be
//! repeated, is tried at each endpoint in turn; a transaction that may have reached it is not, its outcome is unknown.
//! Everything asks for a quorum leader: a member that is cut off answers nothing rather than something old.

mod endpoints;
mod failure;
mod maintenance;
mod options;
mod translate;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{AlarmAction, AlarmType, Client, CompactionOptions, GetOptions, Txn};

pub use options::EtcdOptions;

use crate::entry::{Entry, Lease, LeaseId, Revision};
use crate::error::RegistryError;
use crate::list::{List, ListPage};
use crate::registry::{Registry, RegistryStatus};
use crate::store::check_ttl;
use crate::transaction::{Committed, Transaction, check_key};
use crate::watch::{Watch, WatchStart};
use endpoints::{Endpoints, Repeat};
use maintenance::MAINTENANCE_TIMEOUT;

/// The registry of a cluster: etcd. Cheap to share as `Arc<dyn Registry>`; connections are kept and made anew as
/// needed; closing or dropping the registry ends its watches, and with them the connections.
#[derive(Debug)]
pub struct EtcdRegistry {
    endpoints: Arc<Endpoints>,
}

impl EtcdRegistry {
    /// Connects to etcd: one of the endpoints has to answer with a quorum leader. Retrying is the caller's; it must
    /// run in a tokio runtime, which then carries the connections.
    ///
    /// # Errors
    /// [`InvalidRequest`](RegistryError::InvalidRequest) for endpoints that are not `http://host:port`;
    /// [`Unavailable`](RegistryError::Unavailable), naming each endpoint and its failure.
    pub async fn connect(options: EtcdOptions) -> Result<Self, RegistryError> {
        let endpoints = Arc::new(Endpoints::new(&options).await?);
        let registry = EtcdRegistry { endpoints };
        // A read through the quorum: a status would also come from a member that is cut off.
        registry.read("connect", |mut client| async move { client.get("\0", None).await }).await?;
        Ok(registry)
    }

    async fn read<T, F>(
        &self,
        action: &'static str,
        call: impl Fn(Client) -> F + Send + Sync,
    ) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<T, etcd_client::Error>> + Send,
    {
        self.endpoints.call(action, Repeat::Always, call).await
    }
}

#[async_trait]
impl Registry for EtcdRegistry {
    async fn get(&self, key: &str) -> Result<Option<Entry>, RegistryError> {
        check_key(key)?;
        let response =
            self.read("read a key", |mut client| async move { client.get(key, None).await }).await?;
        Ok(response.kvs().first().and_then(translate::entry))
    }

    async fn list(&self, prefix: &str, page: ListPage) -> Result<List, RegistryError> {
        check_key(prefix)?;
        self.endpoints.list(prefix, page, None).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, RegistryError> {
        const ACTION: &str = "commit a transaction";
        transaction.validate()?;
        let request: Txn = translate::transaction(&transaction);
        let send = |mut client: Client| {
            let request = request.clone();
            async move { client.txn(request).await }
        };
        let committed = self.endpoints.call(ACTION, Repeat::IfNotSent, send).await;
        let response = committed.map_err(|error| failure::name_lease(error, &transaction))?;
        if !response.succeeded() {
            return Err(translate::conflict(&transaction, &response, &self.endpoints.target()));
        }
        Ok(Committed { revision: translate::revision(response.header()) })
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<Lease, RegistryError> {
        check_ttl(ttl)?;
        let seconds = i64::try_from(ttl.as_nanos().div_ceil(1_000_000_000)).unwrap_or(i64::MAX);
        let grant = |mut client: Client| async move { client.lease_grant(seconds, None).await };
        let granted = self.read("grant a lease", grant).await?;
        Ok(Lease { id: translate::lease_id(granted.id()), ttl: translate::seconds(granted.ttl()) })
    }

    async fn renew_lease(&self, lease: LeaseId) -> Result<Duration, RegistryError> {
        let number = translate::lease_number(lease);
        let renew = |mut client: Client| async move {
            // The client keeps the first answer, and with it what remains, to itself; so there is a second.
            let (mut keeper, mut answers) = client.lease_keep_alive(number).await?;
            keeper.keep_alive().await?;
            Ok(answers.message().await?.map_or(0, |answer| answer.ttl()))
        };
        let left =
            self.read("renew a lease", renew).await.map_err(|error| failure::is_lease(error, lease))?;
        if left <= 0 { Err(RegistryError::LeaseNotFound { lease }) } else { Ok(translate::seconds(left)) }
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), RegistryError> {
        let number = translate::lease_number(lease);
        let revoke = |mut client: Client| async move { client.lease_revoke(number).await };
        let revoked = self.read("revoke a lease", revoke).await;
        revoked.map(drop).map_err(|error| failure::is_lease(error, lease))
    }

    async fn lease_time_left(&self, lease: LeaseId) -> Result<Duration, RegistryError> {
        let number = translate::lease_number(lease);
        let read = |mut client: Client| async move { client.lease_time_to_live(number, None).await };
        let answer =
            self.read("read a lease", read).await.map_err(|error| failure::is_lease(error, lease))?;
        if answer.ttl() < 0 {
            return Err(RegistryError::LeaseNotFound { lease });
        }
        Ok(translate::seconds(answer.ttl()))
    }

    fn watch(&self, prefix: &str, start: WatchStart) -> Watch {
        match check_key(prefix) {
            Ok(()) => Watch::new(prefix, watcher::watch(Arc::clone(&self.endpoints), prefix, start)),
            Err(error) => Watch::failed(prefix, error),
        }
    }

    async fn claim_term(&self, leader_key: &Entry) -> Result<u64, RegistryError> {
        Ok(leader_key.create_revision.get())
    }

    async fn compact(&self, revision: Revision) -> Result<(), RegistryError> {
        let number = translate::revision_number(revision);
        let compact = |mut client: Client| async move {
            // Answered once the space is free for others, so that defragmenting afterwards finds it.
            match client.compact(number, Some(CompactionOptions::new().with_physical())).await {
                Err(error) if failure::is_compacted(&error) => Ok(()),
                done => done.map(drop),
            }
        };
        self.endpoints.call_within(MAINTENANCE_TIMEOUT, "compact", Repeat::Always, compact).await
    }

    async fn defragment(&self) -> Result<(), RegistryError> {
        self.endpoints.check_open()?;
        maintenance::defragment(&self.endpoints).await?;
        maintenance::lift_alarm(&self.endpoints).await
    }

    async fn status(&self) -> Result<RegistryStatus, RegistryError> {
        let read = |mut client: Client| async move {
            // A read through the quorum gives the revision that counts.
            let latest = client.get("\0", Some(GetOptions::new().with_count_only())).await?;
            let alarms = client.alarm(AlarmAction::Get, AlarmType::Nospace, None).await?;
            Ok((translate::revision(latest.header()), client.status().await?, alarms))
        };
        let (revision, status, alarms) = self.read("read the status", read).await?;
        Ok(RegistryStatus {
            target: self.endpoints.target(),
            revision,
            size_bytes: u64::try_from(status.db_size()).unwrap_or(0),
            used_bytes: u64::try_from(status.raft_used_db_size()).unwrap_or(0),
            no_space: alarms.alarms().iter().any(|alarm| alarm.alarm() == AlarmType::Nospace),
        })
    }

    async fn close(&self) -> Result<(), RegistryError> {
        self.endpoints.close();
        Ok(())
    }
}

impl Drop for EtcdRegistry {
    fn drop(&mut self) {
        self.endpoints.close();
    }
}
