//! Which threads of a pool there are, and which of them rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

/// The threads of a pool.
pub(super) struct Crew {
    /// Those that rest; the last one to do so is woken first, as its memory is the warmest.
    resting: Vec<Arc<Bed>>,
    threads: usize,
    closed: bool,
}

impl Crew {
    /// One thread, which works.
    pub(super) fn with_one() -> Self {
        Crew { resting: Vec::new(), threads: 1, closed: false }
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn rest(&mut self, bed: Arc<Bed>) {
        self.resting.push(bed);
    }

    /// One more thread is to work: one that rests and is to be woken, or a further one that is to be started, if there may
    /// be one.
    pub(super) fn call(&mut self, most: usize) -> Option<Option<Arc<Bed>>> {
        if self.closed {
            return None;
        }
        if let Some(bed) = self.resting.pop() {
            return Some(Some(bed));
        }
        (self.threads < most).then(|| {
            self.threads += 1;
            None
        })
    }

    /// A thread that works ends, or could not be started.
    pub(super) fn leave(&mut self) {
        self.threads -= 1;
    }

    /// A thread ends that has rested for long. False where it has been called meanwhile.
    pub(super) fn give_up(&mut self, bed: &Arc<Bed>) -> bool {
        let Some(place) = self.resting.iter().position(|other| Arc::ptr_eq(other, bed)) else { return false };
        self.resting.remove(place);
        self.threads -= 1;
        true
    }

    /// Nobody rests any more. Those that did are to be woken.
    pub(super) fn close(&mut self) -> Vec<Arc<Bed>> {
        self.closed = true;
        std::mem::take(&mut self.resting)
    }
}

/// Where a thread rests.
pub(super) struct Bed {
    thread: Thread,
    /// Set by who wakes it: a thread's own token may be given and taken by others, such as a task on it.
    woken: AtomicBool,
}

impl Bed {
    pub(super) fn of_this_thread() -> Self {
        Bed { thread: std::thread::current(), woken: AtomicBool::new(false) }
    }

    pub(super) fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }

    pub(super) fn wait(&self) {
        while !self.woken.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }

    /// False where it was not woken in that time.
    pub(super) fn wait_for(&self, time: Duration) -> bool {
        let until = mobula_runtime::clock::now() + time;
        while !self.woken.swap(false, Ordering::Acquire) {
            let left = until.since(mobula_runtime::clock::now());
            if left.is_zero() {
                return false;
            }
            std::thread::park_timeout(left);
        }
        true
    }
}
