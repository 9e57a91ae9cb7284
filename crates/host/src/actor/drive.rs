//! The task of an actor that has something to do.

use super::cell::{ActorCell, Starting};
use super::class::{Access, Constructed, ConstructorBody, HealthCheck};
use super::ending::{EVERYTHING, Ending, How, TURNS};
use super::health;
use super::object::{ActorExit, Object, State};
use super::queue::QueuedTurn;
use super::run::{run, run_hook};
use crate::CancelToken;
use crate::panic::guard;
use mobula_runtime::clock;
use mobula_types::actor::{Down, ExitKind};
use mobula_types::{ExitReason, Failure, FailureKind, Time};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Run the constructor.
    Construct(Box<Starting>),
    /// Tell the actor what has exited.
    Down(Box<Down>),
    /// Run the health check.
    Check(HealthCheck),
    /// Run a turn.
    Turn(QueuedTurn),
    /// Run `on_stop`.
    Stop,
    /// It is over.
    End(Option<ExitReason>),
    /// Nothing now: the task ends, and another one starts when there is something.
    Rest,
}

/// After so many turns the thread is for others, however short they were.
const MOST_TURNS: u32 = 64;
/// `on_stop` has at least so long, even after a grace that was too short.
const LEAST_FOR_ON_STOP: Duration = Duration::from_secs(1);

/// Does what there is to do for an actor, in turn with the tasks of others.
pub(crate) async fn drive(cell: Arc<ActorCell>) {
    let mut token = CancelToken::default();
    loop {
        let since = clock::now();
        let mut last = since;
        for _ in 0..MOST_TURNS {
            match cell.step(&mut token) {
                Step::Turn(turn) => run(&cell, turn, token.clone()).await,
                Step::Rest => return,
                Step::End(reason) => return end(&cell, reason),
                other => Box::pin(do_seldom(&cell, other)).await,
            }
            let now = clock::now();
            cell.brief.store(now.since(last) <= cell.shared.brief, Ordering::Relaxed);
            last = now;
            if now.since(since) >= cell.shared.share {
                break;
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn do_seldom(cell: &Arc<ActorCell>, step: Step) {
    match step {
        Step::Construct(starting) => construct(cell, *starting).await,
        Step::Down(down) => tell_down(cell, *down).await,
        Step::Check(check) => begin_check(cell, check).await,
        Step::Stop => stop(cell).await,
        Step::Turn(_) | Step::End(_) | Step::Rest => {}
    }
}

async fn construct(cell: &Arc<ActorCell>, starting: Starting) {
    // Dropped meanwhile: how it ends has been said.
    let Some(constructed) = run_constructor(cell, starting).await else { return };
    match constructed {
        Ok(Constructed::Actor(state)) => start(cell, state).await,
        Ok(Constructed::Ignore) => {
            cell.state.lock().ignored = true;
            cell.end(Ending::new(How::Dead, ExitReason::of(ExitKind::Normal)));
        }
        Ok(Constructed::Failed(failure)) | Err(failure) => fail_construction(cell, failure),
    }
}

async fn run_constructor(cell: &Arc<ActorCell>, starting: Starting) -> Option<Result<Constructed, Failure>> {
    let Starting { constructor, call } = starting;
    let Some(constructor) = cell.class.constructors().get(constructor) else {
        let message = format!("{} has no constructor with number {constructor}", cell.class.name());
        return Some(Err(Failure::new(FailureKind::UnknownFunction, message)));
    };
    let actor = ActorExit::new(cell.clone());
    match constructor.body {
        ConstructorBody::Inline(body) => Some(guard(|| body(&actor, call))),
        ConstructorBody::Blocking(body) => {
            let work = move || guard(|| body(&actor, call));
            mobula_runtime::spawn_blocking("actor-constructor", work).await
        }
        ConstructorBody::Async(body) => run_hook(cell, TURNS, || body(&actor, call)).await,
    }
}

/// The constructor has made a state: the rest of the start.
async fn start(cell: &Arc<ActorCell>, state: State) {
    if let Some(hook) = cell.class.hooks().on_start {
        let object = Object::new(state.clone(), ActorExit::new(cell.clone()));
        match run_hook(cell, TURNS, || hook(object)).await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(failure)) | Err(failure)) => {
                cell.state.lock().object = Some(state);
                return fail_construction(cell, failure);
            }
            None => {
                cell.state.lock().object = Some(state);
                return;
            }
        }
    }
    {
        let mut inside = cell.state.lock();
        if inside.over {
            // The host is closed.
            drop(inside);
            return cell.discard(state);
        }
        inside.object = Some(state);
        if inside.ending.as_ref().is_some_and(|ending| ending.how >= How::Exit) {
            return;
        }
        inside.started = true;
    }
    cell.shared.events.started(cell.key);
    health::watch(cell);
}

fn fail_construction(cell: &Arc<ActorCell>, failure: Failure) {
    let reason = ExitReason::failed(ExitKind::ConstructorFailed, failure);
    cell.end(Ending::new(How::Dead, reason));
}

async fn tell_down(cell: &Arc<ActorCell>, down: Down) {
    let (Some(hook), Some(object)) = (cell.class.hooks().on_down, cell.object()) else { return };
    match run_hook(cell, TURNS, || hook(object, down)).await {
        Some(Ok(Ok(()))) | None => {}
        Some(Ok(Err(failure))) => cell.exit(ExitReason::failed(ExitKind::Error, failure)),
        Some(Err(panic)) => {
            cell.end(Ending::new(How::Dead, ExitReason::failed(ExitKind::Panicked, panic)));
        }
    }
}

/// Runs a health check: an exclusive one here, a shared one by itself.
async fn begin_check(cell: &Arc<ActorCell>, check: HealthCheck) {
    match check.access {
        Access::Exclusive => run_check(cell.clone(), check).await,
        Access::Shared => cell.shared.spawn("actor-health-check", run_check(cell.clone(), check)),
    }
}

async fn run_check(cell: Arc<ActorCell>, check: HealthCheck) {
    let Some(object) = cell.object() else { return cell.checked(check, None) };
    let result = run_hook(&cell, TURNS, || (check.body)(object)).await;
    cell.checked(check, result.and_then(|result| result.flatten().err()));
}

async fn stop(cell: &Arc<ActorCell>) {
    let (Some(hook), Some(object)) = (cell.class.hooks().on_stop, cell.object()) else { return };
    let ending = cell.state.lock().ending.as_deref().cloned();
    let Some(Ending { reason, deadline, .. }) = ending else { return };
    let until = deadline.map_or(Time::NEVER, |deadline| deadline.max(clock::now() + LEAST_FOR_ON_STOP));
    let result = tokio::select! {
        biased;
        result = run_hook(cell, EVERYTHING, || hook(object, reason)) => result,
        () = clock::sleep_until(until) => {
            tracing::warn!(actor = %cell.incarnation, class = cell.class.name(), "on_stop took too long");
            None
        }
    };
    if let Some(Err(panic)) = result {
        tracing::warn!(actor = %cell.incarnation, class = cell.class.name(), %panic, "on_stop panicked");
    }
}

/// The actor is over: what is left of it goes, and then its exit is reported.
fn end(cell: &Arc<ActorCell>, reason: Option<ExitReason>) {
    let (turns, object, starting, signals, grace) = {
        let mut state = cell.state.lock();
        let (turns, signals) = (state.mailbox.drain(), std::mem::take(&mut state.signals));
        (turns, state.object.take(), state.starting.take(), signals, state.grace.take())
    };
    drop(grace);
    // There are some where it was to stop before it had started.
    cell.give_back(turns);
    cell.discard((object, starting, signals));
    let mut actors = cell.shared.actors.lock();
    if actors.get(&cell.key).is_some_and(|there| Arc::ptr_eq(there, cell)) {
        actors.remove(&cell.key);
    }
    drop(actors);
    cell.shared.events.exited(cell.key, reason);
}

impl ActorCell {
    /// A health check is due.
    pub(crate) fn check_due(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.ending.is_some() {
            return;
        }
        if !state.checks.ring() {
            return self.wake(state);
        }
        drop(state);
        let message = "the health check did not end in time, three times in a row";
        self.unhealthy(Failure::new(FailureKind::TimedOut, message));
    }

    /// A health check has ended.
    fn checked(self: &Arc<Self>, check: HealthCheck, failure: Option<Failure>) {
        let mut state = self.state.lock();
        let too_many = state.checks.end(failure.is_some());
        if let (true, Some(failure)) = (too_many, failure) {
            drop(state);
            self.unhealthy(failure);
            state = self.state.lock();
        }
        // The check holds the actor until its failure is known.
        if check.access == Access::Shared {
            state.mailbox.release();
        }
        self.wake(state);
    }

    fn unhealthy(self: &Arc<Self>, failure: Failure) {
        self.end(Ending::new(How::Dead, ExitReason::failed(ExitKind::Unhealthy, failure)));
    }
}
