//! References in the order in which they become ready.

use super::{Handle, IntoReferences, ObjectRef, ReadyQueue, State};
use crate::context;
use crate::worker::PendingWait;
use futures::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The references one by one, as each becomes ready: a stream, and [`next`](AsCompleted::next) for code that would
/// rather not import `StreamExt`.
///
/// ```no_run
/// # async fn example(references: Vec<mobula::ObjectRef<u64>>) -> mobula::Result<()> {
/// let mut completed = mobula::as_completed(references);
/// while let Some(reference) = completed.next().await {
///     println!("{}", reference.await?);
/// }
/// # Ok(()) }
/// ```
pub fn as_completed<T>(references: impl IntoReferences<T>) -> AsCompleted<T> {
    let references: Vec<_> = references.into_iter().map(Some).collect();
    let queue = Arc::new(ReadyQueue::default());
    let mut ready = Vec::new();
    for (place, reference) in references.iter().enumerate() {
        if let Some(reference) = reference
            && !reference.handle().register(&queue, place)
        {
            ready.push(place);
        }
    }
    ready.reverse();
    AsCompleted { left: references.len(), references, queue, ready, waiting: None }
}

/// Made by [`as_completed`].
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is read"]
pub struct AsCompleted<T> {
    references: Vec<Option<ObjectRef<T>>>,
    queue: Arc<ReadyQueue>,
    /// The next one last.
    ready: Vec<usize>,
    left: usize,
    waiting: Option<PendingWait>,
}

impl<T> AsCompleted<T> {
    /// The next reference that is ready; `None` when all were returned. Cancellation safe.
    pub async fn next(&mut self) -> Option<ObjectRef<T>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// How many have not been returned yet.
    pub fn len(&self) -> usize {
        self.left
    }

    /// Whether all have been returned.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<ObjectRef<T>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.ready.is_empty() {
            self.queue.take(&mut self.ready, context.waker());
            self.ready.reverse();
        }
        let Some(place) = self.ready.pop() else {
            if self.waiting.is_none() {
                self.waiting = context::pending_wait();
            }
            return Poll::Pending;
        };
        self.waiting = None;
        self.left -= 1;
        Poll::Ready(self.references.get_mut(place).and_then(Option::take))
    }
}

impl<T> Stream for AsCompleted<T> {
    type Item = ObjectRef<T>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ObjectRef<T>>> {
        self.poll(context)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl Handle {
    /// Has `place` put into the queue when the object becomes ready; `false` where it is ready already.
    fn register(self: &Arc<Self>, queue: &Arc<ReadyQueue>, place: usize) -> bool {
        match &mut *self.state() {
            State::Unasked(waiters) | State::Pending(waiters) => waiters.add_queue(queue.clone(), place),
            _ => return false,
        }
        self.ask();
        true
    }
}
