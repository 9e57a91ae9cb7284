//! Grants: an actor gets a worker, and is started there.

use super::actor::{Actor, Phase, Seat, StartInputs};
use super::host::START;
use super::worker::{Occupant, WorkerKind, WorkerState};
use super::{ActorHost, Effect, Isolation};
use mobula_types::actor::{ActorReport, ExitKind, StartActor};
use mobula_types::frame::Input;
use mobula_types::{ExitReason, Failure, FailureKind, Resources, WorkerId};

impl ActorHost {
    pub(super) fn start(&mut self, start: StartActor, effects: &mut Vec<Effect>) {
        let incarnation = start.incarnation;
        if let Some(place) = self.find_actor(incarnation.actor) {
            let here = &self.actors[place];
            if here.incarnation.epoch == incarnation.epoch && here.phase == Phase::Running {
                // Said again by a head that may not have heard of it.
                effects.push(Effect::Report(ActorReport::Started(vec![incarnation])));
            }
            if here.incarnation.epoch >= incarnation.epoch {
                return;
            }
            // The head knows that the earlier grant is over, so whatever is left of it has no right to be here.
            self.end_at_once(place, ExitReason::of(ExitKind::Lost), effects);
        }
        if self.say_again(incarnation, effects) || self.exits.reason(incarnation).is_some() {
            return;
        }
        if self.draining {
            return self.report_exit(incarnation, ExitReason::of(ExitKind::Drained), false, effects);
        }
        let place = self.actors.insert(Actor::new(start));
        self.actors_by_id.insert(&incarnation.actor, place, |place| self.actors[place].incarnation.actor);
        self.waiting.insert(place);
        let resources = self.resources_of(place);
        effects.extend(resources.map(|resources| Effect::Reserve { resources }));
        self.give_worker(place, effects);
    }

    /// What an actor has for itself, if anything.
    pub(super) fn resources_of(&self, place: usize) -> Option<Resources> {
        let resources = &self.actors[place].start.spec.template.options.resources;
        (!resources.is_empty()).then(|| resources.clone())
    }

    /// Gives what waits for it a worker, where that is possible now.
    pub(super) fn place_waiting(&mut self, effects: &mut Vec<Effect>) {
        for place in self.waiting.iter().copied().collect::<Vec<_>>() {
            self.give_worker(place, effects);
        }
    }

    fn give_worker(&mut self, place: usize, effects: &mut Vec<Effect>) {
        let actor = &self.actors[place];
        let job = actor.start.spec.job;
        let Some(has_executable) = self.jobs.get(&job).copied() else { return };
        if self.isolation != Isolation::None {
            return;
        }
        let kind = match (actor.start.spec.template.options.isolated, actor.keeps) {
            (true, _) => WorkerKind::Isolated,
            (false, true) => WorkerKind::Keeping,
            (false, false) => WorkerKind::Stopping,
        };
        let worker = match (has_executable, self.embedded) {
            (true, _) if kind == WorkerKind::Isolated => self.new_worker(job, kind, effects),
            (true, _) => match self.shared.get(&(job, kind)) {
                Some(worker) => *worker,
                None => self.new_worker(job, kind, effects),
            },
            (false, Some(embedded)) => embedded,
            (false, None) => {
                let text = "its job has no executable, and the node embeds nothing";
                let failure =
                    Failure::new(FailureKind::UnknownFunction, text).on_node(self.options.node.clone());
                return self.exit(place, ExitReason::failed(ExitKind::ConstructorFailed, failure), effects);
            }
        };
        self.waiting.shift_remove(&place);
        let entry = &mut self.workers[worker];
        entry.live += 1;
        let key = entry.seats.insert(Occupant::Actor(place)) as u32;
        let (id, is_ready) = (entry.id, entry.state == WorkerState::Ready);
        let actor = &mut self.actors[place];
        actor.phase = Phase::Starting;
        actor.seat = Some(Seat { worker, id, key, is_told: false });
        if is_ready {
            self.host(place, effects);
        }
    }

    /// Tells a worker, which is there, to start an actor, once what that is made from is here.
    pub(super) fn host(&mut self, place: usize, effects: &mut Vec<Effect>) {
        let actor = &self.actors[place];
        let is_here = actor.start.spec.inputs.iter().all(|input| self.is_here(input));
        match actor.inputs {
            StartInputs::None if !is_here => {
                let (handle, job) = (self.start_handle(place), actor.start.spec.job);
                let inputs = actor.start.spec.inputs.clone();
                effects.push(Effect::Fetch { handle, job, inputs });
                self.actors[place].inputs = StartInputs::Fetching;
                return;
            }
            StartInputs::Fetching => return,
            StartInputs::None | StartInputs::Kept => {}
        }
        let actor = &mut self.actors[place];
        let Some(seat) = &mut actor.seat else { return };
        seat.is_told = true;
        let limit = actor.start.spec.template.options.timeout.unwrap_or(self.options.start_limit);
        actor.started_by = self.now + limit;
        self.timers.starts.insert((actor.started_by, self.actors.number_of(place)));
        let actor = &self.actors[place];
        let Some(seat) = actor.seat else { return };
        effects.push(Effect::Host { worker: seat.id, key: seat.key, start: actor.start.clone() });
    }

    fn start_handle(&self, place: usize) -> u64 {
        self.actors.number_of(place) | START
    }

    /// What an actor is made from is here, or cannot be brought.
    pub(super) fn start_inputs_ready(
        &mut self,
        handle: u64,
        inputs: Result<Vec<Input>, Failure>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = self.actors.place_of(handle & !START) else { return };
        let actor = &mut self.actors[place];
        if actor.inputs != StartInputs::Fetching {
            return;
        }
        match inputs {
            Ok(inputs) => {
                actor.inputs = StartInputs::Kept;
                std::sync::Arc::make_mut(&mut actor.start.spec).inputs = inputs;
                if self.isolation == Isolation::None {
                    self.host(place, effects);
                }
            }
            Err(failure) => {
                actor.inputs = StartInputs::None;
                self.exit(place, ExitReason::failed(ExitKind::ConstructorFailed, failure), effects);
            }
        }
    }

    /// What an actor is made from is not needed here any more.
    pub(super) fn forget_inputs(&mut self, place: usize, effects: &mut Vec<Effect>) {
        let inputs = std::mem::replace(&mut self.actors[place].inputs, StartInputs::None);
        if inputs != StartInputs::None {
            effects.push(Effect::CancelFetch { handle: self.start_handle(place) });
        }
    }

    /// A constructor, or `on_start`, has not returned in its time: the start has failed, and what runs of it is killed.
    pub(super) fn start_overdue(&mut self, place: usize, effects: &mut Vec<Effect>) {
        let actor = &self.actors[place];
        if actor.started {
            return;
        }
        let limit = actor.start.spec.template.options.timeout.unwrap_or(self.options.start_limit);
        let text = format!("its constructor and on_start have not returned within {limit:?}");
        let failure = Failure::new(FailureKind::DeadlineExceeded, text).on_node(self.options.node.clone());
        self.end_at_once(place, ExitReason::failed(ExitKind::ConstructorFailed, failure), effects);
    }

    /// The actor of that number in a worker.
    pub(super) fn seated(&self, worker: WorkerId, key: u32) -> Option<usize> {
        let worker = &self.workers[*self.workers_by_id.get(&worker)?];
        match worker.seats.get(key as usize)? {
            Occupant::Actor(place) => Some(*place),
            Occupant::Abandoned => None,
        }
    }

    pub(super) fn actor_started(&mut self, worker: WorkerId, key: u32, effects: &mut Vec<Effect>) {
        let Some(place) = self.seated(worker, key) else { return };
        self.forget_inputs(place, effects);
        let number = self.actors.number_of(place);
        let actor = &mut self.actors[place];
        self.timers.starts.remove(&(actor.started_by, number));
        actor.started = true;
        if actor.phase != Phase::Starting {
            return;
        }
        actor.phase = Phase::Running;
        effects.push(Effect::Report(ActorReport::Started(vec![actor.incarnation])));
        for lane in actor.lanes.clone() {
            self.drain_lane(lane, effects);
        }
    }

    pub(super) fn drain(&mut self, effects: &mut Vec<Effect>) {
        self.draining = true;
        for place in std::mem::take(&mut self.waiting) {
            self.exit(place, ExitReason::of(ExitKind::Drained), effects);
        }
    }
}
