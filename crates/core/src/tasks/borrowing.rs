//! References that cross nodes: what others borrow here, and what this node borrows elsewhere.

use crate::tasks::keys::{JobKey, ObjectKey};
use crate::tasks::object::Value;
use crate::tasks::timers::Timer;
use crate::tasks::{Effect, TaskEngine};
use mobula_types::{Failure, FailureKind, NodeId, ObjectAddress, ObjectId};

impl TaskEngine {
    /// Tells an owner of a reference; several in a row are one effect.
    pub(super) fn borrow(&mut self, owner: NodeId, object: ObjectId, effects: &mut Vec<Effect>) {
        match effects.last_mut() {
            Some(Effect::Borrow { owner: last, objects }) if *last == owner => objects.push(object),
            _ => effects.push(Effect::Borrow { owner, objects: vec![object] }),
        }
    }

    /// Tells an owner that a reference is gone; several in a row are one effect.
    pub(super) fn unborrow(&mut self, owner: NodeId, object: ObjectId, effects: &mut Vec<Effect>) {
        match effects.last_mut() {
            Some(Effect::Unborrow { owner: last, objects }) if *last == owner => objects.push(object),
            _ => effects.push(Effect::Unborrow { owner, objects: vec![object] }),
        }
    }

    pub(super) fn borrowed(&mut self, node: &NodeId, objects: &[ObjectId]) {
        if self.is_lost(node) {
            return;
        }
        for object in objects {
            if let Some(key) = self.lookup(*object).or_else(|| self.expect_object(*object))
                && !self.objects[key.at()].is_foreign()
            {
                self.objects[key.at()].add_borrower(node);
            }
        }
    }

    pub(super) fn unborrowed(&mut self, node: &NodeId, objects: &[ObjectId], effects: &mut Vec<Effect>) {
        for object in objects {
            if let Some(key) = self.lookup(*object) {
                self.objects[key.at()].drop_borrower(node);
                self.drop_if_unneeded(key, effects);
            }
        }
    }

    pub(super) fn handed(&mut self, node: &NodeId, objects: &[ObjectAddress], effects: &mut Vec<Effect>) {
        for address in objects {
            self.hand(node, address, effects);
        }
    }

    /// A reference is about to be sent to another node, which is its borrower from now on. What a third node owns is kept
    /// until the receiver has had the time to register with that one.
    pub(super) fn hand(&mut self, node: &NodeId, address: &ObjectAddress, effects: &mut Vec<Effect>) {
        if self.is_lost(node) {
            return;
        }
        let Some(key) = self.locate(JobKey::NONE, address, effects) else { return };
        let object = &mut self.objects[key.at()];
        match object.owner() {
            None => object.add_borrower(node),
            Some(owner) if owner == node => self.drop_if_unneeded(key, effects),
            Some(_) => {
                object.pins += 1;
                self.timers.set(self.now + self.options.grace, Timer::Arrived(key));
            }
        }
    }

    /// An unreachable owner is told again, whole, what is borrowed from it, and asked again for what is waited for.
    pub(super) fn ask_again(&mut self, owner: &NodeId, effects: &mut Vec<Effect>) {
        if self.is_lost(owner) {
            return;
        }
        let keys = self.owned_by(owner);
        for key in &keys {
            let object = self.objects[key.at()].id;
            self.borrow(owner.clone(), object, effects);
        }
        for key in keys {
            let object = &self.objects[key.at()];
            if matches!(object.value, Value::Pending) && !object.waiters.is_empty() {
                self.ask_owner(key, effects);
            }
        }
    }

    /// The objects on record that a node owns.
    pub(super) fn owned_by(&self, owner: &NodeId) -> Vec<ObjectKey> {
        let owned = self.objects.iter().filter(|(_, object)| object.owner() == Some(owner));
        owned.map(|(position, _)| ObjectKey::new(position)).collect()
    }

    /// A lost owner's objects wait for another owner, and fail when none has come.
    pub(super) fn expect_owner(&mut self, owner: &NodeId) {
        self.timers.set(self.now + self.options.grace, Timer::ForgetNode(owner.clone()));
    }

    /// What a lost node owned and nobody took over is lost.
    pub(super) fn fail_owned_by(&mut self, owner: &NodeId, effects: &mut Vec<Effect>) {
        for key in self.owned_by(owner) {
            if !matches!(self.objects[key.at()].value, Value::Pending) {
                continue;
            }
            let object = self.objects[key.at()].id;
            let cause =
                Failure::new(FailureKind::NodeLost, "its owner was lost and no other node took it over");
            let text = format!("object {object} has no owner any more");
            let failure = Failure::new(FailureKind::ObjectLost, text)
                .of_object(object)
                .caused_by(cause.on_node(owner.clone()));
            self.settle(key, Value::Failed(failure), effects);
            self.run_steps(effects);
        }
    }
}
