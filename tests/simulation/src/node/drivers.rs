//! The drivers whose home this node is, and their calls: what the task engine does for actors, in small.

use super::Node;
use crate::context::Context;
use crate::message::{DriverCall, DriverFrame, HomeFrame, Packet, PeerFrame};
use crate::network::StreamId;
use mobula_core::calls::{Event, NewCall, ReadyCall};
use mobula_core::hosting;
use mobula_types::actor::{Caller, MethodOptions, Target};
use mobula_types::frame::AssignmentEnd;
use mobula_types::{
    Attempt, Failure, FailureKind, FunctionId, JobId, NodeId, OwnerTerm, Payload, TaskId, TaskOptions,
    TaskTemplate, Time,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The drivers of a node.
#[derive(Default, Debug)]
pub(super) struct Drivers {
    sessions: BTreeMap<JobId, (StreamId, OwnerTerm)>,
    calls: BTreeMap<TaskId, OwnedCall>,
    /// Under which term another node has taken a job over.
    elsewhere: BTreeMap<JobId, OwnerTerm>,
}

/// A call that this node owns.
#[derive(Debug)]
struct OwnedCall {
    job: JobId,
    attempt: Attempt,
    template: Arc<TaskTemplate>,
    /// When its arguments are there; `NEVER` once they are.
    ready_at: Time,
    ready: bool,
}

impl Drivers {
    pub(super) fn next_deadline(&self) -> Time {
        self.calls.values().map(|call| call.ready_at).min().unwrap_or(Time::NEVER)
    }

    pub(super) fn session(&self, job: JobId) -> Option<StreamId> {
        self.sessions.get(&job).map(|(stream, _)| *stream)
    }

    fn job_of(&self, stream: StreamId) -> Option<JobId> {
        self.sessions.iter().find(|(_, (own, _))| *own == stream).map(|(job, _)| *job)
    }
}

fn template(options: MethodOptions) -> Arc<TaskTemplate> {
    let options = TaskOptions { target: Target::Method(options), ..TaskOptions::default() };
    Arc::new(TaskTemplate { function: FunctionId::new("method", ""), signature: None, options })
}

impl Node {
    pub(super) fn tell_driver(&mut self, context: &mut Context, job: JobId, frame: HomeFrame) {
        if let Some(stream) = self.drivers.session(job) {
            self.send(context, stream, Packet::Home(frame));
        }
    }

    pub(super) fn driver_says(&mut self, context: &mut Context, stream: StreamId, frame: DriverFrame) {
        if let DriverFrame::Hello { job, term } = frame {
            return self.driver_opened(context, stream, job, term);
        }
        let Some(job) = self.drivers.job_of(stream) else { return };
        match frame {
            DriverFrame::Call(call) => self.call_made(context, job, call),
            DriverFrame::Cancel(task) => self.cancel(context, task),
            DriverFrame::Create { actor, spec } => self.create_actor(context, job, actor, spec),
            DriverFrame::Ask { number, request } => self.ask_head_for(context, job, number, request),
            DriverFrame::Watch(target) => {
                let number = self.watch(context, job, target);
                self.tell_driver(context, job, HomeFrame::Watching(number));
            }
            DriverFrame::Hello { .. } => {}
        }
    }

    fn driver_opened(&mut self, context: &mut Context, stream: StreamId, job: JobId, term: OwnerTerm) {
        let superseded = self.drivers.elsewhere.get(&job).is_some_and(|known| *known >= term);
        if superseded || self.machines.is_none() {
            return context.close(stream, self.id);
        }
        if self.drivers.sessions.insert(job, (stream, term)).is_some() {
            // Its end is noticed now: what was watched through it is nobody's.
            self.end_watches(context, job);
        }
        if term > OwnerTerm(0) {
            self.forget_calls(context, job);
            self.tell_host(context, hosting::Event::Adopted { job, owner_term: term });
            let own = self.machines.as_ref().map(|machines| machines.node.clone());
            let others = self.view.nodes.values().map(|info| info.id.clone());
            let others: Vec<NodeId> = others.filter(|node| Some(node) != own.as_ref()).collect();
            for node in others {
                self.send_to_peer(context, &node, PeerFrame::FindJob { job, term });
            }
        }
    }

    /// Another node owns the job from now on.
    pub(super) fn taken_over(&mut self, context: &mut Context, job: JobId, term: OwnerTerm) {
        self.tell_host(context, hosting::Event::Adopted { job, owner_term: term });
        let known = self.drivers.elsewhere.entry(job).or_default();
        *known = term.max(*known);
        if self.drivers.sessions.get(&job).is_none_or(|(_, own)| *own < term) {
            if self.drivers.sessions.remove(&job).is_some() {
                self.end_watches(context, job);
            }
            self.forget_calls(context, job);
            self.forget_creations(job);
        }
    }

    fn forget_calls(&mut self, context: &mut Context, job: JobId) {
        let of_job = self.drivers.calls.iter().filter(|(_, call)| call.job == job);
        for task in of_job.map(|(task, _)| *task).collect::<Vec<_>>() {
            // What is on its way goes on; its end is nobody's business.
            if self.drivers.calls.remove(&task).is_some_and(|call| !call.ready) {
                self.tell_router(context, Event::Dropped { task });
            }
        }
    }

    pub(super) fn driver_gone(&mut self, context: &mut Context, stream: StreamId) {
        let Some(job) = self.drivers.job_of(stream) else { return };
        // What it made goes on: its driver may take over elsewhere, and then this node is told.
        self.drivers.sessions.remove(&job);
        self.end_watches(context, job);
    }

    fn call_made(&mut self, context: &mut Context, job: JobId, made: DriverCall) {
        let DriverCall { task, actor, sequence, answered_below, options, resent, arguments_after } = made;
        let Some((_, term)) = self.drivers.sessions.get(&job).copied() else { return };
        if self.drivers.calls.contains_key(&task) {
            return;
        }
        let call = OwnedCall {
            job,
            attempt: Attempt { owner_term: term, number: 0 },
            template: template(options),
            ready_at: context.local(self.id) + arguments_after,
            ready: false,
        };
        self.drivers.calls.insert(task, call);
        let caller = Caller::Driver(job);
        let new = NewCall { task, job, caller, actor, sequence, answered_below, options, resent };
        self.tell_router(context, Event::Made(new));
    }

    /// The arguments of calls are there.
    pub(super) fn make_ready(&mut self, context: &mut Context) {
        let now = context.local(self.id);
        let due = self.drivers.calls.iter().filter(|(_, call)| call.ready_at <= now);
        for task in due.map(|(task, _)| *task).collect::<Vec<_>>() {
            let Some(call) = self.drivers.calls.get_mut(&task) else { continue };
            call.ready_at = Time::NEVER;
            call.ready = true;
            let ready = ReadyCall {
                task,
                attempt: call.attempt,
                template: call.template.clone(),
                arguments: Payload::EMPTY,
                inputs: Vec::new(),
                deadline: None,
            };
            self.tell_router(context, Event::Ready(ready));
        }
    }

    fn cancel(&mut self, context: &mut Context, task: TaskId) {
        let Some(call) = self.drivers.calls.get(&task) else { return };
        let failure = Failure::new(FailureKind::Cancelled, "its caller does not want it any more");
        if call.ready {
            let attempt = call.attempt;
            return self.tell_router(context, Event::Cancel { task, attempt, failure });
        }
        let job = call.job;
        self.drivers.calls.remove(&task);
        self.tell_router(context, Event::Dropped { task });
        let outcome = mobula_types::Outcome::Failed(failure);
        self.tell_driver(context, job, HomeFrame::Ended { task, outcome });
    }

    pub(super) fn call_ended(
        &mut self,
        context: &mut Context,
        task: TaskId,
        attempt: Attempt,
        end: AssignmentEnd,
    ) {
        let Some(call) = self.drivers.calls.get_mut(&task).filter(|call| call.attempt == attempt) else {
            return;
        };
        match end {
            AssignmentEnd::Ran { outcome, .. } => {
                let job = call.job;
                self.drivers.calls.remove(&task);
                self.tell_driver(context, job, HomeFrame::Ended { task, outcome });
            }
            _ => {
                call.attempt.number += 1;
                call.ready_at = context.local(self.id) + Duration::from_millis(5);
            }
        }
    }
}
