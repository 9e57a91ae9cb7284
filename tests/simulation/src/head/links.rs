//! Nodes' streams.

use super::Io;
use super::leader::{Leader, Over};
use crate::message::{HeadMessage, HeadOrder, JoinRequest, NodeReport, Packet};
use crate::mutation::Mutation;
use crate::network::StreamId;
use mobula_core::membership::{self, LinkKey};
use mobula_core::supervision;
use mobula_types::{Failure, NodeId};
use std::time::Duration;

/// A node's stream.
#[derive(Debug)]
pub(super) struct Link {
    stream: StreamId,
    /// The member at its end; `None` until it is granted.
    node: Option<NodeId>,
}

impl Leader {
    pub(super) fn join(&mut self, io: &mut Io<'_>, stream: StreamId, request: JoinRequest) {
        let (seen, own) = (request.seen_term, self.term);
        if seen > own && !io.context.mutated(Mutation::Term) {
            self.over = Some(Over::LaterIncarnation(seen.incarnation));
            io.send(stream, Packet::Refused);
            return io.close(stream);
        }
        self.last_link += 1;
        let link = LinkKey(self.last_link);
        self.links.insert(link, Link { stream, node: None });
        self.links_by_stream.insert(stream, link);
        let JoinRequest { registration, previous, peers, .. } = request;
        self.tell_membership(io, membership::Event::Register { link, registration, previous, peers });
    }

    /// The node at the end of a stream is a member.
    pub(super) fn granted(
        &mut self,
        io: &mut Io<'_>,
        key: LinkKey,
        node: NodeId,
        lease: Duration,
        lease_id: u64,
    ) {
        if !self.may_grant(io.now()) {
            return self.refuse(io, key);
        }
        let Some(link) = self.links.get_mut(&key) else { return };
        link.node = Some(node.clone());
        self.links_by_node.insert(node.clone(), key);
        io.context.note(|| format!("{node} has joined"));
        self.tell(io, key, HeadOrder::Granted { node: node.clone(), lease, lease_id });
        self.tell_actors(io, supervision::Event::NodeJoined { node });
    }

    pub(super) fn refuse(&mut self, io: &mut Io<'_>, key: LinkKey) {
        if let Some(link) = self.remove_link(key) {
            io.send(link.stream, Packet::Refused);
            io.close(link.stream);
        }
    }

    /// Tells a node that it is dead, and closes its stream.
    pub(super) fn fenced(&mut self, io: &mut Io<'_>, key: LinkKey, failure: Failure) {
        self.tell(io, key, HeadOrder::Fenced(failure));
        self.drop_link(io, key);
    }

    pub(super) fn drop_link(&mut self, io: &mut Io<'_>, key: LinkKey) {
        if let Some(link) = self.remove_link(key) {
            io.close(link.stream);
        }
    }

    /// Forgets a link. A node that has no other is told nothing any more.
    fn remove_link(&mut self, key: LinkKey) -> Option<Link> {
        let link = self.links.remove(&key)?;
        self.links_by_stream.remove(&link.stream);
        if let Some(node) = &link.node
            && self.links_by_node.get(node) == Some(&key)
        {
            self.links_by_node.remove(node);
            self.parted.push(node.clone());
        }
        Some(link)
    }

    pub(super) fn tell(&mut self, io: &mut Io<'_>, key: LinkKey, order: HeadOrder) {
        let Some(link) = self.links.get(&key) else { return };
        io.send(link.stream, Packet::Head(HeadMessage { term: self.term, order }));
    }

    pub(super) fn broadcast(&mut self, io: &mut Io<'_>, order: &HeadOrder) {
        let links: Vec<LinkKey> =
            self.links.iter().filter(|(_, link)| link.node.is_some()).map(|(key, _)| *key).collect();
        for link in links {
            self.tell(io, link, order.clone());
        }
    }

    pub(super) fn link_ended(&mut self, io: &mut Io<'_>, stream: StreamId) {
        let Some(link) = self.links_by_stream.get(&stream).copied() else { return };
        self.remove_link(link);
        self.tell_membership(io, membership::Event::LinkBroken { link });
    }

    pub(super) fn close_all(&mut self, io: &mut Io<'_>) {
        let keys: Vec<LinkKey> = self.links.keys().copied().collect();
        for key in keys {
            self.drop_link(io, key);
        }
    }

    pub(super) fn report(&mut self, io: &mut Io<'_>, stream: StreamId, report: NodeReport) {
        let Some(link) = self.links_by_stream.get(&stream).copied() else { return };
        let Some(node) = self.membership.node_of(link) else { return };
        let event = match report {
            NodeReport::PeerSession { peer, open } => membership::Event::PeerSession { link, peer, open },
            NodeReport::FenceAcknowledged(dead) => membership::Event::FenceAcknowledged { link, dead },
            NodeReport::DeathAnswer { about, answer } => {
                membership::Event::DeathAnswer { link, about, answer }
            }
            NodeReport::LeaseAcknowledged(lease_id) => {
                membership::Event::LeaseAcknowledged { link, lease_id }
            }
            NodeReport::Leave => membership::Event::Leaving { link },
            NodeReport::Actors(report) => return self.actor_report(io, node, report),
        };
        self.tell_membership(io, event);
    }
}
