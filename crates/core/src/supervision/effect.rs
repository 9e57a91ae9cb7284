//! What the supervision wants done.

use super::event::RequestKey;
use mobula_types::actor::{ActorAnswer, ActorOrder, RecordChange};
use mobula_types::{Failure, NodeId};

/// What is to be done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Make these changes durable, all or none, then say [`Event::Written`](super::Event::Written). Writes become durable
    /// in the order in which they were asked for, those that fail aside. At most [`WRITE_LIMIT`](super::WRITE_LIMIT)
    /// changes, and half a mebibyte of them. One that must not fail, and does, is the end of the leadership.
    Write {
        /// Its number. What is too large for one write is several of the same number, each of which becomes durable, and is
        /// said to be, by itself.
        write: u64,
        /// The changes, of different keys.
        changes: Vec<RecordChange>,
        /// Whether it fails ([`Event::NotWritten`](super::Event::NotWritten)) where there is no room, instead of waiting.
        may_fail: bool,
    },
    /// Answer a question.
    Answer {
        /// The question.
        request: RequestKey,
        /// The answer.
        answer: Result<ActorAnswer, Failure>,
    },
    /// Tell a node. Orders to one node arrive in order as long as its stream lasts.
    Order {
        /// The node.
        node: NodeId,
        /// What.
        order: ActorOrder,
    },
}
