//! Which turn of an actor may start next.

use super::class::{Access, Class};
use super::queue::{QueuedTurn, TurnQueue};
use foldhash::HashMap;
use mobula_types::actor::{ActorOptions, Caller};

/// The turns of one actor that have not started, and how many shared ones run.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    queue: TurnQueue,
    /// Set while turns wait for a place in their group.
    parked: Option<Box<Parked>>,
    /// How many shared turns of each group run; empty until the first one.
    running: Vec<u32>,
    running_in_all: u32,
}

/// Turns that came before those in the queue and wait for a place in their group.
#[derive(Debug)]
struct Parked {
    /// For each group, its own; and what the same callers sent behind them, of whatever group.
    groups: Vec<TurnQueue>,
    /// Callers with turns here: in which group's queue, and how many.
    callers: HashMap<Caller, (usize, usize)>,
}

impl Mailbox {
    pub(crate) fn push(&mut self, turn: QueuedTurn) {
        self.queue.push(turn);
    }

    /// How many turns wait.
    pub(crate) fn len(&self) -> usize {
        let parked = self.parked.iter().flat_map(|parked| &parked.groups).map(TurnQueue::len);
        self.queue.len() + parked.sum::<usize>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.parked.is_none()
    }

    /// Whether no shared turn runs.
    pub(crate) fn is_quiet(&self) -> bool {
        self.running_in_all == 0
    }

    /// The next turn that may start, where no exclusive one runs. A shared one counts as running from now on.
    pub(crate) fn next(&mut self, class: &Class, options: &ActorOptions) -> Option<QueuedTurn> {
        if let Some(turn) = self.next_parked(class, options) {
            return Some(turn);
        }
        loop {
            let front = self.queue.front()?;
            let (method, caller) = (front.method, front.caller);
            if access_of(class, method) == Access::Exclusive {
                let alone = self.is_quiet() && self.parked.is_none();
                return if alone { self.queue.pop() } else { None };
            }
            let group = class.group_of(method);
            let behind = self.parked.as_ref().and_then(|parked| parked.callers.get(&caller));
            let behind = behind.map(|(group, _)| *group);
            if behind.is_none() && self.has_room(group, class, options) {
                self.enter(group, class);
                return self.queue.pop();
            }
            let turn = self.queue.pop()?;
            self.park(behind.unwrap_or(group), turn, class);
        }
    }

    fn next_parked(&mut self, class: &Class, options: &ActorOptions) -> Option<QueuedTurn> {
        let parked = self.parked.as_ref()?;
        let ready = parked.groups.iter().enumerate().find_map(|(place, queue)| {
            let group = class.group_of(queue.front()?.method);
            self.has_room(group, class, options).then_some((place, group))
        });
        let (place, group) = ready?;
        let turn = self.parked.as_mut()?.groups.get_mut(place)?.pop()?;
        self.unpark(&turn);
        self.enter(group, class);
        Some(turn)
    }

    fn park(&mut self, place: usize, turn: QueuedTurn, class: &Class) {
        let parked = self.parked.get_or_insert_with(|| {
            let groups = class.groups().iter().map(|_| TurnQueue::default()).collect();
            Box::new(Parked { groups, callers: HashMap::default() })
        });
        parked.callers.entry(turn.caller).or_insert((place, 0)).1 += 1;
        if let Some(queue) = parked.groups.get_mut(place) {
            queue.push(turn);
        }
    }

    /// A turn has left the parked ones.
    fn unpark(&mut self, turn: &QueuedTurn) {
        let Some(parked) = &mut self.parked else { return };
        if let Some((_, count)) = parked.callers.get_mut(&turn.caller) {
            *count -= 1;
            if *count == 0 {
                parked.callers.remove(&turn.caller);
            }
        }
        if parked.callers.is_empty() {
            self.parked = None;
        }
    }

    fn has_room(&self, group: usize, class: &Class, options: &ActorOptions) -> bool {
        self.running.get(group).copied().unwrap_or(0) < limit_of(group, class, options)
    }

    fn enter(&mut self, group: usize, class: &Class) {
        if self.running.is_empty() {
            self.running = vec![0; class.groups().len()];
        }
        if let Some(running) = self.running.get_mut(group) {
            *running += 1;
        }
        self.running_in_all += 1;
    }

    /// Keeps exclusive turns from starting, as a shared turn without a group does.
    pub(crate) fn hold(&mut self) {
        self.running_in_all += 1;
    }

    /// Ends a [`hold`](Self::hold).
    pub(crate) fn release(&mut self) {
        self.running_in_all = self.running_in_all.saturating_sub(1);
    }

    /// A shared turn of that method has ended.
    pub(crate) fn ended(&mut self, class: &Class, method: usize) {
        if let Some(running) = self.running.get_mut(class.group_of(method)) {
            *running = running.saturating_sub(1);
        }
        self.running_in_all = self.running_in_all.saturating_sub(1);
    }

    /// Takes a turn back that has not started.
    pub(crate) fn take(&mut self, handle: u64) -> Option<QueuedTurn> {
        if let Some(turn) = self.queue.take(handle) {
            return Some(turn);
        }
        let parked = self.parked.as_mut()?;
        let turn = parked.groups.iter_mut().find_map(|queue| queue.take(handle))?;
        self.unpark(&turn);
        Some(turn)
    }

    /// Takes all turns, those of each caller in order.
    pub(crate) fn drain(&mut self) -> Vec<QueuedTurn> {
        let parked = self.parked.take().map(|parked| parked.groups).unwrap_or_default();
        let parked = parked.into_iter().flat_map(|mut queue| queue.drain());
        parked.chain(self.queue.drain()).collect()
    }

    /// Gives back what an idle actor needs not.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            self.queue = TurnQueue::default();
        }
        if self.is_quiet() {
            self.running = Vec::new();
        }
    }
}

fn access_of(class: &Class, method: usize) -> Access {
    class.methods().get(method).map_or(Access::Exclusive, |method| method.access)
}

fn limit_of(group: usize, class: &Class, options: &ActorOptions) -> u32 {
    let name = class.groups().get(group).copied().unwrap_or("");
    let limit = options.groups.iter().find(|(known, _)| **known == *name).map(|(_, limit)| *limit);
    limit.unwrap_or(options.max_concurrency).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::{Hooks, Method, MethodBody};
    use crate::{Call, CallResult, CancelToken};
    use mobula_types::{Attempt, FunctionId, JobId, Outcome, Payload, TaskId, TaskTemplate};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    const GROUPS: [Option<&str>; 3] = [None, Some("io"), Some("unlimited")];
    const EXCLUSIVE: usize = 3;
    const OPTIONS: [(u32, u32); 3] = [(1, 1), (2, 1), (3, 2)];

    fn class() -> Class {
        let body = MethodBody::Inline(|_, _| CallResult::of(Outcome::Values(Vec::new())));
        let method = |access, group| Method { name: "m", access, group, cancel_safe: false, body };
        let mut methods: Vec<_> = GROUPS.iter().map(|group| method(Access::Shared, *group)).collect();
        methods.push(method(Access::Exclusive, None));
        Class::new("test::Class", Vec::new(), methods, Hooks::default())
    }

    fn turn(handle: u64, caller: u64, method: usize) -> QueuedTurn {
        let function = FunctionId::new("m", "1");
        let call = Call {
            handle,
            task: TaskId::default(),
            attempt: Attempt::default(),
            template: Arc::new(TaskTemplate { function, signature: None, options: Default::default() }),
            arguments: Payload::EMPTY,
            inputs: Vec::new(),
            deadline: None,
            cancel: CancelToken::default(),
            guest: Arc::new(()),
        };
        QueuedTurn { caller: Caller::Driver(JobId(caller)), method, call }
    }

    #[derive(Clone, Debug)]
    enum Event {
        Push {
            caller: u64,
            method: usize,
        },
        /// As many turns start as can.
        Start,
        /// One of those that run ends, by its place.
        End(usize),
        /// One of those that wait is taken back, by its place.
        Take(usize),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            4 => (0..4_u64, 0..4_usize).prop_map(|(caller, method)| Event::Push { caller, method }),
            3 => Just(Event::Start),
            3 => any::<usize>().prop_map(Event::End),
            1 => any::<usize>().prop_map(Event::Take),
        ];
        proptest::collection::vec(event, 1..200)
    }

    /// Turns as a list, by what is promised of them.
    #[derive(Default)]
    struct Model {
        /// Handle, caller and method, in order of arrival.
        waiting: Vec<(u64, u64, usize)>,
        running: BTreeMap<u64, usize>,
    }

    impl Model {
        /// A turn has started: whether it was allowed to.
        fn start(&mut self, handle: u64, limits: &[u32; 3]) {
            let place = self.waiting.iter().position(|(waiting, ..)| *waiting == handle);
            let (_, caller, method) = self.waiting.remove(place.expect("it waits"));
            let before = &self.waiting[..place.expect("it waits")];
            assert!(
                before.iter().all(|(_, other, _)| *other != caller),
                "its caller's turns before it first"
            );
            assert!(before.iter().all(|(_, _, method)| *method != EXCLUSIVE), "no writer is overtaken");
            assert!(self.running.values().all(|method| *method != EXCLUSIVE));
            if method == EXCLUSIVE {
                assert!(before.is_empty() && self.running.is_empty(), "it runs alone");
            }
            self.running.insert(handle, method);
            if method != EXCLUSIVE {
                assert!(self.count_of(method) <= limits[method]);
            }
        }

        fn count_of(&self, method: usize) -> u32 {
            self.running.values().filter(|running| **running == method).count() as u32
        }

        /// Nothing more starts: whether it is right so.
        fn check_rest(&self, limits: &[u32; 3]) {
            if self.running.values().any(|method| *method == EXCLUSIVE) {
                return;
            }
            let Some((_, _, method)) = self.waiting.first() else { return };
            match *method {
                EXCLUSIVE => assert!(!self.running.is_empty(), "the first one could start"),
                method => assert_eq!(self.count_of(method), limits[method], "the first one could start"),
            }
        }
    }

    proptest! {
        #[test]
        fn turns_start_as_promised(events in events(), options in 0..OPTIONS.len()) {
            let (class, (most, io)) = (class(), OPTIONS[options]);
            let limits = [most, io, most];
            let options = ActorOptions {
                max_concurrency: most,
                groups: vec![("io".into(), io)],
                ..ActorOptions::default()
            };
            let (mut mailbox, mut model) = (Mailbox::default(), Model::default());
            let mut next_handle = 0;
            let mut apply = |event: Event, mailbox: &mut Mailbox, model: &mut Model| match event {
                Event::Push { caller, method } => {
                    // Not always in order of their handles.
                    next_handle += 1;
                    let handle = if next_handle % 7 == 0 { 1000 - next_handle } else { next_handle };
                    mailbox.push(turn(handle, caller, method));
                    model.waiting.push((handle, caller, method));
                }
                Event::Start => {
                    while model.running.values().all(|method| *method != EXCLUSIVE) {
                        let Some(turn) = mailbox.next(&class, &options) else { break };
                        model.start(turn.call.handle, &limits);
                    }
                    model.check_rest(&limits);
                }
                Event::End(place) => {
                    let running = model.running.len();
                    if let Some(handle) = model.running.keys().nth(place % running.max(1)).copied() {
                        let method = model.running.remove(&handle);
                        if let Some(method) = method.filter(|method| *method != EXCLUSIVE) {
                            mailbox.ended(&class, method);
                        }
                    }
                }
                Event::Take(place) => {
                    if !model.waiting.is_empty() {
                        let place = place % model.waiting.len();
                        let (handle, ..) = model.waiting.remove(place);
                        assert_eq!(mailbox.take(handle).map(|turn| turn.call.handle), Some(handle));
                        assert!(mailbox.take(handle).is_none());
                    }
                }
            };
            for event in events {
                apply(event, &mut mailbox, &mut model);
                assert_eq!(mailbox.len(), model.waiting.len());
                assert_eq!(mailbox.is_empty(), model.waiting.is_empty());
            }
            // Whatever waits has its turn in the end.
            while !mailbox.is_empty() || !model.running.is_empty() {
                apply(Event::Start, &mut mailbox, &mut model);
                apply(Event::End(0), &mut mailbox, &mut model);
            }
            assert!(model.waiting.is_empty() && mailbox.is_quiet());
        }
    }
}
