//! Random histories: every submitted task ends exactly once for each submit, and nothing is left once everything was
//! released.
//!
//! `MOBULA_SEED=n cargo test -p mobula-core tasks::tests::properties` runs one seed,
//! `MOBULA_SEEDS=n` as many as are wanted.

use super::world::*;
use crate::tasks::{Effect, Event, Place, Requester, SessionKey, SessionKind};
use mobula_types::frame::AssignmentEnd;
use mobula_types::{
    Attempt, Failure, FailureKind, NodeId, ObjectId, ObjectIndex, Outcome, ResultValue, TaskId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    fn one_of<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.below(from.len() as u64) as usize).cloned()
    }
}

/// What is around the engine: executors that hold assignments, sessions that hold references.
struct History {
    world: World,
    random: Random,
    /// Assignments that have not ended.
    open: Vec<(Place, TaskId, Attempt, u32)>,
    /// Submits that were not answered, by session and task.
    unanswered: BTreeMap<(u64, u64), u32>,
    worker: SessionKey,
    /// Tasks without references.
    leaves: BTreeSet<u64>,
    /// References that each session has, with how often it was given them.
    held: BTreeMap<(u64, ObjectId), u32>,
    /// Gets that were not answered.
    wanted: u32,
    nodes: Vec<NodeId>,
    told: u64,
    next_task: u64,
    next_put: u64,
    next_generation: u64,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut world = World::with(2, |options| options.lineage_bytes = 4096);
        let nodes = vec![there(), elsewhere()];
        world.tell(view([here(), there(), elsewhere()].map(|id| node(id, 2))));
        History {
            world,
            random: Random(seed),
            open: Vec::new(),
            unanswered: BTreeMap::new(),
            worker: WORKER,
            leaves: BTreeSet::new(),
            held: BTreeMap::new(),
            wanted: 0,
            nodes,
            told: 0,
            next_task: 1,
            next_put: 0,
            next_generation: 2,
        }
    }

    fn tell(&mut self, event: Event) {
        let mut effects = Vec::new();
        let said = if self.told.is_multiple_of(16) { format!("{event:?}") } else { String::new() };
        self.world.engine.on_event(self.world.now, event, &mut effects);
        // Looking at everything costs far more than the event.
        if self.told.is_multiple_of(16)
            && let Err(problem) = self.world.engine.check()
        {
            panic!("after {said}: {problem}");
        }
        self.told += 1;
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Assign { place, assignment } => {
                    let returns = assignment.template.options.num_returns;
                    self.open.push((place, assignment.task, assignment.attempt, returns));
                }
                Effect::Completed { session, task, outcome } => {
                    self.receive(session.0, &outcome);
                    let key = (session.0, task.low);
                    let left = self.unanswered.get_mut(&key).expect("a task ends once for each submit");
                    *left -= 1;
                    if *left == 0 {
                        self.unanswered.remove(&key);
                    }
                }
                Effect::Got { requester, outcome, .. } => {
                    if let Requester::Session(session) = requester {
                        self.receive(session.0, &outcome);
                    }
                    self.wanted = self.wanted.checked_sub(1).expect("an answer for each question");
                }
                _ => {}
            }
        }
    }

    /// A session was sent values: it has the references in them.
    fn receive(&mut self, session: u64, outcome: &Outcome) {
        for value in outcome.values().unwrap_or_default() {
            for inner in value.contained.iter().flat_map(|contained| contained.iter()) {
                *self.held.entry((session, inner.object)).or_default() += 1;
            }
        }
    }

    fn some_held(&mut self, session: u64) -> Option<ObjectId> {
        let of_session: Vec<ObjectId> =
            self.held.keys().filter(|(holder, _)| *holder == session).map(|(_, object)| *object).collect();
        self.random.one_of(&of_session)
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..=5 => self.submit(),
            6..=11 => self.end_one(),
            12 => self.put(),
            13..=14 => self.release_one(),
            15 => self.want_one(),
            16 => self.cancel_one(),
            17 => self.disturb(),
            18 => {
                self.world.now = self.world.now + Duration::from_millis(self.random.below(2_000));
                self.tell(Event::Tick);
            }
            _ => self.tell(Event::Flush),
        }
    }

    fn submit(&mut self) {
        let again = self.random.below(12) == 0;
        let running: Vec<TaskId> = self.open.iter().map(|(_, task, ..)| *task).collect();
        let parent = if self.random.below(3) == 0 { self.random.one_of(&running) } else { None };
        let session = if parent.is_some() { self.worker } else { DRIVER };
        let number = if again { 1 + self.random.below(self.next_task) } else { self.next_task };
        self.next_task = self.next_task.max(number + 1);
        let mut submit = self.world.submission(number);
        submit.requester = Requester::Session(session);
        submit.parent = parent.filter(|parent| parent.low != number);
        let returns = [1, 1, 1, 2, 0][self.random.below(5) as usize];
        let retries = self.random.below(4) as u32;
        let returns = if again { 1 } else { returns };
        submit.template = template("work", |options| {
            options.num_returns = returns;
            options.max_retries = retries;
        });
        // An id stands for its arguments: one that is submitted again has none here.
        let references = if again { 0 } else { self.random.below(3) };
        for _ in 0..references {
            if let Some(object) = self.some_held(session.0)
                && object.task != submit.task
            {
                if self.random.below(3) == 0 {
                    submit.contained.push(address(object));
                } else {
                    submit.references.push(whole(object));
                }
            }
        }
        if !again && submit.references.is_empty() && submit.contained.is_empty() {
            self.leaves.insert(number);
        }
        if self.random.below(8) == 0 {
            submit.deadline = Some(self.world.now + Duration::from_millis(self.random.below(3_000)));
        }
        *self.unanswered.entry((session.0, number)).or_default() += 1;
        let task = submit.task;
        let known = self.world.engine.task(task).is_some();
        self.world.now = self.world.now + Duration::from_micros(1);
        let event = submit.event(self.world.now);
        let mut effects = Vec::new();
        self.world.engine.on_event(self.world.now, event, &mut effects);
        // A submit of a known task gives as many references as it has results.
        let returns = if known { self.returns_of(task) } else { u64::from(returns) };
        for position in 0..returns {
            *self.held.entry((session.0, ObjectId::result(task, position))).or_default() += 1;
        }
        self.perform(effects);
    }

    fn returns_of(&self, task: TaskId) -> u64 {
        let held = (0..3)
            .take_while(|position| self.world.engine.object(ObjectId::result(task, *position)).is_some());
        held.count() as u64
    }

    /// Something that a task may return a reference to: a younger task's result that needs nothing, so that there are no
    /// cycles.
    fn some_younger(&mut self, task: TaskId) -> Option<ObjectId> {
        let held = self.some_held(self.worker.0);
        let younger =
            |object: &ObjectId| object.task.low > task.low && self.leaves.contains(&object.task.low);
        held.filter(younger)
    }

    fn some_value(&mut self, place: &Place, task: TaskId) -> ResultValue {
        let node = match place {
            Place::Local => here(),
            Place::Peer(node) => node.clone(),
        };
        match self.random.below(4) {
            0 => stored(&[node]),
            1 => {
                let mut value = stored(&[node]);
                value.contained = self.some_younger(task).map(|object| [address(object)].into());
                value
            }
            2 => match self.some_younger(task) {
                Some(object) if *place == Place::Local => containing(&[address(object)]),
                _ => inline(b"none"),
            },
            _ => inline(b"value"),
        }
    }

    fn end_one(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let chosen = self.random.below(self.open.len() as u64) as usize;
        let (place, task, attempt, returns) = self.open.swap_remove(chosen);
        let failure = || Failure::new(FailureKind::TaskFailed, "no");
        let end = match self.random.below(12) {
            0 => AssignmentEnd::NoRoom { queued: 3 },
            1 => AssignmentEnd::Returned,
            2 => AssignmentEnd::Lost { failure: failure(), charged: self.random.below(2) == 0 },
            3 => {
                let outcome = Outcome::Failed(failure());
                AssignmentEnd::Ran {
                    outcome,
                    retryable: self.random.below(2) == 0,
                    micros: 1,
                    borrows: vec![],
                }
            }
            4 => match self.some_held(DRIVER.0) {
                Some(object) => {
                    let holder = self.random.one_of(&self.nodes.clone());
                    let failure = Failure::new(FailureKind::Unavailable, "out of reach");
                    match holder {
                        Some(holder) => AssignmentEnd::InputLost { object, version: version(), holder },
                        None => AssignmentEnd::InputsUnavailable { failure },
                    }
                }
                None => AssignmentEnd::Returned,
            },
            _ => {
                let mut values: Vec<ResultValue> =
                    (0..returns).map(|_| self.some_value(&place, task)).collect();
                if let Place::Peer(_) = place {
                    values.iter_mut().for_each(|value| value.contained = None);
                }
                let outcome =
                    if returns == 1 { Outcome::Value(values.remove(0)) } else { Outcome::Values(values) };
                AssignmentEnd::Ran { outcome, retryable: false, micros: 5, borrows: Vec::new() }
            }
        };
        self.tell(Event::Ended { place, task, attempt, end });
    }

    fn put(&mut self) {
        self.next_put += 1;
        let object = ObjectId { task: task(0), index: ObjectIndex::driver_put(self.next_put) };
        let mut value = if self.random.below(2) == 0 { inline(b"put") } else { stored(&[here()]) };
        value.contained = self.some_held(DRIVER.0).map(|object| [address(object)].into());
        self.held.insert((DRIVER.0, object), 1);
        self.tell(Event::Put { requester: Requester::Session(DRIVER), job: JOB, object, value });
    }

    fn release_one(&mut self) {
        let session = if self.random.below(2) == 0 { DRIVER } else { self.worker };
        if let Some(object) = self.some_held(session.0) {
            self.drop_held(session.0, object);
        }
    }

    fn drop_held(&mut self, session: u64, object: ObjectId) {
        let count = self.held.get_mut(&(session, object)).expect("it is held");
        *count -= 1;
        if *count == 0 {
            self.held.remove(&(session, object));
        }
        let requester = Requester::Session(SessionKey(session));
        self.tell(Event::Released { requester, objects: vec![address(object)] });
    }

    fn want_one(&mut self) {
        if let Some(object) = self.some_held(DRIVER.0) {
            self.wanted += 1;
            self.tell(Event::Wanted { requester: Requester::Session(DRIVER), address: address(object) });
        }
    }

    fn cancel_one(&mut self) {
        if let Some(object) = self.some_held(DRIVER.0) {
            let requester = Requester::Session(DRIVER);
            let (force, recursive) = (self.random.below(2) == 0, self.random.below(2) == 0);
            self.tell(Event::Cancel { requester, address: address(object), force, recursive });
        }
    }

    fn disturb(&mut self) {
        let Some(chosen) = self.random.one_of(&self.nodes.clone()) else { return };
        match self.random.below(5) {
            0 => {
                self.open.retain(|(place, ..)| *place != Place::Peer(chosen.clone()));
                self.tell(Event::NodeLost { node: chosen.clone() });
                self.nodes.retain(|node| *node != chosen);
                self.nodes.push(NodeId::new(&*chosen.name.0, self.next_generation));
                self.next_generation += 1;
                let nodes: Vec<_> =
                    self.nodes.iter().cloned().chain([here()]).map(|id| node(id, 2)).collect();
                self.tell(view(nodes));
            }
            1 => {
                // The peer goes on: the ends of these attempts come later, and are stale.
                self.tell(Event::PeerUnreachable { node: chosen });
            }
            2 => {
                let gone = self.worker.0;
                self.tell(Event::SessionClosed { session: self.worker });
                self.held.retain(|(session, _), _| *session != gone);
                // What it had submitted is answered to nobody.
                self.unanswered.retain(|(session, _), _| *session != gone);
                self.worker = SessionKey(gone + 1);
                let kind = SessionKind::Worker;
                self.tell(Event::SessionOpened { session: self.worker, job: Some(JOB), kind });
            }
            _ => {
                if let Some(object) = self.some_held(DRIVER.0) {
                    let (reporter, version) = (chosen.clone(), version());
                    self.tell(Event::CopyLost { node: chosen, reporter, object, version });
                }
            }
        }
    }

    /// Lets everything end well, releases everything, and looks at what is left.
    fn wind_up(&mut self) {
        let mut rounds = 0;
        while !self.unanswered.is_empty() || !self.open.is_empty() || self.wanted > 0 {
            rounds += 1;
            assert!(rounds < 2_000, "not over: {:?}, {} gets", self.unanswered, self.wanted);
            for (place, task, attempt, returns) in std::mem::take(&mut self.open) {
                let values = vec![inline(b"end"); returns as usize];
                let outcome =
                    if returns == 1 { Outcome::Value(inline(b"end")) } else { Outcome::Values(values) };
                self.tell(Event::Ended { place, task, attempt, end: ran(outcome) });
            }
            self.world.now = self.world.now + Duration::from_secs(1);
            self.tell(Event::Tick);
        }
        let held: BTreeSet<(u64, ObjectId)> = self.held.keys().copied().collect();
        for (session, object) in held {
            while self.held.contains_key(&(session, object)) {
                self.drop_held(session, object);
            }
        }
        // Values that were made again for nobody, and their borrows, end with time.
        for _ in 0..40 {
            for (place, task, attempt, returns) in std::mem::take(&mut self.open) {
                let values = vec![inline(b"end"); returns as usize];
                let outcome =
                    if returns == 1 { Outcome::Value(inline(b"end")) } else { Outcome::Values(values) };
                self.tell(Event::Ended { place, task, attempt, end: ran(outcome) });
            }
            self.world.now = self.world.now + Duration::from_secs(10);
            self.tell(Event::Tick);
        }
        let left = self.world.engine.objects(None, 5);
        let tasks = self.world.engine.tasks(&Default::default(), 5, |_, _| true);
        assert!(self.world.is_empty(), "left: {:?}\n{left:#?}\n{tasks:#?}", self.world.engine.sizes());
    }
}

fn run(seed: u64, steps: u64) {
    let outcome = std::panic::catch_unwind(|| {
        let mut history = History::new(seed);
        (0..steps).for_each(|_| history.step());
        history.wind_up();
    });
    if let Err(panic) = outcome {
        eprintln!("replay: MOBULA_SEED={seed} cargo test -p mobula-core tasks::tests::properties");
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn every_task_ends_once_and_nothing_is_left() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("MOBULA_SEED") {
        Some(seed) => run(seed, 300),
        None => (0..number("MOBULA_SEEDS").unwrap_or(120)).for_each(|seed| run(seed, 300)),
    }
}

/// Seeds that found a defect once.
#[test]
fn what_went_wrong_before_goes_well() {
    [2233].into_iter().for_each(|seed| run(seed, 300));
}

#[test]
fn the_end_of_a_job_leaves_nothing() {
    for seed in 0..60 {
        let mut history = History::new(1_000 + seed);
        (0..200).for_each(|_| history.step());
        let failure = Failure::new(FailureKind::JobEnded, "over");
        let effects = history.world.tell(Event::JobEnded { job: JOB, failure });
        history.perform(
            effects.into_iter().filter(|effect| !matches!(effect, Effect::Completed { .. })).collect(),
        );
        assert!(history.world.is_empty(), "seed {seed}: {:?}", history.world.engine.sizes());
        assert_eq!(history.wanted, 0, "seed {seed}: every get is answered");
        // Whatever comes late changes nothing.
        for (place, task, attempt, returns) in std::mem::take(&mut history.open) {
            let values = vec![stored(&[here()]); returns as usize];
            let end = ran(Outcome::Values(values));
            let effects = history.world.tell(Event::Ended { place, task, attempt, end });
            assert!(effects.iter().all(|effect| matches!(effect, Effect::Free { .. })));
        }
        assert!(history.world.is_empty());
    }
}

#[test]
fn the_same_history_has_the_same_effects() {
    let tale = |seed| {
        let mut history = History::new(seed);
        (0..200).for_each(|_| history.step());
        let sizes = history.world.engine.sizes();
        (format!("{:?}", history.open), sizes)
    };
    for seed in 0..20 {
        assert_eq!(tale(seed), tale(seed));
    }
}
