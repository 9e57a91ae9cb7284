//! What programs ask beside tasks, objects and calls: most of it is passed on to the head.

use super::super::session::Party;
use super::super::{Input, Shard};
use super::Parent;
use super::watches::NewWatch;
use crate::detached::{child_of_job, tree_of_job};
use mobula_core::groups::node as groups;
use mobula_core::tasks::SessionKey;
use mobula_runtime::spawn;
use mobula_types::actor::{ActorRequest, Caller};
use mobula_types::frame::{Answer, Ask, Enrolment};
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
            Ask::Actors(request) => {
                let job = asker.map(|asker| asker.job).or_else(|| self.job_of_session(session));
                match claimed(request, job) {
                    Ok(request) => return self.ask_head(session, number, request),
                    Err(failure) => Answer::Failed(failure),
                }
            }
            Ask::Watch { target, kind, epoch } => {
                let actor = match asker.map(|asker| asker.caller) {
                    Some(Caller::Actor(incarnation)) => {
                        let seat = self.actors.host.seat_of(incarnation);
                        seat.map(|(_, key)| (key, incarnation))
                    }
                    _ => None,
                };
                return self.watch(NewWatch { session, asked: number, actor, target, kind, epoch });
            }
            Ask::Unwatch { number } => {
                self.unwatch(session, number);
                Answer::Done
            }
            Ask::Observe { target, below } => self.observe(session, target, below),
            Ask::Unobserve { number } => {
                self.unobserve(session, number);
                Answer::Done
            }
            Ask::View => {
                self.show_view(session);
                Answer::Done
            }
            Ask::Join { namespace, group, member } => {
                return self.on_enrol(session, number, Enrolment { namespace, group, member, joins: true });
            }
            Ask::Leave { namespace, group, member } => {
                return self.on_enrol(session, number, Enrolment { namespace, group, member, joins: false });
            }
            Ask::Members { namespace, group } => {
                let asker = (session, number);
                return self.tell_groups(groups::Event::Members { asker, namespace, group });
            }
            Ask::Subscribe { namespace, pattern, subscriber } => match self.recipient(session, subscriber) {
                Ok(recipient) => {
                    let asker = (session, number);
                    let event = groups::Event::Subscribe { asker, namespace, pattern, recipient };
                    return self.tell_groups(event);
                }
                Err(failure) => Answer::Failed(failure),
            },
            Ask::Unsubscribe { subscription } => {
                let asker = (session, number);
                return self.tell_groups(groups::Event::Unsubscribe { asker, subscription });
            }
        };
        self.sessions.send(session, Frame::Answered { number, answer: Box::new(answer) });
    }

    /// Counts a question to the head; answers it where there are too many already.
    pub(super) fn begin_asking(&mut self, session: SessionKey, number: u64) -> bool {
        if self.actors.asked >= MOST_ASKED {
            let message = format!("{MOST_ASKED} questions wait for the head already; ask again later");
            let answer = Answer::Failed(Failure::new(FailureKind::ResourceExhausted, message));
            self.sessions.send(session, Frame::Answered { number, answer: Box::new(answer) });
            return false;
        }
        self.actors.asked += 1;
        true
    }

    fn ask_head(&mut self, session: SessionKey, number: u64, request: ActorRequest) {
        if !self.begin_asking(session, number) {
            return;
        }
        let (head, inbox) = (self.parts.head.clone(), self.parts.inbox.clone());
        let detaching = match &request {
            ActorRequest::StartSupervisor { job, detached: true, .. } => self.jobs.info(*job).cloned(),
            _ => None,
        };
        let detached = self.actors.detached.clone();
        self.own(spawn("ask the head of actors", async move {
            let request = match detaching {
                Some(info) => detached.of(&info, &head).await.map(|job| in_job(request, job)),
                None => Ok(request),
            };
            let answer = match request {
                Ok(request) => head.actors(&request).await,
                Err(failure) => Err(failure),
            };
            let answer = match answer {
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

/// A tree that is to be started, as one of another job.
fn in_job(request: ActorRequest, job: JobId) -> ActorRequest {
    match request {
        ActorRequest::StartSupervisor { supervisor, namespace, name, detached, spec, .. } => {
            let spec = Arc::new(tree_of_job(&spec, job));
            ActorRequest::StartSupervisor { supervisor, namespace, name, job, detached, spec }
        }
        other => other,
    }
}

/// What a program of that job may ask for. Whatever it is to start counts as its job's: a program runs nothing of another's,
/// and what runs in a worker need not know whose it is.
fn claimed(request: ActorRequest, job: Option<JobId>) -> Result<ActorRequest, Failure> {
    let refuse = |text: &str| Err(Failure::new(FailureKind::PermissionDenied, text));
    match (request, job) {
        (ActorRequest::Create(_), _) => refuse("actors are created by submitting their constructors"),
        (ActorRequest::StartSupervisor { .. } | ActorRequest::StartChild { .. }, None) => {
            refuse("what is started is started for a job, and this session has none")
        }
        (ActorRequest::StartSupervisor { job: of, .. }, Some(job)) if of != UNSAID && of != job => {
            refuse("a tree is started for the job of the program that starts it")
        }
        (request @ ActorRequest::StartSupervisor { .. }, Some(job)) => Ok(in_job(request, job)),
        (ActorRequest::StartChild { supervisor, actor, child }, Some(job)) => {
            Ok(ActorRequest::StartChild { supervisor, actor, child: child_of_job(&child, job) })
        }
        (request, _) => Ok(request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::actor::{ActorSpec, ChildKind, ChildShutdown, ChildSpec, RestartType, SupervisorSpec};
    use mobula_types::{ActorId, FunctionId, Payload, TaskId, TaskOptions, TaskTemplate};

    fn child(kind: ChildKind) -> ChildSpec {
        let (restart, shutdown) = (RestartType::Permanent, ChildShutdown::default());
        ChildSpec { id: "a".into(), restart, shutdown, significant: false, kind }
    }

    fn tree(job: JobId, child_job: JobId) -> ActorRequest {
        let template = Arc::new(TaskTemplate {
            function: FunctionId::new("a::A::new", ""),
            signature: None,
            options: TaskOptions::default(),
        });
        let actor = ActorSpec { job: child_job, template, arguments: Payload::EMPTY, inputs: Vec::new() };
        let above = |kind| SupervisorSpec { children: vec![child(kind)], ..SupervisorSpec::default() };
        let below = above(ChildKind::Actor(Arc::new(actor)));
        let spec = Arc::new(above(ChildKind::Supervisor(Arc::new(below))));
        let supervisor = ActorId(TaskId { high: 1, low: 1 });
        let (namespace, name) = ("default".into(), "".into());
        ActorRequest::StartSupervisor { supervisor, namespace, name, job, detached: false, spec }
    }

    #[test]
    fn what_a_program_starts_is_its_jobs() {
        let own = JobId(7);
        for request in [tree(UNSAID, UNSAID), tree(own, own), tree(own, JobId(8))] {
            assert_eq!(claimed(request, Some(own)).unwrap(), tree(own, own));
        }
        let refused = claimed(tree(JobId(8), own), Some(own)).unwrap_err();
        assert_eq!(refused.kind(), FailureKind::PermissionDenied);
        assert!(claimed(tree(own, own), None).is_err());
    }
}
