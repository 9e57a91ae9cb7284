//! Jobs on this node: their tasks by kind, their queues, their workers.

use super::estimate::Estimate;
use super::pool::Pool;
use super::run::RunTable;
use super::{Owner, RunKey};
use foldhash::fast::FixedState;
use indexmap::IndexMap;
use mobula_types::{Failure, FunctionId, FunctionInfo, JobId, Quantity, Resources, TaskTemplate, Time};
use slab::Slab;
use std::collections::VecDeque;
use std::sync::Arc;

/// Kinds without runs are forgotten when a job has more than this.
const MAX_KINDS: usize = 1024;

/// A job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) has_executable: bool,
    pub(super) ended: bool,
    pub(super) weight: u32,
    /// How many runs it may hand out before the next job's turn.
    pub(super) turn_left: u32,
    /// The pass in which runs of its executable were found to lack nothing but CPUs.
    pub(super) lacks_cpus_in: u64,
    /// It stands in the round of jobs that have something in their lanes.
    pub(super) in_round: bool,
    /// Runs, and those of them that wait in lanes or for inputs.
    pub(super) runs: usize,
    pub(super) waiting: usize,
    /// Those that wait in lanes.
    pub(super) in_lanes: usize,
    /// Running tasks of no CPUs that do not wait for others.
    pub(super) zero_cpu: u32,
    /// What its executable can run, once a worker has said so.
    pub(super) functions: Option<Arc<[FunctionInfo]>>,
    kinds: Slab<Kind>,
    /// By the address of the template, which the kind keeps alive. Never iterated.
    kinds_by_template: IndexMap<usize, usize, FixedState>,
    last_kind: usize,
    pub(super) lanes: Slab<Lane>,
    estimates: IndexMap<FunctionId, Estimate, FixedState>,
    pub(super) pool: Pool,
    /// Workers, those that start or end included.
    pub(super) workers: usize,
    /// Workers in a row that did not get as far as ending a run.
    pub(super) start_failures: u32,
    /// Why its workers do not start, and until when that is believed.
    pub(super) broken: Option<(Failure, Time)>,
}

/// Tasks of one template.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) template: Arc<TaskTemplate>,
    pub(super) target: Target,
    /// Runs of it.
    pub(super) runs: usize,
}

/// Where tasks of a kind go.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Into that lane; their running time is that estimate's.
    Lane { lane: usize, estimate: usize },
    /// They wait in that lane until a worker has said what the executable can run.
    Undecided { lane: usize },
    /// Nowhere: they fail with this.
    Refused(Failure),
}

/// A queue of runs that need the same.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) key: LaneKey,
    pub(super) queue: VecDeque<RunKey>,
    /// How many entries of the queue are gone.
    stale: usize,
    /// The pass in which it was found that nothing of it can be handed out.
    pub(super) skipped_in: u64,
    /// Since when its first run lacks CPUs and nothing of it was handed out.
    pub(super) blocked_since: Time,
    kinds: usize,
}

/// What the runs of a lane have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LaneKey {
    pub(super) runner: Runner,
    pub(super) isolated: bool,
    pub(super) resources: Arc<Resources>,
}

/// What runs them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Runner {
    /// Not known yet.
    Undecided,
    /// The job's executable.
    Executable,
    /// The node.
    Embedded,
}

impl LaneKey {
    pub(super) fn is_zero_cpu(&self) -> bool {
        self.resources.cpu == Quantity::ZERO
    }
}

impl Lane {
    fn new(key: LaneKey) -> Self {
        Lane { key, queue: VecDeque::new(), stale: 0, skipped_in: 0, blocked_since: Time::NEVER, kinds: 0 }
    }

    /// The first run that is still there.
    pub(super) fn front(&mut self, runs: &RunTable) -> Option<RunKey> {
        while let Some(key) = self.queue.front() {
            if runs.get(*key).is_some() {
                return Some(*key);
            }
            self.queue.pop_front();
            self.stale = self.stale.saturating_sub(1);
        }
        None
    }

    /// Takes everything out, gone ones included.
    pub(super) fn clear(&mut self) -> VecDeque<RunKey> {
        self.stale = 0;
        std::mem::take(&mut self.queue)
    }

    pub(super) fn live(&self) -> usize {
        self.queue.len() - self.stale.min(self.queue.len())
    }

    /// A run of the queue is gone. Its entry is skipped later; a queue of mostly such entries is cleaned.
    pub(super) fn forget_one(&mut self, runs: &RunTable) {
        self.stale += 1;
        if self.stale > 32 && self.stale * 2 > self.queue.len() {
            self.queue.retain(|key| runs.get(*key).is_some());
            self.stale = 0;
        }
    }
}

impl Job {
    pub(super) fn new(id: JobId, has_executable: bool, weight: u32) -> Self {
        Job {
            id,
            has_executable,
            ended: false,
            weight: weight.max(1),
            turn_left: weight.max(1),
            lacks_cpus_in: 0,
            in_round: false,
            runs: 0,
            waiting: 0,
            in_lanes: 0,
            zero_cpu: 0,
            functions: None,
            kinds: Slab::new(),
            kinds_by_template: IndexMap::with_hasher(FixedState::with_seed(0x6b69)),
            last_kind: usize::MAX,
            lanes: Slab::new(),
            estimates: IndexMap::with_hasher(FixedState::with_seed(0x6573)),
            pool: Pool::default(),
            workers: 0,
            start_failures: 0,
            broken: None,
        }
    }

    pub(super) fn kind(&self, kind: usize) -> &Kind {
        &self.kinds[kind]
    }

    pub(super) fn kind_mut(&mut self, kind: usize) -> &mut Kind {
        &mut self.kinds[kind]
    }

    /// The kind of that template, if it was seen before.
    pub(super) fn find_kind(&mut self, template: &Arc<TaskTemplate>) -> Option<usize> {
        if let Some(kind) = self.kinds.get(self.last_kind)
            && Arc::ptr_eq(&kind.template, template)
        {
            return Some(self.last_kind);
        }
        let kind = *self.kinds_by_template.get(&(Arc::as_ptr(template) as usize))?;
        self.last_kind = kind;
        Some(kind)
    }

    /// Before a kind is added: keeps their number down.
    pub(super) fn make_room_for_kind(&mut self) {
        if self.kinds.len() >= MAX_KINDS {
            self.forget_idle_kinds();
        }
    }

    pub(super) fn add_kind(&mut self, template: Arc<TaskTemplate>, target: Target) -> usize {
        if let Target::Lane { lane, .. } | Target::Undecided { lane } = &target {
            self.lanes[*lane].kinds += 1;
        }
        let address = Arc::as_ptr(&template) as usize;
        let kind = self.kinds.insert(Kind { template, target, runs: 0 });
        self.kinds_by_template.insert(address, kind);
        self.last_kind = kind;
        kind
    }

    /// Forgets the kinds that have no runs, so that they are looked at anew, and the lanes that only they used.
    pub(super) fn forget_idle_kinds(&mut self) {
        self.last_kind = usize::MAX;
        let (lanes, by_template) = (&mut self.lanes, &mut self.kinds_by_template);
        self.kinds.retain(|_, kind| {
            if kind.runs > 0 {
                return true;
            }
            by_template.swap_remove(&(Arc::as_ptr(&kind.template) as usize));
            if let Target::Lane { lane, .. } | Target::Undecided { lane } = &kind.target {
                lanes[*lane].kinds -= 1;
            }
            false
        });
        self.lanes.retain(|_, lane| lane.kinds > 0);
    }

    /// Changes where a kind goes. Its runs are moved by the caller.
    pub(super) fn retarget(&mut self, kind: usize, target: Target) {
        if let Target::Lane { lane, .. } | Target::Undecided { lane } = &target {
            self.lanes[*lane].kinds += 1;
        }
        let old = std::mem::replace(&mut self.kinds[kind].target, target);
        if let Target::Lane { lane, .. } | Target::Undecided { lane } = old {
            self.lanes[lane].kinds -= 1;
        }
    }

    /// The kinds that wait for the executable's functions.
    pub(super) fn undecided_kinds(&self) -> Vec<usize> {
        let undecided = |kind: &Kind| matches!(kind.target, Target::Undecided { .. });
        self.kinds.iter().filter(|(_, kind)| undecided(kind)).map(|(index, _)| index).collect()
    }

    /// The lane for runs that need this; a new one where there is none.
    pub(super) fn lane_for(&mut self, runner: Runner, isolated: bool, resources: &Resources) -> usize {
        let same = |lane: &Lane| {
            lane.key.runner == runner && lane.key.isolated == isolated && *lane.key.resources == *resources
        };
        if let Some((index, _)) = self.lanes.iter().find(|(_, lane)| same(lane)) {
            return index;
        }
        let key = LaneKey { runner, isolated, resources: Arc::new(resources.clone()) };
        self.lanes.insert(Lane::new(key))
    }

    /// The estimate of a function's running time.
    pub(super) fn estimate_for(&mut self, function: &FunctionId) -> usize {
        let entry = self.estimates.entry(function.clone());
        let index = entry.index();
        entry.or_insert(Estimate::UNKNOWN);
        index
    }

    pub(super) fn estimate(&self, index: usize) -> Estimate {
        self.estimates.get_index(index).map_or(Estimate::UNKNOWN, |(_, estimate)| *estimate)
    }

    pub(super) fn estimate_mut(&mut self, index: usize) -> Option<&mut Estimate> {
        self.estimates.get_index_mut(index).map(|(_, estimate)| estimate)
    }

    /// The lane of a run's kind.
    pub(super) fn lane_of(&self, kind: usize) -> Option<usize> {
        match self.kinds[kind].target {
            Target::Lane { lane, .. } | Target::Undecided { lane } => Some(lane),
            Target::Refused(_) => None,
        }
    }
}

/// All jobs.
#[derive(Debug)]
pub(super) struct JobTable {
    jobs: Slab<Job>,
    by_id: IndexMap<JobId, usize, FixedState>,
    last: usize,
}

impl JobTable {
    pub(super) fn new() -> Self {
        JobTable {
            jobs: Slab::new(),
            by_id: IndexMap::with_hasher(FixedState::with_seed(0x6a6f)),
            last: usize::MAX,
        }
    }

    pub(super) fn find(&mut self, id: JobId) -> Option<usize> {
        if self.jobs.get(self.last).is_some_and(|job| job.id == id) {
            return Some(self.last);
        }
        self.last = *self.by_id.get(&id)?;
        Some(self.last)
    }

    pub(super) fn insert(&mut self, job: Job) {
        let id = job.id;
        let index = self.jobs.insert(job);
        self.by_id.insert(id, index);
    }

    pub(super) fn remove(&mut self, index: usize) {
        if let Some(job) = self.jobs.try_remove(index) {
            self.by_id.shift_remove(&job.id);
        }
    }

    pub(super) fn at(&self, index: usize) -> &Job {
        &self.jobs[index]
    }

    pub(super) fn at_mut(&mut self, index: usize) -> &mut Job {
        &mut self.jobs[index]
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn nth(&self, position: usize) -> Option<usize> {
        self.by_id.get_index(position).map(|(_, index)| *index)
    }

    /// Their places, in the order in which they were opened.
    pub(super) fn indexes(&self) -> impl Iterator<Item = usize> + '_ {
        self.by_id.values().copied()
    }
}

/// Whether two owners are the same; the local one, first, because it is the usual case.
pub(super) fn same_owner(left: &Owner, right: &Owner) -> bool {
    matches!((left, right), (Owner::Local, Owner::Local)) || left == right
}
