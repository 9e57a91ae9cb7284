//! Turns, from their start to their end.

use super::cell::ActorCell;
use super::class::{Access, Method, MethodBody};
use super::ending::{Ending, How, TURNS};
use super::object::{ActorExit, Object};
use super::queue::QueuedTurn;
use super::thread::marked;
use crate::panic::guard;
use crate::{AsyncCall, Call, CallResult, CancelToken, Completion};
use mobula_runtime::{TaskHandle, clock};
use mobula_types::actor::ExitKind;
use mobula_types::{ExitReason, Failure, FailureKind, TaskId, TaskTemplate, Time};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A turn that runs: what is needed at its end.
struct Running {
    cell: Arc<ActorCell>,
    handle: u64,
    task: TaskId,
    template: Arc<TaskTemplate>,
    method: usize,
    token: CancelToken,
    start: Time,
    /// None where it may take as long as it likes.
    limit: Option<Limit>,
}

/// How long a turn may take.
struct Limit {
    over: Time,
    failure: Failure,
    /// Cancels it then; ends with the turn.
    _timer: Option<TaskHandle<()>>,
}

impl Limit {
    fn set(cell: &ActorCell, call: &Call, token: &CancelToken, start: Time, timeout: Duration) -> Self {
        let over = start + timeout;
        let text = format!("it took longer than its timeout of {timeout:?}");
        let failure = Failure::new(FailureKind::DeadlineExceeded, text)
            .of_task(call.task, call.template.display_name());
        // The token is this turn's alone: a timer that is late touches no other turn.
        let (token, told) = (token.clone(), failure.clone());
        let timer = cell.shared.spawn_timer("actor-timeout", async move {
            clock::sleep_until(over).await;
            token.cancel(told);
        });
        Limit { over, failure, _timer: timer }
    }
}

/// Runs a turn on the drive task. A shared one that has to wait goes on by itself; an exclusive one is waited for.
pub(crate) async fn run(cell: &Arc<ActorCell>, turn: QueuedTurn, token: CancelToken) {
    let QueuedTurn { caller, method: place, mut call } = turn;
    let start = clock::now();
    let limit = call.template.options.timeout.map(|timeout| Limit::set(cell, &call, &token, start, timeout));
    if let Some(Limit { over, .. }) = limit {
        // What it calls has no more time than it has itself.
        call.deadline = Some(call.deadline.map_or(over, |deadline| deadline.min(over)));
    }
    let running = Running {
        cell: cell.clone(),
        handle: call.handle,
        task: call.task,
        template: call.template.clone(),
        method: place,
        token: token.clone(),
        start,
        limit,
    };
    call.cancel = token;
    let (method, object) = match (cell.class.methods().get(place), cell.object()) {
        (Some(method), Some(object)) => (*method, object.in_turn(caller, method.access)),
        (None, _) => return running.end(Ok(CallResult::failed(no_method(cell, place)))),
        (_, None) => return running.end(Ok(CallResult::failed(not_there()))),
    };
    match method.body {
        MethodBody::Inline(body) => {
            let result = marked(&*cell.shared.marker, running.handle, || guard(|| body(object, call)));
            running.end(result);
        }
        MethodBody::Blocking(body) => {
            let rest = Box::pin(run_blocking(running, object, call, body));
            go_on(cell, method, rest).await;
        }
        MethodBody::Async(body) => {
            let future = marked(&*cell.shared.marker, running.handle, || guard(|| body(object, call)));
            let mut future = match future {
                Ok(future) => Part::of_turn(cell, running.handle, future),
                Err(panic) => return running.end(Err(panic)),
            };
            // Most turns never wait: they cost no registration and no task.
            match poll_fn(|context| Poll::Ready(Pin::new(&mut future).poll(context))).await {
                Poll::Ready(result) => running.end(result),
                Poll::Pending => go_on(cell, method, Box::pin(wait(running, method, future))).await,
            }
        }
    }
}

/// Waits for the rest of a turn, or lets it go on by itself.
async fn go_on(cell: &Arc<ActorCell>, method: Method, rest: Pin<Box<dyn Future<Output = ()> + Send>>) {
    match method.access {
        Access::Exclusive => rest.await,
        Access::Shared => {
            cell.set_apart();
            cell.shared.spawn("actor-turn", rest);
        }
    }
}

/// The rest of an async turn.
async fn wait(running: Running, method: Method, mut future: Part<CallResult>) {
    let droppable = method.access == Access::Shared || method.cancel_safe;
    let result = tokio::select! {
        biased;
        result = &mut future => Some(result),
        () = running.cell.dropping.demanded(TURNS) => None,
        _ = running.token.cancelled(), if droppable => None,
    };
    future.discard();
    let result = result.unwrap_or_else(|| Ok(cut_short(running.dropped())));
    running.end_of(result, method.access);
}

/// A turn on a thread where it may block. It cannot be dropped, but it is told.
async fn run_blocking(running: Running, object: Object, call: Call, body: fn(Object, Call) -> CallResult) {
    let marker = running.cell.shared.marker.clone();
    let handle = running.handle;
    let access = running.cell.class.methods().get(running.method).map(|method| method.access);
    let work = move || marked(&*marker, handle, || guard(|| body(object, call)));
    let result = mobula_runtime::spawn_blocking("actor-blocking", work).await;
    // Nothing only where the host is closed.
    let result = result.unwrap_or_else(|| Ok(CallResult::failed(not_there())));
    running.end_of(result, access.unwrap_or(Access::Exclusive));
}

impl Running {
    /// Why it was dropped: its call was cancelled, or its actor ends.
    fn dropped(&self) -> Failure {
        self.token.failure().unwrap_or_else(|| {
            let reason = self.cell.state.lock().ending.as_ref().map(|ending| ending.reason.clone());
            let reason = reason.unwrap_or_else(|| ExitReason::of(ExitKind::Killed));
            reason.to_failure(self.cell.incarnation, true)
        })
    }

    /// The end of a turn that may have gone on by itself.
    fn end_of(self, result: Result<CallResult, Failure>, access: Access) {
        let (cell, handle, method) = (self.cell.clone(), self.handle, self.method);
        self.end(result);
        if access == Access::Shared {
            cell.apart_ended(handle, method);
        }
    }

    /// The end: reports it. A panic ends the actor; what was cancelled has failed, whatever it still returned.
    fn end(self, result: Result<CallResult, Failure>) {
        let now = clock::now();
        // The timer may be behind the turn on its thread.
        let late = self.limit.filter(|limit| limit.over <= now).map(|limit| limit.failure);
        let result = match result {
            Err(panic) => {
                let failure = panic.of_task(self.task, self.template.display_name());
                // Which of its incarnations has ended with it, for whoever calls on.
                let failure = failure.of_incarnation(self.cell.incarnation);
                let reason = ExitReason::failed(ExitKind::Panicked, failure.clone());
                self.cell.end(Ending::new(How::Dead, reason));
                CallResult::failed(failure)
            }
            Ok(result) => match self.token.failure().or(late) {
                Some(failure) => cut_short(failure),
                None => result,
            },
        };
        let micros = u32::try_from(now.since(self.start).as_micros()).unwrap_or(u32::MAX);
        self.cell.shared.events.completed(Completion { handle: self.handle, result, micros });
    }
}

/// The end of a turn that was cancelled, or that its actor's end has cut short: that one may run again.
fn cut_short(failure: Failure) -> CallResult {
    let retryable = failure.kind() == FailureKind::ActorDied;
    CallResult { retryable, ..CallResult::failed(failure) }
}

/// A future of a user: its panics end nothing but itself.
pub(crate) struct Part<T> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    cell: Arc<ActorCell>,
    /// What is noted while it is polled; nothing for hooks.
    handle: Option<u64>,
}

impl<T> Part<T> {
    /// Of a hook, a constructor, or work beside the turns.
    pub(crate) fn new(cell: &Arc<ActorCell>, future: Pin<Box<dyn Future<Output = T> + Send>>) -> Self {
        Part { future: Some(future), cell: cell.clone(), handle: None }
    }

    /// Drops what is left of it.
    pub(crate) fn discard(&mut self) {
        if let Some(future) = self.future.take() {
            self.cell.discard(future);
        }
    }
}

impl<T> Drop for Part<T> {
    fn drop(&mut self) {
        self.discard();
    }
}

impl Part<CallResult> {
    fn of_turn(cell: &Arc<ActorCell>, handle: u64, future: AsyncCall) -> Self {
        let mut part = Part::new(cell, future);
        part.handle = Some(handle);
        part
    }
}

impl<T> Future for Part<T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(future) = &mut this.future else { return Poll::Pending };
        let mut poll = || guard(|| future.as_mut().poll(context));
        let polled = match this.handle {
            Some(handle) => marked(&*this.cell.shared.marker, handle, poll),
            None => poll(),
        };
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => {
                this.discard();
                Poll::Ready(Ok(value))
            }
            Err(panic) => {
                this.discard();
                Poll::Ready(Err(panic))
            }
        }
    }
}

/// Runs a hook; `None` where it was dropped, because the actor is to end as far as `level` says.
pub(crate) async fn run_hook<T>(
    cell: &Arc<ActorCell>,
    level: u8,
    hook: impl FnOnce() -> Pin<Box<dyn Future<Output = T> + Send>>,
) -> Option<Result<T, Failure>> {
    let mut future = match guard(hook) {
        Ok(future) => Part::new(cell, future),
        Err(panic) => return Some(Err(panic)),
    };
    let result = tokio::select! {
        biased;
        result = &mut future => Some(result),
        () = cell.dropping.demanded(level) => None,
    };
    future.discard();
    result
}

impl ActorCell {
    /// The actor for a turn of it, once it is constructed.
    pub(crate) fn object(self: &Arc<Self>) -> Option<Object> {
        let state = self.state.lock().object.clone()?;
        Some(Object::new(state, ActorExit::new(self.clone())))
    }
}

fn no_method(cell: &ActorCell, place: usize) -> Failure {
    let count = cell.class.methods().len();
    let message = format!("{} has {count} methods, and none with number {place}", cell.class.name());
    Failure::new(FailureKind::UnknownFunction, message)
}

fn not_there() -> Failure {
    Failure::new(FailureKind::Unavailable, "the host of the actor is closed")
}
