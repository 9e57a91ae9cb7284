//! Questions to the home node, and the exits that it is to tell of.

use super::Link;
use super::io::Io;
use super::requests::Parent;
use foldhash::HashMap;
use mobula_types::actor::{Down, WatchKind};
use mobula_types::frame::{Answer, Ask};
use mobula_types::{ActorId, Failure, FailureKind, Frame};
use tokio::sync::oneshot;

/// A question on its way to the session's thread.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) ask: Box<Ask>,
    pub(crate) parent: Parent,
    pub(crate) answer: oneshot::Sender<Result<Answer, Failure>>,
    /// Where the question is a watch of this session's own: who hears of the exit.
    pub(crate) down: Option<oneshot::Sender<Down>>,
}

/// Questions without an answer, and watches without an exit. Both are bounded by those who wait for them: what nobody
/// waits for any more is forgotten with the answer.
#[derive(Debug, Default)]
pub(super) struct Asks {
    last: u64,
    unanswered: HashMap<u64, Unanswered>,
    watches: HashMap<u64, Watcher>,
}

#[derive(Debug)]
struct Unanswered {
    /// `None` for a watch that is asked for again.
    answer: Option<oneshot::Sender<Result<Answer, Failure>>>,
    watcher: Option<Watcher>,
}

#[derive(Debug)]
struct Watcher {
    target: ActorId,
    kind: WatchKind,
    down: oneshot::Sender<Down>,
}

impl Link {
    /// Asks the home node. Cancellation safe: the question stays asked.
    ///
    /// # Errors
    /// The node's refusal; `Unavailable` where the home node was lost before it answered.
    pub(crate) async fn ask(&self, ask: Ask, parent: Parent) -> Result<Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        self.command(super::Command::Ask(Question { ask: Box::new(ask), parent, answer, down: None }));
        refused(answered.await)
    }

    /// Tells the home node something whose answer nobody waits for.
    pub(crate) fn tell(&self, ask: Ask) {
        let (answer, _nobody_waits) = oneshot::channel();
        self.command(super::Command::Ask(Question { ask: Box::new(ask), parent: None, answer, down: None }));
    }

    /// Watches an actor on behalf of this session: the number of the watch, and its exit.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) async fn watch(
        &self,
        target: ActorId,
        kind: WatchKind,
        parent: Parent,
    ) -> Result<(u64, oneshot::Receiver<Down>), Failure> {
        let (answer, answered) = oneshot::channel();
        let (down, exited) = oneshot::channel();
        let ask = Box::new(Ask::Watch { target, kind });
        self.command(super::Command::Ask(Question { ask, parent, answer, down: Some(down) }));
        match refused(answered.await)? {
            Answer::Watching { number } => Ok((number, exited)),
            other => Err(odd_answer(&other)),
        }
    }
}

/// The answer is not one to the question.
pub(crate) fn odd_answer(answer: &Answer) -> Failure {
    Failure::new(FailureKind::Internal, format!("the home node answered another question: {answer:?}"))
}

fn refused(answered: Result<Result<Answer, Failure>, oneshot::error::RecvError>) -> Result<Answer, Failure> {
    match answered {
        Ok(Ok(Answer::Failed(failure)) | Err(failure)) => Err(failure),
        Ok(Ok(answer)) => Ok(answer),
        Err(_session_over) => {
            Err(Failure::new(FailureKind::SessionExpired, "the session with the node is over"))
        }
    }
}

impl Io {
    pub(super) fn ask(&mut self, question: Question) {
        let Question { ask, parent, answer, down } = question;
        if let Ask::Unwatch { number } = &*ask {
            self.asks.watches.remove(number);
        }
        let watcher = match (&*ask, down) {
            (Ask::Watch { target, kind }, Some(down)) => Some(Watcher { target: *target, kind: *kind, down }),
            _ => None,
        };
        self.send_question(*ask, parent, Unanswered { answer: Some(answer), watcher });
    }

    fn send_question(&mut self, ask: Ask, parent: Parent, unanswered: Unanswered) {
        self.asks.last += 1;
        let number = self.asks.last;
        self.asks.unanswered.insert(number, unanswered);
        self.out.push(Frame::Ask { number, parent, ask: Box::new(ask) });
    }

    pub(super) fn answered(&mut self, number: u64, answer: Answer) {
        let Some(Unanswered { answer: waits, watcher }) = self.asks.unanswered.remove(&number) else {
            return;
        };
        if let (Some(watcher), Answer::Watching { number }) = (watcher, &answer) {
            self.asks.watches.insert(*number, watcher);
        }
        if let Some(waits) = waits {
            let _nobody_waits = waits.send(Ok(answer));
        }
    }

    /// What this session watches has exited.
    pub(super) fn down(&mut self, down: Down) {
        if let Some(watcher) = self.asks.watches.remove(&down.number) {
            let _nobody_waits = watcher.down.send(down);
        }
    }

    /// Another node is the home: the old one answers nothing any more. What is watched is watched through the new one.
    pub(super) fn ask_anew(&mut self) {
        let Asks { unanswered, watches, .. } = std::mem::take(&mut self.asks);
        let mut watchers: Vec<Watcher> = watches.into_values().collect();
        for (_, Unanswered { answer, watcher }) in unanswered {
            match (answer, watcher) {
                (Some(answer), _) => {
                    let message = "the home node was lost before it answered; ask again";
                    let _nobody_waits = answer.send(Err(Failure::new(FailureKind::Unavailable, message)));
                }
                (None, watcher) => watchers.extend(watcher),
            }
        }
        for watcher in watchers.into_iter().filter(|watcher| !watcher.down.is_closed()) {
            let ask = Ask::Watch { target: watcher.target, kind: watcher.kind };
            self.send_question(ask, None, Unanswered { answer: None, watcher: Some(watcher) });
        }
    }
}
