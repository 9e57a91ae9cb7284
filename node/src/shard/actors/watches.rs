//! Who on this node watches which actors.

use super::super::Shard;
use mobula_core::tasks::SessionKey;
use mobula_types::actor::{ActorReport, Down, Epoch, Incarnation, Watch, WatchKind};
use mobula_types::frame::Answer;
use mobula_types::{ActorId, ExitReason, Frame, Time, WorkerId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How long heads are told of the links of actors that have exited: longer than a failover takes.
const LINKS_KEPT: Duration = Duration::from_secs(60);

/// The watches of this node, by number. As many as its actors and sessions have asked for.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    known: BTreeMap<u64, Watcher>,
    last: u64,
    /// Links of actors that have exited, and until when heads are told of them, in order.
    over: VecDeque<(Time, u64)>,
    /// The ends of links that the actors here have heard of.
    heard: BTreeMap<Incarnation, BTreeSet<Incarnation>>,
}

/// Who watches.
#[derive(Debug)]
struct Watcher {
    session: SessionKey,
    /// An actor of that session: its worker, and its number there.
    actor: Option<(WorkerId, u32)>,
    watch: Watch,
    /// The question that is answered once a head has registered the watch: it names an incarnation from then on, and what
    /// the asker does next may end that.
    asked: Option<u64>,
    /// The actor has exited, and hears nothing any more.
    is_over: bool,
}

impl Watches {
    /// The actor hears of no ends any more.
    pub(super) fn exited(&mut self, incarnation: Incarnation) {
        self.heard.remove(&incarnation);
    }

    /// Links of actors that exited long ago are told of no more.
    pub(super) fn forget_links(&mut self, now: Time) {
        while let Some((_, number)) = self.over.pop_front_if(|(until, _)| *until <= now) {
            self.known.remove(&number);
        }
    }

    /// All, as a head is told of them.
    pub(super) fn all(&self) -> Vec<Watch> {
        self.known.values().map(|watcher| watcher.watch).collect()
    }
}

/// Somebody who wants to watch.
pub(super) struct NewWatch {
    pub(super) session: SessionKey,
    pub(super) asked: u64,
    pub(super) actor: Option<(WorkerId, u32, Incarnation)>,
    pub(super) target: ActorId,
    pub(super) kind: WatchKind,
}

impl Shard {
    /// Begins a watch. Its number is the answer, once a head has it.
    pub(super) fn watch(&mut self, new: NewWatch) {
        let watches = &mut self.actors.watches;
        watches.last += 1;
        let watcher = new.actor.map(|(_, _, incarnation)| incarnation);
        let watch = Watch { number: watches.last, watcher, target: new.target, epoch: None, kind: new.kind };
        let actor = new.actor.map(|(worker, key, _)| (worker, key));
        let asked = Some(new.asked);
        watches
            .known
            .insert(watches.last, Watcher { session: new.session, actor, watch, asked, is_over: false });
        self.parts.head.report_actors(ActorReport::Watch(watch));
    }

    /// A head has registered a watch.
    pub(super) fn on_watching(&mut self, number: u64, epoch: Epoch) {
        let Some(watcher) = self.actors.watches.known.get_mut(&number) else { return };
        watcher.watch.epoch = Some(epoch);
        if let Some(asked) = watcher.asked.take() {
            let session = watcher.session;
            self.answer_watch(session, asked, number);
        }
    }

    fn answer_watch(&mut self, session: SessionKey, asked: u64, number: u64) {
        let answer = Box::new(Answer::Watching { number });
        self.sessions.send(session, Frame::Answered { number: asked, answer });
    }

    /// Ends a watch of a session. Another's is left alone.
    pub(super) fn unwatch(&mut self, session: SessionKey, number: u64) {
        let watches = &mut self.actors.watches;
        if watches.known.get(&number).is_some_and(|watcher| watcher.session == session) {
            watches.known.remove(&number);
            self.parts.head.report_actors(ActorReport::Unwatch { number });
        }
    }

    /// A head says that something watched has exited: the watch is over, and one that is over already hears nothing.
    pub(super) fn on_down(&mut self, down: Down) {
        let known = self.actors.watches.known.remove(&down.number);
        let Some(watcher) = known.filter(|watcher| !watcher.is_over) else { return };
        if let Some(asked) = watcher.asked {
            self.answer_watch(watcher.session, asked, down.number);
        }
        let key = watcher.actor.map(|(_, key)| key);
        let kind = watcher.watch.kind;
        self.sessions.send(watcher.session, Frame::Down { key, down: Box::new(down), kind });
    }

    /// An actor that linked itself to one of this node has exited.
    pub(super) fn on_link_down(&mut self, linked: Incarnation, exited: Incarnation, reason: ExitReason) {
        let Some((worker, key)) = self.actors.host.seat_of(linked) else { return };
        // A head says it once more where it may not have been heard.
        if !self.actors.watches.heard.entry(linked).or_default().insert(exited) {
            return;
        }
        let down = Box::new(Down { number: 0, incarnation: exited, reason });
        self.send_to_worker(worker, Frame::Down { key: Some(key), down, kind: WatchKind::Link });
    }

    /// An actor that may have watched has exited.
    pub(super) fn watcher_gone(&mut self, worker: WorkerId, key: u32) {
        self.end_watches(|watcher| watcher.actor == Some((worker, key)));
    }

    /// A session that may have watched is over.
    pub(in super::super) fn watching_session_gone(&mut self, session: SessionKey) {
        self.end_watches(|watcher| watcher.session == session);
    }

    fn end_watches(&mut self, is_over: impl Fn(&Watcher) -> bool) {
        if self.actors.watches.known.is_empty() {
            return;
        }
        let now = self.now;
        self.actors.watches.forget_links(now);
        let known = self.actors.watches.known.iter();
        let over = known.filter(|(_, watcher)| !watcher.is_over && is_over(watcher));
        let over: Vec<u64> = over.map(|(number, _)| *number).collect();
        for number in over {
            let watches = &mut self.actors.watches;
            // A head that leads later has to hear of a link, to tell the other end of it.
            if let Some(watcher) = watches.known.get_mut(&number)
                && watcher.actor.is_some()
                && watcher.watch.kind == WatchKind::Link
            {
                watcher.is_over = true;
                watches.over.push_back((now + LINKS_KEPT, number));
                continue;
            }
            let watcher = watches.known.remove(&number);
            // Those of an actor end with its exit, of which the head hears in a moment. Were they taken back before, nobody
            // would tell whom it was linked to.
            if watcher.is_some_and(|watcher| watcher.actor.is_none()) {
                self.parts.head.report_actors(ActorReport::Unwatch { number });
            }
        }
    }
}
