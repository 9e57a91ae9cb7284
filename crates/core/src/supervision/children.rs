//! Trees as they are declared, and children at run time.

use super::actor::options_of;
use super::create::{check_name, name_taken};
use super::supervisor::{Child, Rules, Supervisor, Trial};
use super::waiting::Wait;
use super::{RequestKey, Supervision};
use mobula_types::actor::{
    ActorAnswer, ActorOptions, ActorSpec, ActorTarget, ChildKind, ChildSpec, ChildState, DecisionEnd,
    RestartType, SupervisorSpec, SupervisorStrategy,
};
use mobula_types::{ActorId, Epoch, ExitKind, ExitReason, Failure, FailureKind, JobId, NodeId, TaskId, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
        let named = [&options.child, &options.name].into_iter().find(|name| !name.is_empty()).cloned();
        let child = ChildSpec {
            id: named.unwrap_or_else(|| actor.to_string().into()),
            restart: options.restart,
            shutdown: options.shutdown,
            significant: options.significant,
            kind: ChildKind::Actor(spec),
        };
        NewChild { supervisor, actor, child }
    }
}

/// A tree to start.
#[derive(Clone, Debug)]
pub(super) struct NewTree {
    pub(super) supervisor: ActorId,
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) job: JobId,
    pub(super) detached: bool,
    pub(super) spec: Arc<SupervisorSpec>,
}

fn refused(text: String) -> Failure {
    Failure::new(FailureKind::InvalidArgument, text)
}

impl Supervision {
    pub(super) fn start_tree(&mut self, request: RequestKey, asker: Option<&NodeId>, tree: NewTree) {
        let id = tree.supervisor;
        if let Some(supervisor) = self.supervisors.get(&id) {
            let starting = supervisor.decision.as_ref().is_some_and(|decision| decision.is_start);
            if starting || !supervisor.running {
                return self.wait(request, id, Wait::Started);
            }
            let answer = ActorAnswer::Started(Box::new(self.root_info(id)));
            return self.answer(self.writes_of(id), request, Ok(answer));
        }
        if let Err(failure) = self.check_tree(&tree) {
            return self.answer(0, request, Err(failure));
        }
        self.declare(asker, &tree, tree.supervisor, &tree.spec, None);
        self.wait(request, id, Wait::Started);
        self.start_supervisor(id);
    }

    fn check_tree(&self, tree: &NewTree) -> Result<(), Failure> {
        check_name(&tree.namespace, &tree.name)?;
        self.check_job(tree.job)?;
        if self.actors.contains_key(&tree.supervisor) || self.dead.get(tree.supervisor).is_some() {
            let text = format!("{} was used before, for what is not a supervisor now", tree.supervisor);
            return Err(Failure::new(FailureKind::AlreadyExists, text));
        }
        if let Some(owner) = self.owner_of(&tree.namespace, &tree.name) {
            return Err(name_taken(&tree.namespace, &tree.name, owner));
        }
        let mut names = BTreeSet::new();
        self.check_spec(&tree.spec, 1, &mut names)
    }

    /// Whether a supervisor may be like that, and what is below it.
    fn check_spec(
        &self,
        spec: &SupervisorSpec,
        level: usize,
        names: &mut BTreeSet<(Arc<str>, Arc<str>)>,
    ) -> Result<(), Failure> {
        if level > SupervisorSpec::MOST_LEVELS {
            return Err(refused(format!("a tree has at most {} levels", SupervisorSpec::MOST_LEVELS)));
        }
        let count = spec.children.len();
        if count > SupervisorSpec::MOST_CHILDREN {
            let most = SupervisorSpec::MOST_CHILDREN;
            return Err(refused(format!(
                "a supervisor is declared with {count} children, the most is {most}"
            )));
        }
        if spec.strategy == SupervisorStrategy::SimpleOneForOne
            && !matches!(&spec.children[..], [ChildSpec { kind: ChildKind::Actor(_), .. }])
        {
            let text = "SimpleOneForOne is declared with exactly one child, an actor: what all are like";
            return Err(refused(text.into()));
        }
        let mut ids = BTreeSet::new();
        for child in &spec.children {
            if child.id.is_empty() || !ids.insert(&child.id) {
                return Err(refused(format!("the child id '{}' is empty or there twice", child.id)));
            }
            check_name("", &child.id)?;
            match &child.kind {
                ChildKind::Actor(actor) => self.check_child(actor, names)?,
                ChildKind::Supervisor(below) => self.check_spec(below, level + 1, names)?,
            }
        }
        Ok(())
    }

    fn check_child(
        &self,
        spec: &ActorSpec,
        names: &mut BTreeSet<(Arc<str>, Arc<str>)>,
    ) -> Result<(), Failure> {
        let class = &spec.template.function;
        if !matches!(spec.template.options.target, mobula_types::actor::Target::Constructor(_)) {
            return Err(refused(format!("{class} is no constructor")));
        }
        let (length, most) = (spec.arguments.len(), ActorSpec::ARGUMENT_LIMIT);
        if length > most {
            let text =
                format!("the arguments of {class} have {length} bytes; those of a child have at most {most}");
            return Err(refused(text));
        }
        self.check_job(spec.job)?;
        let options = options_of(spec);
        check_name(&options.namespace, &options.name)?;
        if options.name.is_empty() {
            return Ok(());
        }
        let owner = self.owner_of(&options.namespace, &options.name);
        let twice = !names.insert((options.namespace.clone(), options.name.clone()));
        match owner {
            Some(owner) => Err(name_taken(&options.namespace, &options.name, owner)),
            None if twice => Err(refused(format!("the name '{}' is there twice", options.name))),
            None => Ok(()),
        }
    }

    /// Takes a supervisor and what is below it on record, not started yet.
    fn declare(
        &mut self,
        asker: Option<&NodeId>,
        tree: &NewTree,
        id: ActorId,
        spec: &SupervisorSpec,
        parent: Option<(ActorId, u64)>,
    ) {
        let simple = spec.strategy == SupervisorStrategy::SimpleOneForOne;
        let pattern = simple.then(|| self.pattern_of(id, &spec.children)).flatten();
        let rules = Rules {
            strategy: spec.strategy,
            intensity: spec.intensity,
            auto_shutdown: spec.auto_shutdown,
            placement: spec.placement,
            pattern,
        };
        let root = parent.is_none();
        let above = parent.and_then(|(above, _)| self.supervisors.get(&above));
        let supervisor = Supervisor {
            namespace: tree.namespace.clone(),
            name: if root { tree.name.clone() } else { "".into() },
            job: tree.job,
            detached: tree.detached,
            parent,
            depth: above.map_or(0, |above| above.depth + 1),
            rules,
            children: BTreeMap::new(),
            by_id: BTreeMap::new(),
            next_ordinal: 0,
            epoch: Epoch(0),
            running: false,
            window: VecDeque::new(),
            restarts: 0,
            decision: None,
            decisions: 0,
            deferred: Vec::new(),
            paused: BTreeSet::new(),
            started: Time::ZERO,
            last: None,
            since_millis: self.wall_millis,
            write: 0,
        };
        self.supervisors.insert(id, supervisor);
        self.by_job.insert((tree.job, id));
        self.jobs.entry(tree.job).or_default().users += 1;
        if root {
            self.take_name(&tree.namespace, &tree.name, id);
        }
        if !simple {
            for child in &spec.children {
                let actor = child_id(id, &child.id);
                self.declare_child(asker, tree, (id, actor), child, true);
            }
        }
        // Last, so that a record of a root is there once all below it are.
        self.mark_supervisor(id);
    }

    fn pattern_of(
        &mut self,
        id: ActorId,
        children: &[ChildSpec],
    ) -> Option<(mobula_types::actor::ChildRecord, mobula_types::actor::SpecKey)> {
        let [child] = children else { return None };
        let ChildKind::Actor(spec) = &child.kind else { return None };
        let (key, _) = self.use_spec(spec, true);
        Some((new_child(child, id, false).record(id, 0, 0), key))
    }

    fn declare_child(
        &mut self,
        asker: Option<&NodeId>,
        tree: &NewTree,
        (above, actor): (ActorId, ActorId),
        child: &ChildSpec,
        declared: bool,
    ) {
        let Some(supervisor) = self.supervisors.get_mut(&above) else { return };
        let ordinal = supervisor.next_ordinal;
        supervisor.next_ordinal += 1;
        supervisor.by_id.insert(child.id.clone(), ordinal);
        supervisor.children.insert(ordinal, new_child(child, actor, declared));
        match &child.kind {
            ChildKind::Actor(spec) => {
                self.insert_actor(asker, actor, spec, true);
                if let Some(actor) = self.actors.get_mut(&actor) {
                    actor.child = Some((above, ordinal));
                }
            }
            ChildKind::Supervisor(spec) => self.declare(asker, tree, actor, spec, Some((above, ordinal))),
        }
    }

    /// Adds a child and starts it.
    pub(super) fn add_child(&mut self, asker: Option<&NodeId>, new: NewChild) -> Result<(), Failure> {
        let NewChild { supervisor: above, actor, mut child } = new;
        let supervisor = self.supervisors.get(&above).ok_or_else(|| no_supervisor(above))?;
        if !supervisor.running || supervisor.is_ending() {
            let text = format!("supervisor {above} has ended, or is about to");
            return Err(Failure::new(FailureKind::SupervisorEnded, text));
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
        pattern: &mobula_types::actor::ChildRecord,
        key: mobula_types::actor::SpecKey,
        actor: ActorId,
        child: ChildSpec,
    ) -> Result<ChildSpec, Failure> {
        let (ChildKind::Actor(given), Some(spec)) = (&child.kind, self.specs.get(key)) else {
            return Err(refused("a child of this supervisor is an actor".into()));
        };
        let spec = ActorSpec { arguments: given.arguments.clone(), ..(**spec).clone() };
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
            ActorTarget::Id(id) => Err(no_supervisor(*id)),
            ActorTarget::Named { namespace, name } => {
                let owner = self.owner_of(namespace, name).filter(|id| self.supervisors.contains_key(id));
                owner.ok_or_else(|| {
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
        let result = self.supervisor_at(target).and_then(|supervisor| {
            let again = self.actors.get(&actor).and_then(|known| known.child);
            let again = again.or_else(|| self.supervisors.get(&actor)?.parent);
            if let Some((above, ordinal)) = again.filter(|(above, _)| *above == supervisor) {
                return Ok((above, ordinal));
            }
            if self.actors.contains_key(&actor) || self.supervisors.contains_key(&actor) {
                return Err(Failure::new(FailureKind::AlreadyExists, format!("{actor} is there already")));
            }
            // It may start at once: the answer is waited for before.
            self.wait(request, actor, Wait::Started);
            let new = NewChild { supervisor, actor, child };
            if let Err(failure) = self.add_child(asker, new) {
                self.request_gone(request);
                return Err(failure);
            }
            Ok((supervisor, u64::MAX))
        });
        match result {
            Ok((_, u64::MAX)) => {}
            Ok((supervisor, ordinal)) => self.await_start(request, supervisor, ordinal),
            Err(failure) => self.answer(0, request, Err(failure)),
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
        let Some(child) = self.child_mut(supervisor, ordinal) else { return };
        if child.state == ChildState::Present || !ready {
            let text = format!("child '{id}' of supervisor {supervisor} runs, or its supervisor does not");
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

fn new_child(spec: &ChildSpec, actor: ActorId, declared: bool) -> Child {
    Child {
        id: spec.id.clone(),
        actor,
        is_supervisor: matches!(spec.kind, ChildKind::Supervisor(_)),
        restart: spec.restart,
        shutdown: spec.shutdown,
        significant: spec.significant,
        declared,
        removed: false,
        state: ChildState::Present,
        terminating: false,
        quarantined: false,
        failures: 0,
        restart_at: Time::ZERO,
        trial: Trial::None,
    }
}

pub(super) fn no_supervisor(id: ActorId) -> Failure {
    Failure::new(FailureKind::NotFound, format!("there is no supervisor {id}"))
}

/// The actor of a declared child: the same each time that the tree is declared.
pub(super) fn child_id(supervisor: ActorId, child: &str) -> ActorId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&supervisor.0.high.to_le_bytes());
    hasher.update(&supervisor.0.low.to_le_bytes());
    hasher.update(child.as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    ActorId(TaskId::from_hash(u128::from_le_bytes(half)))
}
