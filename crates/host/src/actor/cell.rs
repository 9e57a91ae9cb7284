//! One actor: what its threads and everybody else share.

use super::class::{Access, Class};
use super::drive::{Step, drive};
use super::ending::{Dropping, Ending, How};
use super::health::Checks;
use super::mailbox::Mailbox;
use super::object::State;
use super::pool::TaskKind;
use super::queue::QueuedTurn;
use super::shared::Shared;
use crate::panic::guard;
use crate::{Call, CancelToken};
use foldhash::HashMap;
use mobula_runtime::{TaskHandle, clock};
use mobula_types::actor::{ActorOptions, Down, ExitKind, Incarnation};
use mobula_types::{ExitReason, Failure, Time};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One actor.
pub(crate) struct ActorCell {
    pub(crate) key: u32,
    pub(crate) incarnation: Incarnation,
    pub(crate) class: Arc<Class>,
    pub(crate) options: Arc<ActorOptions>,
    pub(crate) context: Arc<dyn Any + Send + Sync>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) dropping: Dropping,
    /// Its last turn was so short that the next one is likely to be too.
    pub(crate) brief: AtomicBool,
    /// Never held while code of a user runs.
    pub(crate) state: Mutex<CellState>,
}

/// What changes of an actor.
#[derive(Debug, Default)]
pub(crate) struct CellState {
    pub(crate) mailbox: Mailbox,
    pub(crate) signals: VecDeque<Down>,
    /// Until the constructor runs.
    pub(crate) starting: Option<Box<Starting>>,
    /// From the constructor's end to the exit.
    pub(crate) object: Option<State>,
    pub(crate) ending: Option<Box<Ending>>,
    /// The turn that the drive task is at.
    pub(crate) current: Option<Current>,
    /// Shared turns that go on by themselves, by handle.
    pub(crate) apart: HashMap<u64, CancelToken>,
    pub(crate) checks: Checks,
    /// There is a drive task.
    pub(crate) driven: bool,
    /// It has started, and takes turns.
    pub(crate) started: bool,
    /// `on_stop` has been run.
    pub(crate) stopped: bool,
    /// Its constructor answered that there is to be no actor.
    pub(crate) ignored: bool,
    /// It has exited.
    pub(crate) over: bool,
    /// When the grace of a stop is over, and the task that waits for it.
    pub(crate) grace: Option<(Time, TaskHandle<()>)>,
    /// How many threads are about to report turns of it.
    pub(crate) reporting: u32,
}

/// What an actor starts with.
#[derive(Debug)]
pub(crate) struct Starting {
    /// Which constructor of the class.
    pub(crate) constructor: usize,
    pub(crate) call: Call,
}

/// The turn that the drive task is at.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) handle: u64,
    pub(crate) token: CancelToken,
    /// The method of a shared turn.
    pub(crate) shared: Option<usize>,
}

impl ActorCell {
    /// Queues turns. Gives back those that are not queued, as the mailbox is closed: where there are some they are to be
    /// returned, and then [`reported`](Self::reported) is to be called.
    ///
    /// The drive task starts once all are there.
    pub(crate) fn push(self: &Arc<Self>, turns: impl Iterator<Item = QueuedTurn>) -> Vec<QueuedTurn> {
        let mut state = self.state.lock();
        if state.over || state.ending.is_some() {
            state.reporting += 1;
            return turns.collect();
        }
        turns.for_each(|turn| state.mailbox.push(turn));
        self.wake(state);
        Vec::new()
    }

    /// Turns of this actor have been reported.
    pub(crate) fn reported(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.reporting -= 1;
        self.wake(state);
    }

    /// Queues a signal.
    pub(crate) fn signal(self: &Arc<Self>, down: Down) {
        if self.class.hooks().on_down.is_none() {
            return;
        }
        let mut state = self.state.lock();
        if !state.over {
            state.signals.push_back(down);
            self.wake(state);
        }
    }

    /// Cancels a turn. True where it had not started, and does not any more.
    pub(crate) fn cancel(self: &Arc<Self>, handle: u64, failure: &Failure) -> bool {
        let mut state = self.state.lock();
        let token = match &state.current {
            Some(current) if current.handle == handle => Some(current.token.clone()),
            _ => state.apart.get(&handle).cloned(),
        };
        if let Some(token) = token {
            drop(state);
            token.cancel(failure.clone());
            return false;
        }
        let taken = state.mailbox.take(handle);
        // What stood behind it may be able to start.
        self.wake(state);
        taken.is_some()
    }

    /// Has the actor exit by its own wish.
    pub(crate) fn exit(self: &Arc<Self>, reason: ExitReason) {
        self.end(Ending::new(How::Exit, reason));
    }

    /// Has the actor end, or end sooner than it was going to.
    pub(crate) fn end(self: &Arc<Self>, ending: Ending) {
        let mut state = self.state.lock();
        if state.over {
            return;
        }
        match &mut state.ending {
            Some(before) => before.merge(ending),
            None => state.ending = Some(Box::new(ending)),
        }
        let Some((how, reason)) = state.ending.as_ref().map(|ending| (ending.how, ending.reason.clone()))
        else {
            return;
        };
        let returned = if how >= How::Exit { state.mailbox.drain() } else { Vec::new() };
        let tokens = if how >= How::Expired { state.tokens() } else { Vec::new() };
        state.reporting += 1;
        drop(state);
        self.dropping.demand(how);
        if !tokens.is_empty() {
            let failure = reason.to_failure(self.incarnation, true);
            tokens.iter().for_each(|token| token.cancel(failure.clone()));
        }
        self.give_back(returned);
        self.reported();
    }

    /// Ends the grace of a stop then, unless one that ends sooner runs already.
    pub(crate) fn expire_at(self: &Arc<Self>, deadline: Time) {
        let mut state = self.state.lock();
        if state.over || state.grace.as_ref().is_some_and(|(sooner, _)| *sooner <= deadline) {
            return;
        }
        let cell = Arc::downgrade(self);
        let expire = async move {
            clock::sleep_until(deadline).await;
            if let Some(cell) = cell.upgrade() {
                // The reason was given with the stop.
                cell.end(Ending::new(How::Expired, ExitReason::of(ExitKind::Shutdown)));
            }
        };
        state.grace = self.shared.spawn_timer("actor-grace", expire).map(|task| (deadline, task));
    }

    /// The host is closed: what runs is told, and everything else goes without a report.
    pub(crate) fn abandon(&self, failure: &Failure) {
        let mut state = self.state.lock();
        state.over = true;
        let tokens = state.tokens();
        let turns = state.mailbox.drain();
        // The state may hold on to its own actor.
        let rest = (state.object.take(), state.starting.take());
        drop(state);
        self.discard((turns, rest));
        self.dropping.demand(How::Dead);
        tokens.iter().for_each(|token| token.cancel(failure.clone()));
    }

    /// Drops what is a user's, which may panic.
    pub(crate) fn discard<T>(&self, what: T) {
        if let Err(panic) = guard(move || drop(what)) {
            tracing::warn!(actor = %self.incarnation, class = self.class.name(), %panic, "a destructor of an actor panicked");
        }
    }

    /// Reports turns that did not start.
    pub(crate) fn give_back(&self, turns: Vec<QueuedTurn>) {
        if !turns.is_empty() {
            self.shared.events.returned(turns.iter().map(|turn| turn.call.handle).collect());
        }
    }

    /// The turn that the drive task is at goes on by itself.
    pub(crate) fn set_apart(&self) {
        let mut state = self.state.lock();
        let Some(Current { handle, token, .. }) = state.current.take() else { return };
        state.apart.insert(handle, token);
    }

    /// A turn that went on by itself has ended, and has been reported.
    pub(crate) fn apart_ended(self: &Arc<Self>, handle: u64, method: usize) {
        let mut state = self.state.lock();
        state.apart.remove(&handle);
        state.mailbox.ended(&self.class, method);
        self.wake(state);
    }

    /// Sees to it that there is a drive task if there may be something to do.
    pub(crate) fn wake(self: &Arc<Self>, mut state: parking_lot::MutexGuard<'_, CellState>) {
        if state.driven || state.over || !state.has_work() {
            return;
        }
        state.driven = true;
        drop(state);
        self.spawn_drive();
    }

    /// Starts the drive task. `driven` must have been set.
    pub(crate) fn spawn_drive(self: &Arc<Self>) {
        let kind = TaskKind { name: "actor", brief: self.brief.load(Ordering::Relaxed) };
        self.shared.spawn(kind, drive(self.clone()));
    }

    /// What is to be done next. Without anything the drive task has to end.
    pub(crate) fn step(&self, token: &mut CancelToken) -> Step {
        let mut state = self.state.lock();
        if let Some(Current { shared: Some(method), .. }) = state.current.take() {
            state.mailbox.ended(&self.class, method);
        }
        let step = state.next(self, token);
        if matches!(step, Step::Rest | Step::End(_)) {
            state.driven = false;
            state.mailbox.shrink();
            if state.apart.is_empty() {
                state.apart = HashMap::default();
            }
        }
        step
    }
}

impl CellState {
    fn has_work(&self) -> bool {
        self.ending.is_some()
            || self.starting.is_some()
            || !self.signals.is_empty()
            || self.checks.is_due()
            || !self.mailbox.is_empty()
    }

    /// Of all turns that run.
    pub(crate) fn tokens(&self) -> Vec<CancelToken> {
        let current = self.current.as_ref().map(|current| current.token.clone());
        self.apart.values().cloned().chain(current).collect()
    }

    fn next(&mut self, cell: &ActorCell, token: &mut CancelToken) -> Step {
        if self.over {
            return Step::Rest;
        }
        if let Some(ending) = &self.ending {
            let served = self.mailbox.is_empty() && self.signals.is_empty();
            if !self.started || ending.how >= How::Exit || served {
                return self.next_of_ending(cell);
            }
        }
        if let Some(starting) = self.starting.take() {
            return Step::Construct(starting);
        }
        if !self.signals.is_empty() {
            return match self.mailbox.is_quiet() {
                true => self.signals.pop_front().map_or(Step::Rest, |down| Step::Down(Box::new(down))),
                false => Step::Rest,
            };
        }
        if self.checks.is_due()
            && let Some(check) = cell.class.hooks().health_check
        {
            match check.access {
                Access::Shared => self.mailbox.hold(),
                Access::Exclusive if !self.mailbox.is_quiet() => return Step::Rest,
                Access::Exclusive => {}
            }
            self.checks.begin();
            return Step::Check(check);
        }
        let Some(turn) = self.mailbox.next(&cell.class, &cell.options) else { return Step::Rest };
        token.renew();
        let method = cell.class.methods().get(turn.method);
        let shared = method.is_some_and(|method| method.access == Access::Shared).then_some(turn.method);
        self.current = Some(Current { handle: turn.call.handle, token: token.clone(), shared });
        Step::Turn(turn)
    }

    fn next_of_ending(&mut self, cell: &ActorCell) -> Step {
        let Some(ending) = &self.ending else { return Step::Rest };
        if !self.mailbox.is_quiet() || self.reporting > 0 {
            return Step::Rest;
        }
        let wants_hook = ending.how < How::Dead && self.started && !self.stopped;
        if wants_hook && cell.class.hooks().on_stop.is_some() {
            self.stopped = true;
            return Step::Stop;
        }
        self.over = true;
        Step::End((!self.ignored).then(|| ending.reason.clone()))
    }
}

impl std::fmt::Debug for ActorCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorCell")
            .field("key", &self.key)
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}
