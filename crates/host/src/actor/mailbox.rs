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
