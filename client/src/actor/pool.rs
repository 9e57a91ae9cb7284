//! Work spread over several actors of one class.

use super::{ActorCall, ActorHandle};
use crate::{Error, ErrorKind, ObjectRef, Result};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use mobula_runtime::clock;
use mobula_types::actor::{ActorState, Epoch};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

/// How often, and how long apart, it is looked whether an actor whose incarnation has ended is dead for good.
const LOOKS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

type Work<H, T> = Box<dyn FnOnce(&H) -> ActorCall<ObjectRef<T>> + Send>;

/// Actors that share work: each has one call at a time, and whoever is done first gets the next.
///
/// An actor that is dead for good is retired: the call that it had fails as it did, and what waits goes to the others. One
/// that is started again by its supervisor stays. Where no actor is left, what waits fails with `ActorDied`;
/// [`push`](Self::push) adds one.
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
    /// The calls that run, one for each actor, and the looks at actors that may have died.
    running: FuturesUnordered<BoxFuture<'static, Event<H, T>>>,
    /// What has ended, and was not taken yet.
    ended: BTreeMap<u64, Result<T>>,
    waiting: VecDeque<(u64, Work<H, T>)>,
    /// What was submitted and not taken yet.
    left: BTreeSet<u64>,
    submitted: u64,
    /// Actors that are dead.
    retired: usize,
}

enum Event<H, T> {
    /// A call has ended.
    Ended { number: u64, actor: H, result: Result<T> },
    /// Whether an actor goes on.
    Looked(Option<H>),
}

impl<H: ActorHandle, T: DeserializeOwned + 'static> ActorPool<H, T> {
    /// A pool of those actors. It does not end them.
    pub fn new(actors: impl IntoIterator<Item = H>) -> Self {
        ActorPool {
            idle: actors.into_iter().collect(),
            running: FuturesUnordered::new(),
            ended: BTreeMap::new(),
            waiting: VecDeque::new(),
            left: BTreeSet::new(),
            submitted: 0,
            retired: 0,
        }
    }

    /// Has the next free actor do that; its result comes by [`next`](Self::next) or
    /// [`next_unordered`](Self::next_unordered), which also hand on what waits. That is kept here, without a bound.
    pub fn submit(&mut self, call: impl FnOnce(&H) -> ActorCall<ObjectRef<T>> + Send + 'static) {
        self.left.insert(self.submitted);
        self.waiting.push_back((self.submitted, Box::new(call)));
        self.submitted += 1;
        self.start_waiting();
    }

    /// One more actor, which gets what waits.
    pub fn push(&mut self, actor: H) {
        self.idle.push_back(actor);
        self.start_waiting();
    }

    /// Takes a free actor out of the pool, if there is one.
    pub fn pop_idle(&mut self) -> Option<H> {
        self.idle.pop_front()
    }

    /// Whether anything that was submitted has yet to be taken.
    pub fn has_next(&self) -> bool {
        !self.left.is_empty()
    }

    /// Whether an actor is free.
    pub fn has_free(&self) -> bool {
        !self.idle.is_empty()
    }

    /// The result of what was submitted first of all that is left. Cancellation safe.
    ///
    /// # Errors
    /// The call's; `ActorDied` for a call that was not made, as no actor is left; `InvalidArgument` where nothing is left, or
    /// the pool never had an actor.
    pub async fn next(&mut self) -> Result<T> {
        loop {
            let first = *self.left.first().ok_or_else(nothing_left)?;
            if let Some(result) = self.ended.remove(&first) {
                self.left.remove(&first);
                return result;
            }
            self.go_on().await;
        }
    }

    /// The result of whatever is done first. Cancellation safe.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_unordered(&mut self) -> Result<T> {
        loop {
            if self.left.is_empty() {
                return Err(nothing_left());
            }
            if let Some((number, result)) = self.ended.pop_first() {
                self.left.remove(&number);
                return result;
            }
            self.go_on().await;
        }
    }

    /// As [`next`](Self::next), but no longer than `timeout`, if there is one.
    ///
    /// # Errors
    /// `TimedOut`, after which the result is still to be taken; as [`next`](Self::next).
    pub async fn get_next(&mut self, timeout: Option<Duration>) -> Result<T> {
        within(timeout, self.next()).await
    }

    /// As [`next_unordered`](Self::next_unordered), but no longer than `timeout`, if there is one.
    ///
    /// # Errors
    /// As [`get_next`](Self::get_next).
    pub async fn get_next_unordered(&mut self, timeout: Option<Duration>) -> Result<T> {
        within(timeout, self.next_unordered()).await
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
            let result = work(&actor).submit().into_future();
            self.running.push(Box::pin(async move { Event::Ended { number, actor, result: result.await } }));
        }
    }

    /// Waits until a call ends, and hands its actor the next. Where nothing can run, the first that waits has failed.
    async fn go_on(&mut self) {
        match self.running.next().await {
            Some(Event::Ended { number, actor, result }) => {
                self.take_back(actor, result.as_ref().err());
                self.ended.insert(number, result);
            }
            Some(Event::Looked(Some(actor))) => self.idle.push_back(actor),
            Some(Event::Looked(None)) => self.retired += 1,
            None => {
                let unmade = self.waiting.pop_front();
                self.ended.extend(unmade.map(|(number, _)| (number, Err(no_actor(self.retired)))));
            }
        }
        self.start_waiting();
    }

    /// A call of an actor has ended: it is free, unless it is dead.
    fn take_back(&mut self, actor: H, error: Option<&Error>) {
        match error.map(|error| (error.kind(), error.may_have_run())) {
            // It has no next incarnation, or its calls would wait for that.
            Some((ErrorKind::ActorDied, false)) => self.retired += 1,
            Some((ErrorKind::ActorDied | ErrorKind::TaskPanicked, _)) => {
                let died = error.and_then(|error| error.failure().detail().incarnation);
                let died = died.map(|incarnation| incarnation.epoch);
                self.running.push(Box::pin(async move {
                    Event::Looked(goes_on(&actor, died).await.then_some(actor))
                }));
            }
            _ => self.idle.push_back(actor),
        }
    }
}

/// Whether an actor whose incarnation `died` takes further calls. That is known once a head has heard of the end, which may
/// be later than its callers do: what they call before that may be lost.
async fn goes_on<H: ActorHandle>(actor: &H, died: Option<Epoch>) -> bool {
    for _ in 0..LOOKS {
        let info = match actor.info().await {
            Ok(info) => info,
            Err(error) => return error.kind() != ErrorKind::NotFound,
        };
        let has_ended = !matches!(info.state, ActorState::Running | ActorState::Stopping);
        if info.state == ActorState::Dead {
            return false;
        }
        if died.is_some_and(|died| info.epoch > died) || (has_ended && info.supervisor.is_some()) {
            return true;
        }
        clock::sleep(PAUSE).await;
    }
    true
}

async fn within<T>(timeout: Option<Duration>, next: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(timeout) = timeout else { return next.await };
    tokio::select! {
        biased;
        result = next => result,
        () = clock::sleep(timeout) => {
            let message = format!("no actor of the pool was done within {timeout:?}");
            Err(Error::new(ErrorKind::TimedOut, message))
        }
    }
}

fn nothing_left() -> Error {
    Error::new(ErrorKind::InvalidArgument, "nothing was submitted whose result is left")
}

fn no_actor(retired: usize) -> Error {
    match retired {
        0 => Error::new(ErrorKind::InvalidArgument, "the pool has no actor"),
        _ => {
            let message =
                format!("the call was not made: all actors of the pool are gone, of which {retired} died");
            Error::new(ErrorKind::ActorDied, message)
        }
    }
}

impl<H, T> fmt::Debug for ActorPool<H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorPool")
            .field("idle", &self.idle.len())
            .field("running", &self.running.len())
            .field("waiting", &self.waiting.len())
            .field("retired", &self.retired)
            .finish_non_exhaustive()
    }
}
