//! What every handle of an actor is made of.

use crate::context::{self, Context};
use crate::link::Link;
use crate::reference::Handle;
use mobula_types::{ActorId, Failure, FailureKind, ObjectId};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// An actor, without its class.
#[derive(Clone)]
pub struct ActorRef {
    actor: ActorId,
    /// The result of its creation, which stands for its handles; of a handle that is not counted, a stand-in.
    handle: Arc<Handle>,
    counted: bool,
}

impl ActorRef {
    /// The actor of a creation, or of a handle that came inside a value.
    pub(crate) fn counted(handle: Arc<Handle>) -> Self {
        ActorRef { actor: ActorId(handle.object().task), handle, counted: true }
    }

    /// An actor that does not live for the sake of this handle.
    pub(crate) fn uncounted(link: &Arc<Link>, actor: ActorId) -> Self {
        let handle = Handle::lent(link.clone(), ObjectId::result(actor.0, 0), None);
        ActorRef { actor, handle, counted: false }
    }

    pub(crate) fn id(&self) -> ActorId {
        self.actor
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    pub(crate) fn into_handle(self) -> Arc<Handle> {
        self.handle
    }

    pub(crate) fn is_counted(&self) -> bool {
        self.counted
    }

    /// The session that calls go over.
    ///
    /// # Errors
    /// Where the actor was never created.
    pub(crate) fn link(&self) -> Result<&Arc<Link>, Failure> {
        self.handle.link().ok_or_else(|| {
            let failure = Failure::new(FailureKind::DependencyFailed, "the actor was not created");
            match self.handle.failure() {
                Some(cause) => failure.caused_by(cause),
                None => failure,
            }
        })
    }

    /// The context of a call: the current one where that is of the same session. A driver's handle knows its cluster, and
    /// needs none.
    ///
    /// # Errors
    /// `NoContext` on a worker, outside of tasks and actors; as [`link`](Self::link).
    pub(crate) fn context(&self) -> Result<Context, Failure> {
        let link = self.link()?;
        let current = context::with_current(|context| {
            context.filter(|context| Arc::ptr_eq(context.link(), link)).cloned()
        });
        match (current, link.job()) {
            (Some(context), _) => Ok(context),
            (None, Some(_)) => Ok(Context::of_driver(link.clone())),
            (None, None) => Err(context::no_context().into_failure()),
        }
    }
}

impl PartialEq for ActorRef {
    fn eq(&self, other: &Self) -> bool {
        self.actor == other.actor
    }
}

impl Eq for ActorRef {}

impl Hash for ActorRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.actor.hash(state);
    }
}

impl fmt::Debug for ActorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.actor)
    }
}
