//! The task engine itself: what it holds, and its one entry.

use crate::homes::Homes;
use crate::placement::Placement;
use crate::tasks::family::Family;
use crate::tasks::job::Job;
use crate::tasks::keys::{Index, JobKey, ObjectKey, TaskKey};
use crate::tasks::object::{Holder, Object};
use crate::tasks::recent::RecentEnds;
use crate::tasks::recovery::Lineage;
use crate::tasks::session::Session;
use crate::tasks::shape::Shape;
use crate::tasks::submit::Submission;
use crate::tasks::table::TaskTable;
use crate::tasks::timers::{Timer, Timers};
use crate::tasks::{Effect, EngineOptions, Event, SessionKey};
use mobula_types::{
    ClusterView, Failure, Generation, JobId, NodeId, NodeName, ObjectId, TaskId, TaskTemplate, Time,
};
use slab::Slab;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;

/// Owns tasks and objects. See the [module](crate::tasks).
#[derive(Debug)]
pub struct TaskEngine {
    pub(super) options: EngineOptions,
    pub(super) now: Time,
    pub(super) random: u64,
    pub(super) placement: Placement,
    pub(super) view: Arc<ClusterView>,
    /// The latest generation of each name that is known to be dead.
    pub(super) lost_nodes: BTreeMap<NodeName, Generation>,

    pub(super) jobs: Slab<Job>,
    pub(super) job_index: Index<JobId, JobKey>,
    /// The latest owner of the driver's tasks of each job that was taken over.
    pub(super) homes: Homes<NodeId>,
    pub(super) sessions: Index<SessionKey, Session>,
    /// Sessions whose credit is withheld.
    pub(super) starved: VecDeque<SessionKey>,
    pub(super) shapes: Slab<Shape>,
    pub(super) tasks: TaskTable,
    pub(super) families: Index<TaskId, Family>,
    pub(super) objects: Slab<Object>,
    /// What was put here, and objects of other nodes. Results are found by their task.
    pub(super) object_index: Index<ObjectId, ObjectKey>,

    /// Jobs with something ready, the one that has had the least of its share first.
    pub(super) ready_jobs: BinaryHeap<Reverse<(u64, JobKey)>>,
    /// The share of the job that was served last; where a job starts that had nothing ready.
    pub(super) pass: u64,
    /// Raised whenever there may be more room than before.
    pub(super) capacity: u64,
    pub(super) queued: usize,
    /// Of those, placed by themselves.
    pub(super) queued_single: usize,
    /// What found no place: others of its needs need not look.
    pub(super) found_full: Option<FoundFull>,

    /// Bytes of small values in the arguments of heavy tasks that are at executors.
    pub(super) heavy_under_way: u64,

    pub(super) timers: Timers,
    pub(super) reopening: bool,
    pub(super) lineage: Lineage,
    /// What values, arguments and records cost.
    pub(super) store_bytes: u64,
    pub(super) last_ticket: u64,
    pub(super) recent: RecentEnds,
    /// What follows from what has just been done, in order; empty between events.
    pub(super) steps: VecDeque<Step>,
}

/// A shape that found no place in some state of the capacity.
#[derive(Debug)]
pub(super) struct FoundFull {
    pub(super) capacity: u64,
    /// How many could queue ahead.
    pub(super) ahead: u32,
    pub(super) job: JobKey,
    pub(super) template: Arc<TaskTemplate>,
}

/// A consequence, kept for later so that long chains need no deep stack.
#[derive(Debug)]
pub(super) enum Step {
    /// The task fails, if its ticket is still that one.
    Fail(TaskKey, u64, Failure),
    /// The task goes on its way to an actor, if its ticket is still that one.
    Route(TaskKey, u64),
    /// The task is cancelled, with everything below it.
    Cancel { task: TaskId, failure: Failure, force: bool },
    /// A value, or a task that will not run again, no longer needs the object.
    Unpin(ObjectKey),
    /// A task that was kept in case it had to run again no longer is.
    UnpinLineage(ObjectKey),
    /// The object is wanted and has no copy.
    Recover(ObjectKey),
}

impl TaskEngine {
    /// An engine that knows of nothing yet.
    pub fn new(options: EngineOptions) -> Self {
        TaskEngine {
            now: Time::ZERO,
            random: options.seed,
            placement: Placement::new(options.node.clone()),
            view: Arc::default(),
            lost_nodes: BTreeMap::new(),
            jobs: Slab::new(),
            job_index: Index::default(),
            homes: Homes::new(),
            sessions: Index::default(),
            starved: VecDeque::new(),
            shapes: Slab::new(),
            tasks: TaskTable::new(),
            families: Index::default(),
            objects: Slab::new(),
            object_index: Index::default(),
            ready_jobs: BinaryHeap::new(),
            pass: 0,
            capacity: 1,
            queued: 0,
            queued_single: 0,
            found_full: None,
            heavy_under_way: 0,
            timers: Timers::default(),
            reopening: false,
            lineage: Lineage::default(),
            store_bytes: 0,
            last_ticket: 0,
            recent: RecentEnds::default(),
            steps: VecDeque::new(),
            options,
        }
    }

    /// Applies an event and appends what is to be done.
    pub fn on_event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        self.now = self.now.max(now);
        match event {
            Event::Submitted { requester, job, task, template, arguments, parent, extras } => {
                let deadline = self.deadline_in(extras.as_ref().and_then(|extras| extras.deadline));
                let call = None;
                let submission =
                    Submission { requester, job, task, template, arguments, parent, deadline, extras, call };
                self.submitted(submission, effects);
            }
            Event::Called { requester, job, task, template, arguments, extras, call } => {
                let parent = call.parent;
                let deadline = self.deadline_in(extras.as_ref().and_then(|extras| extras.deadline));
                let call = Some(*call);
                let submission =
                    Submission { requester, job, task, template, arguments, parent, deadline, extras, call };
                self.submitted(submission, effects);
            }
            Event::ActorOver { actor } => self.actor_over(actor),
            Event::Ended { place, task, attempt, end } => self.ended(place, task, attempt, end, effects),
            Event::Released { requester, objects } => self.released(&requester, &objects, effects),
            Event::Flush => self.flush(effects),
            Event::Tick => self.tick(effects),
            Event::Put { requester, job, object, value } => self.put(requester, job, object, value, effects),
            Event::Wanted { requester, address } => self.wanted(requester, &address, effects),
            Event::Held { requester, objects } => self.held(&requester, &objects, effects),
            Event::Cancel { requester, address, force, recursive } => {
                self.cancel(&requester, &address, force, recursive, effects);
            }
            Event::Blocked { job, task } => self.blocked(job, task),
            Event::Unblocked { job, task } => self.unblocked(job, task),
            Event::ParentEnded { task, cancel, force } => self.guest_parent_ended(task, cancel, force),
            other => self.on_rare_event(other, effects),
        }
        self.run_steps(effects);
    }

    fn on_rare_event(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::JobOpened { job, has_executable, weight, owner_term } => {
                self.job_opened(job, has_executable, weight, owner_term, effects);
            }
            Event::JobEnded { job, failure } => self.job_ended(job, &failure, effects),
            Event::SessionOpened { session, job, kind } => self.session_opened(session, job, kind, effects),
            Event::SessionClosed { session } => self.session_closed(session, effects),
            Event::SessionLost { session } => self.session_lost(session),
            Event::View(view) => self.set_view(view, effects),
            Event::NodeLost { node } => self.node_lost(&node, effects),
            Event::PeerUnreachable { node } => self.peer_unreachable(&node, effects),
            Event::PeerDoubtful { node } => self.peer_doubtful(&node, effects),
            Event::Withdrawn { requester, object } => self.withdrawn(&requester, object, effects),
            Event::Resolved { owner, object, outcome } => self.resolved(&owner, object, outcome, effects),
            Event::Borrowed { node, objects } => self.borrowed(&node, &objects),
            Event::Unborrowed { node, objects } => self.unborrowed(&node, &objects, effects),
            Event::Handed { node, objects } => self.handed(&node, &objects, effects),
            Event::CopyMade { node, object, version } => self.copy_made(&node, object, version, effects),
            Event::CopyLost { node, reporter, object, version } => {
                self.copy_lost(&node, &reporter, object, version, effects);
            }
            Event::FoundJob { place, found } => self.found_job(place, found, effects),
            Event::TakenOver { job, owner, owner_term } => self.taken_over(job, &owner, owner_term, effects),
            // Handled by `on_event`.
            _ => {}
        }
    }

    /// When it wants [`Event::Tick`]; [`Time::NEVER`] while nothing is due.
    pub fn next_deadline(&self) -> Time {
        self.timers.next()
    }

    pub(super) fn run_steps(&mut self, effects: &mut Vec<Effect>) {
        while let Some(step) = self.steps.pop_front() {
            match step {
                Step::Fail(task, ticket, failure) => self.fail(task, ticket, failure, effects),
                Step::Route(task, ticket) => self.route(task, ticket, effects),
                Step::Cancel { task, failure, force } => self.cancel_tree(task, failure, force, effects),
                Step::Unpin(object) => self.unpin(object, effects),
                Step::UnpinLineage(object) => self.unpin_lineage(object, effects),
                Step::Recover(object) => self.recover(object, effects),
            }
        }
    }

    fn tick(&mut self, effects: &mut Vec<Effect>) {
        while let Some(timer) = self.timers.take_due(self.now) {
            match timer {
                Timer::Deadline(task) => self.deadline_passed(task, effects),
                Timer::Pause(task) => self.pause_over(task, effects),
                Timer::ForgetNode(node) => self.forget_node(&node, effects),
                Timer::AskAgain(node) => self.ask_again(&node, effects),
                Timer::Arrived(object) => self.steps.push_back(Step::Unpin(object)),
                Timer::ForgetHolder(session) => self.forget_holder(Holder::session(session), effects),
                Timer::StopSeeking(job) => self.stop_seeking(job, effects),
                Timer::DropFound(job) => self.drop_found(job, effects),
                Timer::Starved(session, received) => self.patience_over(session, received, effects),
                Timer::Reopen => {
                    self.reopening = false;
                    self.placement.reopen();
                    self.capacity += 1;
                }
            }
            self.run_steps(effects);
        }
        self.flush(effects);
    }

    fn set_view(&mut self, view: Arc<ClusterView>, effects: &mut Vec<Effect>) {
        self.placement.set_view(&view);
        self.view = view;
        self.capacity += 1;
        self.balance(effects);
    }

    pub(super) fn new_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// SplitMix64.
    pub(super) fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn is_local(&self, node: &NodeId) -> bool {
        *node == self.options.node
    }

    pub(super) fn is_lost(&self, node: &NodeId) -> bool {
        self.lost_nodes.get(&node.name).is_some_and(|generation| *generation >= node.generation)
    }
}
