//! Supervisors that run.

use super::Supervisor;
use super::ask::{ask_again, ask_here, ask_once, job_of, next_id};
use super::child::Child;
use crate::actor::{ActorHandle, ActorRef, Creation, odd_actor_answer};
use crate::context::{self, Context};
use crate::observer::StateChanges;
use crate::{Error, ErrorKind, Result};
use futures::{StreamExt, TryStreamExt};
use mobula_types::ActorId;
use mobula_types::actor::{
    ActorAnswer, ActorInfo, ActorRequest, ActorTarget, ChildInfo, ChildSpec, ChildState, SupervisorInfo,
};
use std::sync::Arc;

/// Children that are being started at once.
const MOST_STARTING: usize = 256;

/// A supervisor that was started. It is no more than an id: it may be copied and sent anywhere, and does not keep the
/// supervisor alive. What it asks, it asks in the current context.
///
/// What it tells of itself and its children can be named and matched on:
///
/// ```no_run
/// use mobula::{ActorSpec, ChildKind, ChildSpec, ChildState, Intensity, SupervisorInfo};
/// use mobula::{SupervisorHandle, SupervisorSpec, SupervisorStrategy};
///
/// fn after(strategy: SupervisorStrategy) -> &'static str {
///     match strategy {
///         SupervisorStrategy::OneForOne | SupervisorStrategy::SimpleOneForOne => "itself",
///         SupervisorStrategy::OneForAll => "all",
///         SupervisorStrategy::RestForOne => "itself and those after it",
///     }
/// }
///
/// fn kind(spec: &ChildSpec) -> String {
///     match &spec.kind {
///         ChildKind::Actor(actor) => {
///             let ActorSpec { template, .. } = &**actor;
///             template.function.name.to_string()
///         }
///         ChildKind::Supervisor(below) => {
///             let SupervisorSpec { strategy, children, .. } = &**below;
///             format!("{} children, {}", children.len(), after(*strategy))
///         }
///     }
/// }
///
/// async fn show(tree: &SupervisorHandle) -> mobula::Result<()> {
///     let SupervisorInfo { strategy, intensity, children, .. } = tree.info().await?;
///     let Intensity { max_restarts, within } = intensity;
///     println!("{}, {max_restarts} in {within:?}", after(strategy));
///     for child in children {
///         let kind = kind(&tree.child_spec(child.id.clone()).await?);
///         match child.state {
///             ChildState::Present => println!("{kind}: {}", child.actor),
///             ChildState::Ignored | ChildState::Stopped => println!("{kind}"),
///         }
///     }
///     Ok(())
/// }
/// ```
///
/// An actor becomes its child by [`start_child`](Self::start_child), or by
/// [`Creation::supervised_by`](crate::Creation::supervised_by).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct SupervisorHandle {
    id: ActorId,
}

/// How many children a supervisor has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ChildCounts {
    /// All whose specs it keeps.
    pub specs: usize,
    /// Those that have an actor or a supervisor.
    pub active: usize,
    /// Those that are supervisors, active or not.
    pub supervisors: usize,
    /// Those that are actors, active or not.
    pub actors: usize,
}

/// A supervisor and everything below it, as it stood at one moment.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tree {
    /// The supervisors, each before those below it.
    pub supervisors: Vec<SupervisorInfo>,
    /// Their actors.
    pub actors: Vec<ActorInfo>,
    /// Whether there are more than a head tells of at once: the rest is left out.
    pub more: bool,
}

pub(super) async fn supervisor_named(namespace: Arc<str>, name: Arc<str>) -> Result<SupervisorHandle> {
    let info = page_of(&context::context()?, ActorTarget::Named { namespace, name }, None, 1).await?;
    Ok(SupervisorHandle::of(info.supervisor))
}

/// How many children are asked for at once.
const PAGE: usize = 10_000;

/// A supervisor as it stands now, with all its children: those of a later page as they stand when that is asked for.
async fn children_of(context: &Context, target: ActorTarget) -> Result<SupervisorInfo> {
    let mut info = page_of(context, target, None, PAGE).await?;
    while let Some(after) = info.more_after {
        let page = page_of(context, ActorTarget::Id(info.supervisor), Some(after), PAGE).await?;
        info.children.extend(page.children);
        info.more_after = page.more_after;
    }
    Ok(info)
}

async fn page_of(
    context: &Context,
    supervisor: ActorTarget,
    after: Option<u64>,
    limit: usize,
) -> Result<SupervisorInfo> {
    match ask_again(context, ActorRequest::Children { supervisor, after, limit }).await? {
        ActorAnswer::Children(info) => Ok(*info),
        other => Err(odd_actor_answer(other)),
    }
}

/// Looking at it.
impl SupervisorHandle {
    /// The supervisor with that id.
    pub const fn of(id: ActorId) -> Self {
        SupervisorHandle { id }
    }

    /// Its id.
    pub const fn id(&self) -> ActorId {
        self.id
    }

    fn target(&self) -> ActorTarget {
        ActorTarget::Id(self.id)
    }

    /// How it stands, with its children.
    ///
    /// # Errors
    /// `NotFound` where it has ended for good, `NoContext`, `Unavailable` where no head can be asked.
    pub async fn info(&self) -> Result<SupervisorInfo> {
        children_of(&context::context()?, self.target()).await
    }

    /// Its children, in order.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    pub async fn children(&self) -> Result<Vec<ChildInfo>> {
        Ok(self.info().await?.children)
    }

    /// How many children it has.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    pub async fn count_children(&self) -> Result<ChildCounts> {
        let mut counts = ChildCounts::default();
        for child in self.children().await? {
            counts.specs += 1;
            counts.active += usize::from(child.state == ChildState::Present);
            counts.supervisors += usize::from(child.is_supervisor);
            counts.actors += usize::from(!child.is_supervisor);
        }
        Ok(counts)
    }

    /// It and everything below it.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    pub async fn tree(&self) -> Result<Tree> {
        match ask_here(ActorRequest::Tree(Some(self.target()))).await? {
            ActorAnswer::Tree { supervisors, actors, more } => Ok(Tree { supervisors, actors, more }),
            other => Err(odd_actor_answer(other)),
        }
    }

    /// Observes it and everything below it, what is added later included: a stream of how each stands, first as it is now,
    /// the supervisor before its children, then each change with its reason and time. It ends when the supervisor is dead
    /// for good. See [the module](crate::observer).
    ///
    /// # Errors
    /// `NoContext`; `Unavailable` where the home node was lost before it answered, `SessionExpired` where the session is
    /// over; `ResourceExhausted` where the home node has 10,000 observers.
    pub async fn watch(&self) -> Result<StateChanges> {
        Ok(StateChanges::of(&context::context()?, self.id, true).await?)
    }

    /// The spec of a child.
    ///
    /// # Errors
    /// `NotFound` where there is no such child; as [`info`](Self::info).
    pub async fn child_spec(&self, id: impl Into<Arc<str>>) -> Result<ChildSpec> {
        match ask_here(ActorRequest::ChildSpec { supervisor: self.target(), child: id.into() }).await? {
            ActorAnswer::ChildSpec(spec) => Ok(*spec),
            other => Err(odd_actor_answer(other)),
        }
    }

    /// The child with that id. Its handle stays the same however often it is started again; it does not keep it alive.
    ///
    /// # Errors
    /// `NotFound` where there is no such child, `TypeMismatch` where it is of another class or a supervisor; as
    /// [`info`](Self::info).
    pub async fn child<H: ActorHandle>(&self, id: impl AsRef<str>) -> Result<H> {
        let (context, id) = (context::context()?, id.as_ref());
        let child = self.child_info(&context, id).await?;
        if child.is_supervisor {
            let message = format!("child '{id}' is a supervisor, and not of {}", H::class());
            return Err(Error::new(ErrorKind::TypeMismatch, message));
        }
        let request = ActorRequest::Find(ActorTarget::Id(child.actor));
        let class = match ask_again(&context, request).await? {
            ActorAnswer::Found(info) => info.class,
            other => return Err(odd_actor_answer(other)),
        };
        if !class.name.strip_prefix(H::class()).is_some_and(|rest| rest.starts_with("::")) {
            let message = format!("child '{id}' is of {class}, and not of {}", H::class());
            return Err(Error::new(ErrorKind::TypeMismatch, message));
        }
        Ok(H::from_actor_ref(ActorRef::uncounted(context.link(), child.actor)))
    }

    /// The supervisor that is its child with that id.
    ///
    /// # Errors
    /// `NotFound` where there is no such child, `TypeMismatch` where it is an actor; as [`info`](Self::info).
    pub async fn supervisor(&self, id: impl AsRef<str>) -> Result<SupervisorHandle> {
        let (context, id) = (context::context()?, id.as_ref());
        let child = self.child_info(&context, id).await?;
        if !child.is_supervisor {
            let message = format!("child '{id}' is an actor, and no supervisor");
            return Err(Error::new(ErrorKind::TypeMismatch, message));
        }
        Ok(SupervisorHandle::of(child.actor))
    }

    async fn child_info(&self, context: &Context, id: &str) -> Result<ChildInfo> {
        let info = children_of(context, self.target()).await?;
        info.children.into_iter().find(|child| &*child.id == id).ok_or_else(|| {
            let message = format!("supervisor {} has no child '{id}'", self.id);
            Error::new(ErrorKind::NotFound, message)
        })
    }
}

/// Changing what it has.
impl SupervisorHandle {
    /// Adds a child behind the others, and waits until it has started. Under a supervisor for many children that are alike
    /// only its arguments count, and its id where it is not empty. A child whose constructor wants no actor is there too.
    ///
    /// # Errors
    /// `AlreadyExists` where there is a child with that id, `ConstructorFailed` where it does not start (it is then no
    /// child), `SupervisorEnded`; what is wrong with the arguments; as [`info`](Self::info).
    pub async fn start_child<H: ActorHandle>(
        &self,
        id: impl Into<Arc<str>>,
        creation: Creation<H>,
    ) -> Result<H> {
        let context = context::context()?;
        let actor = self.add(&context, Child::actor(id.into(), creation)?).await?;
        Ok(H::from_actor_ref(ActorRef::uncounted(context.link(), actor)))
    }

    /// Adds many children, with up to 256 on their way at once, and waits until all have started. Their handles come in
    /// the order given.
    ///
    /// # Errors
    /// The first failed one's error, as of [`start_child`](Self::start_child); those that have started stay.
    pub async fn start_children<I: Into<Arc<str>>, H: ActorHandle>(
        &self,
        children: impl IntoIterator<Item = (I, Creation<H>)>,
    ) -> Result<Vec<H>> {
        let children: Vec<(Arc<str>, Creation<H>)> =
            children.into_iter().map(|(id, creation)| (id.into(), creation)).collect();
        let starting = children.into_iter().map(|(id, creation)| self.start_child(id, creation));
        futures::stream::iter(starting).buffered(MOST_STARTING).try_collect().await
    }

    /// Adds a supervisor with what is below it, and waits until all have started. Its name is its id.
    ///
    /// # Errors
    /// As [`start_child`](Self::start_child).
    pub async fn start_supervisor(&self, mut supervisor: Supervisor) -> Result<SupervisorHandle> {
        let context = supervisor.usable_context()?;
        Ok(SupervisorHandle::of(self.add(&context, supervisor.into_child()).await?))
    }

    async fn add(&self, context: &Context, child: Child) -> Result<ActorId> {
        let child = child.spec(job_of(context));
        let actor = next_id(context, b"child", &child.id)?;
        let request = ActorRequest::StartChild { supervisor: self.target(), actor, child };
        match ask_again(context, request).await? {
            ActorAnswer::Started(_) => Ok(actor),
            other => Err(odd_actor_answer(other)),
        }
    }

    /// Stops a child, and waits until it has ended. Its spec stays, so that it can be
    /// [started again](Self::restart_child), unless it is `Temporary`. One that does not run is left alone.
    ///
    /// # Errors
    /// `NotFound` where there is no such child; as [`info`](Self::info).
    pub async fn terminate_child(&self, id: impl Into<Arc<str>>) -> Result<()> {
        let request = ActorRequest::TerminateChild { supervisor: self.target(), child: id.into() };
        ask_once(request).await.map(|_done| ())
    }

    /// Starts a child again that was terminated or has ended, and waits until it has started.
    ///
    /// # Errors
    /// `NotFound` where there is no such child, `AlreadyExists` where it runs or is being started, `SupervisorEnded`,
    /// `ConstructorFailed`; as [`info`](Self::info).
    pub async fn restart_child(&self, id: impl Into<Arc<str>>) -> Result<()> {
        let request = ActorRequest::RestartChild { supervisor: self.target(), child: id.into() };
        ask_once(request).await.map(|_done| ())
    }

    /// Forgets a child that does not run.
    ///
    /// # Errors
    /// `NotFound` where there is no such child, `InvalidArgument` where it runs; as [`info`](Self::info).
    pub async fn delete_child(&self, id: impl Into<Arc<str>>) -> Result<()> {
        let request = ActorRequest::DeleteChild { supervisor: self.target(), child: id.into() };
        ask_once(request).await.map(|_done| ())
    }

    /// Stops the supervisor for good, with everything below it, in the reverse of the order in which it started; waits
    /// until all have ended. One that has ended is left alone.
    ///
    /// # Errors
    /// `NoContext`; `Unavailable` where no head can be asked, or where the home node was lost, or another head leads by now,
    /// and it may have been stopped already; `TimedOut` where it is under way after ten minutes, and goes on.
    pub async fn stop(&self) -> Result<()> {
        match ask_once(ActorRequest::StopSupervisor(self.target())).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ended => Ok(()),
        }
    }
}
