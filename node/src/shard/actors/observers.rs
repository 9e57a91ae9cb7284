//! Who on this node observes which actors and supervisors.

use super::super::Shard;
use mobula_core::tasks::SessionKey;
use mobula_types::actor::{ActorReport, Observation, StateChange};
use mobula_types::frame::Answer;
use mobula_types::{ActorId, Failure, FailureKind, Frame, Time};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Observers of one node.
const MOST_OBSERVERS: usize = 10_000;
/// Changes that wait for an observer whose session takes no more; beyond it the oldest are dropped.
const MOST_WAITING: usize = 10_000;
/// Changes that wait for all observers together. Beyond it each observer has room for one, and for no more than it has.
const MOST_WAITING_OF_ALL: usize = 100_000;
/// Changes that are handed to a session before it is looked at again whether it takes more.
const MOST_AT_ONCE: usize = 256;
/// When a session that took no more is looked at again.
const PAUSE: Duration = Duration::from_millis(50);

/// The observers of this node, by number.
#[derive(Debug, Default)]
pub(crate) struct Observers {
    known: BTreeMap<u64, Observer>,
    last: u64,
    /// Changes that wait for any of them.
    waiting: usize,
    /// When those are looked at for whom changes wait.
    next_look: Option<Time>,
}

/// Who observes.
#[derive(Debug)]
struct Observer {
    session: SessionKey,
    observation: Observation,
    waiting: VecDeque<StateChange>,
}

impl Observer {
    /// Adds a change, and drops the oldest ones beyond `most`.
    fn add(&mut self, change: StateChange, most: usize) {
        self.waiting.push_back(change);
        while self.waiting.len() > most.max(1)
            && let Some(dropped) = self.waiting.pop_front()
            && let Some(next) = self.waiting.front_mut()
        {
            next.note_dropped(&dropped);
        }
    }

    /// Whether it has nothing more to hear than what waits: heads tell of the death of its target last.
    fn is_over(&self) -> bool {
        let target = self.observation.target;
        self.waiting.back().is_some_and(|change| change.is_final && change.actor == target)
    }
}

impl Observers {
    /// All, as a head is told of them.
    pub(super) fn all(&self) -> Vec<Observation> {
        self.known.values().filter(|known| !known.is_over()).map(|known| known.observation).collect()
    }

    /// Adds a change for an observer.
    fn add(&mut self, number: u64, change: StateChange) {
        let Some(observer) = self.known.get_mut(&number) else { return };
        let before = observer.waiting.len();
        let room = MOST_WAITING_OF_ALL.saturating_sub(self.waiting);
        observer.add(change, MOST_WAITING.min(before + room));
        self.waiting = self.waiting + observer.waiting.len() - before;
    }

    /// The next changes for an observer; with the last of all, the one by which its target is dead for good, it is gone.
    fn take(&mut self, number: u64) -> Vec<StateChange> {
        let Some(observer) = self.known.get_mut(&number) else { return Vec::new() };
        let is_over = observer.is_over();
        let count = observer.waiting.len().min(MOST_AT_ONCE);
        let changes = observer.waiting.drain(..count).collect();
        self.waiting -= count;
        if is_over && observer.waiting.is_empty() {
            self.known.remove(&number);
        }
        changes
    }

    fn remove(&mut self, number: u64) {
        if let Some(observer) = self.known.remove(&number) {
            self.waiting -= observer.waiting.len();
        }
    }

    /// When something is due.
    pub(super) fn next_deadline(&self) -> Time {
        self.next_look.unwrap_or(Time::NEVER)
    }
}

impl Shard {
    /// Begins to observe. Its number is the answer.
    pub(super) fn observe(&mut self, session: SessionKey, target: ActorId, below: bool) -> Answer {
        let observers = &mut self.actors.observers;
        if observers.known.len() >= MOST_OBSERVERS {
            let message = format!("{MOST_OBSERVERS} observers are on this node already");
            return Answer::Failed(Failure::new(FailureKind::ResourceExhausted, message));
        }
        observers.last += 1;
        let observation = Observation { number: observers.last, target, below };
        observers.known.insert(observers.last, Observer { session, observation, waiting: VecDeque::new() });
        self.parts.head.report_actors(ActorReport::Observe(vec![observation]));
        Answer::Observing { number: observation.number }
    }

    /// Ends an observation of a session. Another's is left alone.
    pub(super) fn unobserve(&mut self, session: SessionKey, number: u64) {
        let observers = &mut self.actors.observers;
        if observers.known.get(&number).is_some_and(|observer| observer.session == session) {
            observers.remove(number);
            self.parts.head.report_actors(ActorReport::Unobserve { number });
        }
    }

    /// A head says how things stand.
    pub(super) fn on_changes(&mut self, number: u64, changes: Vec<StateChange>) {
        changes.into_iter().for_each(|change| self.actors.observers.add(number, change));
        self.tell_observer(number);
    }

    /// Hands on what waits, as far as the session takes it.
    fn tell_observer(&mut self, number: u64) {
        while let Some(observer) = self.actors.observers.known.get(&number)
            && !observer.waiting.is_empty()
        {
            let session = observer.session;
            if self.sessions.is_behind(session) {
                self.actors.observers.next_look.get_or_insert(self.now + PAUSE);
                return;
            }
            let changes = self.actors.observers.take(number);
            self.sessions.send(session, Frame::Observed { number, changes });
        }
    }

    /// Looks at those again whose sessions were behind.
    pub(super) fn tick_observers(&mut self) {
        if self.now < self.actors.observers.next_deadline() {
            return;
        }
        self.actors.observers.next_look = None;
        let known = self.actors.observers.known.iter();
        let waiting = known.filter(|(_, observer)| !observer.waiting.is_empty());
        let waiting: Vec<u64> = waiting.map(|(number, _)| *number).collect();
        waiting.into_iter().for_each(|number| self.tell_observer(number));
    }

    /// A head was joined, and has been told of the actors.
    pub(super) fn tell_head_of_observers(&mut self) {
        let all = self.actors.observers.all();
        if !all.is_empty() {
            self.parts.head.report_actors(ActorReport::Observe(all));
        }
    }

    /// A session that may have observed is over.
    pub(in super::super) fn observing_session_gone(&mut self, session: SessionKey) {
        let known = self.actors.observers.known.iter();
        let over = known.filter(|(_, observer)| observer.session == session);
        let over: Vec<u64> = over.map(|(number, _)| *number).collect();
        over.into_iter().for_each(|number| self.unobserve(session, number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::TaskId;
    use mobula_types::actor::{ActorState, Epoch};

    const TARGET: ActorId = ActorId(TaskId { high: 1, low: 1 });

    fn observers(count: u64) -> Observers {
        let mut observers = Observers::default();
        for number in 0..count {
            let observation = Observation { number, target: TARGET, below: false };
            let observer = Observer { session: SessionKey(1), observation, waiting: VecDeque::new() };
            observers.known.insert(number, observer);
        }
        observers
    }

    fn change(epoch: u64, is_final: bool) -> StateChange {
        StateChange {
            actor: TARGET,
            is_supervisor: false,
            name: "".into(),
            supervisor: None,
            child: "".into(),
            state: ActorState::Running,
            epoch: Epoch(epoch),
            node: None,
            reason: None,
            restarts: 0,
            at_millis: 0,
            is_final,
            missed: 0,
            below: None,
        }
    }

    fn taken(observers: &mut Observers, number: u64) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        loop {
            let some = observers.take(number);
            if some.is_empty() {
                return all;
            }
            assert!(some.len() <= MOST_AT_ONCE);
            all.extend(some.iter().map(|change| (change.epoch.0, change.missed)));
        }
    }

    #[test]
    fn a_slow_observer_loses_the_oldest_and_is_told_how_many() {
        let mut observers = observers(1);
        let most = MOST_WAITING as u64;
        (0..most + 7).for_each(|epoch| observers.add(0, change(epoch, epoch == most + 6)));
        assert!(observers.all().is_empty(), "it is over, and no head need know of it");
        let told = taken(&mut observers, 0);
        assert_eq!((told.len(), told[0], told[1]), (MOST_WAITING, (7, 7), (8, 0)));
        assert!(observers.known.is_empty() && observers.waiting == 0);
    }

    #[test]
    fn what_waits_for_all_observers_together_is_bounded_and_each_has_its_latest() {
        let full = (MOST_WAITING_OF_ALL / MOST_WAITING) as u64;
        let mut observers = observers(full + 2);
        let most = MOST_WAITING as u64;
        for number in 0..full {
            (0..most).for_each(|epoch| observers.add(number, change(epoch, false)));
        }
        (0..3).for_each(|epoch| observers.add(full, change(epoch, false)));
        assert_eq!(observers.waiting, MOST_WAITING_OF_ALL + 1);
        assert_eq!(taken(&mut observers, full), [(2, 2)]);
        observers.remove(0);
        (0..3).for_each(|epoch| observers.add(full, change(epoch, false)));
        assert_eq!(taken(&mut observers, full), [(0, 0), (1, 0), (2, 0)]);
        assert_eq!(observers.waiting, MOST_WAITING_OF_ALL - MOST_WAITING);
    }
}
