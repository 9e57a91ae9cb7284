//! A thousand seeds, the seeds that once failed, and the same seed twice.

use mobula_simulation::run;

/// Seeds that found something that was mended.
const FOUND: [u64; 10] = [69, 109, 116, 145, 249, 802, 920, 2972, 5311, 47289];

fn holds(seed: u64) {
    let report = run(seed, None, false);
    assert_eq!(report.violation, None, "cargo run -p mobula-simulation -- --seed {seed} --trace");
}

#[test]
fn a_thousand_seeds_hold() {
    std::thread::scope(|scope| {
        for part in 0..2 {
            scope.spawn(move || (part * 500..(part + 1) * 500).for_each(holds));
        }
    });
}

#[test]
fn seeds_that_failed_once_hold() {
    FOUND.into_iter().for_each(holds);
}

#[test]
fn a_seed_is_replayed_event_by_event() {
    for seed in [1, 2, 3] {
        let (first, second) = (run(seed, None, false), run(seed, None, true));
        assert_eq!((first.hash, first.events), (second.hash, second.events), "seed {seed}");
        assert!(!second.lines.is_empty());
    }
}
