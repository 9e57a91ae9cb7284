//! Work spread over several actors of one class.

use super::{ActorCall, ActorHandle};
use crate::{Error, ErrorKind, ObjectRef, Result};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::fmt;

type Work<H, T> = Box<dyn FnOnce(&H) -> ActorCall<ObjectRef<T>> + Send>;

/// Actors that share work: each has one call at a time, and whoever is done first gets the next.
///
/// ```no_run
/// # use mobula::{ActorCall, ActorHandle, ActorPool, ObjectRef};
/// # async fn example<H: ActorHandle>(
/// #     actors: Vec<H>, square: fn(&H, u64) -> ActorCall<ObjectRef<u64>>,
/// # ) -> mobula::Result<()> {
/// let mut pool = ActorPool::new(actors);
/// let squares: Vec<u64> = pool.map(move |actor: &H, value: u64| square(actor, value), 0..1000).await?;
/// # Ok(()) }
/// ```
pub struct ActorPool<H, T> {
    idle: VecDeque<H>,
    running: Vec<Running<H, T>>,
    /// What has ended, and was not taken yet.
    ended: Vec<(u64, Result<T>)>,
    waiting: VecDeque<(u64, Work<H, T>)>,
    submitted: u64,
    taken: u64,
}

struct Running<H, T> {
    number: u64,
    actor: H,
    reference: ObjectRef<T>,
}

impl<H: ActorHandle, T: DeserializeOwned + 'static> ActorPool<H, T> {
    /// A pool of those actors. It does not end them.
    pub fn new(actors: impl IntoIterator<Item = H>) -> Self {
        ActorPool {
            idle: actors.into_iter().collect(),
            running: Vec::new(),
            ended: Vec::new(),
            waiting: VecDeque::new(),
            submitted: 0,
            taken: 0,
        }
    }

    /// Has the next free actor do that; its result comes by [`next`](Self::next) or
    /// [`next_unordered`](Self::next_unordered), which also hand on what waits. That is kept here, without a bound.
    pub fn submit(&mut self, call: impl FnOnce(&H) -> ActorCall<ObjectRef<T>> + Send + 'static) {
        self.waiting.push_back((self.submitted, Box::new(call)));
        self.submitted += 1;
        self.start_waiting();
    }

    /// Whether anything that was submitted has yet to be taken.
    pub fn has_next(&self) -> bool {
        !self.running.is_empty() || !self.ended.is_empty() || !self.waiting.is_empty()
    }

    /// Whether an actor is free.
    pub fn has_free(&self) -> bool {
        !self.idle.is_empty()
    }

    /// The result of what was submitted first of all that is left. Cancellation safe. Not to be mixed with
    /// [`next_unordered`](Self::next_unordered).
    ///
    /// # Errors
    /// The call's; `InvalidArgument` where nothing is left, or the pool has no actor.
    pub async fn next(&mut self) -> Result<T> {
        loop {
            let wanted = self.taken;
            if let Some(place) = self.ended.iter().position(|(number, _)| *number == wanted) {
                self.taken += 1;
                return self.ended.swap_remove(place).1;
            }
            self.one_ends().await?;
        }
    }

    /// The result of whatever is done first. Cancellation safe.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_unordered(&mut self) -> Result<T> {
        if self.ended.is_empty() {
            self.one_ends().await?;
        }
        self.taken += 1;
        self.ended.pop().map_or_else(|| Err(nothing_left()), |(_, result)| result)
    }

    /// Does that for each item; the results in the order of the items.
    ///
    /// # Errors
    /// The first failed call's, in the order of the items; `InvalidArgument` where the pool has no actor, or has work
    /// that was submitted before.
    pub async fn map<V: Send + 'static>(
        &mut self,
        call: impl Fn(&H, V) -> ActorCall<ObjectRef<T>> + Clone + Send + 'static,
        items: impl IntoIterator<Item = V>,
    ) -> Result<Vec<T>> {
        self.submit_all(call, items)?;
        let mut results = Vec::new();
        while self.has_next() {
            results.push(self.next().await);
        }
        results.into_iter().collect()
    }

    /// As [`map`](Self::map), with the results as they come.
    ///
    /// # Errors
    /// As [`map`](Self::map); the first that comes.
    pub async fn map_unordered<V: Send + 'static>(
        &mut self,
        call: impl Fn(&H, V) -> ActorCall<ObjectRef<T>> + Clone + Send + 'static,
        items: impl IntoIterator<Item = V>,
    ) -> Result<Vec<T>> {
        self.submit_all(call, items)?;
        let mut results = Vec::new();
        while self.has_next() {
            results.push(self.next_unordered().await);
        }
        results.into_iter().collect()
    }

    fn submit_all<V: Send + 'static>(
        &mut self,
        call: impl Fn(&H, V) -> ActorCall<ObjectRef<T>> + Clone + Send + 'static,
        items: impl IntoIterator<Item = V>,
    ) -> Result<()> {
        if self.has_next() {
            let message = "the pool has work that was submitted before: take its results first";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        for item in items {
            let call = call.clone();
            self.submit(move |actor| call(actor, item));
        }
        Ok(())
    }

    fn start_waiting(&mut self) {
        while !self.waiting.is_empty()
            && let Some(actor) = self.idle.pop_front()
            && let Some((number, work)) = self.waiting.pop_front()
        {
            let reference = work(&actor).submit();
            self.running.push(Running { number, actor, reference });
        }
    }

    /// Waits until a call ends, and hands its actor the next.
    async fn one_ends(&mut self) -> Result<()> {
        if self.running.is_empty() {
            return Err(nothing_left());
        }
        let waits = self.running.iter().enumerate().map(|(place, running)| {
            let get = running.reference.get();
            async move { (place, get.await) }
        });
        let first = waits.collect::<FuturesUnordered<_>>().next().await;
        let Some((place, result)) = first else { return Err(nothing_left()) };
        let Running { number, actor, .. } = self.running.swap_remove(place);
        self.ended.push((number, result));
        self.idle.push_back(actor);
        self.start_waiting();
        Ok(())
    }
}

fn nothing_left() -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        "nothing was submitted whose result is left, or the pool has no actor",
    )
}

impl<H, T> fmt::Debug for ActorPool<H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorPool")
            .field("idle", &self.idle.len())
            .field("running", &self.running.len())
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}
