//! Several values that are needed together: what is here stays, and there is room for the rest.

use crate::pin::Pin;
use crate::reservation::Reservation;
use crate::store::{ObjectStore, StoreFull};
use mobula_types::outcome::CopyVersion;
use mobula_types::{JobId, ObjectId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Values that are needed together.
#[derive(Debug)]
pub struct Gathered {
    /// Those that are here.
    pub here: Vec<Pin>,
    /// Those that are not.
    pub missing: Vec<ObjectId>,
    /// Room for all of these.
    pub room: Reservation,
}

impl ObjectStore {
    /// Pins those of the values that are here, and takes room for the others: both at once, or neither. Nothing is pinned
    /// while it waits up to `patience` for room, so that two who want several never wait for what the other one holds.
    /// Values that are together larger than the whole store fail at once. Cancellation safe.
    ///
    /// # Errors
    /// [`StoreFull`] where they do not fit in time.
    pub async fn gather_within(
        &self,
        job: JobId,
        wanted: &BTreeMap<ObjectId, CopyVersion>,
        patience: Duration,
    ) -> Result<Gathered, StoreFull> {
        let all = wanted.values().fold(0, |sum: u64, version| sum.saturating_add(version.length));
        self.try_within(patience, all, || self.gather(job, wanted)).await
    }

    fn gather(&self, job: JobId, wanted: &BTreeMap<ObjectId, CopyVersion>) -> Result<Gathered, StoreFull> {
        let mut inner = self.inner();
        let (mut here, mut missing) = (Vec::new(), Vec::new());
        let (mut kept, mut needed) = (0, 0_u64);
        for (object, version) in wanted {
            match inner.objects.get(object).filter(|entry| entry.stored.version() == *version) {
                Some(entry) => {
                    here.push(*object);
                    kept += if entry.is_spare() { entry.length() } else { 0 };
                }
                None => {
                    missing.push(*object);
                    needed = needed.saturating_add(version.length);
                }
            }
        }
        let over = self.over(&inner, needed);
        if over > inner.objects.spare_bytes() - kept {
            return Err(self.full(&inner, needed));
        }
        let here = here.iter().filter_map(|object| self.pin_in(&mut inner, object)).collect();
        let room = self.take_room(inner, job, needed, over)?;
        Ok(Gathered { here, missing, room })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CopyOf;
    use bytes::Bytes;
    use mobula_types::{NodeId, TaskId};
    use tokio::task::yield_now;

    const JOB: JobId = JobId(1);
    const LONG: Duration = Duration::from_secs(3600);

    fn object(number: u64) -> ObjectId {
        ObjectId::result(TaskId::of_driver(JOB, number), 0)
    }

    /// A copy of which its owner knows.
    fn bring(store: &ObjectStore, number: u64) -> Pin {
        let of = CopyOf { owner: NodeId::new("owner", 1), keeper: NodeId::new("keeper", 1) };
        let room = store.reserve(JOB, 10).unwrap();
        let pin = room.commit_copy(object(number), Bytes::from(vec![0; 10]), 0, of).unwrap();
        pin.told();
        pin
    }

    fn wanted(numbers: &[u64]) -> BTreeMap<ObjectId, CopyVersion> {
        numbers.iter().map(|number| (object(*number), CopyVersion { length: 10, checksum: 0 })).collect()
    }

    #[tokio::test]
    async fn two_who_hold_what_the_other_one_could_use_do_not_wait_for_each_other() {
        let store = ObjectStore::new(30);
        drop((bring(&store, 1), bring(&store, 2)));
        let in_use = bring(&store, 3);
        let (first, second) = (wanted(&[1, 4, 5]), wanted(&[2, 6, 7]));
        let gather = async |wanted| {
            let gathered = store.gather_within(JOB, wanted, LONG).await.unwrap();
            (gathered.here.len(), gathered.missing.len(), gathered.room.length())
        };
        let freeing = async {
            yield_now().await;
            assert!(store.contains(&object(1)) && store.contains(&object(2)), "nothing goes in vain");
            drop(in_use);
        };
        let (first, second, ()) = tokio::join!(gather(&first), gather(&second), freeing);
        assert_eq!(first, (1, 2, 20));
        assert_eq!(second, (0, 3, 30), "its copy made room for the first one");
    }

    #[tokio::test]
    async fn what_is_needed_does_not_make_room_for_the_rest() {
        let store = ObjectStore::new(30);
        drop((bring(&store, 1), bring(&store, 2), bring(&store, 3)));
        let gathered = store.gather_within(JOB, &wanted(&[1, 4]), LONG).await.unwrap();
        assert_eq!(
            (gathered.here[0].object(), gathered.missing, gathered.room.length()),
            (object(1), vec![object(4)], 10)
        );
        assert!(!store.contains(&object(2)) && store.contains(&object(3)));
    }

    #[tokio::test]
    async fn more_than_the_store_holds_is_not_waited_for() {
        let store = ObjectStore::new(30);
        drop(bring(&store, 1));
        assert!(store.gather_within(JOB, &wanted(&[1, 2, 3, 4]), LONG).await.is_err());
        let all_here = store.gather_within(JOB, &wanted(&[1]), LONG).await.unwrap();
        assert_eq!((all_here.here.len(), all_here.room.length()), (1, 0));
    }
}
