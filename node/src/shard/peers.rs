//! Sessions with other nodes.

use super::session::{Party, SessionState};
use super::{Input, Shard};
use mobula_core::executor;
use mobula_core::tasks::{self, SessionKey};
use mobula_rpc::session::{SentTemplates, Session};
use mobula_runtime::{TaskHandle, spawn};
use mobula_types::{Failure, Frame, Generation, NodeId, NodeName};
use std::collections::BTreeMap;

/// Frames that wait for a session to be opened, beyond which the node counts as unreachable.
const MOST_WAITING: usize = 100_000;

/// Names of which the latest dead generation is known.
const MOST_FENCED: usize = 100_000;

/// Which session serves which node. Sessions are opened when there is something to say.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// The sessions with each node, the one in use first.
    open: BTreeMap<NodeId, Vec<SessionKey>>,
    connecting: BTreeMap<NodeId, Connecting>,
    /// The latest dead generation of each name: nothing is accepted from it, nor from those before it.
    fenced: BTreeMap<NodeName, Generation>,
}

#[derive(Debug)]
struct Connecting {
    waiting: Vec<PeerFrame>,
    _task: TaskHandle<()>,
}

type PushFrames = Box<dyn FnOnce(&mut SentTemplates, &mut Vec<Frame>)>;

/// A frame whose template numbers are only known once there is a session.
struct PeerFrame(PushFrames);

impl std::fmt::Debug for PeerFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PeerFrame")
    }
}

impl Peers {
    pub(crate) fn is_fenced(&self, node: &NodeId) -> bool {
        self.fenced.get(&node.name).is_some_and(|dead| node.generation <= *dead)
    }

    /// Declares a generation dead, and those before it; gives every session with them.
    pub(crate) fn fence(&mut self, node: &NodeId) -> Vec<SessionKey> {
        if self.fenced.len() >= MOST_FENCED && !self.fenced.contains_key(&node.name) {
            self.fenced.pop_first();
        }
        let dead = self.fenced.entry(node.name.clone()).or_default();
        *dead = node.generation.max(*dead);
        let generations = NodeId { generation: Generation(0), ..node.clone() }..=node.clone();
        let known: Vec<NodeId> =
            self.open.range(generations.clone()).map(|(known, _)| known.clone()).collect();
        let sessions = known.iter().filter_map(|known| self.open.remove(known)).flatten().collect();
        self.connecting.retain(|known, _| !generations.contains(known));
        sessions
    }

    /// The generations before this one that have sessions, or that one is being opened with.
    fn before(&self, node: &NodeId) -> Vec<NodeId> {
        let is_before = |known: &&NodeId| known.name == node.name && known.generation < node.generation;
        self.open.keys().chain(self.connecting.keys()).filter(is_before).cloned().collect()
    }

    /// `true` for the first session with that node, which is the one in use. Two nodes may open sessions with each other
    /// at once; either serves.
    pub(crate) fn opened(&mut self, node: NodeId, session: SessionKey) -> bool {
        let sessions = self.open.entry(node).or_default();
        sessions.push(session);
        sessions.len() == 1
    }

    /// A session is over; `true` where it was in use. Another one with that node is in use from now on.
    pub(crate) fn closed(&mut self, node: &NodeId, session: SessionKey) -> bool {
        let Some(sessions) = self.open.get_mut(node) else { return false };
        let was_in_use = sessions.first() == Some(&session);
        sessions.retain(|other| *other != session);
        if sessions.is_empty() {
            self.open.remove(node);
        }
        was_in_use
    }

    fn in_use(&self, node: &NodeId) -> Option<SessionKey> {
        self.open.get(node)?.first().copied()
    }
}

impl Shard {
    pub(super) fn send_to_peer(&mut self, node: &NodeId, frame: Frame) {
        self.send_to_peer_with(node, move |_, outgoing| outgoing.push(frame));
    }

    pub(super) fn send_to_peer_with(
        &mut self,
        node: &NodeId,
        push: impl FnOnce(&mut SentTemplates, &mut Vec<Frame>) + 'static,
    ) {
        if let Some(session) = self.peers.in_use(node) {
            self.sessions.send_with(session, push);
        } else if let Some(connecting) = self.peers.connecting.get_mut(node) {
            if connecting.waiting.len() < MOST_WAITING {
                connecting.waiting.push(PeerFrame(Box::new(push)));
            } else {
                self.peer_unreachable(node.clone());
            }
        } else if !self.peers.is_fenced(node) {
            self.connect_peer(node, PeerFrame(Box::new(push)));
        }
    }

    fn connect_peer(&mut self, node: &NodeId, first: PeerFrame) {
        let Some(info) = self.view.node(node) else {
            // Not in the view: lost, or not yet known. The view that says which follows.
            self.peer_unreachable(node.clone());
            return;
        };
        let (address, node) = (info.address.clone(), node.clone());
        let (transfer, inbox) = (self.parts.transfer.clone(), self.parts.inbox.clone());
        let target = node.clone();
        let task = spawn("connect to a node", async move {
            let session = transfer.open_session(&address).await;
            let _shard_ended = inbox.send(Input::PeerConnected { node: target, session }).await;
        });
        self.peers.connecting.insert(node, Connecting { waiting: vec![first], _task: task });
    }

    pub(super) fn on_peer_connected(&mut self, node: NodeId, session: Result<Session, Failure>) {
        let waiting =
            self.peers.connecting.remove(&node).map(|connecting| connecting.waiting).unwrap_or_default();
        let session = match session {
            Ok(session) if !self.peers.is_fenced(&node) => session,
            Ok(_fenced) => return,
            Err(failure) => {
                tracing::warn!(%node, %failure, "another node cannot be reached");
                self.peer_unreachable(node);
                return;
            }
        };
        let key = self.add_session(Party::Peer { node: node.clone() }, session);
        self.peers.opened(node.clone(), key);
        self.parts.head.peer_session(node, true);
        for PeerFrame(push) in waiting {
            self.sessions.send_with(key, push);
        }
    }

    pub(super) fn peer_unreachable(&mut self, node: NodeId) {
        self.peers.connecting.remove(&node);
        self.tell_tasks(tasks::Event::PeerUnreachable { node });
    }

    /// A session with another node has expired: what was in flight on it is lost to it, which says nothing of its life.
    pub(super) fn on_peer_ended(&mut self, node: NodeId, session: SessionKey) {
        if self.peers.closed(&node, session) {
            self.parts.head.peer_session(node.clone(), self.peers.in_use(&node).is_some());
            self.tell_executor(executor::Event::OwnerLost { node: node.clone() });
            self.tell_tasks(tasks::Event::PeerUnreachable { node });
        }
    }

    /// The head has declared a generation dead.
    pub(super) fn on_fence(&mut self, node: NodeId) {
        self.cut_off(node.clone());
        self.parts.head.fence_acknowledged(node);
    }

    /// From now on nothing is accepted from that generation: every session with it is dropped, and with it what it has
    /// sent and nobody has read yet.
    fn cut_off(&mut self, node: NodeId) {
        for session in self.peers.fence(&node) {
            self.drop_session(session);
        }
        self.parts.store.node_lost(&node);
        self.tell_executor(executor::Event::OwnerLost { node: node.clone() });
        self.tell_tasks(tasks::Event::NodeLost { node });
    }

    /// A view that shows a later generation of a node is word enough of the end of those before it.
    pub(super) fn cut_off_earlier_generations(&mut self) {
        let view = self.view.clone();
        for node in view.nodes.values() {
            for earlier in self.peers.before(&node.id) {
                self.cut_off(earlier);
            }
            if node.id.generation.0 > 0 {
                let generation = Generation(node.id.generation.0 - 1);
                let none_left = self.peers.fence(&NodeId { generation, ..node.id.clone() });
                debug_assert!(none_left.is_empty());
            }
        }
    }

    pub(super) fn add_session(&mut self, party: Party, session: Session) -> SessionKey {
        let inbox = self.parts.inbox.clone();
        let sender = session.sender.clone();
        self.sessions.insert(move |key| SessionState {
            party,
            sender,
            outgoing: Vec::new(),
            received: Default::default(),
            sent: Default::default(),
            left: false,
            _reader: super::sessions_open::read(key, session, inbox),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(generation: u64) -> NodeId {
        NodeId::new("other", generation)
    }

    #[test]
    fn a_fence_gives_every_session_with_the_dead() {
        let mut peers = Peers::default();
        assert!(peers.opened(node(1), SessionKey(10)));
        assert!(peers.opened(node(2), SessionKey(20)));
        assert!(!peers.opened(node(2), SessionKey(21)));
        assert!(peers.opened(node(3), SessionKey(30)));
        assert!(peers.opened(NodeId::new("others", 1), SessionKey(40)));
        assert_eq!(peers.fence(&node(2)), [SessionKey(10), SessionKey(20), SessionKey(21)]);
        assert!(peers.is_fenced(&node(1)) && peers.is_fenced(&node(2)));
        assert!(!peers.is_fenced(&node(3)) && !peers.is_fenced(&NodeId::new("others", 1)));
        assert_eq!(peers.in_use(&node(3)), Some(SessionKey(30)));
        // Word of an earlier death that comes late takes nothing back.
        assert_eq!(peers.fence(&node(1)), []);
        assert!(peers.is_fenced(&node(2)));
    }

    #[test]
    fn another_session_takes_the_place_of_one_that_ends() {
        let mut peers = Peers::default();
        peers.opened(node(1), SessionKey(10));
        peers.opened(node(1), SessionKey(11));
        assert!(peers.closed(&node(1), SessionKey(10)));
        assert_eq!(peers.in_use(&node(1)), Some(SessionKey(11)));
        assert!(!peers.closed(&node(1), SessionKey(10)), "it is gone already");
        assert!(peers.closed(&node(1), SessionKey(11)));
        assert_eq!(peers.in_use(&node(1)), None);
    }
}
