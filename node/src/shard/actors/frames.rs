//! What frames about actors mean to the machines.

use super::super::Shard;
use mobula_core::calls;
use mobula_core::hosting as host;
use mobula_core::tasks::{self, CallTarget, Place, Requester, SessionKey};
use mobula_types::actor::{Caller, LaneCall};
use mobula_types::frame::{Call, parent_as_actor};
use mobula_types::{Failure, FailureKind, Frame, JobId, NodeId, Outcome, ResultValue, TaskId, WorkerId};

/// What a worker says of a turn, or of a run: their handles differ in this bit.
pub(crate) const TURN: u64 = 1 << 63;

/// On whose behalf a worker asks for something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent {
    pub(crate) job: JobId,
    /// The task or turn; none for what an actor does outside of its turns.
    pub(crate) task: Option<TaskId>,
    pub(crate) caller: Caller,
}

impl Shard {
    /// A call of a driver.
    pub(in super::super) fn on_driver_call(
        &mut self,
        session: SessionKey,
        job: JobId,
        call: Call,
    ) -> Result<(), Failure> {
        self.on_call_frame(session, job, None, Caller::Driver(job), call)
    }

    /// A call of what runs in a worker: of a task, or of an actor.
    pub(in super::super) fn on_worker_call(
        &mut self,
        session: SessionKey,
        worker: WorkerId,
        call: Call,
    ) -> Result<(), Failure> {
        let parent = call.parent.and_then(|handle| self.parent_of(worker, handle));
        let Some(Parent { job, task, caller }) = parent else {
            return Err(Failure::new(FailureKind::Malformed, "a worker's call names no run that makes it"));
        };
        self.on_call_frame(session, job, task, caller, call)
    }

    /// What runs under a handle.
    pub(in super::super) fn parent_of(&self, worker: WorkerId, handle: u64) -> Option<Parent> {
        if let Some(key) = parent_as_actor(handle) {
            let (incarnation, job) = self.actors.host.incarnation_of(worker, key)?;
            return Some(Parent { job, task: None, caller: Caller::Actor(incarnation) });
        }
        if handle & TURN != 0 {
            let turn = self.actors.host.turn(handle)?;
            let caller = Caller::Actor(turn.incarnation);
            return Some(Parent { job: turn.job, task: Some(turn.task), caller });
        }
        let (job, task, attempt) = self.executor.task_of(worker, handle)?;
        Some(Parent { job, task: Some(task), caller: Caller::Task(task, attempt) })
    }

    fn on_call_frame(
        &mut self,
        session: SessionKey,
        job: JobId,
        parent: Option<TaskId>,
        caller: Caller,
        call: Call,
    ) -> Result<(), Failure> {
        let Some(state) = self.sessions.get_mut(session) else { return Ok(()) };
        let template = state.received.get(call.template)?;
        let target = CallTarget {
            caller,
            actor: call.actor,
            sequence: call.sequence,
            answered_below: call.answered_below,
            parent,
        };
        self.tell_tasks(tasks::Event::Called {
            requester: Requester::Session(session),
            job,
            task: call.task,
            template,
            arguments: call.arguments,
            extras: call.extras,
            call: Box::new(target),
        });
        Ok(())
    }

    /// What a worker says of its actors and their turns; gives back what is about something else.
    pub(in super::super) fn on_worker_actor_frame(
        &mut self,
        session: SessionKey,
        worker: WorkerId,
        frame: Frame,
    ) -> Result<Option<Frame>, Failure> {
        let event = match frame {
            Frame::Done { handle, outcome, retryable, micros, borrows } if handle & TURN != 0 => {
                let borrows = self.keep_borrows(session, borrows);
                self.note_owner_of_turn(handle, &outcome);
                self.turn_over(handle);
                let refers = refers(&outcome);
                self.tell_host(host::Event::Done { worker, handle, outcome, retryable, micros, borrows });
                if refers {
                    // The worker may let go of them in its next frame: who gets the result holds them before that.
                    self.perform_actor_effects();
                }
                return Ok(None);
            }
            Frame::Returned { handles } if handles.first().is_some_and(|handle| handle & TURN != 0) => {
                handles.iter().for_each(|handle| self.turn_over(*handle));
                host::Event::Returned { worker, handles }
            }
            Frame::Unreadable { handle, object, failure } if handle & TURN != 0 => {
                tracing::debug!(%object, %failure, "a worker cannot read an argument of a call");
                self.turn_over(handle);
                host::Event::Returned { worker, handles: vec![handle] }
            }
            Frame::ActorStarted { key } => host::Event::ActorStarted { worker, key },
            Frame::ActorExited { key, reason } => {
                self.watcher_gone(session, key);
                host::Event::ActorExited { worker, key, reason }
            }
            Frame::Call(call) => {
                self.on_worker_call(session, worker, *call)?;
                return Ok(None);
            }
            Frame::Ask { number, parent, ask } => {
                let asker = parent.and_then(|handle| self.parent_of(worker, handle));
                self.on_ask(session, number, asker, *ask);
                return Ok(None);
            }
            other => return Ok(Some(other)),
        };
        self.tell_host(event);
        Ok(None)
    }

    /// What another node says of calls; gives back what is about something else.
    pub(in super::super) fn on_peer_actor_frame(
        &mut self,
        session: SessionKey,
        node: &NodeId,
        frame: Frame,
    ) -> Result<Option<Frame>, Failure> {
        let from = Place::Peer(node.clone());
        match frame {
            Frame::OpenLane(lane) => {
                let mobula_types::frame::Lane { lane, caller, actor, job } = *lane;
                self.tell_host(host::Event::LaneOpened { from, lane, caller, actor, job });
            }
            Frame::LaneCall(call) => {
                let call = self.read_lane_call(session, *call)?;
                self.tell_host(host::Event::Called { from, call });
            }
            Frame::LaneCallEnded(ended) => {
                let mobula_types::frame::LaneCallEnded { lane, sequence, end, window } = *ended;
                self.tell_router(calls::Event::Ended { place: from, lane, sequence, end, window });
            }
            Frame::CancelLaneCall { lane, sequence, failure } => {
                self.tell_host(host::Event::Cancelled { from, lane, sequence, failure });
            }
            Frame::CloseLane { lane } => self.tell_host(host::Event::LaneClosed { from, lane }),
            Frame::Enrol(enrolment) => self.on_enrolled_elsewhere(*enrolment),
            Frame::Distribute(publication) => self.on_distributed(publication),
            other => return Ok(Some(other)),
        }
        Ok(None)
    }

    fn read_lane_call(&mut self, session: SessionKey, call: LaneCall) -> Result<calls::HostedCall, Failure> {
        let gone = || Failure::new(FailureKind::SessionExpired, "the session is over");
        let state = self.sessions.get_mut(session).ok_or_else(gone)?;
        Ok(calls::HostedCall {
            lane: call.lane,
            sequence: call.sequence,
            epoch: call.epoch,
            task: call.task,
            attempt: call.attempt,
            template: state.received.get(call.template)?,
            arguments: call.arguments,
            inputs: call.inputs,
            deadline: call.deadline.map(|left| self.now + left),
            answered_below: call.answered_below,
            resent: call.resent,
        })
    }
}

/// Whether there is a reference inside of a result.
fn refers(outcome: &Outcome) -> bool {
    let holds = |value: &ResultValue| value.contained.as_deref().is_some_and(|objects| !objects.is_empty());
    outcome.values().is_ok_and(|values| values.iter().any(holds))
}
