//! What an actor is told to do, and what it notes.

use mobula_types::Failure;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::time::Duration;

/// What an actor does, and what it has done.
#[derive(Debug, Default)]
pub(crate) struct Script {
    notes: Mutex<Vec<String>>,
    changed: Condvar,
    /// Gates that are open: turns wait at theirs.
    open: Mutex<BTreeSet<u64>>,
    opened: tokio::sync::Notify,
    blocked: Condvar,
    pub(crate) on_start: Mutex<Option<Failure>>,
    pub(crate) panics_at_stop: Mutex<bool>,
    pub(crate) health: Mutex<Health>,
}

/// What a health check answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Health {
    #[default]
    Good,
    Bad,
    Hangs,
}

impl Script {
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.notes.lock().push(text.into());
        self.changed.notify_all();
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.lock().clone()
    }

    /// Waits until something has been noted.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(text, |notes| notes.iter().any(|note| note == text));
    }

    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&[String]) -> bool) {
        let mut notes = self.notes.lock();
        while !is_so(&notes) {
            let waited = self.changed.wait_for(&mut notes, Duration::from_secs(30));
            assert!(!waited.timed_out(), "waited for {what}; there is only {notes:?}");
        }
    }

    pub(crate) fn count(&self, text: &str) -> usize {
        self.notes.lock().iter().filter(|note| *note == text).count()
    }

    /// Lets turns with this handle go on.
    pub(crate) fn open(&self, handle: u64) {
        self.open.lock().insert(handle);
        self.blocked.notify_all();
        self.opened.notify_waiters();
    }

    pub(crate) async fn gate(&self, handle: u64) {
        loop {
            let mut opened = std::pin::pin!(self.opened.notified());
            opened.as_mut().enable();
            if self.open.lock().contains(&handle) {
                return;
            }
            opened.await;
        }
    }

    pub(crate) fn block(&self, handle: u64) {
        let mut open = self.open.lock();
        while !open.contains(&handle) {
            self.blocked.wait(&mut open);
        }
    }
}
