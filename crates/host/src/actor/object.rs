//! An actor's state, and the actor as its own methods see it.

use super::cell::ActorCell;
use super::class::Access;
use super::ending::{Ending, How};
use super::pool::TaskKind;
use super::run::Part;
use mobula_types::actor::{Caller, ExitKind, Incarnation};
use mobula_types::{ExitReason, Failure, FailureKind};
use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// The state of an actor behind its lock, without its type.
#[derive(Clone)]
pub struct State(Arc<dyn Any + Send + Sync>);

/// An actor as a turn gets it. Must not outlive the turn.
#[derive(Clone)]
pub struct Object {
    state: State,
    actor: ActorExit,
    turn: Option<TurnOf>,
}

/// What a turn is.
#[derive(Clone, Copy, Debug)]
pub struct TurnOf {
    /// Who called.
    pub caller: Caller,
    /// Whether it has the actor for itself.
    pub access: Access,
}

/// An actor as its own code sees it: who it is, and how it ends. It may be kept, and does nothing once the actor is over.
#[derive(Clone)]
pub struct ActorExit(Arc<ActorCell>);

/// A turn asked for a state of another type, or for one that another turn uses: a defect of the generated code or of the
/// host, never of a caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state of the actor is not there as {wanted}")]
pub struct WrongState {
    wanted: &'static str,
}

impl From<WrongState> for Failure {
    fn from(error: WrongState) -> Failure {
        Failure::new(FailureKind::Internal, error.to_string())
    }
}

impl State {
    /// A state that `&self` methods share.
    pub fn shared<T: Send + Sync + 'static>(value: T) -> Self {
        State(Arc::new(RwLock::new(value)))
    }

    /// A state of a class all of whose turns run alone. It need not be `Sync`.
    pub fn exclusive<T: Send + 'static>(value: T) -> Self {
        State(Arc::new(Mutex::new(value)))
    }
}

impl Object {
    pub(crate) fn new(state: State, actor: ActorExit) -> Self {
        Object { state, actor, turn: None }
    }

    pub(crate) fn in_turn(self, caller: Caller, access: Access) -> Self {
        Object { turn: Some(TurnOf { caller, access }), ..self }
    }

    /// The turn that it is for; none for a hook.
    pub fn turn(&self) -> Option<TurnOf> {
        self.turn
    }

    /// The actor.
    pub fn actor(&self) -> &ActorExit {
        &self.actor
    }

    /// A shared state, for a `&mut self` method.
    ///
    /// # Errors
    /// Where the state is another, or in use.
    pub fn write<T: Send + Sync + 'static>(&self) -> Result<OwnedRwLockWriteGuard<T>, WrongState> {
        let lock = self.lock_of::<RwLock<T>>()?;
        lock.try_write_owned().map_err(|_| WrongState { wanted: type_name::<T>() })
    }

    /// A shared state, for a `&self` method.
    ///
    /// # Errors
    /// Where the state is another, or written.
    pub fn read<T: Send + Sync + 'static>(&self) -> Result<OwnedRwLockReadGuard<T>, WrongState> {
        let lock = self.lock_of::<RwLock<T>>()?;
        lock.try_read_owned().map_err(|_| WrongState { wanted: type_name::<T>() })
    }

    /// An exclusive state.
    ///
    /// # Errors
    /// Where the state is another, or in use.
    pub fn lock<T: Send + 'static>(&self) -> Result<OwnedMutexGuard<T>, WrongState> {
        let lock = self.lock_of::<Mutex<T>>()?;
        lock.try_lock_owned().map_err(|_| WrongState { wanted: type_name::<T>() })
    }

    fn lock_of<L: Any + Send + Sync>(&self) -> Result<Arc<L>, WrongState> {
        self.state.0.clone().downcast::<L>().map_err(|_| WrongState { wanted: type_name::<L>() })
    }
}

impl ActorExit {
    pub(crate) fn new(cell: Arc<ActorCell>) -> Self {
        ActorExit(cell)
    }

    /// The actor's number in this host.
    pub fn key(&self) -> u32 {
        self.0.key
    }

    /// The incarnation.
    pub fn incarnation(&self) -> Incarnation {
        self.0.incarnation
    }

    /// What the actor was started with for the guest's side.
    pub fn context(&self) -> &Arc<dyn Any + Send + Sync> {
        &self.0.context
    }

    /// Has the actor exit when the turns that run have ended: what is queued is returned, `on_stop` runs. Before the
    /// actor has started, it exits instead of taking calls.
    pub fn exit(&self, reason: ExitReason) {
        self.0.exit(reason);
    }

    /// Starts work of the actor's own beside its turns, on the threads that those run on: it must not block for long. It
    /// ends with what this gives, which is nothing where the host is closed. A panic of it ends the actor, as one of a turn
    /// does.
    pub fn spawn(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Option<OwnWork> {
        let cell = self.0.clone();
        let part = Part::new(&cell, Box::pin(work));
        let task = self.0.shared.spawn_owned(name, async move {
            if let Err(panic) = part.await {
                cell.end(Ending::new(How::Dead, ExitReason::failed(ExitKind::Panicked, panic)));
            }
        });
        task.map(OwnWork)
    }
}

/// Work of an actor beside its turns: dropping it ends the work at its next await.
#[derive(Debug)]
#[must_use = "it ends when this is dropped"]
pub struct OwnWork(#[expect(dead_code, reason = "it is owned")] async_task::Task<(), TaskKind>);

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({:?})", self.actor)
    }
}

impl fmt::Debug for ActorExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Actor({} as {})", self.0.incarnation, self.0.key)
    }
}
