//! Topics: messages to whoever has subscribed, at most once, those of one publisher in its order.

use crate::codec::{decode_message, encode_message};
use crate::context::{self, Context};
use crate::link::Interest;
use crate::{Error, ErrorKind, Result};
use futures::Stream;
use mobula_types::actor::{ActorOptions, Publication};
use mobula_types::{Frame, INLINE_LIMIT};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::mpsc;

/// Messages that wait for a subscriber; further ones are lost.
const MOST_WAITING: usize = 10_000;

/// The topic of that name, in the namespace `default`: segments with `.` between them.
///
/// ```no_run
/// # async fn example() -> mobula::Result<()> {
/// let mut prices = mobula::subscribe::<f64>("prices.*").await?;
/// mobula::topic("prices.eur").publish(&1.08)?;
/// while let Some(message) = prices.next().await {
///     let (topic, price) = message?;
/// }
/// # Ok(()) }
/// ```
pub fn topic(name: impl Into<Arc<str>>) -> Topic {
    Topic { namespace: ActorOptions::DEFAULT_NAMESPACE.into(), name: name.into() }
}

/// A topic; made by [`topic`].
#[derive(Clone)]
pub struct Topic {
    namespace: Arc<str>,
    name: Arc<str>,
}

impl Topic {
    /// The topic of that name in another namespace.
    pub fn in_namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Publishes a message: to whoever has subscribed, at most once. It does not wait, and nobody says who got it. A name
    /// that is none, with wildcards or empty segments, is warned of.
    ///
    /// # Errors
    /// `NoContext`; `BadValue` where the message does not encode or has references inside; `TooLarge` past 100 KiB.
    pub fn publish<T: Serialize>(&self, message: &T) -> Result<()> {
        let context = context::context()?;
        let payload = encode_message(message)?;
        if payload.len() > INLINE_LIMIT {
            let text = format!(
                "a message to `{}` has {} bytes, the most are {INLINE_LIMIT}: put it, and say where",
                self.name,
                payload.len()
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let (namespace, topic) = (self.namespace.clone(), self.name.clone());
        context.link().send(Frame::Publish(Box::new(Publication { namespace, topic, payload })));
        Ok(())
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({}/{})", self.namespace, self.name)
    }
}

/// Subscribes to topics of the namespace `default`, until the [`Subscription`] is dropped. In a pattern `*` is any one
/// segment, and `#` at the end any number of them. For code that is no actor; an actor has
/// [`ActorContext::subscribe`](crate::ActorContext::subscribe).
///
/// # Errors
/// `NoContext`; `InvalidArgument` for a pattern that is none.
pub async fn subscribe<T: DeserializeOwned>(pattern: impl Into<Arc<str>>) -> Result<Subscription<T>> {
    subscribe_in(ActorOptions::DEFAULT_NAMESPACE, pattern).await
}

/// As [`subscribe`], in another namespace.
///
/// # Errors
/// As [`subscribe`].
pub async fn subscribe_in<T: DeserializeOwned>(
    namespace: impl Into<Arc<str>>,
    pattern: impl Into<Arc<str>>,
) -> Result<Subscription<T>> {
    let (namespace, pattern) = (namespace.into(), pattern.into());
    let context: Context = context::context()?;
    let link = context.link().clone();
    let _waiting = context::pending_wait();
    let described = format!("{namespace}/{pattern}").into();
    let (interest, messages) = link.subscribe(namespace, pattern, context.parent(), MOST_WAITING).await?;
    Ok(Subscription { messages, described, message: PhantomData, _interest: interest })
}

/// The messages of a subscription with their topics, in the order in which each publisher sent them. Those that come
/// faster than they are taken are lost, once 10,000 wait.
///
/// A driver whose home node is lost has it through another one; what is published meanwhile is lost.
pub struct Subscription<T> {
    messages: mpsc::Receiver<Arc<Publication>>,
    /// What it is to, for people.
    described: Arc<str>,
    message: PhantomData<fn() -> T>,
    /// Behind the receiver, which is to be closed before this ends.
    _interest: Interest,
}

impl<T: DeserializeOwned> Subscription<T> {
    /// The next message; `None` once the session is over. One that is no `T` is a `BadValue`. Cancellation safe.
    pub async fn next(&mut self) -> Option<Result<(String, T)>> {
        let publication = self.messages.recv().await?;
        Some(read(&publication))
    }
}

impl<T: DeserializeOwned> Stream for Subscription<T> {
    type Item = Result<(String, T)>;
    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<(String, T)>>> {
        self.messages.poll_recv(context).map(|message| message.map(|publication| read(&publication)))
    }
}

fn read<T: DeserializeOwned>(publication: &Publication) -> Result<(String, T)> {
    Ok((publication.topic.as_ref().to_owned(), decode_message(&publication.payload)?))
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({})", self.described)
    }
}
