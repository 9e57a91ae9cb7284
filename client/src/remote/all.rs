//! Many calls.

use super::RemoteCall;
use crate::Result;
use crate::reference::References;
use std::future::IntoFuture;
use std::pin::Pin;

/// Submits many calls, waiting for room where the buffer is full, and gives their references, in order. Made by
/// `function::remote_all(…)`; nothing is submitted before it is awaited.
#[derive(Clone, Debug)]
#[must_use = "nothing is submitted unless it is awaited"]
pub struct RemoteAll<I> {
    calls: I,
}

impl<R: References, I: Iterator<Item = RemoteCall<R>>> RemoteAll<I> {
    /// Of those calls.
    pub fn new(calls: I) -> Self {
        RemoteAll { calls }
    }

    /// Submits all without waiting; those for which there is no room resolve to `Backpressure`.
    pub fn submit(self) -> Vec<R> {
        self.calls.map(RemoteCall::submit).collect()
    }
}

impl<R, I> IntoFuture for RemoteAll<I>
where
    R: References + 'static,
    I: Iterator<Item = RemoteCall<R>> + Send + 'static,
{
    type Output = Result<Vec<R>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Vec<R>>> + Send>>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(submit_all(self.calls))
    }
}

/// Submits calls one after the other, waiting for room where the buffer is full: the window of what is not yet accepted
/// stays bounded, however many there are. Dropped before it is ready, the calls so far were submitted.
///
/// # Errors
/// None of its own: what goes wrong with a call is what its reference resolves to. The `Result` is for `?` in one
/// line with what follows.
pub async fn submit_all<R: References>(calls: impl IntoIterator<Item = RemoteCall<R>>) -> Result<Vec<R>> {
    let calls = calls.into_iter();
    let mut references = Vec::with_capacity(calls.size_hint().0);
    for call in calls {
        references.push(call.submit_wait().await);
    }
    Ok(references)
}
