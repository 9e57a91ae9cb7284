//! Where a store keeps its changes.

use std::fmt;

use super::changes::Changes;
use crate::error::RegistryError;

/// A place that keeps changes. Its calls may block.
pub(crate) trait Storage: fmt::Debug + Send {
    /// Keeps the changes; after `Ok` they outlive a crash.
    fn persist(&mut self, changes: &Changes) -> Result<(), PersistFailure>;

    /// After [`PersistFailure::Unresolved`]: the sequence of the changes kept last.
    fn kept_sequence(&mut self) -> Result<u64, RegistryError>;

    /// How many bytes it takes.
    fn size_bytes(&self) -> u64;

    /// Gives unused space back.
    fn defragment(&mut self) -> Result<(), RegistryError>;
}

/// Why changes were not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PersistFailure {
    /// They were certainly not kept, and the storage is as it was.
    NotKept(RegistryError),
    /// They may have been kept; nobody can say until [`Storage::kept_sequence`] answers.
    Unresolved(RegistryError),
}

/// Keeps nothing.
#[derive(Debug)]
pub(crate) struct NoStorage;

impl Storage for NoStorage {
    fn persist(&mut self, _changes: &Changes) -> Result<(), PersistFailure> {
        Ok(())
    }

    fn kept_sequence(&mut self) -> Result<u64, RegistryError> {
        // Never asked: nothing here fails.
        Ok(0)
    }

    fn size_bytes(&self) -> u64 {
        0
    }

    fn defragment(&mut self) -> Result<(), RegistryError> {
        Ok(())
    }
}
