//! What the registry holds: entries, their revisions, and leases.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// A point in the registry's history. It grows by one with every transaction that changes something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Revision(u64);

impl Revision {
    /// Before the first change; as a condition on a key: absent.
    pub const ZERO: Revision = Revision(0);

    /// The revision of this number.
    pub const fn new(number: u64) -> Self {
        Revision(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The revision after this one.
    pub const fn next(self) -> Self {
        Revision(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A lease, by the number that the registry gave it. Never used again for another lease of the same registry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LeaseId(u64);

impl LeaseId {
    /// The lease of this number.
    pub const fn new(number: u64) -> Self {
        LeaseId(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A lease as it was granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Names it in transactions and renewals.
    pub id: LeaseId,
    /// How long it lasts after each renewal: at least what was asked for.
    pub ttl: Duration,
}

/// One key and what is known of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its value, opaque to the registry.
    pub value: Bytes,
    /// When the key came into being; a key that was deleted and put again has a later one.
    pub create_revision: Revision,
    /// When the value was last put.
    pub mod_revision: Revision,
    /// The lease whose end deletes the key.
    pub lease: Option<LeaseId>,
}
