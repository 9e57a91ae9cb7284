//! The machine of one node that admits and runs tasks.
//!
//! It is given assignments by owners (the task engine of its own node, and those of peers) and reports how each ended.
//! Between the two it waits for inputs, queues, admits, hands runs to workers, and copes with everything that goes wrong.
//!
//! # What it promises
//!
//! 1. Every assignment is reported exactly once, unless its owner is lost meanwhile.
//! 2. What its running tasks use never exceeds what the node has; amounts are exact to 0.0001. A task that waits for
//!    others gives its CPUs back, and gets them again before any new task does.
//! 3. What a worker's death did not interrupt is not charged for it: what had not started is run elsewhere, and what was
//!    over, or was killed because it shared a worker with something else, is reported as lost without a charge. What has
//!    started is never taken for unstarted.
//! 4. Jobs take turns by their weights. A task that needs many CPUs is not passed over by smaller ones for ever.
//! 5. Everything is bounded: what waits, per job (`NoRoom`); what is fetched at once; what a slot is given.
//!
//! # How runs reach workers
//!
//! A job has a *pool* of task workers of one slot each, at most one for each CPU, started when there is work, retired
//! after a minute without. What the node embeds is a pool of one worker with several slots, which all jobs share. A run
//! takes one slot, whatever it needs. Where CPUs are free but slots are not, because their tasks wait, take fractions, or
//! need no CPU, workers open *extra slots*.
//!
//! While runs of another pool lack CPUs, a slot is given about a millisecond of work, or one run, at a time: then it is
//! empty, its CPUs are free, and it is the next job's turn.
//!
//! A slot is given more runs than one: a window for each function, which opens while it is unknown and then holds about
//! a millisecond of work. Only the first is charged; the next takes over what it held, so all runs of a slot need the same.
//! Those that wait are recalled when another slot falls idle, when the first runs long, and when it waits itself.
//!
//! # How it is driven
//!
//! Events go in through [`Executor::on_event`]; a batch ends with [`Event::Flush`], and only then (and at
//! [`Event::Tick`]) is anything handed out. [`Executor::next_deadline`] says when it wants the next `Tick`.

mod assign;
mod cancel;
mod dispatch;
mod effect;
mod ends;
mod estimate;
mod event;
mod functions;
mod inputs;
mod job;
mod ledger;
mod options;
mod owners;
mod pool;
mod run;
mod slots;
mod snapshot;
mod spot;
mod staff;
#[cfg(test)]
mod tests;
mod timers;
mod waiting;
mod worker;

pub use effect::{Effect, RunOrder};
pub use event::{Event, LastRun, Owner};
pub use options::ExecutorOptions;
pub use snapshot::{RunSnapshot, RunStage, WorkerSnapshot};
pub use worker::WorkerState;

use crate::homes::Homes;
use job::JobTable;
use ledger::Ledger;
use mobula_types::{FunctionInfo, Time, WorkerId};
use pool::{Lacking, Pool};
use run::RunTable;
use std::collections::VecDeque;
use std::sync::Arc;
use timers::Timers;
use worker::WorkerTable;

/// A run of this node: an attempt from its assignment to its report. Also the run's handle on its worker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunKey(pub u64);

/// Admits and runs the tasks of one node. See the [module](self).
#[derive(Debug)]
pub struct Executor {
    options: ExecutorOptions,
    /// The time of the event that is being handled.
    now: Time,
    ledger: Ledger,
    runs: RunTable,
    workers: WorkerTable,
    jobs: JobTable,
    embedded: Pool,
    embedded_functions: Arc<[FunctionInfo]>,
    /// Jobs with runs in their lanes, in the order of their turns; and room to put some aside during a pass.
    round: VecDeque<usize>,
    parked: VecDeque<usize>,
    /// Runs that waited and want their CPUs again, in order.
    resuming: VecDeque<RunKey>,
    /// Runs that wait for their turn to fetch inputs, in order, and how many fetch now.
    fetch_queue: VecDeque<RunKey>,
    fetching: usize,
    timers: Timers,
    /// Counts passes over the lanes, arrivals, workers.
    pass: u64,
    arrivals: u64,
    next_worker: u64,
    /// The run for which CPUs are being saved up.
    starving: Option<RunKey>,
    /// Runs at the head of a slot, and behind it.
    running: u64,
    ahead: u64,
    /// The latest owner of the driver's tasks of each job that was taken over.
    homes: Homes<Owner>,
    /// Jobs that have ended and still have runs or workers.
    ending: Vec<usize>,
    draining: bool,
    /// Pools whose runs lack nothing but CPUs: as of the last pass over the lanes, and in this one.
    lacking: Lacking,
    lacking_now: Lacking,
}

impl Executor {
    /// An executor that has no job and no worker yet.
    pub fn new(options: ExecutorOptions) -> Self {
        Executor {
            now: Time::ZERO,
            ledger: Ledger::new(options.resources.clone()),
            options,
            runs: RunTable::new(),
            workers: WorkerTable::new(),
            jobs: JobTable::new(),
            embedded: Pool::default(),
            embedded_functions: Arc::new([]),
            round: VecDeque::new(),
            parked: VecDeque::new(),
            resuming: VecDeque::new(),
            fetch_queue: VecDeque::new(),
            fetching: 0,
            timers: Timers::new(),
            pass: 0,
            arrivals: 0,
            next_worker: 1,
            starving: None,
            running: 0,
            ahead: 0,
            homes: Homes::new(),
            ending: Vec::new(),
            draining: false,
            lacking: Lacking::default(),
            lacking_now: Lacking::default(),
        }
    }

    /// Workers that it asks for are numbered from here on; from 1 unless set. For the nodes that have several executors.
    pub fn number_workers_from(&mut self, first: WorkerId) {
        self.next_worker = self.next_worker.max(first.0);
    }

    /// Takes in what happened at `now` and appends what is to be done about it. Events about workers, runs and jobs that
    /// are not there, or not any more, change nothing.
    pub fn on_event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        self.now = now;
        match event {
            Event::Assigned { owner, assignment } => self.assigned(owner, assignment, effects),
            Event::Done { worker, handle, outcome, retryable, micros, borrows } => {
                let done = ends::Ending { outcome, retryable, micros, borrows };
                self.done(worker, RunKey(handle), done, effects);
            }
            Event::Flush => self.dispatch(effects),
            Event::Tick => {
                self.tick(effects);
                self.dispatch(effects);
            }
            Event::Returned { worker, handles } => self.returned(worker, &handles, effects),
            Event::Blocked { worker, handle } => self.blocked(worker, RunKey(handle), effects),
            Event::Unblocked { worker, handle } => self.unblocked(worker, RunKey(handle), effects),
            Event::InputsReady { run, inputs } => self.inputs_ready(run, inputs),
            Event::InputLost { run, object, holder } => self.input_lost(run, object, holder, effects),
            Event::InputsUnavailable { run, failure } => self.inputs_unavailable(run, failure, effects),
            Event::Unreadable { worker, handle, object, is_here, failure } => {
                self.unreadable(worker, RunKey(handle), inputs::Unread { object, is_here, failure }, effects);
            }
            Event::JobOpened { job, has_executable, weight } => self.job_opened(job, has_executable, weight),
            Event::JobEnded { job } => self.job_ended(job, effects),
            Event::EmbeddedStarted { worker, functions, slots } => {
                self.embedded_started(worker, functions, slots)
            }
            Event::WorkerStarted { worker, functions } => self.worker_started(worker, functions, effects),
            Event::WorkerStartFailed { worker, failure } => {
                self.worker_start_failed(worker, failure, effects)
            }
            Event::WorkerLost { worker, failure, last } => {
                self.worker_lost(worker, failure, &last, effects);
            }
            Event::Cancel { owner, task, attempt, failure, force } => {
                self.cancel(&owner, task, attempt, failure, force, effects);
            }
            Event::Recall { owner, tasks } => self.recall(&owner, &tasks, effects),
            Event::Confirm { owner, tasks } => self.confirm(&owner, &tasks, effects),
            Event::OwnerLost { node } => self.owner_lost(&Owner::Peer(node), effects),
            Event::Adopted { job, owner, owner_term } => self.adopted(job, owner, owner_term),
            Event::Reserved { resources } => self.ledger.take(&resources),
            Event::Released { resources } => {
                self.ledger.give(&resources);
                self.dispatch(effects);
            }
            Event::Draining => self.drain(effects),
        }
        if !self.ending.is_empty() {
            self.forget_ended_jobs();
        }
    }
}
