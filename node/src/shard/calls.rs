//! Calls from outside any session: thin clients, downloads, the state API.

use super::session::{Party, SessionState};
use super::{Call, CallWaits, GetCall, OwnTasks, Shard, ShardStatus};
use mobula_core::tasks::{self, Requester, SnapshotFilter, TaskSnapshot};
use mobula_types::frame::SubmitExtras;
use mobula_types::{
    Failure, FailureKind, JobId, NodeId, ObjectAddress, ObjectId, Outcome, TaskId, TaskState,
};

/// Calls that may wait for a value at once.
const MOST_CALLS: usize = 100_000;

impl Shard {
    pub(super) fn on_call(&mut self, call: Call) {
        match call {
            Call::Submit { job, task, template, arguments, references, deadline, reply } => {
                let Some(call) = self.number_call(CallWaits::Submit(reply)) else { return };
                let deadline = deadline.map(|deadline| deadline.since(self.now));
                self.tell_tasks(tasks::Event::Submitted {
                    requester: Requester::Call { job, call },
                    job,
                    task,
                    template,
                    arguments,
                    parent: None,
                    extras: SubmitExtras { references, deadline, ..SubmitExtras::default() }.boxed(),
                });
            }
            Call::Invoke { job, task, template, arguments, references, deadline, target, reply } => {
                let Some(call) = self.number_call(CallWaits::Submit(reply)) else { return };
                let deadline = deadline.map(|deadline| deadline.since(self.now));
                self.tell_tasks(tasks::Event::Called {
                    requester: Requester::Call { job, call },
                    job,
                    task,
                    template,
                    arguments,
                    extras: SubmitExtras { references, deadline, ..SubmitExtras::default() }.boxed(),
                    call: Box::new(target),
                });
            }
            Call::Get { address, job, until, reply } => {
                let object = address.object;
                self.get(address, GetCall { job, object, until, reply });
            }
            Call::Locate { object, reply } => {
                let _gone = reply.send(self.tasks.stored_copy(object));
            }
            Call::OwnerOf { object, reply } => drop(reply.send(self.owner_of_object(object))),
            Call::Put { job, object, value, reply } => {
                let Some(call) = self.number_call(CallWaits::Put(reply)) else { return };
                let requester = Requester::Call { job, call };
                self.tell_tasks(tasks::Event::Put { requester, job, object, value });
            }
            Call::Release { job, objects } => {
                self.tell_tasks(tasks::Event::Released {
                    requester: Requester::Call { job, call: 0 },
                    objects,
                });
            }
            Call::Cancel { job, task, force, recursive } => {
                let requester = Requester::Call { job, call: 0 };
                let address = ObjectAddress::at_home(ObjectId::result(task, 0));
                self.tell_tasks(tasks::Event::Cancel { requester, address, force, recursive });
            }
            Call::KnowJob { info, reply } => {
                self.open_job(info);
                let _gone = reply.send(());
            }
            Call::JobOf { task, reply } => drop(reply.send(self.job_of_task(task))),
            Call::CopyGone { object, version, holder } => {
                let reporter = self.parts.node.clone();
                self.tell_tasks(tasks::Event::CopyLost { node: holder, reporter, object, version });
            }
            Call::Copied { object, version } => {
                let owner = self.owner_of_object(object);
                self.tell_of_copy(&owner, object, version);
            }
            Call::Tasks { filter, limit, reply } => {
                let filter = SnapshotFilter { job: filter.job, state: filter.state, name: filter.name };
                let started = |task, attempt| self.executor.has_started(task, attempt);
                let tasks = self.tasks.tasks(&filter, limit, started);
                let _gone = reply.send(OwnTasks { tasks, started: self.executor.started_for_others() });
            }
            Call::Task { task, reply } => drop(reply.send(self.task(task))),
            Call::Logs { job, reply } => {
                let _gone = reply.send(self.jobs.logs(job));
            }
            Call::Workplace { job, reply } => {
                let _gone = reply.send(self.jobs.workplace(job).ok_or_else(|| Shard::job_ended(job)));
            }
            Call::Own { task } => self.own(task),
            Call::Status { reply } => drop(reply.send(self.status())),
            Call::Drain { reply } => self.begin_drain(Some(reply)),
        }
    }

    /// A task that this node owns.
    fn task(&self, task: TaskId) -> Option<TaskSnapshot> {
        let mut snapshot = self.tasks.task(task)?;
        let is_here = snapshot.node.as_ref() == Some(&self.parts.node);
        if snapshot.state == TaskState::Running
            && is_here
            && !self.executor.has_started(task, snapshot.attempt)
        {
            snapshot.state = TaskState::Queued;
        }
        Some(snapshot)
    }

    fn get(&mut self, address: ObjectAddress, get: GetCall) {
        let (job, until) = (get.job, get.until);
        let Some(call) = self.number_call(CallWaits::Get(get)) else { return };
        self.call_ends.insert((until, call));
        self.tell_tasks(tasks::Event::Wanted { requester: Requester::Call { job, call }, address });
    }

    /// Calls that have waited long enough are answered, and the task engine forgets them.
    pub(super) fn end_late_calls(&mut self) {
        while let Some((until, call)) = self.call_ends.first().copied()
            && until <= self.now
        {
            self.call_ends.pop_first();
            let Some(CallWaits::Get(get)) = self.calls.swap_remove(&call) else { continue };
            let requester = Requester::Call { job: get.job, call };
            self.tell_tasks(tasks::Event::Withdrawn { requester, object: get.object });
            let message = "the value was not there in time; ask again, it goes on being made";
            let failure = Failure::new(FailureKind::TimedOut, message).of_object(get.object);
            let _gone = get.reply.send(Outcome::Failed(failure));
        }
    }

    /// Keeps who waits. Callers that have left make room first; past the bound, the new one is dropped and told so by that.
    fn number_call(&mut self, waits: CallWaits) -> Option<u64> {
        if self.calls.len() >= MOST_CALLS {
            // A value that one of them still waits for is withdrawn at its end.
            self.calls.retain(|_, waits| !waits.is_abandoned() || matches!(waits, CallWaits::Get(_)));
            if self.calls.len() >= MOST_CALLS {
                return None;
            }
        }
        self.next_call += 1;
        self.calls.insert(self.next_call, waits);
        Some(self.next_call)
    }

    fn owner_of_object(&self, object: ObjectId) -> NodeId {
        let owner = self.tasks.object(object).and_then(|known| known.owner);
        owner.unwrap_or_else(|| self.parts.node.clone())
    }

    fn status(&self) -> ShardStatus {
        ShardStatus {
            load: self.load(),
            workers: self.workers.list(),
            sessions: self.sessions.iter().count() as u64,
            jobs: self.jobs.running().len() as u64,
        }
    }
}

impl CallWaits {
    fn is_abandoned(&self) -> bool {
        match self {
            CallWaits::Get(get) => get.reply.is_closed(),
            CallWaits::Put(reply) | CallWaits::Submit(reply) => reply.is_closed(),
        }
    }
}

impl super::session::Sessions {
    /// The sessions with drivers of a job.
    pub(super) fn clients_of(&self, job: JobId) -> impl Iterator<Item = tasks::SessionKey> + '_ {
        self.iter().filter(move |(_, state)| is_client(state, Some(job))).map(|(key, _)| key)
    }

    /// The sessions with drivers.
    pub(super) fn clients(&self) -> impl Iterator<Item = tasks::SessionKey> + '_ {
        self.iter().filter(|(_, state)| is_client(state, None)).map(|(key, _)| key)
    }
}

fn is_client(state: &SessionState, of: Option<JobId>) -> bool {
    matches!(&state.party, Party::Client { job, .. } if of.is_none_or(|of| of == *job))
}
