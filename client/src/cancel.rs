//! Cancelling tasks.

use crate::ObjectRef;
use crate::link::Command;
use crate::reference::Handle;
use std::sync::Arc;

/// Cancels the task that makes an object: with options, then [`send`](Cancel::send).
///
/// ```no_run
/// # fn example(reference: mobula::ObjectRef<u64>) {
/// mobula::cancel(&reference).force(true).send();
/// # }
/// ```
pub fn cancel<T>(reference: &ObjectRef<T>) -> Cancel {
    Cancel::new(reference.handle().clone())
}

/// A cancellation that has not been sent yet; made by [`cancel`].
///
/// A queued task is dropped. A running async one is dropped at its next await, a blocking one is told through its context.
/// Getting its result gives `Cancelled`. What has finished is left alone.
#[derive(Debug)]
#[must_use = "nothing is cancelled before `send`"]
pub struct Cancel {
    handle: Arc<Handle>,
    force: bool,
    recursive: bool,
}

impl Cancel {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        Cancel { handle, force: false, recursive: true }
    }

    /// Whether its worker is ended if the task still runs 2 s later (off).
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Whether its children are cancelled too (on).
    pub fn recursive(mut self, recursive: bool) -> Self {
        self.recursive = recursive;
        self
    }

    /// Sends it. Never waits.
    pub fn send(self) {
        let Cancel { handle, force, recursive } = self;
        handle.command(Command::Cancel { address: handle.address(), force, recursive });
    }
}
