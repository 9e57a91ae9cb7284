//! How an actor or a supervisor stands, as observers are told.

use super::Supervision;
use super::actor::Phase;
use mobula_types::actor::{ActorState, DecisionEnd, StateChange};
use mobula_types::{ActorId, Epoch, ExitKind, ExitReason};

impl Supervision {
    /// How something stands that is not dead for good; `None` where its node has not said so to this head yet.
    pub(super) fn current(&self, id: ActorId) -> Option<StateChange> {
        if let Some(actor) = self.actors.get(&id) {
            let stops = actor.stop.as_ref().map(|stop| stop.reason.clone());
            let last = actor.last.as_ref().map(|(_, reason)| reason.clone());
            let change = StateChange {
                name: actor.options().name.clone(),
                state: self.state_of_actor(actor),
                epoch: actor.epoch,
                node: actor.node.clone(),
                reason: stops.or(last),
                restarts: actor.restarts,
                at_millis: actor.since_millis,
                ..self.blank(id, actor.child)
            };
            return (actor.phase != Phase::Unknown).then_some(change);
        }
        if self.is_left_alone(id) {
            return self.left_alone_stands(id);
        }
        let supervisor = self.supervisors.get(&id)?;
        let ends = supervisor.decision.as_ref().and_then(|decision| match &decision.end {
            DecisionEnd::Exit(reason) | DecisionEnd::StartFailed(reason) => Some(reason.clone()),
            DecisionEnd::Start => None,
        });
        Some(StateChange {
            is_supervisor: true,
            name: supervisor.name.clone(),
            state: self.state_of_supervisor(supervisor),
            epoch: supervisor.epoch,
            reason: ends.or_else(|| supervisor.last.clone()),
            restarts: supervisor.restarts,
            at_millis: supervisor.since_millis,
            ..self.blank(id, supervisor.parent)
        })
    }

    /// What cannot be read stands as nodes say: nothing follows from its exit, and it is not dead for good.
    fn left_alone_stands(&self, id: ActorId) -> Option<StateChange> {
        let (incarnation, node, state, reason) = self.said_of_left_alone(id)?;
        Some(StateChange { state, epoch: incarnation.epoch, node, reason, ..self.blank(id, None) })
    }

    fn blank(&self, id: ActorId, place: Option<(ActorId, u64)>) -> StateChange {
        let child = place.and_then(|(above, ordinal)| self.supervisors.get(&above)?.children.get(&ordinal));
        StateChange {
            actor: id,
            is_supervisor: false,
            name: "".into(),
            supervisor: place.map(|(above, _)| above),
            child: child.map_or_else(|| "".into(), |child| child.id.clone()),
            state: ActorState::Pending,
            epoch: Epoch(0),
            node: None,
            reason: None,
            restarts: 0,
            at_millis: self.wall_millis,
            is_final: false,
            missed: 0,
            below: None,
        }
    }

    /// It is dead for good, or nothing is known of it any more.
    pub(super) fn final_change(&self, id: ActorId) -> StateChange {
        let told = self.observers.told(id).cloned();
        let dead = self.dead.get(id);
        let info = dead.and_then(|dead| dead.info.as_deref());
        let mut change = told.unwrap_or_else(|| self.blank(id, None));
        // Of dead actors there is a description or a record.
        change.is_supervisor |= dead.is_some_and(|dead| dead.info.is_none() && !dead.recorded);
        if let Some(info) = info {
            change.name = info.name.clone();
            if info.supervisor.is_some() {
                (change.supervisor, change.child) = (info.supervisor, info.child.clone());
            }
            change.node = info.node.clone();
            change.restarts = info.restarts;
        }
        let lost = || (change.epoch, ExitReason::of(ExitKind::Lost), self.wall_millis);
        let known = dead.map(|dead| (dead.incarnation.epoch, dead.reason.clone(), dead.since_millis));
        let (epoch, reason, at_millis) = known.unwrap_or_else(lost);
        StateChange {
            state: ActorState::Dead,
            epoch,
            reason: Some(reason),
            at_millis,
            is_final: true,
            missed: 0,
            ..change
        }
    }
}
