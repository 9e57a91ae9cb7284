//! Runs on their way to their slots: large inputs are fetched first, and what comes behind on the same slot waits.

use super::shared::WorkerShared;
use mobula_host::{Host, InputValue, QueuedRun};
use mobula_runtime::TaskHandle;
use mobula_types::{Failure, Payload, StoredValue, frame::Input};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The host, and the runs that are not on it yet.
#[derive(Debug)]
pub(crate) struct Slots {
    host: Host,
    /// By slot; the first of each queue is being fetched for, so that order is kept.
    held: BTreeMap<u32, VecDeque<Held>>,
    ended: bool,
}

#[derive(Debug)]
enum Held {
    /// Its inputs are being fetched; dropping the task ends that.
    Fetching { handle: u64, _task: TaskHandle<()> },
    /// Nothing but the runs before it holds it back.
    Ready(Box<QueuedRun>),
}

impl Held {
    fn handle(&self) -> u64 {
        match self {
            Held::Fetching { handle, .. } => *handle,
            Held::Ready(run) => run.call.handle,
        }
    }
}

impl Slots {
    pub(crate) fn new(host: Host) -> Self {
        Slots { host, held: BTreeMap::new(), ended: false }
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Takes back what has not started.
    pub(crate) fn recall(&mut self, handles: &[u64]) -> Vec<u64> {
        let mut recalled = self.host.recall(handles);
        for queue in self.held.values_mut() {
            queue.retain(|held| {
                let stays = !handles.contains(&held.handle());
                if !stays {
                    recalled.push(held.handle());
                }
                stays
            });
        }
        self.release_all();
        recalled
    }

    /// Cancels a run; says whether it was one that had not started and is taken back.
    pub(crate) fn cancel(&mut self, handle: u64, failure: &Failure) -> bool {
        let mut found = false;
        for queue in self.held.values_mut() {
            queue.retain(|held| {
                found |= held.handle() == handle;
                held.handle() != handle
            });
        }
        if found {
            self.release_all();
        }
        found || self.host.cancel(handle, failure)
    }

    /// The session is over: fetches end, running calls are told to.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.held.clear();
        self.host.close();
    }

    /// The inputs of a run are there: it, and what waits behind it, goes on.
    fn fetched(&mut self, run: QueuedRun) {
        let slot = run.slot;
        let handle = run.call.handle;
        let Some(queue) = self.held.get_mut(&slot) else { return };
        let Some(held) = queue.iter_mut().find(|held| held.handle() == handle) else { return };
        *held = Held::Ready(Box::new(run));
        self.release(slot);
    }

    /// Takes out a run that ends without having started; `false` if it was recalled or cancelled meanwhile. What waits
    /// behind it goes on with the next [`release`](Self::release).
    fn take_out(&mut self, slot: u32, handle: u64) -> bool {
        let Some(queue) = self.held.get_mut(&slot) else { return false };
        let before = queue.len();
        queue.retain(|held| held.handle() != handle);
        queue.len() < before
    }

    fn release_all(&mut self) {
        let slots: Vec<u32> = self.held.keys().copied().collect();
        slots.into_iter().for_each(|slot| self.release(slot));
    }

    /// Hands the host what nothing holds back.
    fn release(&mut self, slot: u32) {
        let Some(queue) = self.held.get_mut(&slot) else { return };
        let mut ready = Vec::new();
        while let Some(Held::Ready(_)) = queue.front() {
            if let Some(Held::Ready(run)) = queue.pop_front() {
                ready.push(*run);
            }
        }
        if queue.is_empty() {
            self.held.remove(&slot);
        }
        if !ready.is_empty() && !self.ended {
            self.host.queue(&mut ready);
        }
    }
}

/// Queues a run behind those of its slot: into `batch` where nothing holds it back.
pub(crate) fn queue(
    slots: &Arc<Mutex<Slots>>,
    shared: &Arc<WorkerShared>,
    mut run: QueuedRun,
    inputs: Vec<Input>,
    batch: &mut Vec<QueuedRun>,
) {
    let here = inputs.iter().all(|input| matches!(input.value, StoredValue::Inline(_)));
    if here {
        run.call.inputs = inputs.into_iter().filter_map(in_place).collect();
        let mut guarded = slots.lock();
        match guarded.held.get_mut(&run.slot) {
            Some(queue) => queue.push_back(Held::Ready(Box::new(run))),
            None => batch.push(run),
        }
        return;
    }
    let (slot, handle) = (run.slot, run.call.handle);
    let fetching = fetch_inputs(slots.clone(), shared.clone(), run, inputs);
    // Spawned under the lock: the task cannot look for its entry before it is there.
    let mut guarded = slots.lock();
    let task = mobula_runtime::spawn("fetch-inputs", fetching);
    guarded.held.entry(slot).or_default().push_back(Held::Fetching { handle, _task: task });
}

fn in_place(input: Input) -> Option<InputValue> {
    let StoredValue::Inline(payload) = input.value else { return None };
    Some(InputValue { parameter: input.parameter, shape: input.shape, payload })
}

async fn fetch_inputs(
    slots: Arc<Mutex<Slots>>,
    shared: Arc<WorkerShared>,
    mut run: QueuedRun,
    inputs: Vec<Input>,
) {
    let (slot, handle) = (run.slot, run.call.handle);
    for input in inputs {
        let payload = match input.value {
            StoredValue::Inline(payload) => Ok(payload),
            StoredValue::Stored(copy) => shared.fetch(input.object, &copy).await.map(Payload::from),
        };
        match payload {
            Ok(payload) => {
                run.call.inputs.push(InputValue { parameter: input.parameter, shape: input.shape, payload });
            }
            Err(failure) => {
                let was_held = slots.lock().take_out(slot, handle);
                if was_held {
                    // Given back before those behind it go on: the node hears of a slot's runs in their order.
                    shared.unreadable(handle, input.object, failure);
                }
                return slots.lock().release(slot);
            }
        }
    }
    slots.lock().fetched(run);
}
