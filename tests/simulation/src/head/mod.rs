//! A head's process: campaigns, leads or stands by, and passes renewals of leases on whichever it does.

mod actors;
mod leader;
mod links;
mod perform;
mod writer;

pub(crate) use leader::Leader;

use crate::context::Context;
use crate::message::{Datagram, Packet, RegistryReply};
use crate::network::StreamId;
use crate::process::{Host, ProcessId};
use crate::registry::{Answer, Image, Key, Operation, Request, Transaction, Trouble, Value};
use leader::Over;
use mobula_types::{Failure, FailureKind, HeadTerm, NodeId, NodeRecord, ProbeAnswer, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// The leader's lease.
pub(crate) const LEADER_LEASE: Duration = Duration::from_secs(4);
/// How long a leader grants after it has sent a renewal that was answered: its clock may be slow.
pub(super) const GRANTING: Duration = Duration::from_millis(3_600);
/// After a campaign that failed.
const PAUSE: Duration = Duration::from_millis(300);
/// How often a standby looks whether the leader is still there.
const LOOK: Duration = Duration::from_millis(700);

/// What the registry was asked for.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Register,
    Leader,
    LeaderLease {
        sent: Time,
    },
    Take {
        lease: u64,
        sent: Time,
    },
    Confirm {
        lease: u64,
        sent: Time,
    },
    Image {
        lease: u64,
        sent: Time,
        created: u64,
    },
    Renewal {
        by: ProcessId,
        number: u64,
    },
    KeepLeading {
        sent: Time,
    },
    Write,
    Reread,
    /// The lease that a node holds is renewed before it is admitted again.
    HeldLease {
        record: Box<NodeRecord>,
    },
    Admission {
        record: Box<NodeRecord>,
    },
    OtherLease {
        node: NodeId,
    },
    Nothing,
}

/// What a head asks the registry with.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) id: ProcessId,
    pub(crate) index: usize,
    asked: BTreeMap<u64, Asked>,
    last: u64,
}

/// The world as a head reaches it.
#[derive(Debug)]
pub(crate) struct Io<'a> {
    pub(crate) context: &'a mut Context,
    pub(crate) desk: &'a mut Desk,
}

impl Io<'_> {
    pub(crate) fn ask(&mut self, request: Request, asked: Asked) {
        self.desk.last += 1;
        self.desk.asked.insert(self.desk.last, asked);
        self.context.ask_registry(self.desk.id, self.desk.last, request);
    }

    pub(crate) fn now(&self) -> Time {
        self.context.local(self.desk.id)
    }

    pub(crate) fn wall_millis(&self) -> u64 {
        1_700_000_000_000 + self.context.now.as_nanos() / 1_000_000
    }

    pub(crate) fn send(&mut self, stream: StreamId, packet: Packet) {
        self.context.send(stream, self.desk.id, packet);
    }

    pub(crate) fn close(&mut self, stream: StreamId) {
        self.context.close(stream, self.desk.id);
    }
}

#[derive(Debug)]
enum State {
    /// Looks again at that time.
    Waiting(Time),
    /// Waits for the registry.
    Asking,
    Leading(Box<Leader>),
}

/// A head.
#[derive(Debug)]
pub(crate) struct Head {
    desk: Desk,
    state: State,
    /// Whether nodes may have had nobody to renew their leases, as far as this campaign goes.
    heads_were_away: bool,
}

impl Head {
    pub(crate) fn new(context: &mut Context, index: usize) -> Self {
        let id = context.start(Host::Head(index));
        let desk = Desk { id, index, asked: BTreeMap::new(), last: 0 };
        let mut head = Head { desk, state: State::Waiting(Time::ZERO), heads_were_away: true };
        let put = Operation::Put { key: Key::Head(index), value: Value::Number(1), lease: None };
        let register = Transaction { operations: vec![put], ..Transaction::default() };
        head.io(context).ask(Request::Commit(register), Asked::Register);
        head.woken(context);
        head
    }

    pub(crate) fn id(&self) -> ProcessId {
        self.desk.id
    }

    pub(crate) fn leader(&self) -> Option<&Leader> {
        match &self.state {
            State::Leading(leader) => Some(leader),
            _ => None,
        }
    }

    fn io<'a>(&'a mut self, context: &'a mut Context) -> Io<'a> {
        Io { context, desk: &mut self.desk }
    }

    /// Has the leader do something, if this head leads.
    fn lead(&mut self, context: &mut Context, act: impl FnOnce(&mut Leader, &mut Io<'_>)) -> bool {
        let State::Leading(leader) = &mut self.state else { return false };
        let mut io = Io { context, desk: &mut self.desk };
        act(leader, &mut io);
        leader.settle(&mut io);
        if let Some(over) = leader.over.take() {
            self.step_down(context, over);
        }
        true
    }

    fn step_down(&mut self, context: &mut Context, over: Over) {
        let now = context.local(self.desk.id);
        let State::Leading(mut leader) = std::mem::replace(&mut self.state, State::Waiting(now + PAUSE))
        else {
            return;
        };
        let index = self.desk.index;
        context.note(|| format!("head {index} does not lead any more: {over:?}"));
        self.desk.asked.retain(|_, asked| matches!(asked, Asked::Renewal { .. }));
        let mut io = Io { context, desk: &mut self.desk };
        leader.close_all(&mut io);
        if let Over::LaterIncarnation(highest_seen) = over {
            let put =
                Operation::Put { key: Key::Incarnation, value: Value::Number(highest_seen + 1), lease: None };
            let raise = Transaction {
                leader: Some(leader.created()),
                revisions: vec![(Key::Incarnation, leader.incarnation_revision())],
                operations: vec![put],
            };
            io.ask(Request::Commit(raise), Asked::Nothing);
        }
        io.ask(Request::RevokeLease(leader.lease()), Asked::Nothing);
        self.heads_were_away = true;
        context.wake(self.desk.id, now + PAUSE);
    }

    pub(crate) fn woken(&mut self, context: &mut Context) {
        let now = context.local(self.desk.id);
        match &self.state {
            State::Waiting(until) if *until <= now => {
                self.state = State::Asking;
                self.io(context).ask(Request::Get(Key::Leader), Asked::Leader);
            }
            State::Waiting(until) => context.wake(self.desk.id, *until),
            State::Asking => {}
            State::Leading(_) => {
                self.lead(context, |leader, io| leader.tick(io));
            }
        }
    }

    fn wait(&mut self, context: &mut Context, pause: Duration) {
        let until = context.local(self.desk.id) + pause;
        self.state = State::Waiting(until);
        context.wake(self.desk.id, until);
    }

    pub(crate) fn registry_answered(&mut self, context: &mut Context, number: u64, reply: RegistryReply) {
        let Some(asked) = self.desk.asked.remove(&number) else { return };
        let now = context.local(self.desk.id);
        match (asked, reply) {
            (Asked::Register | Asked::Nothing, _) => {}
            (Asked::Renewal { by, number }, reply) => {
                let known = match reply {
                    Ok(_) => true,
                    Err(Trouble::LeaseNotFound) => false,
                    Err(_) => return,
                };
                let from = Host::Head(self.desk.index);
                context.post(from, by, Datagram::Renewed { number, known });
            }
            (Asked::Leader, Ok(Answer::Entry(Some(_)))) => {
                // This head is there all the while, and renews what it is asked to.
                self.heads_were_away = false;
                self.wait(context, LOOK);
            }
            (Asked::Leader, Ok(Answer::Entry(None))) => {
                self.io(context).ask(Request::GrantLease(LEADER_LEASE), Asked::LeaderLease { sent: now });
            }
            (Asked::LeaderLease { sent }, Ok(Answer::Lease(lease))) => {
                let value = Value::Number(self.desk.index as u64);
                let take = Transaction {
                    revisions: vec![(Key::Leader, 0)],
                    operations: vec![Operation::Put { key: Key::Leader, value, lease: Some(lease) }],
                    ..Transaction::default()
                };
                self.io(context).ask(Request::Commit(take), Asked::Take { lease, sent });
            }
            // An unknown outcome shows in whose key is there.
            (Asked::Take { lease, sent }, _) => {
                self.io(context).ask(Request::Get(Key::Leader), Asked::Confirm { lease, sent });
            }
            (Asked::Confirm { lease, sent }, Ok(Answer::Entry(Some(entry))))
                if entry.lease == Some(lease) =>
            {
                let created = entry.created;
                self.io(context).ask(Request::Read, Asked::Image { lease, sent, created });
            }
            // A registry that was restored meanwhile has another leader, or none; and a head that was stopped meanwhile leads
            // no more.
            (Asked::Image { lease, sent, created }, Ok(Answer::Image(image)))
                if now < sent + GRANTING
                    && image.entries.get(&Key::Leader).and_then(|leader| leader.lease) == Some(lease) =>
            {
                self.take_over(context, *image, lease, sent, created);
            }
            (Asked::Leader | Asked::LeaderLease { .. }, _) => self.wait(context, PAUSE),
            (Asked::Confirm { lease, .. } | Asked::Image { lease, .. }, _) => {
                self.io(context).ask(Request::RevokeLease(lease), Asked::Nothing);
                self.wait(context, PAUSE);
            }
            (asked, reply) => {
                self.lead(context, |leader, io| leader.registry_answered(io, asked, reply));
            }
        }
    }

    fn take_over(&mut self, context: &mut Context, image: Image, lease: u64, sent: Time, created: u64) {
        let incarnation = match image.entries.get(&Key::Incarnation).map(|entry| &entry.value) {
            Some(Value::Number(number)) => *number,
            _ => 1,
        };
        let term = HeadTerm { incarnation, revision: created };
        let index = self.desk.index;
        let away = self.heads_were_away;
        context.note(|| format!("head {index} leads in term {term}, heads were away: {away}"));
        context.observer.leads(term);
        let mut io = Io { context, desk: &mut self.desk };
        let leader = Leader::new(&mut io, image, term, lease, sent, away);
        self.state = State::Leading(Box::new(leader));
        self.lead(context, |_, _| {});
    }

    pub(crate) fn watch_due(&mut self, context: &mut Context, registry: &crate::registry::Registry) {
        if context.network.is_blocked(Host::Registry, Host::Head(self.desk.index)) {
            let at = context.now + Duration::from_millis(500);
            return context.agenda.add(at, crate::agenda::Happening::WatchDue(self.desk.id));
        }
        self.lead(context, |leader, io| leader.leases_ended(io, registry));
    }

    pub(crate) fn tell_membership(&mut self, context: &mut Context, event: mobula_core::membership::Event) {
        self.lead(context, |leader, io| leader.tell_membership(io, event));
    }

    pub(crate) fn probed(&mut self, context: &mut Context, node: NodeId, answer: ProbeAnswer) {
        self.lead(context, |leader, io| leader.probed(io, node, answer));
    }

    pub(crate) fn received(&mut self, context: &mut Context, stream: StreamId, packet: Packet) {
        match packet {
            Packet::Join(request) => {
                let mut request = Some(request);
                let led = self.lead(context, |leader, io| {
                    if let Some(request) = request.take() {
                        leader.join(io, stream, *request);
                    }
                });
                if !led {
                    let mut io = self.io(context);
                    io.send(stream, Packet::Refused);
                    io.close(stream);
                }
            }
            Packet::Report(report) => {
                self.lead(context, |leader, io| leader.report(io, stream, report));
            }
            _ => {}
        }
    }

    pub(crate) fn stream_ended(&mut self, context: &mut Context, stream: StreamId) {
        self.lead(context, |leader, io| leader.link_ended(io, stream));
    }

    pub(crate) fn datagram(&mut self, context: &mut Context, datagram: Datagram) {
        match datagram {
            Datagram::Renew { by, number, lease } => {
                self.io(context).ask(Request::RenewLease(lease), Asked::Renewal { by, number });
            }
            Datagram::Ask { by, number, asker, request } => {
                let mut ask = Some(request);
                let led = self.lead(context, |leader, io| {
                    if let Some(request) = ask.take() {
                        leader.asked(io, (by, number), asker, request);
                    }
                });
                if !led {
                    let answer = Datagram::Answered { number, answer: Err(not_leader()) };
                    context.post(Host::Head(self.desk.index), by, answer);
                }
            }
            Datagram::Renewed { .. } | Datagram::Answered { .. } => {}
        }
    }
}

fn not_leader() -> Failure {
    Failure::new(FailureKind::Unavailable, "this head does not lead")
}
