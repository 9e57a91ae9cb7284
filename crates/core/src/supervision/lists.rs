//! What people and programs see of actors and trees.

use super::actor::{Actor, Phase};
use super::supervisor::{Child, Stage, Supervisor};
use super::{RequestKey, Supervision};
use mobula_types::actor::{
    ActorAnswer, ActorFilter, ActorInfo, ActorState, ActorTarget, ChildInfo, DecisionEnd, SupervisorInfo,
};
use mobula_types::{ActorId, Failure, FailureKind, JobId};
use std::ops::Bound;

pub(super) fn child_info(child: &Child) -> ChildInfo {
    ChildInfo {
        id: child.id.clone(),
        state: child.state,
        actor: child.actor,
        is_supervisor: child.is_supervisor,
        restart: child.restart,
        shutdown: child.shutdown,
        significant: child.significant,
    }
}

impl Supervision {
    pub(super) fn actor_info(&self, id: ActorId, actor: &Actor) -> ActorInfo {
        let options = actor.options();
        let child = actor.child.and_then(|(above, ordinal)| {
            Some((above, self.supervisors.get(&above)?.children.get(&ordinal)?.id.clone()))
        });
        ActorInfo {
            actor: id,
            namespace: options.namespace.clone(),
            name: options.name.clone(),
            class: actor.spec.template.function.clone(),
            job: actor.spec.job,
            state: self.state_of_actor(actor),
            epoch: actor.epoch,
            node: actor.node.clone(),
            restarts: actor.restarts,
            last_exit: actor.last.as_ref().map(|(_, reason)| reason.to_string()).unwrap_or_default(),
            supervisor: child.as_ref().map(|(above, _)| *above),
            child: child.map_or_else(|| "".into(), |(_, child)| child),
            since_millis: actor.since_millis,
        }
    }

    /// A supervisor, with so many of its children behind a place as one answer has.
    pub(super) fn supervisor_info(
        &self,
        id: ActorId,
        supervisor: &Supervisor,
        after: Option<u64>,
        limit: usize,
    ) -> SupervisorInfo {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let visible =
            supervisor.children.range((after, Bound::Unbounded)).filter(|(_, child)| !child.removed);
        let mut visible = visible.peekable();
        let limit = limit.clamp(1, self.options.longest_list);
        let page: Vec<_> = visible.by_ref().take(limit).collect();
        let more_after = visible.peek().and(page.last()).map(|(place, _)| **place);
        SupervisorInfo {
            supervisor: id,
            namespace: supervisor.namespace.clone(),
            name: supervisor.name.clone(),
            job: supervisor.job,
            parent: supervisor.parent.map(|(above, _)| above),
            strategy: supervisor.rules.strategy,
            intensity: supervisor.rules.intensity,
            state: self.state_of_supervisor(supervisor),
            restarts: supervisor.restarts,
            last_exit: supervisor.last.as_ref().map(|reason| reason.to_string()).unwrap_or_default(),
            children: page.into_iter().map(|(_, child)| child_info(child)).collect(),
            more_after,
            since_millis: supervisor.since_millis,
        }
    }

    pub(super) fn state_of_actor(&self, actor: &Actor) -> ActorState {
        if self.is_over(actor.child) && !actor.is_granted() { ActorState::Dead } else { actor_state(actor) }
    }

    pub(super) fn state_of_supervisor(&self, supervisor: &Supervisor) -> ActorState {
        match self.is_over(supervisor.parent) && !supervisor.running {
            true => ActorState::Dead,
            false => supervisor_state(supervisor),
        }
    }

    pub(super) fn find(&mut self, request: RequestKey, target: &ActorTarget) {
        let found = self.actor_at(target);
        let dead = match (&found, target) {
            (Err(_), ActorTarget::Id(id)) => self.dead.get(*id).and_then(|dead| dead.info.clone()),
            _ => None,
        };
        if let Some(info) = dead {
            return self.answer(0, request, Ok(ActorAnswer::Found(info)));
        }
        let found = found.and_then(|id| {
            let actor = self.actors.get(&id);
            let info = actor.map(|actor| Box::new(self.actor_info(id, actor)));
            let answer = info.map(|info| (actor.map_or(0, |actor| actor.write), ActorAnswer::Found(info)));
            answer.ok_or_else(|| Failure::new(FailureKind::NotFound, format!("there is no actor {id}")))
        });
        match found {
            Ok((write, answer)) => self.answer(write, request, Ok(answer)),
            Err(failure) => self.answer(0, request, Err(failure)),
        }
    }

    pub(super) fn list(&mut self, request: RequestKey, filter: &ActorFilter, limit: usize) {
        let limit = limit.min(self.options.longest_list);
        let (actors, more) = self.listed(filter, limit);
        self.answer(0, request, Ok(ActorAnswer::List { actors, more }));
    }

    /// So many of those that the filter is for, and whether there are more.
    fn listed(&self, filter: &ActorFilter, limit: usize) -> (Vec<ActorInfo>, bool) {
        let after = filter.after.map_or(Bound::Unbounded, Bound::Excluded);
        let of_job = |job: JobId| filter.job.is_none_or(|wanted| job == wanted);
        let of_state = |state: ActorState| filter.state.is_none_or(|wanted| state == wanted);
        let in_namespace =
            |info: &ActorInfo| filter.namespace.as_ref().is_none_or(|namespace| info.namespace == *namespace);
        let fits = |actor: &Actor| of_job(actor.spec.job) && of_state(self.state_of_actor(actor));
        let all = self.actors.range((after, Bound::Unbounded)).filter(|(_, actor)| fits(actor));
        let mut known = all.map(|(id, actor)| self.actor_info(*id, actor)).filter(in_namespace).peekable();
        // The dead are many, and of no concern to who asks for no state.
        let buried = filter.state.filter(|state| *state == ActorState::Dead).map(|_| self.dead.infos(after));
        let is_gone = |info: &&ActorInfo| of_job(info.job) && !self.actors.contains_key(&info.actor);
        let buried = buried.into_iter().flatten().filter(is_gone).filter(|info| in_namespace(info));
        let mut buried = buried.cloned().peekable();
        // Both are in the order of their ids.
        let mut fitting = std::iter::from_fn(|| match (known.peek(), buried.peek()) {
            (Some(known_one), Some(dead)) if dead.actor < known_one.actor => buried.next(),
            (Some(_), _) => known.next(),
            (None, _) => buried.next(),
        });
        let actors: Vec<ActorInfo> = fitting.by_ref().take(limit).collect();
        let more = fitting.next().is_some();
        (actors, more)
    }

    pub(super) fn children(
        &mut self,
        request: RequestKey,
        target: &ActorTarget,
        after: Option<u64>,
        limit: usize,
    ) {
        let info = self.supervisor_at(target).and_then(|id| {
            let supervisor = self.supervisors.get(&id);
            let info = supervisor.map(|supervisor| self.supervisor_info(id, supervisor, after, limit));
            info.ok_or_else(|| super::children::no_supervisor(id))
        });
        self.answer(0, request, info.map(|info| ActorAnswer::Children(Box::new(info))));
    }

    pub(super) fn tree(&mut self, request: RequestKey, target: Option<&ActorTarget>) {
        let roots = match target.map(|target| self.supervisor_at(target)).transpose() {
            Ok(Some(root)) => vec![root],
            Ok(None) => {
                let roots = self.supervisors.iter().filter(|(_, supervisor)| supervisor.parent.is_none());
                roots.map(|(id, _)| *id).collect()
            }
            Err(failure) => return self.answer(0, request, Err(failure)),
        };
        let (mut supervisors, mut actors, mut more) = (Vec::new(), Vec::new(), false);
        for root in roots {
            more |= !self.gather(root, &mut supervisors, &mut actors);
        }
        self.answer(0, request, Ok(ActorAnswer::Tree { supervisors, actors, more }));
    }

    /// A supervisor and what is below it, as far as a list may go: whether that is all.
    fn gather(
        &self,
        id: ActorId,
        supervisors: &mut Vec<SupervisorInfo>,
        actors: &mut Vec<ActorInfo>,
    ) -> bool {
        let Some(supervisor) = self.supervisors.get(&id) else { return true };
        if supervisors.len() + actors.len() >= self.options.longest_list {
            return false;
        }
        let room = self.options.longest_list - supervisors.len() - actors.len();
        supervisors.push(self.supervisor_info(id, supervisor, None, room));
        for child in supervisor.children.values().filter(|child| !child.removed) {
            if child.is_supervisor {
                if !self.gather(child.actor, supervisors, actors) {
                    return false;
                }
            } else if let Some(actor) = self.actors.get(&child.actor) {
                if supervisors.len() + actors.len() >= self.options.longest_list {
                    return false;
                }
                actors.push(self.actor_info(child.actor, actor));
            }
        }
        true
    }
}

fn actor_state(actor: &Actor) -> ActorState {
    match actor.phase {
        _ if actor.stop.is_some() => ActorState::Stopping,
        // There is no node with room for it, be it its first start or not.
        Phase::Pending => ActorState::Pending,
        Phase::Idle | Phase::Granted if actor.last.is_none() => ActorState::Pending,
        Phase::Idle | Phase::Granted => ActorState::Restarting,
        Phase::Starting | Phase::Unknown => ActorState::Starting,
        Phase::Running => ActorState::Running,
        Phase::Isolated => ActorState::Isolated,
    }
}

fn supervisor_state(supervisor: &Supervisor) -> ActorState {
    let Some(decision) = &supervisor.decision else {
        return match (supervisor.running, &supervisor.last) {
            (true, _) => ActorState::Running,
            (false, None) => ActorState::Pending,
            (false, Some(_)) => ActorState::Restarting,
        };
    };
    match (&decision.end, decision.stage) {
        (DecisionEnd::Start, _) if decision.is_start => ActorState::Starting,
        (DecisionEnd::Start, Stage::Stop | Stage::Start) => ActorState::Restarting,
        _ => ActorState::Stopping,
    }
}
