//! Joins whichever head leads, again and again, and passes on what it says.

use super::event::HeadEvent;
use super::handle::{HeldLease, LinkShared, OfferedLease};
use super::lease::LeaseClock;
use super::probe::probe;
use crate::head::convert::{join_to_wire, message_from_wire, report_to_wire};
use crate::head::message::{Grant, HeadMessage, HeadOrder};
use crate::head::refusal::from_status;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mobula_proto::wire;
use mobula_runtime::clock;
use mobula_types::{
    ClusterId, Failure, FailureKind, HeadTerm, JobInfo, NodeId, ProbeAnswer, TermHeard, Time,
};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Messages on their way to the head; past it they wait in the state, which is bounded.
const OUTGOING: usize = 64;

type Probe = Pin<Box<dyn Future<Output = (NodeId, ProbeAnswer)> + Send>>;

/// How a try to be a member ended.
enum End {
    /// The node left for good, and the head knows.
    Left,
    /// The node's events are read by nobody.
    Abandoned,
    /// This generation is dead.
    Fenced(Failure),
    /// This generation was granted by an earlier incarnation of the registry than there is now.
    Outdated(Failure),
    /// Refused; trying again may help.
    Refused(Failure),
    /// The stream broke, or the head cannot be reached.
    Broken(Failure),
}

pub(super) struct Joiner {
    shared: Arc<LinkShared>,
    events: mpsc::Sender<HeadEvent>,
    previous: Option<NodeId>,
    cluster: Option<ClusterId>,
    seen_term: HeadTerm,
    probes: FuturesUnordered<Probe>,
    told: Option<Failure>,
}

/// A stream that a head has accepted.
struct Member {
    node: NodeId,
    incoming: tonic::Streaming<wire::HeadMessage>,
    outgoing: mpsc::Sender<wire::NodeMessage>,
    beat: Duration,
}

impl Joiner {
    pub(super) fn new(
        shared: Arc<LinkShared>,
        events: mpsc::Sender<HeadEvent>,
        previous: Option<NodeId>,
    ) -> Self {
        let seen_term = HeadTerm::default();
        Joiner {
            shared,
            events,
            previous,
            cluster: None,
            seen_term,
            probes: FuturesUnordered::new(),
            told: None,
        }
    }

    /// Ends when the node has left, or when nobody reads its events.
    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let end = match Box::pin(self.join()).await {
                Ok(member) => {
                    pause = FIRST_PAUSE;
                    self.told = None;
                    Box::pin(self.serve(member)).await
                }
                Err(end) => end,
            };
            self.shared.state.lock().parted();
            let event = match end {
                End::Left => {
                    self.shared.left.trigger();
                    return;
                }
                End::Abandoned => return,
                End::Fenced(failure) => {
                    // Perhaps it was another cluster's: the next grant begins anew.
                    self.cluster = None;
                    self.seen_term = HeadTerm::default();
                    if !self.give_up(failure).await {
                        return;
                    }
                    continue;
                }
                End::Outdated(failure) => {
                    if !self.give_up(failure).await {
                        return;
                    }
                    continue;
                }
                End::Refused(failure) => HeadEvent::Refused { failure },
                End::Broken(failure) => HeadEvent::Disconnected { failure },
            };
            if !self.tell_once(event).await {
                return;
            }
            clock::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tells why there is no head, once for each reason. `false` when nobody listens.
    async fn tell_once(&mut self, event: HeadEvent) -> bool {
        let (HeadEvent::Refused { failure } | HeadEvent::Disconnected { failure }) = &event else {
            return true;
        };
        if self.told.as_ref().is_some_and(|told| told.kind() == failure.kind()) {
            return !self.events.is_closed();
        }
        self.told = Some(failure.clone());
        tracing::warn!(%failure, "no head has this node as a member; trying on");
        self.events.send(event).await.is_ok()
    }

    /// This generation is dead: waits until the node has given everything up. `false` when nobody listens.
    async fn give_up(&mut self, failure: Failure) -> bool {
        let held = self.shared.lease.lock().take().map(|held| held.node);
        let Some(node) = held.or_else(|| self.previous.clone()) else {
            self.previous = None;
            return true;
        };
        self.previous = None;
        tracing::warn!(%node, %failure, "this generation of the node is fenced");
        if self.events.send(HeadEvent::Fenced { node, failure }).await.is_err() {
            return false;
        }
        tokio::select! {
            () = self.shared.rejoin.notified() => {}
            () = self.events.closed() => return false,
        }
        self.shared.state.lock().give_up();
        true
    }

    async fn join(&mut self) -> Result<Member, End> {
        let request = self.shared.state.lock().join(self.previous.clone(), self.cluster, self.seen_term);
        let (outgoing, receiver) = mpsc::channel(OUTGOING);
        let sent = clock::now();
        let messages = tokio_stream::once(join_to_wire(&request)).chain(ReceiverStream::new(receiver));
        let client = self.shared.client.clone();
        let (target, mut incoming) = match client.join(messages).await {
            Ok(joined) => joined,
            Err(refusal) if refusal.failure.kind() == FailureKind::Fenced => {
                return Err(End::Fenced(refusal.failure));
            }
            Err(refusal) if refusal.not_leader => return Err(End::Broken(refusal.failure)),
            Err(refusal) if refusal.failure.kind() == FailureKind::Unavailable => {
                return Err(End::Broken(refusal.failure));
            }
            Err(refusal) => return Err(End::Refused(refusal.failure)),
        };
        let first = tokio::time::timeout(client.call_deadline(), incoming.next()).await;
        let message = match first {
            Ok(item) => read(item).map_err(End::Broken)?,
            Err(_) => return Err(End::Broken(silent(&target.address))),
        };
        if let Err(end) = self.check_term(message.term) {
            if matches!(end, End::Broken(_)) {
                client.targets().move_on(&target);
            }
            return Err(end);
        }
        match message.order {
            HeadOrder::Granted(grant) => self.granted(grant, sent, incoming, outgoing).await,
            HeadOrder::Fenced { failure } => Err(End::Fenced(failure)),
            _ => Err(End::Broken(Failure::new(
                FailureKind::Malformed,
                format!("the first message of head {} is not a grant", target.address),
            ))),
        }
    }

    async fn granted(
        &mut self,
        grant: Grant,
        sent: Time,
        incoming: tonic::Streaming<wire::HeadMessage>,
        outgoing: mpsc::Sender<wire::NodeMessage>,
    ) -> Result<Member, End> {
        let clock = LeaseClock::new(sent, grant.lease);
        let node = grant.node.clone();
        *self.shared.lease.lock() = Some(HeldLease::new(node.clone(), grant.lease_id, clock));
        self.previous = Some(node.clone());
        self.cluster = Some(grant.cluster);
        let member = Member { node, incoming, outgoing, beat: clock.beat() };
        self.events.send(HeadEvent::Granted(grant)).await.map_err(|_| End::Abandoned)?;
        Ok(member)
    }

    /// Passes messages both ways until the stream ends.
    async fn serve(&mut self, mut member: Member) -> End {
        let shared = self.shared.clone();
        let mut next_beat = clock::now();
        loop {
            tokio::select! {
                item = member.incoming.next() => match read(item) {
                    Ok(message) => if let Err(end) = self.received(message).await { return end },
                    Err(failure) => return End::Broken(failure),
                },
                () = shared.changed.notified() => {}
                () = clock::sleep_until(next_beat) => {}
                () = shared.lease_gone.notified() => {
                    return End::Broken(Failure::new(FailureKind::Unavailable, "the registry has ended this node's lease"));
                }
                Some((node, answer)) = self.probes.next(), if !self.probes.is_empty() => {
                    shared.state.lock().death_answer(node, answer);
                }
            }
            let now = clock::now();
            if now >= next_beat {
                next_beat = now + member.beat;
                shared.state.lock().beat();
            }
            if let Some(end) = send_reports(&shared, &mut member).await {
                return end;
            }
        }
    }

    async fn received(&mut self, message: HeadMessage) -> Result<(), End> {
        self.check_term(message.term)?;
        let event = match message.order {
            HeadOrder::Granted(grant) => HeadEvent::Granted(grant),
            HeadOrder::View(delta) => HeadEvent::View(delta),
            HeadOrder::Fence { node } => HeadEvent::FenceNode(node),
            HeadOrder::JobOpened(info) => HeadEvent::JobOpened(info),
            HeadOrder::JobEnded(info) => {
                self.shared.state.lock().job_ended(info.job);
                HeadEvent::JobEnded { job: info.job, failure: job_ended(&info) }
            }
            HeadOrder::ConfirmDeath { node, own_address } => {
                self.confirm_death(node, own_address);
                return Ok(());
            }
            HeadOrder::LeaseOffered { lease_id, length } => {
                if let Some(held) = self.shared.lease.lock().as_mut() {
                    held.offered = Some(OfferedLease { id: lease_id, length, clock: None });
                }
                return Ok(());
            }
            HeadOrder::LeaseInForce { lease_id } => {
                if let Some(held) = self.shared.lease.lock().as_mut() {
                    held.in_force(lease_id);
                }
                return Ok(());
            }
            HeadOrder::Actors(order) => HeadEvent::Actors(order),
            HeadOrder::Drain => HeadEvent::Drain,
            HeadOrder::Fenced { failure } => return Err(End::Fenced(failure)),
        };
        self.events.send(event).await.map_err(|_| End::Abandoned)
    }

    fn confirm_death(&mut self, node: NodeId, own_address: Arc<str>) {
        if self.shared.state.lock().has_peer(&node) {
            self.shared.state.lock().death_answer(node, ProbeAnswer::Reachable);
            self.shared.changed.notify_one();
            return;
        }
        self.probes.push(Box::pin(async move {
            let answer = probe(&own_address).await;
            (node, answer)
        }));
    }

    /// Refuses a head of an earlier term. One of a later incarnation of the registry ends what this node holds: the
    /// registry was restored, so that what was granted after its backup may be granted again, to others.
    fn check_term(&mut self, term: HeadTerm) -> Result<(), End> {
        let seen = self.seen_term;
        let heard = term.heard_after(seen);
        if heard == TermHeard::Outdated {
            let message = format!("a head of term {term} was heard after one of term {seen}; it is ignored");
            return Err(End::Broken(Failure::new(FailureKind::Fenced, message)));
        }
        self.seen_term = term;
        match &self.previous {
            Some(node) if heard == TermHeard::Restored => {
                let message = format!(
                    "the registry was restored: a head of term {term} was heard, and {node} was granted under {seen}; it gives up what it owned and registers as a new generation"
                );
                Err(End::Outdated(Failure::new(FailureKind::Fenced, message).on_node(node.clone())))
            }
            _ => Ok(()),
        }
    }
}

/// Sends what the head has yet to hear.
async fn send_reports(shared: &LinkShared, member: &mut Member) -> Option<End> {
    let (reports, leaving) = {
        let mut state = shared.state.lock();
        (state.take_reports(), state.is_leaving())
    };
    for report in reports {
        if member.outgoing.send(report_to_wire(&report)).await.is_err() {
            let message = format!("the head has closed the stream of node {}", member.node);
            return Some(End::Broken(Failure::new(FailureKind::Unavailable, message)));
        }
    }
    if !leaving {
        return None;
    }
    // The head closes the stream once the leave is durable.
    while let Some(Ok(_)) = member.incoming.next().await {}
    Some(End::Left)
}

fn read(item: Option<Result<wire::HeadMessage, tonic::Status>>) -> Result<HeadMessage, Failure> {
    match item {
        Some(Ok(message)) => message_from_wire(message).map_err(|error| {
            Failure::new(FailureKind::Malformed, format!("a message of the head cannot be read: {error}"))
        }),
        Some(Err(status)) => Err(from_status(&status, "hear", "the head").failure),
        None => Err(Failure::new(FailureKind::Unavailable, "the head has closed the stream")),
    }
}

fn silent(address: &str) -> Failure {
    Failure::new(FailureKind::TimedOut, format!("head {address} accepted the stream and then said nothing"))
}

fn job_ended(info: &JobInfo) -> Failure {
    Failure::new(FailureKind::JobEnded, format!("job {} has ended: {}", info.job, info.reason))
}
