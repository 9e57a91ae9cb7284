//! The values on record, and which of them may make room for others.
//!
//! Whether a value may is seen wherever its record changes, so that nobody has to look through all of them for room.

use crate::secondary::Secondary;
use crate::store::StoredObject;
use indexmap::IndexMap;
use mobula_types::{NodeId, ObjectId};
use std::collections::BTreeSet;

type Objects = IndexMap<ObjectId, Entry, foldhash::fast::FixedState>;

/// A value on record.
pub(crate) struct Entry {
    pub(crate) stored: StoredObject,
    /// Set for a copy of what another node keeps.
    pub(crate) secondary: Option<Secondary>,
    /// The node that owns the object, where it is another one that said so.
    pub(crate) owner: Option<NodeId>,
    /// How many need it to stay.
    pub(crate) pins: u32,
    /// Tells it from what was stored under the same name before.
    pub(crate) serial: u64,
    /// When it was last used.
    pub(crate) used_at: u64,
}

impl Entry {
    pub(crate) fn length(&self) -> u64 {
        self.stored.bytes.len() as u64
    }

    /// Whether it may make room.
    pub(crate) fn is_spare(&self) -> bool {
        self.pins == 0 && self.secondary.as_ref().is_some_and(Secondary::may_go)
    }

    /// Its place among those that may make room.
    fn spare_at(&self) -> Option<u64> {
        self.is_spare().then_some(self.used_at)
    }
}

/// The values by their names.
#[derive(Default)]
pub(crate) struct Table {
    objects: Objects,
    /// What may make room, the least recently used first.
    spare: BTreeSet<(u64, ObjectId)>,
    spare_bytes: u64,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    /// How many bytes may make room.
    pub(crate) fn spare_bytes(&self) -> u64 {
        self.spare_bytes
    }

    pub(crate) fn get(&self, object: &ObjectId) -> Option<&Entry> {
        self.objects.get(object)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ObjectId, &Entry)> {
        self.objects.iter()
    }

    /// Changes a value's record; `None` where there is none.
    pub(crate) fn change<T>(&mut self, object: &ObjectId, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.objects.get_mut(object)?;
        let (before, length) = (entry.spare_at(), entry.length());
        let result = change(entry);
        let after = entry.spare_at();
        if before != after {
            self.unlist(*object, before, length);
            self.list(*object, after, length);
        }
        Some(result)
    }

    /// Puts a value on record; gives the one that it replaces.
    pub(crate) fn insert(&mut self, object: ObjectId, entry: Entry) -> Option<Entry> {
        let before = self.remove(&object);
        self.list(object, entry.spare_at(), entry.length());
        self.objects.insert(object, entry);
        before
    }

    pub(crate) fn remove(&mut self, object: &ObjectId) -> Option<Entry> {
        let entry = self.objects.swap_remove(object)?;
        self.unlist(*object, entry.spare_at(), entry.length());
        Some(entry)
    }

    /// Takes out what may make room and was used least recently.
    pub(crate) fn take_spare(&mut self) -> Option<(ObjectId, Entry)> {
        let (_, object) = self.spare.first().copied()?;
        Some((object, self.remove(&object)?))
    }

    /// The names of the values that are so.
    pub(crate) fn those(&self, are: impl Fn(&Entry) -> bool) -> Vec<ObjectId> {
        let those = self.objects.iter().filter(|(_, entry)| are(entry));
        those.map(|(object, _)| *object).collect()
    }

    fn list(&mut self, object: ObjectId, at: Option<u64>, length: u64) {
        if let Some(at) = at
            && self.spare.insert((at, object))
        {
            self.spare_bytes += length;
        }
    }

    fn unlist(&mut self, object: ObjectId, at: Option<u64>, length: u64) {
        if let Some(at) = at
            && self.spare.remove(&(at, object))
        {
            self.spare_bytes -= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{CopyOf, ObjectStore, Pin};
    use mobula_types::outcome::CopyVersion;
    use mobula_types::{JobId, NodeId, ObjectId, TaskId};

    fn object(number: u64) -> ObjectId {
        ObjectId::result(TaskId::of_driver(JobId(1), number), 0)
    }

    /// The keeper and the job follow from the object.
    fn copy(store: &ObjectStore, number: u64, length: u64) -> Option<Pin> {
        let of = CopyOf { owner: NodeId::new("owner", 1), keeper: NodeId::new("keeper", number % 2) };
        let room = store.reserve(JobId(number % 3), length).ok()?;
        room.commit_copy(object(number), vec![0; length as usize].into(), 0, of).ok()
    }

    /// What is listed as spare is what a look at all values finds.
    fn check(store: &ObjectStore) {
        let inner = store.inner();
        let spare = || inner.objects.iter().filter(|(_, entry)| entry.is_spare());
        let listed: Vec<_> = spare().map(|(object, entry)| (entry.used_at, *object)).collect();
        assert_eq!(inner.objects.spare, listed.into_iter().collect());
        assert_eq!(inner.objects.spare_bytes, spare().map(|(_, entry)| entry.length()).sum::<u64>());
    }

    #[test]
    fn what_may_make_room_is_known_whatever_happens() {
        let store = ObjectStore::new(200);
        let (mut pins, mut random) = (Vec::new(), 1_u64);
        for _ in 0..5_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (number, length) = ((random >> 40) % 12, 10 + (random >> 50) % 2);
            match (random >> 33) % 24 {
                0..6 => pins.extend(copy(&store, number, length)),
                6..9 => pins.extend(store.pin(&object(number), CopyVersion { length, checksum: 0 })),
                9..13 => pins.iter().take(2).for_each(Pin::told),
                13..18 => drop((!pins.is_empty()).then(|| pins.swap_remove(number as usize % pins.len()))),
                18 => drop(store.get(&object(number))),
                19 => drop(store.reserve(JobId(0), 150)),
                20 => drop(store.remove(&object(number))),
                21 if number == 0 => store.node_lost(&NodeId::new("keeper", 1)),
                22 if number == 0 => drop(store.remove_job(JobId(1))),
                23 if number == 0 => store.clear(),
                _ => {
                    let bytes = vec![0; length as usize].into();
                    let room = store.reserve(JobId(number % 3), length);
                    assert!(room.is_err() || room.is_ok_and(|room| room.commit(object(number), bytes, 0)));
                }
            }
            check(&store);
        }
    }
}
