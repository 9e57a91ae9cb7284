//! A seeded simulation of everything that has to do with actors: heads, nodes, the registry and drivers as the real pure
//! machines, on a virtual clock, in one thread, with one source of chance.
//!
//! A seed stands for a world, what is asked of it and what goes wrong in it. The same seed gives the same events, always.

mod agenda;
mod context;
mod driver;
mod faults;
mod head;
mod invariants;
mod message;
mod mutation;
mod network;
mod node;
mod plan;
mod process;
mod random;
mod registry;
mod trace;
mod world;

pub use invariants::Violation;
pub use mutation::Mutation;

use world::World;

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How many things happened.
    pub events: u64,
    /// A hash of all that happened: the same for the same seed.
    pub hash: u64,
    /// The first invariant that did not hold.
    pub violation: Option<Violation>,
    /// What happened, for people, where that was asked for.
    pub lines: Vec<String>,
}

/// Runs one seed, without a check of the protocol where that is taken away; with all that happens as lines where those are
/// wanted.
pub fn run(seed: u64, mutation: Option<Mutation>, keeps_lines: bool) -> Report {
    let mut world = World::new(seed, mutation, keeps_lines);
    let violation = world.run().err();
    let trace = world.into_trace();
    Report { seed, events: trace.events(), hash: trace.hash(), violation, lines: trace.into_lines() }
}
