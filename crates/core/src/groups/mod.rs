//! Process groups and topics across nodes: soft state that is in no registry.
//!
//! Each node holds what its own actors and sessions have joined, and tells its head. The leading head holds the sum, by node
//! and [roster](mobula_types::actor::Roster), and pushes the changes of a roster to the nodes that follow it: those that asked
//! for the members of a group, or that publish in a namespace. What a lost node held is gone with it.
//!
//! - [`node::Groups`] holds, follows, and matches topics with patterns;
//! - [`head::Memberships`] sums up and pushes.
//!
//! What is promised: once faults have ended, what a node follows equals what the living nodes hold. In between, views are late
//! but never wait for a head: without one a node goes by what it knew last. A new leader says nothing to those who know
//! something until it has heard from all nodes, or a few seconds have passed, so that its election empties no group.

pub mod head;
pub mod node;
mod pattern;
#[cfg(test)]
mod tests;

/// The most entries of rosters in one message, which is at most 16 MiB: names have at most 255 bytes.
const MOST_ENTRIES: usize = 20_000;

pub use pattern::{check_name, check_pattern, check_topic};
