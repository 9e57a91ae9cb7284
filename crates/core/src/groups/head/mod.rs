//! The head's side: the sum of what the nodes hold, and who follows what.

mod event;
mod listing;
mod memberships;
mod options;
mod report;
mod roster;

pub use event::{Effect, Event};
pub use memberships::Memberships;
pub use options::MembershipsOptions;
