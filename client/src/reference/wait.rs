//! Waiting until some of many are there.

use super::{IntoReferences, ObjectRef};
use crate::context;
use crate::link::Link;
use mobula_runtime::clock;
use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Waits until `num_ready` of the references are ready, or until `timeout` is over, and returns (ready, pending), both in
/// the order given. At most `num_ready` are returned as ready. A failed task's reference counts as ready. Without a
/// timeout it waits as long as it takes. Cancellation safe, but for the references themselves, which it owns.
///
/// A call looks at each reference and registers nowhere, so that waiting for one of a thousand, a thousand times, is
/// cheap.
///
/// ```no_run
/// # async fn example(mut pending: Vec<mobula::ObjectRef<u64>>) -> mobula::Result<()> {
/// while !pending.is_empty() {
///     let (ready, rest) = mobula::wait(pending, 1, None).await;
///     pending = rest;
///     println!("{:?}", (&ready[0]).await);
/// }
/// # Ok(()) }
/// ```
pub async fn wait<T>(
    references: impl IntoReferences<T>,
    num_ready: usize,
    timeout: Option<Duration>,
) -> (Vec<ObjectRef<T>>, Vec<ObjectRef<T>>) {
    let references: Vec<ObjectRef<T>> = references.into_iter().collect();
    let num_ready = num_ready.min(references.len());
    if !enough(&references, num_ready, ObjectRef::is_ready) {
        let _waiting = context::pending_wait();
        match timeout {
            None => until_enough(&references, num_ready).await,
            Some(timeout) => {
                let end = clock::now() + timeout;
                tokio::select! {
                    biased;
                    () = until_enough(&references, num_ready) => {}
                    () = clock::sleep_until(end) => {}
                }
            }
        }
    }
    split(references, num_ready)
}

fn enough<T>(
    references: &[ObjectRef<T>],
    num_ready: usize,
    is_ready: impl Fn(&ObjectRef<T>) -> bool,
) -> bool {
    references.iter().filter(|reference| is_ready(reference)).take(num_ready).count() == num_ready
}

/// Waits for changes of the sessions that the references belong to, and looks again after each.
async fn until_enough<T>(references: &[ObjectRef<T>], num_ready: usize) {
    let links = links_of(references);
    loop {
        // Before the look: what becomes ready during it is a change that the wait below sees.
        let mut changes: Vec<_> =
            links.iter().map(|link| Box::pin(link.groups().changed(link.groups().seen()))).collect();
        if enough(references, num_ready, |reference| reference.handle().is_ready_or_watch()) {
            return;
        }
        std::future::poll_fn(|context| {
            let changed = changes.iter_mut().any(|change| change.as_mut().poll(context).is_ready());
            if changed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

fn links_of<T>(references: &[ObjectRef<T>]) -> Vec<Arc<Link>> {
    let mut links: Vec<Arc<Link>> = Vec::new();
    for link in references.iter().filter_map(|reference| reference.handle().link()) {
        if !links.iter().any(|known| Arc::ptr_eq(known, link)) {
            links.push(link.clone());
        }
    }
    links
}

fn split<T>(references: Vec<ObjectRef<T>>, num_ready: usize) -> (Vec<ObjectRef<T>>, Vec<ObjectRef<T>>) {
    let mut ready = Vec::with_capacity(num_ready);
    let mut pending = Vec::with_capacity(references.len() - num_ready);
    for reference in references {
        if ready.len() < num_ready && reference.is_ready() {
            ready.push(reference);
        } else {
            pending.push(reference);
        }
    }
    (ready, pending)
}
