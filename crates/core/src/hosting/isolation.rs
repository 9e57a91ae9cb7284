//! A node that cannot renew its lease: what it may still host.

use super::worker::{WorkerKind, WorkerState};
use super::{ActorHost, Effect, Isolation};
use mobula_types::actor::ExitKind;
use mobula_types::{ExitReason, Failure, FailureKind};
use std::time::Duration;

impl ActorHost {
    pub(super) fn isolated(&mut self, isolation: Isolation, effects: &mut Vec<Effect>) {
        let before = std::mem::replace(&mut self.isolation, isolation);
        if isolation >= Isolation::Stopping && before < Isolation::Stopping {
            self.stop_isolated(effects);
        }
        if isolation == Isolation::Over {
            self.end_isolated(effects);
        }
        if isolation == Isolation::None {
            let ready = self.workers.iter().filter(|(_, worker)| worker.state == WorkerState::Ready);
            for worker in ready.map(|(index, _)| index).collect::<Vec<_>>() {
                self.host_all(worker, effects);
            }
            self.place_waiting(effects);
        }
    }

    fn stopping_actors(&self) -> Vec<usize> {
        self.actors.iter().filter(|(_, actor)| !actor.keeps).map(|(place, _)| place).collect()
    }

    /// Actors that are to stop have the rest of the lease for it.
    fn stop_isolated(&mut self, effects: &mut Vec<Effect>) {
        for place in self.stopping_actors() {
            self.stop_actor(place, Some(Duration::ZERO), ExitReason::of(ExitKind::Isolated), effects);
        }
    }

    /// The lease is over, and so are they, with their workers.
    fn end_isolated(&mut self, effects: &mut Vec<Effect>) {
        let text = "its node has had no head for the length of its lease";
        let failure = Failure::new(FailureKind::Fenced, text).on_node(self.options.node.clone());
        let actors = self.stopping_actors();
        let isolated = actors.iter().filter_map(|place| {
            let seat = self.actors[*place].seat?;
            (self.workers[seat.worker].kind == WorkerKind::Isolated).then_some(seat.worker)
        });
        // A worker of stopping actors goes even where all of them have said that they ended: some may be abandoned.
        let shared = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.kind == WorkerKind::Stopping && worker.state != WorkerState::Killed);
        let workers: Vec<usize> = isolated.chain(shared.map(|(index, _)| index)).collect();
        for worker in workers {
            self.kill(worker, failure.clone(), effects);
        }
        for place in actors {
            self.abandon(place, ExitReason::of(ExitKind::Isolated), effects);
        }
    }
}
