//! One slot: a queue of runs and the thread that runs them one by one.

use crate::host::{Environment, QueuedRun};
use crate::panic::{enter_thread, guard};
use crate::{AsyncCall, Body, Call, CallResult, CancelToken, Completion};
use mobula_runtime::clock;
use mobula_types::{Failure, FailureKind, Outcome};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// What the slot's thread and everybody else share.
#[derive(Debug)]
pub(crate) struct Slot {
    number: u32,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<QueuedRun>,
    running: Option<u64>,
    /// Of the run that runs; renewed in place for the next one.
    token: CancelToken,
    /// The thread waits and nobody has woken it yet.
    parked: bool,
    /// The host is gone: the thread ends after its run.
    closing: bool,
    /// The thread is gone, or about to go: nothing may be queued any more.
    ended: bool,
}

/// What came of queueing on a slot.
pub(crate) enum Queued {
    /// The runs are queued; whether the thread had to be woken.
    Yes { woken: bool },
    /// The slot's thread has ended meanwhile.
    SlotEnded,
}

impl Slot {
    /// Opens a slot: starts its thread.
    pub(crate) fn open(number: u32, environment: Arc<Environment>) -> io::Result<Arc<Self>> {
        let slot = Arc::new(Slot { number, state: Mutex::default(), wake: Condvar::new() });
        let of_thread = slot.clone();
        let name = format!("{}-slot-{number}", environment.name);
        std::thread::Builder::new().name(name).spawn(move || of_thread.work(&environment))?;
        Ok(slot)
    }

    /// Moves `runs` to the end of the queue, and wakes the thread if it waits.
    pub(crate) fn queue(&self, runs: &mut Vec<QueuedRun>) -> Queued {
        let mut state = self.state.lock();
        if state.ended {
            return Queued::SlotEnded;
        }
        state.queue.extend(runs.drain(..));
        let woken = std::mem::take(&mut state.parked);
        drop(state);
        if woken {
            self.wake.notify_one();
        }
        Queued::Yes { woken }
    }

    /// Takes back those runs that have not started.
    pub(crate) fn recall(&self, sorted_handles: &[u64], recalled: &mut Vec<u64>) {
        self.state.lock().queue.retain(|run| {
            let stays = sorted_handles.binary_search(&run.call.handle).is_err();
            if !stays {
                recalled.push(run.call.handle);
            }
            stays
        });
    }

    /// Cancels a run of this slot. An unstarted one is taken back.
    pub(crate) fn cancel(&self, handle: u64, failure: &Failure) -> Option<QueuedRun> {
        let mut state = self.state.lock();
        if state.running == Some(handle) {
            let token = state.token.clone();
            drop(state);
            token.cancel(failure.clone());
            return None;
        }
        let position = state.queue.iter().position(|run| run.call.handle == handle)?;
        state.queue.remove(position)
    }

    /// Whether nothing is queued or running.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.queue.is_empty() && state.running.is_none()
    }

    /// Whether the thread is gone.
    pub(crate) fn is_ended(&self) -> bool {
        self.state.lock().ended
    }

    /// Drops what is queued, tells what runs, and lets the thread end.
    pub(crate) fn close(&self, failure: &Failure) {
        let mut state = self.state.lock();
        state.closing = true;
        let dropped = std::mem::take(&mut state.queue);
        let token = state.token.clone();
        drop(state);
        drop(dropped);
        token.cancel(failure.clone());
        self.wake.notify_one();
    }

    fn work(&self, environment: &Environment) {
        enter_thread(environment.marker.clone());
        (environment.on_thread_start)();
        while let Some(run) = self.next(environment) {
            let handle = run.call.handle;
            environment.marker.started(self.number, handle);
            let start = clock::now();
            let result = run_guarded(run, environment);
            let micros = clock::now().since(start).as_micros();
            environment.marker.finished(self.number, handle);
            let micros = u32::try_from(micros).unwrap_or(u32::MAX);
            environment.completed.completed(Completion { handle, result, micros });
        }
    }

    /// The next run; `None` when the thread is to end.
    fn next(&self, environment: &Environment) -> Option<QueuedRun> {
        let mut state = self.state.lock();
        state.running = None;
        loop {
            if state.closing {
                state.ended = true;
                return None;
            }
            if let Some(mut run) = state.queue.pop_front() {
                state.token.renew();
                run.call.cancel = state.token.clone();
                state.running = Some(run.call.handle);
                return Some(run);
            }
            state.parked = true;
            if self.number < environment.slots {
                self.wake.wait(&mut state);
            } else {
                let waited = self.wake.wait_for(&mut state, environment.extra_idle);
                if waited.timed_out() && state.queue.is_empty() {
                    state.ended = true;
                    return None;
                }
            }
            state.parked = false;
        }
    }
}

/// Runs one call to its end. What was cancelled while it ran has failed, whatever it still returned.
fn run_guarded(run: QueuedRun, environment: &Environment) -> CallResult {
    let QueuedRun { function, call, .. } = run;
    let token = call.cancel.clone();
    let (task, name) = (call.task, call.template.clone());
    let result = guard(|| run_body(&function.body, call, environment));
    if let Some(failure) = token.failure() {
        return CallResult::failed(failure);
    }
    result.unwrap_or_else(|failure| CallResult::failed(failure.of_task(task, name.display_name())))
}

fn run_body(body: &Body, call: Call, environment: &Environment) -> CallResult {
    match body {
        Body::Blocking(body) => body(call),
        Body::SharedBlocking(body) => body(call),
        Body::Async(body) => run_async(|call| body(call), call, environment),
        Body::SharedAsync(body) => run_async(|call| body(call), call, environment),
    }
}

fn run_async(body: impl FnOnce(Call) -> AsyncCall, call: Call, environment: &Environment) -> CallResult {
    let runtime = match environment.runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let message = format!("could not start the worker's runtime for async functions: {error}");
            return CallResult::failed(Failure::new(FailureKind::ResourceExhausted, message));
        }
    };
    let token = call.cancel.clone();
    runtime.block_on(async move {
        let future = body(call);
        // The future first: one that never waits costs no registration with the token.
        tokio::select! {
            biased;
            result = future => result,
            failure = token.cancelled() => CallResult::of(Outcome::Failed(failure)),
        }
    })
}
