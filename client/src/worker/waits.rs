//! Waits inside a run: the node may use the run's CPUs meanwhile.
//!
//! An async run is *blocked* when its future as a whole is pending while at least one wait of the SDK is: then the node is
//! told `Blocked`. The next wake-up says `Unblocked`, and the future is polled again when the node has answered `Resume`.
//! A blocking run is blocked while its thread waits. A wait whose answer is there already tells nobody.

use crate::reference::Handle;
use parking_lot::{Condvar, Mutex};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

/// The way to the node: sends behind what the same thread has requested before.
pub(crate) trait WaitChannel: Send + Sync + fmt::Debug {
    /// The run waits; `waits` is to be resumed when the node says so.
    fn blocked(&self, waits: &Arc<RunWaits>);
    /// The run wants to go on.
    fn unblocked(&self, handle: u64);
    /// The run was lent a reference.
    fn lent(&self, handle: u64, reference: Weak<Handle>);
}

/// The waits of one run.
#[derive(Debug)]
pub(crate) struct RunWaits {
    handle: u64,
    channel: Arc<dyn WaitChannel>,
    pending: AtomicU32,
    gate: Mutex<Gate>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct Gate {
    state: GateState,
    waker: Option<Waker>,
    /// The run is to end: it waits for no `Resume` any more.
    ending: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum GateState {
    /// The run has its CPUs.
    #[default]
    Running,
    /// The node was told `Blocked`.
    Blocked,
    /// The node was told `Unblocked` and has not answered.
    Resuming,
}

/// Held by a wait of an async body while it is pending.
#[derive(Debug)]
pub(crate) struct PendingWait(Arc<RunWaits>);

impl Drop for PendingWait {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::AcqRel);
    }
}

impl RunWaits {
    pub(crate) fn new(handle: u64, channel: Arc<dyn WaitChannel>) -> Arc<Self> {
        let (gate, opened) = (Mutex::default(), Condvar::new());
        Arc::new(RunWaits { handle, channel, pending: AtomicU32::new(0), gate, opened })
    }

    pub(crate) fn handle(&self) -> u64 {
        self.handle
    }

    /// The run was lent a reference, which its worker may keep beyond it.
    pub(crate) fn lend(&self, reference: &Arc<Handle>) {
        self.channel.lent(self.handle, Arc::downgrade(reference));
    }

    /// To be held by a wait of an async body from the first poll that gives `Pending` until it is ready or dropped.
    pub(crate) fn pending(self: &Arc<Self>) -> PendingWait {
        self.pending.fetch_add(1, Ordering::AcqRel);
        PendingWait(self.clone())
    }

    /// Around a wait that blocks the thread, where the answer is not there yet. Returns when the wait is over and the run
    /// has its CPUs again, or was cancelled.
    pub(crate) fn blocking<R>(self: &Arc<Self>, wait: impl FnOnce() -> R) -> R {
        self.tell_blocked();
        let result = wait();
        self.tell_unblocked();
        let mut gate = self.gate.lock();
        while gate.state == GateState::Resuming {
            self.opened.wait(&mut gate);
        }
        result
    }

    /// The node has answered `Resume`.
    pub(crate) fn resume(&self) {
        self.open(false);
    }

    /// The run is to end and need not wait for the node any more.
    pub(crate) fn end(&self) {
        self.open(true);
    }

    fn open(&self, ending: bool) {
        let mut gate = self.gate.lock();
        gate.state = GateState::Running;
        gate.ending |= ending;
        let waker = gate.waker.take();
        drop(gate);
        self.opened.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn tell_blocked(self: &Arc<Self>) {
        let mut gate = self.gate.lock();
        if gate.state == GateState::Running && !gate.ending {
            gate.state = GateState::Blocked;
            drop(gate);
            self.channel.blocked(self);
        }
    }

    fn tell_unblocked(&self) {
        let mut gate = self.gate.lock();
        if gate.state == GateState::Blocked {
            gate.state = GateState::Resuming;
            drop(gate);
            self.channel.unblocked(self.handle);
        }
    }

    /// Whether the run may be polled; if not, `context` is woken when it may.
    fn poll_gate(&self, context: &mut Context<'_>) -> Poll<()> {
        self.tell_unblocked();
        let mut gate = self.gate.lock();
        if gate.state == GateState::Resuming {
            gate.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn after_pending(self: &Arc<Self>) {
        if self.pending.load(Ordering::Acquire) > 0 {
            self.tell_blocked();
        }
    }
}

/// An async run between its waits.
#[derive(Debug)]
pub(crate) struct GatedRun<F> {
    future: F,
    waits: Arc<RunWaits>,
}

impl<F> GatedRun<F> {
    pub(crate) fn new(future: F, waits: Arc<RunWaits>) -> Self {
        GatedRun { future, waits }
    }
}

impl<F: Future + Unpin> Future for GatedRun<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.waits.poll_gate(context).is_pending() {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.future).poll(context);
        if result.is_pending() {
            self.waits.after_pending();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Notify;

    #[derive(Debug, Default)]
    struct Told(Mutex<Vec<&'static str>>);

    impl WaitChannel for Told {
        fn blocked(&self, _waits: &Arc<RunWaits>) {
            self.0.lock().push("blocked");
        }
        fn unblocked(&self, _handle: u64) {
            self.0.lock().push("unblocked");
        }
        fn lent(&self, _handle: u64, _reference: Weak<Handle>) {
            self.0.lock().push("lent");
        }
    }

    fn waits() -> (Arc<Told>, Arc<RunWaits>) {
        let told = Arc::new(Told::default());
        (told.clone(), RunWaits::new(7, told))
    }

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn an_async_run_goes_on_when_the_node_says_so() {
        let (told, waits) = waits();
        let answer = Arc::new(Notify::new());
        let body = {
            let (waits, answer) = (waits.clone(), answer.clone());
            Box::pin(async move {
                let waiting = waits.pending();
                answer.notified().await;
                drop(waiting);
                1
            })
        };
        let mut run = GatedRun::new(body, waits.clone());
        assert!(poll(&mut run).is_pending());
        assert_eq!(*told.0.lock(), ["blocked"]);
        answer.notify_one();
        assert!(poll(&mut run).is_pending(), "its CPUs may be another's");
        assert!(poll(&mut run).is_pending());
        assert_eq!(*told.0.lock(), ["blocked", "unblocked"]);
        waits.resume();
        assert_eq!(poll(&mut run), Poll::Ready(1));
    }

    #[test]
    fn a_run_that_awaits_something_else_keeps_its_cpus() {
        let (told, waits) = waits();
        let mut run = GatedRun::new(Box::pin(std::future::pending::<()>()), waits);
        assert!(poll(&mut run).is_pending());
        assert!(told.0.lock().is_empty());
    }

    #[test]
    fn a_blocking_run_waits_for_the_node_after_its_wait() {
        let (told, waits) = waits();
        let (of_thread, (over, is_over)) = (waits.clone(), std::sync::mpsc::channel());
        let thread = std::thread::spawn(move || of_thread.blocking(|| is_over.recv().is_ok()));
        over.send(()).unwrap();
        while told.0.lock().len() < 2 {
            std::thread::yield_now();
        }
        assert!(!thread.is_finished());
        waits.resume();
        assert!(thread.join().unwrap());
        assert_eq!(*told.0.lock(), ["blocked", "unblocked"]);
    }

    #[test]
    fn a_run_that_is_to_end_waits_for_nobody() {
        let (told, waits) = waits();
        waits.end();
        waits.blocking(|| {});
        assert!(told.0.lock().is_empty());
    }
}
