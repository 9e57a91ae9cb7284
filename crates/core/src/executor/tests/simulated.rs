//! Workers that work in order, and messages that take their time.

use super::*;
use mobula_types::frame::Input;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What the node has sent to a worker and it has not seen yet.
enum Sent {
    Run(RunOrder),
    Recall(Vec<u64>),
    Cancel(u64),
    Resume(u64),
    Retire,
}

/// How the first run of a slot stands, as its worker knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Head {
    Runs,
    Waits,
    WantsToGoOn,
}

#[derive(Default)]
struct Worker {
    slots: BTreeMap<u32, (VecDeque<RunOrder>, Option<Head>)>,
    /// What the crash page says of each slot.
    page: BTreeMap<u32, LastRun>,
    /// Ends of runs whose results are still being stored.
    storing: Vec<Event>,
    inbox: VecDeque<Sent>,
    outbox: VecDeque<Event>,
    retiring: bool,
}

impl Worker {
    fn deliver(&mut self, sent: Sent) {
        match sent {
            Sent::Run(order) => {
                let (queue, head) = self.slots.entry(order.slot).or_default();
                if head.is_none() {
                    *head = Some(Head::Runs);
                    self.page.insert(order.slot, running(&order));
                }
                queue.push_back(order);
            }
            Sent::Recall(handles) => {
                let mut returned = Vec::new();
                for (queue, _) in self.slots.values_mut() {
                    let mut position = 0;
                    queue.retain(|order| {
                        position += 1;
                        let wanted = position > 1 && handles.contains(&order.handle);
                        returned.extend(wanted.then_some(order.handle));
                        !wanted
                    });
                }
                self.give_back(returned);
            }
            Sent::Cancel(handle) => self.cancel(handle),
            Sent::Resume(handle) => {
                for (queue, head) in self.slots.values_mut() {
                    if queue.front().is_some_and(|order| order.handle == handle) {
                        *head = Some(Head::Runs);
                    }
                }
            }
            Sent::Retire => self.retiring = true,
        }
    }

    fn give_back(&mut self, handles: Vec<u64>) {
        if let (false, Some(worker)) = (handles.is_empty(), self.id_hint()) {
            self.outbox.push_back(Event::Returned { worker, handles });
        }
    }

    fn id_hint(&self) -> Option<WorkerId> {
        self.slots.values().flat_map(|(queue, _)| queue).map(|order| order.worker).next()
    }

    /// What has not started is dropped, what waits is dropped where it waits (what is behind it goes back first), and
    /// what runs goes on: it does not heed it.
    fn cancel(&mut self, handle: u64) {
        let slots: Vec<u32> = self.slots.keys().copied().collect();
        for slot in slots {
            let Some((queue, head)) = self.slots.get_mut(&slot) else { continue };
            let Some(position) = queue.iter().position(|order| order.handle == handle) else { continue };
            if position > 0 {
                queue.remove(position);
                return self.give_back(vec![handle]);
            }
            if *head == Some(Head::Runs) {
                return;
            }
            let behind: Vec<u64> = queue.iter().skip(1).map(|order| order.handle).collect();
            queue.truncate(1);
            self.give_back(behind);
            self.end(slot, Outcome::Failed(failure(FailureKind::Cancelled)), 0, false);
            return;
        }
    }

    /// The first run of a slot ends. With `large`, its result is stored before the node hears of it.
    fn end(&mut self, slot: u32, outcome: Outcome, micros: u32, large: bool) {
        let Some((queue, head)) = self.slots.get_mut(&slot) else { return };
        let Some(order) = queue.pop_front() else { return };
        let next = queue.front();
        *head = next.map(|_| Head::Runs);
        let last = next.map_or(LastRun { over: true, ..running(&order) }, running);
        self.page.insert(slot, last);
        let done = Event::Done {
            worker: order.worker,
            handle: order.handle,
            outcome,
            retryable: false,
            micros,
            borrows: Vec::new(),
        };
        if large {
            self.storing.push(done);
        } else {
            self.outbox.push_back(done);
        }
    }

    fn running(&self) -> impl Iterator<Item = (&RunOrder, Head)> {
        self.slots.values().filter_map(|(queue, head)| Some((queue.front()?, (*head)?)))
    }

    fn is_empty(&self) -> bool {
        self.storing.is_empty() && self.slots.values().all(|(queue, _)| queue.is_empty())
    }
}

/// An executor among simulated workers. Every step is the caller's choice, so that a run can be repeated.
pub(super) struct Simulation {
    pub(super) world: World,
    workers: BTreeMap<WorkerId, Worker>,
    starting: Vec<WorkerId>,
    dead: Vec<(WorkerId, Vec<LastRun>)>,
    /// What has started on some worker.
    started: BTreeSet<u64>,
    fetches: Vec<(RunKey, Vec<Input>)>,
    pub(super) assigned: BTreeMap<TaskId, Owner>,
    pub(super) reports: BTreeMap<TaskId, Vec<AssignmentEnd>>,
    pub(super) orphaned: BTreeSet<TaskId>,
}

impl Simulation {
    pub(super) fn new(cpu: u64) -> Self {
        let mut world = World::embedded(cpu);
        world.event(Event::JobOpened { job: OTHER_JOB, has_executable: true, weight: 2 });
        Simulation {
            world,
            workers: [(EMBEDDED, Worker::default())].into(),
            starting: Vec::new(),
            dead: Vec::new(),
            started: BTreeSet::new(),
            fetches: Vec::new(),
            assigned: BTreeMap::new(),
            reports: BTreeMap::new(),
            orphaned: BTreeSet::new(),
        }
    }

    pub(super) fn assign(
        &mut self,
        owner: Owner,
        job: JobId,
        template: &Arc<TaskTemplate>,
        inputs: Vec<Input>,
    ) -> TaskId {
        self.world.numbered += 1;
        let mut assignment = self.world.assignment(self.world.numbered, job, template);
        assignment.inputs = inputs;
        let task = assignment.task;
        self.assigned.insert(task, owner.clone());
        self.event(Event::Assigned { owner, assignment });
        task
    }

    pub(super) fn event(&mut self, event: Event) {
        self.world.event(event);
        self.absorb();
    }

    /// Performs the effects: what is for workers goes into their inboxes.
    fn absorb(&mut self) {
        for effect in std::mem::take(&mut self.world.effects) {
            match effect {
                Effect::Report { task, end, .. } => self.reports.entry(task).or_default().push(end),
                Effect::Fetch { run, inputs } => self.fetches.push((run, inputs)),
                Effect::CancelFetch { run } => self.fetches.retain(|(fetching, _)| *fetching != run),
                Effect::StartWorker { worker, .. } => self.starting.push(worker),
                Effect::Run(order) => {
                    assert!(!self.started.contains(&order.handle), "{} was taken for unstarted", order.task);
                    self.send(order.worker, Sent::Run(order));
                }
                Effect::RecallRuns { worker, handles } => self.send(worker, Sent::Recall(handles)),
                Effect::CancelRun { worker, handle, .. } => self.send(worker, Sent::Cancel(handle)),
                Effect::Resume { worker, handle } => self.send(worker, Sent::Resume(handle)),
                Effect::Retire { worker } => self.send(worker, Sent::Retire),
                Effect::Kill { worker, .. } => {
                    assert_ne!(worker, EMBEDDED);
                    if self.starting.contains(&worker) {
                        self.starting.retain(|starting| *starting != worker);
                        self.dead.push((worker, Vec::new()));
                    } else {
                        self.crash(worker, 0);
                    }
                }
                Effect::Warn { .. } => {}
            }
        }
        self.check();
    }

    fn send(&mut self, worker: WorkerId, sent: Sent) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.inbox.push_back(sent);
        }
    }

    /// What really runs, as the workers know it, never uses more than there is; and neither do the books.
    fn check(&mut self) {
        let noted = self.workers.values().flat_map(|worker| worker.page.values());
        self.started.extend(noted.map(|noted| noted.handle));
        let total = self.world.executor.ledger.total();
        let load = self.world.executor.load();
        assert!(total.covers(&load.used), "the books say {}", load.used);
        let mut used = Resources::default();
        for (order, head) in self.workers.values().flat_map(Worker::running) {
            let mut need = order.template.options.resources.clone();
            if head != Head::Runs {
                need.cpu = Quantity::ZERO;
            }
            used.add(&need);
        }
        assert!(total.covers(&used), "the workers use {used}");
    }

    fn nth_worker(&self, choice: usize) -> WorkerId {
        *self.workers.keys().nth(choice % self.workers.len()).expect("the embedded one is there")
    }

    /// A worker sees the next thing that was sent to it.
    pub(super) fn deliver_to(&mut self, choice: usize) -> bool {
        let id = self.nth_worker(choice);
        let Some(worker) = self.workers.get_mut(&id) else { return false };
        let Some(sent) = worker.inbox.pop_front() else { return false };
        worker.deliver(sent);
        self.check();
        true
    }

    /// The node sees the next thing that a worker has sent.
    pub(super) fn deliver_from(&mut self, choice: usize) -> bool {
        let id = self.nth_worker(choice);
        let Some(event) = self.workers.get_mut(&id).and_then(|worker| worker.outbox.pop_front()) else {
            return false;
        };
        self.event(event);
        true
    }

    fn with_head(
        &mut self,
        choice: usize,
        state: Head,
        act: impl FnOnce(&mut Worker, u32, RunOrder),
    ) -> bool {
        let found = self.workers.values_mut().flat_map(|worker| {
            let slots: Vec<_> = worker
                .slots
                .iter()
                .filter(|(_, (_, head))| *head == Some(state))
                .filter_map(|(slot, (queue, _))| Some((*slot, queue.front()?.clone())))
                .collect();
            slots.into_iter().map(|(slot, order)| (order.worker, slot, order))
        });
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            return false;
        }
        let (id, slot, order) = found[choice % found.len()].clone();
        if let Some(worker) = self.workers.get_mut(&id) {
            act(worker, slot, order);
        }
        self.check();
        true
    }

    pub(super) fn finish(&mut self, choice: usize, micros: u32) -> bool {
        self.with_head(choice, Head::Runs, |worker, slot, _| worker.end(slot, done(1), micros, false))
    }

    pub(super) fn finish_large(&mut self, choice: usize) -> bool {
        self.with_head(choice, Head::Runs, |worker, slot, _| worker.end(slot, done(1), 100, true))
    }

    /// A large result of some worker is stored.
    pub(super) fn stored(&mut self, choice: usize) -> bool {
        let id = self.nth_worker(choice);
        let Some(worker) = self.workers.get_mut(&id).filter(|worker| !worker.storing.is_empty()) else {
            return false;
        };
        let done = worker.storing.remove(choice % worker.storing.len());
        worker.outbox.push_back(done);
        true
    }

    pub(super) fn wait(&mut self, choice: usize) -> bool {
        self.with_head(choice, Head::Runs, |worker, slot, order| {
            if let Some((_, head)) = worker.slots.get_mut(&slot) {
                *head = Some(Head::Waits);
            }
            worker.outbox.push_back(Event::Blocked { worker: order.worker, handle: order.handle });
        })
    }

    pub(super) fn stop_waiting(&mut self, choice: usize) -> bool {
        self.with_head(choice, Head::Waits, |worker, slot, order| {
            if let Some((_, head)) = worker.slots.get_mut(&slot) {
                *head = Some(Head::WantsToGoOn);
            }
            worker.outbox.push_back(Event::Unblocked { worker: order.worker, handle: order.handle });
        })
    }

    /// The tasks that run, by their workers' word.
    pub(super) fn running(&self) -> Vec<TaskId> {
        let heads = self.workers.values().flat_map(Worker::running);
        heads.filter(|(_, head)| *head == Head::Runs).map(|(order, _)| order.task).collect()
    }

    /// That task's run does something.
    pub(super) fn choice_of(&self, task: TaskId, waiting: bool) -> Option<usize> {
        let state = if waiting { Head::Waits } else { Head::Runs };
        let heads = self.workers.values().flat_map(Worker::running).filter(|(_, head)| *head == state);
        heads.map(|(order, _)| order.task).position(|running| running == task)
    }

    pub(super) fn start_or_fail(&mut self, choice: usize, fail: bool) -> bool {
        if let Some((worker, last)) = self.dead.pop() {
            let failure = failure(FailureKind::WorkerDied);
            self.event(Event::WorkerLost { worker, failure, last });
            return true;
        }
        if self.starting.is_empty() {
            return false;
        }
        let worker = self.starting.remove(choice % self.starting.len());
        if fail {
            self.event(Event::WorkerStartFailed { worker, failure: failure(FailureKind::Unavailable) });
        } else {
            self.workers.insert(worker, Worker::default());
            self.event(Event::WorkerStarted { worker, functions: Arc::new([info("square")]) });
        }
        true
    }

    /// A worker dies: what it had sent arrives but for the last `unsent` messages, then the news.
    pub(super) fn crash(&mut self, id: WorkerId, unsent: usize) {
        if id == EMBEDDED {
            return;
        }
        let Some(mut worker) = self.workers.remove(&id) else { return };
        let last = worker.page.values().copied().collect();
        let sent = worker.outbox.len().saturating_sub(unsent);
        for event in worker.outbox.drain(..sent) {
            self.event(event);
        }
        self.dead.push((id, last));
    }

    pub(super) fn crash_nth(&mut self, choice: usize, unsent: usize) {
        self.crash(self.nth_worker(choice), unsent);
    }

    pub(super) fn answer_fetch(&mut self, choice: usize, lost: bool) -> bool {
        if self.fetches.is_empty() {
            return false;
        }
        let (run, inputs) = self.fetches.remove(choice % self.fetches.len());
        match inputs.first().filter(|_| lost) {
            Some(input) => {
                let holder = NodeId::new("there", 1);
                self.event(Event::InputLost { run, object: input.object, holder });
            }
            None => self.event(Event::InputsReady { run, inputs }),
        }
        true
    }

    /// Everything that is under way arrives, and retired workers end.
    pub(super) fn settle(&mut self) {
        loop {
            self.event(Event::Flush);
            let mut moved = false;
            for choice in 0..self.workers.len() {
                moved |= self.stored(choice) | self.deliver_to(choice) | self.deliver_from(choice);
            }
            while self.answer_fetch(0, false) || self.start_or_fail(0, false) {
                moved = true;
            }
            let ended: Vec<WorkerId> = self
                .workers
                .iter()
                .filter(|(_, worker)| worker.retiring && worker.is_empty() && worker.outbox.is_empty())
                .map(|(id, _)| *id)
                .collect();
            for id in ended {
                self.crash(id, 0);
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    /// Everything runs to its end.
    pub(super) fn finish_all(&mut self) {
        for _ in 0..10_000 {
            self.settle();
            if self.world.executor.runs().next().is_none() {
                return;
            }
            let moved = self.stop_waiting(0) | self.finish(0, 50);
            self.settle();
            if !moved {
                assert!(self.world.next_tick(), "it is stuck: {:?}", self.world.executor);
                self.absorb();
            }
        }
        panic!("it does not come to an end: {:?}", self.world.executor);
    }
}
