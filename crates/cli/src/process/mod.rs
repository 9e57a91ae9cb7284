//! Child processes of this executable, and what the two sides say to each other.
//!
//! A child says on its standard output, in one line of JSON, where it listens once it does; nobody polls. Its standard
//! input is its *lifeline*: it ends when that closes, so that no child outlives its parent, however the parent ends.

mod child;
mod identity;
mod lifeline;
pub(crate) mod usage;

pub(crate) use child::{Child, ChildError};
pub(crate) use identity::ProcessIdentity;
pub(crate) use lifeline::{Ready, exit_with_parent, report_ready, wait_for_parent_end};
