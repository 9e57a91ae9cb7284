//! What happens while the registry, or every head, is away.

use super::*;
use async_trait::async_trait;
use mobula_registry::{
    Committed, Entry, Lease, LeaseId, List, ListPage, Operation, RegistryError, RegistryStatus, Revision,
    Transaction, Watch, WatchStart,
};
use mobula_types::actor::{ActorAnswer, ActorId, ActorRequest};
use mobula_types::{FailureKind, JobSpec, TaskId};
use parking_lot::Mutex;

/// How a registry misbehaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mood {
    Well,
    /// Answers nothing.
    Away,
    /// Applies the next transaction and then says that it does not know.
    Forgetful,
    /// Is restored from a backup, in which another head leads, once a new leader has read what it holds of names.
    Restored,
    /// Is slow to tell what it holds of actors: until a lease is renewed.
    Slow,
    /// Refuses the next transaction that writes of a supervisor.
    Choosy,
}

/// A registry with moods.
#[derive(Debug)]
pub(super) struct Moody {
    inner: Arc<dyn Registry>,
    mood: Mutex<Mood>,
    /// Told of each renewal of a lease.
    renewed: tokio::sync::Notify,
}

impl Moody {
    pub(super) fn new() -> Arc<Moody> {
        Arc::new(Moody { inner: memory(), mood: Mutex::new(Mood::Well), renewed: tokio::sync::Notify::new() })
    }

    pub(super) fn set(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    fn check(&self) -> Result<(), RegistryError> {
        if *self.mood.lock() != Mood::Away {
            return Ok(());
        }
        Err(RegistryError::Unavailable { action: "ask", target: "test".into(), reason: "it is away".into() })
    }
}

#[async_trait]
impl Registry for Moody {
    async fn get(&self, key: &str) -> Result<Option<Entry>, RegistryError> {
        self.check()?;
        self.inner.get(key).await
    }

    async fn list(&self, prefix: &str, page: ListPage) -> Result<List, RegistryError> {
        self.check()?;
        if *self.mood.lock() == Mood::Slow && prefix == "/mobula/default/actors/" {
            self.renewed.notified().await;
        }
        let list = self.inner.list(prefix, page).await;
        if *self.mood.lock() == Mood::Restored && prefix == "/mobula/default/names/" {
            self.set(Mood::Well);
            let leader = "/mobula/default/leader";
            self.inner.commit(Transaction::new().delete(leader)).await?;
            self.inner.commit(Transaction::new().put(leader, "another head's")).await?;
        }
        list
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, RegistryError> {
        self.check()?;
        let of_supervisor = |operation: &Operation| match operation {
            Operation::Put { key, .. } => key.starts_with("/mobula/default/supervisors/"),
            Operation::Delete { .. } | Operation::DeletePrefix { .. } => false,
        };
        if *self.mood.lock() == Mood::Choosy && transaction.operations.iter().any(of_supervisor) {
            self.set(Mood::Well);
            let reason = "it does not like it".into();
            return Err(RegistryError::Refused { action: "commit", target: "test".into(), reason });
        }
        let committed = self.inner.commit(transaction).await;
        let mut mood = self.mood.lock();
        if *mood == Mood::Forgetful {
            *mood = Mood::Well;
            return Err(RegistryError::OutcomeUnknown { target: "test".into(), reason: "it forgot".into() });
        }
        committed
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<Lease, RegistryError> {
        self.check()?;
        self.inner.grant_lease(ttl).await
    }

    async fn renew_lease(&self, lease: LeaseId) -> Result<Duration, RegistryError> {
        self.check()?;
        self.renewed.notify_one();
        self.inner.renew_lease(lease).await
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), RegistryError> {
        self.check()?;
        self.inner.revoke_lease(lease).await
    }

    async fn lease_time_left(&self, lease: LeaseId) -> Result<Duration, RegistryError> {
        self.check()?;
        self.inner.lease_time_left(lease).await
    }

    fn watch(&self, prefix: &str, start: WatchStart) -> Watch {
        self.inner.watch(prefix, start)
    }

    async fn claim_term(&self, leader_key: &Entry) -> Result<u64, RegistryError> {
        self.check()?;
        self.inner.claim_term(leader_key).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), RegistryError> {
        self.inner.compact(revision).await
    }

    async fn defragment(&self) -> Result<(), RegistryError> {
        self.inner.defragment().await
    }

    async fn status(&self) -> Result<RegistryStatus, RegistryError> {
        self.inner.status().await
    }

    async fn close(&self) -> Result<(), RegistryError> {
        self.inner.close().await
    }
}

#[tokio::test]
async fn while_the_registry_is_away_the_view_is_served_and_writes_wait() {
    let moody = Moody::new();
    let registry: Arc<dyn Registry> = moody.clone();
    let mut long = options(&registry);
    long.leader_lease = Duration::from_secs(3600);
    let head = head(long).await;
    let mut node = TestNode::start("node", &[&head]).await;
    node.granted().await;
    moody.set(Mood::Away);
    let client = client(&[&head]);
    let opening = client.open_job(JobSpec::default());
    tokio::pin!(opening);
    let waits = async {
        // The view is there, and the job is not, however often one looks.
        for _ in 0..20 {
            assert_eq!(client.view().await.unwrap().nodes.len(), 1);
        }
    };
    tokio::select! {
        biased;
        opened = &mut opening => panic!("opened without a registry: {opened:?}"),
        () = waits => {}
    }
    moody.set(Mood::Well);
    let opened = opening.await.unwrap();
    assert!(client.get_job(opened.job).await.is_ok());
}

#[tokio::test]
async fn a_head_that_reads_for_longer_than_its_lease_lasts_leads() {
    let moody = Moody::new();
    moody.set(Mood::Slow);
    let registry: Arc<dyn Registry> = moody.clone();
    let head = head(options(&registry)).await;
    let client = client(&[&head]);
    assert!(client.view().await.is_ok(), "nobody renewed the lease of the leader");
    head.stop().await;
}

#[tokio::test]
async fn a_decision_that_the_registry_refuses_is_made_anew_by_the_next_leader() {
    let moody = Moody::new();
    let registry: Arc<dyn Registry> = moody.clone();
    let head = head(options(&registry)).await;
    let client = client(&[&head]);
    let opened = client.open_job(JobSpec::default()).await.unwrap();
    let term = client.status().await.unwrap().term;
    moody.set(Mood::Choosy);
    let start = ActorRequest::StartSupervisor {
        supervisor: ActorId(TaskId { high: 1, low: 1 }),
        namespace: "default".into(),
        name: "tree".into(),
        job: opened.job,
        detached: false,
        spec: Arc::default(),
    };
    let answer = client.actors(&start).await.unwrap();
    assert!(matches!(answer, ActorAnswer::Started(_)), "{answer:?}");
    assert_ne!(client.status().await.unwrap().term, term, "what was decided was not on record");
    head.stop().await;
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_made_once() {
    let moody = Moody::new();
    let registry: Arc<dyn Registry> = moody.clone();
    let mut long = options(&registry);
    long.leader_lease = Duration::from_secs(3600);
    let head = head(long).await;
    let client = client(&[&head]);
    client.view().await.unwrap();
    let term = client.status().await.unwrap().term;
    moody.set(Mood::Forgetful);
    let opened = client.open_job(JobSpec::default()).await.unwrap();
    assert_eq!(client.list_jobs(10).await.unwrap().len(), 1);
    assert!(client.get_job(opened.job).await.is_ok());
    assert_eq!(client.status().await.unwrap().term, term, "nobody had to step down for it");
    let again = client.open_job(JobSpec::default()).await.unwrap();
    assert!(client.get_job(again.job).await.is_ok());
}

#[tokio::test]
async fn a_node_that_was_without_heads_for_longer_than_its_lease_keeps_its_generation() {
    let registry = memory();
    let mut short = options(&registry);
    short.node_lease = Some(Duration::from_secs(2));
    let first = head(short.clone()).await;
    let listen = first.local_address();
    let mut node = TestNode::start("node", &[&first]).await;
    let before = node.granted().await;
    first.stop().await;
    let lost = node.until("end of the lease", |event| match event {
        HeadEvent::LeaseLost { node } => Some(node),
        _ => None,
    });
    assert_eq!(lost.await, before.node);
    // The next leader counts every lease from its own start: the node tries often enough to find it within that.
    let second = head(HeadOptions { listen, node_lease: Some(Duration::from_secs(60)), ..short }).await;
    let after = node.granted().await;
    assert_eq!((after.node, after.rejoined), (before.node, true));
    second.stop().await;
}

#[tokio::test]
async fn a_head_whose_registry_is_away_says_so() {
    let moody = Moody::new();
    moody.set(Mood::Away);
    let registry: Arc<dyn Registry> = moody.clone();
    let head = head(options(&registry)).await;
    let client = client(&[&head]);
    let told = async {
        while client.status().await.unwrap().registry_problem.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the problem shows");
    let mut impatient = HeadClientOptions::new(vec![head.address().to_owned()], None);
    impatient.patience = Duration::from_millis(200);
    let failure = HeadClient::new(impatient).unwrap().view().await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Unavailable);
    moody.set(Mood::Well);
    assert!(client.view().await.is_ok());
}
