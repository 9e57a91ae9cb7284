//! Calls that failed at an incarnation that lives, and are tried again there after a while.

use super::Effect;
use super::router::{CallRouter, Hasher};
use std::hash::BuildHasher;
use std::time::Duration;

impl CallRouter {
    /// A call that failed is tried again, later each time.
    pub(super) fn try_later(&mut self, key: usize) {
        let call = &mut self.calls[key];
        call.note_retry();
        let doublings = (call.retries - 1).min(16);
        let longest = self.options.longest_retry_pause;
        let whole = (self.options.retry_pause * (1 << doublings)).min(longest);
        // Calls that failed together are not all tried again together.
        let scatter = Hasher::default().hash_one((call.task, call.retries)) % 1024;
        let half = whole / 2;
        let pause = half + half.mul_f64(scatter as f64 / 1024.0).max(Duration::from_nanos(1));
        let until = self.now + pause;
        call.paused_until = Some(until);
        self.paused.insert((until, call.task));
        self.lanes[call.lane].paused += 1;
    }

    /// Takes a call out of those that wait before they are tried again. `false` where it is not among them.
    pub(super) fn unpause(&mut self, key: usize) -> bool {
        let call = &mut self.calls[key];
        let Some(until) = call.paused_until.take() else { return false };
        self.paused.remove(&(until, call.task));
        self.lanes[call.lane].paused -= 1;
        true
    }

    /// Calls whose time has come again.
    pub(super) fn resume_paused(&mut self, effects: &mut Vec<Effect>) {
        while let Some((until, task)) = self.paused.first().copied() {
            if until > self.now {
                return;
            }
            self.paused.pop_first();
            let Some(key) = self.call_of(task) else { continue };
            if self.unpause(key) {
                let lane = self.calls[key].lane;
                self.enqueue(key);
                self.pump(lane, effects);
            }
        }
    }
}
