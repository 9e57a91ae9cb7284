//! Process groups: actors under a name, on whatever nodes.

use super::{ActorCall, ActorHandle, ActorRef};
use crate::Result;
use crate::context::{self, Context};
use crate::link::odd_answer;
use crate::reference::References;
use mobula_types::Failure;
use mobula_types::actor::{ActorOptions, Epoch, Incarnation};
use mobula_types::frame::{Answer, Ask};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// The process group of that name, in the namespace `default`. It is there as soon as somebody joins it.
///
/// Its members are of one class, by agreement: whoever joins it with another one is called by methods that it does not have.
///
/// ```no_run
/// # async fn example<H: mobula::ActorHandle>(worker: H) -> mobula::Result<()> {
/// let workers = mobula::group::<H>("workers");
/// workers.join(&worker).await?;
/// let all = workers.members().await?;
/// # Ok(()) }
/// ```
pub fn group<H: ActorHandle>(name: impl Into<Arc<str>>) -> Group<H> {
    let namespace = ActorOptions::DEFAULT_NAMESPACE.into();
    Group { namespace, name: name.into(), class: PhantomData }
}

/// A process group; made by [`group`]. A member leaves it with the end of its incarnation: an actor that is started again
/// joins again, in its `on_start`.
pub struct Group<H> {
    namespace: Arc<str>,
    name: Arc<str>,
    class: PhantomData<fn() -> H>,
}

impl<H: ActorHandle> Group<H> {
    /// The group of that name in another namespace.
    pub fn in_namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Has the actor's incarnation of this moment join the group, wherever it runs. One that is in it stays so.
    ///
    /// # Errors
    /// `ActorDied` and `NotFound` where it does not live, `Unavailable` where it does not run at the moment,
    /// `InvalidArgument` for a name that is empty or has more than 255 bytes.
    pub async fn join(&self, member: &H) -> Result<()> {
        let context = member.actor_ref().context()?;
        let (namespace, group) = (self.namespace.clone(), self.name.clone());
        done(ask(&context, Ask::Join { namespace, group, member: latest(member) }).await?)
    }

    /// Has the actor leave the group.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub async fn leave(&self, member: &H) -> Result<()> {
        let context = member.actor_ref().context()?;
        let (namespace, group) = (self.namespace.clone(), self.name.clone());
        done(ask(&context, Ask::Leave { namespace, group, member: latest(member) }).await?)
    }

    /// The members, as far as this program's node knows them: what changes on other nodes is known there a moment later.
    /// Their handles are not counted.
    ///
    /// # Errors
    /// `NoContext`; `Unavailable` where no head has said yet who is in the group.
    pub async fn members(&self) -> Result<Vec<H>> {
        let context = context::context()?;
        let (namespace, group) = (self.namespace.clone(), self.name.clone());
        match ask(&context, Ask::Members { namespace, group }).await? {
            Answer::Members(members) => {
                let handle = |member: Incarnation| ActorRef::uncounted(context.link(), member.actor);
                Ok(members.into_iter().map(|member| H::from_actor_ref(handle(member))).collect())
            }
            other => Err(odd_answer(&other).into()),
        }
    }

    /// Casts a call to every member: nobody hears how it ends. Gives how many there were.
    ///
    /// # Errors
    /// As [`members`](Self::members).
    pub async fn broadcast<R: References>(&self, call: impl Fn(&H) -> ActorCall<R>) -> Result<usize> {
        let members = self.members().await?;
        members.iter().for_each(|member| call(member).cast());
        Ok(members.len())
    }
}

/// The incarnation that there is.
fn latest<H: ActorHandle>(member: &H) -> Incarnation {
    Incarnation { actor: member.id(), epoch: Epoch(0) }
}

async fn ask(context: &Context, ask: Ask) -> Result<Answer, Failure> {
    let _waiting = context::pending_wait();
    context.link().ask(ask, context.parent()).await
}

pub(super) fn done(answer: Answer) -> Result<()> {
    match answer {
        Answer::Done => Ok(()),
        other => Err(odd_answer(&other).into()),
    }
}

impl<H> Clone for Group<H> {
    fn clone(&self) -> Self {
        Group { namespace: self.namespace.clone(), name: self.name.clone(), class: PhantomData }
    }
}

impl<H> fmt::Debug for Group<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({}/{})", self.namespace, self.name)
    }
}
