//! Tasks with a name and an owner.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::task::JoinHandle;

/// Owns a task: dropping it ends the task at its next await. Awaiting it gives the task's result, or `None` if it was
/// ended or panicked (a panic is logged with the task's name).
#[derive(Debug)]
pub struct TaskHandle<T> {
    name: &'static str,
    handle: JoinHandle<T>,
    detached: bool,
}

impl<T> TaskHandle<T> {
    /// Lets the task run to its own end. Only for tasks that end by themselves when their input does.
    pub fn detach(mut self) {
        self.detached = true;
    }

    /// Ends the task at its next await.
    pub fn abort(&self) {
        self.handle.abort();
    }

    /// Whether the task is over.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T> Drop for TaskHandle<T> {
    fn drop(&mut self) {
        if !self.detached {
            self.handle.abort();
        }
    }
}

impl<T> Future for TaskHandle<T> {
    type Output = Option<T>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let name = self.name;
        Pin::new(&mut self.handle).poll(context).map(|result| match result {
            Ok(value) => Some(value),
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(task = name, %error, "a task panicked");
                }
                None
            }
        })
    }
}

/// Starts a task on the current runtime. `name` says what it is for in logs.
#[allow(clippy::disallowed_methods)]
pub fn spawn<F>(name: &'static str, future: F) -> TaskHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    TaskHandle { name, handle: tokio::spawn(future), detached: false }
}

/// Starts a task on another thread's runtime, which has to outlive it: a task of a runtime that is gone gives `None`.
pub fn spawn_on<F>(runtime: &tokio::runtime::Handle, name: &'static str, future: F) -> TaskHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    TaskHandle { name, handle: runtime.spawn(future), detached: false }
}

/// Starts a task that stays on this thread; needs a `LocalSet` around it.
pub fn spawn_local<F>(name: &'static str, future: F) -> TaskHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    TaskHandle { name, handle: tokio::task::spawn_local(future), detached: false }
}

/// Runs blocking code, such as file I/O, beside the runtime. It cannot be ended from outside.
pub fn spawn_blocking<F, T>(name: &'static str, work: F) -> TaskHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    TaskHandle { name, handle: tokio::task::spawn_blocking(work), detached: false }
}
