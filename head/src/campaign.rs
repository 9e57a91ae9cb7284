//! A head's life: reaches the registry, campaigns, leads or stands by, and begins again.

use crate::desk::Desk;
use crate::image::{ImageError, Listings, read_cluster, read_heads};
use crate::keys::Keys;
use crate::leader::{End, Leader, Takeover};
use crate::leadership::Leadership;
use crate::open::Opener;
use crate::options::HeadOptions;
use crate::upkeep::RegistryUpkeep;
use futures::StreamExt;
use mobula_proto::registry::{ClusterRecord, decode_head, encode_cluster, encode_head};
use mobula_registry::{
    Condition, Entry, LeaseId, Registry, RegistryError, Transaction, WatchStart, head_term, raise_incarnation,
};
use mobula_runtime::{Shutdown, clock};
use mobula_types::{ClusterId, Generation, HeadRecord};
use std::sync::Arc;
use std::time::Duration;

/// After a failed campaign, such as for want of the registry, the next one begins this much later.
const PAUSE: Duration = Duration::from_millis(300);
/// A head says that often that it is there.
const REGISTER_INTERVAL: Duration = Duration::from_secs(60);

/// What a head needs for all of its life.
pub(crate) struct Campaign {
    pub(crate) options: HeadOptions,
    pub(crate) keys: Keys,
    pub(crate) desk: Arc<Desk>,
    pub(crate) shutdown: Shutdown,
}

impl Campaign {
    /// Runs until the head is told to stop; then gives up the leadership, if it has it.
    pub(crate) async fn run(self, opener: Opener) {
        let opened = tokio::select! {
            opened = opener.open(&self.desk) => opened,
            () = self.shutdown.wait() => return,
        };
        let registry = opened.registry;
        self.desk.standing.lock().registry = Some(registry.clone());
        if opened.alone {
            // Nobody else can have it open: whose leadership this was is gone.
            self.drop_stale_leader(registry.as_ref()).await;
        }
        let registering = self.keep_registered(registry.clone());
        tokio::select! {
            () = Box::pin(self.campaign_for_ever(&registry)) => {}
            () = registering => {}
        }
        if opened.own
            && let Err(error) = registry.close().await
        {
            tracing::warn!(%error, "the registry was not closed in order");
        }
    }

    async fn campaign_for_ever(&self, registry: &Arc<dyn Registry>) {
        let mut upkeep = RegistryUpkeep::new(registry.clone(), self.desk.clone());
        while !self.shutdown.is_triggered() {
            let campaign = tokio::select! {
                campaign = Box::pin(self.campaign(registry)) => campaign,
                () = self.shutdown.wait() => return,
            };
            let result = match campaign {
                Ok((leadership, away)) => Box::pin(self.lead(registry, leadership, away, &mut upkeep)).await,
                Err(error) => Err(error),
            };
            self.desk.standing.lock().step_down(result.as_ref().err());
            if let Err(error) = result {
                tracing::warn!(%error, "this head cannot lead or stand by; trying on");
                let pausing = async {
                    if error.is_full() {
                        upkeep.make_room().await;
                    }
                    clock::sleep(PAUSE).await;
                };
                tokio::select! {
                    () = pausing => {}
                    () = self.shutdown.wait() => return,
                }
            }
        }
    }

    async fn drop_stale_leader(&self, registry: &dyn Registry) {
        if let Err(error) = registry.commit(Transaction::new().delete(self.keys.leader())).await {
            tracing::debug!(%error, "the key of an earlier leader stays until its lease ends");
        }
    }

    /// Waits until this head leads. Also says whether nodes may have had nobody to renew their leases before.
    async fn campaign(&self, registry: &Arc<dyn Registry>) -> Result<(Arc<Leadership>, bool), ImageError> {
        self.ensure_cluster(registry.as_ref()).await?;
        let mut heads_were_away = true;
        loop {
            match registry.get(&self.keys.leader()).await? {
                Some(entry) => {
                    self.stand_by(registry.as_ref(), &entry).await?;
                    // This head was there all the while, and renewed what it was asked to.
                    heads_were_away = false;
                }
                None => {
                    if let Some(leadership) = self.try_to_lead(registry).await? {
                        return Ok((leadership, heads_were_away));
                    }
                }
            }
        }
    }

    /// Waits until the leader's key may be gone.
    async fn stand_by(&self, registry: &dyn Registry, leader: &Entry) -> Result<(), ImageError> {
        let record = decode_head(leader.value.clone()).ok();
        let (cluster, _) = read_cluster(registry, &self.keys).await?;
        {
            let mut standing = self.desk.standing.lock();
            let address = record.map(|record| record.address);
            if standing.leader != address
                && let Some(address) = &address
            {
                tracing::info!(leader = %address, "standing by");
            }
            standing.stand_by(address, cluster.cluster);
        }
        let mut watch = registry.watch(&self.keys.leader(), WatchStart::at(leader.mod_revision.next()));
        tokio::select! {
            batch = watch.next() => match batch {
                Some(Err(error)) => Err(error.into()),
                _ => Ok(()),
            },
            () = clock::sleep(self.options.leader_lease) => Ok(()),
        }
    }

    async fn try_to_lead(&self, registry: &Arc<dyn Registry>) -> Result<Option<Arc<Leadership>>, ImageError> {
        let sent = clock::now();
        let lease = registry.grant_lease(self.options.leader_lease).await?;
        match self.take_key(registry.as_ref(), lease.id).await {
            Ok(Some(entry)) => {
                let term = head_term(registry.as_ref(), &self.keys.incarnation(), &entry).await?;
                let (key, length) = (self.keys.leader(), lease.ttl);
                let leadership = Leadership::new(term, key, entry.create_revision, lease.id, length, sent);
                Ok(Some(Arc::new(leadership)))
            }
            other => {
                // It ends by itself where this fails.
                let _ended = registry.revoke_lease(lease.id).await;
                other.map(|_| None).map_err(Into::into)
            }
        }
    }

    async fn take_key(
        &self,
        registry: &dyn Registry,
        lease: LeaseId,
    ) -> Result<Option<Entry>, RegistryError> {
        let key = self.keys.leader();
        let record = HeadRecord { address: self.desk.address.clone(), seen_millis: clock::wall_millis() };
        let transaction = Transaction::new().when(Condition::KeyAbsent(key.clone())).put_leased(
            &key,
            encode_head(&record),
            lease,
        );
        match registry.commit(transaction).await {
            // An unknown outcome shows in whose key is there.
            Ok(_) | Err(RegistryError::OutcomeUnknown { .. } | RegistryError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
        let entry = registry.get(&key).await?;
        Ok(entry.filter(|entry| entry.lease == Some(lease)))
    }

    async fn ensure_cluster(&self, registry: &dyn Registry) -> Result<(), RegistryError> {
        let key = self.keys.cluster();
        if registry.get(&key).await?.is_some() {
            return Ok(());
        }
        let record = ClusterRecord {
            cluster: ClusterId(rand::random::<u64>().max(1)),
            created_millis: clock::wall_millis(),
            generation_floor: Generation(0),
        };
        let transaction =
            Transaction::new().when(Condition::KeyAbsent(key.clone())).put(&key, encode_cluster(&record));
        match registry.commit(transaction).await {
            Ok(_) | Err(RegistryError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn lead(
        &self,
        registry: &Arc<dyn Registry>,
        leadership: Arc<Leadership>,
        heads_were_away: bool,
        upkeep: &mut RegistryUpkeep,
    ) -> Result<(), ImageError> {
        // What is read may take longer than the lease lasts.
        let keeping = mobula_runtime::spawn("leader lease", leadership.clone().keep(registry.clone()));
        let (takeover, heads) = match self.take_over(registry.as_ref(), &leadership).await {
            Ok(taken_over) => taken_over,
            Err(error) => {
                drop(keeping);
                leadership.resign(registry.as_ref()).await;
                return Err(error);
            }
        };
        tracing::info!(term = %leadership.term, cluster = %takeover.image.cluster.cluster, "this head leads");
        let (leader, commands) =
            Leader::new(self, registry.clone(), leadership.clone(), takeover, &heads, heads_were_away);
        {
            let mut standing = self.desk.standing.lock();
            standing.leader = Some(self.desk.address.clone());
            standing.heads = heads;
            standing.cluster = Some(leader.cluster());
            standing.quarantined = leader.quarantined();
            standing.registry_problem.clear();
            standing.leading = Some((leadership.term, commands));
        }
        let end = tokio::select! {
            end = Box::pin(leader.run(self.shutdown.clone())) => end,
            never = upkeep.keep(&leadership.refused) => match never {},
        };
        self.desk.standing.lock().leading = None;
        if let End::LaterIncarnation { highest_seen } = end {
            self.raise(registry.as_ref(), &leadership, highest_seen).await;
        }
        drop(keeping);
        leadership.resign(registry.as_ref()).await;
        Ok(())
    }

    /// Reads what the registry holds, as far as this leadership lasts. Also gives the heads that there are.
    async fn take_over(
        &self,
        registry: &dyn Registry,
        leadership: &Leadership,
    ) -> Result<(Takeover, Vec<Arc<str>>), ImageError> {
        let taking_over = async {
            let listings = Listings::read(registry, &self.keys).await?;
            let (heads, _) = read_heads(registry, &self.keys, clock::wall_millis()).await?;
            leadership.confirm(registry, listings.latest()).await?;
            let options = self.options.supervision();
            Ok((Takeover::prepare(listings, self.keys.clone(), options).await?, heads))
        };
        tokio::select! {
            biased;
            taken_over = taking_over => taken_over,
            () = leadership.over.wait() => Err(ImageError::Deposed { key: leadership.key.clone() }),
        }
    }

    /// A node has seen a later registry: this one was restored from a backup, and must count above it.
    async fn raise(&self, registry: &dyn Registry, leadership: &Leadership, highest_seen: u64) {
        let key = self.keys.incarnation();
        match raise_incarnation(registry, &key, highest_seen, leadership.condition()).await {
            Ok(incarnation) => tracing::warn!(
                incarnation,
                "a node has seen a later registry than this one; it counts above it from now on"
            ),
            Err(error) => tracing::warn!(%error, "the registry's incarnation was not raised"),
        }
    }

    /// Says every minute that this head is there: how long nodes' leases are depends on how many there are.
    async fn keep_registered(&self, registry: Arc<dyn Registry>) {
        loop {
            let record = HeadRecord { address: self.desk.address.clone(), seen_millis: clock::wall_millis() };
            let transaction =
                Transaction::new().put(self.keys.head(&self.desk.address), encode_head(&record));
            let written = registry.commit(transaction).await.is_ok();
            clock::sleep(if written { REGISTER_INTERVAL } else { PAUSE * 10 }).await;
        }
    }
}
