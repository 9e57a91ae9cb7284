//! What an actor is started from.

use crate::frame::Input;
use crate::{JobId, Payload, TaskTemplate};
use std::sync::Arc;

/// What an incarnation is started from, each time anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActorSpec {
    /// Whose executable has the class. Its target is `Constructor`.
    pub job: JobId,
    /// The constructor, what the actor needs, and how it behaves.
    pub template: Arc<TaskTemplate>,
    /// The constructor's encoded arguments; at most 4 KiB in a supervised actor.
    pub arguments: Payload,
    /// Resolved references among them; in a supervised actor none.
    pub inputs: Vec<Input>,
}

impl ActorSpec {
    /// The most bytes of arguments that the registry keeps of a child.
    pub const ARGUMENT_LIMIT: usize = 4 * 1024;
    /// The most bytes of a constructor's options, its names, needs, labels and groups among them: the registry keeps them.
    pub const OPTIONS_LIMIT: usize = 64 * 1024;
}

/// How the children of one supervisor are placed, beside what each of them asks for.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub enum Placement {
    /// Wherever there is room.
    #[default]
    Default,
    /// On as many nodes as there are.
    Spread,
    /// All on one node, where that has room.
    Affinity,
    /// No two on one node; one for which there is no node left waits.
    AntiAffinity,
}
