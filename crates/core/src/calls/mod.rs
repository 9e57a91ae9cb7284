//! The callers' side of actors: the calls that were made through this node, on their way to wherever their actors are.
//!
//! What it promises, as long as the driver performs the effects in order:
//!
//! - Calls of one caller to one actor leave in the order in which they were made: one that still waits for its arguments
//!   holds back the later ones.
//! - Each call ends exactly once.
//! - A call goes to another incarnation than its first only on proof that it did not start, or where it may be retried.
//! - No more calls of a lane are unanswered at once than its window allows.

mod actor;
mod effect;
mod ends;
mod event;
mod idle;
mod lane;
mod options;
mod pause;
mod queue;
mod router;
mod send;
#[cfg(test)]
mod tests;
mod whereabouts;

pub use effect::{Effect, HostedCall};
pub use event::{Event, NewCall, ReadyCall};
pub use options::RouterOptions;
pub use router::CallRouter;
