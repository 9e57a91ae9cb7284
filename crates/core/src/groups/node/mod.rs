//! The node's side: what its actors and sessions have joined, and what it follows.

mod answers;
mod event;
mod followed;
mod groups;
mod held;
mod options;
mod publish;

pub use event::{Delivery, Effect, Event, Recipient};
pub use groups::Groups;
pub use options::GroupsOptions;
