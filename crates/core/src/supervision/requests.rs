//! What is asked of single actors, and the ends of jobs.

use super::actor::Phase;
use super::tree::NewTree;
use super::waiting::Wait;
use super::{Effect, RequestKey, Supervision};
use mobula_types::actor::{ActorAnswer, ActorRequest, ActorTarget, ChildShutdown, DecisionEnd, Lifetime};
use mobula_types::{ActorId, ExitKind, ExitReason, Failure, FailureKind, JobId, NodeId};
use std::time::Duration;

impl Supervision {
    pub(super) fn request(
        &mut self,
        request: RequestKey,
        asker: Option<&NodeId>,
        ask: ActorRequest,
        effects: &mut Vec<Effect>,
    ) {
        match ask {
            ActorRequest::Create(actors) => self.create(request, asker, actors, effects),
            ActorRequest::Find(target) => self.find(request, &target),
            ActorRequest::List { filter, limit } => self.list(request, &filter, limit),
            ActorRequest::Stop { target, kill, grace } => self.stop(request, &target, kill, grace),
            ActorRequest::Restart(target) => self.restart_asked(request, &target),
            ActorRequest::StartSupervisor { supervisor, namespace, name, job, detached, spec } => {
                let tree = NewTree { supervisor, namespace, name, job, detached, spec };
                self.start_tree(request, asker, tree);
            }
            ActorRequest::StopSupervisor(target) => self.stop_supervisor(request, &target),
            ActorRequest::StartChild { supervisor, actor, child } => {
                self.start_child(request, asker, &supervisor, actor, child);
            }
            ActorRequest::TerminateChild { supervisor, child } => {
                self.terminate_child(request, &supervisor, &child);
            }
            ActorRequest::RestartChild { supervisor, child } => {
                self.restart_child(request, &supervisor, &child)
            }
            ActorRequest::DeleteChild { supervisor, child } => {
                self.delete_child(request, &supervisor, &child)
            }
            ActorRequest::Children { supervisor, after, limit } => {
                self.children(request, &supervisor, after, limit);
            }
            ActorRequest::ChildSpec { supervisor, child } => self.child_spec(request, &supervisor, &child),
            ActorRequest::Tree(target) => self.tree(request, target.as_ref()),
            ActorRequest::ListGroups { .. } => {
                let text = "groups are kept beside the supervision, which knows none";
                self.answer(0, request, Err(Failure::new(FailureKind::InvalidArgument, text)));
            }
        }
    }

    /// The actor that is meant, alive.
    pub(super) fn actor_at(&self, target: &ActorTarget) -> Result<ActorId, Failure> {
        match target {
            ActorTarget::Id(id) if self.actors.contains_key(id) => Ok(*id),
            ActorTarget::Id(id) => {
                self.check_readable(*id)?;
                let text = match self.dead.get(*id) {
                    Some(dead) => format!("actor {id} is dead: {}", dead.reason),
                    None => format!("there is no actor {id}"),
                };
                Err(Failure::new(FailureKind::NotFound, text))
            }
            ActorTarget::Named { namespace, name } => {
                let owner = self.owner_of(namespace, name);
                owner.map_or(Ok(()), |id| self.check_readable(id))?;
                owner.filter(|id| self.actors.contains_key(id)).ok_or_else(|| {
                    let text = format!("no actor is named '{name}' in namespace '{namespace}'");
                    Failure::new(FailureKind::NotFound, text)
                })
            }
        }
    }

    fn stop(&mut self, request: RequestKey, target: &ActorTarget, kill: bool, grace: Duration) {
        let id = match self.actor_at(target) {
            Ok(id) => id,
            Err(failure) => return self.answer(0, request, Err(failure)),
        };
        // How a child may be stopped is its supervisor's word too; of any other, who stops it says how.
        let own = self.actors.get(&id).and_then(|actor| actor.child).map(|_| self.shutdown_of(id));
        let (shutdown, kind) = match own {
            _ if kill => (ChildShutdown::Brutal, ExitKind::Killed),
            Some(ChildShutdown::Brutal) => (ChildShutdown::Brutal, ExitKind::Killed),
            Some(ChildShutdown::Within(own)) => (ChildShutdown::Within(own.min(grace)), ExitKind::Shutdown),
            Some(ChildShutdown::Infinity) | None => (ChildShutdown::Within(grace), ExitKind::Shutdown),
        };
        self.wait(request, id, Wait::Ended);
        let write = self.not_again(id);
        let phase = self.actors.get(&id).map(|actor| actor.phase);
        if self.order_stop(id, shutdown, ExitReason::of(kind), write) {
            return;
        }
        // Nothing runs that could exit.
        match self.actors.get(&id).and_then(|actor| actor.child) {
            None => self.bury(id, ExitReason::of(kind)),
            Some((supervisor, ordinal)) => {
                self.request_gone(request);
                self.answer(self.write_of(id), request, Ok(ActorAnswer::Done { ended: None }));
                // What has its turn tries elsewhere; what waits for time, or for others, goes on waiting.
                if matches!(phase, Some(Phase::Granted | Phase::Pending)) {
                    self.launch_child(supervisor, ordinal);
                }
            }
        }
    }

    /// What was to start again, after a drain or because somebody asked for that, does not: only its restart type may still
    /// say so. Gives the write that has it.
    fn not_again(&mut self, id: ActorId) -> u64 {
        let Some(actor) = self.actors.get_mut(&id).filter(|actor| actor.again) else { return 0 };
        actor.again = false;
        self.mark_actor(id)
    }

    fn restart_asked(&mut self, request: RequestKey, target: &ActorTarget) {
        let id = match self.actor_at(target) {
            Ok(id) => id,
            Err(failure) => return self.answer(0, request, Err(failure)),
        };
        if self.released(request, id) {
            return;
        }
        let Some(actor) = self.actors.get(&id) else { return };
        if actor.child.is_none() && !self.may_move(id) {
            let text =
                format!("actor {id} has no supervisor, and its arguments are not kept: it cannot restart");
            return self.answer(0, request, Err(Failure::new(FailureKind::InvalidArgument, text)));
        }
        if !actor.is_granted() || actor.phase == Phase::Granted {
            return self.answer(actor.write, request, Ok(ActorAnswer::Done { ended: None }));
        }
        if let Some(actor) = self.actors.get_mut(&id) {
            actor.again = true;
        }
        let write = self.mark_actor(id);
        self.wait(request, id, Wait::Ended);
        self.order_stop(id, self.shutdown_of(id), ExitReason::of(ExitKind::Shutdown), write);
    }

    /// Nobody holds a handle any more.
    pub(super) fn unreferenced(&mut self, id: ActorId) {
        let Some(actor) = self.actors.get(&id) else { return };
        let held = actor.child.is_some()
            || actor.options().lifetime != Lifetime::Handles
            || !actor.options().name.is_empty();
        if !held {
            self.end_for_good(id, ExitKind::Shutdown);
        }
    }

    /// Ends an actor without a supervisor.
    fn end_for_good(&mut self, id: ActorId, kind: ExitKind) {
        let write = self.not_again(id);
        let (shutdown, reason) = (self.shutdown_of(id), ExitReason::of(kind));
        if !self.order_stop(id, shutdown, reason.clone(), write) {
            self.bury(id, reason);
        }
    }

    pub(super) fn job_opened(&mut self, job: JobId, has_executable: bool) {
        let known = self.jobs.entry(job).or_default();
        if known.has_executable != has_executable {
            known.has_executable = has_executable;
            self.pending.retry = true;
        }
    }

    pub(super) fn job_ended(&mut self, job: JobId) {
        let Some(known) = self.jobs.get_mut(&job) else { return };
        known.ended = true;
        if known.users == 0 {
            self.jobs.remove(&job);
            return;
        }
        let (low, high) = (TASK_LOW, TASK_HIGH);
        let all: Vec<ActorId> = self.by_job.range((job, low)..=(job, high)).map(|(_, id)| *id).collect();
        for id in all {
            if let Some(supervisor) = self.supervisors.get(&id) {
                if supervisor.parent.is_none() && !supervisor.detached {
                    let end = DecisionEnd::Exit(ExitReason::of(ExitKind::JobEnded));
                    self.stop_children(id, end, None);
                }
                continue;
            }
            let Some(actor) = self.actors.get(&id) else { continue };
            if actor.child.is_none() && !actor.is_detached() {
                self.end_for_good(id, ExitKind::JobEnded);
            }
        }
    }
}

const TASK_LOW: ActorId = ActorId(mobula_types::TaskId { high: 0, low: 0 });
const TASK_HIGH: ActorId = ActorId(mobula_types::TaskId { high: u64::MAX, low: u64::MAX });
