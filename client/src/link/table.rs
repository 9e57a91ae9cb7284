//! What the session's thread knows of the job's tasks and objects.
//!
//! A driver's table is also the lineage: the specs of the tasks and the bytes of the puts that it holds, waits for, or
//! needs to make those again. They are what it re-offers when its home node is lost.

use super::lanes::{CallSpec, Lanes, NumberedCall};
use super::past::Past;
use crate::reference::{Handle, State};
use foldhash::HashMap;
use mobula_types::actor::Target;
use mobula_types::{ObjectAddress, ObjectId, ObjectSpace, Payload, TaskId, TaskTemplate, Time, frame};
use smallvec::SmallVec;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

/// Tasks submitted and objects known, by identity.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) tasks: HashMap<TaskId, TaskEntry>,
    pub(super) objects: HashMap<ObjectId, ObjectEntry>,
    /// The numbers of calls.
    pub(super) lanes: Lanes,
    /// How many tasks were added so far.
    added: u64,
    /// Further handles of an object that wait for it: lent references, each decoded for itself.
    pub(super) aliases: HashMap<ObjectId, Vec<Weak<Handle>>>,
    /// How many bytes of specs and puts may be kept; nothing on a worker's session.
    most_kept: usize,
    kept: usize,
}

/// A task that was submitted from here.
#[derive(Debug)]
pub(super) struct TaskEntry {
    /// Of its results. Dead ones stay until a new reference to the same object comes in a value.
    pub(super) results: SmallVec<[Weak<Handle>; 1]>,
    /// How many of them are not released.
    live: u32,
    /// How many kept specs need its results.
    pins: u32,
    pub(super) ended: bool,
    /// When it is too late for it, whoever owns it.
    pub(super) deadline: Option<Time>,
    pub(super) past: Past,
    /// The home node does not know it: its values are here, and it was not offered at a take-over.
    pub(super) lapsed: bool,
    /// Counts the requests of this process: its place among them.
    pub(super) order: u64,
    /// A call's place, while it is not answered.
    call: Option<Box<NumberedCall>>,
    /// What to submit again; `None` where nothing is kept.
    pub(super) spec: Option<Box<Spec>>,
}

/// What it takes to submit a task again.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    /// Its template's number is that of no session.
    pub(super) submit: frame::Submit,
    pub(super) template: Arc<TaskTemplate>,
    /// Where it is a call.
    pub(super) call: Option<CallSpec>,
}

/// An object that is no result of a task of this table.
#[derive(Debug)]
pub(super) struct ObjectEntry {
    pub(super) handle: Weak<Handle>,
    live: bool,
    pins: u32,
    /// Its owner has been asked for it, and has not answered.
    pub(super) asked: bool,
    pub(super) put: Option<PutEntry>,
}

/// An object that was put from here.
#[derive(Debug)]
pub(super) struct PutEntry {
    /// What to put again; `None` where it is not kept.
    pub(super) kept: Option<(Payload, Vec<ObjectAddress>)>,
    /// Told when the node has it.
    pub(super) done: Option<oneshot::Sender<Result<(), mobula_types::Failure>>>,
}

fn spec_bytes(spec: &frame::Submit) -> usize {
    256 + spec.arguments.len() + 48 * (spec.references().len() + spec.contained().len())
}

/// What a spec needs to run again.
fn needs(spec: &frame::Submit) -> impl Iterator<Item = ObjectId> {
    let references = spec.references().iter().map(|reference| reference.address.object);
    references.chain(spec.contained().iter().map(|address| address.object))
}

/// A spec is kept no more: what it needed.
fn forgotten(spec: Option<Box<Spec>>, kept: &mut usize) -> Vec<ObjectId> {
    let Some(spec) = spec else { return Vec::new() };
    *kept = kept.saturating_sub(spec_bytes(&spec.submit));
    needs(&spec.submit).collect()
}

impl Table {
    pub(super) fn new(most_kept: usize) -> Self {
        Table {
            tasks: HashMap::default(),
            objects: HashMap::default(),
            lanes: Lanes::default(),
            added: 0,
            aliases: HashMap::default(),
            most_kept,
            kept: 0,
        }
    }

    /// Notes a task, and keeps its spec where there is room.
    pub(super) fn add_task(
        &mut self,
        submit: &frame::Submit,
        template: &Arc<TaskTemplate>,
        deadline: Option<Time>,
        results: SmallVec<[Weak<Handle>; 1]>,
        call: Option<Box<NumberedCall>>,
    ) {
        let bytes = spec_bytes(submit);
        let keeps = self.kept.saturating_add(bytes) <= self.most_kept;
        if keeps {
            self.kept += bytes;
            needs(submit).for_each(|object| self.pin(object));
        }
        self.added += 1;
        let entry = TaskEntry {
            order: self.added,
            live: results.len() as u32,
            results,
            pins: 0,
            ended: false,
            deadline,
            past: Past::default(),
            lapsed: false,
            spec: keeps.then(|| {
                let call = call.as_ref().map(|call| call.to_spec());
                Box::new(Spec { submit: submit.clone(), template: template.clone(), call })
            }),
            call,
        };
        let nobody_waits = entry.live == 0;
        self.tasks.insert(submit.task, entry);
        if nobody_waits {
            self.drop_task_if_unneeded(submit.task);
        }
    }

    /// Notes an object that is put, and keeps its bytes where there is room.
    pub(super) fn add_put(
        &mut self,
        object: ObjectId,
        handle: Weak<Handle>,
        payload: &Payload,
        contained: &[ObjectAddress],
        done: Option<oneshot::Sender<Result<(), mobula_types::Failure>>>,
    ) {
        let keeps = self.kept.saturating_add(payload.len()) <= self.most_kept;
        if keeps {
            self.kept += payload.len();
            contained.iter().for_each(|address| self.pin(address.object));
        }
        let kept = keeps.then(|| (payload.clone(), contained.to_vec()));
        let put = Some(PutEntry { kept, done });
        self.objects.insert(object, ObjectEntry { handle, live: true, pins: 0, asked: false, put });
    }

    /// The handle for an object that came with a value, if one lives.
    pub(super) fn find(&self, object: ObjectId) -> Option<Arc<Handle>> {
        match self.result_place(object) {
            Some((entry, place)) => entry.results.get(place)?.upgrade(),
            None => self.objects.get(&object)?.handle.upgrade(),
        }
    }

    /// Notes a handle that was made for an object that came with a value, or that was asked for.
    pub(super) fn add_handle(&mut self, handle: &Arc<Handle>) {
        let object = handle.object();
        let weak = Arc::downgrade(handle);
        match self.find(object) {
            Some(known) if Arc::ptr_eq(&known, handle) => return,
            Some(_) => {
                let aliases = self.aliases.entry(object).or_default();
                aliases.retain(|alias| alias.strong_count() > 0 && !alias.ptr_eq(&weak));
                return aliases.push(weak);
            }
            None => handle.list(),
        }
        if self.result_place(object).is_some() {
            if let Some(entry) = self.tasks.get_mut(&object.task)
                && let Some(result) = entry.results.get_mut(object.index.position() as usize)
            {
                // The dead one that is replaced here has its release still on its way.
                entry.live += 1;
                *result = weak;
            }
            return;
        }
        match self.objects.get_mut(&object) {
            Some(entry) => {
                entry.handle = weak;
                entry.live = true;
            }
            None => {
                let entry = ObjectEntry { handle: weak, live: true, pins: 0, asked: false, put: None };
                self.objects.insert(object, entry);
            }
        }
    }

    /// The handles that wait for an object, the one that the table knows it by among them.
    pub(super) fn waiting(&mut self, object: ObjectId) -> SmallVec<[Arc<Handle>; 1]> {
        let aliases = if self.aliases.is_empty() { None } else { self.aliases.remove(&object) };
        let aliases = aliases.into_iter().flatten().filter_map(|alias| alias.upgrade());
        self.find(object).into_iter().chain(aliases).collect()
    }

    fn result_place(&self, object: ObjectId) -> Option<(&TaskEntry, usize)> {
        if object.index.space() != ObjectSpace::Result {
            return None;
        }
        let entry = self.tasks.get(&object.task)?;
        Some((entry, object.index.position() as usize))
    }

    /// The last reference to an object is gone.
    pub(super) fn release(&mut self, object: ObjectId) {
        if object.index.space() == ObjectSpace::Result
            && let Entry::Occupied(mut known) = self.tasks.entry(object.task)
        {
            let entry = known.get_mut();
            entry.live = entry.live.saturating_sub(1);
            if entry.live == 0 && entry.pins == 0 {
                let mut entry = known.remove();
                // Nobody wants a call's answer any more.
                entry.end_call(&mut self.lanes);
                let needs = forgotten(entry.spec, &mut self.kept);
                self.unpin_all(needs);
                self.tighten();
            }
            return;
        }
        if let Some(entry) = self.objects.get_mut(&object) {
            // Another handle may have been made for it since.
            entry.live = entry.handle.strong_count() > 0;
            self.drop_object_if_unneeded(object);
        }
    }

    fn pin(&mut self, object: ObjectId) {
        match self.tasks.get_mut(&object.task) {
            Some(entry) if object.index.space() == ObjectSpace::Result => entry.pins += 1,
            _ => {
                if let Some(entry) = self.objects.get_mut(&object) {
                    entry.pins += 1;
                }
            }
        }
    }

    /// Takes back one pin of each, and forgets what is needed no more, and so on.
    fn unpin_all(&mut self, objects: Vec<ObjectId>) {
        let mut left = objects;
        while let Some(object) = left.pop() {
            if object.index.space() == ObjectSpace::Result && self.tasks.contains_key(&object.task) {
                if let Some(entry) = self.tasks.get_mut(&object.task) {
                    entry.pins = entry.pins.saturating_sub(1);
                }
                left.extend(self.forget_task_if_unneeded(object.task));
            } else {
                if let Some(entry) = self.objects.get_mut(&object) {
                    entry.pins = entry.pins.saturating_sub(1);
                }
                left.extend(self.forget_object_if_unneeded(object));
            }
        }
    }

    /// Few tasks in the room of many lie far apart: each would be looked for in slow memory.
    fn tighten(&mut self) {
        const KEPT_ROOM: usize = 4096;
        let room = self.tasks.capacity();
        if room > KEPT_ROOM && self.tasks.len() < room / 16 {
            self.tasks.shrink_to(room / 4);
        }
    }

    fn drop_task_if_unneeded(&mut self, task: TaskId) {
        let needs = self.forget_task_if_unneeded(task);
        self.unpin_all(needs);
    }

    fn drop_object_if_unneeded(&mut self, object: ObjectId) {
        let needs = self.forget_object_if_unneeded(object);
        self.unpin_all(needs);
    }

    /// What it needed.
    fn forget_task_if_unneeded(&mut self, task: TaskId) -> Vec<ObjectId> {
        match self.tasks.get(&task) {
            Some(entry) if entry.live == 0 && entry.pins == 0 => {}
            _ => return Vec::new(),
        }
        let Some(mut entry) = self.tasks.remove(&task) else { return Vec::new() };
        entry.end_call(&mut self.lanes);
        forgotten(entry.spec, &mut self.kept)
    }

    fn forget_object_if_unneeded(&mut self, object: ObjectId) -> Vec<ObjectId> {
        match self.objects.get(&object) {
            // A put that is on its way is forgotten when the node has answered.
            Some(entry) if !entry.live && entry.pins == 0 && !entry.is_being_put() => {}
            _ => return Vec::new(),
        }
        let put = self.objects.remove(&object).and_then(|entry| entry.put);
        let Some((payload, contained)) = put.and_then(|put| put.kept) else { return Vec::new() };
        self.kept = self.kept.saturating_sub(payload.len());
        contained.into_iter().map(|address| address.object).collect()
    }

    /// The node has a put, or has refused it: whoever waits for that is told by the caller.
    pub(super) fn put_done(
        &mut self,
        object: ObjectId,
    ) -> Option<oneshot::Sender<Result<(), mobula_types::Failure>>> {
        let done = self.objects.get_mut(&object)?.put.as_mut()?.done.take();
        self.drop_object_if_unneeded(object);
        done
    }

    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept
    }
}

impl TaskEntry {
    /// What its kept spec needs to run again.
    pub(super) fn needs(&self) -> impl Iterator<Item = ObjectId> {
        self.spec.iter().flat_map(|spec| needs(&spec.submit))
    }

    /// A call is answered.
    #[inline]
    pub(super) fn end_call(&mut self, lanes: &mut Lanes) {
        if let Some(call) = self.call.take() {
            call.end(lanes);
        }
    }

    /// Whether it created an actor, whose handles its result stands for.
    fn is_creation(&self) -> bool {
        let target = self.spec.as_ref().map(|spec| &spec.template.options.target);
        matches!(target, Some(Target::Constructor(_)))
    }

    /// Whether all its results that are held are known here for good: values without references inside, or failures. An
    /// actor's handles are counted by whoever is the home node.
    pub(super) fn is_settled_here(&self) -> bool {
        if self.is_creation() {
            return false;
        }
        let settled = |handle: Arc<Handle>| match &*handle.state() {
            State::Value(value) => value.contained.is_none(),
            State::Failed(_) => true,
            _ => false,
        };
        self.ended && self.results.iter().filter_map(Weak::upgrade).all(settled)
    }
}

impl ObjectEntry {
    /// What its kept value refers to.
    pub(super) fn needs(&self) -> impl Iterator<Item = ObjectId> {
        let kept = self.put.iter().filter_map(|put| put.kept.as_ref());
        kept.flat_map(|(_, contained)| contained.iter().map(|address| address.object))
    }

    fn is_being_put(&self) -> bool {
        self.put.as_ref().is_some_and(|put| put.done.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::testing::{pending, silent_link};
    use mobula_types::{ArgumentRef, ArgumentShape, TemplateId};
    use smallvec::smallvec;

    fn spec(task: TaskId, needs: &[ObjectId]) -> frame::Submit {
        let reference = |object: &ObjectId| ArgumentRef {
            parameter: 0,
            shape: ArgumentShape::Whole,
            address: ObjectAddress::at_home(*object),
        };
        frame::Submit {
            task,
            template: TemplateId(0),
            arguments: Payload::EMPTY,
            parent: None,
            extras: frame::SubmitExtras {
                references: needs.iter().map(reference).collect(),
                ..frame::SubmitExtras::default()
            }
            .boxed(),
        }
    }

    /// Adds task number `number`, and gives its handle.
    fn add(table: &mut Table, number: u64, needs: &[ObjectId]) -> Arc<Handle> {
        let handle = pending(&silent_link(), number);
        let template = crate::link::testing::template("tests::call");
        let results = smallvec![Arc::downgrade(&handle)];
        table.add_task(&spec(handle.object().task, needs), &template, None, results, None);
        handle
    }

    #[test]
    fn what_a_held_task_needs_is_kept_with_all_that_this_needs() {
        let mut table = Table::new(1 << 20);
        let first = add(&mut table, 1, &[]);
        let second = add(&mut table, 2, &[first.object()]);
        let third = add(&mut table, 3, &[second.object(), first.object()]);
        table.release(first.object());
        table.release(second.object());
        assert_eq!(table.tasks.len(), 3);
        table.release(third.object());
        assert!(table.tasks.is_empty());
        assert_eq!(table.kept_bytes(), 0);
    }

    #[test]
    fn the_room_of_many_tasks_is_given_back() {
        let mut table = Table::new(0);
        let handles: Vec<_> = (0..100_000).map(|number| add(&mut table, number, &[])).collect();
        handles.iter().skip(10).for_each(|handle| table.release(handle.object()));
        assert_eq!(table.tasks.len(), 10);
        assert!(table.tasks.capacity() < 10_000, "{}", table.tasks.capacity());
    }

    #[test]
    fn what_does_not_fit_is_known_but_not_kept() {
        let mut table = Table::new(300);
        let first = add(&mut table, 1, &[]);
        let second = add(&mut table, 2, &[first.object()]);
        assert!(table.tasks[&first.object().task].spec.is_some());
        assert!(table.tasks[&second.object().task].spec.is_none());
        table.release(first.object());
        assert_eq!(table.tasks.len(), 1, "a spec that is not kept pins nothing");
        assert_eq!(table.kept_bytes(), 0);
    }

    #[test]
    fn an_object_that_comes_again_outlives_the_release_on_its_way() {
        let mut table = Table::new(1 << 20);
        let first = add(&mut table, 1, &[]);
        let object = first.object();
        drop(first);
        let again = pending(&silent_link(), 1);
        table.add_handle(&again);
        table.release(object);
        assert!(table.find(object).is_some());
        table.release(object);
        assert!(table.tasks.is_empty());
    }

    #[test]
    fn a_put_is_kept_until_its_reference_is_gone_and_the_node_has_answered() {
        let mut table = Table::new(1 << 20);
        let handle = pending(&silent_link(), 9);
        let object = ObjectId { index: mobula_types::ObjectIndex::driver_put(1), ..handle.object() };
        let (done, _is_done) = oneshot::channel();
        table.add_put(object, Weak::new(), &Payload::from(&b"value"[..]), &[], Some(done));
        table.release(object);
        assert_eq!(table.kept_bytes(), 5);
        assert!(table.put_done(object).is_some());
        assert_eq!((table.kept_bytes(), table.objects.len()), (0, 0));
    }
}
