//! Who leads: whether the leading thread is away, and whether it still leads when it comes back.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the leading thread's steps out of its runtime and back in. Odd: it is away. Every step is another number, so that
/// the relief never takes one absence for another.
#[derive(Debug, Default)]
pub(super) struct Turnstile(AtomicU64);

/// One absence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Left(u64);

impl Left {
    /// Odd, so never 0.
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

impl Turnstile {
    /// The leading thread leaves. Called by it alone.
    pub(super) fn leave(&self) -> Left {
        Left(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// It comes back; `false` where another one leads since.
    pub(super) fn come_back(&self, left: Left) -> bool {
        self.step(left)
    }

    /// The absence of the leading thread, while there is one.
    pub(super) fn absence(&self) -> Option<Left> {
        let step = self.0.load(Ordering::SeqCst);
        (step % 2 == 1).then_some(Left(step))
    }

    /// Takes the lead from the thread that is away; `false` where it has come back.
    pub(super) fn relieve(&self, left: Left) -> bool {
        self.step(left)
    }

    fn step(&self, left: Left) -> bool {
        self.0.compare_exchange(left.0, left.0 + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}
