//! What the frames of each kind of session mean to the machines.

use super::Shard;
use super::session::Party;
use mobula_core::assignment::Assignment;
use mobula_core::executor::{self, Owner};
use mobula_core::tasks::{self, Place, Requester, SessionKey};
use mobula_types::frame::{self, Submit};
use mobula_types::{Failure, FailureKind, Frame, JobId, NodeId, ObjectAddress, ObjectId, TaskId, WorkerId};

impl Shard {
    pub(super) fn on_frames(&mut self, session: SessionKey, frames: Vec<Frame>) {
        let Some(party) = self.sessions.party(session).cloned() else { return };
        for frame in frames {
            if let Err(failure) = self.on_frame(session, &party, frame) {
                self.refuse_session(session, failure);
                return;
            }
        }
    }

    fn on_frame(&mut self, session: SessionKey, party: &Party, frame: Frame) -> Result<(), Failure> {
        if let Frame::Template { id, template } = frame {
            let Some(state) = self.sessions.get_mut(session) else { return Ok(()) };
            return state.received.insert(id, template);
        }
        match party {
            Party::Client { job, .. } => self.on_client_frame(session, *job, frame),
            Party::Worker { worker, job } => self.on_worker_frame(session, *worker, Some(*job), frame),
            Party::Embedded { worker } => self.on_worker_frame(session, *worker, None, frame),
            Party::Peer { node } => self.on_peer_frame(session, node, frame),
        }
    }

    /// Requests that clients and workers make alike.
    fn on_client_frame(&mut self, session: SessionKey, job: JobId, frame: Frame) -> Result<(), Failure> {
        let requester = Requester::Session(session);
        let event = match frame {
            Frame::Submit(submit) => return self.on_submit(session, job, None, submit),
            Frame::Put { object, value } => tasks::Event::Put { requester, job, object, value },
            Frame::Get { address } => tasks::Event::Wanted { requester, address },
            Frame::Release { objects } => tasks::Event::Released { requester, objects },
            Frame::Cancel { address, force, recursive } => {
                tasks::Event::Cancel { requester, address, force, recursive }
            }
            Frame::Call(call) => return self.on_driver_call(session, job, *call),
            Frame::Publish(publication) => {
                self.on_publish(session, *publication);
                return Ok(());
            }
            Frame::Ask { number, ask, .. } => {
                self.on_ask(session, number, None, *ask);
                return Ok(());
            }
            Frame::Goodbye => {
                self.on_goodbye(session);
                return Ok(());
            }
            other => return Err(unexpected("a client", &other)),
        };
        self.tell_tasks(event);
        Ok(())
    }

    fn on_submit(
        &mut self,
        session: SessionKey,
        job: JobId,
        parent: Option<mobula_types::TaskId>,
        submit: Submit,
    ) -> Result<(), Failure> {
        let Some(state) = self.sessions.get_mut(session) else { return Ok(()) };
        let template = state.received.get(submit.template)?;
        self.tell_tasks(tasks::Event::Submitted {
            requester: Requester::Session(session),
            job,
            task: submit.task,
            template,
            arguments: submit.arguments,
            parent,
            extras: submit.extras,
        });
        Ok(())
    }

    fn on_worker_frame(
        &mut self,
        session: SessionKey,
        worker: WorkerId,
        job: Option<JobId>,
        frame: Frame,
    ) -> Result<(), Failure> {
        let Some(frame) = self.on_worker_actor_frame(session, worker, frame)? else { return Ok(()) };
        let event = match frame {
            Frame::Done { handle, outcome, retryable, micros, borrows } => {
                let borrows = self.keep_borrows(session, borrows);
                self.note_owner(worker, handle, &outcome);
                executor::Event::Done { worker, handle, outcome, retryable, micros, borrows }
            }
            Frame::Returned { handles } => executor::Event::Returned { worker, handles },
            Frame::Unreadable { handle, object, failure } => {
                self.on_unreadable(worker, handle, object, failure);
                return Ok(());
            }
            Frame::Blocked { handle } => {
                self.tell_waiting(worker, handle, true);
                executor::Event::Blocked { worker, handle }
            }
            Frame::Unblocked { handle } => {
                self.tell_waiting(worker, handle, false);
                executor::Event::Unblocked { worker, handle }
            }
            Frame::Announce { functions } => {
                self.on_announced(worker, session, functions);
                return Ok(());
            }
            Frame::Submit(submit) => {
                let parent = submit.parent.and_then(|handle| self.parent_of(worker, handle));
                let job = job.or(parent.map(|parent| parent.job));
                let Some(job) = job else { return Err(without_parent()) };
                return self.on_submit(session, job, parent.and_then(|parent| parent.task), submit);
            }
            other => {
                self.report_ends();
                let job = job.or_else(|| self.job_of_object(&other)).unwrap_or_default();
                return self.on_client_frame(session, job, other);
            }
        };
        self.tell_executor(event);
        Ok(())
    }

    /// What was lent to a run and its worker keeps is held by the worker before the run's end is known, which lets go of
    /// it; its owner is told with that end.
    pub(super) fn keep_borrows(
        &mut self,
        session: SessionKey,
        borrows: Box<[ObjectAddress]>,
    ) -> Vec<ObjectId> {
        if borrows.is_empty() {
            return Vec::new();
        }
        let objects = borrows.iter().map(|address| address.object).collect();
        let requester = Requester::Session(session);
        self.tell_tasks(tasks::Event::Held { requester, objects: borrows.into_vec() });
        objects
    }

    /// Reports the ends of runs that are known by now: what a result refers to, or a worker borrows, is its owner's
    /// business before the worker's own references go.
    pub(super) fn report_ends(&mut self) {
        if !self.executor_effects.is_empty() {
            self.perform_executor_effects();
        }
    }

    /// The embedded worker serves many jobs: what it puts belongs to the job of the task that it runs.
    fn job_of_object(&self, frame: &Frame) -> Option<JobId> {
        match frame {
            Frame::Put { object, .. } => {
                let attempt = object.index.put_attempt();
                self.executor.run(object.task, attempt).map(|run| run.job)
            }
            _ => None,
        }
    }

    /// The job of a task that runs here, whoever owns it.
    pub(super) fn job_of_task(&self, task: TaskId) -> Option<JobId> {
        let of_driver = JobId(task.high);
        if self.jobs.info(of_driver).is_some() {
            return Some(of_driver);
        }
        let owned_here = self.tasks.task(task).map(|known| known.job);
        owned_here.or_else(|| self.executor.runs().find(|run| run.task == task).map(|run| run.job))
    }

    fn tell_waiting(&mut self, worker: WorkerId, handle: u64, waits: bool) {
        if let Some((job, task, _)) = self.executor.task_of(worker, handle) {
            self.tell_tasks(if waits {
                tasks::Event::Blocked { job, task }
            } else {
                tasks::Event::Unblocked { job, task }
            });
        }
    }

    fn on_peer_frame(&mut self, session: SessionKey, node: &NodeId, frame: Frame) -> Result<(), Failure> {
        let place = Place::Peer(node.clone());
        let owner = Owner::Peer(node.clone());
        let Some(frame) = self.on_peer_actor_frame(session, node, frame)? else { return Ok(()) };
        let node = node.clone();
        match frame {
            Frame::Assign(assignment) => self.on_assign(session, owner, *assignment)?,
            Frame::CancelAssignment { task, attempt, failure, force } => {
                self.tell_executor(executor::Event::Cancel { owner, task, attempt, failure, force });
            }
            Frame::RecallAssignments { tasks } => {
                self.tell_executor(executor::Event::Recall { owner, tasks })
            }
            Frame::ConfirmAssignments { mut tasks } => {
                let waiting = self.jobs.waiting();
                tasks.retain(|task| !waiting.contains(task));
                self.tell_executor(executor::Event::Confirm { owner, tasks });
            }
            Frame::AssignmentEnded { task, attempt, end } => {
                self.tell_tasks(tasks::Event::Ended { place, task, attempt, end: *end });
            }
            Frame::Resolve { object } => {
                let address = mobula_types::ObjectAddress::at_home(object);
                self.tell_tasks(tasks::Event::Wanted { requester: Requester::Peer(node), address });
            }
            Frame::Resolved { object, outcome } => {
                self.tell_tasks(tasks::Event::Resolved { owner: node, object, outcome });
            }
            Frame::Borrow { objects } => self.tell_tasks(tasks::Event::Borrowed { node, objects }),
            Frame::Unborrow { objects } => self.tell_tasks(tasks::Event::Unborrowed { node, objects }),
            Frame::Free { objects } => self.free_copies_of(&owner, objects),
            Frame::CopyLost { object, version, holder } => {
                self.tell_tasks(tasks::Event::CopyLost { node: holder, reporter: node, object, version });
            }
            Frame::CopyMade { object, version } => {
                self.tell_tasks(tasks::Event::CopyMade { node, object, version });
            }
            Frame::FindJob { job, owner_term } => self.on_find_job(session, &node, job, owner_term),
            Frame::FoundJob(found) => self.tell_tasks(tasks::Event::FoundJob { place, found: *found }),
            Frame::Cancel { address, force, recursive } => {
                let requester = Requester::Peer(node);
                self.tell_tasks(tasks::Event::Cancel { requester, address, force, recursive });
            }
            other => return Err(unexpected("a node", &other)),
        }
        Ok(())
    }

    fn on_assign(
        &mut self,
        session: SessionKey,
        owner: Owner,
        wire: frame::Assignment,
    ) -> Result<(), Failure> {
        let Some(state) = self.sessions.get_mut(session) else { return Ok(()) };
        let assignment = Assignment {
            task: wire.task,
            attempt: wire.attempt,
            job: wire.job,
            template: state.received.get(wire.template)?,
            arguments: wire.arguments,
            inputs: wire.inputs,
            deadline: wire.deadline.map(|left| self.now + left),
            refusals: wire.refusals,
        };
        self.assign_when_known(owner, assignment);
        Ok(())
    }

    /// Drops copies for their owner. One that a later owner has followed has no say over the driver's any more.
    fn free_copies_of(&mut self, owner: &Owner, mut objects: Vec<mobula_types::ObjectId>) {
        objects.retain(|object| {
            let job = JobId(object.task.high);
            !(object.is_of_driver(job) && self.executor.is_superseded(job, owner))
        });
        self.free_copies(&objects);
    }

    pub(super) fn free_copies(&mut self, objects: &[mobula_types::ObjectId]) {
        for object in objects {
            self.parts.store.remove(object);
        }
    }
}

fn unexpected(who: &str, frame: &Frame) -> Failure {
    let text = format!("{frame:?}");
    let name: String = text.chars().take_while(|c| c.is_alphanumeric()).collect();
    Failure::new(FailureKind::Malformed, format!("{who} may not send the frame {name}"))
}

fn without_parent() -> Failure {
    Failure::new(FailureKind::Malformed, "a submit of an embedded function names no run that it belongs to")
}
