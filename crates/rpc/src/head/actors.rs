//! Asks heads about actors and supervisors.

use super::client::{HeadClient, unreadable};
use super::link::HeadLinkHandle;
use super::refusal::was_not_heard;
use super::targets::Stub;
use mobula_proto::wire;
use mobula_runtime::clock;
use mobula_types::actor::{ActorAnswer, ActorRequest, Asked, Question};
use mobula_types::{Failure, FailureKind, NodeId};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long what starts or stops something may be under way before nobody waits for it any more.
const STARTS_AND_STOPS: Duration = Duration::from_secs(600);

/// How much longer than others a request may take. Heads say meanwhile that it is under way.
pub fn allowance(request: &ActorRequest) -> Duration {
    match request {
        ActorRequest::Stop { grace, .. } => grace.saturating_add(STARTS_AND_STOPS),
        request if request.is_question() => STARTS_AND_STOPS,
        _ => Duration::ZERO,
    }
}

impl HeadClient {
    /// Asks about actors and supervisors. A try whose answer was lost is made again: what changes something is done once,
    /// as [`Question`] says, and an actor that is created has a name of its own. Waits for what is under way.
    ///
    /// # Errors
    /// `Unavailable` when no head led in time, or when another head leads than the one that may have done already what is
    /// not done twice; `TimedOut` for what is under way after its allowance; what the head refused.
    pub async fn actors(&self, request: &ActorRequest) -> Result<ActorAnswer, Failure> {
        self.actors_for(None, request).await
    }

    async fn actors_for(
        &self,
        asker: Option<&NodeId>,
        request: &ActorRequest,
    ) -> Result<ActorAnswer, Failure> {
        let number = request.is_question().then(rand::random);
        let ask = wire::AskActors {
            asker: asker.map(Into::into),
            request: Some(request.into()),
            question: number.map(|number| Question { number, again: false }.into()),
        };
        let allowance = allowance(request);
        let until = clock::now() + allowance;
        let heard = AtomicBool::new(false);
        loop {
            let one_try = |stub| one_try(stub, ask.clone(), &heard);
            let asked =
                self.targets().call("ask about actors", self.patience(), self.call_deadline(), one_try);
            let asked = asked.await.map_err(|refusal| refusal.failure)?;
            match asked.into_inner().try_into().map_err(unreadable)? {
                Asked::Answered(answer) => return answer,
                Asked::UnderWay if clock::now() < until => {}
                Asked::UnderWay => {
                    let text = format!("what was asked is under way after {allowance:?}, and goes on");
                    return Err(Failure::new(FailureKind::TimedOut, text));
                }
            }
        }
    }
}

/// Asks one head once. `heard` says whether a head may have heard the question, also where this is dropped before its end.
async fn one_try(
    mut stub: Stub,
    mut ask: wire::AskActors,
    heard: &AtomicBool,
) -> Result<tonic::Response<wire::AskedActors>, tonic::Status> {
    let again = heard.swap(true, Ordering::Relaxed);
    if let Some(question) = &mut ask.question {
        question.again = again;
    }
    let answer = stub.actors(ask).await;
    if !again && answer.as_ref().is_err_and(was_not_heard) {
        heard.store(false, Ordering::Relaxed);
    }
    answer
}

impl HeadLinkHandle {
    /// Asks about actors and supervisors, as this node: where actors that it creates are, it hears without asking.
    ///
    /// # Errors
    /// As for [`HeadClient::actors`].
    pub async fn actors(&self, request: &ActorRequest) -> Result<ActorAnswer, Failure> {
        let asker = self.lease().map(|(node, _)| node);
        self.client().actors_for(asker.as_ref(), request).await
    }
}
