//! What is known of a job that was taken over, until its driver has claimed it.

use crate::tasks::Place;
use crate::tasks::keys::{Index, OrderedSet, TaskKey};
use mobula_types::frame::{AssignmentEnd, Progress};
use mobula_types::{Attempt, NodeId, ObjectId, ResultValue, StoredValue, TaskId};
use std::sync::Arc;

/// What the nodes have said that they have of a job.
#[derive(Default, Debug)]
pub(super) struct Seek {
    /// Who has not answered yet. While anybody has not, nothing of the job is freed or run again.
    pub(super) waiting_for: Vec<Place>,
    /// Tasks that were offered again meanwhile.
    pub(super) offered: Vec<(TaskKey, TaskId, Progress)>,
    /// Values that nobody has claimed.
    pub(super) copies: Index<ObjectId, ResultValue>,
    /// Attempts that nobody has claimed.
    pub(super) running: Index<TaskId, (Place, Attempt)>,
    /// How those of them ended that have ended since.
    pub(super) ended: Index<TaskId, AssignmentEnd>,
    /// Tasks of which the owner before knew that no attempt is anywhere.
    pub(super) unstarted: OrderedSet<TaskId>,
}

impl Seek {
    /// Waits for nobody any more.
    pub(super) fn give_up(&mut self) {
        self.waiting_for.clear();
    }

    /// Adds what a node has. `false` where it is another version than the one that was found first: versions are never
    /// mixed.
    pub(super) fn add_copy(&mut self, object: ObjectId, mut found: ResultValue, holder: &NodeId) -> bool {
        if let StoredValue::Stored(copy) = &mut found.value
            && copy.holders.is_empty()
        {
            Arc::make_mut(copy).holders.push(holder.clone());
        }
        let Some(known) = self.copies.get_mut(&object) else {
            self.copies.insert(object, found);
            return true;
        };
        let same = match (&mut known.value, &found.value) {
            (StoredValue::Stored(known), StoredValue::Stored(found)) => {
                let same = (known.length, known.checksum) == (found.length, found.checksum);
                for holder in found.holders.iter().filter(|_| same) {
                    if !known.holders.contains(holder) {
                        Arc::make_mut(known).holders.push(holder.clone());
                    }
                }
                same
            }
            (StoredValue::Inline(known), StoredValue::Inline(found)) => known == found,
            _ => false,
        };
        if same && known.contained.is_none() {
            known.contained = found.contained;
        }
        same
    }

    /// An attempt that is not claimed has ended. `false` where none of that name is waited for.
    pub(super) fn keep_end(
        &mut self,
        task: TaskId,
        place: &Place,
        attempt: Attempt,
        end: &AssignmentEnd,
    ) -> bool {
        let is_known = self.running.get(&task).is_some_and(|(at, known)| at == place && *known == attempt);
        if is_known {
            self.ended.insert(task, end.clone());
        }
        is_known
    }

    /// What ran there runs no more, as far as anybody can tell.
    pub(super) fn forget_attempts(&mut self, place: &Place) {
        let ended = &mut self.ended;
        self.running.retain(|task, (at, _)| {
            let stays = at != place;
            if !stays {
                ended.swap_remove(task);
            }
            stays
        });
    }

    /// The node's copies are gone.
    pub(super) fn forget_copies(&mut self, node: &NodeId) {
        self.copies.retain(|_, found| match &mut found.value {
            StoredValue::Inline(_) => true,
            StoredValue::Stored(copy) => {
                Arc::make_mut(copy).holders.retain(|holder| holder != node);
                !copy.holders.is_empty()
            }
        });
    }
}
