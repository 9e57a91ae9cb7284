//! What a node says of its actors, on its way to the head that it has joined.

use mobula_types::actor::{ActorReport, GroupReport};

/// Changes of groups and topics that are put together in one report.
const MOST_CHANGES: usize = 10_000;

/// Reports that wait to be sent. As many as the node has actors, exits and memberships at most:
/// what comes together is put together.
#[derive(Debug, Default)]
pub(super) struct ActorReports {
    waiting: Vec<ActorReport>,
    /// The head that is joined has been, or will be, told everything.
    inventoried: bool,
}

impl ActorReports {
    /// Another head is joined, or none: nothing that waits is of use to it, as it is told everything first.
    pub(super) fn await_inventory(&mut self) {
        self.waiting.clear();
        self.inventoried = false;
    }

    /// Adds a report. Before the inventory there is none: that contains it.
    pub(super) fn push(&mut self, report: ActorReport) {
        if matches!(report, ActorReport::Inventory { .. }) {
            self.waiting.clear();
            self.inventoried = true;
        } else if !self.inventoried {
            return;
        }
        match (self.waiting.last_mut(), report) {
            (Some(ActorReport::Started(before)), ActorReport::Started(more)) => before.extend(more),
            (Some(ActorReport::Exited(before)), ActorReport::Exited(more)) => before.extend(more),
            (Some(ActorReport::Locate(before)), ActorReport::Locate(more)) => before.extend(more),
            (Some(ActorReport::Unlocate(before)), ActorReport::Unlocate(more)) => before.extend(more),
            (Some(ActorReport::Observe(before)), ActorReport::Observe(more)) => before.extend(more),
            (Some(ActorReport::Unreferenced(before)), ActorReport::Unreferenced(more)) => before.extend(more),
            (
                Some(ActorReport::Groups(GroupReport::Changed(before))),
                ActorReport::Groups(GroupReport::Changed(more)),
            ) if before.len() + more.len() <= MOST_CHANGES => before.extend(more),
            (_, report) => self.waiting.push(report),
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
    use mobula_types::actor::{ActorId, Epoch, Incarnation};

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
}
