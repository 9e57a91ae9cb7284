//! The worker's side of the SDK: runs what a node sends over the session that it shares with nested submits.
//!
//! - [`worker_entry`]: the beginning of every program that may be a worker. `process` sets a worker process up from what it
//!   has inherited; `embedded` does it inside a node's own process. From there on both are the same.
//! - [`Guest`](guest::Guest): the frames of a worker. [`fetch`] brings large inputs here before their runs start.
//! - [`body`]: from a host's call to the user's function and back, with the run's context around it.
//! - [`RunWaits`]: every wait of the SDK inside a run goes through it, so that the node may use the run's CPUs meanwhile.
//! - [`entry`]: what `#[mobula::main]` and `#[mobula::test]` call.
//!
//! # Promises
//! - A run that came ends in exactly one `Done` or `Returned`, unless the session ends before.
//! - A `Done` goes behind everything that its run submitted, and before what its result refers to is released.

pub(crate) mod body;
mod descriptors;
mod embedded;
pub(crate) mod entry;
mod events;
mod fetch;
mod guest;
mod lease;
mod marker;
mod process;
mod shared;
mod turns;
pub(crate) mod user_error;
mod waits;

pub use embedded::embedded;
pub use process::worker_entry;
pub(crate) use shared::WorkerShared;
pub(crate) use waits::{GatedRun, PendingWait, RunWaits, WaitChannel};

use mobula_types::Frame;

/// The worker's part of a session. Called on the link's I/O thread; never blocks.
pub(crate) trait GuestSide: Send {
    /// Takes frames that are not the link's own, in the order in which they came: `Template`, `Run`, `Recall`,
    /// `CancelRun`, `Resume`, `Retire`, `Lease`, `HostActor`, `Turn`, `StopActor`, `Down`. Leaves `frames` empty.
    fn receive(&mut self, frames: &mut Vec<Frame>);
    /// The session has ended for good; nothing is received any more.
    fn ended(&mut self);
}
