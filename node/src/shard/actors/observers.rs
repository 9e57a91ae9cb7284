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
/// When a session that took no more is looked at again.
const PAUSE: Duration = Duration::from_millis(50);

/// The observers of this node, by number.
#[derive(Debug, Default)]
pub(crate) struct Observers {
    known: BTreeMap<u64, Observer>,
    last: u64,
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
    fn add(&mut self, change: StateChange, most: usize) {
        self.waiting.push_back(change);
        if self.waiting.len() > most
            && let Some(dropped) = self.waiting.pop_front()
            && let Some(next) = self.waiting.front_mut()
        {
            next.note_dropped(&dropped);
        }
    }

    /// Whether it has nothing more to hear than what waits.
    fn is_over(&self) -> bool {
        let target = self.observation.target;
        self.waiting.iter().any(|change| change.is_final && change.actor == target)
    }
}

impl Observers {
    /// All, as a head is told of them.
    pub(super) fn all(&self) -> Vec<Observation> {
        self.known.values().filter(|known| !known.is_over()).map(|known| known.observation).collect()
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
            observers.known.remove(&number);
            self.parts.head.report_actors(ActorReport::Unobserve { number });
        }
    }

    /// A head says how things stand.
    pub(super) fn on_changes(&mut self, number: u64, changes: Vec<StateChange>) {
        let Some(observer) = self.actors.observers.known.get_mut(&number) else { return };
        changes.into_iter().for_each(|change| observer.add(change, MOST_WAITING));
        self.tell_observer(number);
    }

    /// Hands on what waits, unless the session is behind.
    fn tell_observer(&mut self, number: u64) {
        let Some(observer) = self.actors.observers.known.get_mut(&number) else { return };
        if observer.waiting.is_empty() {
            return;
        }
        if self.sessions.is_behind(observer.session) {
            self.actors.observers.next_look.get_or_insert(self.now + PAUSE);
            return;
        }
        let (session, is_over) = (observer.session, observer.is_over());
        let changes = observer.waiting.drain(..).collect();
        if is_over {
            self.actors.observers.known.remove(&number);
        }
        self.sessions.send(session, Frame::Observed { number, changes });
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

    #[test]
    fn a_slow_observer_loses_the_oldest_and_is_told_how_many() {
        let target = ActorId(TaskId { high: 1, low: 1 });
        let observation = Observation { number: 1, target, below: false };
        let mut observer = Observer { session: SessionKey(1), observation, waiting: VecDeque::new() };
        for number in 0..10 {
            let change = StateChange {
                actor: target,
                is_supervisor: false,
                name: "".into(),
                supervisor: None,
                child: "".into(),
                state: ActorState::Running,
                epoch: Epoch(number),
                node: None,
                reason: None,
                restarts: 0,
                at_millis: 0,
                is_final: number == 9,
                missed: 0,
            };
            observer.add(change, 3);
        }
        let kept: Vec<_> = observer.waiting.iter().map(|change| (change.epoch.0, change.missed)).collect();
        assert_eq!(kept, [(7, 7), (8, 0), (9, 0)]);
        assert!(observer.is_over());
    }
}
