//! Actors: mailboxes, and turns that run from them.
//!
//! - [`Class`]: what the SDK's macro makes of an `impl` block: constructors, methods and hooks, type-erased.
//! - [`ActorHost`]: hosts actors by key. What becomes of them and of their turns goes to [`ActorEvents`].
//! - [`Object`] and [`ActorExit`]: what a method gets of its actor.
//! - [`blocking_wait`]: how code of a turn waits without keeping other actors from the thread.
//!
//! # Promises
//! - Each turn that was delivered ends exactly once: completed, returned, or taken back by [`ActorHost::cancel`]; and
//!   before its actor's exit is reported.
//! - An exclusive turn runs alone. Shared turns run together, up to the limit of their group. They start in order of
//!   arrival: a turn whose group is full lets those of other groups and callers go first, but no exclusive one, and
//!   nothing of its own caller.
//! - An actor gives its thread up after 64 turns or a millisecond. An idle actor has no task.
//! - A panic ends its actor, and nobody else's.
//!
//! Mailboxes have no bound of their own: who delivers bounds what it has not heard the end of.

mod cell;
mod class;
mod drive;
mod ending;
mod events;
mod health;
mod host;
mod mailbox;
mod object;
mod pool;
mod queue;
mod run;
mod shared;
mod thread;

pub use class::{
    Access, Class, Constructed, Constructor, ConstructorBody, HealthCheck, HookFuture, Hooks, Method,
    MethodBody,
};
pub use events::ActorEvents;
pub use host::{ActorHost, ActorHostOptions, Signal, StartActor, TurnCall};
pub use object::{ActorExit, Object, OwnWork, State, TurnOf, WrongState};
pub use thread::blocking_wait;
