//! Frames. The two matches here are the whole list; what needs more than a line stands in the modules below.

mod ask;
mod assign;
mod call;
pub(crate) mod direct;
pub(crate) mod read;
mod run;
mod submit;

use crate::actor::group;
use crate::actor::observer::{changes_from_wire, changes_to_wire};
use crate::error::{ConvertError, Required};
use crate::identity::{address, addresses, nanos, object, pack_objects, unpack_objects};
use crate::template::functions;
use crate::value::outcome;
use crate::wire;
use crate::wire::frame::Kind;
use mobula_types::actor::LaneId;
use mobula_types::outcome::CopyVersion;
use mobula_types::{Failure, Frame, JobId, OwnerTerm, TaskId, TemplateId, Time};
use std::sync::Arc;

fn objects(objects: Vec<mobula_types::ObjectId>) -> wire::Objects {
    wire::Objects { objects: pack_objects(&objects) }
}

fn got(object: mobula_types::ObjectId, outcome: mobula_types::Outcome) -> Box<wire::Got> {
    Box::new(wire::Got { object: Some(object.into()), outcome: Some(outcome.into()) })
}

fn failure(failure: Option<wire::Failure>, field: &'static str) -> Result<Failure, ConvertError> {
    failure.required(field)?.try_into()
}

impl From<Frame> for wire::Frame {
    fn from(frame: Frame) -> Self {
        let kind = match frame {
            Frame::Template { id, template } => {
                let template = Some(template.as_ref().into());
                Kind::Template(Box::new(wire::Template { id: id.0, template }))
            }
            Frame::Submit(submit) => Kind::Submit(submit.into()),
            Frame::Put { object, value } => {
                Kind::Put(wire::Put { object: Some(object.into()), value: Some(value.into()) })
            }
            Frame::Get { address } => Kind::Get(Box::new(wire::Get { address: Some(address.into()) })),
            Frame::Release { objects } => Kind::Release(submit::release(objects)),
            Frame::Cancel { address, force, recursive } => {
                Kind::Cancel(Box::new(wire::Cancel { address: Some(address.into()), force, recursive }))
            }
            Frame::Goodbye => Kind::Goodbye(wire::Empty {}),
            Frame::Completed { task, outcome } => Kind::Completed(wire::Completed {
                task_high: task.high,
                task_low: task.low,
                outcome: Some(outcome.into()),
            }),
            Frame::Got { object, outcome } => Kind::Got(got(object, outcome)),
            Frame::Charged { task, charges } => Kind::Charged(Box::new(wire::Charged {
                task: Some(task.into()),
                charges: Some(charges.into()),
            })),
            Frame::PutDone { object, failure } => {
                let failure = failure.map(Into::into);
                Kind::PutDone(Box::new(wire::PutDone { object: Some(object.into()), failure }))
            }
            Frame::Credit { total } => Kind::Credit(wire::Credit { total }),
            Frame::View(delta) => Kind::View(Box::new((&*delta).into())),
            Frame::Warning { text } => Kind::Warning(wire::Warning { text }),
            Frame::JobEnded { failure } => {
                Kind::JobEnded(Box::new(wire::JobEnded { failure: Some(failure.into()) }))
            }
            Frame::Draining => Kind::Draining(wire::Empty {}),
            Frame::Run(run) => Kind::Run(run.into()),
            Frame::Recall { handles } => Kind::Recall(wire::Handles { handles }),
            Frame::CancelRun { handle, failure } => {
                Kind::CancelRun(Box::new(wire::CancelRun { handle, failure: Some(failure.into()) }))
            }
            Frame::Resume { handle } => Kind::Resume(wire::Handle { handle }),
            Frame::Retire => Kind::Retire(wire::Empty {}),
            Frame::Lease { until } => Kind::Lease(until.as_nanos()),
            Frame::Announce { functions } => {
                Kind::Announce(wire::Announce { functions: functions.into_iter().map(Into::into).collect() })
            }
            Frame::Done { handle, outcome, retryable, micros, borrows } => Kind::Done(wire::Done {
                handle,
                outcome: Some(outcome.into()),
                retryable,
                micros,
                borrows: borrows.into_vec().into_iter().map(Into::into).collect(),
            }),
            Frame::Returned { handles } => Kind::Returned(wire::Handles { handles }),
            Frame::Unreadable { handle, object, failure } => Kind::Unreadable(Box::new(wire::Unreadable {
                handle,
                object: Some(object.into()),
                failure: Some(failure.into()),
            })),
            Frame::Blocked { handle } => Kind::Blocked(wire::Handle { handle }),
            Frame::Unblocked { handle } => Kind::Unblocked(wire::Handle { handle }),
            Frame::Assign(assignment) => Kind::Assign(Box::new((*assignment).into())),
            Frame::CancelAssignment { task, attempt, failure, force } => {
                Kind::CancelAssignment(Box::new(wire::CancelAssignment {
                    task: Some(task.into()),
                    attempt: Some(attempt.into()),
                    failure: Some(failure.into()),
                    force,
                }))
            }
            Frame::RecallAssignments { tasks } => Kind::RecallAssignments(assign::task_attempts(tasks)),
            Frame::ConfirmAssignments { tasks } => Kind::ConfirmAssignments(assign::task_attempts(tasks)),
            Frame::AssignmentEnded { task, attempt, end } => {
                Kind::AssignmentEnded(Box::new(assign::ended(task, attempt, *end)))
            }
            Frame::Resolve { object } => Kind::Resolve(object.into()),
            Frame::Resolved { object, outcome } => Kind::Resolved(got(object, outcome)),
            Frame::Borrow { objects: list } => Kind::Borrow(objects(list)),
            Frame::Unborrow { objects: list } => Kind::Unborrow(objects(list)),
            Frame::Free { objects: list } => Kind::Free(objects(list)),
            Frame::CopyLost { object, version, holder } => Kind::CopyLost(Box::new(wire::CopyLost {
                object: Some(object.into()),
                length: version.length,
                checksum: version.checksum,
                holder: Some(holder.into()),
            })),
            Frame::CopyMade { object, version } => Kind::CopyMade(wire::CopyMade {
                object: Some(object.into()),
                length: version.length,
                checksum: version.checksum,
            }),
            Frame::FindJob { job, owner_term } => {
                Kind::FindJob(wire::FindJob { job: job.0, owner_term: owner_term.0 })
            }
            Frame::FoundJob(found) => Kind::FoundJob(Box::new(assign::found_job(*found))),
            Frame::Call(call) => Kind::Call(Box::new((*call).into())),
            Frame::Ask { number, parent, ask } => Kind::Ask(Box::new(ask::ask(number, parent, *ask))),
            Frame::Answered { number, answer } => Kind::Answered(Box::new(ask::answered(number, *answer))),
            Frame::Down { key, down, kind } => Kind::Down(Box::new(ask::watched_down(key, &down, kind))),
            Frame::HostActor(host) => Kind::HostActor(Box::new((*host).into())),
            Frame::Turn(turn) => Kind::Turn(Box::new((*turn).into())),
            Frame::StopActor { key, grace, reason } => Kind::StopActor(Box::new(wire::StopActor {
                key,
                grace_nanos: grace.map(nanos),
                reason: Some((&reason).into()),
            })),
            Frame::ActorStarted { key } => Kind::ActorStarted(wire::ActorKey { key }),
            Frame::ActorExited { key, reason } => {
                let reason = reason.as_ref().map(Into::into);
                Kind::ActorExited(Box::new(wire::ActorExited { key, reason }))
            }
            Frame::OpenLane(lane) => Kind::OpenLane(Box::new((*lane).into())),
            Frame::LaneCall(call) => Kind::LaneCall(Box::new((*call).into())),
            Frame::LaneCallEnded(ended) => Kind::LaneCallEnded(Box::new((*ended).into())),
            Frame::CancelLaneCall { lane, sequence, failure } => {
                let failure = Some(failure.into());
                Kind::CancelLaneCall(Box::new(wire::CancelLaneCall { lane: lane.0, sequence, failure }))
            }
            Frame::CloseLane { lane } => Kind::CloseLane(wire::LaneNumber { lane: lane.0 }),
            Frame::Publish(publication) => Kind::Publish(Box::new(publication.as_ref().into())),
            Frame::Published { subscription, publication } => {
                Kind::Published(Box::new(group::published(subscription, &publication)))
            }
            Frame::Observed { number, changes } => {
                Kind::Observed(Box::new(changes_to_wire(number, &changes)))
            }
            Frame::Enrol(enrolment) => Kind::Enrol(Box::new((*enrolment).into())),
            Frame::Distribute(publication) => Kind::Distribute(Box::new(publication.as_ref().into())),
        };
        wire::Frame { kind: Some(kind) }
    }
}

impl TryFrom<wire::Frame> for Frame {
    type Error = ConvertError;
    fn try_from(frame: wire::Frame) -> Result<Self, ConvertError> {
        Ok(match frame.kind.required("frame.kind")? {
            Kind::Template(template) => Frame::Template {
                id: TemplateId(template.id),
                template: Arc::new(template.template.required("template.template")?.try_into()?),
            },
            Kind::Submit(submit) => Frame::Submit(submit.try_into()?),
            Kind::Put(put) => Frame::Put {
                object: object(put.object, "put.object")?,
                value: put.value.required("put.value")?.try_into()?,
            },
            Kind::Get(get) => Frame::Get { address: address(get.address, "get.address")? },
            Kind::Release(release) => Frame::Release { objects: submit::released(release)? },
            Kind::Cancel(cancel) => Frame::Cancel {
                address: address(cancel.address, "cancel.address")?,
                force: cancel.force,
                recursive: cancel.recursive,
            },
            Kind::Goodbye(_) => Frame::Goodbye,
            Kind::Completed(completed) => Frame::Completed {
                task: TaskId { high: completed.task_high, low: completed.task_low },
                outcome: outcome(completed.outcome, "completed.outcome")?,
            },
            Kind::Got(got) => Frame::Got {
                object: object(got.object, "got.object")?,
                outcome: outcome(got.outcome, "got.outcome")?,
            },
            Kind::Charged(charged) => Frame::Charged {
                task: charged.task.required("charged.task")?.into(),
                charges: charged.charges.unwrap_or_default().into(),
            },
            Kind::PutDone(done) => Frame::PutDone {
                object: object(done.object, "put_done.object")?,
                failure: done.failure.map(Failure::try_from).transpose()?,
            },
            Kind::Credit(credit) => Frame::Credit { total: credit.total },
            Kind::View(delta) => Frame::View(Box::new((*delta).try_into()?)),
            Kind::Warning(warning) => Frame::Warning { text: warning.text },
            Kind::JobEnded(ended) => {
                Frame::JobEnded { failure: failure(ended.failure, "job_ended.failure")? }
            }
            Kind::Draining(_) => Frame::Draining,
            Kind::Run(run) => Frame::Run(run.try_into()?),
            Kind::Recall(recall) => Frame::Recall { handles: recall.handles },
            Kind::CancelRun(cancel) => Frame::CancelRun {
                handle: cancel.handle,
                failure: failure(cancel.failure, "cancel_run.failure")?,
            },
            Kind::Resume(handle) => Frame::Resume { handle: handle.handle },
            Kind::Retire(_) => Frame::Retire,
            Kind::Lease(nanos) => Frame::Lease { until: Time::from_nanos(nanos) },
            Kind::Announce(announce) => Frame::Announce { functions: functions(announce.functions)? },
            Kind::Done(done) => Frame::Done {
                handle: done.handle,
                outcome: outcome(done.outcome, "done.outcome")?,
                retryable: done.retryable,
                micros: done.micros,
                borrows: addresses(done.borrows)?.into(),
            },
            Kind::Returned(returned) => Frame::Returned { handles: returned.handles },
            Kind::Unreadable(unreadable) => Frame::Unreadable {
                handle: unreadable.handle,
                object: object(unreadable.object, "unreadable.object")?,
                failure: failure(unreadable.failure, "unreadable.failure")?,
            },
            Kind::Blocked(handle) => Frame::Blocked { handle: handle.handle },
            Kind::Unblocked(handle) => Frame::Unblocked { handle: handle.handle },
            Kind::Assign(assignment) => Frame::Assign(Box::new((*assignment).try_into()?)),
            Kind::CancelAssignment(cancel) => Frame::CancelAssignment {
                task: cancel.task.required("cancel_assignment.task")?.into(),
                attempt: cancel.attempt.required("cancel_assignment.attempt")?.into(),
                failure: failure(cancel.failure, "cancel_assignment.failure")?,
                force: cancel.force,
            },
            Kind::RecallAssignments(recall) => {
                Frame::RecallAssignments { tasks: assign::read_task_attempts(recall.tasks)? }
            }
            Kind::ConfirmAssignments(confirm) => {
                Frame::ConfirmAssignments { tasks: assign::read_task_attempts(confirm.tasks)? }
            }
            Kind::AssignmentEnded(ended) => assign::read_ended(*ended)?,
            Kind::Resolve(id) => Frame::Resolve { object: id.try_into()? },
            Kind::Resolved(got) => Frame::Resolved {
                object: object(got.object, "resolved.object")?,
                outcome: outcome(got.outcome, "resolved.outcome")?,
            },
            Kind::Borrow(list) => Frame::Borrow { objects: unpack_objects(&list.objects, "borrow.objects")? },
            Kind::Unborrow(list) => {
                Frame::Unborrow { objects: unpack_objects(&list.objects, "unborrow.objects")? }
            }
            Kind::Free(list) => Frame::Free { objects: unpack_objects(&list.objects, "free.objects")? },
            Kind::CopyLost(lost) => Frame::CopyLost {
                object: object(lost.object, "copy_lost.object")?,
                version: CopyVersion { length: lost.length, checksum: lost.checksum },
                holder: lost.holder.required("copy_lost.holder")?.try_into()?,
            },
            Kind::CopyMade(made) => Frame::CopyMade {
                object: object(made.object, "copy_made.object")?,
                version: CopyVersion { length: made.length, checksum: made.checksum },
            },
            Kind::FindJob(find) => {
                Frame::FindJob { job: JobId(find.job), owner_term: OwnerTerm(find.owner_term) }
            }
            Kind::FoundJob(found) => Frame::FoundJob(Box::new(assign::read_found_job(*found)?)),
            Kind::Call(call) => Frame::Call(Box::new((*call).try_into()?)),
            Kind::Ask(ask) => ask::read_ask(*ask)?,
            Kind::Answered(answered) => ask::read_answered(*answered)?,
            Kind::Down(watched) => ask::read_watched_down(*watched)?,
            Kind::HostActor(host) => Frame::HostActor(Box::new((*host).try_into()?)),
            Kind::Turn(turn) => Frame::Turn(Box::new((*turn).try_into()?)),
            Kind::StopActor(stop) => ask::read_stop(*stop)?,
            Kind::ActorStarted(started) => Frame::ActorStarted { key: started.key },
            Kind::ActorExited(exited) => ask::read_exited(*exited)?,
            Kind::OpenLane(lane) => Frame::OpenLane(Box::new((*lane).try_into()?)),
            Kind::LaneCall(call) => Frame::LaneCall(Box::new((*call).try_into()?)),
            Kind::LaneCallEnded(ended) => Frame::LaneCallEnded(Box::new((*ended).try_into()?)),
            Kind::CancelLaneCall(cancel) => Frame::CancelLaneCall {
                lane: LaneId(cancel.lane),
                sequence: cancel.sequence,
                failure: failure(cancel.failure, "cancel_lane_call.failure")?,
            },
            Kind::CloseLane(lane) => Frame::CloseLane { lane: LaneId(lane.lane) },
            Kind::Publish(publication) => Frame::Publish(Box::new((*publication).into())),
            Kind::Published(published) => {
                let (subscription, publication) = group::read_published(*published)?;
                Frame::Published { subscription, publication }
            }
            Kind::Observed(list) => {
                let (number, changes) = changes_from_wire(*list)?;
                Frame::Observed { number, changes }
            }
            Kind::Enrol(enrolment) => Frame::Enrol(Box::new((*enrolment).try_into()?)),
            Kind::Distribute(publication) => Frame::Distribute(Arc::new((*publication).into())),
        })
    }
}
