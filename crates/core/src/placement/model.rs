//! One node as plain numbers.

use mobula_types::view::NodeLoad;
use mobula_types::{FunctionId, JobId, NodeInfo, NodeState, Quantity, Resources};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many tasks of no CPUs an owner places on a node at once, ahead aside: what a node runs of one job.
const ZERO_CPU_AT_ONCE: u64 = 64;

/// What the owner believes of a node.
#[derive(Debug)]
pub(super) struct NodeModel {
    /// What the view says.
    pub(super) info: Arc<NodeInfo>,
    /// What this owner's unfinished tasks need, those queued ahead included.
    mine: Resources,
    /// How many they are.
    tasks: u64,
    /// How many of them need no CPU.
    zero_cpu_tasks: u64,
    /// How many of them are spread, by job and function.
    spread: BTreeMap<(JobId, FunctionId), u64>,
    /// The most of `mine` and `tasks` since the last sample, and between the last two: what a sample may have counted.
    peak: Peak,
    earlier_peak: Peak,
    /// What others use, and how many tasks they have there.
    others: Resources,
    others_tasks: u64,
    /// Set when the node has refused a task, until there is news of it.
    full: bool,
    /// The choice that last took this node.
    pub(super) last_turn: u64,
    /// `NodeState::Alive`, and in the view.
    open: bool,
}

#[derive(Clone, Default, Debug)]
struct Peak {
    resources: Resources,
    tasks: u64,
}

impl NodeModel {
    pub(super) fn new(info: &Arc<NodeInfo>) -> Self {
        let mut node = NodeModel {
            info: info.clone(),
            mine: Resources::default(),
            tasks: 0,
            zero_cpu_tasks: 0,
            spread: BTreeMap::new(),
            peak: Peak::default(),
            earlier_peak: Peak::default(),
            others: Resources::default(),
            others_tasks: 0,
            full: false,
            last_turn: 0,
            open: info.state == NodeState::Alive,
        };
        node.attribute(&info.load);
        node
    }

    /// The next view of the same generation.
    pub(super) fn update(&mut self, info: &Arc<NodeInfo>) {
        let new_sample = self.info.load != info.load;
        self.open = info.state == NodeState::Alive;
        self.info = info.clone();
        self.full = false;
        if new_sample {
            let now = Peak { resources: self.mine.clone(), tasks: self.tasks };
            self.earlier_peak = std::mem::replace(&mut self.peak, now);
            self.attribute(&info.load);
        }
    }

    /// Splits a sampled load into this owner's share and that of others.
    fn attribute(&mut self, load: &NodeLoad) {
        let own = most_of(&self.peak.resources, &self.earlier_peak.resources);
        self.others = less(&load.used, &own);
        let own_tasks = self.peak.tasks.max(self.earlier_peak.tasks);
        self.others_tasks = (load.running + load.queued).saturating_sub(own_tasks);
    }

    /// The view has the node no more: it takes nothing new.
    pub(super) fn withdraw(&mut self) {
        self.open = false;
    }

    pub(super) fn has_tasks(&self) -> bool {
        self.tasks > 0
    }

    pub(super) fn tasks(&self) -> u64 {
        self.tasks
    }

    /// Whether it takes new tasks at all. A gateway never does.
    pub(super) fn takes_tasks(&self) -> bool {
        self.open && self.info.resources.cpu > Quantity::ZERO
    }

    /// Whether it embeds the function.
    pub(super) fn embeds(&self, function: &FunctionId) -> bool {
        self.info.functions.iter().any(|known| {
            known.id.name == function.name
                && (function.version.is_empty() || known.id.version == function.version)
        })
    }

    /// Whether an idle node of this size could run it.
    pub(super) fn could_fit(&self, need: &Resources) -> bool {
        self.info.resources.covers(need)
    }

    /// How many more such tasks fit into what is believed to be free, up to `at_most`.
    pub(super) fn fit(&self, need: &Resources, at_most: u64) -> u64 {
        if self.full {
            return 0;
        }
        let mut count = at_most;
        if need.cpu == Quantity::ZERO {
            count = count.min(ZERO_CPU_AT_ONCE.saturating_sub(self.zero_cpu_tasks));
        }
        self.amounts(need).fold(count, |count, (total, mine, others, need)| {
            let free = total.saturating_sub(mine).saturating_sub(others);
            count.min(free / need)
        })
    }

    /// How many such tasks may still be queued here, when each CPU may have `ahead` of them beyond what runs. What needs
    /// more than CPUs does not queue: a waiting task lends its CPUs and nothing else, so that what it waits for could
    /// queue behind it for ever, and nobody would see that.
    pub(super) fn room_ahead(&self, need: &Resources, ahead: u32) -> u64 {
        if ahead == 0 || self.full || !need.is_only_cpus() {
            return 0;
        }
        let at_most = if need.cpu == Quantity::ZERO { ZERO_CPU_AT_ONCE } else { u64::MAX };
        let running = self.amounts(need).fold(at_most, |count, (total, _, _, need)| count.min(total / need));
        running.saturating_add(self.slots() * u64::from(ahead)).saturating_sub(self.tasks)
    }

    /// How many such tasks may queue here of what is due to their job: none, unless more is placed here than runs, or
    /// others use it too. Where neither is so, what becomes free goes to whose turn it is.
    pub(super) fn room_beside(&self, need: &Resources, due: u64) -> u64 {
        let running = self.amounts(need).fold(u64::MAX, |count, (total, _, _, need)| count.min(total / need));
        let is_shared = self.tasks > running || self.others.cpu > Quantity::ZERO;
        let may_queue = !self.full && need.cpu > Quantity::ZERO && need.is_only_cpus();
        if may_queue && is_shared { due } else { 0 }
    }

    /// How many tasks run at once on it in the usual case: its CPUs, at least one.
    pub(super) fn slots(&self) -> u64 {
        (self.info.resources.cpu.steps() / Quantity::ONE.steps()).max(1)
    }

    /// Tasks that are there, of this owner and others, in thousandths per slot.
    pub(super) fn level(&self) -> u64 {
        (self.tasks + self.others_tasks).saturating_mul(1000) / self.slots()
    }

    /// How full it is in what the task needs, in millionths, once `more` such tasks are there; of CPUs, where it needs
    /// nothing.
    pub(super) fn fullness(&self, need: &Resources, more: u64) -> u64 {
        let used = self.amounts(need).map(|(total, mine, others, need)| {
            let used = mine.saturating_add(others).saturating_add(need.saturating_mul(more));
            if total == 0 { u64::MAX } else { (u128::from(used) * 1_000_000 / u128::from(total)) as u64 }
        });
        used.max().unwrap_or_else(|| self.level().saturating_mul(1000))
    }

    pub(super) fn take(&mut self, need: &Resources, count: u32, turn: u64) {
        self.mine.add(&times(need, u64::from(count)));
        self.tasks += u64::from(count);
        if need.cpu == Quantity::ZERO {
            self.zero_cpu_tasks += u64::from(count);
        }
        self.last_turn = turn;
        self.peak.tasks = self.peak.tasks.max(self.tasks);
        raise(&mut self.peak.resources, &self.mine);
    }

    pub(super) fn give_back(&mut self, need: &Resources) {
        self.full = false;
        lower(&mut self.mine, need);
        self.tasks = self.tasks.saturating_sub(1);
        if need.cpu == Quantity::ZERO {
            self.zero_cpu_tasks = self.zero_cpu_tasks.saturating_sub(1);
        }
    }

    /// How many tasks of a job's function are spread to it.
    pub(super) fn spread(&self, of: &(JobId, FunctionId)) -> u64 {
        self.spread.get(of).copied().unwrap_or(0)
    }

    pub(super) fn take_spread(&mut self, of: (JobId, FunctionId), count: u32) {
        *self.spread.entry(of).or_default() += u64::from(count);
    }

    pub(super) fn give_back_spread(&mut self, of: &(JobId, FunctionId)) {
        match self.spread.get_mut(of) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) => drop(self.spread.remove(of)),
            None => {}
        }
    }

    /// Takes the CPUs of a waiting task out of the count, or back into it.
    pub(super) fn lend_cpu(&mut self, cpu: Quantity, waits: bool) {
        let mine = self.mine.cpu;
        self.mine.cpu = if waits { mine.minus(cpu).unwrap_or_default() } else { mine.plus(cpu) };
    }

    pub(super) fn refuse(&mut self, queued: u64) {
        self.full = true;
        self.others_tasks = self.others_tasks.max(queued.saturating_sub(self.tasks));
    }

    /// Takes back a refusal.
    pub(super) fn reopen(&mut self) {
        self.full = false;
    }

    /// Steps of each resource that the task needs: the node's, this owner's, others', one task's (never 0).
    fn amounts<'a>(&'a self, need: &'a Resources) -> impl Iterator<Item = (u64, u64, u64, u64)> + 'a {
        let total = &self.info.resources;
        let fixed = [
            (total.cpu, self.mine.cpu, self.others.cpu, need.cpu),
            (total.gpu, self.mine.gpu, self.others.gpu, need.gpu),
            (total.memory, self.mine.memory, self.others.memory, need.memory),
        ];
        let custom = need.custom.iter().map(move |(name, need)| {
            (total.custom_amount(name), self.mine.custom_amount(name), self.others.custom_amount(name), *need)
        });
        fixed
            .into_iter()
            .chain(custom)
            .map(|(total, mine, others, need)| (total.steps(), mine.steps(), others.steps(), need.steps()))
            .filter(|(_, _, _, need)| *need > 0)
    }
}

fn combine(left: &Resources, right: &Resources, with: impl Fn(u64, u64) -> u64) -> Resources {
    let with = |left: Quantity, right: Quantity| Quantity::from_steps(with(left.steps(), right.steps()));
    let names = left.custom.keys().chain(right.custom.keys());
    Resources {
        cpu: with(left.cpu, right.cpu),
        gpu: with(left.gpu, right.gpu),
        memory: with(left.memory, right.memory),
        custom: names
            .map(|name| (name.clone(), with(left.custom_amount(name), right.custom_amount(name))))
            .collect(),
    }
}

/// `from − what`, nothing below 0.
fn less(from: &Resources, what: &Resources) -> Resources {
    combine(from, what, u64::saturating_sub)
}

/// The larger of each.
fn most_of(left: &Resources, right: &Resources) -> Resources {
    combine(left, right, u64::max)
}

/// `count` times.
fn times(need: &Resources, count: u64) -> Resources {
    combine(need, need, |steps, _| steps.saturating_mul(count))
}

/// `have − what` in place, nothing below 0; without an allocation, because it is done for each task.
fn lower(have: &mut Resources, what: &Resources) {
    let minus = |have: &mut Quantity, what: Quantity| *have = have.minus(what).unwrap_or_default();
    minus(&mut have.cpu, what.cpu);
    minus(&mut have.gpu, what.gpu);
    minus(&mut have.memory, what.memory);
    for (name, amount) in &what.custom {
        if let Some(have) = have.custom.get_mut(name) {
            minus(have, *amount);
        }
    }
}

/// Raises each of `have` to that of `to`, in place.
fn raise(have: &mut Resources, to: &Resources) {
    have.cpu = have.cpu.max(to.cpu);
    have.gpu = have.gpu.max(to.gpu);
    have.memory = have.memory.max(to.memory);
    for (name, amount) in &to.custom {
        let have = have.custom.entry(name.clone()).or_default();
        *have = (*have).max(*amount);
    }
}
