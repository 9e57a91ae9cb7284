//! Casts that are nobody's calls: messages to topics that an actor has subscribed to.

use super::actor::Phase;
use super::lane::Turn;
use super::{ActorHost, Effect, TurnOrder};
use crate::tasks::Place;
use mobula_types::actor::Caller;
use mobula_types::{Attempt, Incarnation, Payload, TaskId, TaskTemplate};
use std::sync::Arc;

/// The number of no caller's record.
const NO_RECORD: u64 = u64::MAX;

impl ActorHost {
    /// Puts a cast into the mailbox of an actor that runs, unless that is full. Nobody hears of its end.
    pub(super) fn told(
        &mut self,
        incarnation: Incarnation,
        task: TaskId,
        template: Arc<TaskTemplate>,
        arguments: Payload,
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = self.find_actor(incarnation.actor) else { return };
        let actor = &mut self.actors[place];
        let bound = if actor.max_pending > 0 { actor.mailbox.min(actor.max_pending) } else { actor.mailbox };
        if actor.incarnation != incarnation || actor.phase != Phase::Running || actor.pending >= bound {
            return;
        }
        let Some(seat) = actor.seat else { return };
        actor.pending += 1;
        let attempt = Attempt::default();
        let turn = self.turns.insert(Turn {
            actor: place,
            lane: None,
            orphaned_by: Some(Place::Local),
            record: NO_RECORD,
            sequence: 0,
            task,
            attempt,
            fetching: None,
        });
        self.actors[place].orphans.insert(turn);
        effects.push(Effect::Turn(TurnOrder {
            worker: seat.id,
            handle: self.handle_of(turn),
            key: seat.key,
            // A caller of its own: nothing orders it with others but the order in which they are told.
            caller: Caller::Task(task, attempt),
            task,
            attempt,
            template,
            arguments,
            inputs: Vec::new(),
            deadline: None,
        }));
    }
}
