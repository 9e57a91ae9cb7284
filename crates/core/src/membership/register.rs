//! How nodes become members, for the first time or again.

use super::lease::LeaseChange;
use super::member::{Member, Phase};
use super::{Effect, LinkKey, Membership};
use mobula_types::{
    Failure, FailureKind, Generation, NodeId, NodeName, NodeRecord, NodeRegistration, NodeState, Time,
};
use std::time::Duration;

/// A registration whose write is not known to be durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Admission {
    link: LinkKey,
    link_broken: bool,
    registration: NodeRegistration,
    peers: Vec<NodeId>,
    record: Option<NodeRecord>,
    rejoined: bool,
    /// Somebody asked meanwhile that the node drains.
    drain: bool,
}

impl Admission {
    pub(super) fn new(link: LinkKey, registration: NodeRegistration, peers: Vec<NodeId>) -> Self {
        Admission {
            link,
            link_broken: false,
            registration,
            peers,
            record: None,
            rejoined: false,
            drain: false,
        }
    }
}

impl Membership {
    pub(super) fn register(
        &mut self,
        now: Time,
        admission: Admission,
        previous: Option<NodeId>,
        effects: &mut Vec<Effect>,
    ) {
        let (link, name) = (admission.link, admission.registration.name.clone());
        if self.admissions.contains_key(&name) {
            let failure = taken(&name, "another registration of that name is being written");
            effects.push(Effect::Refuse { link, failure });
            return;
        }
        let decision = match previous {
            Some(previous) => self.may_rejoin(&name, &previous),
            None => self.may_take(now, &name, admission.registration.data_folder, effects),
        };
        match decision {
            Ok(generation) => self.admit(admission, generation, effects),
            Err(failure) if failure.kind() == FailureKind::Fenced => {
                effects.push(Effect::Fenced { link, failure })
            }
            Err(failure) => effects.push(Effect::Refuse { link, failure }),
        }
    }

    /// Whether a node may keep its generation.
    fn may_rejoin(&mut self, name: &NodeName, previous: &NodeId) -> Result<Generation, Failure> {
        let fenced = |problem: &str| {
            let message =
                format!("{previous} {problem}; give up what it owned and register as a new generation");
            Err(Failure::new(FailureKind::Fenced, message).on_node(previous.clone()))
        };
        if previous.name != *name {
            let message = format!("node {name} says that it was {previous}, which has another name");
            return Err(Failure::new(FailureKind::InvalidArgument, message));
        }
        let Some(member) = self.members.get(name) else {
            // A registry that was restored from a backup: the generation must not be granted a second time.
            self.generation_floor = self.generation_floor.max(previous.generation);
            return fenced("is not known to this cluster's registry");
        };
        if member.record.generation < previous.generation {
            self.generation_floor = self.generation_floor.max(previous.generation);
            return fenced("is newer than anything in this cluster's registry");
        }
        if member.record.generation > previous.generation {
            return fenced("was replaced by a later generation");
        }
        if member.change.as_ref().is_some_and(LeaseChange::is_written) {
            let message = format!("another lease for {previous} is being written; try again");
            return Err(Failure::new(FailureKind::Unavailable, message).on_node(previous.clone()));
        }
        match member.phase {
            Phase::Alive | Phase::LeaseOver { .. } => Ok(previous.generation),
            // Should that fail, the next head knows it as living.
            Phase::Dying => {
                let message = format!("the death of {previous} is being written; try again");
                Err(Failure::new(FailureKind::Unavailable, message).on_node(previous.clone()))
            }
            _ => fenced("was declared dead"),
        }
    }

    /// Whether a new process may have the name, and which generation it becomes.
    fn may_take(
        &mut self,
        now: Time,
        name: &NodeName,
        data_folder: Option<u128>,
        effects: &mut Vec<Effect>,
    ) -> Result<Generation, Failure> {
        let next = |last: Generation| Generation(last.0.saturating_add(1));
        let Some(member) = self.members.get(name) else { return Ok(next(self.generation_floor)) };
        let earlier = member.id();
        match &member.phase {
            Phase::Dead { .. } => return Ok(next(member.record.generation.max(self.generation_floor))),
            Phase::Forgetting => {
                return Err(taken(name, "the record of the earlier generation is being deleted"));
            }
            Phase::Dying | Phase::Fencing { .. } | Phase::Closing => {
                return Err(taken(
                    name,
                    "the other nodes have yet to hear of the earlier generation's death",
                ));
            }
            Phase::Alive | Phase::LeaseOver { .. } => {}
        }
        // Only one process holds the lock on a data folder: the earlier one is gone.
        if data_folder.is_some() && data_folder == member.record.registration.data_folder {
            self.declare_dead(&earlier, true, effects);
            return Err(taken(name, "the earlier generation, whose data folder it holds, is being fenced"));
        }
        let until = match self.members.get(name).map(|member| &member.phase) {
            Some(Phase::LeaseOver { dead_at }) => format!("{:?} more", round(dead_at.since(now))),
            _ => format!("up to {:?} after its last renewal", member_wait(&self.members[name])),
        };
        Err(taken(name, &format!("{earlier} has the name and is not proven dead; it keeps it for {until}")))
    }

    fn admit(&mut self, mut admission: Admission, generation: Generation, effects: &mut Vec<Effect>) {
        let name = admission.registration.name.clone();
        let member = self.members.get(&name).filter(|member| member.record.generation == generation);
        let state = match member {
            // The drain that is being written is written before this record.
            Some(member) if member.drain_written => NodeState::Draining,
            Some(member) => member.record.state,
            None => NodeState::Alive,
        };
        let held = member.map_or(0, |member| member.record.lease);
        // The node does not know of another length before it has acknowledged it.
        let lease_length =
            member.map_or_else(|| self.options.lease(self.heads), |member| member.record.lease_length);
        admission.rejoined = member.is_some();
        let record = NodeRecord {
            generation,
            registration: admission.registration.clone(),
            state,
            fenced: false,
            silent: false,
            lease: 0,
            lease_length,
            written_millis: 0,
        };
        admission.record = Some(record.clone());
        self.admissions.insert(name, admission);
        effects.push(Effect::Admit { record, held });
    }

    pub(super) fn admitted(
        &mut self,
        now: Time,
        node: NodeId,
        lease_id: u64,
        revision: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(admission) = self.take_admission(&node) else { return };
        let Some(mut record) = admission.record else { return };
        record.lease = lease_id;
        self.abandon_change(&node, effects);
        let before = self.members.remove(&node.name);
        let before = before.filter(|member| member.record.generation == node.generation);
        let closed = before.as_ref().and_then(|member| member.link);
        let mut member = match before {
            Some(mut member) => {
                // A drain that was written meanwhile stays.
                record.state = member.record.state;
                member.set_record(record);
                member
            }
            None => Member::new(record, Phase::Alive, revision),
        };
        member.phase = Phase::Alive;
        member.granted_at = revision;
        member.proof = None;
        member.awaited = false;
        member.link = None;
        member.change = None;
        member.peers = admission.peers.into_iter().collect();
        let lease = member.record.lease_length;
        self.members.insert(node.name.clone(), member);
        if let Some(link) = closed {
            self.links.remove(&link);
            effects.push(Effect::Close { link });
        }
        self.publish(vec![node.name.clone()], effects);
        if admission.link_broken {
            self.joined_and_gone(now, &node, admission.rejoined, effects);
            return;
        }
        self.connect(&node, admission.link);
        let link = admission.link;
        effects.push(Effect::Grant {
            link,
            node: node.clone(),
            lease,
            lease_id,
            rejoined: admission.rejoined,
        });
        self.welcome(&node, link, effects);
        if admission.drain {
            self.drain(&node.name, effects);
        }
        self.check_lease(now, &node.name, effects);
        self.check_settled(effects);
    }

    fn connect(&mut self, node: &NodeId, link: LinkKey) {
        self.links.insert(link, node.name.clone());
        if let Some(member) = self.member_mut(node) {
            member.link = Some(link);
        }
    }

    /// The stream broke while the registration was written. A new generation was never told of it, and is dead.
    fn joined_and_gone(&mut self, now: Time, node: &NodeId, rejoined: bool, effects: &mut Vec<Effect>) {
        if rejoined {
            self.begin_proof(now, node, effects);
        } else {
            self.declare_dead(node, true, effects);
        }
        self.check_settled(effects);
    }

    /// What a member hears first: the view, the deaths that it has to acknowledge, and whether it drains.
    fn welcome(&mut self, node: &NodeId, link: LinkKey, effects: &mut Vec<Effect>) {
        effects.push(Effect::ViewTo { link, view: self.living().full_delta() });
        for member in self.members.values() {
            if let Phase::Fencing { missing } = &member.phase
                && missing.contains(node)
            {
                effects.push(Effect::Fence { link, dead: member.id() });
            }
        }
        if self.members.get(&node.name).is_some_and(|member| member.record.state == NodeState::Draining) {
            effects.push(Effect::Drain { link });
        }
    }

    pub(super) fn not_admitted(&mut self, node: &NodeId, failure: Failure, effects: &mut Vec<Effect>) {
        let Some(admission) = self.take_admission(node) else { return };
        if !admission.link_broken {
            effects.push(Effect::Refuse { link: admission.link, failure });
        }
        if admission.drain {
            self.drain(&node.name, effects);
        }
    }

    /// A stream that asked to join is gone. `false` where it is not one of those.
    pub(super) fn admission_broken(&mut self, link: LinkKey) -> bool {
        let mut admissions = self.admissions.values_mut();
        match admissions.find(|admission| admission.link == link) {
            Some(admission) => {
                admission.link_broken = true;
                true
            }
            None => false,
        }
    }

    /// Puts a drain off until the registration is written. `false` where none is.
    pub(super) fn drain_after_admission(&mut self, name: &NodeName) -> bool {
        self.admissions.get_mut(name).map(|admission| admission.drain = true).is_some()
    }

    fn take_admission(&mut self, node: &NodeId) -> Option<Admission> {
        let admission = self.admissions.get(&node.name)?;
        let generation = admission.record.as_ref().map(|record| record.generation);
        if generation == Some(node.generation) { self.admissions.remove(&node.name) } else { None }
    }

    /// Whether a registration of that node is being written: its death must wait for it.
    pub(super) fn is_admitting(&self, node: &NodeId) -> bool {
        self.admissions
            .get(&node.name)
            .and_then(|admission| admission.record.as_ref())
            .is_some_and(|record| record.generation == node.generation)
    }

    pub(super) fn check_settled(&mut self, effects: &mut Vec<Effect>) {
        if !self.settled && !self.members.values().any(|member| member.awaited) {
            self.settled = true;
            effects.push(Effect::Settled);
        }
    }
}

fn member_wait(member: &Member) -> Duration {
    round(member.record.lease_length * 5 / 4)
}

fn round(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs_f64().ceil() as u64)
}

fn taken(name: &NodeName, why: &str) -> Failure {
    Failure::new(
        FailureKind::NodeNameTaken,
        format!("node name {name} is taken: {why}; give this node another name, or wait: it is tried again"),
    )
}
