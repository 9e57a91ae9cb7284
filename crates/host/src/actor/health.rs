//! Health checks: who is checked when, and how the checks went.

use super::cell::ActorCell;
use super::shared::Shared;
use foldhash::HashMap;
use mobula_runtime::clock;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// So many failures in a row are too many.
const MOST_FAILURES: u8 = 3;
/// Actors are checked in so many groups, one after the other, so that they are not all checked at once.
const GROUPS: u32 = 10;

/// How an actor's checks go.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checks {
    due: bool,
    runs: bool,
    failures: u8,
}

impl Checks {
    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    pub(crate) fn begin(&mut self) {
        self.due = false;
        self.runs = true;
    }

    /// A check is due. One that still runs has failed. True where there were too many failures.
    pub(crate) fn ring(&mut self) -> bool {
        if !self.runs {
            self.due = true;
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        self.failures >= MOST_FAILURES
    }

    /// A check has ended. True where there were too many failures.
    pub(crate) fn end(&mut self, failed: bool) -> bool {
        self.runs = false;
        self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
        self.failures >= MOST_FAILURES
    }
}

/// The actors that are checked in a period, in their groups.
type Ring = Vec<HashMap<u32, Weak<ActorCell>>>;

/// The actors that are checked.
#[derive(Debug, Default)]
pub(crate) struct HealthWatch {
    /// By period: there are at most as many as there are classes.
    rings: Mutex<BTreeMap<Duration, Ring>>,
}

impl HealthWatch {
    /// Checks that actor from now on, until it is gone. True for the first one of that period.
    fn add(&self, cell: &Arc<ActorCell>, period: Duration) -> bool {
        let mut rings = self.rings.lock();
        let groups = rings.entry(period).or_default();
        let first = groups.is_empty();
        if first {
            groups.resize_with(GROUPS as usize, HashMap::default);
        }
        let place = (cell.key % GROUPS) as usize;
        if let Some(group) = groups.get_mut(place) {
            group.insert(cell.key, Arc::downgrade(cell));
        }
        first
    }

    /// The actors of a period's group that are still there.
    fn group(&self, period: Duration, place: u32) -> Vec<Arc<ActorCell>> {
        let mut rings = self.rings.lock();
        let group = rings.get_mut(&period).and_then(|groups| groups.get_mut(place as usize));
        let Some(group) = group else { return Vec::new() };
        let mut alive = Vec::with_capacity(group.len());
        group.retain(|_, cell| cell.upgrade().map(|cell| alive.push(cell)).is_some());
        alive
    }
}

/// Has an actor checked, if its class wants that.
pub(crate) fn watch(cell: &Arc<ActorCell>) {
    let Some(check) = cell.class.hooks().health_check else { return };
    let shared = &cell.shared;
    let period = check.period.unwrap_or(shared.health_period);
    if shared.health.add(cell, period) {
        let ringing = shared.spawn_timer("actor-health", ring(Arc::downgrade(shared), period));
        // It ends with the host.
        ringing.into_iter().for_each(|task| task.detach());
    }
}

/// Rings for one group of a period after the other, as long as the host is there.
async fn ring(shared: Weak<Shared>, period: Duration) {
    for place in (0..GROUPS).cycle() {
        clock::sleep(period / GROUPS).await;
        let Some(shared) = shared.upgrade() else { return };
        for cell in shared.health.group(period, place) {
            cell.check_due();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_check_makes_up_for_those_before() {
        let mut checks = Checks::default();
        for _ in 0..3 {
            for failed in [true, true, false] {
                assert!(!checks.ring());
                assert!(checks.is_due());
                checks.begin();
                assert!(!checks.end(failed));
            }
        }
    }

    #[test]
    fn one_that_waits_has_not_failed_and_one_that_runs_has() {
        let mut checks = Checks::default();
        assert!((0..10).all(|_| !checks.ring()), "it has not begun");
        checks.begin();
        assert!(!checks.ring());
        assert!(!checks.ring());
        assert!(checks.ring());
    }
}
