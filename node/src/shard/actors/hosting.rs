//! Performing what the host of actors wants.

use super::super::{Input, Shard};
use super::frames::TURN;
use crate::bring::{NotBrought, Wanted};
use mobula_core::calls;
use mobula_core::executor;
use mobula_core::hosting::{Effect, Event, TurnOrder};
use mobula_core::tasks::Place;
use mobula_objects::Pin;
use mobula_runtime::spawn;
use mobula_types::actor::{CallEnd, OnIsolation, StartActor, Target};
use mobula_types::frame::{self, Input as TaskInput, LaneCallEnded};
use mobula_types::{Failure, FailureKind, Frame, JobId, NodeId, ObjectId, StoredValue, TaskId, WorkerId};

/// The inputs of a turn as they are here, and kept; or why they are not.
pub(crate) type BroughtInputs = Result<(Vec<TaskInput>, Vec<Pin>), (ObjectId, NotBrought)>;

impl Shard {
    pub(super) fn perform_host_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Turn(order) => self.send_turn(order),
            Effect::Answer { to, lane, sequence, task, end, window } => {
                self.answer_call(to, task, LaneCallEnded { lane, sequence, end, window });
            }
            Effect::Report(report) => {
                self.note_exits(&report);
                self.parts.head.report_actors(report);
            }
            Effect::Host { worker, key, start } => self.host_actor(worker, key, start),
            Effect::Stop { worker, key, grace, reason } => {
                self.send_to_worker(worker, Frame::StopActor { key, grace, reason });
            }
            Effect::CancelTurn { worker, handle, failure } => {
                self.send_to_worker(worker, Frame::CancelRun { handle, failure });
            }
            Effect::StartWorker { worker, job, isolated } => {
                // There may be hundreds of them, while the others are few for each job.
                let turn = isolated.then(|| self.parts.isolated_starts.clone());
                self.start_worker(worker, job, turn);
            }
            Effect::Reserve { resources } => {
                self.tell_executor(executor::Event::Reserved { resources });
            }
            Effect::Release { resources } => {
                self.tell_executor(executor::Event::Released { resources });
            }
            Effect::Retire { worker } => self.send_to_worker(worker, Frame::Retire),
            Effect::Kill { worker, failure } => self.workers.kill(worker, failure),
            Effect::Fetch { handle, job, inputs } => self.fetch_for_turn(handle, job, inputs),
            Effect::CancelFetch { handle } => {
                self.actors.fetches.swap_remove(&handle);
                self.actors.pins.swap_remove(&handle);
            }
        }
    }

    fn host_actor(&mut self, worker: WorkerId, key: u32, start: StartActor) {
        let Some(session) = self.worker_session(worker) else { return };
        let StartActor { incarnation, spec } = start;
        let keeps = matches!(
            &spec.template.options.target,
            Target::Constructor(options) if options.on_isolation == OnIsolation::Keep
        );
        if let Some(until) = self.lease_end().filter(|_| !keeps) {
            self.send_to_worker(worker, Frame::Lease { until });
        }
        self.sessions.send_with(session, |sent, outgoing| {
            let template = sent.number(&spec.template, outgoing);
            outgoing.push(Frame::HostActor(Box::new(frame::HostActor {
                key,
                incarnation,
                job: spec.job,
                template,
                arguments: spec.arguments.clone(),
                inputs: spec.inputs.clone(),
            })));
        });
    }

    fn send_turn(&mut self, order: TurnOrder) {
        let Some(session) = self.worker_session(order.worker) else { return };
        let left = order.deadline.map(|deadline| deadline.since(self.now));
        self.sessions.send_with(session, |sent, outgoing| {
            let template = sent.number(&order.template, outgoing);
            outgoing.push(Frame::Turn(Box::new(frame::Turn {
                handle: order.handle,
                key: order.key,
                caller: order.caller,
                task: order.task,
                attempt: order.attempt,
                template,
                arguments: order.arguments,
                inputs: order.inputs,
                deadline: left,
            })));
        });
    }

    fn answer_call(&mut self, to: Place, task: TaskId, ended: LaneCallEnded) {
        match to {
            Place::Local => {
                let LaneCallEnded { lane, sequence, end, window } = ended;
                let place = Place::Local;
                self.tell_router(calls::Event::Ended { place, lane, sequence, end, window });
            }
            Place::Peer(node) => {
                if let CallEnd::Ran { outcome, .. } = &ended.end {
                    self.hand_over(&node, task, outcome);
                }
                self.send_to_peer(&node, Frame::LaneCallEnded(Box::new(ended)));
            }
        }
    }

    /// Brings the inputs of a turn, or of a start, into this node's store: all of them, or none.
    fn fetch_for_turn(&mut self, handle: u64, job: JobId, inputs: Vec<TaskInput>) {
        let (transfer, inbox) = (self.parts.transfer.clone(), self.parts.inbox.clone());
        let here = self.parts.node.clone();
        let owner =
            if handle & TURN != 0 { self.owner_of_turn(handle) } else { first_holder(&inputs, &here) };
        let wanted = inputs.iter().filter_map(|input| match &input.value {
            StoredValue::Stored(copy) => Some(Wanted { object: input.object, copy: copy.clone() }),
            StoredValue::Inline(_) => None,
        });
        let wanted: Vec<Wanted> = wanted.collect();
        let fetching = spawn("fetch inputs of a turn", async move {
            let pins = transfer.bring(job, &owner, wanted).await;
            let here_now = |input| super::super::copies::here_now(input, &here);
            let result = pins.map(|pins| (inputs.into_iter().map(here_now).collect(), pins));
            let _shard_ended = inbox.send(Input::FetchedForTurn { handle, result }).await;
        });
        self.actors.fetches.insert(handle, fetching);
    }

    /// The node that the call of a turn came from: the owner of what it makes.
    fn owner_of_turn(&self, handle: u64) -> NodeId {
        match self.actors.host.turn(handle).map(|turn| turn.from) {
            Some(Place::Peer(node)) => node.clone(),
            Some(Place::Local) | None => self.parts.node.clone(),
        }
    }

    pub(crate) fn on_fetched_for_turn(&mut self, handle: u64, result: BroughtInputs) {
        if self.actors.fetches.swap_remove(&handle).is_none() {
            return;
        }
        let owner = self.owner_of_turn(handle);
        let inputs = match result {
            Ok((inputs, pins)) => {
                // Who owns what an actor is made from is not known here: it is kept for as long as it is needed, and nobody
                // else is sent here for it.
                let is_told = |pin: &&Pin| handle & TURN != 0 && pin.is_news();
                for pin in pins.iter().filter(is_told) {
                    self.tell_of_copy(&owner, pin.object(), pin.version());
                    pin.told();
                }
                self.actors.pins.insert(handle, pins);
                Ok(inputs)
            }
            Err((object, NotBrought::Gone(holder))) => {
                let message = format!("{holder} does not have an argument of the call any more");
                Err(Failure::new(FailureKind::Unavailable, message).of_object(object))
            }
            Err((_, NotBrought::Unavailable(failure))) => Err(failure),
        };
        self.tell_host(Event::InputsReady { handle, inputs });
    }

    /// The end of a turn is about to be told: what it has stored is its caller's node's.
    pub(super) fn note_owner_of_turn(&mut self, handle: u64, outcome: &mobula_types::Outcome) {
        let values = outcome.values().unwrap_or_default().iter().enumerate();
        let stored = values.filter(|(_, value)| matches!(value.value, StoredValue::Stored(_)));
        let positions: Vec<u64> = stored.map(|(position, _)| position as u64).collect();
        let Some(turn) = self.actors.host.turn(handle) else { return };
        let (task, owner) = (turn.task, self.owner_of_turn(handle));
        if owner == self.parts.node {
            return;
        }
        for position in positions {
            self.parts.store.set_owner(&ObjectId::result(task, position), &owner);
        }
    }

    /// A turn is over: what it needed is not kept for it any more.
    pub(super) fn turn_over(&mut self, handle: u64) {
        self.actors.pins.swap_remove(&handle);
    }
}

/// Whoever has what an actor is made from.
fn first_holder(inputs: &[TaskInput], here: &NodeId) -> NodeId {
    let holders = inputs.iter().filter_map(|input| match &input.value {
        StoredValue::Stored(copy) => copy.holders.first(),
        StoredValue::Inline(_) => None,
    });
    holders.into_iter().find(|holder| *holder != here).unwrap_or(here).clone()
}
