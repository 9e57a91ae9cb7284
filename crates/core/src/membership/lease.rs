//! Another length for the lease of a node that is a member: a new lease, in force once the node has acknowledged it.
//!
//! A node and its head must agree how long a lease lasts, whatever gets lost between them. So the head grants a second
//! lease, and the node renews both and counts by the one that ends first, and says so. Only then the key that shows that
//! the node lives is put under the new lease; and only when that is durable, the node forgets the old one.

use super::member::{Member, Phase};
use super::{Effect, LinkKey, Membership};
use mobula_types::{NodeId, NodeName, NodeState, Time};
use std::time::Duration;

/// A lease that is to replace another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LeaseChange {
    length: Duration,
    stage: Stage,
    /// Somebody asked that the node drains while the change was being written.
    drain: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The registry is asked for it.
    Asked,
    /// The node has yet to acknowledge it, and does so within its length or not at all.
    Offered { lease_id: u64, until: Time },
    /// It is being written.
    Written { lease_id: u64 },
}

impl LeaseChange {
    pub(super) fn is_written(&self) -> bool {
        matches!(self.stage, Stage::Written { .. })
    }

    /// The lease, where it was offered and not acknowledged in time.
    fn unanswered(&self, now: Time) -> Option<u64> {
        match self.stage {
            Stage::Offered { lease_id, until } if until <= now => Some(lease_id),
            _ => None,
        }
    }
}

impl Membership {
    /// Begins to change the leases of the nodes that should have another one.
    pub(super) fn check_leases(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let names: Vec<NodeName> = self.members.keys().cloned().collect();
        for name in names {
            self.check_lease(now, &name, effects);
        }
    }

    pub(super) fn check_lease(&mut self, now: Time, name: &NodeName, effects: &mut Vec<Effect>) {
        let length = self.options.lease(self.heads);
        let is_admitting = self.admissions.contains_key(name);
        let Some(member) = self.members.get_mut(name).filter(|member| member.phase == Phase::Alive) else {
            return;
        };
        if let Some(lease) = member.change.as_ref().and_then(|change| change.unanswered(now)) {
            // The node may renew it all the same, and counts by it until the registry knows it no more.
            member.change = None;
            effects.push(Effect::Revoke { lease });
        }
        if is_admitting
            || member.link.is_none()
            || member.change.is_some()
            || member.record.lease_length == length
        {
            return;
        }
        member.change = Some(LeaseChange { length, stage: Stage::Asked, drain: false });
        effects.push(Effect::GrantLease { node: member.id(), length });
    }

    /// The registry has granted the new lease, or not.
    pub(super) fn lease_granted(
        &mut self,
        now: Time,
        node: &NodeId,
        lease_id: Option<u64>,
        effects: &mut Vec<Effect>,
    ) {
        let asked = |member: &&mut Member| {
            member.change.as_ref().is_some_and(|change| change.stage == Stage::Asked)
                && member.phase == Phase::Alive
        };
        let member = self.member_mut(node).filter(asked);
        let Some(lease_id) = lease_id else {
            // It is tried again when heads are counted the next time.
            return member.into_iter().for_each(|member| member.change = None);
        };
        let offered = member.and_then(|member| Some((member.link?, member.change.as_mut()?)));
        match offered {
            Some((link, change)) => {
                change.stage = Stage::Offered { lease_id, until: now + change.length };
                effects.push(Effect::OfferLease { link, lease_id, length: change.length });
            }
            None => effects.push(Effect::Revoke { lease: lease_id }),
        }
    }

    /// The node renews the new lease, and counts by the one that ends first.
    pub(super) fn lease_acknowledged(&mut self, link: LinkKey, lease_id: u64, effects: &mut Vec<Effect>) {
        let is_admitting = self.node_of(link).is_some_and(|node| self.is_admitting(&node));
        let Some(member) = self.member_of_mut(link).filter(|member| member.phase.is_living()) else { return };
        // What is being written of a node that joins again has a lease of its own.
        let Some(change) = member.change.as_mut().filter(|_| !is_admitting) else { return };
        if !matches!(change.stage, Stage::Offered { lease_id: offered, .. } if offered == lease_id) {
            return;
        }
        change.stage = Stage::Written { lease_id };
        let mut record = member.record.clone();
        record.lease = lease_id;
        record.lease_length = change.length;
        if member.drain_written {
            // The drain that is being written is written before this record.
            record.state = NodeState::Draining;
        }
        effects.push(Effect::SwitchLease { record });
    }

    /// The new lease is the one that counts; or it could not be written, with no revision.
    pub(super) fn lease_switched(
        &mut self,
        node: &NodeId,
        lease_id: u64,
        revision: Option<u64>,
        effects: &mut Vec<Effect>,
    ) {
        let written = |member: &&mut Member| {
            member.change.as_ref().is_some_and(|change| change.stage == Stage::Written { lease_id })
        };
        let is_living = self.member_mut(node).filter(written).map(|member| member.phase.is_living());
        let (Some(revision), Some(true), Some(member)) = (revision, is_living, self.member_mut(node)) else {
            // Another lease may have been offered meanwhile, which this one does not concern.
            let drains = is_living.is_some() && self.end_change(node);
            effects.push(Effect::Revoke { lease: lease_id });
            return if drains {
                self.drain(&node.name, effects)
            };
        };
        let length = member.change.as_ref().map_or(member.record.lease_length, |change| change.length);
        let replaced = std::mem::replace(&mut member.record.lease, lease_id);
        member.record.lease_length = length;
        member.granted_at = revision;
        // The old lease may have ended meanwhile, while the new one lasts.
        member.phase = Phase::Alive;
        effects.extend(member.link.map(|link| Effect::LeaseInForce { link, lease_id }));
        effects.push(Effect::Revoke { lease: replaced });
        if self.end_change(node) {
            self.drain(&node.name, effects);
        }
    }

    /// Ends a change; says whether the node is to drain now.
    fn end_change(&mut self, node: &NodeId) -> bool {
        let change = self.member_mut(node).and_then(|member| member.change.take());
        change.is_some_and(|change| change.drain)
    }

    /// The node cannot acknowledge any more, or has joined anew. What it has acknowledged is written all the same.
    pub(super) fn abandon_change(&mut self, node: &NodeId, effects: &mut Vec<Effect>) {
        let Some(member) = self.member_mut(node) else { return };
        match member.change.as_ref().map(|change| change.stage) {
            Some(Stage::Offered { lease_id, .. }) => {
                member.change = None;
                effects.push(Effect::Revoke { lease: lease_id });
            }
            Some(Stage::Asked) => member.change = None,
            Some(Stage::Written { .. }) | None => {}
        }
    }

    /// Puts a drain off until the change is written, which would undo it. `false` where none is.
    pub(super) fn drain_after_change(&mut self, name: &NodeName) -> bool {
        let change = self.members.get_mut(name).and_then(|member| member.change.as_mut());
        change.filter(|change| change.is_written()).map(|change| change.drain = true).is_some()
    }
}
