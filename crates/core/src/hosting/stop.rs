//! Stops and exits.

use super::actor::Phase;
use super::worker::{Occupant, WorkerState};
use super::{ActorHost, Effect};
use mobula_types::actor::{CallEnd, ChildShutdown, ExitKind};
use mobula_types::{ExitReason, Failure, FailureKind, Incarnation, JobId, Time, WorkerId};
use std::time::Duration;

impl ActorHost {
    pub(super) fn stop(
        &mut self,
        incarnation: Incarnation,
        shutdown: ChildShutdown,
        reason: ExitReason,
        effects: &mut Vec<Effect>,
    ) {
        let here = self.find_actor(incarnation.actor);
        match here.filter(|place| self.actors[*place].incarnation == incarnation) {
            Some(place) => {
                let grace = match shutdown {
                    ChildShutdown::Brutal => Some(Duration::ZERO),
                    ChildShutdown::Within(grace) => Some(grace),
                    ChildShutdown::Infinity => None,
                };
                self.stop_actor(place, grace, reason, effects);
            }
            None if self.say_again(incarnation, effects) => {}
            None => {
                let known = self.exits.reason(incarnation);
                let reason = known.unwrap_or_else(|| ExitReason::of(ExitKind::Lost));
                self.report_exit(incarnation, reason, false, effects);
            }
        }
    }

    /// Has an actor stop: no further call starts there. A later order counts where it leaves less time.
    pub(super) fn stop_actor(
        &mut self,
        place: usize,
        grace: Option<Duration>,
        reason: ExitReason,
        effects: &mut Vec<Effect>,
    ) {
        let actor = &mut self.actors[place];
        let Some(seat) = actor.seat.filter(|seat| seat.is_told) else {
            return self.exit(place, reason, effects);
        };
        let dead_at = grace.map_or(Time::NEVER, |grace| self.now + grace + self.options.overrun);
        if actor.phase == Phase::Stopping && dead_at >= actor.dead_at {
            return;
        }
        let number = self.actors.number_of(place);
        let actor = &mut self.actors[place];
        self.timers.deaths.remove(&(actor.dead_at, number));
        actor.dead_at = dead_at;
        if dead_at != Time::NEVER {
            self.timers.deaths.insert((dead_at, number));
        }
        actor.stopping = Some(reason.clone());
        effects.push(Effect::Stop { worker: seat.id, key: seat.key, grace, reason });
        if actor.phase != Phase::Stopping {
            actor.phase = Phase::Stopping;
            for lane in actor.lanes.clone() {
                self.break_lane(lane, None, effects);
            }
        }
    }

    /// An actor that was told to stop has not done so.
    pub(super) fn overdue(&mut self, place: usize, effects: &mut Vec<Effect>) {
        let text = "it did not end in the time that it was given";
        let failure = Failure::new(FailureKind::ActorDied, text).on_node(self.options.node.clone());
        let reason = match &self.actors[place].stopping {
            // What the cluster does to its actors stays that, since supervisors count it in another way.
            Some(reason)
                if matches!(reason.kind(), ExitKind::Drained | ExitKind::JobEnded | ExitKind::Isolated) =>
            {
                reason.clone()
            }
            _ => ExitReason::failed(ExitKind::Killed, failure),
        };
        self.abandon(place, reason, effects);
    }

    /// An actor that is none of the cluster's, or whose grant is over, ends now.
    pub(super) fn end_at_once(&mut self, place: usize, reason: ExitReason, effects: &mut Vec<Effect>) {
        if let Some(seat) = self.actors[place].seat.filter(|seat| seat.is_told) {
            let (worker, key, reason) = (seat.id, seat.key, reason.clone());
            effects.push(Effect::Stop { worker, key, grace: Some(Duration::ZERO), reason });
        }
        self.abandon(place, reason, effects);
    }

    pub(super) fn unknown(&mut self, incarnations: &[Incarnation], effects: &mut Vec<Effect>) {
        self.exits.recorded(incarnations);
        for incarnation in incarnations {
            let Some(place) = self.find_actor(incarnation.actor) else { continue };
            let actor = &mut self.actors[place];
            if actor.incarnation == *incarnation {
                actor.is_unknown = true;
                self.stop_actor(place, Some(Duration::ZERO), ExitReason::of(ExitKind::Killed), effects);
            }
        }
    }

    /// A job has ended. The head knows that too, and stops its trees and actors in their order, each with its grace; what is
    /// left after a while, because no head is heard or because it takes so long, is stopped here.
    pub(super) fn job_ended(&mut self, job: JobId, effects: &mut Vec<Effect>) {
        self.jobs.remove(&job);
        self.terms.remove(&job);
        for place in self.waiting.iter().copied().collect::<Vec<_>>() {
            if self.actors[place].start.spec.job == job {
                self.exit(place, ExitReason::of(ExitKind::JobEnded), effects);
            }
        }
        self.timers.jobs.push_back((self.now + self.options.job_grace, job));
        self.timers.workers_by(self.now);
    }

    /// Stops what is left of a job that has ended.
    pub(super) fn end_job(&mut self, job: JobId, effects: &mut Vec<Effect>) {
        let hosting = self.workers.iter().filter(|(_, worker)| worker.job.is_none_or(|of| of == job));
        let seated = hosting.flat_map(|(_, worker)| worker.seats.iter()).filter_map(|(_, seat)| match seat {
            Occupant::Actor(place) => Some(*place),
            Occupant::Abandoned => None,
        });
        for place in seated.collect::<Vec<_>>() {
            let actor = &self.actors[place];
            let is_ending = actor.phase == Phase::Stopping && actor.dead_at != Time::NEVER;
            if actor.start.spec.job == job && !is_ending {
                self.stop_actor(place, Some(Duration::ZERO), ExitReason::of(ExitKind::JobEnded), effects);
            }
        }
        self.timers.workers_by(self.now);
    }

    pub(super) fn actor_exited(
        &mut self,
        worker: WorkerId,
        key: u32,
        reason: Option<ExitReason>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(index) = self.workers_by_id.get(&worker).copied() else { return };
        match self.workers[index].seats.get(key as usize).copied() {
            Some(Occupant::Actor(place)) => match reason {
                Some(reason) => {
                    // It comes behind the ends of all turns that its worker had: the others have crossed it.
                    let crossed = CallEnd::NotStarted { reason: Some(reason.clone()) };
                    self.exit_as(place, reason, crossed, Leaving::Gone, effects);
                }
                None => self.wanted_none(place, effects),
            },
            Some(Occupant::Abandoned) => {
                self.workers[index].seats.remove(key as usize);
                self.note_vacancy(index, effects);
            }
            None => {}
        }
    }

    /// The constructor wanted no actor.
    fn wanted_none(&mut self, place: usize, effects: &mut Vec<Effect>) {
        let incarnation = self.actors[place].incarnation;
        let is_unknown = self.remove(place, CallEnd::NotStarted { reason: None }, Leaving::Gone, effects);
        if !is_unknown {
            self.report_ignored(incarnation, effects);
        }
    }

    /// An actor has exited, and what it was in its worker is gone. Its calls may have started.
    pub(super) fn exit(&mut self, place: usize, reason: ExitReason, effects: &mut Vec<Effect>) {
        let end = CallEnd::Died { reason: reason.clone() };
        self.exit_as(place, reason, end, Leaving::Gone, effects);
    }

    /// An actor is dead for everybody, while its worker may still have it.
    pub(super) fn abandon(&mut self, place: usize, reason: ExitReason, effects: &mut Vec<Effect>) {
        let leaving = match self.actors[place].seat {
            Some(seat) if seat.is_told => Leaving::Behind,
            _ => Leaving::Gone,
        };
        let end = CallEnd::Died { reason: reason.clone() };
        self.exit_as(place, reason, end, leaving, effects);
    }

    fn exit_as(
        &mut self,
        place: usize,
        reason: ExitReason,
        end: CallEnd,
        leaving: Leaving,
        effects: &mut Vec<Effect>,
    ) {
        let actor = &self.actors[place];
        let (incarnation, started) = (actor.incarnation, actor.started);
        let worker = actor.seat.map(|seat| seat.id).filter(|_| reason.kind() == ExitKind::WorkerDied);
        let is_unknown = self.remove(place, end, leaving, effects);
        if is_unknown {
            self.exits.note(incarnation, reason);
        } else {
            self.report_exit_in(worker, incarnation, reason, started, effects);
        }
    }

    /// Takes an actor out of the tables. The turns that its worker was given are answered with `end`, other
    /// calls have not started. Says whether it was
    /// none of the cluster's.
    fn remove(&mut self, place: usize, end: CallEnd, leaving: Leaving, effects: &mut Vec<Effect>) -> bool {
        self.forget_inputs(place, effects);
        for lane in std::mem::take(&mut self.actors[place].lanes) {
            self.end_lane(lane, &end, effects);
        }
        for turn in std::mem::take(&mut self.actors[place].orphans) {
            self.turns.remove(turn);
        }
        let number = self.actors.number_of(place);
        let id = self.actors[place].incarnation.actor;
        self.actors_by_id.remove(&id, |place| self.actors[place].incarnation.actor);
        self.waiting.shift_remove(&place);
        let resources = self.resources_of(place);
        effects.extend(resources.map(|resources| Effect::Release { resources }));
        let Some(actor) = self.actors.remove(place) else { return true };
        self.timers.deaths.remove(&(actor.dead_at, number));
        self.timers.starts.remove(&(actor.started_by, number));
        if let Some(seat) = actor.seat {
            let worker = &mut self.workers[seat.worker];
            worker.live -= 1;
            match leaving {
                Leaving::Gone => drop(worker.seats.try_remove(seat.key as usize)),
                Leaving::Behind => worker.seats[seat.key as usize] = Occupant::Abandoned,
            }
            if worker.state != WorkerState::Killed {
                self.note_vacancy(seat.worker, effects);
            }
        }
        actor.is_unknown
    }
}

/// What is left of an actor in its worker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    Gone,
    Behind,
}
