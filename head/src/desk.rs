//! The front desk: answers what any head can, and passes the rest on to the leader, if that is this head.

use crate::command::{AskActors, Command, Reply};
use crate::image::ImageError;
use async_trait::async_trait;
use mobula_registry::{LeaseId, Registry, RegistryError};
use mobula_rpc::head::{
    FunctionStatus, HeadMessages, HeadRefusal, HeadService, HeadStatus, JoinRequest, NodeReports,
    TaskEventList,
};
use mobula_types::actor::{ActorRequest, Asked, Question};
use mobula_types::job::JobState;
use mobula_types::session::JobSecret;
use mobula_types::{
    ClusterId, ClusterView, ExecutableHash, Failure, FailureKind, HeadTerm, JobId, JobInfo, JobSpec,
    JobStatus, NodeId, NodeInfo, NodeName, TaskFilter, ViewDelta,
};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long the leader may take for an answer, a wait for the registry included.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);

/// How long the leader may take for an answer to a question before it is said to be under way: shorter than who asks waits
/// for a head.
const UNDER_WAY_AFTER: Duration = Duration::from_secs(3);

/// What became of a command.
enum Answered<T> {
    Leader(Result<T, HeadRefusal>),
    TooLate,
    /// This head stopped leading meanwhile.
    Nobody,
}

/// What this head is.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) registry: Option<Arc<dyn Registry>>,
    pub(crate) registry_problem: String,
    /// That the registry is full, and what to do; empty where it is not, and on a head that does not look after it.
    pub(crate) shortage: String,
    /// The leader's address, this head's own included.
    pub(crate) leader: Option<Arc<str>>,
    pub(crate) heads: Vec<Arc<str>>,
    pub(crate) quarantined: Vec<String>,
    pub(crate) leading: Option<(HeadTerm, mpsc::Sender<Command>)>,
}

impl Standing {
    /// This head leads no more, or could not begin to.
    pub(crate) fn step_down(&mut self, problem: Option<&ImageError>) {
        self.leading = None;
        self.leader = None;
        // Whoever leads next looks after the registry. Where nobody can for want of room, this head goes on to.
        if !problem.is_some_and(ImageError::is_full) {
            self.shortage.clear();
        }
        self.registry_problem = problem.map(ToString::to_string).unwrap_or_default();
    }

    /// Another head leads.
    pub(crate) fn stand_by(&mut self, leader: Option<Arc<str>>, cluster: ClusterId) {
        self.leader = leader;
        self.cluster = Some(cluster);
        self.registry_problem.clear();
        self.shortage.clear();
    }
}

/// The service of a head.
pub(crate) struct Desk {
    pub(crate) address: Arc<str>,
    pub(crate) registry_name: String,
    pub(crate) standing: Mutex<Standing>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Desk {
    pub(crate) fn new(address: Arc<str>, registry_name: String) -> Self {
        Desk { address, registry_name, standing: Mutex::new(Standing::default()) }
    }

    /// Asks the leader, if that is this head.
    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, HeadRefusal> {
        match self.answer_within(ANSWER_DEADLINE, command).await? {
            Answered::Leader(answer) => answer,
            Answered::TooLate => Err(self.too_slow(ANSWER_DEADLINE).into()),
            Answered::Nobody => Err(HeadRefusal::not_leader(None)),
        }
    }

    /// # Errors
    /// This head does not lead.
    async fn answer_within<T>(
        &self,
        within: Duration,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<Answered<T>, HeadRefusal> {
        let (commands, leader) = {
            let standing = self.standing.lock();
            (standing.leading.as_ref().map(|(_, commands)| commands.clone()), standing.leader.clone())
        };
        let Some(commands) = commands else { return Err(HeadRefusal::not_leader(leader)) };
        let (reply, answer) = oneshot::channel();
        let asked = async {
            commands.send(command(reply)).await.ok()?;
            answer.await.ok()
        };
        Ok(match tokio::time::timeout(within, asked).await {
            Ok(Some(answer)) => Answered::Leader(answer),
            Ok(None) => Answered::Nobody,
            Err(_) => Answered::TooLate,
        })
    }

    fn too_slow(&self, within: Duration) -> Failure {
        let problem = self.standing.lock().registry_problem.clone();
        let why = if problem.is_empty() {
            "it is overloaded".to_owned()
        } else {
            format!("its registry: {problem}")
        };
        let message = format!("head {} did not answer within {within:?}: {why}", self.address);
        Failure::new(FailureKind::TimedOut, message)
    }
}

#[async_trait]
impl HeadService for Desk {
    async fn join(&self, request: JoinRequest, reports: NodeReports) -> Result<HeadMessages, HeadRefusal> {
        self.ask(|reply| Command::Join { request: Box::new(request), reports, reply }).await
    }

    async fn renew_lease(&self, node: NodeId, lease_id: u64) -> Result<Duration, HeadRefusal> {
        let registry = self.standing.lock().registry.clone();
        let away = |why: String| {
            let message =
                format!("the lease of {node} is not renewed: head {} has no registry: {why}", self.address);
            HeadRefusal::from(Failure::new(FailureKind::Unavailable, message))
        };
        let Some(registry) = registry else { return Err(away("it has not reached it yet".to_owned())) };
        match registry.renew_lease(LeaseId::new(lease_id)).await {
            Ok(remaining) => Ok(remaining),
            Err(error @ RegistryError::LeaseNotFound { .. }) => {
                Err(Failure::new(FailureKind::NotFound, format!("{node}: {error}")).into())
            }
            Err(error) => Err(away(error.to_string())),
        }
    }

    async fn open_job(&self, job: JobId, secret: JobSecret, spec: JobSpec) -> Result<JobInfo, HeadRefusal> {
        self.ask(|reply| Command::OpenJob { job, secret, spec, reply }).await
    }

    async fn get_job(&self, job: JobId) -> Result<JobStatus, HeadRefusal> {
        self.ask(|reply| Command::GetJob { job, reply }).await
    }

    async fn verify_job(&self, job: JobId, secret: JobSecret) -> Result<JobInfo, HeadRefusal> {
        self.ask(|reply| Command::VerifyJob { job, secret, reply }).await
    }

    async fn end_job(&self, job: JobId, state: JobState, reason: String) -> Result<JobInfo, HeadRefusal> {
        self.ask(|reply| Command::EndJob { job, state, reason, reply }).await
    }

    async fn view(&self) -> Result<ClusterView, HeadRefusal> {
        self.ask(|reply| Command::View { reply }).await
    }

    async fn watch_view(&self) -> Result<mpsc::Receiver<ViewDelta>, HeadRefusal> {
        self.ask(|reply| Command::WatchView { reply }).await
    }

    async fn list_nodes(&self) -> Result<Vec<Arc<NodeInfo>>, HeadRefusal> {
        self.ask(|reply| Command::ListNodes { reply }).await
    }

    async fn list_jobs(&self, limit: usize) -> Result<Vec<JobStatus>, HeadRefusal> {
        self.ask(|reply| Command::ListJobs { limit, reply }).await
    }

    async fn list_functions(&self) -> Result<Vec<FunctionStatus>, HeadRefusal> {
        self.ask(|reply| Command::ListFunctions { reply }).await
    }

    async fn list_tasks(&self, filter: TaskFilter, limit: usize) -> Result<TaskEventList, HeadRefusal> {
        self.ask(|reply| Command::ListTasks { filter, limit, reply }).await
    }

    async fn locate_executable(&self, hash: ExecutableHash) -> Result<Vec<NodeId>, HeadRefusal> {
        self.ask(|reply| Command::LocateExecutable { hash, reply }).await
    }

    async fn drain(&self, node: NodeName) -> Result<(), HeadRefusal> {
        self.ask(|reply| Command::Drain { node, reply }).await
    }

    async fn actors(
        &self,
        asker: Option<NodeId>,
        question: Option<Question>,
        request: ActorRequest,
    ) -> Result<Asked, HeadRefusal> {
        let within = if question.is_some() { UNDER_WAY_AFTER } else { ANSWER_DEADLINE };
        let ask = AskActors { asker, question, request };
        match self.answer_within(within, |reply| Command::Actors { ask, reply }).await? {
            Answered::Leader(Ok(answer)) => Ok(Asked::Answered(Ok(answer))),
            Answered::Leader(Err(refusal)) => Ok(Asked::Answered(Err(refusal.failure))),
            Answered::TooLate if question.is_some() => Ok(Asked::UnderWay),
            Answered::TooLate => Err(self.too_slow(within).into()),
            // Not as one that never led: it may have been done.
            Answered::Nobody => {
                let text = format!("head {} stopped leading before it answered", self.address);
                Err(Failure::new(FailureKind::Unavailable, text).into())
            }
        }
    }

    async fn status(&self) -> HeadStatus {
        let standing = self.standing.lock();
        let problems = [&standing.shortage, &standing.registry_problem];
        let registry_problem = problems.into_iter().find(|problem| !problem.is_empty()).cloned();
        HeadStatus {
            cluster: standing.cluster,
            address: self.address.clone(),
            leading: standing.leading.is_some(),
            leader: standing.leader.clone(),
            term: standing.leading.as_ref().map(|(term, _)| *term).unwrap_or_default(),
            heads: standing.heads.clone(),
            registry: self.registry_name.clone(),
            registry_problem: registry_problem.unwrap_or_default(),
            quarantined: standing.quarantined.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Standing {
        Standing { shortage: "it is full".into(), ..Standing::default() }
    }

    #[test]
    fn a_head_that_leads_no_more_does_not_say_that_the_registry_is_full() {
        let mut standing = full();
        standing.step_down(None);
        assert_eq!(standing.shortage, "");
        let mut standing = full();
        let target = || "redb".to_owned();
        let corrupt = RegistryError::Corrupt { target: target(), reason: "a bad page".into() };
        standing.step_down(Some(&corrupt.into()));
        assert_eq!(standing.shortage, "", "it would hide what is wrong now");
        assert!(standing.registry_problem.contains("a bad page"));
        let mut standing = full();
        let no_space = RegistryError::NoSpace { target: target(), reason: "quota".into() };
        standing.step_down(Some(&no_space.into()));
        assert_eq!(standing.shortage, "it is full", "it could not begin to lead for that");
        standing.stand_by(Some("http://other:1".into()), ClusterId(1));
        assert_eq!(standing.shortage, "", "the other one looks after it");
    }
}
