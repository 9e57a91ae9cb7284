//! A future with a context around it.

use super::{Context, current};
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

/// Runs a future in a context; made by [`Context::scope`].
///
/// The future lies in a box, so that it can be pinned without unsafe code: one allocation per scope.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Scope<F> {
    context: Context,
    future: Pin<Box<F>>,
}

impl<F> Scope<F> {
    pub(super) fn new(context: Context, future: F) -> Self {
        Scope { context, future: Box::pin(future) }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<F::Output> {
        let _entered = current::enter(self.context.clone());
        self.future.as_mut().poll(task)
    }
}
