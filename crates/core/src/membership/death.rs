//! How nodes die: the end of a lease, proof, leaving; and how everybody hears of it.

use super::member::{Member, Phase, Proof};
use super::{Effect, LinkKey, Membership, NodeWrite};
use mobula_types::{Failure, FailureKind, NodeId, NodeName, NodeState, ProbeAnswer, Time};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a lost node is probed often.
const EAGER: Duration = Duration::from_secs(5);
const PATIENT: u32 = 8;

impl Membership {
    /// When a node is dead whose lease is found to have ended now.
    pub(super) fn dead_at(&self, now: Time, lease: Duration) -> Time {
        (now + lease / 4).max(if self.count_from == Time::ZERO {
            now
        } else {
            self.count_from + lease * 5 / 4
        })
    }

    pub(super) fn lease_ended(&mut self, now: Time, name: &NodeName, revision: u64) {
        let Some(member) = self.members.get(name) else { return };
        if member.phase != Phase::Alive || revision <= member.granted_at {
            return;
        }
        let dead_at = self.dead_at(now, member.record.lease_length);
        if let Some(member) = self.members.get_mut(name) {
            member.phase = Phase::LeaseOver { dead_at };
        }
    }

    /// Leases that ended while nobody could renew them count from now.
    pub(super) fn registry_back(&mut self, now: Time) {
        self.count_from = now;
        for member in self.members.values_mut() {
            if let Phase::LeaseOver { dead_at } = &mut member.phase {
                *dead_at = (*dead_at).max(now + member.record.lease_length * 5 / 4);
            }
        }
    }

    pub(super) fn link_broken(&mut self, now: Time, link: LinkKey, effects: &mut Vec<Effect>) {
        if self.admission_broken(link) {
            return;
        }
        let node = self.node_of(link);
        self.links.remove(&link);
        let Some(node) = node else { return };
        if let Some(member) = self.member_mut(&node) {
            member.link = None;
            member.peers.clear();
        }
        self.abandon_change(&node, effects);
        self.begin_proof(now, &node, effects);
    }

    pub(super) fn leaving(&mut self, link: LinkKey, effects: &mut Vec<Effect>) {
        let Some(member) = self.member_of_mut(link) else { return };
        member.leaving = true;
        let node = member.id();
        self.declare_dead(&node, true, effects);
    }

    pub(super) fn begin_proof(&mut self, now: Time, node: &NodeId, effects: &mut Vec<Effect>) {
        if !self.options.fast_death {
            return;
        }
        let Some(member) = self.member_mut(node).filter(|member| member.phase.is_living()) else { return };
        member.proof = Some(Proof::new(now));
        self.probe_round(now, node, effects);
    }

    /// Asks the node's own address, and the others what they see.
    fn probe_round(&mut self, now: Time, node: &NodeId, effects: &mut Vec<Effect>) {
        let interval = self.options.probe_interval;
        let Some(member) = self.member_mut(node) else { return };
        let address = member.record.registration.own_address.clone();
        let Some(proof) = &mut member.proof else { return };
        let eager = now.since(proof.broken) < EAGER;
        proof.next = now + if eager { interval } else { interval * PATIENT };
        let ask_others = !proof.confirmed;
        effects.push(Effect::Probe { node: node.clone(), address: address.clone() });
        if ask_others {
            let links = self.others(node).filter_map(|member| member.link);
            effects.extend(links.map(|link| {
                let (node, address) = (node.clone(), address.clone());
                Effect::ConfirmDeath { link, node, address }
            }));
        }
    }

    fn others<'a>(&'a self, node: &'a NodeId) -> impl Iterator<Item = &'a Member> + 'a {
        self.members
            .values()
            .filter(move |member| member.phase.is_living() && member.record.registration.name != node.name)
    }

    pub(super) fn probed(
        &mut self,
        now: Time,
        node: &NodeId,
        answer: ProbeAnswer,
        effects: &mut Vec<Effect>,
    ) {
        let Some(proof) = self.member_mut(node).and_then(|member| member.proof.as_mut()) else { return };
        proof.probed(now, answer);
        self.check_proof(now, node, effects);
    }

    pub(super) fn death_answer(
        &mut self,
        now: Time,
        link: LinkKey,
        about: &NodeId,
        answer: ProbeAnswer,
        effects: &mut Vec<Effect>,
    ) {
        if self.member_of(link).is_none() {
            return;
        }
        let Some(proof) = self.member_mut(about).and_then(|member| member.proof.as_mut()) else { return };
        proof.answered(answer);
        self.check_proof(now, about, effects);
    }

    fn check_proof(&mut self, now: Time, node: &NodeId, effects: &mut Vec<Effect>) {
        let proof_time = self.options.proof_time;
        let Some(member) = self.members.get(&node.name).filter(|member| member.phase.is_living()) else {
            return;
        };
        let Some(proof) = &member.proof else { return };
        let refused = proof.refused_since.is_some_and(|since| now.since(since) >= proof_time);
        let confirmed = proof.confirmed || self.others(node).next().is_none();
        let seen = self.others(node).any(|other| other.peers.contains(node));
        if refused && confirmed && !seen {
            self.declare_dead(node, true, effects);
        }
    }

    /// Whether a node is dead because its lease ran out, with no proof that its process is gone.
    pub fn is_silent(&self, node: &NodeId) -> bool {
        self.members.get(&node.name).is_some_and(|member| member.id() == *node && member.record.silent)
    }

    /// Writes the node's death, which is then fenced. What is being written of it comes first. `proven` where its process is
    /// known to be gone, or never to have been told that it is a member.
    pub(super) fn declare_dead(&mut self, node: &NodeId, proven: bool, effects: &mut Vec<Effect>) {
        if self.is_admitting(node) {
            return;
        }
        let Some(member) = self.member_mut(node).filter(|member| member.phase.is_living()) else { return };
        member.phase = Phase::Dying;
        member.proof = None;
        member.record.silent = !proven;
        let mut record = member.record.clone();
        record.state = NodeState::Dead;
        effects.push(Effect::Write { record, write: NodeWrite::Death });
    }

    pub(super) fn death_written(&mut self, node: &NodeId, effects: &mut Vec<Effect>) {
        let Some(member) = self.member_mut(node).filter(|member| member.phase == Phase::Dying) else {
            return;
        };
        let mut record = member.record.clone();
        let lease = std::mem::take(&mut record.lease);
        record.state = NodeState::Dead;
        member.set_record(record);
        member.phase = Phase::Fencing { missing: BTreeSet::new() };
        member.awaited = false;
        let (link, leaving) = (member.link.take(), member.leaving);
        if lease != 0 {
            effects.push(Effect::Revoke { lease });
        }
        if let Some(link) = link {
            self.links.remove(&link);
            effects.push(if leaving {
                Effect::Close { link }
            } else {
                Effect::Fenced { link, failure: declared(node) }
            });
        }
        effects.push(Effect::NodeLost { node: node.clone() });
        self.publish(vec![node.name.clone()], effects);
        self.start_fencing(node, effects);
        self.no_longer_missing(node, effects);
        self.check_settled(effects);
    }

    /// Everybody who lives has to acknowledge; those who are away do so when they join again, or are dead before.
    fn start_fencing(&mut self, node: &NodeId, effects: &mut Vec<Effect>) {
        let missing: BTreeSet<NodeId> = self.others(node).map(Member::id).collect();
        for member in self.others(node) {
            effects.extend(member.link.map(|link| Effect::Fence { link, dead: node.clone() }));
        }
        if let Some(member) = self.member_mut(node) {
            member.phase = Phase::Fencing { missing };
        }
        self.check_fenced(node, effects);
    }

    /// A new head takes up the fencing of nodes whose death an earlier one wrote.
    pub(super) fn resume_fencing(&mut self, effects: &mut Vec<Effect>) {
        let unfenced = self.members.values().filter(|member| matches!(member.phase, Phase::Fencing { .. }));
        let unfenced: Vec<NodeId> = unfenced.map(Member::id).collect();
        for node in unfenced {
            self.start_fencing(&node, effects);
        }
    }

    pub(super) fn fence_acknowledged(&mut self, link: LinkKey, dead: &NodeId, effects: &mut Vec<Effect>) {
        let Some(by) = self.node_of(link) else { return };
        if let Some(member) = self.member_of_mut(link) {
            member.peers.remove(dead);
        }
        if let Some(Phase::Fencing { missing }) = self.member_mut(dead).map(|member| &mut member.phase) {
            missing.remove(&by);
            self.check_fenced(dead, effects);
        }
    }

    /// The dead acknowledge nothing, and need not.
    fn no_longer_missing(&mut self, node: &NodeId, effects: &mut Vec<Effect>) {
        let mut waiting = Vec::new();
        for member in self.members.values_mut() {
            if let Phase::Fencing { missing } = &mut member.phase
                && missing.remove(node)
            {
                waiting.push(member.record.id());
            }
        }
        for dead in waiting {
            self.check_fenced(&dead, effects);
        }
    }

    fn check_fenced(&mut self, dead: &NodeId, effects: &mut Vec<Effect>) {
        let Some(member) = self.member_mut(dead) else { return };
        let Phase::Fencing { missing } = &member.phase else { return };
        if !missing.is_empty() {
            return;
        }
        member.phase = Phase::Closing;
        let mut record = member.record.clone();
        record.fenced = true;
        effects.push(Effect::Write { record, write: NodeWrite::Fenced });
    }

    pub(super) fn fenced_written(&mut self, now: Time, node: &NodeId) {
        let Some(member) = self.member_mut(node).filter(|member| member.phase == Phase::Closing) else {
            return;
        };
        member.record.fenced = true;
        member.phase = Phase::Dead { since: now };
    }

    pub(super) fn forgotten(&mut self, node: &NodeId, effects: &mut Vec<Effect>) {
        if self.member_mut(node).is_none_or(|member| member.phase != Phase::Forgetting) {
            return;
        }
        self.members.remove(&node.name);
        self.generation_floor = self.generation_floor.max(node.generation);
        self.publish(vec![node.name.clone()], effects);
    }

    pub(super) fn member_deadline(&self, member: &Member) -> Time {
        if self.admissions.contains_key(&member.record.registration.name) {
            return Time::NEVER;
        }
        match &member.phase {
            Phase::LeaseOver { dead_at } => {
                let probe = member.proof.as_ref().map_or(Time::NEVER, |proof| proof.next);
                (*dead_at).min(probe)
            }
            Phase::Alive => member.proof.as_ref().map_or(Time::NEVER, |proof| proof.next),
            Phase::Dead { since } => *since + self.options.forget_after,
            Phase::Dying | Phase::Fencing { .. } | Phase::Closing | Phase::Forgetting => Time::NEVER,
        }
    }

    pub(super) fn member_due(&mut self, now: Time, name: &NodeName, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(name) else { return };
        let node = member.id();
        match &member.phase {
            Phase::LeaseOver { dead_at } if *dead_at <= now => self.declare_dead(&node, false, effects),
            Phase::Alive | Phase::LeaseOver { .. } => self.probe_round(now, &node, effects),
            Phase::Dead { .. } => {
                member.phase = Phase::Forgetting;
                effects.push(Effect::Forget { node });
            }
            _ => {}
        }
    }
}

fn declared(node: &NodeId) -> Failure {
    let message = format!("{node} was declared dead; give up what it owned and register as a new generation");
    Failure::new(FailureKind::Fenced, message).on_node(node.clone())
}
