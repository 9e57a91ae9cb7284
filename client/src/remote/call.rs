//! A call that has not been submitted yet.

use super::builder::Parts;
use super::options::CallOptions;
use crate::context::Context;
use crate::reference::{IntoReferences, References};
use crate::{Cluster, ObjectRef};
use std::marker::PhantomData;

/// A call of a remote function: made by `function::remote(…)`, given options, and [submitted](Self::submit).
///
/// `R` is what submitting returns: an [`ObjectRef`], or a tuple or list of them.
///
/// ```no_run
/// # use mobula::{ObjectRef, RemoteCall};
/// # use std::time::Duration;
/// # fn example(call: RemoteCall<ObjectRef<u64>>) {
/// let reference = call.num_cpus(2.0).timeout(Duration::from_secs(5)).submit();
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a call does nothing unless it is submitted"]
pub struct RemoteCall<R> {
    pub(super) parts: Parts,
    pub(super) options: Option<Box<CallOptions>>,
    pub(super) context: Option<Context>,
    returns: PhantomData<fn() -> R>,
}

impl<R: References> RemoteCall<R> {
    pub(super) fn new(parts: Parts) -> Self {
        RemoteCall { parts, options: None, context: None, returns: PhantomData }
    }

    /// As it is, without results.
    pub(crate) fn without_results(mut self) -> RemoteCall<()> {
        self.changed().num_returns = Some(0);
        let RemoteCall { parts, options, context, .. } = self;
        RemoteCall { parts, options, context, returns: PhantomData }
    }

    /// Submits to that cluster, whatever the context is. Inside a task of the same cluster the call stays the task's
    /// child.
    pub fn on(mut self, cluster: &Cluster) -> Self {
        self.context = Some(cluster.context_here());
        self
    }

    /// Submits the call and returns its references at once: it never waits and never blocks.
    ///
    /// What goes wrong is what the references resolve to: `Backpressure` where 100,000 requests or 256 MiB wait to be
    /// accepted, `NoContext` outside of any cluster's context, `BadArguments` where an argument does not encode.
    pub fn submit(self) -> R {
        self.submit_now()
    }

    /// As [`submit`](Self::submit), but waits for room where the buffer is full. Cancellation safe: dropped before it is
    /// ready, nothing was submitted.
    pub async fn submit_wait(self) -> R {
        self.submit_with_room().await
    }
}

impl<T> RemoteCall<ObjectRef<Vec<T>>> {
    /// Splits the list that the function returns into that many objects, one for each element. A list of another length
    /// fails the task.
    pub fn num_returns(mut self, count: u32) -> RemoteCall<Vec<ObjectRef<T>>> {
        self.changed().num_returns = Some(count);
        let RemoteCall { parts, options, context, .. } = self;
        RemoteCall { parts, options, context, returns: PhantomData }
    }
}

/// Keeps the trait in use where only its bound matters.
const _: fn() = || {
    fn lists<T, I: IntoReferences<T>>() {}
    lists::<u8, Vec<ObjectRef<u8>>>();
};
