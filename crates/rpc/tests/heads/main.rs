//! Questions to heads: asked until they are answered, and told apart from those that no head has heard.

mod script;

use mobula_rpc::head::{HeadClient, HeadClientOptions, HeadRefusal};
use mobula_types::actor::{ActorAnswer, ActorId, ActorRequest, ActorTarget, Asked, Question};
use mobula_types::{Failure, FailureKind, TaskId};
use script::{Line, Script};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

const DONE: ActorAnswer = ActorAnswer::Done { ended: None };

fn target() -> ActorTarget {
    ActorTarget::Id(ActorId(TaskId { high: 1, low: 2 }))
}

fn kill() -> ActorRequest {
    ActorRequest::Stop { target: target(), kill: true, grace: Duration::ZERO }
}

fn done() -> Line {
    Ok(Asked::Answered(Ok(DONE)))
}

fn failed(kind: FailureKind) -> Line {
    Err(Failure::new(kind, "as the script says").into())
}

/// Asks a head that answers in that way; gives the answer, and what it was asked.
async fn asked(
    request: &ActorRequest,
    lines: Vec<Line>,
) -> (Result<ActorAnswer, Failure>, Vec<Option<Question>>) {
    let script = Script::new(lines);
    let (address, _serving) = script.serve().await;
    let answer = client(vec![address]).actors(request).await;
    (answer, heard(&script))
}

fn client(heads: Vec<String>) -> HeadClient {
    HeadClient::new(HeadClientOptions::new(heads, None)).unwrap()
}

fn heard(script: &Arc<Script>) -> Vec<Option<Question>> {
    script.heard.lock().clone()
}

fn again(questions: &[Option<Question>]) -> Vec<bool> {
    let numbers: Vec<u128> = questions.iter().map(|question| question.unwrap().number).collect();
    assert!(numbers.iter().all(|number| *number == numbers[0]), "{numbers:?}");
    questions.iter().map(|question| question.unwrap().again).collect()
}

#[tokio::test]
async fn what_is_under_way_is_asked_until_it_is_answered() {
    let lines = vec![Ok(Asked::UnderWay), Ok(Asked::UnderWay), done()];
    let (answer, questions) = asked(&kill(), lines).await;
    assert_eq!(answer.unwrap(), DONE);
    assert_eq!(again(&questions), [false, true, true]);
}

#[tokio::test]
async fn a_question_that_may_have_been_heard_says_so_when_it_is_asked_again() {
    let lines = vec![failed(FailureKind::Unavailable), failed(FailureKind::TimedOut), done()];
    let (answer, questions) = asked(&kill(), lines).await;
    assert_eq!(answer.unwrap(), DONE);
    assert_eq!(again(&questions), [false, true, true]);
}

#[tokio::test]
async fn a_question_that_no_leader_heard_is_asked_as_a_new_one() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let script = Script::new([Err(HeadRefusal::not_leader(None)), done()]);
    let (address, _serving) = script.serve().await;
    let client = client(vec![format!("http://{gone}"), address]);
    assert_eq!(client.actors(&kill()).await.unwrap(), DONE);
    assert_eq!(again(&heard(&script)), [false, false]);
}

#[tokio::test]
async fn what_a_head_refused_is_not_asked_again() {
    let refused = || Err(Failure::new(FailureKind::Unavailable, "it may have been done"));
    let (answer, questions) = asked(&kill(), vec![Ok(Asked::Answered(refused())), done()]).await;
    assert_eq!(answer, refused());
    assert_eq!(questions.len(), 1);
}

#[tokio::test]
async fn what_changes_nothing_is_no_question() {
    let lines = vec![failed(FailureKind::Unavailable), done()];
    let (answer, questions) =
        asked(&ActorRequest::Children { supervisor: target(), after: None, limit: 1 }, lines).await;
    assert_eq!((answer.unwrap(), questions), (DONE, vec![None, None]));
}
