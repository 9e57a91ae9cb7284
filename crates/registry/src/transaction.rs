//! Compare-and-set: what must hold, and what is written if it does.

use std::fmt;

use bytes::Bytes;

use crate::entry::{Entry, LeaseId, Revision};
use crate::error::RegistryError;

/// How many operations, and how many conditions, a transaction may have (etcd's default limit is 128).
pub const MAX_OPERATIONS: usize = 120;

/// How many bytes the keys and values of a transaction may take together (1 MiB; etcd's default limit is 1.5 MiB).
pub const MAX_TRANSACTION_BYTES: usize = 1024 * 1024;

/// How many bytes a key may have.
pub const MAX_KEY_BYTES: usize = 1024;

/// What must hold for a transaction to be applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// There is no such key.
    KeyAbsent(String),
    /// The key's value was last put at this revision ([`Revision::ZERO`]: the key is absent).
    ValueRevision {
        /// The key.
        key: String,
        /// Its expected revision.
        mod_revision: Revision,
    },
    /// The key has existed without interruption since this revision ([`Revision::ZERO`]: it is absent).
    /// On the leader's key this is what ties a write to a leadership.
    CreateRevision {
        /// The key.
        key: String,
        /// Its expected revision.
        create_revision: Revision,
    },
}

impl Condition {
    /// The key that the condition speaks of.
    pub fn key(&self) -> &str {
        match self {
            Self::KeyAbsent(key) | Self::ValueRevision { key, .. } | Self::CreateRevision { key, .. } => key,
        }
    }

    /// Whether it holds where `found` is what the registry has under the key.
    pub fn holds(&self, found: Option<EntryRevisions>) -> bool {
        let found = found.unwrap_or_default();
        match self {
            Self::KeyAbsent(_) => found.create_revision == Revision::ZERO,
            Self::ValueRevision { mod_revision, .. } => found.mod_revision == *mod_revision,
            Self::CreateRevision { create_revision, .. } => found.create_revision == *create_revision,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyAbsent(key) => write!(f, "“{key} is absent”"),
            Self::ValueRevision { key, mod_revision } => write!(f, "“{key} was last put at {mod_revision}”"),
            Self::CreateRevision { key, create_revision } => {
                write!(f, "“{key} was created at {create_revision}”")
            }
        }
    }
}

/// The revisions of a key; the default (zero) stands for a key that is absent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct EntryRevisions {
    /// When the key came into being.
    pub create_revision: Revision,
    /// When its value was last put.
    pub mod_revision: Revision,
}

impl From<&Entry> for EntryRevisions {
    fn from(entry: &Entry) -> Self {
        EntryRevisions { create_revision: entry.create_revision, mod_revision: entry.mod_revision }
    }
}

/// One write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Sets the key's value and its lease; without a lease, an earlier one lets go of the key.
    Put {
        /// The key.
        key: String,
        /// Its new value.
        value: Bytes,
        /// The lease whose end deletes the key.
        lease: Option<LeaseId>,
    },
    /// Deletes the key; nothing happens where it is absent.
    Delete {
        /// The key.
        key: String,
    },
    /// Deletes every key that starts with the prefix.
    DeletePrefix {
        /// The prefix; never empty.
        prefix: String,
    },
}

/// Conditions and writes that take effect together, under one revision, or not at all.
///
/// At most [`MAX_OPERATIONS`] operations and as many conditions, [`MAX_TRANSACTION_BYTES`] of keys and values, and no
/// key touched by two operations. Without operations it only checks its conditions.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Transaction {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// All are done.
    pub operations: Vec<Operation>,
}

impl Transaction {
    /// An empty transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Adds a put without a lease.
    #[must_use]
    pub fn put(self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.operation(Operation::Put { key: key.into(), value: value.into(), lease: None })
    }

    /// Adds a put that lasts as long as the lease.
    #[must_use]
    pub fn put_leased(self, key: impl Into<String>, value: impl Into<Bytes>, lease: LeaseId) -> Self {
        self.operation(Operation::Put { key: key.into(), value: value.into(), lease: Some(lease) })
    }

    /// Adds the deletion of a key.
    #[must_use]
    pub fn delete(self, key: impl Into<String>) -> Self {
        self.operation(Operation::Delete { key: key.into() })
    }

    /// Adds the deletion of every key that starts with the prefix.
    #[must_use]
    pub fn delete_prefix(self, prefix: impl Into<String>) -> Self {
        self.operation(Operation::DeletePrefix { prefix: prefix.into() })
    }

    /// Adds an operation.
    #[must_use]
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// How many bytes the keys and values take; what counts against [`MAX_TRANSACTION_BYTES`].
    pub fn size(&self) -> usize {
        let conditions = self.conditions.iter().map(|condition| condition.key().len());
        let operations = self.operations.iter().map(|operation| match operation {
            Operation::Put { key, value, .. } => key.len() + value.len(),
            Operation::Delete { key } => key.len(),
            Operation::DeletePrefix { prefix } => prefix.len(),
        });
        conditions.chain(operations).sum()
    }

    /// Checks the limits that hold for every backend.
    ///
    /// # Errors
    /// [`RegistryError::TooLarge`] and [`RegistryError::InvalidRequest`].
    pub fn validate(&self) -> Result<(), RegistryError> {
        check_limit("operations", self.operations.len(), MAX_OPERATIONS)?;
        check_limit("conditions", self.conditions.len(), MAX_OPERATIONS)?;
        check_limit("bytes", self.size(), MAX_TRANSACTION_BYTES)?;
        for condition in &self.conditions {
            check_key(condition.key())?;
        }
        self.check_touched_once()
    }

    /// etcd refuses a transaction that puts a key and touches it again; every backend does the same.
    fn check_touched_once(&self) -> Result<(), RegistryError> {
        let mut keys = Vec::with_capacity(self.operations.len());
        let mut prefixes = Vec::new();
        for operation in &self.operations {
            match operation {
                Operation::Put { key, .. } | Operation::Delete { key } => {
                    check_key(key)?;
                    keys.push(key.as_str());
                }
                Operation::DeletePrefix { prefix } => {
                    check_key(prefix)?;
                    prefixes.push(prefix.as_str());
                }
            }
        }
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(touched_twice(pair[0]));
        }
        for prefix in prefixes {
            if let Some(key) = keys.iter().find(|key| key.starts_with(prefix)) {
                return Err(touched_twice(key));
            }
        }
        Ok(())
    }
}

/// A transaction that was applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The revision of its changes; where it changed nothing, that of the registry at that moment.
    pub revision: Revision,
}

/// Keys and prefixes have at least one byte and at most [`MAX_KEY_BYTES`].
pub(crate) fn check_key(key: &str) -> Result<(), RegistryError> {
    if key.is_empty() {
        return Err(RegistryError::InvalidRequest { reason: "a key or prefix is empty".to_owned() });
    }
    check_limit("bytes in a key", key.len(), MAX_KEY_BYTES)
}

fn check_limit(what: &'static str, size: usize, limit: usize) -> Result<(), RegistryError> {
    if size > limit { Err(RegistryError::TooLarge { what, size, limit }) } else { Ok(()) }
}

fn touched_twice(key: &str) -> RegistryError {
    RegistryError::InvalidRequest { reason: format!("two operations of one transaction touch {key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_checked() {
        let many = (0..=MAX_OPERATIONS).fold(Transaction::new(), |t, n| t.put(format!("/k/{n}"), "v"));
        assert!(matches!(
            many.validate(),
            Err(RegistryError::TooLarge { what: "operations", size: 121, .. })
        ));
        let large = Transaction::new().put("/k", vec![0; MAX_TRANSACTION_BYTES]);
        assert!(matches!(large.validate(), Err(RegistryError::TooLarge { what: "bytes", .. })));
        let long_key = Transaction::new().delete("k".repeat(MAX_KEY_BYTES + 1));
        assert!(matches!(long_key.validate(), Err(RegistryError::TooLarge { what: "bytes in a key", .. })));
        assert!(matches!(
            Transaction::new().delete_prefix("").validate(),
            Err(RegistryError::InvalidRequest { .. })
        ));
    }

    #[test]
    fn a_key_is_touched_once() {
        let twice = Transaction::new().put("/k", "1").delete("/k");
        assert!(matches!(twice.validate(), Err(RegistryError::InvalidRequest { .. })));
        let under_prefix = Transaction::new().put("/k/1", "1").delete_prefix("/k/");
        assert!(matches!(under_prefix.validate(), Err(RegistryError::InvalidRequest { .. })));
        let beside_prefix = Transaction::new().put("/k1", "1").delete_prefix("/k/").delete_prefix("/k/1");
        assert_eq!(beside_prefix.validate(), Ok(()));
    }
}
