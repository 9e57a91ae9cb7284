//! Which actors there are, where each of them runs, and what happens when one exits: supervision trees that reach over
//! nodes, decided by the leading head.
//!
//! What it promises, as long as the driver performs the effects in order, and says that a write is durable when it is:
//!
//! - **Durable before effect.** No node and nobody who asks is told of a decision before what it changed is durable. A
//!   head that takes over from the records carries on, in the middle of decisions too.
//! - **One incarnation at a time.** The next epoch of an actor is granted only after the exit of the earlier one was
//!   reported, or every other node knows that its node is dead. No epoch is granted twice.
//! - **Each exit counts once**, at the time at which it happened, however often it is reported; it is acknowledged once it
//!   is written.
//! - **Supervisors do as OTP's**: strategies, restart types, intensity, escalation, ordered start and reverse stop. What a
//!   node takes with it exits at once, is handled once, upper supervisors first, and is not counted.
//! - **Names are unique** in their namespace, over actors and supervisors.
//! - **What cannot be read is left alone**, with what runs under it: see `quarantine.rs`.
//! - **Who watches an incarnation is told of its exit once.** Who observes an actor or a tree is told how it stands, and
//!   each change of that.
//!
//! The state of the machine runs ahead of the registry, and what it says waits for that: see `write.rs`.

mod actor;
mod children;
mod create;
mod dead;
mod decide;
mod effect;
mod event;
mod exits;
mod grant;
mod invariants;
mod inventory;
mod isolated;
mod lead;
mod lists;
mod locate;
mod nodes;
mod observers;
mod options;
mod outbox;
mod place;
mod quarantine;
mod questions;
mod records;
mod requests;
mod specs;
mod standing;
mod steps;
mod supervisor;
#[cfg(test)]
mod tests;
mod tree;
mod unheard;
mod unsaid;
mod waiting;
mod watch;
mod window;
mod write;

pub use effect::Effect;
pub use event::{Event, RequestKey};
pub use lead::{Inheritance, InheritedNode};
pub use options::SupervisionOptions;
pub use quarantine::Unreadable;
pub use write::WRITE_LIMIT;

use actor::Actor;
use create::Job;
use dead::Graveyard;
use grant::Pending;
use indexmap::IndexSet;
use mobula_types::{ActorId, JobId, NodeId, Time};
use nodes::Node;
use observers::Observers;
use outbox::Outbox;
use place::Placer;
use quarantine::Quarantine;
use questions::Questions;
use specs::Specs;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use supervisor::Supervisor;
use unheard::Unheard;
use waiting::{Batch, Waiters};
use watch::Watches;
use write::Writes;

/// The actors and supervisors of a cluster under one leadership. See the [module](self).
#[derive(Clone, Debug)]
pub struct Supervision {
    options: SupervisionOptions,
    /// The moment of the event that is handled.
    now: Time,
    wall_millis: u64,
    actors: BTreeMap<ActorId, Actor>,
    supervisors: BTreeMap<ActorId, Supervisor>,
    specs: Specs,
    names: BTreeMap<(Arc<str>, Arc<str>), ActorId>,
    jobs: BTreeMap<JobId, Job>,
    by_job: BTreeSet<(JobId, ActorId)>,
    nodes: BTreeMap<NodeId, Node>,
    /// Actors that may still run on nodes whose leases have ended.
    isolated: BTreeMap<NodeId, BTreeSet<ActorId>>,
    placer: Placer,
    pending: Pending,
    /// Actors that an earlier head knew the arguments of, and that are to start.
    without_arguments: BTreeSet<ActorId>,
    dead: Graveyard,
    /// What cannot be read, and is left alone.
    quarantine: Quarantine,
    watches: Watches,
    unheard: Unheard,
    observers: Observers,
    waiters: Waiters,
    questions: Questions,
    batches: BTreeMap<RequestKey, Batch>,
    /// When a child's pause, or something of a supervisor (`u64::MAX`), is over.
    timers: BTreeSet<(Time, ActorId, u64)>,
    /// Supervisors whose steps are being taken, and whether there are more to take.
    advancing: BTreeMap<ActorId, bool>,
    /// Actors whose place changed in this turn.
    moved: IndexSet<ActorId, foldhash::fast::FixedState>,
    writes: Writes,
    outbox: Outbox,
    /// The state of the jitter.
    scatter: u64,
}

impl Supervision {
    /// Takes what happened at `now`, which people call `wall_millis`; says what is to be done.
    pub fn on_event(&mut self, now: Time, wall_millis: u64, event: Event, effects: &mut Vec<Effect>) {
        self.now = now;
        self.wall_millis = wall_millis;
        match event {
            Event::Request { request, asker, question, ask } => {
                if self.is_first(request, question, &ask) {
                    self.request(request, asker.as_ref(), ask, effects);
                }
            }
            Event::RequestGone { request } => self.asker_gone(request),
            Event::NodeJoined { node } => self.node_joined(node),
            Event::NodeParted { node } => self.node_parted(&node),
            Event::Reported { node, report } => self.reported(&node, report),
            Event::NodeDraining { node } => self.node_draining(&node),
            Event::NodeLost { node } => self.node_lost(&node, true),
            Event::NodeSilent { node } => self.node_lost(&node, false),
            Event::NodeFenced { node } => self.node_fenced(&node),
            Event::View(view) => self.view_changed(&view),
            Event::JobOpened { job, has_executable } => self.job_opened(job, has_executable),
            Event::JobEnded { job } => self.job_ended(job),
            Event::Written { write } => self.written(write),
            Event::NotWritten { write, failure } => self.not_written(write, &failure),
            Event::Tick => {}
        }
        self.finish(effects);
    }

    /// When it wants the next [`Event::Tick`].
    pub fn next_deadline(&self) -> Time {
        let timer = self.timers.first().map_or(Time::NEVER, |(at, _, _)| *at);
        let timer = timer.min(self.questions.next_deadline()).min(self.unheard.next_deadline());
        timer.min(self.dead.next_deadline()).min(self.specs.next_deadline())
    }

    /// Whether actors or supervisors of a job are there.
    pub fn is_in_use(&self, job: JobId) -> bool {
        self.jobs.get(&job).is_some_and(|known| known.users > 0)
    }

    /// How many writes are not durable yet: what a driver slows those down by who create.
    pub fn outstanding_writes(&self) -> usize {
        self.writes.outstanding()
    }

    /// The end of a turn: what is due, what has room now, and then everything that is to be written and said.
    fn finish(&mut self, effects: &mut Vec<Effect>) {
        while let Some((at, id, ordinal)) = self.timers.first().copied()
            && at <= self.now
        {
            self.timers.pop_first();
            self.timer_due(id, ordinal);
        }
        self.give_up_unheard();
        self.forget_dead();
        self.forget_questions();
        self.drop_unused_specs();
        self.place_pending();
        self.tell_moves();
        self.tell_changes();
        self.seal(effects);
        self.empty_outbox(effects);
    }
}
