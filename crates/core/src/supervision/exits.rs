//! Exits: each incarnation has one, whoever tells of it, and it is acknowledged once it is written.

use super::Supervision;
use super::actor::Phase;
use super::decide::Exits;
use super::outbox::Said;
use super::supervisor::ChildExit;
use mobula_types::actor::ExitReport;
use mobula_types::{ActorId, ExitKind, ExitReason, Incarnation, NodeId, Time, WorkerId};
use std::collections::BTreeSet;

impl Supervision {
    /// Exits that a node reports, oldest first. Many are handled in parts, each with a write of its own: a head that takes
    /// over between two writes finds that each exit was counted if it is on record, and else comes again.
    pub(super) fn exits_reported(&mut self, node: &NodeId, mut reports: Vec<ExitReport>) {
        reports.sort_by_key(|report| std::cmp::Reverse(report.age));
        let size = self.exits_of_a_write();
        for part in reports.chunks(size) {
            self.cut();
            self.some_reported(node, part);
        }
    }

    fn some_reported(&mut self, node: &NodeId, reports: &[ExitReport]) {
        let in_force = |report: &&ExitReport| self.is_in_force(report.incarnation, node);
        let ended: Vec<ActorId> =
            reports.iter().filter(in_force).map(|report| report.incarnation.actor).collect();
        self.decisions_first(&ended);
        let mut exits = Exits::new();
        for report in reports {
            let incarnation = report.incarnation;
            let at = self.now.before(report.age);
            if self.is_in_force(incarnation, node) {
                let worker = report.worker.map(|worker| end_of_worker(node, worker));
                self.end(incarnation.actor, report.reason.clone(), at, report.started, worker, &mut exits);
            }
            if self.is_left_alone(incarnation.actor) {
                // Its node keeps the exit: whoever takes up the record learns of it.
                self.left_alone_exited(incarnation, &report.reason);
                continue;
            }
            let write = self.write_of(incarnation.actor);
            self.say(write, Said::Recorded(node.clone(), incarnation));
        }
        self.children_exited(exits);
    }

    /// Incarnations that have ended at once, now, and of which nobody reports.
    pub(super) fn end_together(&mut self, ended: &[ActorId], kind: ExitKind) {
        self.decisions_first(ended);
        let mut exits = Exits::new();
        for id in ended {
            self.end(*id, ExitReason::of(kind), self.now, false, None, &mut exits);
        }
        self.children_exited(exits);
    }

    /// Of many that end together, what their supervisors decide is written before the exits, upper supervisors first. A head
    /// that takes over between two of these writes finds the decision, and then the exits that belong to it; it would
    /// otherwise find children that do not run, and start each by itself.
    fn decisions_first(&mut self, ended: &[ActorId]) {
        if ended.len() < 2 {
            return;
        }
        let mut above = BTreeSet::new();
        for id in ended {
            let mut next = self.actors.get(id).and_then(|actor| actor.child);
            while let Some((id, _)) = next
                && let Some(supervisor) = self.supervisors.get(&id)
                && above.insert((supervisor.depth, id))
            {
                next = supervisor.parent;
            }
        }
        for (_, id) in above {
            self.mark_supervisor(id);
        }
    }

    /// A node says that a constructor wanted no actor.
    pub(super) fn ignored_reported(&mut self, node: &NodeId, incarnation: Incarnation) {
        if self.is_in_force(incarnation, node) {
            self.ignored(incarnation);
        }
        if self.is_left_alone(incarnation.actor) {
            return;
        }
        let write = self.write_of(incarnation.actor);
        self.say(write, Said::Recorded(node.clone(), incarnation));
    }

    /// Whether that incarnation is granted to that node now, as far as any node knows.
    pub(super) fn is_in_force(&self, incarnation: Incarnation, node: &NodeId) -> bool {
        self.actors.get(&incarnation.actor).is_some_and(|actor| {
            actor.epoch == incarnation.epoch
                && actor.node.as_ref() == Some(node)
                && matches!(actor.phase, Phase::Starting | Phase::Running | Phase::Unknown)
        })
    }

    /// The write that has what is known of an actor.
    pub(super) fn write_of(&self, id: ActorId) -> u64 {
        let alive = self.actors.get(&id).map(|actor| actor.write);
        alive.or_else(|| self.dead.get(id).map(|dead| dead.write)).unwrap_or(0)
    }

    /// An incarnation has ended. One without a supervisor is dead for good; of a child, its supervisor hears in `exits`.
    pub(super) fn end(
        &mut self,
        id: ActorId,
        reason: ExitReason,
        at: Time,
        started: bool,
        worker: Option<u64>,
        exits: &mut Exits,
    ) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        // What an earlier head granted may have run on a node that tells nothing any more.
        let untold = actor.phase == Phase::Unknown && reason.kind() == ExitKind::NodeLost;
        let started = started || actor.phase == Phase::Running || untold;
        let again = std::mem::take(&mut actor.again);
        actor.stop = None;
        actor.last = Some((actor.epoch, reason.clone()));
        let (incarnation, child) = (actor.incarnation(id), actor.child);
        if reason.kind() == ExitKind::NodeLost {
            let wall = self.wall_millis;
            let since = wall.saturating_sub(self.options.poison_window.as_millis() as u64);
            actor.losses.retain(|lost| *lost >= since);
            actor.losses.push(wall);
        }
        self.grant_over(id);
        let write = self.mark_actor(id);
        self.say_downs(incarnation, &reason, write);
        self.answer_ended(write, id, &reason);
        self.moved.insert(id);
        match child {
            Some((supervisor, ordinal)) => {
                let above = self.epoch_of(supervisor);
                let exit = ChildExit { ordinal, incarnation, reason, at, started, again, above, worker };
                exits.entry(supervisor).or_default().push(exit);
            }
            None if again && self.may_move(id) => self.launch(id),
            None => self.bury(id, reason),
        }
    }

    /// Which of its starts a supervisor is in.
    pub(super) fn epoch_of(&self, supervisor: ActorId) -> mobula_types::Epoch {
        self.supervisors.get(&supervisor).map_or_else(Default::default, |known| known.epoch)
    }

    /// Whether an actor without a supervisor can be started once more.
    pub(super) fn may_move(&self, id: ActorId) -> bool {
        self.actors.get(&id).is_some_and(|actor| {
            actor.has_arguments && !self.jobs.get(&actor.spec.job).is_some_and(|job| job.ended)
        })
    }
}

/// What names the end of a worker, in records too.
fn end_of_worker(node: &NodeId, worker: WorkerId) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(node.name.as_str().as_bytes());
    hasher.update(&node.generation.0.to_le_bytes());
    hasher.update(&worker.0.to_le_bytes());
    let mut part = [0; 8];
    part.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(part)
}
