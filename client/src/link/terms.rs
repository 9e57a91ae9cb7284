//! Owner terms: which of a driver's homes is the latest.

use mobula_types::OwnerTerm;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Gives each node that a driver turns to a term of its own, in case one that seemed not to answer has taken over after
/// all. The first home's is 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnerTerms(Arc<AtomicU32>);

impl OwnerTerms {
    /// The term for the next node.
    pub(crate) fn next(&self) -> OwnerTerm {
        OwnerTerm(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
