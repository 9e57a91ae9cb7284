//! What can be seen of the machine from outside.

use super::ActorHost;
use super::actor::Phase;
use super::worker::{Occupant, Worker, WorkerKind};
use crate::tasks::Place;
use mobula_types::actor::{ActorState, ExitReport, HostedActor};
use mobula_types::{ActorId, Incarnation, JobId, TaskId, Time, WorkerId};

/// An actor as it stands here.
#[derive(Clone, PartialEq, Debug)]
pub struct ActorSnapshot {
    /// The incarnation.
    pub incarnation: Incarnation,
    /// Its job.
    pub job: JobId,
    /// How it stands.
    pub state: ActorState,
    /// The worker that it is in, or that is started for it.
    pub worker: Option<WorkerId>,
    /// Calls that are here and not answered.
    pub pending: u32,
}

/// A turn that has not ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TurnSnapshot<'a> {
    /// The node that the call came from, last.
    pub from: &'a Place,
    /// The job of the actor: that of what the turn submits.
    pub job: JobId,
    /// The call.
    pub task: TaskId,
    /// The incarnation that takes it.
    pub incarnation: Incarnation,
}

impl ActorHost {
    /// The turn of that handle.
    pub fn turn(&self, handle: u64) -> Option<TurnSnapshot<'_>> {
        let turn = &self.turns[self.turn_of(handle)?];
        let actor = &self.actors[turn.actor];
        let from = match turn.lane {
            Some(lane) => &self.lanes[lane].from,
            None => turn.orphaned_by.as_ref()?,
        };
        let (job, incarnation) = (actor.start.spec.job, actor.incarnation);
        Some(TurnSnapshot { from, job, task: turn.task, incarnation })
    }

    /// The worker of an incarnation and its number there, once the worker has been told of it.
    pub fn seat_of(&self, incarnation: Incarnation) -> Option<(WorkerId, u32)> {
        let actor = &self.actors[self.find_actor(incarnation.actor)?];
        let seat = actor.seat.filter(|seat| seat.is_told && actor.incarnation == incarnation)?;
        Some((seat.id, seat.key))
    }

    /// The incarnation of an actor that is here, and is neither about to end nor none of the cluster's.
    pub fn living(&self, actor: ActorId) -> Option<Incarnation> {
        let actor = &self.actors[self.find_actor(actor)?];
        (actor.phase != Phase::Stopping && !actor.is_unknown).then_some(actor.incarnation)
    }

    /// What a head that is joined is told: the actors, and the exits that are not recorded. Beside that it is told of
    /// [`ignored`](Self::ignored).
    pub fn inventory(&self, now: Time) -> (Vec<HostedActor>, Vec<ExitReport>) {
        let known = self.actors.iter().filter(|(_, actor)| !actor.is_unknown);
        let actors = known
            .map(|(_, actor)| HostedActor { incarnation: actor.incarnation, state: actor.state() })
            .collect();
        (actors, self.exits.reports(now))
    }

    /// The incarnations whose constructors wanted no actor, where that is not recorded.
    pub fn ignored(&self) -> Vec<Incarnation> {
        self.exits.ignored()
    }

    /// All actors that are here.
    pub fn actors(&self) -> impl Iterator<Item = ActorSnapshot> + '_ {
        self.actors.iter().map(|(_, actor)| ActorSnapshot {
            incarnation: actor.incarnation,
            job: actor.start.spec.job,
            state: actor.state(),
            worker: actor.seat.map(|seat| seat.id),
            pending: actor.pending,
        })
    }

    /// How many actors are here.
    pub fn actor_count(&self) -> usize {
        self.actors.len()
    }

    /// The workers that may host what they host for as long as the node's lease lasts, and no longer.
    pub fn workers_under_lease(&self) -> impl Iterator<Item = WorkerId> + '_ {
        let stops = |seat: &Occupant| match seat {
            Occupant::Actor(place) => !self.actors[*place].keeps,
            Occupant::Abandoned => true,
        };
        let under_lease = move |worker: &&Worker| match worker.kind {
            WorkerKind::Stopping => true,
            WorkerKind::Isolated => worker.seats.iter().any(|(_, seat)| stops(seat)),
            WorkerKind::Keeping | WorkerKind::Embedded => false,
        };
        self.workers_by_id
            .values()
            .map(|index| &self.workers[*index])
            .filter(under_lease)
            .map(|worker| worker.id)
    }

    /// The job whose actors a worker hosts; `None` for the embedded one, and those that are not this machine's.
    pub fn job_of(&self, worker: WorkerId) -> Option<JobId> {
        self.workers[*self.workers_by_id.get(&worker)?].job
    }

    /// The incarnation that a worker knows by a number, and its job.
    pub fn incarnation_of(&self, worker: WorkerId, key: u32) -> Option<(Incarnation, JobId)> {
        let actor = &self.actors[self.seated(worker, key)?];
        Some((actor.incarnation, actor.start.spec.job))
    }

    /// Nothing is left of any call.
    #[cfg(test)]
    pub(crate) fn assert_no_calls(&self) {
        let tables = (self.turns.len(), self.lanes.len(), self.records.len());
        assert_eq!(tables, (0, 0, 0));
        for (_, actor) in self.actors.iter() {
            assert_eq!((actor.pending, actor.lanes.len(), actor.orphans.len()), (0, 0, 0));
        }
    }
}
