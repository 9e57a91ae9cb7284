//! Tells members what changed.

use super::{Effect, Membership};
use mobula_types::{NodeName, Time, ViewDelta};

impl Membership {
    /// One step of the view: these nodes as they are now.
    pub(super) fn publish(&mut self, names: Vec<NodeName>, effects: &mut Vec<Effect>) {
        let from = self.view.version;
        let mut to = from;
        to.revision += 1;
        let mut delta = ViewDelta { from: Some(from), to, changed: Vec::new(), removed: Vec::new() };
        for name in names {
            self.changed_loads.remove(&name);
            match self.members.get(&name) {
                Some(member) => delta.changed.push(member.info.clone()),
                None => delta.removed.push(name),
            }
        }
        self.view.apply(&delta);
        effects.push(Effect::View(delta));
    }

    /// Pushes a bounded sample of changed loads to everybody: not every change to everybody at once.
    pub(super) fn push_loads(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if now < self.next_load_push {
            return;
        }
        let names: Vec<_> = self.changed_loads.iter().take(self.options.loads_per_push).cloned().collect();
        if !names.is_empty() {
            self.publish(names, effects);
        }
        let more = !self.changed_loads.is_empty();
        self.next_load_push = if more { now + self.options.load_interval } else { Time::NEVER };
    }
}
