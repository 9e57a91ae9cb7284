//! Sessions with other nodes.

use super::doubts::{Doubt, Doubts};
use super::session::{Party, SessionState};
use super::{Input, Shard};
use mobula_core::tasks::{self, EngineOptions, Place, SessionKey};
use mobula_core::{calls, executor, hosting};
use mobula_rpc::session::{SentTemplates, Session, weight};
use mobula_runtime::{TaskHandle, spawn};
use mobula_types::actor::{CallEnd, LaneId};
use mobula_types::frame::AssignmentEnd;
use mobula_types::{Attempt, Failure, Frame, Generation, NodeId, NodeName, TaskId};
use std::collections::{BTreeMap, BTreeSet};

/// Frames that wait for a session to be opened, beyond which the node counts as unreachable.
const MOST_WAITING: usize = 100_000;

/// Names of which the latest dead generation is known.
const MOST_FENCED: usize = 100_000;

/// Which session serves which node. Sessions are opened when there is something to say.
#[derive(Debug)]
pub(crate) struct Peers {
    /// The sessions with each node in the order in which they were opened: the first one is in use. Nothing orders what goes
    /// over different ones, so that none is left for another one while it lives.
    open: BTreeMap<NodeId, Vec<SessionKey>>,
    connecting: BTreeMap<NodeId, Connecting>,
    /// The latest dead generation of each name: nothing is accepted from it, nor from those before it.
    fenced: BTreeMap<NodeName, Generation>,
    /// What nodes may not have heard.
    doubts: Doubts,
    /// Nodes to which there was no way for an effect of this turn.
    unreachable: BTreeSet<NodeId>,
    /// Bytes that wait for a session to be opened, beyond which the node counts as unreachable.
    pub(super) most_waiting_bytes: u64,
}

#[derive(Debug)]
struct Connecting {
    waiting: Vec<PeerFrame>,
    bytes: u64,
    _task: TaskHandle<()>,
}

/// What pushes the frames of an assignment or a call.
type PushFrames = Box<dyn FnOnce(&mut SentTemplates, &mut Vec<Frame>)>;

/// What waits for a session.
enum PeerFrame {
    Plain(Frame),
    /// Template numbers are only known once there is a session.
    Templated {
        unsent: Unsent,
        push: PushFrames,
    },
}

/// What somebody waits for the end of, and hears of where it never leaves the node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unsent {
    /// An assignment.
    Assignment { task: TaskId, attempt: Attempt },
    /// A call of an actor.
    Call { lane: LaneId, sequence: u64 },
}

impl PeerFrame {
    fn push(self, sent: &mut SentTemplates, outgoing: &mut Vec<Frame>) {
        match self {
            PeerFrame::Plain(frame) => outgoing.push(frame),
            PeerFrame::Templated { push, .. } => push(sent, outgoing),
        }
    }
}

impl std::fmt::Debug for PeerFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PeerFrame::Plain(frame) => frame.fmt(f),
            PeerFrame::Templated { unsent, .. } => unsent.fmt(f),
        }
    }
}

/// What the end of a session with another node leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    /// It was none of the open ones any more.
    Unchanged,
    /// There are others: the node is still reached, but what was under way may be lost.
    Others,
    /// It was the last one.
    None,
}

impl Peers {
    /// Nobody is known yet.
    pub(crate) fn new(options: &EngineOptions) -> Self {
        // All that the engine may have under way fits, and one more of its largest values beside it.
        let assignments = options.heavy_under_way.max(options.most_inline);
        Peers {
            open: BTreeMap::new(),
            connecting: BTreeMap::new(),
            fenced: BTreeMap::new(),
            doubts: Doubts::default(),
            unreachable: BTreeSet::new(),
            most_waiting_bytes: assignments.saturating_add(options.most_inline),
        }
    }

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

    /// `true` for the first session with that node. Two nodes may open sessions with each other at once: either serves, and
    /// each node goes on with the one that it had first.
    pub(crate) fn opened(&mut self, node: NodeId, session: SessionKey) -> bool {
        let sessions = self.open.entry(node).or_default();
        sessions.push(session);
        sessions.len() == 1
    }

    /// A session is over.
    pub(crate) fn closed(&mut self, node: &NodeId, session: SessionKey) -> Left {
        let Some(sessions) = self.open.get_mut(node) else { return Left::Unchanged };
        let before = sessions.len();
        sessions.retain(|other| *other != session);
        if sessions.is_empty() {
            self.open.remove(node);
            Left::None
        } else if sessions.len() < before {
            Left::Others
        } else {
            Left::Unchanged
        }
    }

    fn in_use(&self, node: &NodeId) -> Option<SessionKey> {
        self.open.get(node)?.first().copied()
    }

    /// Whether there is a session with that node, or one is being opened.
    pub(super) fn is_reached(&self, node: &NodeId) -> bool {
        self.open.contains_key(node) || self.connecting.contains_key(node)
    }
}

impl Shard {
    pub(super) fn send_to_peer(&mut self, node: &NodeId, frame: Frame) {
        match self.peers.in_use(node) {
            Some(session) => {
                self.note_doubtful(session, &frame);
                self.sessions.send(session, frame);
            }
            None => self.await_peer(node, weight(&frame), PeerFrame::Plain(frame)),
        }
    }

    /// Sends what needs a template, and weighs about so many bytes.
    pub(super) fn send_templated(
        &mut self,
        node: &NodeId,
        weight: u64,
        unsent: Unsent,
        push: impl FnOnce(&mut SentTemplates, &mut Vec<Frame>) + 'static,
    ) {
        match self.peers.in_use(node) {
            Some(session) => self.sessions.send_with(session, push),
            None => {
                let push = Box::new(push);
                self.await_peer(node, weight, PeerFrame::Templated { unsent, push });
            }
        }
    }

    /// Whether so much waits for a node that what may be lost is, or there is no way to it.
    pub(super) fn is_behind(&mut self, node: &NodeId) -> bool {
        match (self.peers.in_use(node), self.peers.connecting.get(node)) {
            (Some(session), _) => self.sessions.is_behind(session),
            (None, Some(connecting)) => connecting.bytes > super::session::MOST_BEHIND / 4,
            (None, None) => self.view.node(node).is_none(),
        }
    }

    /// Keeps a frame until there is a session.
    fn await_peer(&mut self, node: &NodeId, weight: u64, frame: PeerFrame) {
        if let Some(connecting) = self.peers.connecting.get_mut(node) {
            connecting.waiting.push(frame);
            connecting.bytes += weight;
            if connecting.waiting.len() > MOST_WAITING || connecting.bytes > self.peers.most_waiting_bytes {
                self.peers.unreachable.insert(node.clone());
            }
        } else if !self.peers.is_fenced(node) {
            self.connect_peer(node, weight, frame);
        }
    }

    fn connect_peer(&mut self, node: &NodeId, bytes: u64, first: PeerFrame) {
        let Some(info) = self.view.node(node) else {
            // Not in the view: lost, or not yet known. The view that says which follows.
            self.drop_unsent(node, [first]);
            self.peers.unreachable.insert(node.clone());
            return;
        };
        let (address, node) = (info.address.clone(), node.clone());
        let (transfer, inbox) = (self.parts.transfer.clone(), self.parts.inbox.clone());
        let target = node.clone();
        let task = spawn("connect to a node", async move {
            let session = transfer.open_session(&address).await;
            let _shard_ended = inbox.send(Input::PeerConnected { node: target, session }).await;
        });
        self.peers.connecting.insert(node, Connecting { waiting: vec![first], bytes, _task: task });
    }

    pub(super) fn on_peer_connected(&mut self, node: NodeId, session: Result<Session, Failure>) {
        let session = match session {
            Ok(session) if !self.peers.is_fenced(&node) => session,
            Ok(_fenced) => {
                self.peers.connecting.remove(&node);
                return;
            }
            Err(failure) if self.peers.in_use(&node).is_some() => {
                tracing::debug!(%node, %failure, "a node that has opened a session itself cannot be reached");
                self.peers.connecting.remove(&node);
                return;
            }
            Err(failure) => {
                tracing::warn!(%node, %failure, "another node cannot be reached");
                self.peer_unreachable(node);
                return;
            }
        };
        self.add_peer(node.clone(), session);
        self.peers.connecting.remove(&node);
    }

    /// A session with another node is there. The first one is in use from now on; one that was opened beside it changes
    /// nothing.
    pub(super) fn add_peer(&mut self, node: NodeId, session: Session) {
        let key = self.add_session(Party::Peer { node: node.clone() }, session);
        let is_first = self.peers.opened(node.clone(), key);
        self.parts.head.peer_session(node.clone(), true);
        self.settle_doubts(&node);
        if is_first {
            self.send_waiting(&node, key);
        }
    }

    /// Sends what waits for a session with the node over the one that is there now, whoever opened it: what is said from now
    /// on is not to overtake it. A session that is still being opened is left to it, as the node may have it already.
    fn send_waiting(&mut self, node: &NodeId, session: SessionKey) {
        let Some(connecting) = self.peers.connecting.get_mut(node) else { return };
        connecting.bytes = 0;
        for frame in std::mem::take(&mut connecting.waiting) {
            self.sessions.send_with(session, |sent, outgoing| frame.push(sent, outgoing));
        }
    }

    /// There is no way to the node, and what waited for one is dropped.
    pub(super) fn peer_unreachable(&mut self, node: NodeId) {
        if let Some(connecting) = self.peers.connecting.remove(&node) {
            self.drop_unsent(&node, connecting.waiting);
        }
        self.tell_host(hosting::Event::PeerLost { node: node.clone() });
        self.tell_router(calls::Event::PeerUnreachable { node: node.clone() });
        self.tell_tasks(tasks::Event::PeerUnreachable { node });
    }

    /// Gives up the nodes to which there was no way for effects of this turn, and says whether there were any. Only here, as
    /// the engine takes for sent what it has asked for and nobody has performed yet.
    pub(super) fn give_up_unreachable(&mut self) -> bool {
        let nodes = std::mem::take(&mut self.peers.unreachable);
        let were_any = !nodes.is_empty();
        nodes.into_iter().for_each(|node| self.peer_unreachable(node));
        were_any
    }

    /// A session with another node has expired: what was in flight on it is lost to it, which says nothing of its life.
    pub(super) fn on_peer_ended(&mut self, node: NodeId, session: SessionKey, doubt: Doubt) {
        self.peers.doubts.add(&node, doubt);
        match self.peers.closed(&node, session) {
            Left::Unchanged => {}
            // Over the one that is in use now, and only once the end of the other one is known: what that one has delivered
            // came before its end.
            Left::Others => {
                self.settle_doubts(&node);
                self.tell_tasks(tasks::Event::PeerDoubtful { node });
            }
            Left::None => {
                self.parts.head.peer_session(node.clone(), false);
                self.tell_executor(executor::Event::OwnerLost { node: node.clone() });
                self.tell_host(hosting::Event::PeerLost { node: node.clone() });
                self.tell_router(calls::Event::PeerUnreachable { node: node.clone() });
                self.tell_tasks(tasks::Event::PeerUnreachable { node });
            }
        }
    }

    /// Nothing of this has left the node: assignments have not begun anywhere, and go back as not taken, for which other
    /// nodes are tried and which costs them nothing.
    fn drop_unsent(&mut self, node: &NodeId, dropped: impl IntoIterator<Item = PeerFrame>) {
        for frame in dropped {
            match frame {
                PeerFrame::Plain(frame) => self.peers.doubts.note(node, &frame),
                PeerFrame::Templated { unsent: Unsent::Call { lane, sequence }, .. } => {
                    let (place, end) = (Place::Peer(node.clone()), CallEnd::NotStarted { reason: None });
                    self.tell_router(calls::Event::Ended { place, lane, sequence, end, window: 1 });
                }
                PeerFrame::Templated { unsent: Unsent::Assignment { task, attempt }, .. } => {
                    let (place, end) = (Place::Peer(node.clone()), AssignmentEnd::NoRoom { queued: 0 });
                    self.tell_tasks(tasks::Event::Ended { place, task, attempt, end });
                }
            }
        }
    }

    /// A frame that is sent while the session's stream is broken arrives only where the session is resumed.
    fn note_doubtful(&mut self, session: SessionKey, frame: &Frame) {
        if let Some(state) = self.sessions.get_mut(session).filter(|state| state.detached) {
            state.doubt.note(frame);
        }
    }

    /// The session's stream is there again, and everything sent over it arrives.
    pub(super) fn on_peer_attached(&mut self, node: &NodeId, session: SessionKey) {
        if let Some(state) = self.sessions.get_mut(session) {
            state.doubt = Doubt::default();
        }
        self.settle_doubts(node);
    }

    /// Says again what may not have arrived, but for what has come to be needed since.
    fn settle_doubts(&mut self, node: &NodeId) {
        let Some(session) = self.peers.in_use(node) else { return };
        if self.sessions.get_mut(session).is_none_or(|state| state.detached) {
            return;
        }
        let Some(mut doubt) = self.peers.doubts.take(node) else { return };
        let tasks = &self.tasks;
        doubt.unborrowed.retain(|object| tasks.object(*object).is_none());
        let holds = |object| tasks.stored_copy(object).is_some_and(|(_, copy)| copy.holders.contains(node));
        doubt.freed.retain(|object| !holds(*object));
        for frame in doubt.into_frames() {
            self.sessions.send(session, frame);
        }
    }

    /// Looks for a way to the nodes that may have missed something.
    pub(super) fn reach_doubtful(&mut self) {
        let view = self.view.clone();
        self.peers.doubts.retain(|node| view.node(node).is_some());
        let alive =
            |node: &&NodeId| view.node(node).is_some_and(|info| info.state == mobula_types::NodeState::Alive);
        let unreached = self.peers.doubts.nodes().filter(|node| !self.peers.is_reached(node));
        let unreached: Vec<NodeId> = unreached.filter(alive).cloned().collect();
        for node in unreached {
            // Whatever is said opens a session, and a new session settles the doubts.
            self.await_peer(&node, 0, PeerFrame::Plain(Frame::Free { objects: Vec::new() }));
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
        self.copies.owner_lost(node.clone(), self.now);
        self.tell_executor(executor::Event::OwnerLost { node: node.clone() });
        self.tell_host(hosting::Event::PeerLost { node: node.clone() });
        self.tell_router(calls::Event::NodeLost { node: node.clone() });
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
        let sees_view = matches!(party, Party::Client { .. });
        self.sessions.insert(move |key| SessionState {
            party,
            sender,
            outgoing: Vec::new(),
            received: Default::default(),
            sent: Default::default(),
            sees_view,
            left: false,
            detached: false,
            doubt: Doubt::default(),
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

    fn peers() -> Peers {
        Peers::new(&EngineOptions::new(NodeId::new("own", 1)))
    }

    #[test]
    fn a_fence_gives_every_session_with_the_dead() {
        let mut peers = peers();
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
    fn the_oldest_session_is_in_use_and_the_end_of_one_of_several_cuts_nothing_off() {
        let mut peers = peers();
        peers.opened(node(1), SessionKey(10));
        peers.opened(node(1), SessionKey(11));
        assert_eq!(peers.in_use(&node(1)), Some(SessionKey(10)));
        assert_eq!(peers.closed(&node(1), SessionKey(10)), Left::Others);
        assert_eq!(peers.in_use(&node(1)), Some(SessionKey(11)));
        assert_eq!(peers.closed(&node(1), SessionKey(10)), Left::Unchanged, "it is gone already");
        peers.opened(node(1), SessionKey(12));
        assert_eq!(peers.closed(&node(1), SessionKey(12)), Left::Others);
        assert_eq!(peers.in_use(&node(1)), Some(SessionKey(11)));
        assert_eq!(peers.closed(&node(1), SessionKey(11)), Left::None);
        assert_eq!(peers.in_use(&node(1)), None);
    }

    #[test]
    fn all_that_the_engine_has_under_way_may_wait() {
        let mut options = EngineOptions::new(NodeId::new("own", 1));
        let most = Peers::new(&options).most_waiting_bytes;
        assert!(most > options.heavy_under_way && most > options.most_inline);
        options.most_inline = 2 * options.heavy_under_way;
        assert!(Peers::new(&options).most_waiting_bytes > options.most_inline);
    }
}
