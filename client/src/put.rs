//! Putting values.

use crate::codec;
use crate::context::{self, Context};
use crate::link::{PutRequest, Request};
use crate::reference::{Handle, HeldValue};
use crate::{ErrorKind, ObjectRef, Result};
use mobula_types::{Failure, ObjectId};
use serde::Serialize;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Puts a value into the current context's cluster; see [`Cluster::put`](crate::Cluster::put).
///
/// ```no_run
/// # async fn example() -> mobula::Result<()> {
/// let table = mobula::put(vec![1_u64, 2, 3]).await?;
/// # Ok(()) }
/// ```
pub fn put<T: Serialize + 'static>(value: T) -> Put<T> {
    Put::new(context::context(), &value)
}

/// Puts several values, in order, in one round trip. Cancellation safe, but what was put before it was dropped stays
/// until its references are dropped, which is at once.
///
/// # Errors
/// The first failed one's error.
pub async fn put_batch<T: Serialize + 'static>(
    values: impl IntoIterator<Item = T>,
) -> Result<Vec<ObjectRef<T>>> {
    let puts: Vec<Put<T>> = values.into_iter().map(put).collect();
    let mut references = Vec::with_capacity(puts.len());
    for put in puts {
        references.push(put.await?);
    }
    Ok(references)
}

/// A value that has been encoded and is to be put: awaiting it waits until the node has it, [`submit`](Self::submit) does
/// not.
#[derive(Debug)]
#[must_use = "nothing is put unless this is awaited or submitted"]
pub struct Put<T> {
    prepared: Result<(Context, codec::Encoded)>,
    value: std::marker::PhantomData<fn() -> T>,
}

impl<T: Serialize + 'static> Put<T> {
    pub(crate) fn new(context: Result<Context>, value: &T) -> Self {
        let prepared = context.and_then(|context| Ok((context, codec::encode(value)?)));
        Put { prepared, value: std::marker::PhantomData }
    }
}

impl<T> Put<T> {
    /// Puts the value and returns its reference at once. Getting it here is a local look-up; if the node refuses it, the
    /// reference resolves to that failure.
    pub fn submit(self) -> ObjectRef<T> {
        match self.request(None) {
            Ok(handle) => ObjectRef::new(handle),
            Err(error) => ObjectRef::failed(error),
        }
    }

    /// Puts the value and waits until its home node has it. Cancellation safe in that nothing is left behind when it is
    /// dropped.
    async fn stored(self) -> Result<ObjectRef<T>> {
        let (done, is_done) = oneshot::channel();
        let handle = self.request(Some(done))?;
        let _waiting = context::pending_wait();
        let stored = is_done.await.unwrap_or_else(|_| {
            let message = "the connection to the cluster was closed before the node had the value";
            Err(Failure::new(ErrorKind::Unavailable, message))
        });
        stored?;
        Ok(ObjectRef::new(handle))
    }

    fn request(self, done: Option<oneshot::Sender<Result<(), Failure>>>) -> Result<Arc<Handle>> {
        let (context, encoded) = self.prepared?;
        let object = name_put(&context)?;
        let link = context.link();
        let (payload, holds) = encoded.into_parts();
        let contained = if holds.is_empty() { None } else { Some(holds.clone().into()) };
        let value = HeldValue { payload: payload.clone(), contained };
        let handle = Handle::of_put(link.clone(), object, value);
        let request = PutRequest { object, handle: Arc::downgrade(&handle), payload, holds, done };
        if let Err(failure) = link.request(Request::Put(request)) {
            handle.disown();
            return Err(failure.into());
        }
        Ok(handle)
    }
}

/// The identity of the next put in this context.
pub(crate) fn name_put(context: &Context) -> Result<ObjectId> {
    match (context.run(), context.link().job()) {
        (Some(run), _) => Ok(run.next_put()),
        (None, Some(job)) => Ok(context.link().next_put(job)),
        (None, None) => Err(context::no_context()),
    }
}

impl<T: 'static> IntoFuture for Put<T> {
    type Output = Result<ObjectRef<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<ObjectRef<T>>> + Send>>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.stored())
    }
}
