//! What the supervision wants done.

use super::event::RequestKey;
use mobula_types::actor::{ActorAnswer, ActorOrder};
use mobula_types::{Failure, NodeId};

/// What is to be done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
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
