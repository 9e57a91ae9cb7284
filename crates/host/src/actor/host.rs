//! The host of actors, and what reaches into it from outside.

use super::cell::{ActorCell, CellState, Starting};
use super::class::Class;
use super::ending::{Ending, How};
use super::events::ActorEvents;
use super::queue::QueuedTurn;
use super::shared::Shared;
use crate::{Call, CrashMarker, NoMarker};
use mobula_runtime::clock;
use mobula_types::actor::{ActorOptions, Caller, Down, ExitKind, Incarnation};
use mobula_types::{ExitReason, Failure, FailureKind};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How a host of actors is set up.
#[derive(Clone, Debug)]
pub struct ActorHostOptions {
    /// How many threads turns run on, blocking methods apart.
    pub threads: u32,
    /// The number by which the first of its threads is known to the marker; others have those behind it.
    pub first_slot: u32,
    /// What its threads are named after.
    pub name: &'static str,
    /// Where threads note which turn they run.
    pub marker: Arc<dyn CrashMarker>,
    /// Where it says what became of actors and turns.
    pub events: Arc<dyn ActorEvents>,
    /// Called first on each thread.
    pub on_thread_start: fn(),
    /// How long it is from one health check of an actor to the next, where its class does not say (10 s).
    pub health_period: Duration,
    /// How long an actor may hold a thread while others wait (1 ms).
    pub share: Duration,
    /// What a turn takes at most for the actor's next ones, where it rests, to be begun on the thread that brings them, by an
    /// [errand](mobula_runtime::led) of that (50 µs): to have another thread run one takes about as long. What is left after
    /// the actor's share, or after the first pause, goes on on the threads of the host.
    pub brief: Duration,
}

impl ActorHostOptions {
    /// A host with that many threads, without a crash marker.
    pub fn new(threads: u32, events: Arc<dyn ActorEvents>) -> Self {
        ActorHostOptions {
            threads,
            first_slot: 0,
            name: "mobula",
            marker: Arc::new(NoMarker),
            events,
            on_thread_start: || {},
            health_period: Duration::from_secs(10),
            share: Duration::from_millis(1),
            brief: Duration::from_micros(50),
        }
    }
}

/// An actor to start.
#[derive(Clone)]
pub struct StartActor {
    /// Its number in this host; used again only after its exit.
    pub key: u32,
    /// The incarnation, for failures.
    pub incarnation: Incarnation,
    /// Its class.
    pub class: Arc<Class>,
    /// Which of the class's constructors.
    pub constructor: usize,
    /// The constructor's arguments. Its handle means nothing.
    pub call: Call,
    /// How it takes calls.
    pub options: Arc<ActorOptions>,
    /// What the guest's side wants to know in its turns; opaque to the host.
    pub context: Arc<dyn Any + Send + Sync>,
}

/// A turn to deliver.
#[derive(Clone, Debug)]
pub struct TurnCall {
    /// Who calls: turns of one caller start in order.
    pub caller: Caller,
    /// Which of the class's methods.
    pub method: usize,
    /// With what. Its cancel token is replaced when it starts.
    pub call: Call,
}

/// What an actor is told before all calls that wait.
#[derive(Clone, Debug)]
pub enum Signal {
    /// Something that it watches has exited.
    Down(Down),
}

/// Hosts actors. Dropping it ends all of them without waiting, and without a report.
pub struct ActorHost {
    shared: Arc<Shared>,
}

impl ActorHost {
    /// A host. Its threads start with the first actor.
    pub fn new(options: ActorHostOptions) -> Self {
        ActorHost { shared: Arc::new(Shared::new(options)) }
    }

    /// Starts an actor. Turns may be delivered to it right away; they wait for its constructor.
    ///
    /// It is reported as started or as exited. A key that is taken is refused, and that is logged: it is a defect of
    /// whoever numbers them.
    pub fn start(&self, start: StartActor) {
        let StartActor { key, incarnation, class, constructor, call, options, context } = start;
        if let Err(error) = self.shared.open() {
            let message = format!("could not start the threads of the actors: {error}");
            let failure = Failure::new(FailureKind::ResourceExhausted, message);
            let reason = ExitReason::failed(ExitKind::ConstructorFailed, failure);
            return self.shared.events.exited(key, Some(reason));
        }
        let starting = Some(Box::new(Starting { constructor, call }));
        let state = Mutex::new(CellState { starting, driven: true, ..CellState::default() });
        let cell = Arc::new(ActorCell {
            key,
            incarnation,
            class,
            options,
            context,
            shared: self.shared.clone(),
            dropping: Default::default(),
            brief: Default::default(),
            state,
        });
        match self.shared.actors.lock().entry(key) {
            Entry::Vacant(place) => {
                place.insert(cell.clone());
            }
            Entry::Occupied(_) => {
                tracing::error!(key, %incarnation, "an actor was to start under the key of another");
                return;
            }
        }
        cell.spawn_drive();
    }

    /// Delivers a turn. One whose actor is not there, or has its mailbox closed, is returned.
    pub fn deliver(&self, key: u32, turn: TurnCall) {
        self.deliver_batch(&mut vec![(key, turn)]);
    }

    /// Delivers turns, those of one actor in order; leaves `turns` empty. Many turns of one actor behind one another cost
    /// little more than one: it is woken once for them.
    pub fn deliver_batch(&self, turns: &mut Vec<(u32, TurnCall)>) {
        let mut returned = Vec::new();
        let mut to_report: Vec<Arc<ActorCell>> = Vec::new();
        let mut turns = turns.drain(..).peekable();
        while let Some(key) = turns.peek().map(|(key, _)| *key) {
            let of_actor = std::iter::from_fn(|| turns.next_if(|(of, _)| *of == key));
            let of_actor =
                of_actor.map(|(_, TurnCall { caller, method, call })| QueuedTurn { caller, method, call });
            let Some(cell) = self.cell(key) else {
                returned.extend(of_actor.map(|turn| turn.call.handle));
                continue;
            };
            let refused = cell.push(of_actor);
            if !refused.is_empty() {
                returned.extend(refused.iter().map(|turn| turn.call.handle));
                to_report.push(cell);
            }
        }
        drop(turns);
        if !returned.is_empty() {
            self.shared.events.returned(returned);
        }
        to_report.iter().for_each(|cell| cell.reported());
    }

    /// Cancels a turn. True: it was taken back before it started, and is reported no more.
    ///
    /// Else it completes with `failure`, if it is not over: a shared async turn, or one that is `cancel_safe`, is dropped
    /// at its next await; others go on and are told by their token.
    pub fn cancel(&self, key: u32, handle: u64, failure: &Failure) -> bool {
        self.cell(key).is_some_and(|cell| cell.cancel(handle, failure))
    }

    /// Stops an actor: it takes no more turns, goes on with what is queued for at most `grace`, then runs `on_stop` within
    /// what is left of the grace, or a second. Without a grace it may take as long as it needs. With a grace of zero it is
    /// killed: what is queued is returned, what runs is dropped at its next await, and `on_stop` does not run.
    ///
    /// A turn that blocks a thread holds up the exit.
    pub fn stop(&self, key: u32, grace: Option<Duration>, reason: ExitReason) {
        let Some(cell) = self.cell(key) else { return };
        match grace {
            Some(Duration::ZERO) => cell.end(Ending::new(How::Dead, reason)),
            None => cell.end(Ending::new(How::Drain, reason)),
            Some(grace) => {
                let deadline = clock::now() + grace;
                cell.end(Ending { deadline: Some(deadline), ..Ending::new(How::Drain, reason) });
                cell.expire_at(deadline);
            }
        }
    }

    /// Tells an actor something before all calls that wait.
    pub fn signal(&self, key: u32, signal: Signal) {
        let Signal::Down(down) = signal;
        if let Some(cell) = self.cell(key) {
            cell.signal(down);
        }
    }

    /// How many actors there are.
    pub fn len(&self) -> usize {
        self.shared.actors.lock().len()
    }

    /// Whether there is no actor.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tasks its threads have been given so far: an actor that is woken costs one.
    pub fn tasks(&self) -> u64 {
        self.shared.tasks()
    }

    /// How often a thread was woken or started for turns so far: at most once for each task that became ready.
    pub fn wakes(&self) -> u64 {
        self.shared.wakes()
    }

    /// How many turns of an actor wait.
    pub fn waiting(&self, key: u32) -> usize {
        self.cell(key).map_or(0, |cell| cell.state.lock().mailbox.len())
    }

    /// Drops what is queued, drops what runs at its next await, and waits for nothing. Nothing is reported any more, but
    /// for turns that are on a thread right now.
    pub fn close(&self) {
        let actors = std::mem::take(&mut *self.shared.actors.lock());
        self.shared.close();
        let failure = Failure::new(FailureKind::WorkerDied, "the worker ends");
        actors.values().for_each(|cell| cell.abandon(&failure));
    }

    fn cell(&self, key: u32) -> Option<Arc<ActorCell>> {
        self.shared.actors.lock().get(&key).cloned()
    }
}

impl Drop for ActorHost {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for ActorHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorHost").field("actors", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for StartActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartActor")
            .field("key", &self.key)
            .field("incarnation", &self.incarnation)
            .field("class", &self.class.name())
            .field("constructor", &self.constructor)
            .finish_non_exhaustive()
    }
}
