//! Going on when the home node is lost.
//!
//! The driver knows what it asked for: it opens a session with another node under the next owner term and offers again,
//! with the same identities, the puts and the tasks of its [table](super::table), in the order in which
//! they were made. The new owner finds what survives elsewhere and runs the rest again; calls in flight just take
//! longer. Tasks whose values are in this process already are offered only once something needs them.

use super::Home;
use super::inbox::Sent;
use super::io::Io;
use super::outgoing::Waiting;
use super::requests::request_frame;
use super::table::Spec;
use crate::reference::{Handle, HeldValue, State};
use mobula_runtime::clock;
use mobula_types::frame::Reoffer;
use mobula_types::{
    Failure, FailureKind, ObjectId, ObjectSpace, Outcome, ResultValue, StoredValue, TaskId, Time,
};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is offered again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Offer {
    Put(ObjectId),
    Task(TaskId),
}

impl Io {
    /// Whether the home node, which cannot be reached, is known to be lost. One that is merely away is waited for until the
    /// session expires: until then it goes on, and what it runs must not be run elsewhere too.
    pub(super) async fn home_is_lost(&mut self) -> bool {
        match (self.is_detached, &self.connector) {
            (true, Some(connector)) => connector.is_lost(self.link.view(), self.link.home()).await,
            _ => false,
        }
    }

    /// Moves to another home node. `false` where that was in vain and everything has failed.
    pub(super) async fn take_over(&mut self) -> bool {
        let lost = self.link.home();
        tracing::warn!(home = %lost, "the home node is lost or drains; another one takes over");
        match self.find_home().await {
            Ok(home) => {
                tracing::info!(home = %home.node, "another node has taken over");
                self.move_to(home);
                true
            }
            Err(cause) => {
                let message = format!("the home node {lost} was lost, and no other node took over");
                self.end(Failure::new(cause.kind(), message).caused_by(cause));
                false
            }
        }
    }

    async fn find_home(&mut self) -> Result<Home, Failure> {
        let end = clock::now() + self.options.take_over_within;
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(connector) = &self.connector else {
                return Err(Failure::new(FailureKind::SessionExpired, "a worker's session cannot move"));
            };
            let failure =
                match connector.take_over(self.link.view(), self.link.home(), self.terms.clone()).await {
                    Ok(home) => return Ok(home),
                    Err(failure) => failure,
                };
            if !failure.kind().is_retryable() || clock::now() + pause > end {
                return Err(failure);
            }
            clock::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn move_to(&mut self, home: Home) {
        *self.link.home.write() = home.node;
        *self.link.view.write() = home.view;
        self.events = home.session.sender.events();
        self.is_detached = false;
        self.bulk = home.bulk;
        // The old session is closed with its receiver.
        self.receiver = home.session.receiver;
        self.transfers.clear();
        self.fetches.clear();
        self.note_offered();
        let waiting = self.out.restart(home.session.sender, home.credit);
        let parked = std::mem::take(&mut self.parked);
        let unsent = waiting.iter().map(|waiting| waiting.object).chain(self.late.iter().copied());
        self.offer_again(&unsent.collect());
        // What was never sent goes its first way, behind everything that it may refer to.
        waiting.into_iter().for_each(|waiting| self.request_or_park(waiting));
        self.parked.extend(parked);
        self.fail_lost_uploads();
        self.unpark();
        self.ask_again();
        self.ask_anew();
    }

    /// Notes which tasks the old node may have received.
    fn note_offered(&mut self) {
        let unsent = self.out.untaken();
        let waiting = self.out.waiting().map(|waiting| waiting.object.task);
        let unsent: HashSet<TaskId> = unsent.into_iter().chain(waiting).collect();
        let late = &self.late;
        for (task, entry) in &mut self.table.tasks {
            let is_unsent = unsent.contains(task) || late.contains(&ObjectId::result(*task, 0));
            entry.past.was_offered |= !is_unsent && !entry.lapsed;
        }
    }

    /// Offers everything again that was sent to the old node; what is in `unsent` still goes its first way.
    fn offer_again(&mut self, unsent: &HashSet<ObjectId>) {
        for offer in self.order_offers(unsent) {
            match offer {
                Offer::Task(task) if !unsent.contains(&ObjectId::result(task, 0)) => self.offer_task(task),
                Offer::Put(object) if !unsent.contains(&object) => self.offer_put(object),
                _ => {}
            }
        }
    }

    /// The puts and tasks to offer, each behind all that it needs. Tasks whose values are all here, and which nothing
    /// needs that is offered or still to be sent, lapse instead: they would only run again.
    fn order_offers(&mut self, unsent: &HashSet<ObjectId>) -> Vec<Offer> {
        let puts = self.table.objects.iter().filter(|(_, entry)| entry.put.is_some());
        let mut roots: Vec<_> = puts.map(|(object, _)| Offer::Put(*object)).collect();
        let wanted = self.table.tasks.iter().filter(|(task, entry)| {
            !entry.is_settled_here() || unsent.contains(&ObjectId::result(**task, 0))
        });
        roots.extend(wanted.map(|(task, _)| Offer::Task(*task)));
        // As they were requested, so that an actor's calls stay in the order of their numbers: two threads may have named
        // theirs the other way round.
        let order = |offer: &Offer| match offer {
            Offer::Put(_) => 0,
            Offer::Task(task) => self.table.tasks.get(task).map_or(0, |entry| entry.order),
        };
        roots.sort_unstable_by_key(|offer| (order(offer), *offer));
        let mut seen = HashSet::new();
        let mut order = Vec::new();
        // What is looked at, and whether what it needs was looked at already.
        let mut left: Vec<_> = roots.into_iter().rev().map(|offer| (offer, false)).collect();
        while let Some((offer, needs_are_done)) = left.pop() {
            if needs_are_done {
                order.push(offer);
            } else if seen.insert(offer) {
                left.push((offer, true));
                left.extend(self.needs_of(offer).into_iter().map(|need| (need, false)));
            }
        }
        for (task, entry) in &mut self.table.tasks {
            entry.lapsed = !seen.contains(&Offer::Task(*task));
            self.has_lapsed |= entry.lapsed;
        }
        order
    }

    fn needs_of(&self, offer: Offer) -> Vec<Offer> {
        let object = |object: ObjectId| match object.index.space() {
            ObjectSpace::Result => {
                self.table.tasks.contains_key(&object.task).then_some(Offer::Task(object.task))
            }
            _ => self.table.objects.get(&object)?.put.is_some().then_some(Offer::Put(object)),
        };
        match offer {
            Offer::Task(task) => self
                .table
                .tasks
                .get(&task)
                .into_iter()
                .flat_map(|entry| entry.needs())
                .filter_map(object)
                .collect(),
            Offer::Put(put) => self
                .table
                .objects
                .get(&put)
                .into_iter()
                .flat_map(|entry| entry.needs())
                .filter_map(object)
                .collect(),
        }
    }

    /// Uploads that the old node's loss cut short, and that were not offered again, will not be.
    fn fail_lost_uploads(&mut self) {
        let is_lost =
            |object: &&ObjectId| self.table.objects.get(object).is_none_or(|entry| entry.put.is_none());
        let lost: Vec<ObjectId> = self.uploading.keys().filter(is_lost).copied().collect();
        for object in lost {
            self.fail_upload(object, &evicted("a large argument"));
        }
    }

    /// A new request refers to these objects: what has lapsed of them, and of what they need, is offered after all.
    pub(super) fn offer_lapsed(&mut self, objects: impl Iterator<Item = ObjectId>) {
        if !self.has_lapsed {
            return;
        }
        let mut left: Vec<TaskId> = objects.map(|object| object.task).collect();
        let mut chosen = Vec::new();
        while let Some(task) = left.pop() {
            if let Some(entry) = self.table.tasks.get_mut(&task)
                && std::mem::take(&mut entry.lapsed)
            {
                left.extend(entry.needs().map(|object| object.task));
                chosen.push(task);
            }
        }
        chosen.sort_unstable();
        chosen.into_iter().for_each(|task| self.offer_task(task));
    }

    fn offer_put(&mut self, object: ObjectId) {
        let Some(entry) = self.table.objects.get(&object) else { return };
        let handle = entry.handle.upgrade();
        match entry.put.as_ref().and_then(|put| put.kept.as_ref()) {
            Some((payload, contained)) => {
                let payload = payload.clone();
                let holds = contained.iter().filter_map(|address| self.table.find(address.object)).collect();
                self.put_again(object, payload, holds);
            }
            None => {
                let failure = evicted("a value that was put").of_object(object);
                if let Some(handle) = handle {
                    self.announce |= handle.resolve(State::Failed(failure.clone()), &mut self.wakers);
                }
                if self.uploading.contains_key(&object) {
                    self.fail_upload(object, &failure);
                } else {
                    self.table.put_done(object);
                }
            }
        }
    }

    fn offer_task(&mut self, task: TaskId) {
        let now = clock::now();
        let Some(entry) = self.table.tasks.get_mut(&task) else { return };
        let handles: Vec<Arc<Handle>> = entry.results.iter().filter_map(|result| result.upgrade()).collect();
        let ended = std::mem::take(&mut entry.ended);
        match entry.spec.as_deref().cloned() {
            Some(mut spec) => {
                let outcome = if ended { outcome_of(&handles, entry.results.len()) } else { None };
                let reoffer = Reoffer { outcome, ..entry.past.reoffer(now, ended) };
                spec.submit.extras_mut().reoffer = Some(reoffer);
                let deadline = entry.deadline;
                handles.iter().for_each(|handle| handle.forget_place());
                self.offer_spec(spec, deadline);
            }
            None => {
                let failure = evicted("a task's spec");
                handles.iter().for_each(|handle| {
                    self.announce |= handle.fail_if_pending(failure.clone(), &mut self.wakers);
                });
            }
        }
    }

    fn offer_spec(&mut self, spec: Spec, deadline: Option<Time>) {
        let Spec { submit, template, call } = spec;
        let object = ObjectId::result(submit.task, 0);
        let (frame, counted) = (request_frame(submit, call), Sent::default());
        let template = Some(template);
        self.request_or_park(Waiting { frame, template, object, deadline, counted, holds: Vec::new() });
    }
}

/// How a task ended, where all of its results are in this process.
fn outcome_of(handles: &[Arc<Handle>], results: usize) -> Option<Outcome> {
    if handles.len() < results {
        return None;
    }
    let mut values = Vec::new();
    for handle in handles {
        match &*handle.state() {
            State::Value(HeldValue { payload, contained }) => {
                let addresses =
                    |handles: &Arc<[Arc<Handle>]>| handles.iter().map(|inner| inner.address()).collect();
                let contained = contained.as_ref().map(addresses);
                values.push(ResultValue { value: StoredValue::Inline(payload.clone()), contained });
            }
            State::Failed(failure) => return Some(Outcome::Failed(failure.clone())),
            _ => return None,
        }
    }
    match values.len() {
        1 => values.pop().map(Outcome::Value),
        _ => Some(Outcome::Values(values)),
    }
}

fn evicted(what: &str) -> Failure {
    let message = format!(
        "{what} was not kept for its size, and its home node is lost; the bound is 1 GiB unless set \
         (ClusterBuilder::kept_bytes)"
    );
    Failure::new(FailureKind::LineageEvicted, message)
}
