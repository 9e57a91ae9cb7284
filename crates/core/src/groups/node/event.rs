//! What the node's side is told, and what it wants done.

use crate::tasks::SessionKey;
use mobula_types::actor::{GroupReport, Publication, RosterUpdate};
use mobula_types::frame::{Answer, Enrolment};
use mobula_types::{Incarnation, NodeId, TaskTemplate};
use std::sync::Arc;

/// Who gets messages.
#[derive(Clone, PartialEq, Debug)]
pub enum Recipient {
    /// A session of this node.
    Session(SessionKey),
    /// An actor of this node.
    Actor {
        /// Which.
        incarnation: Incarnation,
        /// The method that is cast.
        template: Arc<TaskTemplate>,
    },
}

/// What happened. Questions are answered once, by [`Effect::Answer`].
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// An actor that this node hosts joins a group, or leaves it.
    Enrol {
        /// The session that asks, and its question; none where another node passes it on.
        asker: Option<(SessionKey, u64)>,
        /// What.
        enrolment: Enrolment,
    },
    /// The members of a group are asked for.
    Members {
        /// The session that asks, and its question.
        asker: (SessionKey, u64),
        /// The namespace.
        namespace: Arc<str>,
        /// The group.
        group: Arc<str>,
    },
    /// Somebody wants the messages of topics.
    Subscribe {
        /// The session that asks, and its question.
        asker: (SessionKey, u64),
        /// The namespace.
        namespace: Arc<str>,
        /// The pattern, which was checked.
        pattern: Arc<str>,
        /// Who.
        recipient: Recipient,
    },
    /// No more. Only the session that asked for a subscription ends it; another's is left alone.
    Unsubscribe {
        /// The session that asks, and its question.
        asker: (SessionKey, u64),
        /// The subscription.
        subscription: u64,
    },
    /// An incarnation has exited. It may have joined nothing.
    Exited {
        /// Which.
        incarnation: Incarnation,
    },
    /// A session is over. It may have joined nothing.
    SessionEnded {
        /// Which.
        session: SessionKey,
    },
    /// A message of a session or an actor of this node; its topic was checked.
    Publish(Arc<Publication>),
    /// A message from another node.
    Distributed(Arc<Publication>),
    /// A head was joined, newly or again; it has been told the inventory of actors.
    Joined,
    /// What that head says.
    Rosters(Vec<RosterUpdate>),
    /// Time has passed.
    Tick,
}

/// A message for somebody on this node.
#[derive(Clone, PartialEq, Debug)]
pub struct Delivery {
    /// The subscription.
    pub subscription: u64,
    /// Whose it is.
    pub recipient: Recipient,
    /// The message.
    pub publication: Arc<Publication>,
}

/// What is to be done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Tell the head. Without one it is not lost: a head that is joined is told everything.
    Report(GroupReport),
    /// Answer a question.
    Answer {
        /// The session that asked.
        session: SessionKey,
        /// Its question.
        number: u64,
        /// The answer.
        answer: Answer,
    },
    /// Send a message to a node that has somebody for it.
    Distribute {
        /// The node.
        node: NodeId,
        /// The message.
        publication: Arc<Publication>,
    },
    /// Give a message to somebody here.
    Deliver(Delivery),
}
