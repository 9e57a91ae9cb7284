//! The handle behind references: one object as this process knows it.

use super::Waiters;
use crate::link::{Command, Link};
use mobula_types::outcome::StoredCopy;
use mobula_types::{Failure, NodeId, ObjectAddress, ObjectId, Payload};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::Waker;

/// The outcome is known: `wait` counts it as ready.
const READY: u8 = 1;
/// Somebody has waited for it in a group: its completion is announced to the link's groups.
const WATCHED: u8 = 2;
/// The link's table counts it: it is told when the handle is gone.
const LISTED: u8 = 4;

/// One object as this process knows it. All references to it here share one; when the last is dropped, the home node is
/// told.
#[derive(Debug)]
pub(crate) struct Handle {
    link: Option<Arc<Link>>,
    object: ObjectId,
    /// `None`: the home node.
    owner: Option<NodeId>,
    flags: AtomicU8,
    /// How often the home node has counted this process as a holder; it is told as often that the handle is gone.
    given: AtomicU32,
    state: Mutex<State>,
}

/// What is known of an object.
#[derive(Debug)]
pub(crate) enum State {
    /// Nobody has asked for it, and nobody will tell by himself.
    Unasked(Waiters),
    /// It has been asked for, or its task has been submitted from here.
    Pending(Waiters),
    /// It is there.
    Value(HeldValue),
    /// It exists, but its bytes are in nodes' stores.
    Stored(Arc<StoredCopy>, Option<Arc<[Arc<Handle>]>>),
    /// As before, and the bytes are on their way.
    Fetching(Option<Arc<[Arc<Handle>]>>, Waiters),
    /// It will never be there.
    Failed(Failure),
}

/// A value and handles for the references inside it.
#[derive(Clone, Debug)]
pub(crate) struct HeldValue {
    pub(crate) payload: Payload,
    pub(crate) contained: Option<Arc<[Arc<Handle>]>>,
}

impl Handle {
    /// The result of a task that is being submitted.
    pub(crate) fn of_task(link: Arc<Link>, object: ObjectId) -> Arc<Handle> {
        Handle::new(Some(link), object, None, 1, State::Pending(Waiters::None))
    }

    /// An object that is being put, whose bytes are known here.
    pub(crate) fn of_put(link: Arc<Link>, object: ObjectId, value: HeldValue) -> Arc<Handle> {
        Handle::new(Some(link), object, None, 1, State::Value(value))
    }

    /// A reference that came inside a value over this session, which counts this process as a holder.
    pub(crate) fn given(link: Arc<Link>, address: ObjectAddress) -> Arc<Handle> {
        Handle::new(Some(link), address.object, address.owner, 1, State::Unasked(Waiters::None))
    }

    /// A reference that came with a call's arguments: the call keeps the object alive, not this process.
    pub(crate) fn lent(link: Arc<Link>, object: ObjectId, owner: Option<NodeId>) -> Arc<Handle> {
        let owner = owner.filter(|owner| *owner != link.home());
        Handle::new(Some(link), object, owner, 0, State::Unasked(Waiters::None))
    }

    /// A reference to nothing but a failure.
    pub(crate) fn failed(failure: Failure) -> Arc<Handle> {
        Handle::new(None, ObjectId::default(), None, 0, State::Failed(failure))
    }

    fn new(
        link: Option<Arc<Link>>,
        object: ObjectId,
        owner: Option<NodeId>,
        given: u32,
        state: State,
    ) -> Arc<Handle> {
        let ready = if state.is_ready() { READY } else { 0 };
        let listed = if given > 0 { LISTED } else { 0 };
        let flags = AtomicU8::new(ready | listed);
        let given = AtomicU32::new(given);
        Arc::new(Handle { link, object, owner, flags, given, state: Mutex::new(state) })
    }

    pub(crate) fn object(&self) -> ObjectId {
        self.object
    }

    pub(crate) fn link(&self) -> Option<&Arc<Link>> {
        self.link.as_ref()
    }

    /// Where the object is asked for, as it travels on this session.
    pub(crate) fn address(&self) -> ObjectAddress {
        ObjectAddress { object: self.object, owner: self.owner.clone() }
    }

    /// The owner, the home node too.
    pub(crate) fn owner(&self) -> Option<NodeId> {
        self.owner.clone().or_else(|| self.link.as_ref().map(|link| link.home()))
    }

    /// The session counts this process as a holder once more.
    pub(crate) fn give_again(&self) {
        self.given.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes this process a holder, where the session does not count it as one yet because the reference was lent. The
    /// session is to be told so; says whether it is.
    pub(crate) fn keep(&self) -> bool {
        self.given.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether the session counts this process as a holder because of it.
    pub(crate) fn is_given(&self) -> bool {
        self.given.load(Ordering::Relaxed) > 0
    }

    /// The link's table counts it from now on.
    pub(crate) fn list(&self) {
        self.flags.fetch_or(LISTED, Ordering::Relaxed);
    }

    /// Whether the outcome is known.
    pub(crate) fn is_ready(&self) -> bool {
        self.flags.load(Ordering::Acquire) & READY != 0
    }

    /// As [`is_ready`](Self::is_ready); where it is not, its completion is announced to the link's groups from now on,
    /// and the object is asked for if nobody has yet.
    pub(crate) fn is_ready_or_watch(self: &Arc<Self>) -> bool {
        let flags = self.flags.load(Ordering::Acquire);
        if flags & (READY | WATCHED) != 0 {
            return flags & READY != 0;
        }
        let flags = self.flags.fetch_or(WATCHED, Ordering::AcqRel);
        self.ask();
        flags & READY != 0
    }

    /// Asks for the object's outcome if nobody has yet.
    pub(crate) fn ask(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if let State::Unasked(waiters) = &mut *state {
            *state = State::Pending(std::mem::take(waiters));
            drop(state);
            self.command(Command::Get(self.clone()));
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The object's outcome is known, or its bytes have arrived. Whoever waits is added to `wakers`; says whether a
    /// group watches it.
    pub(crate) fn resolve(&self, new: State, wakers: &mut Vec<Waker>) -> bool {
        let ready = new.is_ready();
        let mut state = self.state.lock();
        let old = std::mem::replace(&mut *state, new);
        if ready {
            // Under the lock, so that flags and state never contradict each other to one who holds it.
            let flags = self.flags.fetch_or(READY, Ordering::AcqRel);
            drop(state);
            old.into_waiters().wake_into(wakers);
            return flags & WATCHED != 0;
        }
        self.flags.fetch_and(!READY, Ordering::AcqRel);
        state.adopt_waiters(old.into_waiters());
        false
    }

    /// The handles for the references inside a value whose bytes have just come.
    pub(crate) fn take_contained(&self) -> Option<Arc<[Arc<Handle>]>> {
        match &mut *self.state.lock() {
            State::Stored(_, contained) | State::Fetching(contained, _) => contained.take(),
            _ => None,
        }
    }

    /// The node that knew where the object's bytes are is lost: whoever waits goes on waiting.
    pub(crate) fn forget_place(&self) {
        let mut state = self.state.lock();
        if matches!(*state, State::Stored(..) | State::Fetching(..)) {
            let old = std::mem::replace(&mut *state, State::Pending(Waiters::None));
            self.flags.fetch_and(!READY, Ordering::AcqRel);
            state.adopt_waiters(old.into_waiters());
        }
    }

    /// Resolves the handle if it is not resolved yet.
    pub(crate) fn fail_if_pending(&self, failure: Failure, wakers: &mut Vec<Waker>) -> bool {
        let waits = match &*self.state.lock() {
            State::Unasked(_) | State::Pending(_) | State::Fetching(..) | State::Stored(..) => true,
            State::Value(_) | State::Failed(_) => false,
        };
        waits && self.resolve(State::Failed(failure), wakers)
    }

    /// The node never heard of the object: there is nothing to release.
    pub(crate) fn disown(&self) {
        self.given.store(0, Ordering::Relaxed);
        self.flags.fetch_and(!LISTED, Ordering::Relaxed);
        *self.state.lock() = State::Unasked(Waiters::None);
    }

    pub(crate) fn command(&self, command: Command) {
        if let Some(link) = &self.link {
            link.command(command);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let given = *self.given.get_mut();
        let listed = *self.flags.get_mut() & LISTED != 0;
        if (given > 0 || listed)
            && let Some(link) = self.link.take()
        {
            let address = ObjectAddress { object: self.object, owner: self.owner.take() };
            link.command(Command::Release { address, given, listed });
        }
    }
}

impl State {
    fn is_ready(&self) -> bool {
        !matches!(self, State::Unasked(_) | State::Pending(_))
    }

    fn into_waiters(self) -> Waiters {
        match self {
            State::Unasked(waiters) | State::Pending(waiters) | State::Fetching(_, waiters) => waiters,
            State::Value(_) | State::Stored(..) | State::Failed(_) => Waiters::None,
        }
    }

    /// The same outcome for another handle of the object.
    pub(crate) fn outcome(&self) -> Option<State> {
        match self {
            State::Value(value) => Some(State::Value(value.clone())),
            State::Stored(copy, contained) => Some(State::Stored(copy.clone(), contained.clone())),
            State::Failed(failure) => Some(State::Failed(failure.clone())),
            State::Unasked(_) | State::Pending(_) | State::Fetching(..) => None,
        }
    }

    fn adopt_waiters(&mut self, old: Waiters) {
        match self {
            State::Unasked(waiters) | State::Pending(waiters) | State::Fetching(_, waiters) => *waiters = old,
            State::Value(_) | State::Stored(..) | State::Failed(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_one_small_allocation() {
        assert!(size_of::<Handle>() <= 168, "{}", size_of::<Handle>());
    }

    #[test]
    fn a_failed_handle_is_ready_at_once() {
        let handle = Handle::failed(Failure::new(mobula_types::FailureKind::NoContext, "none"));
        assert!(handle.is_ready_or_watch());
    }
}
