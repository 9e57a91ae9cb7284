//! The hosting side of actors: the incarnations that this node was granted, their workers, and the calls that come for them.
//!
//! What it promises, as long as the driver performs the effects in order:
//!
//! - An incarnation is started once, and its exit is reported until the head has recorded it.
//! - Calls for an epoch that is not here do not start; calls of one caller start in the order of their numbers, each once,
//!   whatever path they took.
//! - Each call is answered exactly once on the lane that it came on last.
//! - Nothing is started after three quarters of the node's lease without a renewal, and actors with `on_isolation = stop`
//!   have ended by its end.

mod actor;
mod answer;
mod arrive;
mod caller;
mod deliver;
mod effect;
mod event;
mod exits;
mod host;
mod isolation;
mod lane;
mod options;
mod snapshot;
mod staff;
mod start;
mod stop;
#[cfg(test)]
mod tests;
mod timers;
mod told;
mod worker;

pub use effect::{Effect, TurnOrder};
pub use event::{Event, Isolation};
pub use host::{ActorHost, is_for_actors};
pub use options::HostOptions;
pub use snapshot::{ActorSnapshot, TurnSnapshot};
