//! Creation: ids, names, and the first grant.

use super::actor::{Actor, options_of};
use super::children::NewChild;
use super::outbox::Said;
use super::waiting::Batch;
use super::write::Key;
use super::{Effect, RequestKey, Supervision};
use mobula_types::actor::{ActorOptions, ActorSpec, CreateActor, EncodedSize, Target};
use mobula_types::{ActorId, ExitReason, Failure, FailureKind, JobId, NodeId};
use std::sync::Arc;

/// The longest namespace or name, in bytes.
const NAME_LIMIT: usize = 200;

/// A job that runs, or whose actors outlive it.
#[derive(Clone, Default, Debug)]
pub(super) struct Job {
    pub(super) has_executable: bool,
    pub(super) ended: bool,
    /// How many actors and supervisors it has.
    pub(super) users: u64,
}

impl Supervision {
    pub(super) fn create(
        &mut self,
        request: RequestKey,
        asker: Option<&NodeId>,
        actors: Vec<CreateActor>,
        effects: &mut Vec<Effect>,
    ) {
        if actors.is_empty() {
            let none = mobula_types::actor::ActorAnswer::Created(Vec::new());
            return self.answer(0, request, Ok(none));
        }
        let missing = actors.len();
        self.batches.insert(request, Batch { created: vec![None; missing], missing });
        self.seal(effects);
        for (index, CreateActor { actor, spec }) in actors.into_iter().enumerate() {
            let created = self.create_one(asker, actor, spec, effects);
            let write = created.as_ref().map_or(0, |id| self.writes_of(*id));
            self.say(write, Said::Created { request, index, created });
        }
    }

    fn create_one(
        &mut self,
        asker: Option<&NodeId>,
        id: ActorId,
        spec: Arc<ActorSpec>,
        effects: &mut Vec<Effect>,
    ) -> Result<ActorId, Failure> {
        let Target::Constructor(options) = &spec.template.options.target else {
            let text = format!("{} is to be created from what is no constructor", spec.template.function);
            return Err(Failure::new(FailureKind::InvalidArgument, text));
        };
        if self.is_repeat(asker, id, &spec)? {
            return Ok(id);
        }
        let options = options.clone();
        self.check_creation(&spec, &options)?;
        if let Some(owner) = self.owner_of(&options.namespace, &options.name) {
            return self.taken(asker, owner, &options);
        }
        if let Some(supervisor) = options.supervisor {
            self.add_child(asker, NewChild::of_options(supervisor, id, spec.clone(), &options))?;
            // Its supervisor may have gone on with what it is carrying out: that must not fail.
            self.seal(effects);
            return Ok(id);
        }
        let key = self.insert_actor(asker, id, &spec, false);
        if self.is_hopeless(id, &spec) {
            self.bury(id, ExitReason::of(mobula_types::ExitKind::Lost));
            self.seal(effects);
            let text = format!("no node can host {}, and it is not to wait for one", spec.template.function);
            return Err(Failure::new(FailureKind::Infeasible, text));
        }
        self.launch(id);
        self.seal_creation(id, key, effects);
        Ok(id)
    }

    /// Whether the creation was made before. It brings the arguments that an earlier head did not hand on.
    fn is_repeat(
        &mut self,
        asker: Option<&NodeId>,
        id: ActorId,
        spec: &Arc<ActorSpec>,
    ) -> Result<bool, Failure> {
        self.check_readable(id)?;
        if self.supervisors.contains_key(&id) {
            return Err(Failure::new(FailureKind::AlreadyExists, format!("{id} is a supervisor")));
        }
        if !self.actors.contains_key(&id) && self.dead.get(id).is_none() {
            return Ok(false);
        }
        if let Some(node) = asker {
            self.locate(node, id);
        }
        let waits = self.without_arguments.contains(&id);
        if let Some(actor) = self.actors.get_mut(&id)
            && actor.child.is_none()
            && !actor.has_arguments
            && (waits || !matches!(actor.phase, super::actor::Phase::Running))
        {
            actor.spec = spec.clone();
            actor.has_arguments = true;
        }
        if waits {
            self.no_longer_pending(id);
            self.launch(id);
        }
        Ok(true)
    }

    fn check_creation(&self, spec: &ActorSpec, options: &ActorOptions) -> Result<(), Failure> {
        check_name(&options.namespace, &options.name)?;
        check_options(spec)?;
        self.check_job(spec.job)?;
        if self.writes.outstanding() >= self.options.most_writes {
            let text = "too many changes wait for the registry; try again later";
            return Err(Failure::new(FailureKind::ResourceExhausted, text));
        }
        Ok(())
    }

    pub(super) fn check_job(&self, job: JobId) -> Result<(), Failure> {
        match self.jobs.get(&job) {
            Some(known) if !known.ended => Ok(()),
            _ => Err(Failure::new(FailureKind::JobEnded, format!("job {job} has ended, or never ran"))),
        }
    }

    pub(super) fn owner_of(&self, namespace: &Arc<str>, name: &Arc<str>) -> Option<ActorId> {
        if name.is_empty() {
            return None;
        }
        self.names.get(&(namespace.clone(), name.clone())).copied()
    }

    fn taken(
        &mut self,
        asker: Option<&NodeId>,
        owner: ActorId,
        options: &ActorOptions,
    ) -> Result<ActorId, Failure> {
        if options.get_or_create && self.actors.contains_key(&owner) {
            if let Some(node) = asker {
                self.locate(node, owner);
            }
            return Ok(owner);
        }
        self.check_readable(owner)?;
        Err(name_taken(&options.namespace, &options.name, owner))
    }

    fn is_hopeless(&self, id: ActorId, spec: &ActorSpec) -> bool {
        let Some(actor) = self.actors.get(&id) else { return false };
        spec.template.options.fail_if_infeasible && !self.placer.is_feasible(&self.wish(actor))
    }

    /// A new actor, not granted yet. Gives the key of its spec.
    pub(super) fn insert_actor(
        &mut self,
        asker: Option<&NodeId>,
        id: ActorId,
        spec: &Arc<ActorSpec>,
        supervised: bool,
    ) -> mobula_types::actor::SpecKey {
        let (key, kept) = self.use_spec(spec, supervised);
        let is_same = kept.arguments == spec.arguments && kept.inputs == spec.inputs;
        let shared = if is_same { kept } else { spec.clone() };
        let mut actor = Actor::new(shared, key);
        actor.creator = asker.cloned();
        actor.listeners.extend(asker.cloned());
        actor.since_millis = self.wall_millis;
        // The child of a tree that is declared once more goes on where it was.
        actor.epoch = self.dead.get(id).map(|dead| dead.incarnation.epoch).unwrap_or_default();
        self.actors.insert(id, actor);
        self.by_job.insert((spec.job, id));
        self.jobs.entry(spec.job).or_default().users += 1;
        let options = options_of(spec);
        self.take_name(&options.namespace, &options.name, id);
        self.mark_actor(id);
        self.heard_of(id);
        key
    }

    pub(super) fn take_name(&mut self, namespace: &Arc<str>, name: &Arc<str>, id: ActorId) {
        if !name.is_empty() {
            self.names.insert((namespace.clone(), name.clone()), id);
            self.mark(Key::Name(namespace.clone(), name.clone()));
        }
    }

    pub(super) fn leave_job(&mut self, job: JobId) {
        if let Some(known) = self.jobs.get_mut(&job) {
            known.users = known.users.saturating_sub(1);
            if known.users == 0 && known.ended {
                self.jobs.remove(&job);
            }
        }
    }

    /// A creation could not be written: there is no such actor, and nobody was told otherwise.
    pub(super) fn uncreate(&mut self, id: ActorId, failure: &Failure) {
        self.bury(id, ExitReason::failed(mobula_types::ExitKind::Lost, failure.clone()));
        self.dead.remove(id);
    }
}

pub(super) fn check_name(namespace: &str, name: &str) -> Result<(), Failure> {
    if namespace.len() <= NAME_LIMIT && name.len() <= NAME_LIMIT {
        return Ok(());
    }
    let text = format!("a namespace or a name has at most {NAME_LIMIT} bytes");
    Err(Failure::new(FailureKind::InvalidArgument, text))
}

/// What a constructor is given beside its arguments goes into the registry whole.
pub(super) fn check_options(spec: &ActorSpec) -> Result<(), Failure> {
    let (bytes, most) = (spec.template.encoded_size(), ActorSpec::OPTIONS_LIMIT);
    if bytes <= most {
        return Ok(());
    }
    let class: String = spec.template.function.name.chars().take(100).collect();
    let text = format!("the options of {class} take {bytes} bytes, the most is {most}");
    Err(Failure::new(FailureKind::TooLarge, text))
}

pub(super) fn name_taken(namespace: &str, name: &str, owner: ActorId) -> Failure {
    let text = format!(
        "the name '{name}' in namespace '{namespace}' belongs to {owner} as long as that lives; \
         what is not detached ends 30 s after its driver has gone"
    );
    Failure::new(FailureKind::AlreadyExists, text)
}
