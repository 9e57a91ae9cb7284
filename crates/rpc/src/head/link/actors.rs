//! What a node says of its actors, on its way to the head that it has joined.

use mobula_types::actor::{ActorReport, EncodedSize, GroupReport};

/// What is put together in one report has at most so many bytes: a message takes 16 MiB, and is sent as a whole.
const MOST_BYTES: usize = 1024 * 1024;

/// Reports that wait to be sent. As many as the node has actors, exits and memberships at most: what comes together is put
/// together, and what is too large for a message is cut.
#[derive(Debug, Default)]
pub(super) struct ActorReports {
    waiting: Vec<ActorReport>,
    /// How large the last of them is.
    last_bytes: usize,
    /// The head that is joined has been, or will be, told everything.
    inventoried: bool,
}

impl ActorReports {
    /// Another head is joined, or none: nothing that waits is of use to it, as it is told everything first.
    pub(super) fn await_inventory(&mut self) {
        self.waiting.clear();
        self.inventoried = false;
    }

    /// Adds a report. Before the inventory, which is given as a whole, there is none: that contains it.
    pub(super) fn push(&mut self, report: ActorReport) {
        if matches!(report, ActorReport::Inventory { .. }) {
            self.waiting.clear();
            self.inventoried = true;
        } else if !self.inventoried {
            return;
        }
        report.in_parts().into_iter().for_each(|part| self.add(part));
    }

    fn add(&mut self, report: ActorReport) {
        let bytes = report.encoded_size();
        let fits = self.last_bytes + bytes <= MOST_BYTES;
        self.last_bytes += bytes;
        match (self.waiting.last_mut().filter(|_| fits), report) {
            (Some(ActorReport::Started(before)), ActorReport::Started(more)) => before.extend(more),
            (Some(ActorReport::Exited(before)), ActorReport::Exited(more)) => before.extend(more),
            (Some(ActorReport::Locate(before)), ActorReport::Locate(more)) => before.extend(more),
            (Some(ActorReport::Unlocate(before)), ActorReport::Unlocate(more)) => before.extend(more),
            (Some(ActorReport::Observe(before)), ActorReport::Observe(more)) => before.extend(more),
            (Some(ActorReport::Unreferenced(before)), ActorReport::Unreferenced(more)) => before.extend(more),
            (
                Some(ActorReport::Groups(GroupReport::Changed(before))),
                ActorReport::Groups(GroupReport::Changed(more)),
            ) => before.extend(more),
            (_, report) => {
                self.waiting.push(report);
                self.last_bytes = bytes;
            }
        }
    }

    /// All that wait, in order.
    pub(super) fn take(&mut self) -> Vec<ActorReport> {
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::actor::{ActorId, Epoch, ExitKind, ExitReason, ExitReport, Incarnation};
    use mobula_types::{Failure, FailureKind};

    fn incarnation(low: u64) -> Incarnation {
        let actor = ActorId(mobula_types::TaskId { high: 0, low });
        Incarnation { actor, epoch: Epoch(1) }
    }

    fn inventory() -> ActorReport {
        ActorReport::Inventory {
            actors: vec![],
            exits: vec![],
            ignored: vec![],
            located: vec![],
            watches: vec![],
            last: true,
        }
    }

    #[test]
    fn nothing_is_said_before_the_inventory_and_what_follows_is_put_together() {
        let mut reports = ActorReports::default();
        let started = |low| ActorReport::Started(vec![incarnation(low)]);
        reports.push(started(1));
        assert_eq!(reports.take(), []);
        reports.push(inventory());
        reports.push(started(2));
        reports.push(started(3));
        let both = ActorReport::Started(vec![incarnation(2), incarnation(3)]);
        assert_eq!(reports.take(), [inventory(), both]);
        reports.push(started(4));
        reports.await_inventory();
        reports.push(started(5));
        assert_eq!(reports.take(), []);
    }

    #[test]
    fn an_inventory_is_never_too_large_for_a_message() {
        let mut reports = ActorReports::default();
        let failure = Failure::new(FailureKind::WorkerDied, "x".repeat(100));
        let exit = |low| ExitReport {
            incarnation: incarnation(low),
            reason: ExitReason::failed(ExitKind::WorkerDied, failure.clone()),
            age: Default::default(),
            started: true,
            worker: None,
        };
        let all: Vec<ExitReport> = (0..100_000).map(exit).collect();
        let ActorReport::Inventory { actors, ignored, located, watches, last, .. } = inventory() else {
            unreachable!()
        };
        reports.push(ActorReport::Inventory { actors, exits: all.clone(), ignored, located, watches, last });
        // What is said again is put together with what waits, and has a bound as well.
        all.chunks(1000).for_each(|some| reports.push(ActorReport::Exited(some.to_vec())));
        let (mut exited, mut again, mut ends) = (0, 0, Vec::new());
        for report in reports.take() {
            assert!(report.encoded_size() <= MOST_BYTES + 1024);
            match report {
                ActorReport::Inventory { exits, last, .. } => {
                    exited += exits.len();
                    ends.push(last);
                }
                ActorReport::Exited(exits) => again += exits.len(),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((exited, again), (all.len(), all.len()));
        assert_eq!(ends.iter().filter(|last| **last).count(), 1);
        assert!(ends.len() > 10 && ends.last() == Some(&true));
    }
}
