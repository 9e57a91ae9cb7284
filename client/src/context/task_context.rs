//! What a running task may know of itself.

use super::Context;
use mobula_host::CancelToken;
use mobula_runtime::clock;
use mobula_types::{Attempt, TaskId};
use std::time::Duration;

/// What a running task knows of itself: [`mobula::task_context()`](crate::task_context).
///
/// ```no_run
/// fn long_loop() -> u64 {
///     let task = mobula::task_context();
///     let mut rounds = 0;
///     while !task.as_ref().is_some_and(|task| task.is_cancelled()) {
///         rounds += 1;
///     }
///     rounds
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TaskContext(Context);

impl TaskContext {
    pub(super) fn of(context: &Context) -> Option<Self> {
        context.run().map(|_run| TaskContext(context.clone()))
    }

    fn run<R>(&self, look: impl FnOnce(&super::RunScope) -> R) -> Option<R> {
        self.0.run().map(look)
    }

    /// The task.
    pub fn id(&self) -> TaskId {
        self.run(super::RunScope::task).unwrap_or_default()
    }

    /// Which attempt at the task this is; the first one is 0.
    pub fn attempt(&self) -> Attempt {
        self.run(super::RunScope::attempt).unwrap_or_default()
    }

    /// How much time is left until the task's deadline; `None` where it has none.
    pub fn time_left(&self) -> Option<Duration> {
        self.0.deadline().map(|deadline| deadline.since(clock::now()))
    }

    /// Whether the task should end: it was cancelled, or its timeout or deadline is over. Cheap, for loops of blocking
    /// code; an async task need not ask, since it is dropped at its next await.
    pub fn is_cancelled(&self) -> bool {
        self.run(|run| run.cancel().is_cancelled()).unwrap_or(false)
    }

    /// Waits until the task should end. Cancellation safe.
    pub async fn cancelled(&self) {
        match self.run(|run| run.cancel().clone()) {
            Some(cancel) => drop(cancel.cancelled().await),
            None => std::future::pending().await,
        }
    }

    /// The token behind [`is_cancelled`](Self::is_cancelled), to be handed on.
    pub fn cancel_token(&self) -> CancelToken {
        self.run(|run| run.cancel().clone()).unwrap_or_default()
    }
}
