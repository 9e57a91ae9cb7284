//! Copies of what another node keeps: they make room for others before anything is refused.

use crate::store::Inner;
use crate::table::Entry;
use mobula_types::outcome::CopyVersion;
use mobula_types::{NodeId, ObjectId};

/// Of what a value is a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOf {
    /// The node that owns the object, and is told of its copies.
    pub owner: NodeId,
    /// The node that keeps the value until its owner frees it.
    pub keeper: NodeId,
}

/// A copy that has made room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The object.
    pub object: ObjectId,
    /// The version of it that was here.
    pub version: CopyVersion,
    /// The node that owns the object.
    pub owner: NodeId,
}

/// What is known of a copy.
pub(crate) struct Secondary {
    pub(crate) owner: NodeId,
    /// `None` once the node that kept the value is dead.
    keeper: Option<NodeId>,
    /// Whether its owner knows of it.
    pub(crate) told: bool,
}

impl Secondary {
    pub(crate) fn new(of: CopyOf) -> Self {
        Secondary { owner: of.owner, keeper: Some(of.keeper), told: false }
    }

    /// Whether it may make room once nobody needs it.
    pub(crate) fn may_go(&self) -> bool {
        self.told && self.keeper.is_some()
    }

    pub(crate) fn is_kept_by(&self, node: &NodeId) -> bool {
        self.keeper.as_ref() == Some(node)
    }

    pub(crate) fn lost(&mut self, node: &NodeId) {
        if self.is_kept_by(node) {
            self.keeper = None;
        }
    }
}

impl Inner {
    /// Drops copies of at least `over` bytes, the least recently used first. `None` where there are not so many: none is
    /// dropped then, and none looked at.
    pub(crate) fn make_room(&mut self, over: u64) -> Option<Vec<Entry>> {
        if self.objects.spare_bytes() < over {
            return None;
        }
        let (mut gone, mut freed) = (Vec::new(), 0);
        while freed < over {
            let Some((object, entry)) = self.objects.take_spare() else { break };
            self.give_back(entry.stored.job, entry.length());
            freed += entry.length();
            if let Some(copy) = &entry.secondary {
                let version = entry.stored.version();
                self.dropped.push(Dropped { object, version, owner: copy.owner.clone() });
            }
            gone.push(entry);
        }
        Some(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ObjectStore;
    use bytes::Bytes;
    use mobula_types::{JobId, TaskId};

    const JOB: JobId = JobId(1);

    fn object(number: u64) -> ObjectId {
        ObjectId::result(TaskId::of_driver(JOB, number), 0)
    }

    fn of() -> CopyOf {
        CopyOf { owner: NodeId::new("owner", 1), keeper: NodeId::new("keeper", 1) }
    }

    /// A copy of ten bytes, with the number as its checksum.
    fn bring(store: &ObjectStore, number: u64) -> crate::Pin {
        let room = store.reserve(JOB, 10).unwrap();
        room.commit_copy(object(number), Bytes::from(vec![0; 10]), number as u32, of()).unwrap()
    }

    fn dropped(store: &ObjectStore) -> Vec<ObjectId> {
        store.take_dropped().into_iter().map(|dropped| dropped.object).collect()
    }

    #[test]
    fn copies_make_room_the_least_recently_used_first() {
        let store = ObjectStore::new(40);
        assert!(store.reserve(JOB, 10).unwrap().commit(object(9), Bytes::from(vec![0; 10]), 0));
        (1..=3).for_each(|number| bring(&store, number).told());
        store.get(&object(1));
        drop(store.reserve(JOB, 15).unwrap());
        let version = CopyVersion { length: 10, checksum: 2 };
        let owner = of().owner;
        let expected = [
            Dropped { object: object(2), version, owner: owner.clone() },
            Dropped { object: object(3), version: CopyVersion { checksum: 3, ..version }, owner },
        ];
        assert_eq!(store.take_dropped(), expected);
        assert!(store.contains(&object(1)) && store.contains(&object(9)));
        assert!(store.reserve(JOB, 31).is_err(), "nothing else makes room");
        assert!(store.contains(&object(1)), "and no copy does in vain");
    }

    #[test]
    fn a_copy_that_is_needed_or_that_is_the_last_one_stays() {
        let store = ObjectStore::new(20);
        let pins = [bring(&store, 1), bring(&store, 2)];
        pins.iter().for_each(crate::Pin::told);
        assert!(store.reserve(JOB, 1).is_err());
        drop(pins);
        store.node_lost(&NodeId::new("other", 1));
        drop(store.reserve(JOB, 1).unwrap());
        assert_eq!(dropped(&store), [object(1)]);
        store.node_lost(&of().keeper);
        assert!(store.reserve(JOB, 11).is_err());
        assert!(store.contains(&object(2)));
    }

    #[test]
    fn a_copy_of_which_nobody_was_told_goes_with_its_last_pin() {
        let store = ObjectStore::new(20);
        let first = bring(&store, 1);
        let second = store.pin(&object(1), CopyVersion { length: 10, checksum: 1 }).unwrap();
        assert!(first.is_news() && second.is_news());
        drop(first);
        assert!(store.contains(&object(1)));
        drop(second);
        assert_eq!((store.usage().used, dropped(&store)), (0, vec![]));
        bring(&store, 1).told();
        assert!(!store.pin(&object(1), CopyVersion { length: 10, checksum: 1 }).unwrap().is_news());
    }

    #[test]
    fn another_version_takes_the_place_of_the_one_before_it() {
        let store = ObjectStore::new(30);
        let old = bring(&store, 1);
        old.told();
        assert!(store.reserve(JOB, 20).unwrap().commit(object(1), Bytes::from(vec![1; 20]), 7));
        assert_eq!(store.usage().used, 20);
        assert!(!store.holds(&object(1), CopyVersion { length: 10, checksum: 1 }));
        assert!(store.holds(&object(1), CopyVersion { length: 20, checksum: 7 }));
        // A pin of what is gone takes nothing with it.
        drop(old);
        assert!(store.contains(&object(1)));
    }

    #[test]
    fn what_was_reserved_before_everything_was_dropped_is_not_stored() {
        let store = ObjectStore::new(30);
        let pin = bring(&store, 1);
        let room = store.reserve(JOB, 10).unwrap();
        store.clear();
        assert!(!room.commit(object(2), Bytes::from(vec![0; 10]), 0));
        drop(pin);
        assert_eq!((store.usage().used, store.usage().objects), (0, 0));
    }

    #[test]
    fn what_a_dead_owner_left_goes_but_for_jobs_that_have_another() {
        let store = ObjectStore::new(100);
        let owner = of().owner;
        bring(&store, 1).told();
        for (number, job) in [(2, JOB), (3, JOB), (4, JobId(2))] {
            assert!(store.reserve(job, 10).unwrap().commit(object(number), Bytes::from(vec![0; 10]), 0));
        }
        [2, 4].iter().for_each(|number| store.set_owner(&object(*number), &owner));
        assert_eq!(store.remove_owned_by(&NodeId::new("owner", 2), |_| false), 0);
        assert_eq!(store.remove_owned_by(&owner, |job| job == JobId(2)), 2);
        assert!(store.contains(&object(3)) && store.contains(&object(4)));
        assert_eq!(store.usage().used, 20);
    }

    #[test]
    fn a_reservation_is_given_away_in_parts() {
        let store = ObjectStore::new(30);
        let mut room = store.reserve(JOB, 25).unwrap();
        let part = room.split(10).unwrap();
        assert!(room.split(16).is_none());
        assert_eq!((part.length(), room.length(), store.usage().used), (10, 15, 25));
        drop(part);
        assert_eq!(store.usage().used, 15);
    }
}
