//! The actors of the trees, and what the cases share.

use mobula::prelude::*;
use mobula::{ActorInfo, ActorState, Down, Error, ErrorKind};
use std::collections::BTreeMap;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;
use tokio::time::Instant;

/// How long a case waits for what is to come.
const PATIENCE: Duration = Duration::from_secs(45);

/// Remembers in which order members started and stopped. It lives outside of the trees.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    starts: Vec<(u32, u64)>,
    stops: Vec<(u32, u64)>,
    latest: BTreeMap<u32, u64>,
    stale: u64,
}

#[mobula::actor]
impl Ledger {
    pub fn new() -> Self {
        Ledger::default()
    }

    pub fn started(&mut self, member: u32, epoch: u64) {
        self.starts.push((member, epoch));
        self.latest.insert(member, epoch);
    }

    pub fn stopped(&mut self, member: u32, epoch: u64) {
        self.stops.push((member, epoch));
    }

    /// A sign of life. It is stale where a later incarnation has started.
    pub fn beat(&mut self, member: u32, epoch: u64) {
        self.stale += u64::from(self.latest.get(&member).is_some_and(|latest| epoch < *latest));
    }

    pub fn starts(&self) -> Vec<(u32, u64)> {
        self.starts.clone()
    }

    pub fn stops(&self) -> Vec<(u32, u64)> {
        self.stops.clone()
    }

    pub fn stale(&self) -> u64 {
        self.stale
    }
}

/// A child of the trees.
#[derive(Debug)]
pub(crate) struct Member {
    number: u32,
    ledger: Option<LedgerHandle>,
}

#[mobula::actor]
impl Member {
    /// One that nobody hears of.
    pub fn quiet(number: u32) -> Self {
        Member { number, ledger: None }
    }

    pub fn new(number: u32, ledger: LedgerHandle) -> Self {
        Member { number, ledger: Some(ledger) }
    }

    pub fn failing() -> Result<Self, String> {
        Err("it cannot be".to_owned())
    }

    pub fn ignored() -> Option<Self> {
        None
    }

    async fn on_start(&mut self, context: &ActorContext) -> mobula::Result<()> {
        let Some(ledger) = self.ledger.clone() else { return Ok(()) };
        let (number, epoch) = (self.number, context.epoch().0);
        ledger.started(number, epoch).await?;
        context.send_every(Duration::from_millis(200), move || ledger.beat(number, epoch));
        Ok(())
    }

    async fn on_stop(&mut self, context: &ActorContext) -> mobula::Result<()> {
        match &self.ledger {
            Some(ledger) => ledger.stopped(self.number, context.epoch().0).await,
            None => Ok(()),
        }
    }

    pub fn epoch(&self, context: &ActorContext) -> u64 {
        context.epoch().0
    }

    pub fn number(&self) -> u32 {
        self.number
    }

    pub fn panic(&mut self) {
        panic!("on purpose");
    }

    /// Ends the worker, with everything in it.
    pub fn abort(&mut self) {
        std::process::abort();
    }

    pub fn exit(&mut self, context: &ActorContext) {
        context.exit();
    }

    /// Starts a tree from inside of an actor, and tells how many children it has.
    pub async fn start_below(&self) -> mobula::Result<usize> {
        let tree = Supervisor::one_for_one("below")
            .children((0..3).map(|number| (format!("{number}"), MemberHandle::quiet(number))))
            .start()
            .await?;
        Ok(tree.children().await?.len())
    }
}

/// Watches others.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    downs: Vec<String>,
}

#[mobula::actor]
impl Watcher {
    pub fn new() -> Self {
        Watcher::default()
    }

    fn on_down(&mut self, down: Down) {
        self.downs.push(format!("{:?} of epoch {}", down.reason.kind(), down.incarnation.epoch.0));
    }

    pub async fn monitor(&mut self, member: MemberHandle, context: &ActorContext) -> mobula::Result<()> {
        context.monitor(&member).await.map(|_number| ())
    }

    pub async fn link(&mut self, member: MemberHandle, context: &ActorContext) -> mobula::Result<()> {
        context.link(&member).await.map(|_number| ())
    }

    pub async fn link_watcher(&mut self, other: WatcherHandle, context: &ActorContext) -> mobula::Result<()> {
        context.link(&other).await.map(|_number| ())
    }

    /// Observes one until it runs as that incarnation, and tells the reasons that it heard of.
    pub async fn observe(&self, member: MemberHandle, epoch: u64) -> mobula::Result<Vec<String>> {
        let (mut changes, mut reasons) = (ActorHandle::watch(&member).await?, Vec::new());
        while let Some(change) = changes.next().await {
            reasons.extend(change.reason.map(|reason| format!("{:?}", reason.kind())));
            if change.state == ActorState::Running && change.epoch.0 == epoch {
                break;
            }
        }
        Ok(reasons)
    }

    pub fn trap_exits(&mut self, context: &ActorContext) {
        context.trap_exits(true);
    }

    pub fn downs(&self) -> Vec<String> {
        self.downs.clone()
    }
}

/// A ledger where no case kills.
pub(crate) async fn ledger() -> mobula::Result<(LedgerHandle, LedgerHandle)> {
    let held = LedgerHandle::new().named("ledger").on_node("node-0", false).spawn().await?;
    Ok((LedgerHandle::get("ledger").await?, held))
}

/// A shell that does something to the cluster. Dropping it waits for its end.
#[derive(Debug)]
pub(crate) struct Acting(Child);

impl Acting {
    pub(crate) fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.0.wait()
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        let _status = self.0.wait();
    }
}

/// Has a shell do something to the cluster.
pub(crate) fn act(line: &str) -> Acting {
    Acting(Command::new("sh").args(["-c", line]).spawn().expect("a shell"))
}

/// The actors of a tree, by the ids of their children.
pub(crate) async fn actors(tree: &SupervisorHandle) -> mobula::Result<Vec<ActorInfo>> {
    let mut actors = tree.tree().await?.actors;
    actors.sort_by(|one, other| one.child.cmp(&other.child));
    Ok(actors)
}

/// Their epochs, once all of them run and `check` agrees.
pub(crate) async fn until(
    tree: &SupervisorHandle,
    what: &str,
    check: impl Fn(&[ActorInfo]) -> bool,
) -> mobula::Result<Vec<ActorInfo>> {
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = actors(tree).await;
        match seen {
            Ok(actors) if check(&actors) => return Ok(actors),
            Err(error) if !error.is_retryable() => return Err(error),
            seen if Instant::now() > end => {
                let message =
                    format!("{what}: {}", seen.map_or_else(|error| error.to_string(), |all| say(&all)));
                return Err(Error::new(ErrorKind::TimedOut, message));
            }
            _not_yet => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn say(actors: &[ActorInfo]) -> String {
    let say = |actor: &ActorInfo| {
        let node = actor.node.as_ref().map_or_else(String::new, |node| node.to_string());
        format!("{} {:?} {} {node} ({})", actor.child, actor.state, actor.epoch.0, actor.last_exit)
    };
    actors.iter().map(say).collect::<Vec<_>>().join("; ")
}

/// They run, as these incarnations.
pub(crate) fn run_as(epochs: &[u64]) -> impl Fn(&[ActorInfo]) -> bool {
    move |actors| {
        actors.iter().all(|actor| actor.state == ActorState::Running)
            && actors.iter().map(|actor| actor.epoch.0).eq(epochs.iter().copied())
    }
}

/// The name of an actor's node.
pub(crate) fn node_of(actor: &ActorInfo) -> String {
    actor.node.as_ref().map(|node| node.name.to_string()).unwrap_or_default()
}

/// A state that an actor comes to.
pub(crate) async fn until_state(member: &MemberHandle, state: ActorState) -> mobula::Result<ActorInfo> {
    let end = Instant::now() + PATIENCE;
    loop {
        let info = member.info().await?;
        if info.state == state {
            return Ok(info);
        }
        if Instant::now() > end {
            let message = format!("it is not {state:?}: {}", say(&[info]));
            return Err(Error::new(ErrorKind::TimedOut, message));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
