//! Where a task goes.

use crate::placement::{Choice, Lack, Placement, PlacementRequest};
use crate::tasks::engine::FoundFull;
use crate::tasks::keys::{JobKey, ObjectKey, ShapeKey, TaskKey};
use crate::tasks::object::Value;
use crate::tasks::task::{Phase, Task};
use crate::tasks::{Assignment, Effect, Place, TaskEngine};
use mobula_types::frame::Input;
use mobula_types::{
    ArgumentShape, Failure, FailureKind, JobId, NodeId, ObjectId, ResultValue, StoredValue, Strategy,
    TaskTemplate, Time,
};
use std::sync::Arc;

/// Arguments of fewer bytes on a node are no reason to prefer it (1 MiB).
const LOCALITY_BYTES: u64 = 1 << 20;

impl TaskEngine {
    /// Whether the task is to be placed by itself: it has large arguments somewhere, or nodes to avoid.
    pub(super) fn is_single(&self, key: TaskKey) -> bool {
        let task = &self.tasks[key.at()];
        !task.avoid().is_empty() || (task.inputs.is_some() && !self.locality(key).is_empty())
    }

    /// Bytes of a task's arguments that travel with it.
    pub(super) fn inline_bytes(&self, key: TaskKey) -> u64 {
        let task = &self.tasks[key.at()];
        let inline = |key: &ObjectKey| match &self.objects[key.at()].value {
            Value::Ready(ResultValue { value: StoredValue::Inline(payload), .. }) => payload.len() as u64,
            _ => 0,
        };
        let keys = task.inputs.iter().flat_map(|inputs| &inputs.keys).filter(|key| !key.is_none());
        task.arguments.len() as u64 + keys.map(inline).sum::<u64>()
    }

    /// What a task counts among what is under way: nothing, unless it is heavy.
    fn heavy_bytes(&self, key: TaskKey) -> u64 {
        let inline = self.inline_bytes(key);
        if inline > self.options.heavy_inline { inline } else { 0 }
    }

    /// Places up to `limit` tasks of a shape, and says how many.
    pub(super) fn place_shape(&mut self, key: ShapeKey, limit: u32, effects: &mut Vec<Effect>) -> u32 {
        let shape = &self.shapes[key.at()];
        let template = shape.template.clone();
        let job_key = shape.job;
        let job = &self.jobs[job_key.at()];
        let (job_id, has_executable) = (job.id, job.has_executable);
        let ahead = shape.estimate.ahead(self.options.ahead_work, self.options.max_ahead);
        let mut placed = 0;
        while placed < limit {
            let Some((first, single)) = self.front(key) else { break };
            if !single && self.is_known_full(job_key, &template, ahead) {
                self.wait_for_room(key);
                break;
            }
            let heavy = if single { self.heavy_bytes(first) } else { 0 };
            let under_way = self.heavy_under_way;
            if heavy > 0 && under_way > 0 && under_way + heavy > self.options.heavy_under_way {
                self.wait_for_room(key);
                break;
            }
            let locality = if single { self.locality(first) } else { Vec::new() };
            let wanted = if single { 1 } else { self.shapes[key.at()].plain.live().min(limit - placed) };
            let request = PlacementRequest {
                resources: &template.options.resources,
                strategy: &template.options.strategy,
                function: &template.function,
                job: job_id,
                has_executable,
                locality: &locality,
                avoid: if single { self.tasks[first.at()].avoid() } else { &[] },
                ahead: if heavy > 0 { 0 } else { ahead },
                due: 0,
                wanted,
            };
            let mut choice = self.placement.choose(&request);
            if choice == Choice::Wait && heavy == 0 {
                let due = self.due(job_key);
                if due > 0 {
                    choice = self.placement.choose(&PlacementRequest { due, ..request });
                }
            }
            match choice {
                Choice::Assign { node, count } => {
                    self.shapes[key.at()].infeasible = None;
                    placed += self.hand_out(key, single, &node, count, effects);
                }
                Choice::Wait => {
                    if !single && has_executable {
                        let capacity = self.capacity;
                        self.found_full = Some(FoundFull { capacity, ahead, job: job_key, template });
                    }
                    self.wait_for_room(key);
                    break;
                }
                Choice::Infeasible { lack, reason } => {
                    self.shapes[key.at()].blocked_at = self.capacity;
                    self.infeasible(key, lack, reason, effects);
                    break;
                }
            }
        }
        placed
    }

    /// Whether another shape of the same needs has just found no place, so that looking again is in vain.
    fn is_known_full(&self, job: JobKey, template: &TaskTemplate, ahead: u32) -> bool {
        self.found_full.as_ref().is_some_and(|found| {
            let full = &found.template.options;
            found.capacity == self.capacity
                && self.jobs[job.at()].has_executable
                && ahead <= found.ahead
                && full.resources == template.options.resources
                && full.strategy == template.options.strategy
                && (found.job == job || self.due(job) == 0)
        })
    }

    /// The shape's tasks wait until there may be more room.
    fn wait_for_room(&mut self, key: ShapeKey) {
        let shape = &mut self.shapes[key.at()];
        shape.infeasible = None;
        shape.blocked_at = self.capacity;
        self.fail_hopeless(key);
    }

    /// Hands `count` tasks to a node that is reserved for them.
    fn hand_out(
        &mut self,
        shape: ShapeKey,
        single: bool,
        node: &NodeId,
        count: u32,
        effects: &mut Vec<Effect>,
    ) -> u32 {
        let place = if self.is_local(node) { Place::Local } else { Place::Peer(node.clone()) };
        let mut placed = 0;
        for _ in 0..count {
            let handed = match self.pop(shape, single) {
                Some(task) => self.dispatch(task, &place, effects),
                None => false,
            };
            if handed {
                placed += 1;
            } else {
                let shape = &self.shapes[shape.at()];
                give_back(&mut self.placement, node, self.jobs[shape.job.at()].id, &shape.template);
            }
        }
        placed
    }

    /// Hands a task to an executor. `false` where an input turned out to be gone: it waits for that again.
    fn dispatch(&mut self, key: TaskKey, place: &Place, effects: &mut Vec<Effect>) -> bool {
        let Some(inputs) = self.collect_inputs(key) else {
            self.await_inputs(key, effects);
            return false;
        };
        let heavy = if self.tasks[key.at()].single { self.heavy_bytes(key) } else { 0 };
        self.heavy_under_way += heavy;
        let task = &mut self.tasks[key.at()];
        task.heavy = heavy;
        task.phase = Phase::Assigned;
        task.place = Some(place.clone());
        let shape = &self.shapes[task.shape.at()];
        let assignment = Assignment {
            task: task.id,
            attempt: task.attempt,
            job: self.jobs[task.job.at()].id,
            template: shape.template.clone(),
            arguments: task.arguments.clone(),
            inputs,
            deadline: (task.deadline != Time::NEVER).then_some(task.deadline),
            refusals: task.refusals,
        };
        effects.push(Effect::Assign { place: place.clone(), assignment });
        self.count_assigned(key);
        true
    }

    /// One more task of its shape and job is at an executor.
    pub(super) fn count_assigned(&mut self, key: TaskKey) {
        let task = &self.tasks[key.at()];
        self.shapes[task.shape.at()].assigned += 1;
        self.jobs[task.job.at()].assigned += 1;
    }

    /// One fewer is.
    pub(super) fn count_unassigned(&mut self, key: TaskKey) {
        let task = &self.tasks[key.at()];
        self.shapes[task.shape.at()].assigned -= 1;
        self.jobs[task.job.at()].assigned -= 1;
    }

    /// How many more tasks of a job may queue at nodes that others keep busy: its weight, twice for each slot, so that the
    /// next one is there when it is its turn again.
    fn due(&self, job: JobKey) -> u64 {
        let job = &self.jobs[job.at()];
        (2 * u64::from(job.weight)).saturating_mul(self.placement.slots()).saturating_sub(job.assigned)
    }

    /// The values of a task's references; `None` where one is not there.
    pub(super) fn collect_inputs(&self, key: TaskKey) -> Option<Vec<Input>> {
        let Some(inputs) = &self.tasks[key.at()].inputs else { return Some(Vec::new()) };
        let input = |(reference, key): (&mobula_types::ArgumentRef, &ObjectKey)| {
            let (object, value) = match reference.shape {
                ArgumentShape::EmptyVec => {
                    (ObjectId::default(), StoredValue::Inline(mobula_types::Payload::EMPTY))
                }
                _ if key.is_none() => return None,
                _ => {
                    let object = &self.objects[key.at()];
                    let Value::Ready(value) = &object.value else { return None };
                    (object.id, value.value.clone())
                }
            };
            Some(Input { parameter: reference.parameter, shape: reference.shape, object, value })
        };
        inputs.references.iter().zip(&inputs.keys).map(input).collect()
    }

    /// Bytes of a task's large arguments by node.
    fn locality(&self, key: TaskKey) -> Vec<(NodeId, u64)> {
        let mut bytes: Vec<(NodeId, u64)> = Vec::new();
        let inputs = self.tasks[key.at()].inputs.as_ref();
        for key in inputs.iter().flat_map(|inputs| &inputs.keys).filter(|key| !key.is_none()) {
            let Value::Ready(ResultValue { value: StoredValue::Stored(copy), .. }) =
                &self.objects[key.at()].value
            else {
                continue;
            };
            for holder in &copy.holders {
                match bytes.iter_mut().find(|(node, _)| node == holder) {
                    Some((_, sum)) => *sum += copy.length,
                    None => bytes.push((holder.clone(), copy.length)),
                }
            }
        }
        bytes.retain(|(_, sum)| *sum >= LOCALITY_BYTES);
        bytes
    }

    /// No node could ever run the shape's tasks: they fail if they said so, else they wait and it is said why.
    fn infeasible(&mut self, key: ShapeKey, lack: Lack, reason: String, effects: &mut Vec<Effect>) {
        if lack == Lack::Nodes && self.view.nodes.is_empty() {
            // Nothing is known of the cluster yet.
            return;
        }
        let shape = &mut self.shapes[key.at()];
        let name = shape.name.clone();
        if lack == Lack::Function && !self.jobs[shape.job.at()].has_executable {
            let message = format!("{reason}; `mobula list functions` shows what nodes embed");
            self.fail_queued(key, &Failure::new(FailureKind::UnknownFunction, message));
            return;
        }
        if shape.template.options.fail_if_infeasible {
            let failure = Failure::new(FailureKind::Infeasible, format!("no node can run {name}: {reason}"));
            self.fail_queued(key, &failure);
            return;
        }
        if shape.infeasible.as_deref() == Some(reason.as_str()) {
            return;
        }
        shape.infeasible = Some(Arc::from(reason.as_str()));
        let job = self.jobs[shape.job.at()].id;
        let text = format!("{} tasks of {name} wait, as no node can run them: {reason}", shape.queued());
        effects.push(Effect::Warn { job, text });
    }

    /// The node that an executor is on.
    pub(super) fn node_of<'a>(&'a self, place: &'a Place) -> &'a NodeId {
        match place {
            Place::Local => &self.options.node,
            Place::Peer(node) => node,
        }
    }

    /// An assignment is over: what it needed is free again. The task, unless it has ended, is in no phase until the caller
    /// says what follows.
    pub(super) fn close_assignment(&mut self, key: TaskKey) -> Option<Place> {
        let Task { id, job, .. } = self.tasks[key.at()];
        if !self.jobs[job.at()].blocked.is_empty() {
            self.unblocked(self.jobs[job.at()].id, id);
        }
        let task: &mut Task = &mut self.tasks[key.at()];
        let place = task.place.take()?;
        self.heavy_under_way -= std::mem::take(&mut task.heavy);
        if task.phase == Phase::Assigned {
            task.phase = Phase::Waiting;
            self.count_unassigned(key);
        }
        let shape = &self.shapes[self.tasks[key.at()].shape.at()];
        if shape.is_routed {
            return Some(place);
        }
        let node = match &place {
            Place::Local => &self.options.node,
            Place::Peer(node) => node,
        };
        give_back(&mut self.placement, node, self.jobs[job.at()].id, &shape.template);
        self.capacity += 1;
        Some(place)
    }
}

/// A task that was placed on a node is not there any more.
fn give_back(placement: &mut Placement, node: &NodeId, job: JobId, template: &TaskTemplate) {
    placement.finished(node, &template.options.resources);
    if matches!(template.options.strategy, Strategy::Spread) {
        placement.spread_finished(node, job, &template.function);
    }
}
