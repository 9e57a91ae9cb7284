//! The reference that a program holds.

use super::Handle;
use crate::{Cancel, Error, Get, Result};
use mobula_types::{Failure, ObjectId};
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A reference to an object in the cluster: a task's result or a value that was put. The object lives at least as long
/// as the reference.
///
/// It is one pointer, always [`Send`] and [`Sync`], cheap to clone; dropping it never blocks. Awaiting it, owned or
/// borrowed, gives the value, each time the same one, or the error with which its task ended.
///
/// ```no_run
/// # async fn example(cluster: mobula::Cluster) -> mobula::Result<()> {
/// let reference = cluster.put(21_u64).await?;
/// let copy = reference.clone();
/// assert_eq!((&reference).await? + copy.await?, 42);
/// # Ok(()) }
/// ```
///
/// It may be passed to tasks and put inside values. Serialising it with anything but Mobula's own codec is an error.
pub struct ObjectRef<T> {
    handle: Arc<Handle>,
    value: PhantomData<fn() -> T>,
}

impl<T> ObjectRef<T> {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        ObjectRef { handle, value: PhantomData }
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    pub(crate) fn into_handle(self) -> Arc<Handle> {
        self.handle
    }

    /// A reference that resolves to that error.
    pub fn failed(error: Error) -> Self {
        ObjectRef::new(Handle::failed(error.into_failure()))
    }

    /// The object's identity; all zeroes where it was never made, as after `Backpressure`.
    pub fn id(&self) -> ObjectId {
        self.handle.object()
    }

    /// Whether the outcome, value or error, is known here. Never waits. `false` for a reference that came inside a
    /// value and that nobody has waited for yet.
    pub fn is_ready(&self) -> bool {
        self.handle.is_ready()
    }

    /// Cancels the task that makes this object, and its children. What has finished is left alone. Never waits;
    /// [`cancel`](crate::cancel) has options.
    pub fn cancel(&self) {
        Cancel::new(self.handle.clone()).send();
    }
}

impl<T: DeserializeOwned + 'static> ObjectRef<T> {
    /// Waits for the value and decodes it. The same as awaiting the reference. Cancellation safe.
    ///
    /// # Errors
    /// The error with which the task ended; `ObjectLost`; `BadValue` where the bytes do not decode as a `T`.
    pub fn get(&self) -> Get<T> {
        Get::new(self.handle.clone())
    }

    /// As [`get`](Self::get), but no longer than `timeout`, which ends with `TimedOut`; the task goes on.
    ///
    /// # Errors
    /// As [`get`](Self::get), and `TimedOut`.
    pub async fn get_timeout(&self, timeout: Duration) -> Result<T> {
        match tokio::time::timeout(timeout, self.get()).await {
            Ok(result) => result,
            Err(_elapsed) => Err(self.timed_out(timeout)),
        }
    }

    /// Waits for the value on this thread: for code that is not async. In async code it would hold up its thread.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_blocking(&self) -> Result<T> {
        super::block_on(self.get())
    }

    /// As [`get_blocking`](Self::get_blocking), but no longer than `timeout`.
    ///
    /// # Errors
    /// As [`get`](Self::get), and `TimedOut`.
    pub fn get_blocking_timeout(&self, timeout: Duration) -> Result<T> {
        match super::get::block_on_timeout(self.get(), timeout) {
            Some(result) => result,
            None => Err(self.timed_out(timeout)),
        }
    }

    fn timed_out(&self, timeout: Duration) -> Error {
        let message = format!("the object was not there after {timeout:?}; its task goes on");
        Failure::new(crate::ErrorKind::TimedOut, message).of_object(self.id()).into()
    }
}

impl<T> Clone for ObjectRef<T> {
    fn clone(&self) -> Self {
        ObjectRef::new(self.handle.clone())
    }
}

impl<T> fmt::Debug for ObjectRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectRef<{}>({})", std::any::type_name::<T>(), self.id())
    }
}

/// Two references are equal where they are to the same object.
impl<T> PartialEq for ObjectRef<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handle, &other.handle) || (self.handle.link().is_some() && self.id() == other.id())
    }
}

impl<T> Eq for ObjectRef<T> {}

impl<T: DeserializeOwned + 'static> IntoFuture for ObjectRef<T> {
    type Output = Result<T>;
    type IntoFuture = Get<T>;
    fn into_future(self) -> Get<T> {
        Get::new(self.handle)
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for &ObjectRef<T> {
    type Output = Result<T>;
    type IntoFuture = Get<T>;
    fn into_future(self) -> Get<T> {
        self.get()
    }
}

/// What a call returns: one reference, or a tuple or list of them. Not for implementing.
pub trait References: Sized + Send + sealed::FromHandles {}

/// Lists of references that can be waited for. Not for implementing.
pub trait IntoReferences<T>: IntoIterator<Item = ObjectRef<T>> {}

impl<T, I: IntoIterator<Item = ObjectRef<T>>> IntoReferences<T> for I {}

pub(crate) mod sealed {
    use super::{Arc, Handle, ObjectRef};

    /// Makes references of a call's handles. A missing one becomes a failed reference.
    pub trait FromHandles {
        #[doc(hidden)]
        fn from_handles(handles: impl Iterator<Item = Handles>) -> Self;
    }

    /// Keeps the handle out of the public interface.
    #[derive(Debug)]
    pub struct Handles(pub(crate) Arc<Handle>);

    pub(super) fn next<T>(handles: &mut impl Iterator<Item = Handles>) -> ObjectRef<T> {
        let handle = handles.next().map(|handle| handle.0).unwrap_or_else(|| {
            let message = "the call has fewer results than its type says";
            Handle::failed(mobula_types::Failure::new(mobula_types::FailureKind::Internal, message))
        });
        ObjectRef::new(handle)
    }
}

impl<T> References for ObjectRef<T> {}
impl<T> sealed::FromHandles for ObjectRef<T> {
    fn from_handles(mut handles: impl Iterator<Item = sealed::Handles>) -> Self {
        sealed::next(&mut handles)
    }
}

impl<T> References for Vec<ObjectRef<T>> {}
impl<T> sealed::FromHandles for Vec<ObjectRef<T>> {
    fn from_handles(handles: impl Iterator<Item = sealed::Handles>) -> Self {
        handles.map(|handle| ObjectRef::new(handle.0)).collect()
    }
}

impl References for () {}
impl sealed::FromHandles for () {
    fn from_handles(_handles: impl Iterator<Item = sealed::Handles>) -> Self {}
}

macro_rules! tuples {
    ($($($name:ident)+;)+) => {$(
        impl<$($name),+> References for ($(ObjectRef<$name>,)+) {}
        impl<$($name),+> sealed::FromHandles for ($(ObjectRef<$name>,)+) {
            fn from_handles(mut handles: impl Iterator<Item = sealed::Handles>) -> Self {
                ($(sealed::next::<$name>(&mut handles),)+)
            }
        }
    )+};
}

tuples! {
    A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H;
}
