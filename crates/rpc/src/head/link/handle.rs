//! A node's side of the link: what it reports.

use super::calls::CallGuard;
use super::lease::LeaseClock;
use super::state::LinkState;
use crate::head::HeadClient;
use mobula_runtime::Shutdown;
use mobula_types::actor::ActorReport;
use mobula_types::job::JobState;
use mobula_types::session::JobSecret;
use mobula_types::view::NodeLoad;
use mobula_types::{
    ExecutableHash, Failure, JobId, JobInfo, JobSpec, JobSummary, NodeId, OpenedJob, SessionId, TaskEvent,
    Time,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Reports a node's facts to whichever head leads, and asks heads on its behalf. Clones share the link; when the last
/// one is dropped, the link ends without a word, as if the node had died.
///
/// Reporting never waits and never blocks: facts are kept and sent at the next occasion, all of them again to a new
/// head. What only counts while it is fresh (summaries, task events) is replaced or dropped when it piles up.
#[derive(Clone, Debug)]
pub struct HeadLinkHandle {
    pub(super) shared: Arc<LinkShared>,
    pub(super) _owner: Arc<LinkOwner>,
}

/// What the handle and the link's task share.
#[derive(Debug)]
pub(super) struct LinkShared {
    pub(super) state: Mutex<LinkState>,
    pub(super) lease: Mutex<Option<HeldLease>>,
    /// There is something to send.
    pub(super) changed: Notify,
    /// A fenced node has given everything up.
    pub(super) rejoin: Notify,
    /// The registry knows the lease no more: join again for another.
    pub(super) lease_gone: Notify,
    /// A head has heard that the node leaves.
    pub(super) left: Shutdown,
    pub(super) client: HeadClient,
}

/// The lease as it was granted last, and one of another length that is to replace it.
#[derive(Clone, Debug)]
pub(super) struct HeldLease {
    pub(super) node: NodeId,
    pub(super) id: u64,
    pub(super) clock: LeaseClock,
    pub(super) offered: Option<OfferedLease>,
}

/// A lease that is renewed beside the node's own. Once that has succeeded it counts too: whichever ends first.
#[derive(Clone, Debug)]
pub(super) struct OfferedLease {
    pub(super) id: u64,
    pub(super) length: Duration,
    /// `None` until it was renewed once.
    pub(super) clock: Option<LeaseClock>,
}

impl HeldLease {
    /// A lease that was granted.
    pub(super) fn new(node: NodeId, id: u64, clock: LeaseClock) -> Self {
        HeldLease { node, id, clock, offered: None }
    }

    /// What the node counts by.
    pub(super) fn counted(&self) -> LeaseClock {
        let offered = self.offered.as_ref().and_then(|offered| offered.clock);
        offered.filter(|offered| offered.end() < self.clock.end()).unwrap_or(self.clock)
    }

    /// The offered lease is the only one from now on.
    pub(super) fn in_force(&mut self, id: u64) {
        if let Some(OfferedLease { clock: Some(clock), .. }) =
            self.offered.take_if(|offered| offered.id == id)
        {
            self.id = id;
            self.clock = clock;
        }
    }

    /// A renewal that was sent at `sent` succeeded. `true` where it was the first one of a lease that was offered.
    pub(super) fn renewed(&mut self, id: u64, sent: Time) -> bool {
        if self.id == id {
            self.clock.renewed(sent);
            return false;
        }
        match self.offered.as_mut().filter(|offered| offered.id == id) {
            Some(OfferedLease { clock: Some(clock), .. }) => {
                clock.renewed(sent);
                false
            }
            Some(offered) => {
                offered.clock = Some(LeaseClock::new(sent, offered.length));
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_leases_the_one_that_ends_first_counts_until_one_is_in_force() {
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        let lasts = |seconds| Duration::from_secs(seconds);
        let mut held = HeldLease::new(NodeId::new("a", 1), 1, LeaseClock::new(at(0), lasts(60)));
        held.offered = Some(OfferedLease { id: 2, length: lasts(12), clock: None });
        assert_eq!(held.counted().end(), at(60), "it was not renewed yet");
        assert!(held.renewed(2, at(3)), "it is to be acknowledged");
        assert!(!held.renewed(2, at(5)));
        assert_eq!(held.counted().end(), at(17));
        held.renewed(1, at(6));
        assert_eq!(held.counted().end(), at(17));
        held.in_force(9);
        assert_eq!(held.id, 1, "another one is not meant");
        held.in_force(2);
        assert_eq!((held.id, held.counted().end(), held.offered.is_some()), (2, at(17), false));
    }
}

/// Ends the link's task with the last handle.
#[derive(Debug)]
pub(super) struct LinkOwner {
    pub(super) _task: mobula_runtime::TaskHandle<()>,
}

impl HeadLinkHandle {
    fn report(&self, change: impl FnOnce(&mut LinkState)) {
        change(&mut self.shared.state.lock());
        self.shared.changed.notify_one();
    }

    /// A stream of a job's driver was opened or resumed here.
    pub fn driver_attached(&self, job: JobId, session: SessionId) {
        self.report(|state| state.driver(job, session, true, false));
    }

    /// A stream of a job's driver broke, or was closed; with `goodbye` the driver left for good, and its job may end
    /// at once.
    pub fn driver_detached(&self, job: JobId, session: SessionId, goodbye: bool) {
        self.report(|state| state.driver(job, session, false, goodbye));
    }

    /// A driver without a stream was started: its job lives for another grace.
    pub fn keep_alive(&self, job: JobId) {
        self.report(|state| state.keep_alive(job));
    }

    /// A driver without a stream makes a call: its job lives for as long as the call, and for another grace after it.
    pub fn call(&self, job: JobId) -> CallGuard {
        CallGuard::new(job, self.shared.clone())
    }

    /// A session with another node has a stream, or has it no more.
    pub fn peer_session(&self, peer: NodeId, open: bool) {
        self.report(|state| state.peer(peer, open));
    }

    /// The node has fetched, or dropped, an executable.
    pub fn executable_held(&self, hash: ExecutableHash, held: bool) {
        self.report(|state| state.executable(hash, held));
    }

    /// How busy the node is: sent with the next renewal of the lease.
    pub fn set_load(&self, load: NodeLoad) {
        self.shared.state.lock().set_load(load);
    }

    /// The tasks of a job that this node owns, counted: replaces what it said before. Sent with the next renewal.
    pub fn job_summary(&self, job: JobId, summary: JobSummary) {
        self.shared.state.lock().summary(job, summary);
    }

    /// Changes of tasks that this node owns, and how many ends of tasks are not among them: sent with the next renewal;
    /// past 4,096 waiting ones the oldest are left out too.
    pub fn task_events(&self, events: Vec<TaskEvent>, left_out: u64) {
        self.shared.state.lock().events(events, left_out);
    }

    /// Answers [`HeadEvent::FenceNode`](super::HeadEvent::FenceNode): nothing is accepted from that generation any
    /// more.
    pub fn fence_acknowledged(&self, node: NodeId) {
        self.report(|state| state.fence_acknowledged(node));
    }

    /// Answers [`HeadEvent::Fenced`](super::HeadEvent::Fenced): everything was given up, the node may come back as a
    /// new generation.
    pub fn rejoin(&self) {
        self.shared.rejoin.notify_one();
    }

    /// What the node says of its actors. To each head that it joins the first report is to be the inventory: those before
    /// it are dropped.
    pub fn report_actors(&self, report: ActorReport) {
        self.report(|state| state.actor_report(report));
    }

    /// Leaves the cluster for good; the node runs nothing any more. Returns once a head has heard it, or after
    /// `deadline`: the node is then declared dead like any other that falls silent. Cancellation safe.
    pub async fn leave(&self, deadline: Duration) {
        self.report(LinkState::leave);
        tokio::select! {
            () = self.shared.left.wait() => {}
            () = mobula_runtime::clock::sleep(deadline) => {}
        }
    }

    /// The node as it was granted last, and its lease by this process's clock; `None` before the first grant and while
    /// it is fenced.
    pub fn lease(&self) -> Option<(NodeId, LeaseClock)> {
        self.shared.lease.lock().as_ref().map(|lease| (lease.node.clone(), lease.counted()))
    }

    /// Asks heads: everything that is not tied to this node's membership.
    pub fn client(&self) -> &HeadClient {
        &self.shared.client
    }

    /// Opens a job. Durable once it returns.
    pub async fn open_job(&self, spec: JobSpec) -> Result<OpenedJob, Failure> {
        self.shared.client.open_job(spec).await
    }

    /// What is known of a job.
    pub async fn get_job(&self, job: JobId) -> Result<JobInfo, Failure> {
        Ok(self.shared.client.get_job(job).await?.info)
    }

    /// What is known of a job, if the secret is its own; else a failure of kind `PermissionDenied`.
    pub async fn verify_job(&self, job: JobId, secret: &JobSecret) -> Result<JobInfo, Failure> {
        self.shared.client.verify_job(job, secret).await
    }

    /// Ends a job; the end reaches every node as [`HeadEvent::JobEnded`](super::HeadEvent::JobEnded).
    pub async fn end_job(&self, job: JobId, state: JobState, reason: &str) -> Result<JobInfo, Failure> {
        self.shared.client.end_job(job, state, reason).await
    }

    /// The nodes that hold an executable.
    pub async fn locate_executable(&self, hash: ExecutableHash) -> Result<Vec<NodeId>, Failure> {
        self.shared.client.locate_executable(hash).await
    }
}
