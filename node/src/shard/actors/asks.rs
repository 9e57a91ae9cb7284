//! What programs ask beside tasks, objects and calls: most of it is passed on to the head.

use super::super::session::Party;
use super::super::{Input, Shard};
use super::Parent;
use super::watches::NewWatch;
use mobula_core::tasks::SessionKey;
use mobula_runtime::spawn;
use mobula_types::actor::{ActorRequest, Caller, ChildKind, ChildSpec, SupervisorSpec};
use mobula_types::frame::{Answer, Ask};
use mobula_types::{Failure, FailureKind, Frame, JobId};
use std::sync::Arc;

/// Questions to the head that may be under way at once.
const MOST_ASKED: usize = 10_000;
/// What a worker says where its node is to say whose a tree is.
const UNSAID: JobId = JobId(0);

impl Shard {
    fn job_of_session(&self, session: SessionKey) -> Option<JobId> {
        match self.sessions.party(session)? {
            Party::Client { job, .. } | Party::Worker { job, .. } => Some(*job),
            Party::Embedded { .. } | Party::Peer { .. } => None,
        }
    }

    /// A question of a session, or of what runs in a worker.
    pub(in super::super) fn on_ask(
        &mut self,
        session: SessionKey,
        number: u64,
        asker: Option<Parent>,
        ask: Ask,
    ) {
        let answer = match ask {
            Ask::Actors(mut request) => {
                let job = asker.map(|asker| asker.job).or_else(|| self.job_of_session(session));
                match claim(&mut request, job) {
                    Ok(()) => return self.ask_head(session, number, request),
                    Err(failure) => Answer::Failed(failure),
                }
            }
            Ask::Watch { target, kind } => {
                let actor = match asker.map(|asker| asker.caller) {
                    Some(Caller::Actor(incarnation)) => {
                        let seat = self.actors.host.seat_of(incarnation);
                        seat.map(|(worker, key)| (worker, key, incarnation))
                    }
                    _ => None,
                };
                let number = self.watch(NewWatch { session, actor, target, kind });
                Answer::Watching { number }
            }
            Ask::Unwatch { number } => {
                self.unwatch(session, number);
                Answer::Done
            }
            Ask::Join { .. } | Ask::Leave { .. } | Ask::Members { .. } => {
                let message = "this node keeps no process groups";
                Answer::Failed(Failure::new(FailureKind::InvalidArgument, message))
            }
        };
        self.sessions.send(session, Frame::Answered { number, answer: Box::new(answer) });
    }

    fn ask_head(&mut self, session: SessionKey, number: u64, request: ActorRequest) {
        if self.actors.asked >= MOST_ASKED {
            let message = format!("{MOST_ASKED} questions wait for the head already; ask again later");
            let answer = Answer::Failed(Failure::new(FailureKind::ResourceExhausted, message));
            return self.sessions.send(session, Frame::Answered { number, answer: Box::new(answer) });
        }
        self.actors.asked += 1;
        let (head, inbox) = (self.parts.head.clone(), self.parts.inbox.clone());
        self.own(spawn("ask the head of actors", async move {
            let answer = match head.actors(&request).await {
                Ok(answer) => Answer::Actors(answer),
                Err(failure) => Answer::Failed(failure),
            };
            let _shard_ended = inbox.send(Input::HeadAnswered { session, number, answer }).await;
        }));
    }

    pub(in super::super) fn on_head_answered(&mut self, session: SessionKey, number: u64, answer: Answer) {
        self.actors.asked -= 1;
        self.sessions.send(session, Frame::Answered { number, answer: Box::new(answer) });
    }
}

/// Whether a program of that job may ask for this. Whatever it is to start counts as its job's: a program runs nothing of
/// another's, and what runs in a worker need not know whose it is.
fn claim(request: &mut ActorRequest, job: Option<JobId>) -> Result<(), Failure> {
    match (request, job) {
        (ActorRequest::Create(_), _) => Err(refused("actors are created by submitting their constructors")),
        (ActorRequest::StartSupervisor { job: of, spec, .. }, Some(job)) => {
            claim_job(of, job)?;
            claim_supervisor(Arc::make_mut(spec), job, 1)
        }
        (ActorRequest::StartChild { child, .. }, Some(job)) => claim_child(child, job, 1),
        (ActorRequest::StartSupervisor { .. } | ActorRequest::StartChild { .. }, None) => {
            Err(refused("what is started is started for a job, and this session has none"))
        }
        _ => Ok(()),
    }
}

fn refused(text: &str) -> Failure {
    Failure::new(FailureKind::PermissionDenied, text)
}

fn claim_job(of: &mut JobId, job: JobId) -> Result<(), Failure> {
    if *of != UNSAID && *of != job {
        return Err(refused("a tree is started for the job of the program that starts it"));
    }
    *of = job;
    Ok(())
}

fn claim_supervisor(spec: &mut SupervisorSpec, job: JobId, level: usize) -> Result<(), Failure> {
    if level > SupervisorSpec::MOST_LEVELS {
        let text = format!("a tree has at most {} levels", SupervisorSpec::MOST_LEVELS);
        return Err(Failure::new(FailureKind::InvalidArgument, text));
    }
    spec.children.iter_mut().try_for_each(|child| claim_child(child, job, level + 1))
}

fn claim_child(child: &mut ChildSpec, job: JobId, level: usize) -> Result<(), Failure> {
    match &mut child.kind {
        ChildKind::Actor(spec) => claim_job(&mut Arc::make_mut(spec).job, job),
        ChildKind::Supervisor(spec) => claim_supervisor(Arc::make_mut(spec), job, level),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::ActorId;
    use mobula_types::actor::{ActorSpec, RestartType};
    use mobula_types::{FunctionId, Payload, TaskId, TaskOptions, TaskTemplate};

    fn child(job: JobId) -> ChildSpec {
        let template = Arc::new(TaskTemplate {
            function: FunctionId::new("a::A::new", ""),
            signature: None,
            options: TaskOptions::default(),
        });
        let spec = ActorSpec { job, template, arguments: Payload::EMPTY, inputs: Vec::new() };
        ChildSpec {
            id: "a".into(),
            restart: RestartType::Permanent,
            shutdown: Default::default(),
            significant: false,
            kind: ChildKind::Actor(Arc::new(spec)),
        }
    }

    fn tree(job: JobId, child_job: JobId) -> ActorRequest {
        let below = SupervisorSpec { children: vec![child(child_job)], ..SupervisorSpec::default() };
        let below = ChildSpec { kind: ChildKind::Supervisor(Arc::new(below)), ..child(job) };
        let spec = Arc::new(SupervisorSpec { children: vec![below], ..SupervisorSpec::default() });
        let supervisor = ActorId(TaskId { high: 1, low: 1 });
        let (namespace, name) = ("default".into(), "".into());
        ActorRequest::StartSupervisor { supervisor, namespace, name, job, detached: false, spec }
    }

    #[test]
    fn what_a_program_starts_is_its_jobs() {
        let own = Some(JobId(7));
        let mut unsaid = tree(UNSAID, UNSAID);
        claim(&mut unsaid, own).unwrap();
        assert_eq!(unsaid, tree(JobId(7), JobId(7)));
        let refused = |mut request| claim(&mut request, own).unwrap_err().kind();
        assert_eq!(refused(tree(JobId(8), JobId(7))), FailureKind::PermissionDenied);
        assert_eq!(refused(tree(JobId(7), JobId(8))), FailureKind::PermissionDenied);
        assert!(claim(&mut tree(JobId(7), JobId(7)), None).is_err());
    }
}
