//! The clock by which embedded registries let leases end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mobula_types::Time;
use parking_lot::Mutex;

/// Called after a clock was moved by hand; answers whether it wants to be called again.
pub type Waker = Arc<dyn Fn() -> bool + Send + Sync>;

/// A source of time that never goes back.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Time;

    /// Takes a waker to be called whenever the clock is moved by hand, and answers `true`; a clock that runs by itself
    /// answers `false`, and who waits for a time then sleeps until it.
    fn on_advance(&self, waker: Waker) -> bool;
}

/// The machine's clock since its start, time spent suspended included (`CLOCK_BOOTTIME`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BootClock;

impl Clock for BootClock {
    fn now(&self) -> Time {
        mobula_runtime::clock::now()
    }

    fn on_advance(&self, _waker: Waker) -> bool {
        false
    }
}

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Clone, Default)]
pub struct ManualClock {
    inner: Arc<Mutex<Hands>>,
}

#[derive(Default)]
struct Hands {
    now: Time,
    wakers: Vec<Waker>,
}

impl ManualClock {
    /// A clock that shows zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock forward. In memory, what ends meanwhile has ended when this returns; a file's registry is
    /// woken, and its watches tell when it has.
    pub fn advance(&self, duration: Duration) {
        let wakers = {
            let mut hands = self.inner.lock();
            hands.now = hands.now + duration;
            hands.wakers.clone()
        };
        // Called without the lock: they read the clock.
        let gone: Vec<_> = wakers.into_iter().filter(|waker| !waker()).collect();
        self.inner.lock().wakers.retain(|waker| !gone.iter().any(|other| Arc::ptr_eq(waker, other)));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        self.inner.lock().now
    }

    fn on_advance(&self, waker: Waker) -> bool {
        self.inner.lock().wakers.push(waker);
        true
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock").field("now", &self.now()).finish_non_exhaustive()
    }
}
