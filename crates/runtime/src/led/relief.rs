//! The thread that takes the lead where the leading one stays away.

use super::turnstile::{Left, Turnstile};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

/// There is none, or it leads.
const NONE: u8 = 0;
/// It looks at every tick.
const WATCHES: u8 = 1;
/// It looks when it is woken.
const SLEEPS: u8 = 2;

/// After so many ticks without an absence it sleeps.
const QUIET_TICKS: u32 = 20;

/// Where the relief is, and how it is woken.
#[derive(Debug)]
pub(super) struct Relief {
    tick: Duration,
    state: AtomicU8,
    /// The thread that is the relief, or was it last.
    thread: Mutex<Option<Thread>>,
    /// A thread was made for it.
    pub(super) is_provided: AtomicBool,
    /// The absence in which the leading thread waits for something: it is to be relieved now.
    called: AtomicU64,
}

impl Relief {
    pub(super) fn new(tick: Duration) -> Self {
        Relief {
            tick,
            state: AtomicU8::new(NONE),
            thread: Mutex::default(),
            is_provided: AtomicBool::new(false),
            called: AtomicU64::new(0),
        }
    }

    pub(super) fn is_at_hand(&self) -> bool {
        self.state.load(Ordering::Relaxed) != NONE
    }

    /// The leading thread has left.
    pub(super) fn watch(&self) {
        // Behind the step at the turnstile, as it looks there once more before it sleeps.
        if self.state.load(Ordering::SeqCst) == SLEEPS {
            self.wake();
        }
    }

    /// The leading thread has left, and is not about to come back.
    pub(super) fn call(&self, left: Left) {
        self.called.store(left.number(), Ordering::SeqCst);
        self.wake();
    }

    pub(super) fn wake(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = &*thread {
            thread.unpark();
        }
    }

    /// Waits on this thread until the leading one stays away, and takes the lead; `false` where the runtime is over.
    pub(super) fn wait(&self, turnstile: &Turnstile, is_over: impl Fn() -> bool) -> bool {
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current());
        self.state.store(WATCHES, Ordering::SeqCst);
        let mut seen = None;
        let mut quiet = 0;
        while !is_over() {
            let absence = turnstile.absence();
            if let Some(left) = absence
                && self.is_needed(seen, left)
            {
                // Before the other thread may have become the relief.
                self.state.store(NONE, Ordering::SeqCst);
                if turnstile.relieve(left) {
                    return true;
                }
                self.state.store(WATCHES, Ordering::SeqCst);
            }
            seen = absence;
            quiet = if absence.is_none() { quiet + 1 } else { 0 };
            if quiet < QUIET_TICKS {
                std::thread::park_timeout(self.tick);
                continue;
            }
            self.state.store(SLEEPS, Ordering::SeqCst);
            if turnstile.absence().is_none() && !is_over() {
                std::thread::park();
            }
            self.state.store(WATCHES, Ordering::SeqCst);
            quiet = 0;
        }
        false
    }

    /// It was there a tick ago too, or who is away has asked for it.
    fn is_needed(&self, seen: Option<Left>, left: Left) -> bool {
        seen == Some(left) || self.called.load(Ordering::SeqCst) == left.number()
    }
}
