//! Actors: creating them, finding them, calling them.
//!
//! - [`ActorHandle`]: what every handle that `#[mobula::actor]` makes can do, beside the methods of its class.
//! - [`Creation`]: an actor that is to be created, with its options.
//! - [`ActorCall`]: a call of a method, with its options.
//! - [`ActorContext`]: what an actor's own methods know of it.
//! - [`Group`]: actors under a name.
//! - [`ActorPool`]: work spread over several actors of one class.
//!
//! A handle is counted like a reference to an object: an actor lives at least as long as somebody holds one that came from
//! its creation. One that was found by a name, and an actor's own, are not counted.

mod actor_ref;
mod call;
mod class;
mod context;
mod creation;
mod group;
mod handle;
mod monitor;
mod pool;
mod turn;
mod written;

pub use actor_ref::ActorRef;
pub use call::ActorCall;
pub use class::{ActorClass, CLASSES};
pub(crate) use class::{ClassTable, Member};
pub(crate) use context::ActorScope;
pub use context::{ActorContext, Timer};
pub use creation::{Creation, spawn_many};
pub use group::{Group, group};
pub use handle::ActorHandle;
pub(crate) use handle::{ask, odd_actor_answer};
pub use monitor::Monitor;
pub use pool::ActorPool;

/// What the output of `#[mobula::actor]` calls.
pub mod generated {
    pub use super::actor_ref::ActorRef;
    pub use super::call::{call, call_options};
    pub use super::class::{ASYNC, BuiltClass, ClassBuilder, INLINE, IsShareable, MethodRules, NotShareable};
    pub use super::creation::{creation, creation_options};
    pub use super::turn::{construct, construct_async, failed, hook, stopping, turn, turn_async};
    pub use super::written::{deserialize, serialize};
    pub use mobula_host::actor::{Access, ConstructorBody, MethodBody, State};
}
