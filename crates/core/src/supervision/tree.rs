//! Trees as they are declared: checked, and taken on record.

use super::actor::options_of;
use super::create::{check_name, check_options, name_taken};
use super::supervisor::{Child, Rules, Supervisor, Trial};
use super::waiting::Wait;
use super::{RequestKey, Supervision};
use mobula_types::actor::{
    ActorAnswer, ActorSpec, ChildKind, ChildRecord, ChildSpec, ChildState, SpecKey, SupervisorSpec,
    SupervisorStrategy, Target,
};
use mobula_types::{ActorId, Epoch, Failure, FailureKind, JobId, NodeId, TaskId, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

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

pub(super) fn refused(text: String) -> Failure {
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
        self.check_readable(tree.supervisor)?;
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
    pub(super) fn check_spec(
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

    pub(super) fn check_child(
        &self,
        spec: &ActorSpec,
        names: &mut BTreeSet<(Arc<str>, Arc<str>)>,
    ) -> Result<(), Failure> {
        let class = &spec.template.function;
        if !matches!(spec.template.options.target, Target::Constructor(_)) {
            return Err(refused(format!("{class} is no constructor")));
        }
        let (length, most) = (spec.arguments.len(), ActorSpec::ARGUMENT_LIMIT);
        if length > most {
            let text =
                format!("the arguments of {class} have {length} bytes; those of a child have at most {most}");
            return Err(Failure::new(FailureKind::TooLarge, text));
        }
        if !spec.inputs.is_empty() {
            let text = format!(
                "the arguments of {class} refer to objects, or hold a value that is one for its size, and a child outlives \
                 those; pass small values"
            );
            return Err(refused(text));
        }
        check_options(spec)?;
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
            window: Default::default(),
            worker_ends: VecDeque::new(),
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
        self.heard_of(id);
    }

    fn pattern_of(&mut self, id: ActorId, children: &[ChildSpec]) -> Option<(ChildRecord, SpecKey)> {
        let [child] = children else { return None };
        let ChildKind::Actor(spec) = &child.kind else { return None };
        let (key, _) = self.use_spec(spec, true);
        Some((new_child(child, id, false).record(id, Epoch::default(), 0, |_| 0), key))
    }

    pub(super) fn declare_child(
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
        deferred: None,
        trial: Trial::None,
    }
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
