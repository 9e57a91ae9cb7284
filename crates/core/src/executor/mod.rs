//! The machine of one node that admits and runs tasks.

mod effect;
mod event;
mod options;

pub use effect::{Effect, RunOrder};
pub use event::{Event, Owner};
pub use options::ExecutorOptions;

/// A run of this node: an attempt from its assignment to its report. Also the run's handle on its worker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunKey(pub u64);
