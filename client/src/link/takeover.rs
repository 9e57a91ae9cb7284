//! Going on when the home node is lost.
//!
//! The driver knows what it asked for: it opens a session with another node under the next owner term and offers again,
//! with the same identities, the templates, the puts and the tasks of its [table](super::table), in the order in which
//! they were made. The new owner finds what survives elsewhere and runs the rest again; calls in flight just take
//! longer. Tasks whose values are in this process already are offered only once something needs them.

use super::Home;
use super::inbox::Sent;
use super::io::Io;
use super::outgoing::Waiting;
use crate::reference::{Handle, State};
use mobula_runtime::clock;
use mobula_types::{Failure, FailureKind, Frame, ObjectId, OwnerTerm, TaskId, frame};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a home node that nobody has declared dead is waited for before another one is asked.
const PATIENCE: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Io {
    /// Whether the home node, which cannot be reached, is lost: other nodes say so, or it has been away for long.
    pub(super) async fn home_is_lost(&mut self) -> bool {
        let (Some(since), Some(connector)) = (self.detached_since, &self.connector) else { return false };
        if clock::now().since(since) > PATIENCE {
            return true;
        }
        connector.is_lost(self.link.view(), self.link.home()).await
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
            self.term = OwnerTerm(self.term.0 + 1);
            let Some(connector) = &self.connector else {
                return Err(Failure::new(FailureKind::SessionExpired, "a worker's session cannot move"));
            };
            let failure = match connector.take_over(self.link.view(), self.link.home(), self.term).await {
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
        self.detached_since = None;
        self.bulk = home.bulk;
        // The old session is closed with its receiver.
        self.receiver = home.session.receiver;
        self.transfers.clear();
        self.fetches.clear();
        let waiting = self.out.restart(home.session.sender, home.credit);
        self.templates.send_all(self.out.frames());
        self.offer_again(&waiting.iter().map(|waiting| waiting.object).collect());
        waiting.into_iter().for_each(|waiting| self.out.request(waiting));
        self.unpark();
        self.ask_again();
    }

    /// Offers everything again that was sent to the old node; what is in `unsent` still goes its first way.
    fn offer_again(&mut self, unsent: &HashSet<ObjectId>) {
        let mut puts: Vec<_> = self
            .table
            .objects
            .iter()
            .filter(|(object, entry)| entry.put.is_some() && !unsent.contains(object))
            .map(|(object, _)| *object)
            .collect();
        puts.sort_unstable();
        puts.into_iter().for_each(|object| self.offer_put(object));
        for task in self.choose_tasks(unsent) {
            self.offer_task(task);
        }
    }

    /// The tasks to offer, in the order in which they were submitted. Those whose values are all here, and which nothing
    /// needs that is offered or still to be sent, lapse instead: they would only run again.
    fn choose_tasks(&mut self, unsent: &HashSet<ObjectId>) -> Vec<TaskId> {
        let parked = self.parked_objects();
        let mut tasks: Vec<_> = self.table.tasks.keys().copied().collect();
        // A driver's tasks are numbered as they were submitted: what a task needs comes before it.
        tasks.sort_unstable();
        let mut needed = HashSet::new();
        let mut chosen = Vec::new();
        for task in tasks.into_iter().rev() {
            let Some(entry) = self.table.tasks.get_mut(&task) else { continue };
            let first = ObjectId::result(task, 0);
            let goes_by_itself = unsent.contains(&first) || parked.contains(&first);
            entry.lapsed = !goes_by_itself && !needed.contains(&task) && entry.is_settled_here();
            if entry.lapsed {
                self.has_lapsed = true;
                continue;
            }
            needed.extend(entry.needs().map(|object| object.task));
            if !goes_by_itself {
                chosen.push(task);
            }
        }
        chosen.reverse();
        chosen
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

    fn parked_objects(&self) -> HashSet<ObjectId> {
        let object = |parked: &super::io::Parked| match parked {
            super::io::Parked::Request(waiting) => Some(waiting.object),
            super::io::Parked::Frame(_) => None,
        };
        self.parked.iter().filter_map(object).collect()
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
                self.uploading.remove(&object);
                if let Some(handle) = handle {
                    let failure = evicted("a value that was put").of_object(object);
                    self.announce |= handle.resolve(State::Failed(failure), &mut self.wakers);
                }
                self.table.put_done(object);
            }
        }
    }

    fn offer_task(&mut self, task: TaskId) {
        let Some(entry) = self.table.tasks.get(&task) else { return };
        let handles: Vec<Arc<Handle>> = entry.results.iter().filter_map(|result| result.upgrade()).collect();
        match entry.spec.as_deref().cloned() {
            Some(spec) => {
                handles.iter().for_each(|handle| handle.forget_place());
                self.offer_spec(spec);
            }
            None => {
                let failure = evicted("a task's spec");
                handles.iter().for_each(|handle| {
                    self.announce |= handle.fail_if_pending(failure.clone(), &mut self.wakers);
                });
            }
        }
    }

    fn offer_spec(&mut self, spec: frame::Submit) {
        let object = ObjectId::result(spec.task, 0);
        let submit = frame::Submit { reoffered: true, ..spec };
        let waiting =
            Waiting { frame: Frame::Submit(submit), object, counted: Sent::default(), holds: Vec::new() };
        self.request_or_park(waiting);
    }
}

fn evicted(what: &str) -> Failure {
    let message = format!(
        "{what} was not kept for its size, and its home node is lost; the bound is 1 GiB unless set \
         (ClusterBuilder::kept_bytes)"
    );
    Failure::new(FailureKind::LineageEvicted, message)
}
