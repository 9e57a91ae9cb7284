//! Checks of the protocol that can be taken away, to see that the simulation notices.

/// A check that a run does without.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Mutation {
    /// A call starts at whatever incarnation it finds, not only at the one that it was sent to.
    EpochOfCalls,
    /// An exit is taken for that of the latest incarnation, whichever it was of.
    EpochOfExits,
    /// A node does not look at its lease.
    Lease,
    /// Nodes listen to heads of lower terms than they have heard of, and heads take nodes that have heard of higher ones.
    Term,
    /// Calls of an earlier owner are taken for the latest one's, where callers are forgotten as soon as with `ShortMemory`.
    OwnerTerm,
    /// No check is taken away: hosts forget callers, and routers their ways to actors, as soon as nothing is under way. What
    /// comes late is refused by its owner's term alone then.
    ShortMemory,
    /// Exits are acknowledged before they are written.
    EarlyAcknowledgement,
}
