//! Where a host says what became of its actors and turns.

use crate::Completion;
use mobula_types::ExitReason;
use std::fmt;

/// Takes what became of actors and turns. Called on the threads that run them, so it must neither block nor panic.
pub trait ActorEvents: fmt::Debug + Send + Sync + 'static {
    /// The actor takes calls from now on.
    fn started(&self, key: u32);
    /// The actor is over, and so are all its turns. `None`: its constructor answered that there is to be no actor.
    fn exited(&self, key: u32, reason: Option<ExitReason>);
    /// A turn has ended.
    fn completed(&self, completion: Completion);
    /// These turns did not start, and will not.
    fn returned(&self, handles: Vec<u64>);
}
