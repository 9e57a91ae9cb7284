//! The host: slots, and what reaches into them from outside.

use crate::slot::{Queued, Slot};
use crate::{Call, CallResult, Completed, Completion, CrashMarker, Function, NoMarker};
use mobula_types::{Failure, FailureKind};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};

/// How a host is set up.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// How many slots it has of its own; they stay open. Others are opened on demand.
    pub slots: u32,
    /// How long an extra slot stays open with nothing to run (10 s).
    pub extra_idle: Duration,
    /// What its threads are named after.
    pub name: &'static str,
    /// Where slots note what they run.
    pub marker: Arc<dyn CrashMarker>,
    /// Where finished runs go.
    pub completed: Arc<dyn Completed>,
    /// Called first on each thread of the host: slots and the runtime around async bodies.
    pub on_thread_start: fn(),
}

impl HostOptions {
    /// A host of that many slots, without a crash marker.
    pub fn new(slots: u32, completed: Arc<dyn Completed>) -> Self {
        let marker = Arc::new(NoMarker);
        let extra_idle = Duration::from_secs(10);
        HostOptions { slots, extra_idle, name: "mobula", marker, completed, on_thread_start: || {} }
    }
}

/// A run on its way to a slot.
#[derive(Clone)]
pub struct QueuedRun {
    /// Which slot.
    pub slot: u32,
    /// What to run.
    pub function: Arc<Function>,
    /// With what. Its cancel token is replaced when it starts.
    pub call: Call,
}

impl fmt::Debug for QueuedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueuedRun({} on slot {})", self.call.handle, self.slot)
    }
}

/// What all slots of a host share.
pub(crate) struct Environment {
    pub(crate) slots: u32,
    pub(crate) extra_idle: Duration,
    pub(crate) name: &'static str,
    pub(crate) marker: Arc<dyn CrashMarker>,
    pub(crate) completed: Arc<dyn Completed>,
    pub(crate) on_thread_start: fn(),
    runtime: Mutex<Option<Runtime>>,
}

impl Environment {
    /// The runtime around async bodies, started at the first one.
    pub(crate) fn runtime(&self) -> io::Result<Handle> {
        let mut runtime = self.runtime.lock();
        if let Some(runtime) = &*runtime {
            return Ok(runtime.handle().clone());
        }
        let threads = usize::try_from(self.slots.max(1)).unwrap_or(1);
        let started = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(format!("{}-async", self.name))
            .on_thread_start(self.on_thread_start)
            .enable_all()
            .build()?;
        Ok(runtime.insert(started).handle().clone())
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.get_mut().take() {
            // Without waiting: the last owner may be on a thread that must not block.
            runtime.shutdown_background();
        }
    }
}

/// Runs calls on slots. Dropping it drops what is queued, cancels what runs and waits for nothing.
pub struct Host {
    environment: Arc<Environment>,
    slots: Mutex<BTreeMap<u32, Arc<Slot>>>,
    wakeups: AtomicU64,
}

impl Host {
    /// A host. Threads start with the first run on their slot.
    pub fn new(options: HostOptions) -> Self {
        let HostOptions { slots, extra_idle, name, marker, completed, on_thread_start } = options;
        let runtime = Mutex::new(None);
        let environment =
            Arc::new(Environment { slots, extra_idle, name, marker, completed, on_thread_start, runtime });
        Host { environment, slots: Mutex::default(), wakeups: AtomicU64::new(0) }
    }

    /// Queues runs on their slots, in order; leaves `runs` empty. Each slot is woken at most once. A run whose slot
    /// could not be opened ends with `ResourceExhausted`.
    ///
    /// Wants the runs of one slot behind each other: then each slot is locked once.
    pub fn queue(&self, runs: &mut Vec<QueuedRun>) {
        let mut slots = self.slots.lock();
        let mut of_one_slot = Vec::new();
        let mut all = runs.drain(..).peekable();
        while let Some(run) = all.next() {
            let number = run.slot;
            of_one_slot.push(run);
            if all.peek().is_some_and(|next| next.slot == number) {
                continue;
            }
            if let Err(error) = self.queue_on(&mut slots, number, &mut of_one_slot) {
                self.refuse(&mut of_one_slot, &error);
            }
        }
    }

    fn queue_on(
        &self,
        slots: &mut BTreeMap<u32, Arc<Slot>>,
        number: u32,
        runs: &mut Vec<QueuedRun>,
    ) -> io::Result<()> {
        loop {
            let slot = match slots.get(&number) {
                Some(slot) => slot,
                None => {
                    slots.retain(|_, slot| !slot.is_ended());
                    let slot = Slot::open(number, self.environment.clone())?;
                    slots.entry(number).or_insert(slot)
                }
            };
            match slot.queue(runs) {
                Queued::Yes { woken } => {
                    self.wakeups.fetch_add(u64::from(woken), Ordering::Relaxed);
                    return Ok(());
                }
                Queued::SlotEnded => slots.remove(&number),
            };
        }
    }

    fn refuse(&self, runs: &mut Vec<QueuedRun>, error: &io::Error) {
        for run in runs.drain(..) {
            let message = format!("could not start a thread for slot {}: {error}", run.slot);
            let failure = Failure::new(FailureKind::ResourceExhausted, message);
            self.complete(run.call.handle, failure);
        }
    }

    fn complete(&self, handle: u64, failure: Failure) {
        let result = CallResult::failed(failure);
        self.environment.completed.completed(Completion { handle, result, micros: 0 });
    }

    /// Takes back those of these runs that have not started, and says which. They complete no more.
    pub fn recall(&self, handles: &[u64]) -> Vec<u64> {
        let mut sorted = handles.to_vec();
        sorted.sort_unstable();
        let mut recalled = Vec::new();
        for slot in self.slots.lock().values() {
            slot.recall(&sorted, &mut recalled);
        }
        recalled
    }

    /// Cancels a run: a queued one is taken back, as by [`recall`](Self::recall), of which the answer tells; an async one
    /// is dropped at its next await; a blocking one is told. Whatever a cancelled run returns, it completes with
    /// `failure`. Does nothing to one that is over.
    pub fn cancel(&self, handle: u64, failure: &Failure) -> bool {
        self.slots.lock().values().any(|slot| slot.cancel(handle, failure).is_some())
    }

    /// Drops what is queued, cancels what runs, and waits for nothing. Nothing should be queued any more.
    pub fn close(&self) {
        let failure = Failure::new(FailureKind::WorkerDied, "the worker ends");
        for slot in self.slots.lock().values() {
            slot.close(&failure);
        }
    }

    /// Whether nothing is queued or running.
    pub fn is_idle(&self) -> bool {
        self.slots.lock().values().all(|slot| slot.is_idle())
    }

    /// How many slots have a thread.
    pub fn open_slots(&self) -> usize {
        self.slots.lock().values().filter(|slot| !slot.is_ended()).count()
    }

    /// How often a waiting slot was woken.
    pub fn wakeups(&self) -> u64 {
        self.wakeups.load(Ordering::Relaxed)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("slots", &self.environment.slots)
            .field("open_slots", &self.open_slots())
            .finish_non_exhaustive()
    }
}
