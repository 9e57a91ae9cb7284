//! Actors that wait, fall and are unwell as they are told to.

use crate::tally::TallyHandle;
use mobula::prelude::*;
use mobula::{Down, ExitReason, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Holds whoever comes until it is opened.
#[derive(Debug)]
pub(crate) struct Gate {
    came: AtomicU64,
    closed: Semaphore,
}

#[mobula::actor]
impl Gate {
    pub(crate) fn new() -> Self {
        Gate { came: AtomicU64::new(0), closed: Semaphore::new(0) }
    }

    pub(crate) async fn pass(&self) {
        self.came.fetch_add(1, Ordering::SeqCst);
        // An error says that it is open.
        let _open = self.closed.acquire().await;
    }

    pub(crate) fn open(&self) {
        self.closed.close();
    }

    pub(crate) fn came(&self) -> u64 {
        self.came.load(Ordering::SeqCst)
    }
}

/// Waits until so many stand before the gate.
pub(crate) async fn until_came(gate: &GateHandle, count: u64) -> Result<()> {
    while gate.came().await? < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Notes in a ledger what it is asked for, and fails at it.
#[derive(Debug)]
pub(crate) struct Probe {
    ledger: TallyHandle,
}

#[mobula::actor]
impl Probe {
    pub(crate) fn new(ledger: TallyHandle) -> Self {
        Probe { ledger }
    }

    /// Comes to be as any incarnation but the second.
    pub(crate) fn fickle(ledger: TallyHandle, context: &ActorContext) -> Result<Self, String> {
        if context.epoch().0 == 2 { Err("not now".to_owned()) } else { Ok(Probe { ledger }) }
    }

    /// Ends its worker, as each incarnation before that one, which it gives. Said to be sent again in any case.
    #[method(max_task_retries = 5)]
    pub(crate) async fn fall(&mut self, what: String, before: u64, context: ActorContext) -> Result<u64> {
        self.ledger.note(what).await?;
        if context.epoch().0 < before {
            std::process::abort();
        }
        Ok(context.epoch().0)
    }

    /// Fails with an error that is to be tried again.
    #[method(max_task_retries = 2, retry_on = String::is_empty)]
    pub(crate) async fn refuse(&self, what: String) -> Result<u64, String> {
        let noted = self.ledger.note(what).await;
        Err(noted.err().map(|error| error.to_string()).unwrap_or_default())
    }

    /// Panics in a turn of its own, once the gate is open.
    pub(crate) async fn panic_behind(&mut self, gate: GateHandle) -> Result<()> {
        gate.pass().await?;
        panic!("on purpose");
    }

    pub(crate) fn panic(&mut self) {
        panic!("on purpose");
    }

    /// Has its actor for itself until the gate is open.
    pub(crate) async fn hold(&mut self, gate: GateHandle) -> Result<()> {
        gate.pass().await
    }

    pub(crate) async fn tick(&self, what: String) -> Result<()> {
        self.ledger.note(what).await
    }

    /// Ticks until the incarnation ends, with its epoch.
    pub(crate) fn tick_on(&self, context: &ActorContext) {
        let (ledger, epoch) = (self.ledger.clone(), context.epoch().0);
        drop(context.send_every(Duration::from_millis(10), move || ledger.note(epoch.to_string())));
    }

    pub(crate) fn epoch(&self, context: &ActorContext) -> u64 {
        context.epoch().0
    }
}

/// Is as well as it was told to be, and notes in a ledger what its host calls.
#[derive(Debug)]
pub(crate) struct Patient {
    ledger: TallyHandle,
    /// How its checks go, one after the other; those behind go well.
    checks: Vec<bool>,
    checked: AtomicUsize,
    calls: usize,
}

#[mobula::actor(health_period = "250ms")]
impl Patient {
    pub(crate) fn new(ledger: TallyHandle, checks: Vec<bool>) -> Self {
        Patient { ledger, checks, checked: AtomicUsize::new(0), calls: 0 }
    }

    async fn on_start(&mut self) -> Result<()> {
        self.ledger.note("on_start".to_owned()).await
    }

    fn on_stop(&mut self, reason: &ExitReason) {
        self.ledger.note(format!("on_stop {:?}", reason.kind())).cast();
    }

    fn on_down(&mut self, down: Down) {
        self.ledger.note(format!("on_down {:?} after {}", down.reason.kind(), self.calls)).cast();
    }

    fn health_check(&self) -> Result<(), String> {
        let well = self.checks.get(self.checked.fetch_add(1, Ordering::SeqCst)).copied().unwrap_or(true);
        self.ledger.note(format!("check {well}")).cast();
        if well { Ok(()) } else { Err("it is not well".to_owned()) }
    }

    pub(crate) fn checked(&self) -> usize {
        self.checked.load(Ordering::SeqCst)
    }

    /// A call that takes its time, in a turn of its own.
    pub(crate) async fn treat(&mut self, millis: u64) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.calls += 1;
        if self.calls == 1 { self.ledger.note("first call".to_owned()).await } else { Ok(()) }
    }

    /// Has its actor for itself until the gate is open.
    pub(crate) async fn hold(&mut self, gate: GateHandle) -> Result<()> {
        gate.pass().await
    }

    pub(crate) async fn watch(&self, other: TallyHandle, context: ActorContext) -> Result<()> {
        context.monitor(&other).await.map(|_number| ())
    }
}

/// Serves many, and stands before a gate in the middle.
#[derive(Debug)]
pub(crate) struct Counter {
    gate: GateHandle,
    ledger: TallyHandle,
    stands_at: u64,
    taken: u64,
}

#[mobula::actor(mailbox = 20)]
impl Counter {
    pub(crate) fn new(gate: GateHandle, ledger: TallyHandle, stands_at: u64) -> Self {
        Counter { gate, ledger, stands_at, taken: 0 }
    }

    pub(crate) async fn take(&mut self) -> Result<()> {
        self.taken += 1;
        if self.taken == self.stands_at {
            return self.gate.pass().await;
        }
        // Slower than its callers, wherever they are.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(())
    }

    /// Leaves behind how many calls it has served.
    async fn on_stop(&mut self) -> Result<()> {
        self.ledger.add(self.taken).await.map(|_total| ())
    }
}

/// Calls more often than it is served.
#[derive(Debug)]
pub(crate) struct Flooder;

#[mobula::actor]
impl Flooder {
    pub(crate) fn new() -> Self {
        Flooder
    }

    /// Calls a counter so often, then somebody else, which it waits for. How many of its calls ran, and how many are known
    /// not to have run.
    pub(crate) async fn flood(
        &self,
        counter: CounterHandle,
        other: TallyHandle,
        count: u64,
    ) -> Result<(u64, u64)> {
        let calls: Vec<_> = (0..count).map(|_| counter.take().submit()).collect();
        other.add(1).await?;
        let (mut ran, mut unstarted) = (0, 0);
        for call in calls {
            match call.await {
                Ok(()) => ran += 1,
                Err(error) if error.kind() == ErrorKind::ActorDied && !error.may_have_run() => unstarted += 1,
                Err(error) => return Err(error),
            }
        }
        Ok((ran, unstarted))
    }
}

/// Sees who is in it at the same time.
#[derive(Debug, Default)]
pub(crate) struct Room {
    inside: AtomicU64,
    most: AtomicU64,
    alone: AtomicBool,
    together: AtomicU64,
}

#[mobula::actor(max_concurrency = 3)]
impl Room {
    pub(crate) fn new() -> Self {
        Room::default()
    }

    fn enter(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        self.look_around();
    }

    fn leave(&self) {
        self.look_around();
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether somebody is here who should be alone.
    fn look_around(&self) {
        self.together.fetch_add(u64::from(self.alone.load(Ordering::SeqCst)), Ordering::SeqCst);
    }

    /// Stays until so many have been here at once.
    pub(crate) async fn meet(&self, count: u64) {
        self.enter();
        while self.most.load(Ordering::SeqCst) < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.leave();
    }

    #[method(blocking)]
    pub(crate) fn visit(&self) {
        self.enter();
        std::thread::sleep(Duration::from_millis(1));
        self.leave();
    }

    pub(crate) async fn be_alone(&mut self) {
        self.look_around();
        self.together.fetch_add(self.inside.load(Ordering::SeqCst), Ordering::SeqCst);
        self.alone.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.together.fetch_add(self.inside.load(Ordering::SeqCst), Ordering::SeqCst);
        self.alone.store(false, Ordering::SeqCst);
    }

    /// How many were inside at the most, and how often somebody was there beside one who should be alone.
    pub(crate) fn seen(&self) -> (u64, u64) {
        (self.most.load(Ordering::SeqCst), self.together.load(Ordering::SeqCst))
    }
}
