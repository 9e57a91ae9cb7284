//! Process groups and topics: what nodes hold, and what heads tell those of them that want to know.
//!
//! All of it is soft state: a node holds what its own actors and sessions joined, the leading head holds the sum, and a node
//! follows the rosters that it needs.

use super::id::Incarnation;
use crate::{FunctionId, NodeId, Payload};
use std::sync::Arc;

/// Of what a node may want to know who is in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Roster {
    /// A process group. Its entries are members.
    Group {
        /// Where its name is unique.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
    /// The topics of a namespace. Its entries are patterns.
    Topics {
        /// The namespace.
        namespace: Arc<str>,
    },
}

/// What a node has in a roster.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RosterEntry {
    /// An incarnation that it hosts, in a group.
    Member(Incarnation),
    /// A pattern that at least one of its actors or sessions has subscribed to.
    Pattern(Arc<str>),
}

impl RosterEntry {
    /// The member, of an entry of a group.
    pub const fn member(&self) -> Option<Incarnation> {
        match self {
            RosterEntry::Member(incarnation) => Some(*incarnation),
            RosterEntry::Pattern(_) => None,
        }
    }
}

/// All that a node has in a roster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RosterPart {
    /// The roster.
    pub roster: Roster,
    /// What the node has in it.
    pub entries: Vec<RosterEntry>,
}

/// A roster that a node follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Follow {
    /// The roster.
    pub roster: Roster,
    /// Whether the node knows what was in it lately. It then prefers that to what a head knows that is new itself and has
    /// not heard from everybody yet.
    pub has_view: bool,
}

/// An entry more or less.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RosterChange {
    /// The roster.
    pub roster: Roster,
    /// What.
    pub entry: RosterEntry,
    /// Whether it is in the roster from now on.
    pub is_in: bool,
}

/// What a node tells its head of groups and topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupReport {
    /// Everything, right behind the inventory of its actors. What is too much for one message follows as changes.
    All {
        /// What its actors and sessions have joined.
        held: Vec<RosterPart>,
        /// What it follows.
        followed: Vec<Follow>,
    },
    /// What has changed, in order.
    Changed(Vec<RosterChange>),
    /// Tell this node what is in a roster, now and whenever it changes. Said again where a change was missed.
    Follow(Follow),
    /// No more.
    Unfollow(Roster),
}

/// What followers are told of a roster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RosterUpdate {
    /// The roster.
    pub roster: Roster,
    /// Counts what the node was told of it. A change follows on the version before it, else one was missed.
    pub version: u64,
    /// What is known of it now.
    pub news: RosterNews,
}

/// What there is to say of a roster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RosterNews {
    /// All of it, by node. What is too much for one message follows as changes.
    Full(Vec<(NodeId, Vec<RosterEntry>)>),
    /// What one node has more, and less.
    Changed {
        /// The node.
        node: NodeId,
        /// What it has more.
        added: Vec<RosterEntry>,
        /// What it has no more.
        removed: Vec<RosterEntry>,
    },
    /// A node is lost, and what it had.
    Lost(NodeId),
}

/// A message to all who have subscribed to its topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publication {
    /// Where the topic is.
    pub namespace: Arc<str>,
    /// The topic: segments with `.` between them.
    pub topic: Arc<str>,
    /// The encoded message.
    pub payload: Payload,
}

/// Somebody who wants the messages of topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subscriber {
    /// The session that asks. It is told by `Frame::Published`.
    Session,
    /// An actor that the asking worker hosts. A method of it is cast with the topic, as a string, and the message.
    Actor {
        /// The actor.
        incarnation: Incarnation,
        /// The method.
        method: FunctionId,
    },
}
