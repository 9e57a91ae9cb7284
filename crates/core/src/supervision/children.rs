//! Children at run time: added, terminated, started again, deleted.

use super::create::check_name;
use super::supervisor::{Child, Trial};
use super::tree::{NewTree, refused};
use super::waiting::Wait;
use super::{RequestKey, Supervision};
use mobula_types::actor::{
    ActorAnswer, ActorOptions, ActorSpec, ActorTarget, ChildInfo, ChildKind, ChildRecord, ChildSpec,
    ChildState, DecisionEnd, RestartType, SpecKey, SupervisorSpec,
};
use mobula_types::{ActorId, ExitKind, ExitReason, Failure, FailureKind, NodeId, Time};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A child to add at run time.
#[derive(Clone, Debug)]
pub(super) struct NewChild {
    supervisor: ActorId,
    actor: ActorId,
    child: ChildSpec,
}

impl NewChild {
    /// An actor that names its supervisor.
    pub(super) fn of_options(
        supervisor: ActorId,
        actor: ActorId,
        spec: Arc<ActorSpec>,
        options: &ActorOptions,
    ) -> Self {
        let child = ChildSpec {
            id: options.child_id(actor),
            restart: options.restart,
            shutdown: options.shutdown,
            significant: options.significant,
            kind: ChildKind::Actor(spec),
        };
        NewChild { supervisor, actor, child }
    }
}

/// How a child that is to be started stands.
enum Begun {
    /// It was added by now.
    Waits,
    /// It was added before, by the same question.
    Before { supervisor: ActorId, ordinal: u64 },
    /// It was added before, and has ended for good: it is not started a second time.
    Over(ChildInfo),
}

fn info_of_the_dead(actor: ActorId, child: &ChildSpec) -> ChildInfo {
    ChildInfo {
        id: child.id.clone(),
        state: ChildState::Stopped,
        actor,
        is_supervisor: matches!(child.kind, ChildKind::Supervisor(_)),
        restart: child.restart,
        shutdown: child.shutdown,
        significant: child.significant,
    }
}

impl Supervision {
    /// Adds a child and starts it.
    pub(super) fn add_child(&mut self, asker: Option<&NodeId>, new: NewChild) -> Result<(), Failure> {
        let NewChild { supervisor: above, actor, mut child } = new;
        self.check_readable(above)?;
        self.check_readable(actor)?;
        let supervisor = self.supervisors.get(&above).ok_or_else(|| no_supervisor(above))?;
        if !supervisor.running || supervisor.is_ending() {
            return Err(has_ended(above));
        }
        if let Some((pattern, key)) = &supervisor.rules.pattern {
            child = self.like_pattern(pattern, *key, actor, child)?;
        }
        if child.id.is_empty() || supervisor.by_id.contains_key(&child.id) {
            let text = format!("supervisor {above} has a child '{}' already", child.id);
            return Err(Failure::new(FailureKind::AlreadyExists, text));
        }
        check_name("", &child.id)?;
        let mut names = BTreeSet::new();
        match &child.kind {
            ChildKind::Actor(spec) => self.check_child(spec, &mut names)?,
            ChildKind::Supervisor(spec) => {
                self.check_spec(spec, supervisor.depth as usize + 2, &mut names)?
            }
        }
        let tree = NewTree {
            supervisor: above,
            namespace: supervisor.namespace.clone(),
            name: "".into(),
            job: supervisor.job,
            detached: supervisor.detached,
            spec: Arc::default(),
        };
        let ordinal = supervisor.next_ordinal;
        self.declare_child(asker, &tree, (above, actor), &child, false);
        if let Some(child) = self.child_mut(above, ordinal) {
            child.trial = Trial::Added;
        }
        let carries_out =
            self.supervisors.get(&above).is_some_and(|supervisor| supervisor.decision.is_some());
        if carries_out {
            self.advance(above)
        } else {
            self.launch_child(above, ordinal)
        }
        Ok(())
    }

    /// A child of `SimpleOneForOne`: as all are, but for its arguments and its id.
    fn like_pattern(
        &self,
        pattern: &ChildRecord,
        key: SpecKey,
        actor: ActorId,
        child: ChildSpec,
    ) -> Result<ChildSpec, Failure> {
        let (ChildKind::Actor(given), Some(spec)) = (&child.kind, self.specs.get(key)) else {
            return Err(refused("a child of this supervisor is an actor".into()));
        };
        let (arguments, inputs) = (given.arguments.clone(), given.inputs.clone());
        let spec = ActorSpec { job: spec.job, template: spec.template.clone(), arguments, inputs };
        Ok(ChildSpec {
            id: if child.id.is_empty() { actor.to_string().into() } else { child.id },
            restart: pattern.restart,
            shutdown: pattern.shutdown,
            significant: pattern.significant,
            kind: ChildKind::Actor(Arc::new(spec)),
        })
    }

    /// The supervisor that is meant.
    pub(super) fn supervisor_at(&self, target: &ActorTarget) -> Result<ActorId, Failure> {
        match target {
            ActorTarget::Id(id) if self.supervisors.contains_key(id) => Ok(*id),
            ActorTarget::Id(id) => self.check_readable(*id).and(Err(no_supervisor(*id))),
            ActorTarget::Named { namespace, name } => {
                let owner = self.owner_of(namespace, name);
                owner.map_or(Ok(()), |id| self.check_readable(id))?;
                owner.filter(|id| self.supervisors.contains_key(id)).ok_or_else(|| {
                    let text = format!("no supervisor is named '{name}' in namespace '{namespace}'");
                    Failure::new(FailureKind::NotFound, text)
                })
            }
        }
    }

    fn child_at(&self, target: &ActorTarget, id: &str) -> Result<(ActorId, u64), Failure> {
        let supervisor = self.supervisor_at(target)?;
        let found = self.supervisors.get(&supervisor).and_then(|known| known.child(id));
        found.map(|(ordinal, _)| (supervisor, ordinal)).ok_or_else(|| {
            Failure::new(FailureKind::NotFound, format!("supervisor {supervisor} has no child '{id}'"))
        })
    }

    pub(super) fn start_child(
        &mut self,
        request: RequestKey,
        asker: Option<&NodeId>,
        target: &ActorTarget,
        actor: ActorId,
        child: ChildSpec,
    ) {
        match self.begin_child(request, asker, target, actor, child) {
            Ok(Begun::Waits) => {}
            Ok(Begun::Before { supervisor, ordinal }) => self.await_start(request, supervisor, ordinal),
            Ok(Begun::Over(info)) => {
                self.answer(0, request, Ok(ActorAnswer::Started(Box::new(info))));
            }
            Err(failure) => self.answer(0, request, Err(failure)),
        }
    }

    fn begin_child(
        &mut self,
        request: RequestKey,
        asker: Option<&NodeId>,
        target: &ActorTarget,
        actor: ActorId,
        child: ChildSpec,
    ) -> Result<Begun, Failure> {
        let supervisor = self.supervisor_at(target)?;
        let again = self.actors.get(&actor).and_then(|known| known.child);
        let again = again.or_else(|| self.supervisors.get(&actor)?.parent);
        if let Some((_, ordinal)) = again.filter(|(above, _)| *above == supervisor) {
            return Ok(Begun::Before { supervisor, ordinal });
        }
        if self.actors.contains_key(&actor) || self.supervisors.contains_key(&actor) {
            return Err(Failure::new(FailureKind::AlreadyExists, format!("{actor} is there already")));
        }
        if let Some(dead) = self.dead.get(actor).filter(|dead| dead.incarnation.epoch.0 > 0) {
            return match dead.reason.kind() {
                ExitKind::ConstructorFailed => {
                    Err(super::decide::start_failure(dead.incarnation, &dead.reason))
                }
                _ => Ok(Begun::Over(info_of_the_dead(actor, &child))),
            };
        }
        // It may start at once: the answer is waited for before.
        self.wait(request, actor, Wait::Started);
        let new = NewChild { supervisor, actor, child };
        match self.add_child(asker, new) {
            Ok(()) => Ok(Begun::Waits),
            Err(failure) => {
                self.request_gone(request);
                Err(failure)
            }
        }
    }

    /// Answers once a child that is being started has.
    fn await_start(&mut self, request: RequestKey, supervisor: ActorId, ordinal: u64) {
        let Some(child) = self.child_mut(supervisor, ordinal) else { return };
        let (actor, is_supervisor, state) = (child.actor, child.is_supervisor, child.state);
        let info = super::lists::child_info(child);
        let running = match is_supervisor {
            true => {
                self.supervisors.get(&actor).is_some_and(|known| known.running && known.decision.is_none())
            }
            false => self.actors.get(&actor).is_some_and(|known| known.phase == super::actor::Phase::Running),
        };
        if running || state != ChildState::Present {
            let answer = ActorAnswer::Started(Box::new(info));
            return self.answer(self.writes_of(actor), request, Ok(answer));
        }
        self.wait(request, actor, Wait::Started);
    }

    pub(super) fn terminate_child(&mut self, request: RequestKey, target: &ActorTarget, id: &str) {
        let (supervisor, ordinal) = match self.child_at(target, id) {
            Ok(found) => found,
            Err(failure) => return self.answer(0, request, Err(failure)),
        };
        let Some(child) = self.child_mut(supervisor, ordinal) else { return };
        let (actor, is_supervisor, shutdown) = (child.actor, child.is_supervisor, child.shutdown);
        let temporary = child.restart == RestartType::Temporary;
        child.restart_at = Time::ZERO;
        let reason = ExitReason::of(ExitKind::Shutdown);
        if self.is_alive(actor, is_supervisor) {
            if let Some(child) = self.child_mut(supervisor, ordinal) {
                child.terminating = true;
            }
            let write = self.mark_child(supervisor, ordinal);
            self.wait(request, actor, Wait::Ended);
            return self.stop_one(actor, is_supervisor, shutdown, reason, write);
        }
        self.withdraw(actor);
        if let Some(child) = self.child_mut(supervisor, ordinal) {
            child.state = ChildState::Stopped;
            child.deferred = None;
        }
        if let Some(known) = self.supervisors.get_mut(&supervisor) {
            known.paused.remove(&ordinal);
        }
        let write = self.mark_child(supervisor, ordinal);
        self.not_wanted(write, actor, &reason);
        self.moved.insert(actor);
        if temporary {
            self.remove_child(supervisor, ordinal, &reason);
        }
        self.answer(write, request, Ok(ActorAnswer::Done { ended: None }));
        self.advance(supervisor);
    }

    pub(super) fn restart_child(&mut self, request: RequestKey, target: &ActorTarget, id: &str) {
        let (supervisor, ordinal) = match self.child_at(target, id) {
            Ok(found) => found,
            Err(failure) => return self.answer(0, request, Err(failure)),
        };
        let ready =
            self.supervisors.get(&supervisor).is_some_and(|known| known.running && !known.is_ending());
        if !ready {
            return self.answer(0, request, Err(has_ended(supervisor)));
        }
        let started = self.has_child_started(supervisor, ordinal);
        let Some(child) = self.child_mut(supervisor, ordinal) else { return };
        if child.state == ChildState::Present {
            let stands = if started { "runs already" } else { "is being started already" };
            let text = format!("child '{id}' of supervisor {supervisor} {stands}");
            return self.answer(0, request, Err(Failure::new(FailureKind::AlreadyExists, text)));
        }
        child.state = ChildState::Present;
        child.trial = Trial::Restarted;
        (child.quarantined, child.failures) = (false, 0);
        let actor = child.actor;
        self.mark_child(supervisor, ordinal);
        self.moved.insert(actor);
        self.wait(request, actor, Wait::Started);
        self.launch_child(supervisor, ordinal);
    }

    fn has_child_started(&self, supervisor: ActorId, ordinal: u64) -> bool {
        let child = self.supervisors.get(&supervisor).and_then(|known| known.children.get(&ordinal));
        child.is_some_and(|child| self.has_started(child.actor, child.is_supervisor))
    }

    pub(super) fn delete_child(&mut self, request: RequestKey, target: &ActorTarget, id: &str) {
        let (supervisor, ordinal) = match self.child_at(target, id) {
            Ok(found) => found,
            Err(failure) => return self.answer(0, request, Err(failure)),
        };
        let Some(child) = self.child_mut(supervisor, ordinal) else { return };
        if child.state == ChildState::Present {
            let text = format!("child '{id}' of supervisor {supervisor} runs; terminate it first");
            return self.answer(0, request, Err(refused(text)));
        }
        let actor = child.actor;
        self.remove_child(supervisor, ordinal, &ExitReason::of(ExitKind::Shutdown));
        let write = self.writes_of(actor);
        self.answer(write, request, Ok(ActorAnswer::Done { ended: None }));
    }

    pub(super) fn child_spec(&mut self, request: RequestKey, target: &ActorTarget, id: &str) {
        let spec = self.child_at(target, id).and_then(|(supervisor, ordinal)| {
            let child = self.supervisors.get(&supervisor).and_then(|known| known.children.get(&ordinal));
            child.and_then(|child| self.spec_of_child(child)).ok_or_else(|| no_supervisor(supervisor))
        });
        self.answer(0, request, spec.map(|spec| ActorAnswer::ChildSpec(Box::new(spec))));
    }

    fn spec_of_child(&self, child: &Child) -> Option<ChildSpec> {
        let kind = match child.is_supervisor {
            true => ChildKind::Supervisor(Arc::new(self.spec_of_supervisor(child.actor)?)),
            false => ChildKind::Actor(self.actors.get(&child.actor)?.spec.clone()),
        };
        Some(ChildSpec {
            id: child.id.clone(),
            restart: child.restart,
            shutdown: child.shutdown,
            significant: child.significant,
            kind,
        })
    }

    fn spec_of_supervisor(&self, id: ActorId) -> Option<SupervisorSpec> {
        let supervisor = self.supervisors.get(&id)?;
        let declared = supervisor.children.values().filter(|child| child.declared);
        let pattern = supervisor.rules.pattern.as_ref().and_then(|(record, key)| {
            let kind = ChildKind::Actor(self.specs.get(*key)?.clone());
            let (restart, shutdown, significant) = (record.restart, record.shutdown, record.significant);
            Some(ChildSpec { id: record.id.clone(), restart, shutdown, significant, kind })
        });
        Some(SupervisorSpec {
            strategy: supervisor.rules.strategy,
            intensity: supervisor.rules.intensity,
            auto_shutdown: supervisor.rules.auto_shutdown,
            placement: supervisor.rules.placement,
            children: declared.filter_map(|child| self.spec_of_child(child)).chain(pattern).collect(),
        })
    }

    pub(super) fn stop_supervisor(&mut self, request: RequestKey, target: &ActorTarget) {
        match self.supervisor_at(target) {
            Ok(id) if self.supervisors.get(&id).is_some_and(|known| known.running) => {
                self.wait(request, id, Wait::Ended);
                self.stop_children(id, DecisionEnd::Exit(ExitReason::of(ExitKind::Shutdown)), None);
            }
            Ok(id) => self.answer(self.writes_of(id), request, Ok(ActorAnswer::Done { ended: None })),
            Err(failure) => self.answer(0, request, Err(failure)),
        }
    }
}

fn has_ended(supervisor: ActorId) -> Failure {
    let text = format!("supervisor {supervisor} has ended, or is about to");
    Failure::new(FailureKind::SupervisorEnded, text)
}

pub(super) fn no_supervisor(id: ActorId) -> Failure {
    Failure::new(FailureKind::NotFound, format!("there is no supervisor {id}"))
}
