//! Sessions with other nodes.

use super::session::{Party, SessionState};
use super::templates::SentTemplates;
use super::{Input, Shard};
use mobula_core::executor;
use mobula_core::tasks::{self, SessionKey};
use mobula_rpc::session::Session;
use mobula_runtime::{TaskHandle, spawn};
use mobula_types::outcome::StoredCopy;
use mobula_types::{Attempt, Failure, Frame, JobId, NodeId, ObjectId, OwnerTerm, StoredValue, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Frames that wait for a session to be opened, beyond which the node counts as unreachable.
const MOST_WAITING: usize = 100_000;

/// Which session serves which node. Sessions are opened when there is something to say.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    open: BTreeMap<NodeId, SessionKey>,
    connecting: BTreeMap<NodeId, Connecting>,
    /// Generations that are dead: nothing is accepted from them.
    fenced: BTreeSet<NodeId>,
}

#[derive(Debug)]
struct Connecting {
    waiting: Vec<PeerFrame>,
    _task: TaskHandle<()>,
}

/// Copies in a store, and attempts that run.
type Survivors = (Vec<(ObjectId, StoredValue)>, Vec<(TaskId, Attempt)>);

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
        self.fenced.contains(node)
    }

    pub(crate) fn fence(&mut self, node: NodeId) -> Option<SessionKey> {
        let session = self.open.remove(&node);
        self.connecting.remove(&node);
        self.fenced.insert(node);
        session
    }

    pub(crate) fn opened(&mut self, node: NodeId, session: SessionKey) -> bool {
        // Two nodes may open sessions with each other at once. Either serves; the first one known stays in use.
        let first = !self.open.contains_key(&node);
        if first {
            self.open.insert(node, session);
        }
        first
    }

    pub(crate) fn closed(&mut self, node: &NodeId, session: SessionKey) -> bool {
        let in_use = self.open.get(node) == Some(&session);
        if in_use {
            self.open.remove(node);
        }
        in_use
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
        if let Some(session) = self.peers.open.get(node) {
            self.sessions.send_with(*session, push);
        } else if let Some(connecting) = self.peers.connecting.get_mut(node) {
            if connecting.waiting.len() < MOST_WAITING {
                connecting.waiting.push(PeerFrame(Box::new(push)));
            } else {
                self.peer_unreachable(node.clone());
            }
        } else if !self.peers.fenced.contains(node) {
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
            self.parts.head.peer_session(node.clone(), false);
            self.tell_executor(executor::Event::OwnerLost { node: node.clone() });
            self.tell_tasks(tasks::Event::PeerUnreachable { node });
        }
    }

    /// The head has declared a generation dead.
    pub(super) fn on_fence(&mut self, node: NodeId) {
        if let Some(session) = self.peers.fence(node.clone()) {
            self.drop_session(session);
        }
        self.tell_executor(executor::Event::OwnerLost { node: node.clone() });
        self.tell_tasks(tasks::Event::NodeLost { node: node.clone() });
        self.parts.head.fence_acknowledged(node);
    }

    /// A new owner looks for what survives of a job here.
    pub(super) fn on_find_job(
        &mut self,
        session: SessionKey,
        node: &NodeId,
        job: JobId,
        owner_term: OwnerTerm,
    ) {
        let (copies, running) = self.survivors(job);
        tracing::info!(%job, %node, owner_term = owner_term.0, "a new owner looks for a job");
        let owner = executor::Owner::Peer(node.clone());
        self.tell_executor(executor::Event::Adopted { job, owner });
        self.tell_tasks(tasks::Event::TakenOver { job, owner: node.clone() });
        self.sessions.send(session, Frame::FoundJob { job, copies, running });
    }

    /// What this node still has of a job: copies in its store and attempts that run.
    pub(super) fn survivors(&self, job: JobId) -> Survivors {
        let stored = self.parts.store.objects_of(job).into_iter();
        let copies = stored.map(|(object, length, checksum)| {
            let copy = StoredCopy { length, checksum, holders: vec![self.parts.node.clone()] };
            (object, StoredValue::Stored(Arc::new(copy)))
        });
        (copies.collect(), self.executor.running_of(job))
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
            _reader: super::sessions_open::read(key, session, inbox),
        })
    }
}
