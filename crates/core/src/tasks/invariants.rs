//! What is true of the engine between any two events.

use crate::tasks::TaskEngine;
use crate::tasks::keys::ObjectKey;
use crate::tasks::object::{Object, Value};
use crate::tasks::task::{InputHold, Phase};
use mobula_types::ObjectSpace;

impl TaskEngine {
    /// Checks every count and cross-reference against what it counts. Costs a look at everything on record; for tests and
    /// simulations.
    ///
    /// # Errors
    /// What does not agree, for people.
    pub fn check(&self) -> Result<(), String> {
        self.check_counts()?;
        self.check_pins()?;
        self.check_tasks()?;
        self.check_objects()?;
        self.check_ready()
    }

    fn check_counts(&self) -> Result<(), String> {
        agree("steps left", self.steps.len(), 0)?;
        agree("task index", self.tasks.known(), self.tasks.len())?;
        let queued = self.tasks.iter().filter(|(_, task)| task.phase == Phase::Queued).count();
        agree("queued tasks", self.queued, queued)?;
        let in_shapes: usize = self.shapes.iter().map(|(_, shape)| shape.queued() as usize).sum();
        agree("tasks queued in shapes", in_shapes, queued)?;
        let costs: u64 = self.tasks.iter().map(|(_, task)| task.cost).sum();
        let values: u64 = self.objects.iter().map(|(_, object)| object.inline_bytes()).sum();
        agree("bytes in the store", self.store_bytes, costs + values)?;
        let heavy: u64 = self.tasks.iter().map(|(_, task)| task.heavy).sum();
        agree("bytes of heavy tasks under way", self.heavy_under_way, heavy)?;
        let single = self.tasks.iter().filter(|(_, task)| task.phase == Phase::Queued && task.single).count();
        agree("queued tasks placed by themselves", self.queued_single, single)?;
        let lineage = self.tasks.iter().filter(|(_, task)| task.in_lineage);
        let lineage: u64 = lineage.map(|(_, task)| task.input_cost()).sum();
        agree("bytes of lineage", self.lineage.bytes, lineage)?;
        for (position, shape) in &self.shapes {
            let of_shape = || self.tasks.iter().filter(|(_, task)| task.shape.at() == position);
            agree("tasks of a shape", shape.tasks as usize, of_shape().count())?;
            let ended = of_shape().filter(|(_, task)| task.is_ended()).count();
            agree("ended tasks of a shape", shape.ended as usize, ended)?;
            let assigned = of_shape().filter(|(_, task)| task.phase == Phase::Assigned).count();
            agree("assigned tasks of a shape", shape.assigned as usize, assigned)?;
        }
        self.check_jobs()
    }

    fn check_jobs(&self) -> Result<(), String> {
        for (position, job) in &self.jobs {
            let of_job = || self.tasks.iter().filter(|(_, task)| task.job.at() == position);
            let costs: u64 = of_job().map(|(_, task)| task.cost).sum();
            let objects = self.objects.iter().filter(|(_, object)| object.job.at() == position);
            let values: u64 = objects.map(|(_, object)| object.inline_bytes()).sum();
            agree(&format!("bytes of job {}", job.id), job.store_bytes, costs + values)?;
            let assigned = of_job().filter(|(_, task)| task.phase == Phase::Assigned).count();
            agree(&format!("assigned tasks of job {}", job.id), job.assigned, assigned as u64)?;
        }
        Ok(())
    }

    fn check_pins(&self) -> Result<(), String> {
        for (position, object) in &self.objects {
            let key = ObjectKey::new(position);
            let (mut pins, mut lineage_pins) = (self.timers.arrivals(key), 0);
            for (_, task) in self.tasks.iter() {
                let Some(inputs) = &task.inputs else { continue };
                let count =
                    inputs.keys.iter().chain(&inputs.contained).filter(|input| **input == key).count();
                match inputs.hold {
                    InputHold::Pinned => pins += count,
                    InputHold::Lineage => lineage_pins += count,
                    InputHold::None => {}
                }
            }
            let containing = self.objects.iter().filter_map(|(_, object)| object.remote.as_ref());
            pins += containing.flat_map(|remote| &remote.contained).filter(|inner| **inner == key).count();
            pins += self.families.values().map(|family| family.keeps(key)).sum::<usize>();
            agree(&format!("pins of {}", object.id), object.pins as usize, pins)?;
            agree(&format!("lineage pins of {}", object.id), object.lineage_pins as usize, lineage_pins)?;
        }
        Ok(())
    }

    fn check_tasks(&self) -> Result<(), String> {
        for (position, task) in self.tasks.iter() {
            let name = format!("{:?} of task {}", task.phase, task.id);
            agree(&name, self.tasks.find(&task.id).map(|key| key.at()), Some(position))?;
            if task.is_unused() {
                return Err(format!("{name}: it is kept and nobody needs it"));
            }
            if task.phase == Phase::Assigned && task.place.is_none() {
                return Err(format!("{name}: it is nowhere"));
            }
            if !task.is_ended() && task.phase != Phase::Assigned && task.place.is_some() {
                return Err(format!("{name}: it is at {:?}", task.place));
            }
            if task.phase == Phase::Waiting && task.inputs.as_ref().is_none_or(|inputs| inputs.missing == 0) {
                return Err(format!("{name}: it waits for nothing"));
            }
            if task.is_ended() && !task.recovering && !task.submitters.is_empty() {
                return Err(format!("{name}: {} submitters were not told", task.submitters.len()));
            }
            for (index, result) in task.results.iter().enumerate().filter(|(_, result)| !result.is_none()) {
                let object = &self.objects[result.at()];
                agree(&name, (object.task.at(), object.id.index.position()), (position, index as u64))?;
                let is_open = matches!(object.value, Value::Pending);
                if task.is_ended() && is_open {
                    return Err(format!("{name}: result {index} has no end"));
                }
            }
        }
        Ok(())
    }

    fn check_objects(&self) -> Result<(), String> {
        for (position, object) in &self.objects {
            let name = format!("object {}", object.id);
            agree(&name, self.lookup(object.id).map(ObjectKey::at), Some(position))?;
            let is_result = !object.task.is_none();
            if is_result && object.id.index.space() != ObjectSpace::Result {
                return Err(format!("{name}: a task's result that is none"));
            }
            if !self.has_reason(object) {
                return Err(format!("{name}: nobody needs it: {object:?}"));
            }
            let is_over = matches!(object.value, Value::Ready(_) | Value::Failed(_));
            if is_over && !object.waiters.is_empty() {
                return Err(format!("{name}: {} wait for what is there", object.waiters.len()));
            }
            let is_gone = matches!(object.value, Value::Lost | Value::Freed);
            if is_gone && !object.waiters.is_empty() {
                return Err(format!("{name}: it is waited for and not recovered"));
            }
        }
        Ok(())
    }

    fn has_reason(&self, object: &Object) -> bool {
        let will_come = !object.task.is_none() && !self.tasks[object.task.at()].is_ended();
        object.is_needed() || object.lineage_pins > 0 || will_come || self.is_seeking(object.job)
    }

    fn check_ready(&self) -> Result<(), String> {
        for (position, job) in &self.jobs {
            let in_heap = self.ready_jobs.iter().filter(|ready| ready.0.1.at() == position).count();
            agree("a ready job's places", in_heap, usize::from(job.is_ready))?;
            let listed = job.ready.iter().map(|level| level.shapes.len()).sum::<usize>();
            let ready = self.shapes.iter().filter(|(_, shape)| shape.job.at() == position && shape.is_ready);
            agree("ready shapes", listed, ready.count())?;
            if listed > 0 && !job.is_ready {
                return Err(format!("job {} has ready shapes and no turn", job.id));
            }
        }
        let forgotten = self.shapes.iter().find(|(_, shape)| shape.queued() > 0 && !shape.is_ready);
        match forgotten {
            Some((_, shape)) => Err(format!("{} has queued tasks and no turn", shape.name)),
            None => Ok(()),
        }
    }
}

fn agree<T: PartialEq + std::fmt::Debug>(what: &str, recorded: T, counted: T) -> Result<(), String> {
    if recorded == counted {
        Ok(())
    } else {
        Err(format!("{what}: {recorded:?} on record, {counted:?} counted"))
    }
}
