//! Questions to the home node, and the exits and messages that it is to tell of.

use super::Link;
use super::io::Io;
use super::requests::Parent;
use crate::observer::{ChangeReceiver, ChangeSender, change_queue};
use foldhash::HashMap;
use mobula_types::actor::{Down, Publication, StateChange, Subscriber, WatchKind};
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
    /// Of an observation of this session's own: changes. Where too many wait, the oldest are dropped.
    Changes(ChangeSender),
}

/// What somebody waits for: a watch, a subscription or an observation of this session's own, which ends when this is dropped. Its number at
/// the home node changes with the home; this does not.
#[derive(Debug)]
pub(crate) struct Interest {
    link: Arc<Link>,
    key: u64,
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.link.command(super::Command::Forget(self.key));
    }
}

impl News {
    fn is_wanted(&self) -> bool {
        match self {
            News::Exit(down) => !down.is_closed(),
            News::Messages(messages) => !messages.is_closed(),
            News::Changes(changes) => !changes.is_closed(),
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
    observations: HashMap<u64, Watcher>,
    /// What those three are called here, and their numbers at the home node.
    numbers: HashMap<u64, Number>,
}

/// A number that the home node has given.
#[derive(Clone, Copy, Debug)]
enum Number {
    Watch(u64),
    Subscription(u64),
    Observation(u64),
}

#[derive(Debug)]
struct Unanswered {
    /// `None` for a watch or a subscription that is asked for again.
    answer: Option<oneshot::Sender<Result<Answer, Failure>>>,
    watcher: Option<Watcher>,
}

#[derive(Debug)]
struct Watcher {
    /// What it is called here: the number of the question that was first asked.
    key: u64,
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

    /// Watches an actor on behalf of this session, and gives its exit.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) async fn watch(
        self: &Arc<Self>,
        target: ActorId,
        kind: WatchKind,
        parent: Parent,
    ) -> Result<(Interest, oneshot::Receiver<Down>), Failure> {
        let (answer, answered) = oneshot::channel();
        let (down, exited) = oneshot::channel();
        let ask = Box::new(Ask::Watch { target, kind, epoch: None });
        let news = Some(News::Exit(down));
        self.command(super::Command::Ask(Question { ask, parent, answer, news }));
        match refused(answered.await)? {
            Answer::Watching { number: key, .. } => Ok((Interest { link: self.clone(), key }, exited)),
            other => Err(odd_answer(&other)),
        }
    }

    /// Subscribes this session to topics, and gives their messages, of which `most` may wait.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        namespace: Arc<str>,
        pattern: Arc<str>,
        parent: Parent,
        most: usize,
    ) -> Result<(Interest, mpsc::Receiver<Arc<Publication>>), Failure> {
        let (answer, answered) = oneshot::channel();
        let (messages, received) = mpsc::channel(most);
        let ask = Box::new(Ask::Subscribe { namespace, pattern, subscriber: Subscriber::Session });
        let news = Some(News::Messages(messages));
        self.command(super::Command::Ask(Question { ask, parent, answer, news }));
        match refused(answered.await)? {
            Answer::Subscribed { subscription: key } => Ok((Interest { link: self.clone(), key }, received)),
            other => Err(odd_answer(&other)),
        }
    }
}

impl Link {
    /// Observes an actor or supervisor on behalf of this session, and gives how it stands.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) async fn observe(
        self: &Arc<Self>,
        target: ActorId,
        below: bool,
        parent: Parent,
    ) -> Result<(Interest, ChangeReceiver), Failure> {
        let (answer, answered) = oneshot::channel();
        let (sender, changes) = change_queue();
        let ask = Box::new(Ask::Observe { target, below });
        let news = Some(News::Changes(sender));
        self.command(super::Command::Ask(Question { ask, parent, answer, news }));
        match refused(answered.await)? {
            Answer::Observing { number: key } => Ok((Interest { link: self.clone(), key }, changes)),
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
        let watcher = news.map(|news| Watcher { key: self.asks.last + 1, ask: (*ask).clone(), news });
        self.send_question(*ask, parent, Unanswered { answer: Some(answer), watcher });
    }

    fn send_question(&mut self, ask: Ask, parent: Parent, unanswered: Unanswered) {
        self.asks.last += 1;
        let number = self.asks.last;
        self.asks.unanswered.insert(number, unanswered);
        self.out.push(Frame::Ask { number, parent, ask: Box::new(ask) });
    }

    pub(super) fn answered(&mut self, number: u64, mut answer: Answer) {
        let Some(Unanswered { answer: waits, watcher }) = self.asks.unanswered.remove(&number) else {
            return;
        };
        if let Some(watcher) = watcher {
            self.begin_watching(watcher, &mut answer);
        }
        if let Some(waits) = waits {
            let _nobody_waits = waits.send(Ok(answer));
        }
    }

    /// The home node has begun with a watch or a subscription; its asker is told what that is called here.
    fn begin_watching(&mut self, mut watcher: Watcher, answer: &mut Answer) {
        let key = watcher.key;
        if let (Ask::Watch { epoch, .. }, Answer::Watching { epoch: named, .. }) =
            (&mut watcher.ask, &*answer)
        {
            // Through another home it is that incarnation that is watched, whatever runs by then.
            *epoch = Some(*named);
        }
        let number = match answer {
            Answer::Watching { number, .. } => Number::Watch(std::mem::replace(number, key)),
            Answer::Subscribed { subscription } => Number::Subscription(std::mem::replace(subscription, key)),
            Answer::Observing { number } => Number::Observation(std::mem::replace(number, key)),
            _ => return,
        };
        if !watcher.news.is_wanted() {
            return self.ask_to_end(number);
        }
        match number {
            Number::Watch(number) => self.asks.watches.insert(number, watcher),
            Number::Subscription(number) => self.asks.subscriptions.insert(number, watcher),
            Number::Observation(number) => self.asks.observations.insert(number, watcher),
        };
        self.asks.numbers.insert(key, number);
    }

    /// Nobody waits for that any more. Where it has no number yet, it ends with the answer that gives it one.
    pub(super) fn forget(&mut self, key: u64) {
        let Some(number) = self.asks.numbers.remove(&key) else { return };
        match number {
            Number::Watch(number) => self.asks.watches.remove(&number),
            Number::Subscription(number) => self.asks.subscriptions.remove(&number),
            Number::Observation(number) => self.asks.observations.remove(&number),
        };
        self.ask_to_end(number);
    }

    fn ask_to_end(&mut self, number: Number) {
        let ask = match number {
            Number::Watch(number) => Ask::Unwatch { number },
            Number::Subscription(subscription) => Ask::Unsubscribe { subscription },
            Number::Observation(number) => Ask::Unobserve { number },
        };
        self.send_question(ask, None, Unanswered { answer: None, watcher: None });
    }

    /// What this session watches has exited.
    pub(super) fn down(&mut self, down: Down) {
        let Some(Watcher { key, news, .. }) = self.asks.watches.remove(&down.number) else { return };
        self.asks.numbers.remove(&key);
        if let News::Exit(exit) = news {
            let _nobody_waits = exit.send(down);
        }
    }

    /// A message to a topic that this session has subscribed to. Where too many wait it is lost; where nobody waits for any,
    /// the subscription ends.
    pub(super) fn published(&mut self, subscription: u64, publication: Arc<Publication>) {
        let Some(Watcher { key, news: News::Messages(messages), .. }) =
            self.asks.subscriptions.get(&subscription)
        else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Closed(_)) = messages.try_send(publication) {
            self.forget(*key);
        }
    }

    /// How what this session observes stands. With the target's death for good the observation is over.
    pub(super) fn observed(&mut self, number: u64, changes: Vec<StateChange>) {
        let Some(Watcher { key, ask: Ask::Observe { target, .. }, news: News::Changes(sender) }) =
            self.asks.observations.get(&number)
        else {
            return;
        };
        let is_over = changes.iter().any(|change| change.is_final && change.actor == *target);
        changes.into_iter().for_each(|change| sender.send(change));
        if is_over {
            self.asks.numbers.remove(key);
            self.asks.observations.remove(&number);
        }
    }

    /// Another node is the home: the old one answers nothing any more. What is watched is watched through the new one.
    pub(super) fn ask_anew(&mut self) {
        let last = self.asks.last;
        let Asks { unanswered, watches, subscriptions, observations, .. } = std::mem::take(&mut self.asks);
        self.asks.last = last;
        let known = watches.into_values().chain(subscriptions.into_values());
        let mut watchers: Vec<Watcher> = known.chain(observations.into_values()).collect();
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
