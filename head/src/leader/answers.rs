//! What the front desk asks.

use super::{BACKLOG_LIMIT, Leader};
use crate::command::{Command, Reply};
use mobula_core::jobs::{self, RequestKey};
use mobula_core::membership;
use mobula_rpc::head::{FunctionStatus, HeadRefusal};
use mobula_types::session::JobSecret;
use mobula_types::{
    ClusterView, Failure, FailureKind, JobInfo, JobSpec, NodeId, NodeName, NodeState, ViewDelta,
};
use tokio::sync::mpsc;

/// Changes of the view that wait for a watcher.
const WATCHER_QUEUE: usize = 256;
/// What a driver declares is kept in the registry and told to every node: its size is bounded.
const SPEC_LIMIT: usize = 64 * 1024;

/// Who asked may have given up: then the answer is dropped.
fn answer<T>(reply: Reply<T>, answer: Result<T, HeadRefusal>) {
    let _given_up = reply.send(answer);
}

impl Leader {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Join { request, reports, reply } => self.join(*request, reports, reply),
            Command::Report { link, report } => self.report(link, report),
            Command::LinkEnded { link, failure } => self.link_ended(link, failure),
            Command::OpenJob { job, secret, spec, reply } => {
                let secret_hash = hash(&secret);
                match self.check_spec(&spec) {
                    Ok(()) => {
                        self.ask_jobs(reply, |request| jobs::Event::Open { request, job, secret_hash, spec })
                    }
                    Err(failure) => answer(reply, Err(failure.into())),
                }
            }
            Command::EndJob { job, state, reason, reply } => {
                self.ask_jobs(reply, |request| jobs::Event::End { request, job, state, reason });
            }
            Command::GetJob { job, reply } => answer(reply, self.jobs.get(job).map_err(Into::into)),
            Command::VerifyJob { job, secret, reply } => {
                answer(reply, self.jobs.verify(job, &hash(&secret)).map_err(Into::into));
            }
            Command::View { reply } => answer(reply, Ok(self.membership.living())),
            Command::WatchView { reply } => self.watch_view(reply),
            Command::ListNodes { reply } => {
                answer(reply, Ok(self.membership.view().nodes.values().cloned().collect()));
            }
            Command::ListJobs { limit, reply } => answer(reply, Ok(self.jobs.list(limit))),
            Command::ListFunctions { reply } => answer(reply, Ok(self.functions())),
            Command::ListTasks { filter, limit, reply } => answer(reply, Ok(self.tasks.list(&filter, limit))),
            Command::LocateExecutable { hash, reply } => answer(reply, Ok(self.executables.holders(&hash))),
            Command::Drain { node, reply } => self.drain(node, reply),
            Command::Actors { ask, reply } => self.ask_of_actors(ask, reply),
        }
    }

    fn ask_jobs(&mut self, reply: Reply<JobInfo>, event: impl FnOnce(RequestKey) -> jobs::Event) {
        self.next_request += 1;
        let request = RequestKey(self.next_request);
        self.requests.insert(request, reply);
        self.tell_jobs(event(request));
    }

    fn check_spec(&self, spec: &JobSpec) -> Result<(), Failure> {
        let environment: usize = spec.environment.iter().map(|(key, value)| key.len() + value.len()).sum();
        let arguments: usize = spec.worker_arguments.iter().map(String::len).sum();
        let size = spec.name.len() + spec.origin.len() + environment + arguments;
        if size > SPEC_LIMIT {
            let message = format!(
                "the job's name, origin, environment and arguments are {size} bytes, {SPEC_LIMIT} are allowed"
            );
            return Err(Failure::new(FailureKind::TooLarge, message));
        }
        if self.writer.backlog() >= BACKLOG_LIMIT {
            let message = format!("{BACKLOG_LIMIT} writes wait for the registry; try again later");
            return Err(Failure::new(FailureKind::ResourceExhausted, message));
        }
        Ok(())
    }

    fn watch_view(&mut self, reply: Reply<mpsc::Receiver<ViewDelta>>) {
        let (sender, receiver) = mpsc::channel(WATCHER_QUEUE);
        let view: ClusterView = self.membership.living();
        // A new channel has room.
        if sender.try_send(view.full_delta()).is_ok() {
            self.watchers.push(sender);
        }
        answer(reply, Ok(receiver));
    }

    fn functions(&self) -> Vec<FunctionStatus> {
        let status = |entry: &mobula_core::directory::Entry| FunctionStatus {
            info: entry.info.clone(),
            nodes: entry.nodes.iter().cloned().collect(),
        };
        self.directory.entries().map(status).collect()
    }

    fn drain(&mut self, name: NodeName, reply: Reply<()>) {
        match self.membership.drainable(&name) {
            Err(failure) => answer(reply, Err(failure.into())),
            Ok(node) if node.state == NodeState::Draining => answer(reply, Ok(())),
            Ok(_) => {
                self.drains.push((name.clone(), reply));
                self.tell_membership(membership::Event::Drain { name });
            }
        }
    }

    /// A drain is durable.
    pub(super) fn drained(&mut self, node: &NodeId) {
        let drains = std::mem::take(&mut self.drains);
        let (done, waiting) = drains.into_iter().partition(|(name, _)| *name == node.name);
        self.drains = waiting;
        let done: Vec<(NodeName, Reply<()>)> = done;
        done.into_iter().for_each(|(_, reply)| answer(reply, Ok(())));
    }
}

/// The registry keeps no secret, only its hash.
fn hash(secret: &JobSecret) -> [u8; 32] {
    *blake3::hash(&secret.0).as_bytes()
}
