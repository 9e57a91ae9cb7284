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

    /// The node that was given this one, the last, has certainly not taken over: the next may have it.
    pub(crate) fn give_back(&self, term: OwnerTerm) {
        // Where another one was drawn meanwhile, this one is left out.
        let _unless_followed =
            self.0.compare_exchange(term.0, term.0 - 1, Ordering::Relaxed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_that_was_refused_is_the_next_ones_unless_another_was_drawn() {
        let terms = OwnerTerms::default();
        assert_eq!(terms.next(), OwnerTerm(1));
        terms.give_back(OwnerTerm(1));
        assert_eq!(terms.next(), OwnerTerm(1));
        assert_eq!(terms.next(), OwnerTerm(2));
        terms.give_back(OwnerTerm(1));
        assert_eq!(terms.next(), OwnerTerm(3));
    }
}
