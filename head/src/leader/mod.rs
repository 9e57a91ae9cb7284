//! The leader: drives the pure machines of the membership, the catalogue and the jobs.
//!
//! One task owns everything; what happens reaches it as commands of the front desk, ends of leases that the registry
//! tells, outcomes of writes, probes, and time. It never waits for the registry or for a node: writes queue in the
//! [`Writer`], and a node that does not read what it is told loses its stream and joins again.

mod actors;
mod answers;
mod groups;
mod links;
mod outgoing;
mod perform;
mod purpose;
mod takeover;

use crate::campaign::Campaign;
use crate::command::{Command, Reply};
use crate::image::read_heads;
use crate::keys::Keys;
use crate::leadership::Leadership;
use crate::task_events::TaskEvents;
use crate::writer::{Outcome, Write, Writer};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use links::Link;
use mobula_core::directory::{Directory, Executables};
use mobula_core::groups::head::{self as groups_of_head, Memberships, MembershipsOptions};
use mobula_core::jobs::{self, Jobs, RequestKey};
use mobula_core::membership::{self, Inheritance, LinkKey, Membership};
use mobula_core::supervision::{self, Supervision};
use mobula_proto::registry::ClusterRecord;
use mobula_registry::{
    Condition, Lease, Operation, Registry, RegistryError, Transaction, Watch, WatchBatch, WatchEvent,
    WatchStart,
};
use mobula_runtime::{Shutdown, clock};
use mobula_types::actor::ActorAnswer;
use mobula_types::{ClusterId, JobInfo, NodeId, NodeName, ProbeAnswer, Time, ViewDelta};
use purpose::{Admission, Purpose};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
pub(crate) use takeover::Takeover;
use tokio::sync::mpsc;

/// Commands that wait; past it those who ask wait.
const COMMANDS: usize = 1024;
/// How often it looks which heads there are.
const HEADS_INTERVAL: Duration = Duration::from_secs(30);
/// Writes that wait for the registry; past it jobs are not opened.
const BACKLOG_LIMIT: usize = 10_000;

/// How a leadership ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The head is told to stop, or has lost the leadership.
    Over,
    /// A node has seen a later registry than this one.
    LaterIncarnation {
        /// The highest incarnation that was seen.
        highest_seen: u64,
    },
}

type HeadsRead = Result<Vec<Arc<str>>, RegistryError>;

/// A leader at work.
pub(crate) struct Leader {
    desk: Arc<crate::desk::Desk>,
    keys: Keys,
    registry: Arc<dyn Registry>,
    leadership: Arc<Leadership>,
    cluster: ClusterRecord,
    quarantined: Vec<String>,
    reserved_names: BTreeSet<NodeName>,
    membership: Membership,
    directory: Directory,
    executables: Executables,
    jobs: Jobs,
    supervision: Supervision,
    groups: Memberships,
    actor_requests: BTreeMap<supervision::RequestKey, Reply<ActorAnswer>>,
    tasks: TaskEvents,
    links: BTreeMap<LinkKey, Link>,
    links_by_node: BTreeMap<NodeId, LinkKey>,
    /// Nodes that have lost their link in this turn.
    parted: Vec<NodeId>,
    /// Links that were closed in this turn because their nodes do not read.
    closed: Vec<LinkKey>,
    next_link: u64,
    next_request: u64,
    requests: BTreeMap<RequestKey, Reply<JobInfo>>,
    drains: Vec<(NodeName, Reply<()>)>,
    watchers: Vec<mpsc::Sender<ViewDelta>>,
    writer: Writer<Purpose>,
    admissions: FuturesUnordered<BoxFuture<'static, Admission>>,
    /// Leases of another length for nodes that are members.
    other_leases: FuturesUnordered<BoxFuture<'static, (NodeId, Result<Lease, RegistryError>)>>,
    probes: FuturesUnordered<BoxFuture<'static, (NodeId, ProbeAnswer)>>,
    alive: Watch,
    /// Heads that register.
    registering: Watch,
    commands: mpsc::Receiver<Command>,
    loopback: mpsc::Sender<Command>,
    end: Option<End>,
    /// When the membership and the jobs want to be told of time, as far as they have been asked since they heard anything:
    /// both look at all that they have for it.
    due: (Option<Time>, Option<Time>),
    /// When jobs without a driver are looked at next.
    next_keep: Time,
    keep_interval: Duration,
}

impl Leader {
    /// Takes over from what the registry holds; also gives the way to ask it.
    pub(crate) fn new(
        head: &Campaign,
        registry: Arc<dyn Registry>,
        leadership: Arc<Leadership>,
        takeover: Takeover,
        heads: &[Arc<str>],
        heads_were_away: bool,
    ) -> (Self, mpsc::Sender<Command>) {
        let now = clock::now();
        let Takeover { image, supervision, effects: actor_effects } = takeover;
        let inheritance = Inheritance {
            nodes: image.nodes,
            generation_floor: image.cluster.generation_floor,
            heads: heads.len(),
            heads_were_away,
            revision: image.revision.get(),
        };
        let mut effects = Vec::new();
        let membership =
            Membership::lead(now, leadership.term, head.options.membership(), inheritance, &mut effects);
        let living = membership.view().nodes.values().map(|info| info.id.clone());
        let groups = Memberships::lead(now, &MembershipsOptions::default(), living);
        if supervision.left_alone().len() > 0 {
            let left_alone: Vec<_> = supervision.left_alone().take(20).map(|id| id.to_string()).collect();
            let count = supervision.left_alone().len();
            tracing::error!(count, first = ?left_alone, "records of actors, or of what they belong to, cannot be read: those actors are left alone, until the records are restored and another head leads");
        }
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let mut leader = Leader {
            desk: head.desk.clone(),
            keys: head.keys.clone(),
            alive: registry.watch(&head.keys.alive(), image.alive_from),
            // The heads were read after the image.
            registering: registry.watch(&head.keys.heads(), WatchStart::at(image.revision.next())),
            writer: Writer::new(registry.clone(), leadership.clone(), image.revisions),
            registry,
            leadership,
            cluster: image.cluster,
            quarantined: image.quarantined,
            reserved_names: image.reserved_names,
            membership,
            groups,
            directory: Directory::default(),
            executables: Executables::default(),
            supervision,
            actor_requests: BTreeMap::new(),
            jobs: Jobs::lead(now, head.options.jobs(), image.jobs, image.unreadable_jobs),
            tasks: TaskEvents::new(head.options.task_events),
            links: BTreeMap::new(),
            links_by_node: BTreeMap::new(),
            parted: Vec::new(),
            closed: Vec::new(),
            next_link: 0,
            next_request: 0,
            requests: BTreeMap::new(),
            drains: Vec::new(),
            watchers: Vec::new(),
            admissions: FuturesUnordered::new(),
            other_leases: FuturesUnordered::new(),
            probes: FuturesUnordered::new(),
            commands: receiver,
            loopback: commands.clone(),
            end: None,
            due: (None, None),
            next_keep: now,
            keep_interval: head.options.job_grace / 3,
        };
        leader.perform_all(effects);
        leader.perform_actors(actor_effects);
        (leader, commands)
    }

    pub(crate) fn cluster(&self) -> ClusterId {
        self.cluster.cluster
    }

    pub(crate) fn quarantined(&self) -> Vec<String> {
        self.quarantined.clone()
    }

    /// Leads until the leadership is over or the head is told to stop.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> End {
        let leadership = self.leadership.clone();
        let mut next_heads = clock::now() + HEADS_INTERVAL;
        let mut heads: FuturesUnordered<BoxFuture<'static, HeadsRead>> = FuturesUnordered::new();
        loop {
            if let Some(end) = self.end {
                return end;
            }
            self.links_gone();
            // Not a branch below: behind queues that a flood never leaves empty, it would have no turn.
            if self.next_deadline().min(next_heads) <= clock::now() {
                self.tick();
                if clock::now() >= next_heads {
                    next_heads = clock::now() + HEADS_INTERVAL;
                    heads.push(self.read_heads());
                }
            }
            let deadline = self.next_deadline().min(next_heads);
            tokio::select! {
                biased;
                () = shutdown.wait() => return End::Over,
                () = leadership.over.wait() => return End::Over,
                outcomes = self.writer.next() => outcomes.into_iter().for_each(|outcome| self.written(outcome)),
                Some(admission) = self.admissions.next(), if !self.admissions.is_empty() => self.lease_granted(admission),
                Some((node, lease)) = self.other_leases.next(), if !self.other_leases.is_empty() => {
                    self.other_lease_granted(node, lease);
                }
                Some((node, answer)) = self.probes.next(), if !self.probes.is_empty() => {
                    self.tell_membership(membership::Event::Probed { node, answer });
                }
                batch = self.alive.next() => self.leases_ended(batch),
                batch = self.registering.next() => match batch {
                    Some(Ok(_)) => heads.push(self.read_heads()),
                    Some(Err(error)) => self.step_down(&error),
                    None => return End::Over,
                },
                () = leadership.registry_back.notified() => self.tell_membership(membership::Event::RegistryBack),
                Some(read) = heads.next(), if !heads.is_empty() => self.heads_read(read),
                Some(command) = self.commands.recv() => self.command(command),
                () = clock::sleep_until(deadline) => {}
            }
        }
    }

    fn next_deadline(&mut self) -> Time {
        let membership = *self.due.0.get_or_insert_with(|| self.membership.next_deadline());
        let jobs = *self.due.1.get_or_insert_with(|| self.jobs.next_deadline());
        let machines = membership.min(jobs);
        let machines = machines.min(self.supervision.next_deadline()).min(self.groups.next_deadline());
        machines.min(self.next_keep)
    }

    fn tick(&mut self) {
        self.desk.standing.lock().registry_problem = self.leadership.problem();
        self.tell_membership(membership::Event::Tick);
        self.tell_jobs(jobs::Event::Tick);
        self.tell_actors(supervision::Event::Tick);
        self.tell_groups(groups_of_head::Event::Tick);
        self.forget_actor_requests();
        if clock::now() >= self.next_keep {
            self.next_keep = clock::now() + self.keep_interval;
            self.keep_detached_jobs();
        }
        self.watchers.retain(|watcher| !watcher.is_closed());
        self.drains.retain(|(_, reply)| !reply.is_closed());
    }

    fn read_heads(&self) -> BoxFuture<'static, HeadsRead> {
        let (registry, keys) = (self.registry.clone(), self.keys.clone());
        let condition = self.leadership.condition();
        Box::pin(async move {
            let (heads, old) = read_heads(registry.as_ref(), &keys, clock::wall_millis()).await?;
            for (key, mod_revision) in old {
                // Not through the writer: a head that registers meanwhile is no usurper.
                let unchanged = Condition::ValueRevision { key: key.clone(), mod_revision };
                let forget = Transaction::new().when(condition.clone()).when(unchanged).delete(key);
                if let Err(error) = registry.commit(forget).await {
                    tracing::debug!(%error, "the record of a head that is gone stays for now");
                }
            }
            Ok(heads)
        })
    }

    fn heads_read(&mut self, read: HeadsRead) {
        match read {
            Ok(heads) => {
                self.tell_membership(membership::Event::HeadsSeen { heads: heads.len() });
                self.desk.standing.lock().heads = heads;
            }
            Err(error) => tracing::debug!(%error, "the other heads could not be read"),
        }
    }

    fn leases_ended(&mut self, batch: Option<Result<WatchBatch, RegistryError>>) {
        let batch = match batch {
            Some(Ok(batch)) => batch,
            Some(Err(error)) => return self.step_down(&error),
            None => {
                self.end = Some(End::Over);
                return;
            }
        };
        for event in batch.events {
            let WatchEvent::Delete { key, revision } = event else { continue };
            if let Some(name) = Keys::name_of(&key, &self.keys.alive()) {
                tracing::info!(node = %name, "the lease of a node has ended");
                self.tell_membership(membership::Event::LeaseEnded { name, revision: revision.get() });
            }
        }
    }

    /// What this leader holds is not what the registry does: another election brings a fresh image.
    fn step_down(&mut self, error: &RegistryError) {
        tracing::warn!(%error, "this head steps down");
        self.end = Some(End::Over);
    }

    fn written(&mut self, outcome: Outcome<Purpose>) {
        match outcome {
            Outcome::Written(purpose, revision) => self.purpose_written(purpose, revision),
            Outcome::Failed(purpose, error) => self.purpose_failed(purpose, error),
            Outcome::Deposed(error) => self.step_down(&error),
        }
    }

    fn write(&mut self, purpose: Purpose, waits_for_room: bool, operations: Vec<Operation>) {
        self.writer.push(Write { operations, waits_for_room, purpose });
    }

    fn tell_membership(&mut self, event: membership::Event) {
        let mut effects = Vec::new();
        self.membership.on_event(clock::now(), event, &mut effects);
        self.due.0 = None;
        self.perform_all(effects);
    }

    fn tell_jobs(&mut self, event: jobs::Event) {
        let mut effects = Vec::new();
        self.jobs.on_event(clock::now(), clock::wall_millis(), event, &mut effects);
        self.due.1 = None;
        for effect in effects {
            self.perform_job(effect);
        }
    }

    fn perform_all(&mut self, effects: Vec<membership::Effect>) {
        for effect in effects {
            self.perform(effect);
        }
    }

    fn may_grant(&self, now: Time) -> bool {
        self.leadership.may_grant(now)
    }
}
