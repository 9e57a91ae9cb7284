//! Runs guests turn by turn, and knows no kind of guest.
//!
//! - [`Function`], [`Body`] and [`FunctionTable`]: what can be run. A body takes a [`Call`] and gives a [`CallResult`].
//! - [`Host`]: slots with a queue each. A slot runs one call after the other on a thread of its own; runs that have not
//!   started can be recalled or cancelled. Results go to a [`Completed`], of which [`Completions`] is one that batches.
//! - [`actor`]: actors, whose turns run from mailboxes.
//! - [`CancelToken`]: how a running call is told to end.
//! - [`CrashMarker`]: where a slot notes what it runs, so that somebody else knows if the process dies.
//! - [`EmbeddedWorker`] and [`BulkAccess`]: functions that a node runs in its own process.
//!
//! # Promises
//! - Each run that was queued ends exactly once: in a completion, or in what [`Host::recall`] or [`Host::cancel`] says.
//! - Runs of one slot start in the order in which they were queued, one at a time.
//! - A panic ends its run with `TaskPanicked`, and nothing else.
//! - Queueing a batch wakes each slot at most once.

pub mod actor;
mod call;
mod cancel;
mod completion;
pub mod embedded;
mod function;
mod host;
mod marker;
mod panic;
mod slot;
mod table;

pub use call::{Call, CallResult, InputValue};
pub use cancel::CancelToken;
pub use completion::{Completed, Completion, Completions};
pub use embedded::{BoxFuture, BulkAccess, EmbeddedOptions, EmbeddedWorker, RunningWorker};
pub use function::{AsyncCall, Body, Function};
pub use host::{Host, HostOptions, QueuedRun};
pub use marker::{CrashMarker, NoMarker};
pub use panic::install_panic_hook;
pub use table::{DuplicateFunction, FunctionTable};
