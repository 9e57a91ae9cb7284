//! Questions to the home node, and the exits and messages that it is to tell of.

use super::Link;
use super::io::Io;
use super::requests::Parent;
use foldhash::HashMap;
use mobula_types::actor::{Down, Publication, Subscriber, WatchKind};
use mobula_types::frame::{Answer, Ask};
use mobula_types::{ActorId, Failure, FailureKind, Frame};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// A question on its way to the session's thread.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) ask: Box<Ask>,
    pub(crate) parent: Parent,
    pub(crate) answer: oneshot::Sender<Result<Answer, Failure>>,
    /// Where the question has more than an answer: who hears of it.
    pub(crate) news: Option<News>,
}

/// Who hears of what comes behind the answer to a question.
#[derive(Debug)]
pub(crate) enum News {
    /// Of a watch of this session's own: the exit.
    Exit(oneshot::Sender<Down>),
    /// Of a subscription of this session's own: messages. What finds no room is lost.
    Messages(mpsc::Sender<Arc<Publication>>),
}

impl News {
    fn is_wanted(&self) -> bool {
        match self {
            News::Exit(down) => !down.is_closed(),
            News::Messages(messages) => !messages.is_closed(),
        }
    }
}

/// Questions without an answer, watches without an exit, and subscriptions. All are bounded by those who wait for them: what nobody
/// waits for any more is forgotten with the answer.
#[derive(Debug, Default)]
pub(super) struct Asks {
    last: u64,
    unanswered: HashMap<u64, Unanswered>,
    watches: HashMap<u64, Watcher>,
    subscriptions: HashMap<u64, Watcher>,
}

#[derive(Debug)]
struct Unanswered {
    /// `None` for a watch or a subscription that is asked for again.
    answer: Option<oneshot::Sender<Result<Answer, Failure>>>,
    watcher: Option<Watcher>,
}

#[derive(Debug)]
struct Watcher {
    /// What it is asked for again with.
    ask: Ask,
    news: News,
}

impl Link {
    /// Asks the home node. Cancellation safe: the question stays asked.
    ///
    /// # Errors
    /// The node's refusal; `Unavailable` where the home node was lost before it answered.
    pub(crate) async fn ask(&self, ask: Ask, parent: Parent) -> Result<Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        self.command(super::Command::Ask(Question { ask: Box::new(ask), parent, answer, news: None }));
        refused(answered.await)
    }

    /// Tells the home node something whose answer nobody waits for.
    pub(crate) fn tell(&self, ask: Ask) {
        let (answer, _nobody_waits) = oneshot::channel();
        self.command(super::Command::Ask(Question { ask: Box::new(ask), parent: None, answer, news: None }));
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
        let ask = Box::new(Ask::Watch { target, kind, epoch: None });
        let news = Some(News::Exit(down));
        self.command(super::Command::Ask(Question { ask, parent, answer, news }));
        match refused(answered.await)? {
            Answer::Watching { number, .. } => Ok((number, exited)),
            other => Err(odd_answer(&other)),
        }
    }

    /// Subscribes this session to topics: the number of the subscription, and its messages, of which `most` may wait.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) async fn subscribe(
        &self,
        namespace: Arc<str>,
        pattern: Arc<str>,
        parent: Parent,
        most: usize,
    ) -> Result<(u64, mpsc::Receiver<Arc<Publication>>), Failure> {
        let (answer, answered) = oneshot::channel();
        let (messages, received) = mpsc::channel(most);
        let ask = Box::new(Ask::Subscribe { namespace, pattern, subscriber: Subscriber::Session });
        let news = Some(News::Messages(messages));
        self.command(super::Command::Ask(Question { ask, parent, answer, news }));
        match refused(answered.await)? {
            Answer::Subscribed { subscription } => Ok((subscription, received)),
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
        let Question { ask, parent, answer, news } = question;
        match &*ask {
            Ask::Unwatch { number } => drop(self.asks.watches.remove(number)),
            Ask::Unsubscribe { subscription } => drop(self.asks.subscriptions.remove(subscription)),
            _ => {}
        }
        let watcher = news.map(|news| Watcher { ask: (*ask).clone(), news });
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
        match (watcher, &answer) {
            (Some(mut watcher), Answer::Watching { number, epoch: named }) => {
                // Through another home it is that incarnation that is watched, whatever runs by then.
                if let Ask::Watch { epoch, .. } = &mut watcher.ask {
                    *epoch = Some(*named);
                }
                self.asks.watches.insert(*number, watcher);
            }
            (Some(watcher), Answer::Subscribed { subscription }) => {
                self.asks.subscriptions.insert(*subscription, watcher);
            }
            _ => {}
        }
        if let Some(waits) = waits {
            let _nobody_waits = waits.send(Ok(answer));
        }
    }

    /// What this session watches has exited.
    pub(super) fn down(&mut self, down: Down) {
        if let Some(Watcher { news: News::Exit(exit), .. }) = self.asks.watches.remove(&down.number) {
            let _nobody_waits = exit.send(down);
        }
    }

    /// A message to a topic that this session has subscribed to. Where too many wait it is lost; where nobody waits for any,
    /// the subscription ends.
    pub(super) fn published(&mut self, subscription: u64, publication: Arc<Publication>) {
        let Some(Watcher { news: News::Messages(messages), .. }) = self.asks.subscriptions.get(&subscription)
        else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Closed(_)) = messages.try_send(publication) {
            self.asks.subscriptions.remove(&subscription);
            let nobody_waits = Unanswered { answer: None, watcher: None };
            self.send_question(Ask::Unsubscribe { subscription }, None, nobody_waits);
        }
    }

    /// Another node is the home: the old one answers nothing any more. What is watched is watched through the new one.
    pub(super) fn ask_anew(&mut self) {
        let Asks { unanswered, watches, subscriptions, .. } = std::mem::take(&mut self.asks);
        let mut watchers: Vec<Watcher> = watches.into_values().chain(subscriptions.into_values()).collect();
        for (_, Unanswered { answer, watcher }) in unanswered {
            match (answer, watcher) {
                (Some(answer), _) => {
                    let message = "the home node was lost before it answered; ask again";
                    let _nobody_waits = answer.send(Err(Failure::new(FailureKind::Unavailable, message)));
                }
                (None, watcher) => watchers.extend(watcher),
            }
        }
        for watcher in watchers.into_iter().filter(|watcher| watcher.news.is_wanted()) {
            let ask = watcher.ask.clone();
            self.send_question(ask, None, Unanswered { answer: None, watcher: Some(watcher) });
        }
    }
}
