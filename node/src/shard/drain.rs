//! The end of a node that is asked to leave: it takes nothing new, lets what runs go on, and hands its drivers over.

use super::session::Party;
use super::{Reply, Shard};
use mobula_core::executor;
use mobula_runtime::spawn;
use mobula_types::{Frame, NodeState, Time};
use std::time::Duration;

/// How often it is looked whether everything is over: nobody tells of frames that were taken.
const LOOK: Duration = Duration::from_millis(20);

/// Whether a shard drains, and who is told when it has.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    began: bool,
    reply: Option<Reply<()>>,
}

impl Drain {
    /// No driver finds a new home here.
    pub(crate) fn has_begun(&self) -> bool {
        self.began
    }

    pub(crate) fn next_look(&self, now: Time) -> Time {
        if self.reply.is_some() { now + LOOK } else { Time::NEVER }
    }
}

impl Shard {
    /// Takes nothing new, and lets what runs go on to its end. Where it leaves by itself, the head is told: it has the
    /// actors of this node start elsewhere.
    pub(super) fn begin_drain(&mut self, reply: Option<Reply<()>>) {
        if reply.is_some() && !self.drain.began && self.actors.host.actor_count() > 0 && self.has_heirs() {
            let (head, name) = (self.parts.head.clone(), self.parts.node.name.clone());
            self.own(spawn("tell the head of a drain", async move {
                if let Err(failure) = head.client().drain(&name).await {
                    tracing::warn!(%failure, "actors end with their node: no head has them start elsewhere");
                }
            }));
        }
        self.drain.began = true;
        self.drain.reply = reply.or(self.drain.reply.take());
        self.tell_executor(executor::Event::Draining);
        let clients: Vec<_> = self.sessions.clients().collect();
        for session in clients {
            self.sessions.send(session, Frame::Draining);
        }
    }

    /// Whether there is another node for what this one has.
    fn has_heirs(&self) -> bool {
        let local = &self.parts.node;
        self.view.nodes.values().any(|node| node.id != *local && node.state == NodeState::Alive)
    }

    /// Says that the node may leave, once nothing runs, its drivers and actors have gone on through other nodes where there
    /// are any, and everything is on its way to the others.
    pub(super) fn finish_drain(&mut self) {
        if self.drain.reply.is_none() || self.executor.load().running > 0 {
            return;
        }
        let local = &self.parts.node;
        let others = self.view.nodes.values().filter(|node| node.id != *local);
        let has_heirs = self.has_heirs();
        if has_heirs && self.actors.host.actor_count() > 0 {
            return;
        }
        let is_missed = self.sessions.iter().any(|(_, session)| match &session.party {
            Party::Client { .. } => has_heirs,
            Party::Peer { node } => {
                let is_there =
                    others.clone().any(|other| other.id == *node && other.state != NodeState::Dead);
                is_there && session.sender.backlog().unsent > 0
            }
            Party::Worker { .. } | Party::Embedded { .. } => false,
        });
        if !is_missed && let Some(reply) = self.drain.reply.take() {
            let _gone = reply.send(());
        }
    }
}
