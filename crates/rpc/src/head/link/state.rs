//! What a node has to tell its heads: the whole of it for a new head, and what changed for the one that it has joined.

use super::calls::Calls;
use crate::head::message::{JoinRequest, NodeReport};
use mobula_types::actor::ActorReport;
use mobula_types::view::NodeLoad;
use mobula_types::{
    ClusterId, ExecutableHash, HeadTerm, JobId, JobSummary, NodeId, NodeRegistration, ProbeAnswer, SessionId,
    TaskEvent,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Task events that wait to be sent; the oldest are dropped first, for they are a sample anyway.
const EVENT_LIMIT: usize = 4096;
/// Task events in one message.
const EVENTS_PER_REPORT: usize = 512;
/// Jobs that said goodbye and whose end was not heard of; past it the head ends them after their grace.
const DEPARTED_LIMIT: usize = 10_000;

/// The node's facts, and which of them the joined head has yet to hear. Bounded by what the node holds, and by the
/// limits above.
#[derive(Debug)]
pub(super) struct LinkState {
    registration: NodeRegistration,
    drivers: BTreeSet<(JobId, SessionId)>,
    departed: BTreeSet<JobId>,
    peers: BTreeSet<NodeId>,
    executables: BTreeSet<ExecutableHash>,
    load: NodeLoad,
    load_changed: bool,
    summaries: BTreeMap<JobId, JobSummary>,
    events: VecDeque<TaskEvent>,
    /// Ends of tasks that are not among `events`, and that the head has yet to hear of.
    left_out: u64,
    keep_alives: BTreeSet<JobId>,
    calls: Calls,
    /// As which session heads hear of calls: one for all of a job.
    calling: SessionId,
    changes: Vec<NodeReport>,
    joined: bool,
    /// The joined head has heard which actors the node has.
    inventoried: bool,
    leaving: bool,
}

impl LinkState {
    pub(super) fn new(registration: NodeRegistration, calling: SessionId) -> Self {
        LinkState {
            registration,
            drivers: BTreeSet::new(),
            departed: BTreeSet::new(),
            peers: BTreeSet::new(),
            executables: BTreeSet::new(),
            load: NodeLoad::default(),
            load_changed: true,
            summaries: BTreeMap::new(),
            events: VecDeque::new(),
            left_out: 0,
            keep_alives: BTreeSet::new(),
            calls: Calls::default(),
            calling,
            changes: Vec::new(),
            joined: false,
            inventoried: false,
            leaving: false,
        }
    }

    /// Everything, for a head that knows nothing; later changes are collected for it.
    pub(super) fn join(
        &mut self,
        previous: Option<NodeId>,
        cluster: Option<ClusterId>,
        seen_term: HeadTerm,
    ) -> JoinRequest {
        self.joined = true;
        self.inventoried = false;
        self.changes.clear();
        self.load_changed = true;
        JoinRequest {
            registration: self.registration.clone(),
            previous,
            cluster,
            seen_term,
            drivers: self.drivers.iter().copied().collect(),
            departed: self.departed.iter().copied().collect(),
            peers: self.peers.iter().cloned().collect(),
            executables: self.executables.iter().copied().collect(),
        }
    }

    /// No head is joined: changes need not be collected, the next one hears everything.
    pub(super) fn parted(&mut self) {
        self.joined = false;
        self.changes.clear();
    }

    /// A fenced generation gives up its sessions and what it owned.
    pub(super) fn give_up(&mut self) {
        self.parted();
        self.drivers.clear();
        self.departed.clear();
        self.peers.clear();
        self.summaries.clear();
        self.events.clear();
        self.left_out = 0;
        self.keep_alives.clear();
        self.calls.forget_told();
    }

    /// What the joined head has yet to hear, in order.
    pub(super) fn take_reports(&mut self) -> Vec<NodeReport> {
        let mut reports = std::mem::take(&mut self.changes);
        if std::mem::take(&mut self.load_changed) {
            reports.push(NodeReport::Load(self.load.clone()));
        }
        reports.extend(
            std::mem::take(&mut self.keep_alives).into_iter().map(|job| NodeReport::KeepAlive { job }),
        );
        let summaries = std::mem::take(&mut self.summaries);
        reports.extend(summaries.into_iter().map(|(job, summary)| NodeReport::JobSummary { job, summary }));
        while !self.events.is_empty() || self.left_out > 0 {
            let count = self.events.len().min(EVENTS_PER_REPORT);
            let events = self.events.drain(..count).collect();
            reports.push(NodeReport::TaskEvents { events, left_out: std::mem::take(&mut self.left_out) });
        }
        if self.leaving {
            reports.push(NodeReport::Leave);
        }
        reports
    }

    /// A load alone waits for the next beat; everything else is sent at once.
    pub(super) fn set_load(&mut self, load: NodeLoad) {
        self.load_changed |= self.load != load;
        self.load = load;
    }

    pub(super) fn driver(&mut self, job: JobId, session: SessionId, attached: bool, goodbye: bool) {
        let changed =
            if attached { self.drivers.insert((job, session)) } else { self.drivers.remove(&(job, session)) };
        if goodbye && self.calls.is_over(job) {
            // A call that is over must not hold up the end of a job whose driver has left.
            self.driver(job, self.calling, false, false);
        }
        if goodbye && self.departed.len() < DEPARTED_LIMIT {
            self.departed.insert(job);
        }
        if goodbye && let Some(summary) = self.summaries.remove(&job) {
            // What the job has done is on record before it ends.
            self.change(NodeReport::JobSummary { job, summary });
        }
        if changed || goodbye {
            self.change(match attached {
                true => NodeReport::DriverAttached { job, session },
                false => NodeReport::DriverDetached { job, session, goodbye },
            });
        }
    }

    pub(super) fn job_ended(&mut self, job: JobId) {
        self.departed.remove(&job);
        self.keep_alives.remove(&job);
        self.calls.forget_job(job);
        self.drivers.remove(&(job, self.calling));
    }

    /// `true` where there is something to send.
    pub(super) fn call_started(&mut self, job: JobId) -> bool {
        let is_news = self.calls.start(job);
        if is_news {
            self.driver(job, self.calling, true, false);
        }
        is_news
    }

    pub(super) fn call_ended(&mut self, job: JobId) {
        self.calls.end(job);
    }

    /// Heads are to hear of what waited for this: the ends of calls.
    pub(super) fn beat(&mut self) {
        for job in self.calls.over() {
            self.driver(job, self.calling, false, false);
        }
    }

    pub(super) fn keep_alive(&mut self, job: JobId) {
        self.keep_alives.insert(job);
    }

    pub(super) fn peer(&mut self, peer: NodeId, open: bool) {
        let changed = if open { self.peers.insert(peer.clone()) } else { self.peers.remove(&peer) };
        if changed {
            self.change(NodeReport::PeerSession { peer, open });
        }
    }

    pub(super) fn has_peer(&self, peer: &NodeId) -> bool {
        self.peers.contains(peer)
    }

    pub(super) fn executable(&mut self, hash: ExecutableHash, held: bool) {
        let changed = if held { self.executables.insert(hash) } else { self.executables.remove(&hash) };
        if changed {
            self.change(NodeReport::Executable { hash, held });
        }
    }

    pub(super) fn summary(&mut self, job: JobId, summary: JobSummary) {
        self.summaries.insert(job, summary);
    }

    pub(super) fn events(&mut self, events: Vec<TaskEvent>, left_out: u64) {
        self.events.extend(events);
        let excess = self.events.len().saturating_sub(EVENT_LIMIT);
        let ends = self.events.drain(..excess).filter(|event| event.state.is_final()).count();
        self.left_out = self.left_out.saturating_add(left_out).saturating_add(ends as u64);
    }

    pub(super) fn fence_acknowledged(&mut self, node: NodeId) {
        self.peers.remove(&node);
        self.change(NodeReport::FenceAcknowledged { node });
    }

    pub(super) fn lease_acknowledged(&mut self, lease_id: u64) {
        self.change(NodeReport::LeaseAcknowledged { lease_id });
    }

    pub(super) fn death_answer(&mut self, node: NodeId, answer: ProbeAnswer) {
        self.change(NodeReport::DeathAnswer { node, answer });
    }

    pub(super) fn actors(&mut self, report: ActorReport) {
        self.inventoried |= self.joined && matches!(report, ActorReport::Inventory { .. });
        if self.inventoried {
            self.change(NodeReport::Actors(report));
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    pub(super) fn leave(&mut self) {
        self.leaving = true;
    }

    fn change(&mut self, report: NodeReport) {
        if self.joined {
            self.changes.push(report);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::{NodeName, Resources};

    fn state() -> LinkState {
        let registration = NodeRegistration {
            name: NodeName::from("a"),
            address: "http://a:1".into(),
            own_address: "a:1".into(),
            resources: Resources::cpus(1),
            labels: Default::default(),
            functions: Vec::new(),
            object_store_memory: 0,
            version: "1".into(),
            data_folder: None,
        };
        LinkState::new(registration, CALLING)
    }

    const CALLING: SessionId = SessionId(9);

    fn attached(job: JobId, attached: bool) -> NodeReport {
        match attached {
            true => NodeReport::DriverAttached { job, session: CALLING },
            false => NodeReport::DriverDetached { job, session: CALLING, goodbye: false },
        }
    }

    /// A head has joined and heard everything.
    fn joined() -> LinkState {
        let mut state = state();
        state.join(None, None, HeadTerm::default());
        state.take_reports();
        state
    }

    #[test]
    fn a_jobs_last_counts_go_before_the_goodbye_that_ends_it() {
        let mut state = joined();
        let (job, session) = (JobId(1), CALLING);
        state.driver(job, session, true, false);
        state.take_reports();
        state.summary(job, JobSummary::default());
        state.driver(job, session, false, true);
        let reports = state.take_reports();
        assert!(
            matches!(
                reports[..],
                [NodeReport::JobSummary { .. }, NodeReport::DriverDetached { goodbye: true, .. }]
            ),
            "{reports:?}"
        );
    }

    #[test]
    fn a_call_under_way_counts_as_a_drivers_stream() {
        let job = JobId(1);
        let mut state = joined();
        assert!(state.call_started(job));
        assert_eq!(state.take_reports(), [attached(job, true)]);
        state.beat();
        assert_eq!(state.take_reports(), [], "it waits still");
        state.parted();
        assert_eq!(state.join(None, None, HeadTerm::default()).drivers, [(job, CALLING)]);
        state.take_reports();
        state.call_ended(job);
        state.beat();
        assert_eq!(state.take_reports(), [attached(job, false)]);
    }

    #[test]
    fn one_call_after_the_other_is_told_once_a_beat() {
        let job = JobId(1);
        let mut state = joined();
        assert!(state.call_started(job));
        for _ in 0..100 {
            state.call_ended(job);
            assert!(!state.call_started(job));
        }
        state.call_ended(job);
        assert_eq!(state.take_reports(), [attached(job, true)]);
        state.beat();
        assert_eq!(state.take_reports(), [attached(job, false)]);
    }

    #[test]
    fn a_call_that_is_over_does_not_outlast_a_goodbye() {
        let (job, session) = (JobId(1), SessionId(2));
        let mut state = joined();
        state.driver(job, session, true, false);
        state.call_started(job);
        state.call_ended(job);
        state.take_reports();
        state.driver(job, session, false, true);
        let goodbye = NodeReport::DriverDetached { job, session, goodbye: true };
        assert_eq!(state.take_reports(), [attached(job, false), goodbye]);
    }

    #[test]
    fn calls_of_an_ended_job_are_forgotten_and_those_of_a_fenced_generation_told_anew() {
        let job = JobId(1);
        let mut state = joined();
        state.call_started(job);
        state.job_ended(job);
        assert_eq!(state.join(None, None, HeadTerm::default()).drivers, []);
        state.give_up();
        assert!(state.call_started(job));
        assert_eq!(state.join(None, None, HeadTerm::default()).drivers, [(job, CALLING)]);
    }

    #[test]
    fn a_head_hears_which_actors_there_are_before_it_hears_of_single_ones() {
        let locate = || ActorReport::Locate(Vec::new());
        let inventory = || ActorReport::Inventory {
            actors: Vec::new(),
            exits: Vec::new(),
            located: Vec::new(),
            watches: Vec::new(),
        };
        let mut state = state();
        state.actors(inventory());
        let expected = |state: &mut LinkState, reports: &[ActorReport]| {
            let told: Vec<_> = state
                .take_reports()
                .into_iter()
                .filter(|report| matches!(report, NodeReport::Actors(_)))
                .collect();
            assert_eq!(told, reports.iter().cloned().map(NodeReport::Actors).collect::<Vec<_>>());
        };
        for _ in 0..2 {
            state.join(None, None, HeadTerm::default());
            state.actors(locate());
            expected(&mut state, &[]);
            state.actors(inventory());
            state.actors(locate());
            expected(&mut state, &[inventory(), locate()]);
        }
        state.parted();
        state.actors(locate());
        expected(&mut state, &[]);
    }

    #[test]
    fn a_new_head_hears_everything_and_later_only_changes() {
        let (job, session) = (JobId(1), SessionId(2));
        let mut state = state();
        state.driver(job, session, true, false);
        assert_eq!(state.join(None, None, HeadTerm::default()).drivers, vec![(job, session)]);
        assert_eq!(state.take_reports(), vec![NodeReport::Load(NodeLoad::default())]);
        state.driver(job, session, true, false);
        assert_eq!(state.take_reports(), vec![], "nothing changed");
        state.driver(job, session, false, true);
        assert_eq!(state.take_reports(), vec![NodeReport::DriverDetached { job, session, goodbye: true }]);
        state.parted();
        let again = state.join(None, None, HeadTerm::default());
        assert_eq!((again.drivers, again.departed), (vec![], vec![job]));
        state.job_ended(job);
        assert_eq!(state.join(None, None, HeadTerm::default()).departed, vec![]);
    }

    #[test]
    fn events_are_bounded() {
        let mut state = state();
        let event = |low| TaskEvent {
            task: mobula_types::TaskId { high: 0, low },
            job: JobId(1),
            name: "f".into(),
            state: mobula_types::TaskState::Succeeded,
            attempt: Default::default(),
            node: None,
            owner: None,
            at_millis: low,
            detail: None,
        };
        state.events((0..10_000).map(event).collect(), 5);
        let (mut sent, mut not_sent) = (0, 0);
        for report in state.take_reports() {
            if let NodeReport::TaskEvents { events, left_out } = report {
                sent += events.len();
                not_sent += left_out;
            }
        }
        assert_eq!((sent, not_sent), (EVENT_LIMIT, 5 + 10_000 - EVENT_LIMIT as u64));
        assert!(state.take_reports().is_empty());
    }
}
