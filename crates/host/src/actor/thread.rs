//! What threads know of the turns that run on them.

use super::pool::Pool;
use crate::CrashMarker;
use crate::panic::enter_thread;
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

thread_local! {
    /// The number by which this thread is known to the crash marker, where turns run on it.
    static NUMBER: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Numbers for threads: the smallest that is free.
#[derive(Debug)]
pub(crate) struct Numbers(Mutex<Free>);

#[derive(Debug)]
struct Free {
    next: u32,
    returned: BTreeSet<u32>,
}

impl Numbers {
    pub(crate) fn new(first: u32) -> Self {
        Numbers(Mutex::new(Free { next: first, returned: BTreeSet::new() }))
    }

    fn take(&self) -> u32 {
        let mut free = self.0.lock();
        if let Some(number) = free.returned.pop_first() {
            return number;
        }
        let number = free.next;
        free.next = number.saturating_add(1);
        number
    }

    fn give_back(&self, number: u32) {
        self.0.lock().returned.insert(number);
    }
}

/// Turns may run on this thread from now on.
pub(crate) fn enter(numbers: &Numbers, marker: Arc<dyn CrashMarker>) {
    NUMBER.set(Some(numbers.take()));
    enter_thread(marker);
}

/// This thread ends.
pub(crate) fn leave(numbers: &Numbers) {
    if let Some(number) = NUMBER.take() {
        numbers.give_back(number);
    }
}

/// Runs a part of a turn on this thread, with a note for whoever finds the process dead.
pub(crate) fn marked<T>(marker: &dyn CrashMarker, handle: u64, part: impl FnOnce() -> T) -> T {
    let Some(number) = NUMBER.get() else { return part() };
    marker.started(number, handle);
    let result = part();
    marker.finished(number, handle);
    result
}

/// Runs something that waits, such as a blocking read, in a method that is not marked as blocking. On a thread of actors
/// the other actors of that thread go on on another one meanwhile; elsewhere it just runs.
pub fn blocking_wait<R>(wait: impl FnOnce() -> R) -> R {
    match Pool::current() {
        Some(pool) => pool.blocking(wait),
        // A task that a turn has started in the runtime around it.
        None if NUMBER.get().is_some() => tokio::task::block_in_place(wait),
        None => wait(),
    }
}
