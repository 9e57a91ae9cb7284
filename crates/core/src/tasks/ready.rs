//! Which task is next: the job that has had the least of its share, in it the highest priority, in that the shapes by turns.

use crate::tasks::engine::Step;
use crate::tasks::keys::{JobKey, ShapeKey, TaskKey};
use crate::tasks::shape::Entry;
use crate::tasks::task::{Phase, Task};
use crate::tasks::{Effect, TaskEngine};
use mobula_types::{Failure, FailureKind, Quantity, Resources};
use slab::Slab;
use smallvec::SmallVec;
use std::cmp::Reverse;

/// What a task adds to the share of a job of weight 1.
const STRIDE: u64 = 1 << 20;
/// How many tasks of a job of weight 1 are placed before another job's turn.
const QUANTUM: u32 = 32;

/// What an argument takes in a frame beside its value: what names it, and where its copies are.
const BESIDE_VALUE: u64 = 128;

impl TaskEngine {
    /// Why a task cannot travel: the session that it goes over would end with it.
    fn too_large(&self, key: TaskKey, inline: u64) -> Option<Failure> {
        let inputs = self.tasks[key.at()].inputs.as_ref().map_or(0, |inputs| inputs.keys.len());
        let (most_inline, most_frame) = (self.options.most_inline, self.options.most_frame);
        let text = if inline > most_inline {
            format!(
                "its arguments have {} MiB of small values, and a task takes {} MiB of them; put them together into \
                 larger ones, which travel apart from their task",
                inline >> 20,
                most_inline >> 20
            )
        } else if inline + BESIDE_VALUE * inputs as u64 > most_frame {
            format!(
                "{inputs} arguments with {} MiB of small values among them are too many for one task; put several \
                 together into one value",
                inline >> 20
            )
        } else {
            return None;
        };
        Some(Failure::new(FailureKind::TooLarge, text))
    }

    /// The task has all it needs: it queues for a place.
    pub(super) fn enqueue(&mut self, key: TaskKey, front: bool) {
        let ticket = self.new_ticket();
        let inline = self.inline_bytes(key);
        if let Some(failure) = self.too_large(key, inline) {
            let task = &mut self.tasks[key.at()];
            task.phase = Phase::Waiting;
            task.ticket = ticket;
            return self.steps.push_back(Step::Fail(key, ticket, failure));
        }
        if self.is_routed(key) {
            let task = &mut self.tasks[key.at()];
            task.phase = Phase::Waiting;
            task.ticket = ticket;
            return self.steps.push_back(Step::Route(key, ticket));
        }
        let single = inline > self.options.heavy_inline || self.is_single(key);
        let task = &mut self.tasks[key.at()];
        task.single = single;
        task.phase = Phase::Queued;
        task.ticket = ticket;
        let shape_key = task.shape;
        let tasks = &self.tasks;
        let shape = &mut self.shapes[shape_key.at()];
        let line = if single { &mut shape.single } else { &mut shape.plain };
        line.push(Entry { task: key, ticket }, front, |entry| is_queued(tasks, entry));
        self.queued += 1;
        self.queued_single += usize::from(single);
        if !shape.is_ready {
            shape.is_ready = true;
            shape.blocked_at = 0;
            let template = shape.template.clone();
            let job_key = shape.job;
            let job = &mut self.jobs[job_key.at()];
            let level = job.level(template.options.priority);
            level.alike = level.shapes.front().is_none_or(|first| {
                let first = &self.shapes[first.at()].template.options;
                level.alike
                    && first.resources == template.options.resources
                    && first.strategy == template.options.strategy
            });
            level.shapes.push_back(shape_key);
            if !job.is_ready {
                job.is_ready = true;
                job.pass = job.pass.max(self.pass);
                self.ready_jobs.push(Reverse((job.pass, job_key)));
            }
        } else if single {
            // It may go where the others of its shape could not.
            shape.blocked_at = 0;
        }
    }

    /// A task that was queued is not any more.
    pub(super) fn withdraw(&mut self, key: TaskKey) {
        let task = &self.tasks[key.at()];
        let shape = &mut self.shapes[task.shape.at()];
        if task.single {
            self.queued_single -= 1;
            shape.single.withdraw()
        } else {
            shape.plain.withdraw()
        }
        self.queued -= 1;
    }

    /// Places what is ready, as far as there is room, and gives credit that was withheld.
    pub(super) fn flush(&mut self, effects: &mut Vec<Effect>) {
        loop {
            self.place_ready(effects);
            if self.steps.is_empty() {
                break;
            }
            self.run_steps(effects);
        }
        if !self.starved.is_empty() {
            self.feed_starved(effects);
        }
    }

    fn place_ready(&mut self, effects: &mut Vec<Effect>) {
        let mut blocked = Vec::new();
        while let Some(Reverse((pass, key))) = self.ready_jobs.pop() {
            self.pass = self.pass.max(pass);
            let weight = self.jobs[key.at()].weight;
            let quantum = if self.ready_jobs.is_empty() { u32::MAX } else { QUANTUM.saturating_mul(weight) };
            let placed = self.place_job(key, quantum, effects);
            let job = &mut self.jobs[key.at()];
            job.pass = pass + u64::from(placed) * STRIDE / u64::from(weight);
            if !job.has_ready() {
                job.is_ready = false;
            } else if placed < quantum {
                blocked.push(Reverse((job.pass, key)));
            } else {
                self.ready_jobs.push(Reverse((job.pass, key)));
            }
        }
        self.ready_jobs.extend(blocked);
    }

    /// Places up to `quantum` tasks of a job, and says how many.
    fn place_job(&mut self, key: JobKey, quantum: u32, effects: &mut Vec<Effect>) -> u32 {
        let mut placed = 0;
        for level in 0..self.jobs[key.at()].ready.len() {
            loop {
                let (more, again) = self.place_level(key, level, quantum - placed, effects);
                placed += more;
                if placed >= quantum {
                    return placed;
                }
                if !again {
                    break;
                }
            }
        }
        placed
    }

    /// Gives each ready shape of one priority a turn. Says how many tasks were placed, and whether some shape used its turn
    /// up. Shapes that were served stand behind those that were not.
    fn place_level(
        &mut self,
        key: JobKey,
        level: usize,
        quantum: u32,
        effects: &mut Vec<Effect>,
    ) -> (u32, bool) {
        let count = self.jobs[key.at()].ready[level].shapes.len();
        let turn = if count > 1 { QUANTUM } else { u32::MAX };
        // Shapes that need the same wait for the same: of thousands, one a time is asked whether there is room. Not where
        // they may turn out to wait for ever, for what their ancestors hold.
        let job = &self.jobs[key.at()];
        let never_hopeless = job.blocked.is_empty()
            || job.ready[level].shapes.front().is_some_and(|shape| {
                let need = &self.shapes[shape.at()].template.options.resources;
                Resources { cpu: Quantity::ZERO, ..need.clone() }.is_empty()
            });
        let one_will_do = count > 1 && job.ready[level].alike && job.has_executable && never_hopeless;
        let mut served: SmallVec<[ShapeKey; 8]> = SmallVec::new();
        let (mut placed, mut again) = (0, false);
        for _ in 0..count {
            if placed >= quantum {
                break;
            }
            let Some(shape) = self.jobs[key.at()].ready[level].shapes.pop_front() else { break };
            let limit = turn.min(quantum - placed);
            let more = if self.shapes[shape.at()].blocked_at == self.capacity {
                0
            } else {
                self.place_shape(shape, limit, effects)
            };
            placed += more;
            let record = &mut self.shapes[shape.at()];
            if record.queued() == 0 {
                record.is_ready = false;
            } else if more == 0 && one_will_do && record.infeasible.is_none() && self.queued_single == 0 {
                self.jobs[key.at()].ready[level].shapes.push_front(shape);
                break;
            } else if more == 0 {
                self.jobs[key.at()].ready[level].shapes.push_back(shape);
            } else {
                again |= more == limit;
                served.push(shape);
            }
        }
        self.jobs[key.at()].ready[level].shapes.extend(served);
        (placed, again)
    }

    /// The first task of a shape, and whether it is placed by itself.
    pub(super) fn front(&mut self, shape: ShapeKey) -> Option<(TaskKey, bool)> {
        let tasks = &self.tasks;
        let shape = &mut self.shapes[shape.at()];
        let plain = shape.plain.front(|entry| is_queued(tasks, entry));
        let single = shape.single.front(|entry| is_queued(tasks, entry));
        match (plain, single) {
            (Some(plain), Some(single)) if single.ticket < plain.ticket => Some((single.task, true)),
            (Some(plain), _) => Some((plain.task, false)),
            (None, single) => single.map(|single| (single.task, true)),
        }
    }

    /// Takes the first task of a shape's queue.
    pub(super) fn pop(&mut self, shape: ShapeKey, single: bool) -> Option<TaskKey> {
        let tasks = &self.tasks;
        let shape = &mut self.shapes[shape.at()];
        let line = if single { &mut shape.single } else { &mut shape.plain };
        let entry = line.pop(|entry| is_queued(tasks, entry))?;
        self.queued -= 1;
        self.queued_single -= usize::from(single);
        Some(entry.task)
    }

    /// The queued tasks of a shape.
    pub(super) fn queued_tasks(&self, shape: ShapeKey) -> Vec<TaskKey> {
        let shape = &self.shapes[shape.at()];
        let entries = shape.plain.iter().chain(shape.single.iter());
        entries.filter(|entry| is_queued(&self.tasks, entry)).map(|entry| entry.task).collect()
    }

    /// Fails every queued task of a shape.
    pub(super) fn fail_queued(&mut self, shape: ShapeKey, failure: &Failure) {
        for key in self.queued_tasks(shape) {
            let ticket = self.tasks[key.at()].ticket;
            self.steps.push_back(Step::Fail(key, ticket, failure.clone()));
        }
    }
}

fn is_queued(tasks: &Slab<Task>, entry: &Entry) -> bool {
    tasks.get(entry.task.at()).is_some_and(|task| task.ticket == entry.ticket && task.phase == Phase::Queued)
}
