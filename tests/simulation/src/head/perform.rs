//! What the membership wants done.

use super::leader::{Leader, Purpose};
use super::{Asked, Io};
use crate::message::{HeadOrder, RegistryReply};
use crate::registry::{Answer, Key, Operation, Request, Value};
use mobula_core::membership::{Effect, Event, NodeWrite};
use mobula_core::supervision;
use mobula_types::{Failure, FailureKind, NodeId, NodeRecord, ViewDelta};
use std::sync::Arc;

impl Leader {
    pub(super) fn perform_all(&mut self, io: &mut Io<'_>, effects: Vec<Effect>) {
        for effect in effects {
            let index = io.desk.index;
            io.context.note(|| format!("head {index} > {effect:?}"));
            self.perform(io, effect);
        }
    }

    fn perform(&mut self, io: &mut Io<'_>, effect: Effect) {
        match effect {
            Effect::Admit { record, held: 0 } => self.grant_lease(io, Box::new(record)),
            Effect::Admit { mut record, held } => {
                record.lease = held;
                io.ask(Request::RenewLease(held), Asked::HeldLease { record: Box::new(record) });
            }
            Effect::Grant { link, node, lease, lease_id, rejoined: _ } => {
                self.granted(io, link, node, lease, lease_id);
            }
            Effect::GrantLease { node, length } => {
                io.ask(Request::GrantLease(length), Asked::OtherLease { node });
            }
            Effect::OfferLease { link, lease_id, length } => {
                if self.may_grant(io.now()) {
                    self.tell(io, link, HeadOrder::LeaseOffered { lease_id, length });
                }
            }
            Effect::SwitchLease { record } => {
                let (node, lease) = (record.id(), record.lease);
                self.write(under_lease(record, lease), true, Purpose::Lease { node, lease });
            }
            Effect::LeaseInForce { link, lease_id } => self.tell(io, link, HeadOrder::LeaseInForce(lease_id)),
            Effect::Refuse { link, failure: _ } => self.refuse(io, link),
            Effect::Fenced { link, failure } => self.fenced(io, link, failure),
            Effect::Close { link } => self.drop_link(io, link),
            Effect::View(delta) => self.broadcast_view(io, &delta),
            Effect::ViewTo { link, view } => self.tell(io, link, HeadOrder::View(view)),
            Effect::Fence { link, dead } => self.tell(io, link, HeadOrder::Fence(dead)),
            Effect::Drain { link } => self.tell(io, link, HeadOrder::Drain),
            Effect::Probe { node, address: _ } => self.probe(io, node),
            Effect::ConfirmDeath { link, node, address: _ } => {
                self.tell(io, link, HeadOrder::ConfirmDeath(node));
            }
            Effect::Write { record, write } => self.write_node(io, record, write),
            Effect::Forget { node } => self.forget(node),
            Effect::Revoke { lease } => io.ask(Request::RevokeLease(lease), Asked::Nothing),
            Effect::NodeLost { node } => self.node_lost(io, node),
            Effect::Settled => {}
        }
    }

    fn broadcast_view(&mut self, io: &mut Io<'_>, delta: &ViewDelta) {
        let view = Arc::new(self.membership.view().clone());
        self.tell_actors(io, supervision::Event::View(view));
        self.broadcast(io, &HeadOrder::View(delta.clone()));
    }

    fn node_lost(&mut self, io: &mut Io<'_>, node: NodeId) {
        self.tell_actors(io, supervision::Event::NodeLost { node });
    }

    fn write_node(&mut self, io: &mut Io<'_>, mut record: NodeRecord, write: NodeWrite) {
        record.written_millis = io.wall_millis();
        let node = record.id();
        let key = Key::Node(node.name.clone());
        let put = Operation::Put { key, value: Value::Node(record), lease: None };
        self.write(vec![put], false, Purpose::Node { node, write });
    }

    fn forget(&mut self, node: NodeId) {
        self.floor = self.floor.max(node.generation).max(self.membership.generation_floor());
        let put = Operation::Put { key: Key::Floor, value: Value::Number(self.floor.0), lease: None };
        let operations = vec![put, Operation::Delete(Key::Node(node.name.clone()))];
        self.write(operations, false, Purpose::Forget { node });
    }

    pub(super) fn grant_lease(&mut self, io: &mut Io<'_>, record: Box<NodeRecord>) {
        io.ask(Request::GrantLease(record.lease_length), Asked::Admission { record });
    }

    pub(super) fn lease_granted(&mut self, io: &mut Io<'_>, mut record: NodeRecord, reply: RegistryReply) {
        match reply {
            Ok(Answer::Lease(lease)) => {
                record.lease = lease;
                self.admit(record, true);
            }
            _ => self.no_lease(io, &record),
        }
    }

    pub(super) fn lease_renewed(&mut self, io: &mut Io<'_>, record: NodeRecord, reply: RegistryReply) {
        match reply {
            Ok(_) => self.admit(record, false),
            Err(_) => self.no_lease(io, &record),
        }
    }

    fn no_lease(&mut self, io: &mut Io<'_>, record: &NodeRecord) {
        let failure = Failure::new(FailureKind::Unavailable, "the registry granted no lease");
        self.tell_membership(io, Event::NotAdmitted { node: record.id(), failure });
    }

    /// A node's record and the key that shows that it lives become durable together.
    fn admit(&mut self, record: NodeRecord, is_new: bool) {
        let (node, lease) = (record.id(), record.lease);
        self.write(under_lease(record, lease), true, Purpose::Admit { node, lease, is_new });
    }
}

fn under_lease(record: NodeRecord, lease: u64) -> Vec<Operation> {
    let name = record.registration.name.clone();
    let alive = Operation::Put {
        key: Key::Alive(name.clone()),
        value: Value::Alive(record.generation),
        lease: Some(lease),
    };
    vec![Operation::Put { key: Key::Node(name), value: Value::Node(record), lease: None }, alive]
}
