//! Waiting for an object's value.

use super::{Handle, HeldValue, ObjectRef, State};
use crate::codec::{decode_with, scope::DecodeScope};
use crate::context;
use crate::link::Command;
use crate::worker::PendingWait;
use crate::{Cancel, Error, Result};
use mobula_runtime::clock;
use mobula_types::Failure;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

/// Waits for an object's value and decodes it; made by [`ObjectRef::get`] and by awaiting a reference.
///
/// Inside a task, the task's CPUs are used by others while it waits. Cancellation safe: dropping it changes nothing.
#[derive(Debug)]
#[must_use = "nothing is waited for unless it is awaited"]
pub struct Get<T> {
    bytes: GetBytes,
    waiting: Option<PendingWait>,
    value: PhantomData<fn() -> T>,
}

impl<T> Get<T> {
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        Get { bytes: GetBytes::new(handle), waiting: None, value: PhantomData }
    }
}

impl<T: DeserializeOwned + 'static> Future for Get<T> {
    type Output = Result<T>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        match Pin::new(&mut self.bytes).poll(context) {
            Poll::Ready(value) => {
                self.waiting = None;
                Poll::Ready(decode(&self.bytes.handle, value))
            }
            Poll::Pending => {
                if self.waiting.is_none() {
                    if let Some(failure) = refused(&self.bytes.handle) {
                        return Poll::Ready(Err(failure.into()));
                    }
                    self.waiting = context::pending_wait();
                }
                Poll::Pending
            }
        }
    }
}

/// Why the current turn must not wait for that. The call is cancelled; where the turn ends first, it may still run.
fn refused(handle: &Arc<Handle>) -> Option<Failure> {
    let failure = context::hopeless_wait(handle.object().task)?;
    Cancel::new(handle.clone()).send();
    Some(failure)
}

fn decode<T: DeserializeOwned + 'static>(handle: &Handle, value: Result<HeldValue, Failure>) -> Result<T> {
    let value = value?;
    let scope = DecodeScope::new(handle.link().cloned(), value.contained);
    decode_with(&value.payload, scope).map_err(|failure| Error::from(failure.of_object(handle.object())))
}

/// Waits for an object's encoded bytes.
#[derive(Debug)]
pub(crate) struct GetBytes {
    handle: Arc<Handle>,
}

impl GetBytes {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        GetBytes { handle }
    }
}

impl Future for GetBytes {
    type Output = Result<HeldValue, Failure>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<HeldValue, Failure>> {
        self.handle.poll_value(context.waker())
    }
}

impl Handle {
    /// The value if its bytes are here; otherwise makes sure that they come, and that `waker` is told.
    pub(crate) fn poll_value(self: &Arc<Self>, waker: &Waker) -> Poll<Result<HeldValue, Failure>> {
        let mut state = self.state();
        let command = match &mut *state {
            State::Value(value) => return Poll::Ready(Ok(value.clone())),
            State::Failed(failure) => return Poll::Ready(Err(failure.clone())),
            State::Pending(waiters) | State::Fetching(_, waiters) => {
                waiters.add_waker(waker);
                return Poll::Pending;
            }
            State::Unasked(waiters) => {
                waiters.add_waker(waker);
                let waiters = std::mem::take(waiters);
                *state = State::Pending(waiters);
                Command::Get(self.clone())
            }
            State::Stored(copy, contained) => {
                let mut waiters = super::Waiters::None;
                waiters.add_waker(waker);
                let (copy, contained) = (copy.clone(), contained.take());
                *state = State::Fetching(contained, waiters);
                Command::Fetch(self.clone(), copy)
            }
        };
        drop(state);
        self.command(command);
        Poll::Pending
    }

    /// The failure, if the object is known to have failed.
    pub(crate) fn failure(&self) -> Option<Failure> {
        match &*self.state() {
            State::Failed(failure) => Some(failure.clone()),
            _ => None,
        }
    }
}

/// Waits for several values at once, in the order given. Cancellation safe.
///
/// # Errors
/// The first failed one's error, in the order given; the others are left alone.
///
/// ```no_run
/// # async fn example(references: Vec<mobula::ObjectRef<u64>>) -> mobula::Result<()> {
/// let sum: u64 = mobula::get_batch(&references).await?.into_iter().sum();
/// # Ok(()) }
/// ```
pub async fn get_batch<T: DeserializeOwned + 'static>(references: &[ObjectRef<T>]) -> Result<Vec<T>> {
    ask_for_all(references);
    let mut values = Vec::with_capacity(references.len());
    for reference in references {
        values.push(reference.get().await?);
    }
    Ok(values)
}

/// As [`get_batch`], for code that is not async.
///
/// # Errors
/// As [`get_batch`].
pub fn get_batch_blocking<T: DeserializeOwned + 'static>(references: &[ObjectRef<T>]) -> Result<Vec<T>> {
    ask_for_all(references);
    references.iter().map(ObjectRef::get_blocking).collect()
}

/// Asks for everything before the first is waited for, so that one round trip serves all.
fn ask_for_all<T>(references: &[ObjectRef<T>]) {
    for reference in references {
        let _bytes_here_or_on_their_way = reference.handle().poll_value(Waker::noop());
    }
}

/// Waits on this thread. Inside a task, the task's CPUs are used by others meanwhile.
pub(crate) fn block_on<T: DeserializeOwned + 'static>(get: Get<T>) -> Result<T> {
    let handle = get.bytes.handle;
    let value = wait_parked(&handle, None)
        .unwrap_or_else(|| Err(Failure::new(crate::ErrorKind::Internal, "a wait without an end has ended")));
    decode(&handle, value)
}

/// As [`block_on`], with an end; `None` where the time was over first.
pub(super) fn block_on_timeout<T: DeserializeOwned + 'static>(
    get: Get<T>,
    timeout: Duration,
) -> Option<Result<T>> {
    let handle = get.bytes.handle;
    wait_parked(&handle, Some(timeout)).map(|value| decode(&handle, value))
}

fn wait_parked(handle: &Arc<Handle>, timeout: Option<Duration>) -> Option<Result<HeldValue, Failure>> {
    let waker = thread_waker();
    if let Poll::Ready(value) = handle.poll_value(&waker) {
        return Some(value);
    }
    if let Some(failure) = refused(handle) {
        return Some(Err(failure));
    }
    let end = timeout.map(|timeout| clock::now() + timeout);
    context::blocking_wait(|| {
        loop {
            if let Poll::Ready(value) = handle.poll_value(&waker) {
                return Some(value);
            }
            match end.map(|end| end.since(clock::now())) {
                None => std::thread::park(),
                Some(left) if left.is_zero() => return None,
                Some(left) => std::thread::park_timeout(left),
            }
        }
    })
}

/// A waker that unparks the current thread; one per thread.
pub(crate) fn thread_waker() -> Waker {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
        fn wake_by_ref(self: &Arc<Self>) {
            self.0.unpark();
        }
    }
    thread_local! {
        static WAKER: Waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    }
    WAKER.with(Waker::clone)
}
