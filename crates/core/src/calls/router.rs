//! The router: its tables, and which event goes where.

use super::actor::Actor;
use super::lane::{Call, Lane};
use super::{Effect, Event, RouterOptions};
use crate::lookup::Lookup;
use crate::numbered::Numbered;
use crate::tasks::Place;
use indexmap::{IndexMap, IndexSet};
use mobula_types::actor::Caller;
use mobula_types::frame::AssignmentEnd;
use mobula_types::{ActorId, NodeId, TaskId, Time};
use slab::Slab;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many lost nodes are remembered, lest an old message sends calls there.
const LOST_NODES: usize = 1024;

pub(super) type Hasher = foldhash::fast::FixedState;

/// Somebody who calls.
#[derive(Debug)]
pub(super) struct CallingSide {
    pub(super) caller: Caller,
    pub(super) lanes: SmallVec<[usize; 1]>,
    /// It is gone: its lanes go once they are empty.
    pub(super) ended: bool,
}

/// Sends the calls that are made through one node on their way. See the [module](super).
#[derive(Debug)]
pub struct CallRouter {
    pub(super) options: RouterOptions,
    /// The time of the event that is being handled.
    pub(super) now: Time,
    pub(super) calls: Slab<Call>,
    by_task: Lookup<usize>,
    /// Lanes; their numbers are those that nodes are told.
    pub(super) lanes: Numbered<Lane>,
    lanes_by_name: Lookup<usize>,
    pub(super) actors: Slab<Actor>,
    actors_by_id: Lookup<usize>,
    pub(super) callers: Slab<CallingSide>,
    callers_by_name: Lookup<usize>,
    /// Lanes that are named to other nodes.
    pub(super) opened: IndexMap<NodeId, IndexSet<usize, Hasher>, Hasher>,
    pub(super) lost: IndexSet<NodeId, Hasher>,
    /// Lanes and actors that may be idle, in the order in which they are looked at.
    pub(super) idle_lanes: VecDeque<(Time, usize)>,
    pub(super) idle_actors: VecDeque<(Time, ActorId)>,
    /// When the head is asked again where an actor is.
    pub(super) doubts: BTreeSet<(Time, ActorId)>,
    /// Calls that wait before they are tried again.
    pub(super) paused: BTreeSet<(Time, TaskId)>,
    /// How calls ended that were made again meanwhile and are not ready yet: the attempt that waits for the end is named then.
    pub(super) unclaimed: BTreeMap<TaskId, UnclaimedEnd>,
}

/// The end of a call that was made again.
#[derive(Debug)]
pub(super) struct UnclaimedEnd {
    pub(super) caller: Caller,
    pub(super) place: Place,
    pub(super) end: AssignmentEnd,
}

impl CallRouter {
    /// A router that knows no call yet.
    pub fn new(options: RouterOptions) -> Self {
        CallRouter {
            options,
            now: Time::ZERO,
            calls: Slab::new(),
            by_task: Lookup::new(0x6361_6c6c),
            lanes: Numbered::new(),
            lanes_by_name: Lookup::new(0x6c61_6e65),
            actors: Slab::new(),
            actors_by_id: Lookup::new(0x6163_746f),
            callers: Slab::new(),
            callers_by_name: Lookup::new(0x6e61_6d65),
            opened: IndexMap::default(),
            lost: IndexSet::default(),
            idle_lanes: VecDeque::new(),
            idle_actors: VecDeque::new(),
            doubts: BTreeSet::new(),
            paused: BTreeSet::new(),
            unclaimed: BTreeMap::new(),
        }
    }

    /// Takes in what happened at `now` and appends what is to be done about it. Events about calls, lanes and actors that
    /// are not there, or not any more, change nothing.
    pub fn on_event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        self.now = now;
        match event {
            Event::Made(call) => self.made(&call, effects),
            Event::Ready(call) => self.ready(call, effects),
            Event::Ended { place: _, lane, sequence, end, window } => {
                self.ended(lane, sequence, end, window, effects);
            }
            Event::Dropped { task } => self.dropped(task, effects),
            Event::GivenUp { tasks } => self.given_up(&tasks, effects),
            Event::Cancel { task, attempt, failure } => self.cancel(task, attempt, failure, effects),
            Event::Located(location) => self.actor_located(location, effects),
            Event::PeerUnreachable { node } => self.peer_unreachable(&node, effects),
            Event::NodeLost { node } => self.node_lost(node, effects),
            Event::CallerEnded { caller } => self.caller_ended(caller, effects),
            Event::Tick => self.tick(effects),
        }
    }

    /// When the next [`Event::Tick`] is wanted.
    pub fn next_deadline(&self) -> Time {
        let idle = self.idle_lanes.front().map_or(Time::NEVER, |(at, _)| *at);
        let actors = self.idle_actors.front().map_or(Time::NEVER, |(at, _)| *at);
        let doubt = self.doubts.first().map_or(Time::NEVER, |(at, _)| *at);
        let paused = self.paused.first().map_or(Time::NEVER, |(at, _)| *at);
        idle.min(actors).min(doubt).min(paused)
    }

    /// The actors whose locations are wanted, for the inventory that a head is told.
    pub fn located(&self) -> Vec<ActorId> {
        self.actors.iter().map(|(_, actor)| actor.id).collect()
    }

    /// How many calls have not ended.
    pub fn pending(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn call_of(&self, task: TaskId) -> Option<usize> {
        self.by_task.find(&task, |key| self.calls[key].task)
    }

    pub(super) fn add_call(&mut self, call: Call) -> usize {
        let task = call.task;
        let key = self.calls.insert(call);
        self.by_task.insert(&task, key, |key| self.calls[key].task);
        key
    }

    pub(super) fn remove_call(&mut self, key: usize) -> Call {
        let task = self.calls[key].task;
        self.by_task.remove(&task, |key| self.calls[key].task);
        self.calls.remove(key)
    }

    pub(super) fn find_actor(&self, id: ActorId) -> Option<usize> {
        self.actors_by_id.find(&id, |key| self.actors[key].id)
    }

    fn actor_of(&mut self, id: ActorId, effects: &mut Vec<Effect>) -> usize {
        if let Some(key) = self.find_actor(id) {
            return key;
        }
        effects.push(Effect::Locate { actor: id });
        let key = self.actors.insert(Actor::new(id));
        self.actors_by_id.insert(&id, key, |key| self.actors[key].id);
        key
    }

    pub(super) fn remove_actor(&mut self, key: usize, effects: &mut Vec<Effect>) {
        let id = self.actors[key].id;
        self.actors_by_id.remove(&id, |key| self.actors[key].id);
        self.actors.remove(key);
        effects.push(Effect::Unlocate { actor: id });
    }

    pub(super) fn find_caller(&self, caller: Caller) -> Option<usize> {
        self.callers_by_name.find(&caller, |key| self.callers[key].caller)
    }

    fn caller_of(&mut self, caller: Caller) -> usize {
        if let Some(key) = self.find_caller(caller) {
            return key;
        }
        let key = self.callers.insert(CallingSide { caller, lanes: SmallVec::new(), ended: false });
        self.callers_by_name.insert(&caller, key, |key| self.callers[key].caller);
        key
    }

    /// The lane of a call that was made; a new one where there is none.
    pub(super) fn lane_of(&mut self, call: &super::NewCall, effects: &mut Vec<Effect>) -> usize {
        let name = (call.caller, call.actor);
        let name_of = |lanes: &Numbered<Lane>, key: usize| (lanes[key].caller, lanes[key].actor_id);
        if let Some(lane) = self.lanes_by_name.find(&name, |key| name_of(&self.lanes, key)) {
            return lane;
        }
        let actor = self.actor_of(call.actor, effects);
        let by = self.caller_of(call.caller);
        let lane = self.lanes.insert(Lane {
            caller: call.caller,
            actor_id: call.actor,
            job: call.job,
            by,
            at_caller: self.callers[by].lanes.len(),
            actor,
            at_actor: self.actors[actor].lanes.len(),
            queue: VecDeque::new(),
            sent: VecDeque::new(),
            paused: 0,
            window: self.options.window,
            opening: None,
            answered_below: 0,
            idle_since: self.now,
            is_listed: false,
        });
        self.callers[by].lanes.push(lane);
        self.actors[actor].lanes.push(lane);
        self.lanes_by_name.insert(&name, lane, |key| name_of(&self.lanes, key));
        lane
    }

    /// Takes an empty lane out of the tables. Its actor stays.
    pub(super) fn remove_lane(&mut self, lane: usize, effects: &mut Vec<Effect>) {
        self.close(lane, effects);
        let name = (self.lanes[lane].caller, self.lanes[lane].actor_id);
        self.lanes_by_name.remove(&name, |key| (self.lanes[key].caller, self.lanes[key].actor_id));
        let Some(gone) = self.lanes.remove(lane) else { return };
        let siblings = &mut self.actors[gone.actor].lanes;
        siblings.swap_remove(gone.at_actor);
        if let Some(moved) = siblings.get(gone.at_actor) {
            self.lanes[*moved].at_actor = gone.at_actor;
        }
        if siblings.is_empty() {
            self.actors[gone.actor].idle_since = gone.idle_since;
        }
        let siblings = &mut self.callers[gone.by].lanes;
        siblings.swap_remove(gone.at_caller);
        if let Some(moved) = siblings.get(gone.at_caller) {
            self.lanes[*moved].at_caller = gone.at_caller;
        }
        if siblings.is_empty() {
            self.callers_by_name.remove(&gone.caller, |key| self.callers[key].caller);
            self.callers.remove(gone.by);
        }
    }

    pub(super) fn remember_lost(&mut self, node: NodeId) {
        if self.lost.len() >= LOST_NODES {
            self.lost.shift_remove_index(0);
        }
        self.lost.insert(node);
    }

    /// Nothing is left of any call.
    #[cfg(test)]
    pub(crate) fn assert_empty(&self) {
        let tables = (self.calls.len(), self.lanes.len(), self.actors.len(), self.callers.len());
        assert_eq!(tables, (0, 0, 0, 0));
        assert!(self.unclaimed.is_empty());
        assert!(self.opened.is_empty() && self.idle_lanes.is_empty() && self.idle_actors.is_empty());
    }
}
