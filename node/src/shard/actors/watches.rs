//! Who on this node watches which actors.

use super::super::Shard;
use mobula_core::tasks::SessionKey;
use mobula_types::actor::{ActorReport, Down, Epoch, ExitKind, Incarnation, LinkChange, Watch, WatchKind};
use mobula_types::frame::Answer;
use mobula_types::{ActorId, ExitReason, Failure, FailureKind, Frame, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How long heads are told of the links of actors that have exited: longer than a failover takes.
const LINKS_KEPT: Duration = Duration::from_secs(60);
/// The ends of links that are kept for longer than that: more than a head tells a node again when it joins.
const HEARD_KEPT: usize = 2000;
/// How long a watch waits for a head: longer than a failover takes, and as long as other questions to heads.
const PATIENCE: Duration = Duration::from_secs(30);
/// Watches of one actor.
const MOST_OF_ACTOR: usize = 10_000;
/// Watches of what else is in one session: of a driver, or of the tasks in a worker.
const MOST_OF_SESSION: usize = 100_000;

/// The watches of this node, by number. How many there may be is bounded for each who watches.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    known: BTreeMap<u64, Watcher>,
    /// The numbers of those that are not over.
    by_watcher: BTreeMap<WatcherKey, BTreeSet<u64>>,
    /// Those that no head has registered yet, and until when they wait for one.
    unanswered: BTreeSet<(Time, u64)>,
    last: u64,
    /// Links of actors that have exited, and until when heads are told of them, in order.
    over: VecDeque<(Time, u64)>,
    /// The ends of links that the actors here have heard of, each behind its actor: they may be told again.
    heard: BTreeSet<(Incarnation, Incarnation)>,
    /// Until when they are kept at least, in order.
    heard_until: VecDeque<(Time, (Incarnation, Incarnation))>,
}

/// Who watches: a session, or the actor of that number in it.
type WatcherKey = (SessionKey, Option<u32>);

/// A watch, and whose it is.
#[derive(Debug)]
struct Watcher {
    key: WatcherKey,
    watch: Watch,
    asked: Option<Asked>,
    /// The other side has made the link: the actor does not know the number.
    is_theirs: bool,
    /// The actor has exited, and hears nothing any more.
    is_over: bool,
}

/// The question that is answered once a head has registered the watch: it names an incarnation from then on, and what the
/// asker does next may end that.
#[derive(Clone, Copy, Debug)]
struct Asked {
    number: u64,
    give_up: Time,
}

impl Watches {
    /// An actor hears that what it is linked with has exited. `false` where it has heard so before.
    fn hears(&mut self, actor: Incarnation, exited: Incarnation, now: Time) -> bool {
        let is_new = self.heard.insert((actor, exited));
        if is_new {
            self.heard_until.push_back((now + LINKS_KEPT, (actor, exited)));
        }
        is_new
    }

    /// Links of actors that exited long ago are told of no more, and neither are ends of long ago.
    pub(super) fn forget_links(&mut self, now: Time) {
        while self.heard.len() > HEARD_KEPT
            && let Some((_, heard)) = self.heard_until.pop_front_if(|(until, _)| *until <= now)
        {
            self.heard.remove(&heard);
        }
        while let Some((_, number)) = self.over.pop_front_if(|(until, _)| *until <= now) {
            self.known.remove(&number);
        }
    }

    /// All, as a head is told of them.
    pub(super) fn all(&self) -> Vec<Watch> {
        self.known.values().map(|watcher| watcher.watch).collect()
    }

    /// When something is due.
    pub(super) fn next_deadline(&self) -> Time {
        self.unanswered.first().map_or(Time::NEVER, |(give_up, _)| *give_up)
    }

    /// Why they may not begin another watch.
    fn refuse(&self, key: WatcherKey) -> Option<Failure> {
        let (who, most) = match key {
            (_, Some(_)) => ("an actor", MOST_OF_ACTOR),
            (_, None) => ("a program", MOST_OF_SESSION),
        };
        let count = self.by_watcher.get(&key).map_or(0, BTreeSet::len);
        (count >= most).then(|| {
            let text = format!("{who} may watch {most} actors, and this one does already");
            Failure::new(FailureKind::ResourceExhausted, text)
        })
    }

    fn add(&mut self, watcher: Watcher) {
        let number = watcher.watch.number;
        self.by_watcher.entry(watcher.key).or_default().insert(number);
        self.unanswered.extend(watcher.asked.map(|asked| (asked.give_up, number)));
        self.known.insert(number, watcher);
    }

    fn remove(&mut self, number: u64) -> Option<Watcher> {
        let watcher = self.known.remove(&number)?;
        self.leave(&watcher);
        Some(watcher)
    }

    /// It counts as its watcher's no more, and waits for no head.
    fn leave(&mut self, watcher: &Watcher) {
        let number = watcher.watch.number;
        if let Some(asked) = watcher.asked {
            self.unanswered.remove(&(asked.give_up, number));
        }
        if let Some(numbers) = self.by_watcher.get_mut(&watcher.key) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_watcher.remove(&watcher.key);
            }
        }
    }

    /// An actor that links itself has exited: a head that leads later has to hear of it, to tell the other end.
    fn keep_link(&mut self, mut watcher: Watcher, until: Time) {
        let number = watcher.watch.number;
        watcher.is_over = true;
        watcher.asked = None;
        self.known.insert(number, watcher);
        self.over.push_back((until, number));
    }

    /// The watches of a watcher.
    fn of(&self, key: WatcherKey) -> Vec<u64> {
        self.by_watcher.get(&key).into_iter().flatten().copied().collect()
    }

    /// The watches in a session, those of its actors too.
    fn of_session(&self, session: SessionKey) -> Vec<u64> {
        let all = (session, None)..=(session, Some(u32::MAX));
        self.by_watcher.range(all).flat_map(|(_, numbers)| numbers).copied().collect()
    }
}

/// Somebody who wants to watch.
pub(super) struct NewWatch {
    pub(super) session: SessionKey,
    pub(super) asked: u64,
    pub(super) actor: Option<(u32, Incarnation)>,
    pub(super) target: ActorId,
    pub(super) kind: WatchKind,
    /// The incarnation, where the asker knows it from its earlier home.
    pub(super) epoch: Option<Epoch>,
}

impl Shard {
    /// Begins a watch. Its number is the answer, once a head has it, or at once where the asker says what it names.
    pub(super) fn watch(&mut self, new: NewWatch) {
        let watches = &mut self.actors.watches;
        let key = (new.session, new.actor.map(|(key, _)| key));
        if let Some(failure) = watches.refuse(key) {
            return self.answer_watch(new.session, new.asked, Answer::Failed(failure));
        }
        watches.last += 1;
        let number = watches.last;
        let watcher = new.actor.map(|(_, incarnation)| incarnation);
        let watch = Watch { number, watcher, target: new.target, epoch: new.epoch, kind: new.kind };
        let asked = Asked { number: new.asked, give_up: self.now + PATIENCE };
        let asked = Some(asked).filter(|_| new.epoch.is_none());
        watches.add(Watcher { key, watch, asked, is_theirs: false, is_over: false });
        self.parts.head.report_actors(ActorReport::Watch(watch));
        if let Some(epoch) = new.epoch {
            self.answer_watch(new.session, new.asked, Answer::Watching { number, epoch });
        }
    }

    /// A head has registered a watch.
    pub(super) fn on_watching(&mut self, number: u64, epoch: Epoch) {
        let Some(watcher) = self.actors.watches.known.get_mut(&number) else { return };
        watcher.watch.epoch = Some(epoch);
        let (session, _) = watcher.key;
        if let Some(asked) = watcher.asked.take() {
            self.actors.watches.unanswered.remove(&(asked.give_up, number));
            self.answer_watch(session, asked.number, Answer::Watching { number, epoch });
        }
    }

    /// Gives up the watches that no head has registered for too long.
    pub(super) fn tick_watches(&mut self) {
        while let Some(&(give_up, number)) = self.actors.watches.unanswered.first()
            && give_up <= self.now
        {
            self.actors.watches.unanswered.pop_first();
            let Some(watcher) = self.actors.watches.remove(number) else { continue };
            self.parts.head.report_actors(ActorReport::Unwatch { number });
            let Some(asked) = watcher.asked else { continue };
            let target = watcher.watch.target;
            let text = format!("no head has registered within {PATIENCE:?} that {target} is watched");
            let answer = Answer::Failed(Failure::new(FailureKind::Unavailable, text));
            self.answer_watch(watcher.key.0, asked.number, answer);
        }
    }

    fn answer_watch(&mut self, session: SessionKey, number: u64, answer: Answer) {
        self.sessions.send(session, Frame::Answered { number, answer: Box::new(answer) });
    }

    /// Ends a watch of a session. Another's is left alone.
    pub(super) fn unwatch(&mut self, session: SessionKey, number: u64) {
        let watches = &mut self.actors.watches;
        if watches.known.get(&number).is_some_and(|watcher| watcher.key.0 == session && !watcher.is_over) {
            watches.remove(number);
            self.parts.head.report_actors(ActorReport::Unwatch { number });
        }
    }

    /// Whether it says only that no head has heard of an actor whose creation is not over: what watches it waits on.
    fn is_to_come(&self, down: &Down) -> bool {
        let Incarnation { actor, epoch } = down.incarnation;
        down.reason.kind() == ExitKind::Lost && epoch == Epoch::default() && self.tasks.is_unfinished(actor.0)
    }

    /// A head says that something watched has exited: the watch is over, and one that is over already hears nothing.
    pub(super) fn on_down(&mut self, down: Down) {
        if self.is_to_come(&down)
            && let Some(watcher) = self.actors.watches.known.get(&down.number)
        {
            return self.parts.head.report_actors(ActorReport::Watch(watcher.watch));
        }
        let known = self.actors.watches.remove(down.number);
        let Some(watcher) = known.filter(|watcher| !watcher.is_over) else { return };
        let (session, key) = watcher.key;
        if let Some(asked) = watcher.asked {
            let answer = Answer::Watching { number: down.number, epoch: down.incarnation.epoch };
            self.answer_watch(session, asked.number, answer);
        }
        let kind = watcher.watch.kind;
        let mut down = down;
        if let (WatchKind::Link, Some(linked)) = (kind, watcher.watch.watcher) {
            // The exit of the other end is told for either side of the link, and heard once.
            if !self.actors.watches.hears(linked, down.incarnation, self.now) {
                return;
            }
            if watcher.is_theirs {
                down.number = 0;
            }
        }
        self.sessions.send(session, Frame::Down { key, down: Box::new(down), kind });
    }

    /// An actor has linked itself with one of this node: the link is this one's too, so that later heads hear of it from here,
    /// should the other node be lost with the head. Or that is taken back.
    pub(super) fn on_link(&mut self, link: LinkChange) {
        let LinkChange { linked, by, holds } = link;
        let Some((worker, key)) = self.actors.host.seat_of(linked) else { return };
        let Some(session) = self.worker_session(worker) else { return };
        let key = (session, Some(key));
        let watches = &mut self.actors.watches;
        let is_this = |watch: &Watch| {
            watch.kind == WatchKind::Link && watch.target == by.actor && watch.epoch == Some(by.epoch)
        };
        let known = watches.of(key).into_iter().find(|number| is_this(&watches.known[number].watch));
        match known {
            None if holds => {
                watches.last += 1;
                let (number, watcher, epoch) = (watches.last, Some(linked), Some(by.epoch));
                let watch = Watch { number, watcher, target: by.actor, epoch, kind: WatchKind::Link };
                watches.add(Watcher { key, watch, asked: None, is_theirs: true, is_over: false });
                self.parts.head.report_actors(ActorReport::Watch(watch));
            }
            Some(number) if !holds => {
                watches.remove(number);
                self.parts.head.report_actors(ActorReport::Unwatch { number });
            }
            _ => {}
        }
    }

    /// An actor that linked itself to one of this node has exited.
    pub(super) fn on_link_down(&mut self, linked: Incarnation, exited: Incarnation, reason: ExitReason) {
        let Some((worker, key)) = self.actors.host.seat_of(linked) else { return };
        // A head says it once more where it may not have been heard.
        if !self.actors.watches.hears(linked, exited, self.now) {
            return;
        }
        let down = Box::new(Down { number: 0, incarnation: exited, reason });
        self.send_to_worker(worker, Frame::Down { key: Some(key), down, kind: WatchKind::Link });
    }

    /// An actor that may have watched has exited.
    pub(super) fn watcher_gone(&mut self, session: SessionKey, key: u32) {
        self.end_watches(self.actors.watches.of((session, Some(key))));
    }

    /// A session that may have watched is over.
    pub(in super::super) fn watching_session_gone(&mut self, session: SessionKey) {
        self.end_watches(self.actors.watches.of_session(session));
    }

    fn end_watches(&mut self, numbers: Vec<u64>) {
        let watches = &mut self.actors.watches;
        watches.forget_links(self.now);
        for number in numbers {
            let Some(watcher) = watches.remove(number) else { continue };
            match watcher.key {
                // Those of an actor end with its exit, of which the head hears in a moment. Were they taken back before,
                // nobody would tell whom it was linked to.
                (_, Some(_)) if watcher.watch.kind == WatchKind::Link => {
                    watches.keep_link(watcher, self.now + LINKS_KEPT);
                }
                (_, Some(_)) => {}
                (_, None) => self.parts.head.report_actors(ActorReport::Unwatch { number }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::TaskId;

    const NOW: Time = Time::ZERO;

    fn watches(keys: impl IntoIterator<Item = WatcherKey>) -> Watches {
        let mut watches = Watches::default();
        for (number, key) in (1..).zip(keys) {
            let target = ActorId(TaskId { high: 1, low: number });
            let watch = Watch { number, watcher: None, target, epoch: None, kind: WatchKind::Link };
            let asked = Some(Asked { number, give_up: NOW + PATIENCE });
            watches.add(Watcher { key, watch, asked, is_theirs: false, is_over: false });
        }
        watches
    }

    #[test]
    fn what_ends_is_found_by_who_watches() {
        let (first, second) = (SessionKey(1), SessionKey(2));
        let mut watches =
            watches([(first, None), (first, Some(0)), (second, Some(0)), (first, Some(7)), (first, Some(0))]);
        assert_eq!(watches.of((first, Some(0))), [2, 5]);
        assert_eq!(watches.of_session(first), [1, 2, 5, 4]);
        let link = watches.remove(2).unwrap();
        watches.keep_link(link, NOW + LINKS_KEPT);
        assert_eq!(watches.of_session(first), [1, 5, 4], "a link that is over has no watcher any more");
        assert_eq!(watches.all().len(), 5, "but heads hear of it");
        for number in [1, 3, 4, 5] {
            watches.remove(number);
        }
        watches.forget_links(NOW + LINKS_KEPT);
        assert!(watches.known.is_empty() && watches.by_watcher.is_empty() && watches.unanswered.is_empty());
    }

    #[test]
    fn ends_of_links_are_heard_once_and_not_kept_for_ever() {
        let incarnation = |low| Incarnation { actor: ActorId(TaskId { high: 1, low }), epoch: Epoch(1) };
        let mut watches = Watches::default();
        let (actor, ends) = (incarnation(0), HEARD_KEPT as u64 + 10);
        for low in 1..=ends {
            assert!(watches.hears(actor, incarnation(low), NOW));
            watches.forget_links(NOW);
        }
        assert!(!watches.hears(actor, incarnation(1), NOW), "a head that leads later may tell it again");
        watches.forget_links(NOW + LINKS_KEPT);
        assert_eq!((watches.heard.len(), watches.heard_until.len()), (HEARD_KEPT, HEARD_KEPT));
        assert!(!watches.hears(actor, incarnation(ends), NOW), "so may this one, when the node joins");
    }

    #[test]
    fn an_actor_has_a_bound_of_its_own() {
        let (actor, other) = ((SessionKey(1), Some(1)), (SessionKey(1), Some(2)));
        let mut watches = watches(std::iter::repeat_n(actor, MOST_OF_ACTOR));
        assert_eq!(watches.refuse(actor).unwrap().kind(), FailureKind::ResourceExhausted);
        assert_eq!(watches.refuse(other), None);
        watches.remove(1);
        assert_eq!(watches.refuse(actor), None);
    }
}
