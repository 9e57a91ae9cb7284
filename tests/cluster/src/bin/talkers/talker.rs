//! The actors of the cases, and what the cases share.

use mobula::prelude::*;
use mobula::{Error, Group, Subscription};
use std::process::{Child, Command};
use std::time::Duration;
use tokio::time::Instant;

/// How long a case waits for what is to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Is in groups, and remembers what it has heard.
#[derive(Debug, Default)]
pub(crate) struct Talker {
    /// What it has joined as soon as it has started.
    group: String,
    heard: Vec<(String, u64)>,
    subscriptions: Vec<u64>,
}

#[mobula::actor]
impl Talker {
    pub fn new() -> Self {
        Talker::default()
    }

    pub fn in_group(group: String) -> Self {
        Talker { group, ..Talker::default() }
    }

    /// The first incarnation joins, later ones do not.
    async fn on_start(&mut self, context: &ActorContext) -> mobula::Result<()> {
        if !self.group.is_empty() && context.epoch().0 == 1 {
            context.join_group(self.group.clone()).await?;
            self.listen(format!("{}.#", self.group), context).await?;
        }
        Ok(())
    }

    pub async fn join(&self, group: String, context: &ActorContext) -> mobula::Result<()> {
        context.join_group(group).await
    }

    pub async fn leave(&self, group: String, context: &ActorContext) -> mobula::Result<()> {
        context.leave_group(group).await
    }

    pub async fn listen(&mut self, pattern: String, context: &ActorContext) -> mobula::Result<()> {
        let subscription = context.subscribe::<TalkerHandle>(pattern, "hear").await?;
        self.subscriptions.push(subscription);
        Ok(())
    }

    /// Subscribes with a method that there is not, and tells what comes of it.
    pub async fn listen_badly(&self, context: &ActorContext) -> String {
        let refused = context.subscribe::<TalkerHandle>("a", "overhear").await.err();
        format!("{:?}", refused.map(|error| error.kind()))
    }

    /// Hears nothing more.
    pub async fn turn_away(&mut self, context: &ActorContext) -> mobula::Result<()> {
        for subscription in self.subscriptions.drain(..) {
            context.unsubscribe(subscription).await?;
        }
        Ok(())
    }

    /// A message of a topic.
    pub fn hear(&mut self, topic: String, message: u64) {
        self.heard.push((topic, message));
    }

    pub fn heard(&self) -> Vec<(String, u64)> {
        self.heard.clone()
    }

    pub fn forget(&mut self) {
        self.heard.clear();
    }

    /// Publishes so many messages, which count from 0.
    pub fn say(&self, topic: String, count: u64) -> mobula::Result<()> {
        (0..count).try_for_each(|message| mobula::topic(topic.as_str()).publish(&message))
    }

    /// How many are in a group, as far as is known here.
    pub async fn members(&self, group: String) -> mobula::Result<usize> {
        Ok(mobula::group::<TalkerHandle>(group).members().await?.len())
    }

    pub fn panic(&mut self) {
        panic!("on purpose");
    }
}

pub(crate) async fn talker_on(node: &str) -> mobula::Result<TalkerHandle> {
    TalkerHandle::new().on_node(node, false).spawn().await
}

pub(crate) async fn member_on(node: &str, group: &str) -> mobula::Result<TalkerHandle> {
    TalkerHandle::in_group(group.to_owned()).on_node(node, false).spawn().await
}

pub(crate) fn group(name: &str) -> Group<TalkerHandle> {
    mobula::group(name)
}

/// Has a shell do something to the cluster.
pub(crate) fn act(line: &str) -> Child {
    Command::new("sh").args(["-c", line]).spawn().expect("a shell")
}

/// Asks until the answer is as it is to be.
pub(crate) async fn until<T: std::fmt::Debug>(
    what: &str,
    mut ask: impl AsyncFnMut() -> mobula::Result<T>,
    check: impl Fn(&T) -> bool,
) -> mobula::Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(answer) if check(&answer) => return Ok(answer),
            Err(error) if !error.is_retryable() => return Err(error),
            answer if Instant::now() > end => {
                return Err(Error::new(ErrorKind::TimedOut, format!("{what}: {answer:?}")));
            }
            _not_yet => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Waits until so many are in a group, as far as this driver's node knows and as far as the actors' nodes do.
pub(crate) async fn until_members(
    name: &str,
    count: usize,
    askers: &[&TalkerHandle],
) -> mobula::Result<Vec<TalkerHandle>> {
    for asker in askers {
        until("members", async || asker.members(name.to_owned()).await, |seen| *seen == count).await?;
    }
    until("members", async || group(name).members().await, |seen| seen.len() == count).await
}

/// Says something under a topic until that actor has heard it, and has it forget.
pub(crate) async fn until_heard(
    listener: &TalkerHandle,
    speaker: &TalkerHandle,
    topic: &str,
) -> mobula::Result<()> {
    let say = async || {
        speaker.say(topic.to_owned(), 1).await?;
        listener.heard().await
    };
    until("it has heard something", say, |heard| !heard.is_empty()).await?;
    until_quiet(listener).await?;
    listener.forget().await
}

/// Waits until an actor has heard nothing new for a while: what it has heard.
pub(crate) async fn until_quiet(listener: &TalkerHandle) -> mobula::Result<Vec<(String, u64)>> {
    let mut heard = listener.heard().await?;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = listener.heard().await?;
        if now.len() == heard.len() {
            return Ok(now);
        }
        heard = now;
    }
}

/// The messages of a subscription until none comes for a while.
pub(crate) async fn all_of(subscription: &mut Subscription<u64>) -> mobula::Result<Vec<(String, u64)>> {
    let mut heard = Vec::new();
    while let Ok(message) = tokio::time::timeout(Duration::from_millis(500), subscription.next()).await {
        match message {
            Some(message) => heard.push(message?),
            None => return Err(Error::new(ErrorKind::SessionExpired, "the subscription has ended")),
        }
    }
    Ok(heard)
}
