//! Changes of actors and supervisors, on their way from the session's thread to whoever takes them.

use crate::context::{self, Context};
use crate::link::Interest;
use futures::Stream;
use mobula_runtime::clock;
use mobula_types::actor::{ActorState, StateChange};
use mobula_types::{ActorId, ExitKind, ExitReason, Failure};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Changes that wait to be taken; beyond it the oldest are dropped.
const MOST_WAITING: usize = 10_000;

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<StateChange>,
    waker: Option<Waker>,
    /// Nothing more comes.
    is_over: bool,
    /// Nobody takes any.
    is_closed: bool,
}

/// The end that changes are put in at.
#[derive(Debug)]
pub(crate) struct ChangeSender(Arc<Mutex<Queue>>);

/// The end that changes are taken from.
#[derive(Debug)]
pub(crate) struct ChangeReceiver(Arc<Mutex<Queue>>);

pub(crate) fn change_queue() -> (ChangeSender, ChangeReceiver) {
    let queue = Arc::new(Mutex::default());
    (ChangeSender(queue.clone()), ChangeReceiver(queue))
}

impl ChangeSender {
    pub(crate) fn is_closed(&self) -> bool {
        self.0.lock().is_closed
    }

    pub(crate) fn send(&self, change: StateChange) {
        let mut queue = self.0.lock();
        queue.waiting.push_back(change);
        if queue.waiting.len() > MOST_WAITING
            && let Some(dropped) = queue.waiting.pop_front()
            && let Some(next) = queue.waiting.front_mut()
        {
            next.note_dropped(&dropped);
        }
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for ChangeReceiver {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.is_closed = true;
        queue.waiting.clear();
    }
}

impl Drop for ChangeSender {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.is_over = true;
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// How an actor, or a supervisor and everything below it, stands: first as it is, then each change. Made by
/// [`ActorHandle::watch`](crate::ActorHandle::watch) and [`SupervisorHandle::watch`](crate::SupervisorHandle::watch).
///
/// It ends behind the change by which its target is dead for good (`is_final`), and with the session. Changes that come
/// faster than they are taken are kept up to 10,000; then the oldest are dropped, and the next one says how many
/// (`missed`). While no head leads, and while a driver moves to another home node, nothing is told; afterwards it goes on
/// with how things stand, and what happened in between is seen by its result: what has died for good meanwhile below a
/// supervisor is told as dead with `Lost`, where the reason is not known any more.
pub struct StateChanges {
    queue: ChangeReceiver,
    /// What was told last of each that is not dead for good: another head, or another home node, begins anew.
    told: HashMap<ActorId, StateChange>,
    /// What has turned out to be gone, as nobody tells of it any more.
    gone: VecDeque<StateChange>,
    missed: u64,
    _interest: Interest,
}

impl StateChanges {
    pub(crate) async fn of(context: &Context, target: ActorId, below: bool) -> Result<Self, Failure> {
        let _waiting = context::pending_wait();
        let (interest, queue) = context.link().observe(target, below, context.parent()).await?;
        Ok(StateChanges {
            queue,
            told: HashMap::new(),
            gone: VecDeque::new(),
            missed: 0,
            _interest: interest,
        })
    }

    /// The next change; `None` once there are no more. Cancellation safe.
    pub async fn next(&mut self) -> Option<StateChange> {
        poll_fn(|context| self.poll_change(context)).await
    }

    fn poll_change(&mut self, context: &mut std::task::Context<'_>) -> Poll<Option<StateChange>> {
        let queue = self.queue.0.clone();
        let mut queue = queue.lock();
        loop {
            if let Some(change) = self.gone.pop_front() {
                return Poll::Ready(Some(change));
            }
            let Some(change) = queue.waiting.pop_front() else { break };
            if let Some(change) = self.if_new(change) {
                return Poll::Ready(Some(change));
            }
        }
        if queue.is_over {
            return Poll::Ready(None);
        }
        queue.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// The change, unless it says what was told already.
    fn if_new(&mut self, mut change: StateChange) -> Option<StateChange> {
        if change.missed > 0 {
            // Among what was dropped may be the ends of some that would be kept here for ever.
            self.told.clear();
        }
        if let Some(below) = change.below.take() {
            self.note_gone(change.actor, &below);
        }
        self.missed = self.missed.saturating_add(change.missed);
        let told = self.told.get(&change.actor);
        if told.is_some_and(|told| told.is_same_state(&change)) {
            return None;
        }
        if change.is_final {
            self.told.remove(&change.actor);
        } else {
            self.told.insert(change.actor, change.clone());
        }
        change.missed = std::mem::take(&mut self.missed);
        Some(change)
    }
}

impl StateChanges {
    /// A head tells of a tree from the beginning: what was told of before and is not there any more has died meanwhile, and
    /// why is not known.
    fn note_gone(&mut self, tree: ActorId, below: &[ActorId]) {
        let there: HashSet<&ActorId> = below.iter().collect();
        let gone = self.told.extract_if(|id, _| *id != tree && !there.contains(id));
        let mut gone: Vec<StateChange> = gone.map(|(_, told)| told).collect();
        gone.sort_by_key(|told| told.actor);
        self.gone.extend(gone.into_iter().map(|told| StateChange {
            state: ActorState::Dead,
            reason: Some(ExitReason::of(ExitKind::Lost)),
            at_millis: clock::wall_millis(),
            is_final: true,
            missed: 0,
            ..told
        }));
    }
}

impl Stream for StateChanges {
    type Item = StateChange;
    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<StateChange>> {
        self.poll_change(context)
    }
}

impl fmt::Debug for StateChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateChanges").field("known", &self.told.len()).finish_non_exhaustive()
    }
}
