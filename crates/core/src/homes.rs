//! Which owner each job's driver goes through, as far as a node has heard.
//!
//! Owners are told apart by their terms: the driver raises the term at each take-over, so of two owners the one of the
//! higher term has the driver's tasks, and what the other one still says of them counts no more.

use mobula_types::{JobId, OwnerTerm};
use std::collections::BTreeMap;

/// How many jobs are remembered. One that never opens or ends here is forgotten when there are more.
const MOST_JOBS: usize = 4096;

/// The latest owner of each job that was taken over.
#[derive(Debug)]
pub(crate) struct Homes<Owner> {
    known: BTreeMap<JobId, (OwnerTerm, Owner)>,
}

impl<Owner: PartialEq> Homes<Owner> {
    pub(crate) fn new() -> Self {
        Homes { known: BTreeMap::new() }
    }

    /// Notes an owner. `false` where a later one is known, or another one of the same term.
    pub(crate) fn note(&mut self, job: JobId, term: OwnerTerm, owner: Owner) -> bool {
        match self.known.get(&job) {
            Some((known, _)) if *known > term => return false,
            Some((known, same)) if *known == term => return *same == owner,
            _ => {}
        }
        if self.known.len() >= MOST_JOBS && !self.known.contains_key(&job) {
            self.known.pop_first();
        }
        self.known.insert(job, (term, owner));
        true
    }

    /// The owner that is known, where it is another one than this, of a later term.
    pub(crate) fn later(&self, job: JobId, term: OwnerTerm, owner: &Owner) -> Option<&(OwnerTerm, Owner)> {
        if self.known.is_empty() {
            return None;
        }
        self.known.get(&job).filter(|(known, home)| *known > term && home != owner)
    }

    /// Whether another owner than this one is known, of this term or a later one.
    pub(crate) fn is_superseded(&self, job: JobId, term: OwnerTerm, owner: &Owner) -> bool {
        self.known.get(&job).is_some_and(|(known, home)| *known >= term && home != owner)
    }

    /// Whether another owner than this one is known.
    pub(crate) fn is_other(&self, job: JobId, owner: &Owner) -> bool {
        self.known.get(&job).is_some_and(|(_, home)| home != owner)
    }

    pub(crate) fn forget(&mut self, job: JobId) {
        self.known.remove(&job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: JobId = JobId(1);

    #[test]
    fn the_higher_term_stays() {
        let mut homes = Homes::new();
        assert!(homes.note(JOB, OwnerTerm(2), 'b'));
        assert!(homes.note(JOB, OwnerTerm(2), 'b'), "told again");
        assert!(!homes.note(JOB, OwnerTerm(2), 'a'));
        assert!(!homes.note(JOB, OwnerTerm(1), 'a'));
        assert_eq!(homes.later(JOB, OwnerTerm(1), &'a'), Some(&(OwnerTerm(2), 'b')));
        assert_eq!(homes.later(JOB, OwnerTerm(1), &'b'), None, "its own earlier term");
        assert!(homes.is_other(JOB, &'a') && !homes.is_other(JOB, &'b'));
        assert!(homes.note(JOB, OwnerTerm(3), 'a'));
        homes.forget(JOB);
        assert!(!homes.is_other(JOB, &'b'));
    }

    #[test]
    fn they_are_bounded() {
        let mut homes = Homes::new();
        for job in 0..2 * MOST_JOBS as u64 {
            assert!(homes.note(JobId(job), OwnerTerm(1), 'a'));
        }
        assert_eq!(homes.known.len(), MOST_JOBS);
    }
}
