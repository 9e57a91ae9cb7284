//! Who is a member of the cluster: names, generations, leases, proof of death, fencing, and the view of it all.
//!
//! What it promises, as long as the driver performs the effects in order and makes the writes durable before it says so:
//!
//! - A generation of a name is granted once. The next one is granted only after the earlier one's death was written and
//!   every other member has acknowledged it, or is dead itself.
//! - A node is declared dead when its lease has ended and another quarter of it has passed, when its death is proven, or
//!   when it leaves; never while its lease may last.
//! - Proof of death is: its stream to this head broke, its own address refuses, at least one other member (where there
//!   are any) was refused too, and no other member has an open session with it, all for `proof_time`; or a new process
//!   holds the lock on its data folder.
//! - A node that joins again before its death is being written keeps its generation and gets a new lease.
//! - How long a lease lasts changes only with a new lease, once the node has acknowledged it.
//! - Members are told of every change in order, by deltas without gaps.

mod death;
mod effect;
mod event;
mod lease;
mod member;
mod options;
mod publish;
mod register;
#[cfg(test)]
mod tests;

pub use effect::Effect;
pub use event::{Event, Inheritance, LinkKey, NodeWrite};
pub use options::MembershipOptions;

use member::{Member, Phase};
use mobula_types::view::NodeLoad;
use mobula_types::{
    ClusterView, Failure, FailureKind, Generation, HeadTerm, NodeId, NodeInfo, NodeName, NodeState, Time,
};
use register::Admission;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The membership of a cluster under one leadership.
#[derive(Clone, Debug)]
pub struct Membership {
    options: MembershipOptions,
    members: BTreeMap<NodeName, Member>,
    admissions: BTreeMap<NodeName, Admission>,
    links: BTreeMap<LinkKey, NodeName>,
    view: ClusterView,
    generation_floor: Generation,
    heads: usize,
    /// No lease is counted from before: nobody may have been there to renew it.
    count_from: Time,
    settled: bool,
    changed_loads: BTreeSet<NodeName>,
    next_load_push: Time,
}

impl Membership {
    /// The membership as a head of `term` begins to lead over what the registry holds.
    pub fn lead(
        now: Time,
        term: HeadTerm,
        options: MembershipOptions,
        inheritance: Inheritance,
        effects: &mut Vec<Effect>,
    ) -> Self {
        let mut view = ClusterView::default();
        view.version.term = term;
        let mut membership = Membership {
            options,
            members: BTreeMap::new(),
            admissions: BTreeMap::new(),
            links: BTreeMap::new(),
            view,
            generation_floor: inheritance.generation_floor,
            heads: inheritance.heads,
            count_from: if inheritance.heads_were_away { now } else { Time::ZERO },
            settled: false,
            changed_loads: BTreeSet::new(),
            next_load_push: Time::NEVER,
        };
        for (record, lease_lasts) in inheritance.nodes {
            membership.inherit(now, record, lease_lasts, inheritance.revision);
        }
        membership.resume_fencing(effects);
        membership.check_settled(effects);
        membership
    }

    fn inherit(&mut self, now: Time, record: mobula_types::NodeRecord, lease_lasts: bool, revision: u64) {
        let phase = match (record.state, record.fenced) {
            (NodeState::Dead, true) => Phase::Dead { since: now },
            (NodeState::Dead, false) => Phase::Fencing { missing: BTreeSet::new() },
            _ if lease_lasts => Phase::Alive,
            _ => Phase::LeaseOver { dead_at: self.dead_at(now, record.lease_length) },
        };
        let name = record.registration.name.clone();
        let mut member = Member::new(record, phase, revision);
        member.awaited = member.phase.is_living();
        self.view.version.revision = 1;
        self.view.nodes.insert(name.clone(), member.info.clone());
        self.members.insert(name, member);
    }

    /// Takes what happened; says what is to be done.
    pub fn on_event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Register { link, registration, previous, peers } => {
                self.register(now, Admission::new(link, registration, peers), previous, effects);
            }
            Event::Admitted { node, lease_id, revision } => {
                self.admitted(now, node, lease_id, revision, effects)
            }
            Event::NotAdmitted { node, failure } => self.not_admitted(&node, failure, effects),
            Event::LinkBroken { link } => self.link_broken(now, link, effects),
            Event::Leaving { link } => self.leaving(link, effects),
            Event::PeerSession { link, peer, open } => self.peer_session(link, peer, open),
            Event::Load { link, load } => self.load(now, link, load),
            Event::FenceAcknowledged { link, dead } => self.fence_acknowledged(link, &dead, effects),
            Event::DeathAnswer { link, about, answer } => {
                self.death_answer(now, link, &about, answer, effects)
            }
            Event::Probed { node, answer } => self.probed(now, &node, answer, effects),
            Event::LeaseEnded { name, revision } => self.lease_ended(now, &name, revision),
            Event::Written { node, write } => self.written(now, &node, write, effects),
            Event::Forgotten { node } => self.forgotten(&node, effects),
            Event::Drain { name } => self.drain(&name, effects),
            Event::HeadsSeen { heads } => {
                self.heads = heads;
                self.check_leases(now, effects);
            }
            Event::LeaseGranted { node, lease_id } => self.lease_granted(now, &node, lease_id, effects),
            Event::LeaseAcknowledged { link, lease_id } => self.lease_acknowledged(link, lease_id, effects),
            Event::LeaseSwitched { node, lease_id, revision } => {
                self.lease_switched(&node, lease_id, revision, effects);
            }
            Event::RegistryBack => self.registry_back(now),
            Event::Tick => self.tick(now, effects),
        }
    }

    /// When it wants the next [`Event::Tick`].
    pub fn next_deadline(&self) -> Time {
        let members = self.members.values().map(|member| self.member_deadline(member));
        members.fold(self.next_load_push, Time::min)
    }

    /// The nodes as members see them, those that died lately too.
    pub fn view(&self) -> &ClusterView {
        &self.view
    }

    /// The living nodes: what a newcomer is told.
    pub fn living(&self) -> ClusterView {
        let mut view = self.view.clone();
        view.nodes.retain(|_, node| node.state != NodeState::Dead);
        view
    }

    /// Whether every node that lived when this head began to lead has joined it, or is dead.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// The member at the end of a stream.
    pub fn node_of(&self, link: LinkKey) -> Option<NodeId> {
        self.member_of(link).map(Member::id)
    }

    /// The record of a name, living or dead.
    pub fn record(&self, name: &NodeName) -> Option<&mobula_types::NodeRecord> {
        self.members.get(name).map(|member| &member.record)
    }

    /// The floor of generations, which the record of the cluster keeps.
    pub fn generation_floor(&self) -> Generation {
        self.generation_floor
    }

    /// The node that is to drain.
    ///
    /// # Errors
    /// `NotFound` where no living node has the name.
    pub fn drainable(&self, name: &NodeName) -> Result<&Arc<NodeInfo>, Failure> {
        let member = self.members.get(name).filter(|member| member.phase.is_living());
        member.map(|member| &member.info).ok_or_else(|| {
            Failure::new(
                FailureKind::NotFound,
                format!("no living node is named {name}; `mobula list nodes` shows them"),
            )
        })
    }

    fn member_of(&self, link: LinkKey) -> Option<&Member> {
        let member = self.members.get(self.links.get(&link)?)?;
        (member.link == Some(link)).then_some(member)
    }

    fn member_of_mut(&mut self, link: LinkKey) -> Option<&mut Member> {
        let member = self.members.get_mut(self.links.get(&link)?)?;
        (member.link == Some(link)).then_some(member)
    }

    fn member_mut(&mut self, node: &NodeId) -> Option<&mut Member> {
        self.members.get_mut(&node.name).filter(|member| member.record.generation == node.generation)
    }

    fn peer_session(&mut self, link: LinkKey, peer: NodeId, open: bool) {
        let Some(member) = self.member_of_mut(link) else { return };
        if !open {
            member.peers.remove(&peer);
            return;
        }
        member.peers.insert(peer.clone());
        if let Some(proof) = self.member_mut(&peer).and_then(|member| member.proof.as_mut()) {
            proof.collapse();
        }
    }

    fn load(&mut self, now: Time, link: LinkKey, load: NodeLoad) {
        let Some(member) = self.member_of_mut(link).filter(|member| member.phase.is_living()) else { return };
        if member.set_load(load) {
            let name = member.record.registration.name.clone();
            self.changed_loads.insert(name);
            if self.next_load_push == Time::NEVER {
                self.next_load_push = now + self.options.load_interval;
            }
        }
    }

    fn drain(&mut self, name: &NodeName, effects: &mut Vec<Effect>) {
        if self.drain_after_admission(name) || self.drain_after_change(name) {
            return;
        }
        let Some(member) = self.members.get_mut(name).filter(|member| member.phase.is_living()) else {
            return;
        };
        let mut record = member.record.clone();
        record.state = NodeState::Draining;
        member.drain_written = true;
        effects.push(Effect::Write { record, write: NodeWrite::Drain });
    }

    fn drain_written(&mut self, node: &NodeId, effects: &mut Vec<Effect>) {
        let Some(member) = self.member_mut(node).filter(|member| member.phase.is_living()) else { return };
        member.drain_written = false;
        let mut record = member.record.clone();
        record.state = NodeState::Draining;
        member.set_record(record);
        let link = member.link;
        self.publish(vec![node.name.clone()], effects);
        effects.extend(link.map(|link| Effect::Drain { link }));
    }

    fn written(&mut self, now: Time, node: &NodeId, write: NodeWrite, effects: &mut Vec<Effect>) {
        match write {
            NodeWrite::Death => self.death_written(node, effects),
            NodeWrite::Fenced => self.fenced_written(now, node),
            NodeWrite::Drain => self.drain_written(node, effects),
        }
    }

    fn tick(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.push_loads(now, effects);
        let due = self.members.iter().filter(|(_, member)| self.member_deadline(member) <= now);
        let names: Vec<NodeName> = due.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.member_due(now, &name, effects);
        }
    }
}
