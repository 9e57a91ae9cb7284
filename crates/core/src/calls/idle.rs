//! Lanes and actors that nobody uses any more go.

use super::Effect;
use super::router::CallRouter;
use mobula_types::actor::Caller;

impl CallRouter {
    /// Notes a lane that has no calls any more; if its caller is gone, it goes at once.
    pub(super) fn note_idle(&mut self, lane: usize, effects: &mut Vec<Effect>) {
        let (now, idle) = (self.now, self.options.idle);
        let Some(entry) = self.lanes.get_mut(lane).filter(|entry| entry.is_empty()) else { return };
        entry.idle_since = now;
        let (by, actor) = (entry.by, entry.actor);
        // A lane that is used on and off is looked at once a while, not each time it falls idle.
        if !entry.is_listed {
            entry.is_listed = true;
            self.idle_lanes.push_back((now + idle, lane));
        }
        if self.callers[by].ended {
            self.remove_lane(lane, effects);
            let actor = &mut self.actors[actor];
            if actor.lanes.is_empty() && !std::mem::replace(&mut actor.is_listed, true) {
                self.idle_actors.push_back((now + idle, actor.id));
            }
        }
    }

    pub(super) fn caller_ended(&mut self, caller: Caller, effects: &mut Vec<Effect>) {
        self.unclaimed.retain(|_, unclaimed| unclaimed.caller != caller);
        let Some(key) = self.find_caller(caller) else { return };
        self.callers[key].ended = true;
        for lane in self.callers[key].lanes.clone() {
            self.note_idle(lane, effects);
        }
    }

    pub(super) fn tick(&mut self, effects: &mut Vec<Effect>) {
        let (now, idle) = (self.now, self.options.idle);
        while let Some((_, lane)) = self.idle_lanes.pop_front_if(|(at, _)| *at <= now) {
            let Some(entry) = self.lanes.get_mut(lane).filter(|entry| entry.is_listed) else { continue };
            entry.is_listed = false;
            if !entry.is_empty() {
                continue;
            }
            if entry.idle_since + idle > now {
                entry.is_listed = true;
                // Later than the others by less than a period: the order of the list is nearly that of time.
                self.idle_lanes.push_back((now + idle, lane));
                continue;
            }
            let actor = entry.actor;
            self.remove_lane(lane, effects);
            if self.actors[actor].lanes.is_empty() {
                self.remove_actor(actor, effects);
            }
        }
        self.forget_idle_actors(effects);
        self.ask_again(effects);
        self.resume_paused(effects);
    }

    fn forget_idle_actors(&mut self, effects: &mut Vec<Effect>) {
        let (now, idle) = (self.now, self.options.idle);
        while let Some((_, id)) = self.idle_actors.pop_front_if(|(at, _)| *at <= now) {
            let Some(key) = self.find_actor(id) else { continue };
            let actor = &mut self.actors[key];
            actor.is_listed = false;
            if !actor.lanes.is_empty() {
                continue;
            }
            if actor.idle_since + idle <= now {
                self.remove_actor(key, effects);
            } else {
                actor.is_listed = true;
                self.idle_actors.push_back((now + idle, id));
            }
        }
    }

    fn ask_again(&mut self, effects: &mut Vec<Effect>) {
        while let Some((at, id)) = self.doubts.first().copied() {
            if at > self.now {
                return;
            }
            self.doubts.pop_first();
            if self.find_actor(id).is_some_and(|key| self.actors[key].doubted) {
                effects.push(Effect::Locate { actor: id });
                self.doubts.insert((self.now + self.options.doubt, id));
            }
        }
    }
}
