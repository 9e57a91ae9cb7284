//! What every handle of an actor can do.

use super::creation::{Creation, spawn_many, started_value};
use super::{ActorRef, Monitor};
use crate::context::{self, Context};
use crate::link::odd_answer;
use crate::observer::StateChanges;
use crate::{Error, ErrorKind, Result};
use mobula_types::actor::{ActorAnswer, ActorInfo, ActorOptions, ActorRequest, ActorState, ActorTarget};
use mobula_types::frame::{Answer, Ask};
use mobula_types::{ActorId, Failure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// How long a stop lets queued calls finish, unless it is told otherwise.
const GRACE: Duration = Duration::from_secs(30);

/// A handle of an actor, made by `#[mobula::actor]`. What stands here is a trait's, so that a method of the class's own with
/// the same name comes first.
///
/// Handles are cheap to clone, may be passed to tasks and actors and put inside values, and are equal where they are of the
/// same actor.
pub trait ActorHandle:
    Clone + Eq + Hash + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The class: `crate::module::Type`.
    fn class() -> &'static str;

    /// For the macro's output.
    #[doc(hidden)]
    fn from_actor_ref(actor: ActorRef) -> Self;

    /// For the macro's output.
    #[doc(hidden)]
    fn actor_ref(&self) -> &ActorRef;

    /// The actor's id.
    fn id(&self) -> ActorId {
        self.actor_ref().id()
    }

    /// The actor of that name, in the namespace `default`.
    ///
    /// # Errors
    /// `NotFound` where no such actor lives, `TypeMismatch` where it is of another class, `NoContext`.
    fn get(name: impl Into<Arc<str>> + Send) -> impl Future<Output = Result<Self>> + Send {
        Self::get_in(ActorOptions::DEFAULT_NAMESPACE, name)
    }

    /// The actor of that name in that namespace.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn get_in(
        namespace: impl Into<Arc<str>> + Send,
        name: impl Into<Arc<str>> + Send,
    ) -> impl Future<Output = Result<Self>> + Send {
        let target = ActorTarget::Named { namespace: namespace.into(), name: name.into() };
        async move {
            let context = context::context()?;
            let info = find(&context, target).await?;
            let is_of_class =
                info.class.name.strip_prefix(Self::class()).is_some_and(|rest| rest.starts_with("::"));
            if !is_of_class {
                let message =
                    format!("the actor {} is of {}, and not of {}", info.name, info.class, Self::class());
                return Err(Error::new(ErrorKind::TypeMismatch, message));
            }
            Ok(Self::from_actor_ref(ActorRef::uncounted(context.link(), info.actor)))
        }
    }

    /// Creates many actors and waits until all have started; in the order given.
    ///
    /// # Errors
    /// The first failed one's error.
    fn spawn_many(
        creations: impl IntoIterator<Item = Creation<Self>, IntoIter: Send> + Send,
    ) -> impl Future<Output = Result<Vec<Self>>> + Send {
        let creations: Vec<Creation<Self>> = creations.into_iter().collect();
        spawn_many(creations)
    }

    /// Waits until the actor has started, where this is the handle of its creation.
    ///
    /// # Errors
    /// What it failed to start with.
    fn started(&self) -> impl Future<Output = Result<()>> + Send {
        async move {
            if self.actor_ref().is_counted() {
                started_value(self.actor_ref()).await?;
            }
            Ok(())
        }
    }

    /// How the actor stands.
    ///
    /// # Errors
    /// `NotFound` where nothing is known of it any more.
    fn info(&self) -> impl Future<Output = Result<ActorInfo>> + Send {
        async move {
            let context = self.actor_ref().context()?;
            Ok(ask_info(&context, ActorTarget::Id(self.actor_ref().id())).await?)
        }
    }

    /// Stops the actor for good: its mailbox is closed at once, calls that are queued may finish within 30 s, then
    /// `on_stop` runs. Waits until it has ended; one that is dead is left alone.
    ///
    /// # Errors
    /// `Unavailable` where no head can be asked, or where the home node was lost, or another head leads by now, and what
    /// was asked may have been done: no second incarnation is ended for it. `TimedOut` where it is under way after ten
    /// minutes and its grace, and goes on.
    fn stop(&self) -> impl Future<Output = Result<()>> + Send {
        self.stop_within(GRACE)
    }

    /// As [`stop`](Self::stop), with that grace. The shorter of it and the child's shutdown counts.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    fn stop_within(&self, grace: Duration) -> impl Future<Output = Result<()>> + Send {
        end(self.actor_ref(), false, grace)
    }

    /// Kills the actor: what it does ends at its next await, what is queued is not run, nor is `on_stop`.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    fn kill(&self) -> impl Future<Output = Result<()>> + Send {
        end(self.actor_ref(), true, Duration::ZERO)
    }

    /// Watches the actor's incarnation of this moment: the [`Monitor`] gives its exit, exactly once; that of one that is
    /// dead already, at once. For code that is no actor; an actor has [`ActorContext::monitor`](crate::ActorContext::monitor).
    ///
    /// # Errors
    /// `Unavailable` where no head registers it within 30 s; `ResourceExhausted` where this program has 100,000 monitors
    /// already.
    fn monitor(&self) -> impl Future<Output = Result<Monitor>> + Send {
        async move {
            let context = self.actor_ref().context()?;
            Ok(Monitor::of(&context, self.actor_ref().id()).await?)
        }
    }

    /// Observes the actor through all its incarnations: a stream of how it stands, first as it is now, then each change
    /// with its reason and time. It ends when the actor is dead for good. Where this is the handle of a creation that is
    /// on its way, it begins when that is over.
    ///
    /// ```no_run
    /// # use mobula::{ActorHandle, ActorState};
    /// # async fn example<H: ActorHandle>(tally: H) -> mobula::Result<()> {
    /// let mut changes = tally.watch().await?;
    /// while let Some(change) = changes.next().await {
    ///     if change.state == ActorState::Running && change.restarts > 0 {
    ///         println!("it runs again, on {:?}, after {:?}", change.node, change.reason);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `NoContext`; `Unavailable` where the home node was lost before it answered, `SessionExpired` where the session is
    /// over; `ResourceExhausted` where the home node has 10,000 observers.
    fn watch(&self) -> impl Future<Output = Result<StateChanges>> + Send {
        async move {
            let context = self.actor_ref().context()?;
            if self.actor_ref().is_counted() {
                // A head knows nothing of an actor before its creation has come there. How that ended, it tells itself.
                let _ended = started_value(self.actor_ref()).await;
            }
            Ok(StateChanges::of(&context, self.actor_ref().id(), false).await?)
        }
    }
}

async fn find(context: &Context, target: ActorTarget) -> Result<ActorInfo, Failure> {
    let info = ask_info(context, target).await?;
    if info.state == ActorState::Dead {
        let message = format!("the actor {} is dead: {}", info.name, info.last_exit);
        return Err(Failure::new(ErrorKind::NotFound, message));
    }
    Ok(info)
}

async fn ask_info(context: &Context, target: ActorTarget) -> Result<ActorInfo, Failure> {
    match ask(context, ActorRequest::Find(target)).await? {
        ActorAnswer::Found(info) => Ok(*info),
        other => Err(odd_actor_answer(other).into_failure()),
    }
}

/// The answer is not one to the question.
pub(crate) fn odd_actor_answer(answer: ActorAnswer) -> Error {
    odd_answer(&Answer::Actors(answer)).into()
}

async fn end(actor: &ActorRef, kill: bool, grace: Duration) -> Result<()> {
    let context = actor.context()?;
    let request = ActorRequest::Stop { target: ActorTarget::Id(actor.id()), kill, grace };
    match ask(&context, request).await {
        Ok(_ended) => Ok(()),
        Err(failure) if failure.kind() == ErrorKind::NotFound => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

/// Asks what heads know.
pub(crate) async fn ask(context: &Context, request: ActorRequest) -> Result<ActorAnswer, Failure> {
    let _waiting = context::pending_wait();
    match context.link().ask(Ask::Actors(request), context.parent()).await? {
        Answer::Actors(answer) => Ok(answer),
        other => Err(odd_answer(&other)),
    }
}
