//! The queue in front of a store's writer thread.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::request::Request;

/// How many requests wait at most; further ones are refused.
pub(crate) const MAX_WAITING: usize = 4096;

/// How many requests a round takes at most.
const MAX_ROUND: usize = 256;

/// The queue in front of a store's writer thread: bounded, and awake to the clock.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    requests: VecDeque<Request>,
    nudged: bool,
    closed: bool,
}

/// Why a request was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rejected {
    /// [`MAX_WAITING`] requests wait already.
    Full,
    /// The store is closed.
    Closed,
}

impl Inbox {
    pub(crate) fn push(&self, request: Request) -> Result<(), Rejected> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Rejected::Closed);
        }
        if state.requests.len() >= MAX_WAITING {
            return Err(Rejected::Full);
        }
        state.requests.push_back(request);
        self.changed.notify_one();
        Ok(())
    }

    /// Makes the thread look at the clock.
    pub(crate) fn nudge(&self) {
        self.state.lock().nudged = true;
        self.changed.notify_one();
    }

    /// Takes no more requests; those that wait are still handed out.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Waits for requests, a nudge, or `patience` to pass. `None`: closed, and empty.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Option<Vec<Request>> {
        let mut state = self.state.lock();
        while state.requests.is_empty() && !state.nudged && !state.closed {
            match patience {
                Some(patience) if self.changed.wait_for(&mut state, patience).timed_out() => break,
                Some(_) => {}
                None => self.changed.wait(&mut state),
            }
        }
        if state.closed && state.requests.is_empty() {
            return None;
        }
        state.nudged = false;
        let round = state.requests.len().min(MAX_ROUND);
        Some(state.requests.drain(..round).collect())
    }
}
