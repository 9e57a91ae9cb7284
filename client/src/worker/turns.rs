//! The actors of a worker: from the node's frames to the host of actors.

use super::shared::WorkerShared;
use crate::actor::ActorScope;
use foldhash::HashMap;
use mobula_host::actor::{ActorHost, Class, Signal, StartActor, TurnCall};
use mobula_host::{Call, InputValue};
use mobula_runtime::TaskHandle;
use mobula_types::actor::{ActorOptions, Down, ExitCause, ExitKind, Incarnation, WatchKind};
use mobula_types::frame::Input;
use mobula_types::{ExitReason, Failure, FailureKind, JobId, ObjectId, Payload, StoredValue};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// An actor whose class is known.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) key: u32,
    pub(super) incarnation: Incarnation,
    pub(super) job: JobId,
    pub(super) class: Arc<Class>,
    pub(super) constructor: usize,
    pub(super) call: Call,
    pub(super) options: Arc<ActorOptions>,
}

/// The host, and what is not on it yet: large inputs are fetched first, and what comes behind for the same actor waits.
#[derive(Debug)]
pub(super) struct Actors {
    host: ActorHost,
    shared: Arc<WorkerShared>,
    state: Mutex<State>,
}

/// Bounded by what the node has sent and has not heard the end of.
#[derive(Debug, Default)]
struct State {
    hosted: HashMap<u32, Hosted>,
    /// Which actor each turn is for, until it has ended.
    turns: HashMap<u64, u32>,
    ended: bool,
}

#[derive(Debug)]
struct Hosted {
    scope: Arc<ActorScope>,
    class: Arc<Class>,
    /// Turns that are not on the host yet; the first is being fetched for. Its start is one without a turn.
    held: VecDeque<Held>,
}

#[derive(Debug)]
enum Held {
    /// Its inputs are being fetched; dropping the task ends that.
    Fetching {
        handle: Option<u64>,
        _task: TaskHandle<()>,
    },
    Ready(Box<TurnCall>),
}

impl Held {
    fn handle(&self) -> Option<u64> {
        match self {
            Held::Fetching { handle, .. } => *handle,
            Held::Ready(turn) => Some(turn.call.handle),
        }
    }
}

impl Actors {
    pub(super) fn new(host: ActorHost, shared: Arc<WorkerShared>) -> Arc<Self> {
        Arc::new(Actors { host, shared, state: Mutex::default() })
    }

    /// Starts an actor, once what it is made from is here.
    pub(super) fn start(self: &Arc<Self>, start: Start, inputs: Vec<Input>) {
        let Start { key, incarnation, job, class, constructor, call, options } = start;
        let scope = ActorScope::new(self.shared.clone(), key, (incarnation, job), class.clone());
        let context = scope.clone();
        let hosted = Hosted { scope, class: class.clone(), held: VecDeque::new() };
        self.state.lock().hosted.insert(key, hosted);
        let start = StartActor { key, incarnation, class, constructor, call, options, context };
        match in_place(inputs) {
            Ok(inputs) => self.start_now(start, inputs),
            Err(inputs) => {
                let this = self.clone();
                self.hold(key, None, async move {
                    match this.fetch(inputs).await {
                        Ok(inputs) => {
                            this.start_now(start, inputs);
                            this.fetched(key, None, None);
                        }
                        Err((_, failure)) => {
                            let reason = ExitReason::failed(ExitKind::ConstructorFailed, failure);
                            this.never_started(key, reason);
                        }
                    }
                });
            }
        }
    }

    fn start_now(&self, mut start: StartActor, inputs: Vec<InputValue>) {
        start.call.inputs = inputs;
        self.host.start(start);
    }

    /// An actor cannot be started: what came for it meanwhile goes back.
    pub(super) fn never_started(&self, key: u32, reason: ExitReason) {
        let held = self.state.lock().hosted.remove(&key).map(|hosted| hosted.held).unwrap_or_default();
        let handles = held.iter().filter_map(Held::handle).collect();
        drop(held);
        self.returned(handles);
        self.shared.actor_exited(key, Some(reason));
    }

    /// Delivers a turn, behind those of its actor that came before. Most are only put into `batch`, which has those alone
    /// that nothing holds back: it is to be [flushed](Self::flush) before anything else is told.
    ///
    /// # Errors
    /// Where the method is one of another class.
    pub(super) fn deliver(
        self: &Arc<Self>,
        key: u32,
        class: &Arc<Class>,
        mut turn: TurnCall,
        inputs: Vec<Input>,
        batch: &mut Vec<(u32, TurnCall)>,
    ) -> Result<(), Failure> {
        let handle = turn.call.handle;
        let waits = {
            let mut state = self.state.lock();
            let waits = match state.hosted.get(&key) {
                Some(hosted) if !Arc::ptr_eq(&hosted.class, class) => {
                    return Err(of_another_class(&hosted.class, class));
                }
                Some(hosted) => !hosted.held.is_empty(),
                None => false,
            };
            state.turns.insert(handle, key);
            waits
        };
        match in_place(inputs) {
            Ok(inputs) if waits => {
                self.flush(batch);
                turn.call.inputs = inputs;
                let turn = Held::Ready(Box::new(turn));
                if let Some(hosted) = self.state.lock().hosted.get_mut(&key) {
                    hosted.held.push_back(turn);
                }
                // The last of those before it may have gone meanwhile.
                self.release(key);
            }
            Ok(inputs) => {
                turn.call.inputs = inputs;
                batch.push((key, turn));
            }
            Err(inputs) => {
                // What is held may be released at any time from now on.
                self.flush(batch);
                let this = self.clone();
                self.hold(key, Some(handle), async move {
                    match this.fetch(inputs).await {
                        Ok(inputs) => {
                            turn.call.inputs = inputs;
                            this.fetched(key, Some(handle), Some(turn));
                        }
                        Err((object, failure)) => {
                            this.unreadable(key, handle, object, failure);
                        }
                    }
                });
            }
        }
        Ok(())
    }

    /// Delivers what was put into a batch.
    pub(super) fn flush(&self, batch: &mut Vec<(u32, TurnCall)>) {
        if !batch.is_empty() {
            self.host.deliver_batch(batch);
        }
    }

    fn hold(&self, key: u32, handle: Option<u64>, fetching: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.state.lock();
        // Spawned under the lock: the task cannot look for its entry before it is there.
        let task = mobula_runtime::spawn("fetch-inputs", fetching);
        if let Some(hosted) = state.hosted.get_mut(&key) {
            hosted.held.push_back(Held::Fetching { handle, _task: task });
        }
    }

    async fn fetch(&self, inputs: Vec<Input>) -> Result<Vec<InputValue>, (ObjectId, Failure)> {
        let mut values = Vec::with_capacity(inputs.len());
        for Input { parameter, shape, object, value } in inputs {
            let payload = match value {
                StoredValue::Inline(payload) => payload,
                StoredValue::Stored(copy) => {
                    let bytes = self.shared.fetch(object, &copy).await;
                    Payload::from(bytes.map_err(|failure| (object, failure))?)
                }
            };
            values.push(InputValue { parameter, shape, payload });
        }
        Ok(values)
    }

    /// What the first that is held needs is here.
    fn fetched(&self, key: u32, handle: Option<u64>, turn: Option<TurnCall>) {
        {
            let mut state = self.state.lock();
            let Some(hosted) = state.hosted.get_mut(&key) else { return };
            let is_it = |held: &Held| matches!(held, Held::Fetching { handle: of, .. } if *of == handle);
            let Some(place) = hosted.held.iter().position(is_it) else { return };
            match turn {
                Some(turn) => hosted.held[place] = Held::Ready(Box::new(turn)),
                None => drop(hosted.held.remove(place)),
            }
        }
        self.release(key);
    }

    fn unreadable(&self, key: u32, handle: u64, object: ObjectId, failure: Failure) {
        let was_held = self.take_out(key, handle);
        if was_held {
            self.state.lock().turns.remove(&handle);
            self.shared.unreadable(handle, object, failure);
        }
        self.release(key);
    }

    fn take_out(&self, key: u32, handle: u64) -> bool {
        let mut state = self.state.lock();
        let Some(hosted) = state.hosted.get_mut(&key) else { return false };
        let before = hosted.held.len();
        hosted.held.retain(|held| held.handle() != Some(handle));
        hosted.held.len() < before
    }

    /// Hands the host what nothing holds back. It delivers without the lock, which what the host returns at once needs. That
    /// stays in order because everything that releases runs on the session's thread: frames are taken in there, and inputs
    /// fetched.
    fn release(&self, key: u32) {
        let mut state = self.state.lock();
        if state.ended {
            return;
        }
        let Some(hosted) = state.hosted.get_mut(&key) else { return };
        let mut ready = Vec::new();
        while let Some(Held::Ready(_)) = hosted.held.front() {
            if let Some(Held::Ready(turn)) = hosted.held.pop_front() {
                ready.push((key, *turn));
            }
        }
        drop(state);
        if !ready.is_empty() {
            self.host.deliver_batch(&mut ready);
        }
    }

    /// Stops an actor. One that has not been started yet never will be.
    pub(super) fn stop(&self, key: u32, grace: Option<Duration>, reason: ExitReason) {
        let is_starting = {
            let state = self.state.lock();
            let Some(hosted) = state.hosted.get(&key) else { return };
            matches!(hosted.held.front(), Some(Held::Fetching { handle: None, .. }))
        };
        if is_starting {
            return self.never_started(key, reason);
        }
        self.host.stop(key, grace, reason);
    }

    /// Cancels a turn; says whether it had not started and is taken back.
    pub(super) fn cancel(&self, handle: u64, failure: &Failure) -> bool {
        let Some(key) = self.state.lock().turns.get(&handle).copied() else { return false };
        let taken_back = if self.take_out(key, handle) {
            self.release(key);
            true
        } else {
            self.host.cancel(key, handle, failure)
        };
        if taken_back {
            self.state.lock().turns.remove(&handle);
        }
        taken_back
    }

    /// Something that an actor watches has exited: a linked one ends it, unless it traps exits.
    pub(super) fn down(&self, key: u32, down: Down, kind: WatchKind) {
        let Some(scope) = self.state.lock().hosted.get(&key).map(|hosted| hosted.scope.clone()) else {
            return;
        };
        if kind == WatchKind::Link && !scope.traps_exits() {
            if down.reason.is_abnormal() {
                let cause = ExitCause { incarnation: down.incarnation, name: "".into(), reason: down.reason };
                let reason = ExitReason::of(ExitKind::Linked).caused_by(cause);
                self.host.stop(key, Some(Duration::ZERO), reason);
            }
            return;
        }
        self.host.signal(key, Signal::Down(down));
    }

    /// Turns that did not start and never will.
    pub(super) fn returned(&self, handles: Vec<u64>) {
        {
            let mut state = self.state.lock();
            for handle in &handles {
                state.turns.remove(handle);
            }
        }
        self.shared.give_back(handles);
    }

    /// A turn has ended: the actor it was for.
    pub(super) fn turn_ended(&self, handle: u64) -> Option<u32> {
        self.state.lock().turns.remove(&handle)
    }

    /// An actor has exited.
    pub(super) fn exited(&self, key: u32) {
        let hosted = self.state.lock().hosted.remove(&key);
        let Some(Hosted { scope, held, .. }) = hosted else { return };
        scope.end();
        let handles = held.iter().filter_map(Held::handle).collect();
        drop(held);
        self.returned(handles);
    }

    /// The session is over.
    pub(super) fn end(&self) {
        let hosted = {
            let mut state = self.state.lock();
            state.ended = true;
            std::mem::take(&mut state.hosted)
        };
        hosted.values().for_each(|hosted| hosted.scope.end());
        self.host.close();
    }
}

fn of_another_class(hosted: &Class, called: &Class) -> Failure {
    let message = format!("the actor is of {}, and the method is one of {}", hosted.name(), called.name());
    Failure::new(FailureKind::TypeMismatch, message)
}

/// The inputs, where they are all here; else as they were.
fn in_place(inputs: Vec<Input>) -> Result<Vec<InputValue>, Vec<Input>> {
    if inputs.iter().any(|input| matches!(input.value, StoredValue::Stored(_))) {
        return Err(inputs);
    }
    let here = inputs.into_iter().filter_map(|input| match input.value {
        StoredValue::Inline(payload) => {
            Some(InputValue { parameter: input.parameter, shape: input.shape, payload })
        }
        StoredValue::Stored(_) => None,
    });
    Ok(here.collect())
}
