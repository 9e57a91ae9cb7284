//! The hosting machine: its tables, and which event goes where.

use super::actor::Actor;
use super::caller::CallerRecord;
use super::exits::Exits;
use super::lane::{Lane, Turn};
use super::timers::Timers;
use super::worker::{Worker, WorkerKind};
use super::{Effect, Event, HostOptions, Isolation};
use crate::lookup::Lookup;
use crate::numbered::Numbered;
use crate::tasks::Place;
use indexmap::{IndexMap, IndexSet};
use mobula_types::actor::LaneId;
use mobula_types::{ActorId, JobId, OwnerTerm, Time, WorkerId};
use slab::Slab;
use std::collections::BTreeMap;

pub(super) type Hasher = foldhash::fast::FixedState;

/// The first number of a worker for actors, of one shard: an executor comes nowhere near.
const ACTOR_WORKERS: u64 = 1 << 40;

/// The highest bit of a turn's handle: no run of the executor has it.
const TURN: u64 = 1 << 63;
/// The one below stands alone in the handle of a start.
pub(super) const START: u64 = 1 << 62;

/// Hosts the actors that one node was granted. See the [module](super).
#[derive(Debug)]
pub struct ActorHost {
    pub(super) options: HostOptions,
    /// The time of the event that is being handled.
    pub(super) now: Time,
    pub(super) actors: Numbered<Actor>,
    pub(super) actors_by_id: Lookup<usize>,
    /// Actors without a worker, in the order of their grants.
    pub(super) waiting: IndexSet<usize, Hasher>,
    pub(super) exits: Exits,
    /// The open jobs, and whether each has an executable.
    pub(super) jobs: BTreeMap<JobId, bool>,
    pub(super) workers: Slab<Worker>,
    pub(super) workers_by_id: BTreeMap<WorkerId, usize>,
    /// The workers that take further actors.
    pub(super) shared: BTreeMap<(JobId, WorkerKind), usize>,
    pub(super) embedded: Option<usize>,
    pub(super) next_worker: u64,
    /// The lanes that each node has named.
    pub(super) peers: IndexMap<Place, IndexMap<LaneId, usize, Hasher>, Hasher>,
    pub(super) lanes: Slab<Lane>,
    pub(super) turns: Numbered<Turn>,
    pub(super) records: Numbered<CallerRecord>,
    pub(super) records_by_name: Lookup<usize>,
    /// The latest owners of the calls of drivers that have changed their homes, while their jobs are open.
    pub(super) terms: BTreeMap<JobId, OwnerTerm>,
    pub(super) timers: Timers,
    pub(super) isolation: Isolation,
    pub(super) draining: bool,
}

/// Whether a worker was asked for by a hosting machine, rather than by the executor.
pub const fn is_for_actors(worker: WorkerId) -> bool {
    worker.0 & ACTOR_WORKERS != 0
}

impl ActorHost {
    /// A machine that hosts nothing yet.
    pub fn new(options: HostOptions) -> Self {
        ActorHost {
            next_worker: ACTOR_WORKERS,
            options,
            now: Time::ZERO,
            actors: Numbered::new(),
            actors_by_id: Lookup::new(0x686f_7374),
            waiting: IndexSet::default(),
            exits: Exits::default(),
            jobs: BTreeMap::new(),
            workers: Slab::new(),
            workers_by_id: BTreeMap::new(),
            shared: BTreeMap::new(),
            embedded: None,
            peers: IndexMap::default(),
            lanes: Slab::new(),
            turns: Numbered::new(),
            records: Numbered::new(),
            records_by_name: Lookup::new(0x6361_6c6c),
            terms: BTreeMap::new(),
            timers: Timers::new(),
            isolation: Isolation::None,
            draining: false,
        }
    }

    /// Takes in what happened at `now` and appends what is to be done about it. Events about actors, workers, lanes and
    /// turns that are not there, or not any more, change nothing, but that a call is answered nevertheless.
    pub fn on_event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        self.now = now;
        match event {
            Event::Called { from, call } => self.called(from, call, effects),
            Event::Done { worker, handle, outcome, retryable, micros, borrows } => {
                let end = mobula_types::actor::CallEnd::Ran { outcome, retryable, micros, borrows };
                self.done(worker, handle, end, effects);
            }
            Event::InputsReady { handle, inputs } if handle & TURN == 0 => {
                self.start_inputs_ready(handle, inputs, effects);
            }
            Event::InputsReady { handle, inputs } => self.inputs_ready(handle, inputs, effects),
            Event::LaneOpened { from, lane, caller, actor, job } => {
                self.lane_opened(from, lane, caller, actor, job);
            }
            Event::LaneClosed { from, lane } => self.lane_closed(&from, lane, effects),
            Event::Told { incarnation, task, template, arguments } => {
                self.told(incarnation, task, template, arguments, effects);
            }
            Event::Cancelled { from, lane, sequence, failure } => {
                self.cancelled(&from, lane, sequence, failure, effects);
            }
            Event::Returned { worker, handles } => self.returned(worker, &handles, effects),
            Event::PeerLost { node } => self.peer_lost(node, effects),
            Event::Start(start) => self.start(start, effects),
            Event::Stop { incarnation, shutdown, reason } => {
                self.stop(incarnation, shutdown, reason, effects);
            }
            Event::Unknown { incarnations } => self.unknown(&incarnations, effects),
            Event::ExitsRecorded(incarnations) => self.exits.recorded(&incarnations),
            Event::ActorStarted { worker, key } => self.actor_started(worker, key, effects),
            Event::ActorExited { worker, key, reason } => self.actor_exited(worker, key, reason, effects),
            Event::JobOpened { job, has_executable } => {
                self.jobs.insert(job, has_executable);
                self.place_waiting(effects);
            }
            Event::JobEnded { job } => self.job_ended(job, effects),
            Event::EmbeddedStarted { worker } => self.embedded_started(worker, effects),
            Event::WorkerStarted { worker } => self.worker_started(worker, effects),
            Event::WorkerStartFailed { worker, failure } | Event::WorkerLost { worker, failure } => {
                self.worker_lost(worker, failure, effects);
            }
            Event::Adopted { job, owner_term } => {
                let known = self.terms.entry(job).or_insert(owner_term);
                *known = owner_term.max(*known);
            }
            Event::Isolation(isolation) => self.isolated(isolation, effects),
            Event::Draining => self.drain(effects),
            Event::Tick => self.tick(effects),
        }
    }

    /// Workers that it asks for are numbered from `first` on among those for actors; from 0 unless set. For the nodes that have
    /// several of these machines.
    pub fn number_workers_from(&mut self, first: WorkerId) {
        self.next_worker = self.next_worker.max(ACTOR_WORKERS | first.0);
    }

    /// When the next [`Event::Tick`] is wanted.
    pub fn next_deadline(&self) -> Time {
        self.timers.next()
    }

    pub(super) fn find_actor(&self, id: ActorId) -> Option<usize> {
        self.actors_by_id.find(&id, |place| self.actors[place].incarnation.actor)
    }

    /// The number of a turn, as workers and fetches know it.
    pub(super) fn handle_of(&self, turn: usize) -> u64 {
        self.turns.number_of(turn) | TURN
    }

    pub(super) fn turn_of(&self, handle: u64) -> Option<usize> {
        if handle & TURN == 0 {
            return None;
        }
        self.turns.place_of(handle & !TURN)
    }
}
