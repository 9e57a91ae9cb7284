//! Finding records by their identity.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash};

/// Keys of records, found by what identifies a record. It keeps the keys alone, so that it is small, and asks for the
/// identity of a record where it has to tell two apart. It has no order, so that nothing can come to depend on one.
#[derive(Debug)]
pub(crate) struct Lookup<K> {
    keys: HashTable<K>,
    hasher: FixedState,
}

impl<K: Copy> Lookup<K> {
    /// One that holds nothing.
    pub(crate) fn new(seed: u64) -> Self {
        Lookup { keys: HashTable::new(), hasher: FixedState::with_seed(seed) }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key of the record of that identity.
    #[inline]
    pub(crate) fn find<I: Hash + Eq>(&self, identity: &I, of: impl Fn(K) -> I) -> Option<K> {
        self.keys.find(self.hasher.hash_one(identity), |key| of(*key) == *identity).copied()
    }

    /// Adds the key of a record whose identity is not there yet.
    #[inline]
    pub(crate) fn insert<I: Hash + Eq>(&mut self, identity: &I, key: K, of: impl Fn(K) -> I) {
        let hasher = &self.hasher;
        self.keys.insert_unique(hasher.hash_one(identity), key, |other| hasher.hash_one(of(*other)));
    }

    /// Takes out the key of the record of that identity, which has to be there still.
    #[inline]
    pub(crate) fn remove<I: Hash + Eq>(&mut self, identity: &I, of: impl Fn(K) -> I) {
        let found = self.keys.find_entry(self.hasher.hash_one(identity), |key| of(*key) == *identity);
        if let Ok(entry) = found {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// It agrees with a map, whatever is added and removed.
        #[test]
        fn it_finds_what_is_there(steps in prop::collection::vec((any::<bool>(), 0_u8..40), 0..200)) {
            let identities: Vec<u8> = (0..40).collect();
            let of = |key: usize| identities[key];
            let (mut lookup, mut model) = (Lookup::new(7), BTreeMap::new());
            for (adds, identity) in steps {
                if adds && !model.contains_key(&identity) {
                    lookup.insert(&identity, usize::from(identity), of);
                    model.insert(identity, usize::from(identity));
                } else if !adds && model.remove(&identity).is_some() {
                    lookup.remove(&identity, of);
                }
                prop_assert_eq!(lookup.len(), model.len());
                for identity in &identities {
                    prop_assert_eq!(lookup.find(identity, of), model.get(identity).copied());
                }
            }
        }
    }
}
