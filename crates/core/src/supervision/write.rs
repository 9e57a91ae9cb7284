//! What is decided becomes durable before it takes effect.
//!
//! Decisions change the machine's own state at once; what they changed is marked, and written when the turn ends. What is
//! to be said because of them waits until that write, and all before it, are durable. So many writes may be outstanding,
//! and a head that is deposed has said nothing that the registry does not hold.

use super::outbox::Said;
use super::unsaid::Unsaid;
use super::{Effect, RequestKey, Supervision};
use indexmap::IndexSet;
use mobula_types::actor::{RecordChange, SpecKey, SpecRecord, in_parts_of};
use mobula_types::{ActorId, Failure};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most changes of one write, where the options say nothing else.
pub const WRITE_LIMIT: usize = 100;

/// The most bytes of what is written at once. The registry takes a mebibyte, of which keys take what is left here.
const WRITE_BYTES: usize = 512 * 1024;

/// A key of the registry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Key {
    Actor(ActorId),
    Supervisor(ActorId),
    Spec(SpecKey),
    Name(Arc<str>, Arc<str>),
}

/// Writes that are not durable yet, and what waits for them.
#[derive(Clone, Default, Debug)]
pub(super) struct Writes {
    /// What changed since the last write was made.
    changed: IndexSet<Key, foldhash::fast::FixedState>,
    /// The number that the next write gets; from 1.
    next: u64,
    /// Those that were made in the middle of this turn.
    ready: Vec<Effect>,
    outstanding: BTreeMap<u64, Outstanding>,
    unsaid: Unsaid,
}

/// A write that is not durable yet.
#[derive(Clone, Copy, Debug)]
struct Outstanding {
    /// How many of its parts are not.
    parts: usize,
    /// Of a creation that may fail, whose.
    creation: Option<(ActorId, SpecKey)>,
}

impl Writes {
    pub(super) fn new() -> Self {
        Writes { next: 1, ..Writes::default() }
    }

    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// How much is said once writes are durable.
    #[cfg(test)]
    pub(super) fn unsaid(&self) -> usize {
        self.unsaid.len()
    }

    /// Whether that write, and all before it, are durable.
    pub(super) fn is_durable(&self, write: u64) -> bool {
        write < self.outstanding.first_key_value().map_or(self.next, |(first, _)| *first)
    }
}

impl Supervision {
    /// Something changed that the registry holds. Gives the number of the write that will have it.
    pub(super) fn mark(&mut self, key: Key) -> u64 {
        if let Key::Actor(id) | Key::Supervisor(id) = &key {
            self.observers.touch(*id);
        }
        let (index, _) = self.writes.changed.insert_full(key);
        self.writes.next + (index / self.options.write_limit.max(1)) as u64
    }

    /// The write by whose end everything is durable that has changed so far.
    pub(super) fn all_writes(&self) -> u64 {
        let unsealed = self.writes.changed.len().div_ceil(self.options.write_limit.max(1));
        self.writes.next + unsealed as u64 - 1
    }

    /// An actor changed.
    pub(super) fn mark_actor(&mut self, id: ActorId) -> u64 {
        let write = self.mark(Key::Actor(id));
        if let Some(actor) = self.actors.get_mut(&id) {
            actor.write = write;
        }
        write
    }

    /// A supervisor changed.
    pub(super) fn mark_supervisor(&mut self, id: ActorId) -> u64 {
        let write = self.mark(Key::Supervisor(id));
        if let Some(supervisor) = self.supervisors.get_mut(&id) {
            supervisor.write = write;
        }
        write
    }

    /// Says something once that write, and all before it, are durable.
    pub(super) fn say(&mut self, after: u64, said: Said) {
        if self.writes.is_durable(after) {
            self.release(said);
        } else {
            self.writes.unsaid.push(after, said);
        }
    }

    /// Nobody waits for the answer to a question any more.
    pub(super) fn unsay(&mut self, request: RequestKey) {
        self.writes.unsaid.forget(request);
    }

    /// Writes what changed.
    pub(super) fn seal(&mut self, effects: &mut Vec<Effect>) {
        self.cut();
        effects.append(&mut self.writes.ready);
    }

    /// What changed so far goes into writes of its own, as it is now: what changes later in this turn comes after it.
    pub(super) fn cut(&mut self) {
        let changed = std::mem::take(&mut self.writes.changed);
        let mut keys = changed.into_iter().peekable();
        let mut ready = std::mem::take(&mut self.writes.ready);
        while keys.peek().is_some() {
            let some = keys.by_ref().take(self.options.write_limit.max(1));
            let changes = some.map(|key| self.change(key)).collect();
            self.issue(in_parts_of(changes, WRITE_BYTES), None, &mut ready);
        }
        self.writes.ready = ready;
    }

    /// How many exits are handled together so that they, and what is decided about them, are one write.
    pub(super) fn exits_of_a_write(&self) -> usize {
        (self.options.write_limit / 3).max(1)
    }

    /// Writes what changed by the creation of an actor: at most a few keys, of which nothing is written where there is no
    /// room.
    pub(super) fn seal_creation(&mut self, id: ActorId, spec: SpecKey, effects: &mut Vec<Effect>) {
        let changed = std::mem::take(&mut self.writes.changed);
        if changed.is_empty() {
            return;
        }
        let changes = changed.into_iter().map(|key| self.change(key)).collect();
        self.issue(vec![changes], Some((id, spec)), effects);
    }

    fn issue(
        &mut self,
        parts: Vec<Vec<RecordChange>>,
        creation: Option<(ActorId, SpecKey)>,
        effects: &mut Vec<Effect>,
    ) {
        let (write, may_fail) = (self.writes.next, creation.is_some());
        self.writes.next += 1;
        self.writes.outstanding.insert(write, Outstanding { parts: parts.len(), creation });
        effects.extend(parts.into_iter().map(|changes| Effect::Write { write, changes, may_fail }));
    }

    fn change(&self, key: Key) -> RecordChange {
        match key {
            Key::Actor(id) => match self.actors.get(&id) {
                Some(actor) => RecordChange::PutActor(Box::new(self.actor_record(id, actor))),
                None => match self.dead.get(id).filter(|dead| dead.recorded) {
                    Some(dead) => RecordChange::PutActor(Box::new(self.tombstone(id, dead))),
                    None => RecordChange::DeleteActor(id),
                },
            },
            Key::Supervisor(id) => match self.supervisors.get(&id) {
                Some(supervisor) => {
                    RecordChange::PutSupervisor(Box::new(self.supervisor_record(id, supervisor)))
                }
                None => RecordChange::DeleteSupervisor(id),
            },
            Key::Spec(key) => match self.specs.get(key) {
                Some(spec) => RecordChange::PutSpec(SpecRecord { key, spec: spec.clone() }),
                None => RecordChange::DeleteSpec(key),
            },
            Key::Name(namespace, name) => match self.names.get(&(namespace.clone(), name.clone())) {
                Some(actor) => RecordChange::PutName { namespace, name, actor: *actor },
                None => RecordChange::DeleteName { namespace, name },
            },
        }
    }

    /// A write is durable, or the next part of it.
    pub(super) fn written(&mut self, write: u64) {
        let Some(outstanding) = self.writes.outstanding.get_mut(&write) else { return };
        outstanding.parts -= 1;
        if outstanding.parts == 0 {
            self.writes.outstanding.remove(&write);
            self.release_durable();
        }
    }

    /// A creation was not written: it never was.
    pub(super) fn not_written(&mut self, write: u64, failure: &Failure) {
        let Some(Outstanding { creation, .. }) = self.writes.outstanding.remove(&write) else { return };
        for said in self.writes.unsaid.take(write) {
            match said {
                Said::Answer { request, .. } => {
                    self.say(0, Said::Answer { request, answer: Err(failure.clone()) })
                }
                Said::Created { request, index, .. } => {
                    self.say(0, Said::Created { request, index, created: Err(failure.clone()) });
                }
                // Observers wait for all writes before they are told first, whatever those are of.
                Said::Changed(_, _, ref change)
                    if creation.is_none_or(|(actor, _)| actor != change.actor) =>
                {
                    self.say(write.saturating_sub(1), said);
                }
                _ => {}
            }
        }
        if let Some((actor, spec)) = creation {
            self.uncreate(actor, failure);
            self.write_spec_again(spec);
        }
        self.release_durable();
    }

    fn release_durable(&mut self) {
        while let Some(write) = self.writes.unsaid.first().filter(|write| self.writes.is_durable(*write)) {
            self.writes.unsaid.take(write).for_each(|said| self.release(said));
        }
    }
}
