//! Sessions with other nodes.

use super::{Node, slot_of};
use crate::context::Context;
use crate::message::{NodeReport, Packet, PeerFrame};
use crate::network::{StreamId, StreamKind};
use crate::process::Host;
use mobula_core::tasks::Place;
use mobula_core::{calls, hosting};
use mobula_types::actor::CallEnd;
use mobula_types::{Generation, NodeId, NodeName, ViewDelta};
use std::collections::{BTreeMap, BTreeSet};

/// The sessions. They are opened when there is something to say.
#[derive(Default, Debug)]
pub(super) struct Peers {
    /// In the order in which they were opened: the first one is in use.
    open: BTreeMap<NodeId, Vec<StreamId>>,
    connecting: BTreeMap<NodeId, (StreamId, Vec<PeerFrame>)>,
    /// The latest dead generation of each name: nothing is accepted from it, nor from those before it.
    fenced: BTreeMap<NodeName, Generation>,
    unreachable: BTreeSet<NodeId>,
}

impl Peers {
    pub(super) fn open_with(&self) -> Vec<NodeId> {
        self.open.keys().cloned().collect()
    }

    pub(super) fn is_open(&self, node: &NodeId) -> bool {
        self.open.contains_key(node)
    }

    fn is_fenced(&self, node: &NodeId) -> bool {
        self.fenced.get(&node.name).is_some_and(|dead| node.generation <= *dead)
    }

    fn in_use(&self, node: &NodeId) -> Option<StreamId> {
        self.open.get(node)?.first().copied()
    }

    fn of_stream(&self, stream: StreamId) -> Option<NodeId> {
        self.open.iter().find(|(_, streams)| streams.contains(&stream)).map(|(node, _)| node.clone())
    }
}

impl Node {
    pub(super) fn send_to_peer(&mut self, context: &mut Context, node: &NodeId, frame: PeerFrame) {
        if let Some(stream) = self.peers.in_use(node) {
            return self.send(context, stream, Packet::Peer(frame));
        }
        if let Some((_, waiting)) = self.peers.connecting.get_mut(node) {
            return waiting.push(frame);
        }
        if self.peers.is_fenced(node) {
            return;
        }
        if self.view.node(node).is_none() {
            self.drop_unsent(context, node, vec![frame]);
            self.peers.unreachable.insert(node.clone());
            return;
        }
        let stream = context.open_stream(StreamKind::Session, self.id, Host::Node(slot_of(node)));
        self.say_hello(context, stream);
        self.peers.connecting.insert(node.clone(), (stream, vec![frame]));
    }

    fn say_hello(&mut self, context: &mut Context, stream: StreamId) {
        if let Some(machines) = &self.machines {
            let hello = PeerFrame::Hello(machines.node.clone());
            self.send(context, stream, Packet::Peer(hello));
        }
    }

    pub(super) fn peer_says(&mut self, context: &mut Context, stream: StreamId, frame: PeerFrame) {
        if let PeerFrame::Hello(node) = frame {
            return self.hello(context, stream, node);
        }
        let Some(node) = self.peers.of_stream(stream) else { return };
        let from = Place::Peer(node.clone());
        match frame {
            PeerFrame::OpenLane { lane, caller, actor, job } => {
                self.tell_host(context, hosting::Event::LaneOpened { from, lane, caller, actor, job });
            }
            PeerFrame::Call(call) => self.called(context, from, call),
            PeerFrame::Ended { lane, sequence, end, window } => {
                self.tell_router(context, calls::Event::Ended { place: from, lane, sequence, end, window });
            }
            PeerFrame::Cancel { lane, sequence, failure } => {
                self.tell_host(context, hosting::Event::Cancelled { from, lane, sequence, failure });
            }
            PeerFrame::CloseLane(lane) => self.tell_host(context, hosting::Event::LaneClosed { from, lane }),
            PeerFrame::FindJob { job, term } => self.taken_over(context, job, term),
            PeerFrame::Hello(_) => {}
        }
    }

    fn hello(&mut self, context: &mut Context, stream: StreamId, node: NodeId) {
        let expected = self.peers.connecting.iter().find(|(_, (own, _))| *own == stream);
        let expected = expected.map(|(node, _)| node.clone());
        if self.machines.is_none() || self.peers.is_fenced(&node) {
            context.close(stream, self.id);
            return expected.into_iter().for_each(|node| self.connect_failed(context, node));
        }
        match expected {
            Some(expected) if expected != node => {
                // Another generation is there by now.
                context.close(stream, self.id);
                return self.connect_failed(context, expected);
            }
            Some(_) => {}
            None => self.say_hello(context, stream),
        }
        let sessions = self.peers.open.entry(node.clone()).or_default();
        sessions.push(stream);
        self.report(context, NodeReport::PeerSession { peer: node.clone(), open: true });
        let Some(in_use) = self.peers.in_use(&node) else { return };
        // Over the one that is there now, whoever opened it: what is said from now on is not to overtake it.
        let waiting = match self.peers.connecting.get_mut(&node) {
            Some((own, waiting)) => {
                let (own, waiting) = (*own, std::mem::take(waiting));
                if own == stream {
                    self.peers.connecting.remove(&node);
                }
                waiting
            }
            None => Vec::new(),
        };
        for frame in waiting {
            self.send(context, in_use, Packet::Peer(frame));
        }
    }

    fn connect_failed(&mut self, context: &mut Context, node: NodeId) {
        let waiting = self.peers.connecting.remove(&node).map(|(_, waiting)| waiting).unwrap_or_default();
        if self.peers.is_open(&node) {
            return;
        }
        self.drop_unsent(context, &node, waiting);
        self.peer_unreachable(context, node);
    }

    fn drop_unsent(&mut self, context: &mut Context, node: &NodeId, dropped: Vec<PeerFrame>) {
        for frame in dropped {
            if let PeerFrame::Call(call) = frame {
                let (place, end) = (Place::Peer(node.clone()), CallEnd::NotStarted { reason: None });
                let (lane, sequence) = (call.lane, call.sequence);
                self.tell_router(context, calls::Event::Ended { place, lane, sequence, end, window: 1 });
            }
        }
    }

    fn peer_unreachable(&mut self, context: &mut Context, node: NodeId) {
        self.tell_host(context, hosting::Event::PeerLost { node: node.clone() });
        self.tell_router(context, calls::Event::PeerUnreachable { node });
    }

    /// Gives up the nodes to which there was no way, and says whether there were any.
    pub(super) fn give_up_unreachable(&mut self, context: &mut Context) -> bool {
        let nodes = std::mem::take(&mut self.peers.unreachable);
        let were_any = !nodes.is_empty();
        nodes.into_iter().for_each(|node| self.peer_unreachable(context, node));
        were_any
    }

    pub(super) fn peer_ended(&mut self, context: &mut Context, stream: StreamId) {
        let connecting = self.peers.connecting.iter().find(|(_, (own, _))| *own == stream);
        if let Some(node) = connecting.map(|(node, _)| node.clone()) {
            return self.connect_failed(context, node);
        }
        let Some(node) = self.peers.of_stream(stream) else { return };
        let Some(streams) = self.peers.open.get_mut(&node) else { return };
        streams.retain(|other| *other != stream);
        if streams.is_empty() {
            self.peers.open.remove(&node);
            self.report(context, NodeReport::PeerSession { peer: node.clone(), open: false });
            self.peer_unreachable(context, node);
        }
    }

    /// From now on nothing is accepted from that generation, nor from those before it.
    pub(super) fn cut_off(&mut self, context: &mut Context, node: NodeId) {
        let dead = self.peers.fenced.entry(node.name.clone()).or_default();
        *dead = node.generation.max(*dead);
        let known: Vec<NodeId> =
            self.peers.open.keys().filter(|known| self.peers.is_fenced(known)).cloned().collect();
        for known in known {
            for stream in self.peers.open.remove(&known).unwrap_or_default() {
                context.close(stream, self.id);
            }
        }
        let connecting = self.peers.connecting.iter();
        let connecting = connecting.filter(|(known, _)| self.peers.is_fenced(known));
        for (known, stream) in
            connecting.map(|(known, (stream, _))| (known.clone(), *stream)).collect::<Vec<_>>()
        {
            self.peers.connecting.remove(&known);
            context.close(stream, self.id);
        }
        self.tell_host(context, hosting::Event::PeerLost { node: node.clone() });
        self.tell_router(context, calls::Event::NodeLost { node });
    }

    pub(super) fn view_changed(&mut self, context: &mut Context, delta: &ViewDelta) {
        if !self.view.apply(delta) {
            return;
        }
        // A view that shows a later generation of a node is word enough of the end of those before it.
        let nodes: Vec<NodeId> = self.view.nodes.values().map(|info| info.id.clone()).collect();
        for node in nodes {
            let known = self.peers.open.keys().chain(self.peers.connecting.keys());
            let before = known.filter(|known| known.name == node.name && known.generation < node.generation);
            for earlier in before.cloned().collect::<Vec<_>>() {
                self.cut_off(context, earlier);
            }
            let dead = self.peers.fenced.entry(node.name.clone()).or_default();
            *dead = Generation(node.generation.0.saturating_sub(1)).max(*dead);
        }
    }
}
