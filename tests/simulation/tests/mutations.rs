//! Each check of the protocol is needed: without it, the simulation finds a seed in which an invariant does not hold.

use mobula_simulation::{Mutation, run};

/// How many seeds may be needed to notice.
const SEEDS: u64 = 2_000;

fn is_noticed(mutation: Mutation) {
    let broken = (0..SEEDS).find(|seed| run(*seed, Some(mutation), false).violation.is_some());
    let Some(seed) = broken else { panic!("nothing breaks without {mutation:?}") };
    let report = run(seed, None, false);
    assert_eq!(report.violation, None, "seed {seed} breaks with {mutation:?} in place");
}

/// A seed shortly before the first in which a late call of an earlier owner is refused by its term alone: the numbers of calls
/// and what is remembered of callers refuse nearly all of them.
const LATE_CALLS: u64 = 2_600;

#[test]
fn without_the_epoch_check_of_calls() {
    is_noticed(Mutation::EpochOfCalls);
}

#[test]
fn without_the_epoch_check_of_exits() {
    is_noticed(Mutation::EpochOfExits);
}

#[test]
fn without_the_lease_check() {
    is_noticed(Mutation::Lease);
}

#[test]
fn without_the_term_check() {
    is_noticed(Mutation::Term);
}

#[test]
fn without_the_owner_term_check() {
    let breaks = |seed, mutation| run(seed, Some(mutation), false).violation.is_some();
    let broken = (LATE_CALLS..LATE_CALLS + SEEDS).find(|seed| {
        // The same world with the check in place, in which callers are forgotten as soon.
        breaks(*seed, Mutation::OwnerTerm) && !breaks(*seed, Mutation::ShortMemory)
    });
    assert!(broken.is_some(), "nothing breaks without the check");
}

#[test]
fn with_exits_acknowledged_before_they_are_written() {
    is_noticed(Mutation::EarlyAcknowledgement);
}
