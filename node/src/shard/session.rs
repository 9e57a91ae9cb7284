//! The sessions of a shard.

use super::doubts::Doubt;
use mobula_core::tasks::SessionKey;
use mobula_rpc::session::{FrameSender, ReceivedTemplates, SentTemplates};
use mobula_runtime::TaskHandle;
use mobula_types::{Frame, JobId, NodeId, SessionId, WorkerId};
use slab::Slab;

/// Bytes that wait for the other end, beyond which messages to topics are lost.
pub(crate) const MOST_BEHIND: u64 = 16 * 1024 * 1024;
/// Frames of one turn, beyond which they are too.
const MOST_OUTGOING: usize = 10_000;

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// A driver, or another client, of a job.
    Client { job: JobId, id: SessionId },
    /// A worker process of a job.
    Worker { worker: WorkerId, job: JobId },
    /// The functions that are linked into this process.
    Embedded { worker: WorkerId },
    /// Another node.
    Peer { node: NodeId },
}

/// One session.
#[derive(Debug)]
pub(crate) struct SessionState {
    pub(crate) party: Party,
    pub(crate) sender: FrameSender,
    /// Frames of this turn, sent at its end.
    pub(crate) outgoing: Vec<Frame>,
    pub(crate) received: ReceivedTemplates,
    pub(crate) sent: SentTemplates,
    /// It is told how the cluster looks.
    pub(crate) sees_view: bool,
    /// The driver has said goodbye.
    pub(crate) left: bool,
    /// Its stream is broken, and may or may not be there again.
    pub(crate) detached: bool,
    /// What was sent since it broke, and may never arrive.
    pub(crate) doubt: Doubt,
    /// Reads the session's frames; ends with it.
    pub(crate) _reader: TaskHandle<()>,
}

/// All sessions of a shard, by number. Numbers are never used twice.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slots: Slab<(u64, SessionState)>,
    opened: u64,
    dirty: Vec<SessionKey>,
}

/// The low bits of a key are the slot, the high ones tell its tenants apart.
const SLOT_BITS: u32 = 24;

impl Sessions {
    /// Adds a session; `make` is told its key.
    pub(crate) fn insert(&mut self, make: impl FnOnce(SessionKey) -> SessionState) -> SessionKey {
        self.opened += 1;
        let opened = self.opened;
        let entry = self.slots.vacant_entry();
        let key = SessionKey((opened << SLOT_BITS) | entry.key() as u64);
        entry.insert((opened, make(key)));
        key
    }

    /// The session, if it is still there.
    pub(crate) fn get_mut(&mut self, key: SessionKey) -> Option<&mut SessionState> {
        let (opened, state) = self.slots.get_mut(slot(key))?;
        (*opened == key.0 >> SLOT_BITS).then_some(state)
    }

    /// Whom the session is with.
    pub(crate) fn party(&self, key: SessionKey) -> Option<&Party> {
        let (opened, state) = self.slots.get(slot(key))?;
        (*opened == key.0 >> SLOT_BITS).then_some(&state.party)
    }

    /// Removes a session.
    pub(crate) fn remove(&mut self, key: SessionKey) -> Option<SessionState> {
        self.get_mut(key)?;
        self.slots.try_remove(slot(key)).map(|(_, state)| state)
    }

    /// Queues a frame for the end of the turn. A session that is gone drops it.
    pub(crate) fn send(&mut self, key: SessionKey, frame: Frame) {
        self.send_with(key, |_, outgoing| outgoing.push(frame));
    }

    /// Queues frames that may need templates.
    pub(crate) fn send_with(
        &mut self,
        key: SessionKey,
        push: impl FnOnce(&mut SentTemplates, &mut Vec<Frame>),
    ) {
        let Some((opened, state)) = self.slots.get_mut(slot(key)) else { return };
        if *opened != key.0 >> SLOT_BITS {
            return;
        }
        if state.outgoing.is_empty() {
            self.dirty.push(key);
        }
        push(&mut state.sent, &mut state.outgoing);
    }

    /// Whether the other end takes so little of what it is sent that what may be lost is.
    pub(crate) fn is_behind(&mut self, key: SessionKey) -> bool {
        self.get_mut(key).is_none_or(|state| {
            state.outgoing.len() > MOST_OUTGOING || state.sender.backlog().bytes > MOST_BEHIND
        })
    }

    /// Hands everything queued to the sessions' writers.
    pub(crate) fn flush(&mut self) {
        while let Some(key) = self.dirty.pop() {
            if let Some((_, state)) = self.slots.get_mut(slot(key)) {
                state.sender.send_all(&mut state.outgoing);
            }
        }
    }

    /// All sessions.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionKey, &SessionState)> {
        self.slots
            .iter()
            .map(|(slot, (opened, state))| (SessionKey((opened << SLOT_BITS) | slot as u64), state))
    }
}

fn slot(key: SessionKey) -> usize {
    (key.0 & ((1 << SLOT_BITS) - 1)) as usize
}
