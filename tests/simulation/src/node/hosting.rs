//! Performing what the host of actors wants.

use super::Node;
use super::workers::Says;
use crate::context::Context;
use crate::message::PeerFrame;
use mobula_core::hosting::{Effect, Event};
use mobula_core::{calls, tasks::Place};
use mobula_types::actor::ActorReport;
use mobula_types::{Failure, FailureKind, WorkerId};

/// How many of a hundred actors link themselves with another one.
const LINKING: usize = 5;

impl Node {
    pub(super) fn perform_host(&mut self, context: &mut Context, effect: Effect) {
        match effect {
            Effect::Turn(order) => {
                let worker = order.worker;
                self.workers.turn(worker, order);
                self.work(context, worker);
            }
            Effect::Answer { to: Place::Local, lane, sequence, task: _, end, window } => {
                let place = Place::Local;
                self.tell_router(context, calls::Event::Ended { place, lane, sequence, end, window });
            }
            Effect::Answer { to: Place::Peer(node), lane, sequence, task: _, end, window } => {
                self.send_to_peer(context, &node, PeerFrame::Ended { lane, sequence, end, window });
            }
            Effect::Report(report) => {
                context.observer.reported(self.id, &report);
                self.look_at_links(context, &report);
                self.report_actors(context, report);
            }
            Effect::Host { worker, key, start } => {
                self.workers.host(context, worker, key, start.incarnation);
                self.work(context, worker);
            }
            Effect::Stop { worker, key, grace, reason } => {
                let now = context.local(self.id);
                self.workers.stop(context, worker, key, grace.map(|grace| now + grace), reason);
                self.work(context, worker);
            }
            Effect::CancelTurn { worker, handle, failure } => {
                self.workers.cancel(worker, handle, failure);
                self.work(context, worker);
            }
            Effect::StartWorker { worker, job: _, isolated: _ } => {
                let lease_end = self.link.lease_end();
                self.workers.start(context, self.id, worker, lease_end);
            }
            Effect::Retire { worker } | Effect::Kill { worker, failure: _ } => {
                self.workers.kill(worker);
                self.work(context, worker);
            }
            // Arguments are all inline here.
            Effect::Fetch { handle, inputs, .. } => {
                self.tell_host(context, Event::InputsReady { handle, inputs: Ok(inputs) });
            }
            Effect::CancelFetch { .. } | Effect::Reserve { .. } | Effect::Release { .. } => {}
        }
    }

    /// Some of the actors that start link themselves with another one; links end with those that exit.
    fn look_at_links(&mut self, context: &mut Context, report: &ActorReport) {
        match report {
            ActorReport::Started(started) => {
                for incarnation in started {
                    if context.random.percent(LINKING) {
                        self.link_actor(context, *incarnation);
                    }
                }
            }
            ActorReport::Exited(exits) => {
                exits.iter().for_each(|exit| self.linked_gone(context, exit.incarnation));
            }
            _ => {}
        }
    }

    /// Lets a worker go on, and hears what it says.
    pub(super) fn work(&mut self, context: &mut Context, worker: WorkerId) {
        let (says, next) = self.workers.work(context, self.id, worker, self.link.lease_end());
        for said in says {
            self.worker_says(context, worker, said);
        }
        if let Some(after) = next {
            self.worker_happens(context, worker, after);
        }
    }

    fn worker_says(&mut self, context: &mut Context, worker: WorkerId, said: Says) {
        let event = match said {
            Says::Ready => Event::WorkerStarted { worker },
            Says::Failed => {
                let failure = Failure::new(FailureKind::WorkerStartFailed, "it did not start");
                Event::WorkerStartFailed { worker, failure }
            }
            Says::Started(key) => Event::ActorStarted { worker, key },
            Says::Exited(key, reason) => Event::ActorExited { worker, key, reason },
            Says::Done(handle, outcome) => {
                let cut_short = |failure: &Failure| failure.kind() == FailureKind::ActorDied;
                let retryable = outcome.values().err().is_some_and(cut_short);
                Event::Done { worker, handle, outcome, retryable, micros: 1, borrows: Vec::new() }
            }
            Says::Returned(handles) => Event::Returned { worker, handles },
            Says::Ended => {
                let failure = Failure::new(FailureKind::WorkerDied, "the worker has ended");
                Event::WorkerLost { worker, failure }
            }
        };
        self.tell_host(context, event);
    }
}
