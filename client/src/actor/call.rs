//! Calls of an actor's methods.

use super::ActorRef;
use crate::context::CallChain;
use crate::reference::{Get, References};
use crate::{CallBuilder, ObjectRef, RemoteCall, Result};
use mobula_types::actor::{MethodOptions, Target};
use mobula_types::{Resources, TaskOptions};
use serde::de::DeserializeOwned;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A call of a method: made by a handle's methods, given options, and awaited or [submitted](Self::submit).
///
/// Awaiting it submits it and waits for its result. `R` is what submitting returns: an [`ObjectRef`], or nothing for a
/// method that is a cast.
///
/// Calls of one caller to one actor run in the order in which they were submitted. A call runs at most once: where the
/// actor died while it may have been running, it fails with `ActorDied`.
///
/// ```no_run
/// # async fn example(call: impl Fn() -> mobula::ActorCall<mobula::ObjectRef<u64>>) -> mobula::Result<()> {
/// let now = call().await?;                // call and wait
/// let later = call().submit();            // call, keep the reference
/// call().cast();                          // nobody waits
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a call does nothing unless it is awaited, submitted or cast"]
pub struct ActorCall<R>(RemoteCall<R>);

/// For the macro's output: a call of that actor.
pub fn call<R: References>(builder: CallBuilder, actor: &ActorRef) -> ActorCall<R> {
    ActorCall(builder.of_actor(actor).finish())
}

/// For the macro's output: the options of a method's calls.
pub fn call_options(cast: bool, max_task_retries: u32) -> TaskOptions {
    TaskOptions {
        resources: Resources::default(),
        max_retries: 0,
        target: Target::Method(MethodOptions { cast, max_task_retries, caller_waits: false }),
        ..TaskOptions::default()
    }
}

impl<R: References> ActorCall<R> {
    /// A name for people, in lists and errors.
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        ActorCall(self.0.name(name))
    }

    /// How long it may run, from its start.
    pub fn timeout(self, timeout: Duration) -> Self {
        ActorCall(self.0.timeout(timeout))
    }

    /// How long it may take from its submission. What it calls inherits what is left.
    pub fn deadline(self, deadline: Duration) -> Self {
        ActorCall(self.0.deadline(deadline))
    }

    /// How often it is sent again where it may have started when the actor died, or failed with an error that the
    /// method's `retry_on` names (0: at most once). It may then run after later calls.
    pub fn max_task_retries(mut self, count: u32) -> Self {
        let options = self.0.task();
        if let Target::Method(method) = &mut options.target {
            method.max_task_retries = count;
        }
        self
    }

    /// Submits the call and returns its reference at once: it never waits and never blocks.
    ///
    /// What goes wrong is what the reference resolves to.
    pub fn submit(self) -> R {
        self.0.submit()
    }

    /// As [`submit`](Self::submit), but waits for room where the buffer is full. Cancellation safe: dropped before it is
    /// ready, nothing was submitted.
    pub async fn submit_wait(self) -> R {
        self.0.submit_wait().await
    }

    /// The caller waits for it from the start.
    fn waited_for(mut self) -> Self {
        let waits = CallChain::current();
        if waits.is_empty() {
            return self;
        }
        match self.0.called_actor().and_then(|actor| waits.refuse(actor)) {
            Some(failure) => self.0.changed().failure = Some(failure),
            None if waits.is_exclusive() => {
                if let Target::Method(method) = &mut self.0.task().target {
                    method.caller_waits = true;
                }
            }
            None => {}
        }
        self
    }

    /// Submits the call without a result: nobody hears how it ends, and it is never tried again.
    pub fn cast(mut self) {
        let options = self.0.task();
        options.num_returns = 0;
        options.target = Target::Method(MethodOptions { cast: true, ..MethodOptions::default() });
        self.0.without_results().submit();
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for ActorCall<ObjectRef<T>> {
    type Output = Result<T>;
    type IntoFuture = Get<T>;
    fn into_future(self) -> Get<T> {
        self.waited_for().submit().into_future()
    }
}

impl IntoFuture for ActorCall<()> {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;
    /// Waits for room, where the buffer is full, and submits.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.submit_wait().await;
            Ok(())
        })
    }
}
