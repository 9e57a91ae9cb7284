//! References to objects: [`ObjectRef`], the handle behind it, and the ways to wait for it.

mod as_completed;
mod get;
mod handle;
mod object_ref;
mod serde;
mod types;
mod wait;
mod waiters;

pub use as_completed::{AsCompleted, as_completed};
pub(crate) use get::GetBytes;
use get::block_on;
pub use get::{Get, get_batch, get_batch_blocking};
pub(crate) use handle::{Handle, HeldValue, State};
pub(crate) use object_ref::sealed;
pub use object_ref::{IntoReferences, ObjectRef, References};
pub use wait::wait;
pub(crate) use waiters::{ReadyQueue, Waiters};
