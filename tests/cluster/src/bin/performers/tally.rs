//! The actors of the cases.

use crate::probes::GateHandle;
use mobula::{ActorContext, Down, ExitReason};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts, and remembers what it was told.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    total: u64,
    seen: Vec<u64>,
    downs: Vec<String>,
    inside: AtomicU64,
    most_inside: AtomicU64,
    /// Who hears of its end.
    heir: Option<TallyHandle>,
}

#[mobula::actor(groups(io = 2))]
impl Tally {
    pub(crate) fn new(start: u64) -> Self {
        Tally { total: start, ..Tally::default() }
    }

    pub(crate) fn failing() -> Result<Self, String> {
        Err("it cannot be".to_owned())
    }

    pub(crate) fn panicking() -> Self {
        panic!("no start")
    }

    pub(crate) async fn waiting() -> Self {
        std::future::pending().await
    }

    #[method(blocking)]
    pub(crate) fn blocking() -> Self {
        loop {
            std::thread::park();
        }
    }

    /// Starts with the sum of what it is given.
    pub(crate) fn summing(numbers: Vec<u64>) -> Self {
        Tally { total: numbers.iter().sum(), ..Tally::default() }
    }

    /// Tells that one of its end.
    pub(crate) fn with_heir(heir: TallyHandle) -> Self {
        Tally { heir: Some(heir), ..Tally::default() }
    }

    pub(crate) fn add(&mut self, by: u64) -> u64 {
        self.total += by;
        self.seen.push(by);
        self.total
    }

    /// Counts a call, and notes which one it was.
    pub(crate) fn add_one(&mut self, number: u64) -> u64 {
        self.total += 1;
        self.seen.push(number);
        self.total
    }

    pub(crate) fn read(&self) -> u64 {
        self.total
    }

    /// The job, how many CPUs the nodes have, and how many nodes there are once that many are, as the actor sees them.
    pub(crate) async fn sees(
        &self,
        ctx: &ActorContext,
        nodes: usize,
    ) -> mobula::Result<(String, f64, usize)> {
        let cluster = ctx.cluster().await?;
        cluster.wait_for_nodes(nodes, Duration::from_secs(10)).await?;
        cluster.close().await;
        Ok((cluster.job().to_string(), cluster.total_resources().cpu.as_f64(), cluster.view().nodes.len()))
    }

    pub(crate) fn seen(&self) -> Vec<u64> {
        self.seen.clone()
    }

    pub(crate) fn panic(&mut self) {
        panic!("on purpose");
    }

    pub(crate) fn refuse(&mut self, what: &str) -> Result<u64, String> {
        Err(format!("no {what}"))
    }

    /// An exclusive turn with a wait in it.
    pub(crate) async fn add_slowly(&mut self, by: u64, millis: u64) -> u64 {
        let before = self.total;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.total = before + by;
        self.seen.push(by);
        self.total
    }

    /// As that, once somebody else was told that it has begun.
    pub(crate) async fn add_noted(&mut self, by: u64, millis: u64, heir: TallyHandle) -> u64 {
        heir.note("begun".to_owned()).cast();
        self.add_slowly(by, millis).await
    }

    #[method(cancel_safe)]
    pub(crate) async fn wait_for_ever(&mut self) {
        std::future::pending::<()>().await;
    }

    /// Waits until so many are inside.
    pub(crate) async fn meet(&self, count: u64) -> u64 {
        self.enter();
        while self.most_inside.load(Ordering::SeqCst) < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
        count
    }

    #[method(group = "io")]
    pub(crate) async fn stay(&self, millis: u64) -> u64 {
        self.enter();
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.inside.fetch_sub(1, Ordering::SeqCst);
        self.most_inside.load(Ordering::SeqCst)
    }

    /// In a turn of its own.
    pub(crate) async fn pass_alone(&mut self, gate: GateHandle) -> mobula::Result<()> {
        gate.pass().await
    }

    #[method(group = "io")]
    pub(crate) async fn pass(&self, gate: GateHandle) -> mobula::Result<()> {
        gate.pass().await
    }

    fn enter(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_inside.fetch_max(inside, Ordering::SeqCst);
    }

    #[method(blocking)]
    pub(crate) fn block(&self, millis: u64) -> u64 {
        std::thread::sleep(Duration::from_millis(millis));
        millis
    }

    /// As that, once somebody else was told that it has begun.
    #[method(blocking)]
    pub(crate) fn block_noted(&self, millis: u64, heir: TallyHandle) -> u64 {
        heir.note("begun".to_owned()).cast();
        self.block(millis)
    }

    pub(crate) fn process(&self) -> u32 {
        std::process::id()
    }

    pub(crate) fn die(&self) {
        std::process::abort();
    }

    pub(crate) fn epoch(&self, context: &ActorContext) -> u64 {
        context.epoch().0
    }

    pub(crate) fn me(&self, context: &ActorContext) -> TallyHandle {
        context.me()
    }

    pub(crate) fn leave(&mut self, context: &ActorContext) {
        context.exit();
    }

    pub(crate) fn give_up(&mut self, context: &ActorContext) {
        context.fail(mobula::Error::new(mobula::ErrorKind::TaskFailed, "enough"));
    }

    /// Calls another actor in its turn.
    pub(crate) async fn ask(&self, other: TallyHandle) -> mobula::Result<u64> {
        other.read().await
    }

    pub(crate) async fn watch(&self, other: TallyHandle, context: ActorContext) -> mobula::Result<()> {
        context.monitor(&other).await.map(|_| ())
    }

    pub(crate) async fn link(
        &self,
        other: TallyHandle,
        trap: bool,
        context: ActorContext,
    ) -> mobula::Result<()> {
        context.trap_exits(trap);
        context.link(&other).await.map(|_| ())
    }

    pub(crate) fn downs(&self) -> Vec<String> {
        self.downs.clone()
    }

    pub(crate) fn tick_later(&self, context: &ActorContext) {
        let me: TallyHandle = context.me();
        drop(context.send_after(Duration::from_millis(20), me.add(7)));
    }

    fn on_stop(&mut self, reason: &ExitReason) {
        if let Some(heir) = &self.heir {
            heir.note(format!("stopped: {:?}", reason.kind())).cast();
        }
    }

    pub(crate) fn note(&mut self, text: String) {
        self.downs.push(text);
    }

    fn on_down(&mut self, down: Down) {
        self.downs.push(format!("{:?}", down.reason.kind()));
    }
}
