//! What is in the cache of executables: how much room it takes, what may go, and what has been checked.

use mobula_types::{ExecutableHash, Failure, FailureKind};
use std::collections::BTreeMap;

/// The executables of a cache, within its bound. What open jobs use stays; of the rest, the least recently used goes first.
#[derive(Debug)]
pub(super) struct Index {
    limit: u64,
    entries: BTreeMap<ExecutableHash, Entry>,
    /// How many users each executable has, whether it is here or not.
    users: BTreeMap<ExecutableHash, u32>,
    /// Bytes of those that are here.
    bytes: u64,
    /// Bytes of those that are on their way.
    reserved: u64,
    used: u64,
}

#[derive(Debug)]
struct Entry {
    length: u64,
    /// Counts uses: the highest is the latest.
    used: u64,
    checked: bool,
}

impl Index {
    pub(super) fn new(limit: u64) -> Self {
        Index { limit, entries: BTreeMap::new(), users: BTreeMap::new(), bytes: 0, reserved: 0, used: 0 }
    }

    /// Adds one that is here; `checked` where its content is known to be that of its hash.
    pub(super) fn insert(&mut self, hash: ExecutableHash, length: u64, checked: bool) {
        self.remove(hash);
        self.used += 1;
        self.bytes += length;
        self.entries.insert(hash, Entry { length, used: self.used, checked });
    }

    /// Uses one that is here; says whether it has been checked.
    pub(super) fn touch(&mut self, hash: ExecutableHash) -> Option<bool> {
        let entry = self.entries.get_mut(&hash)?;
        self.used += 1;
        entry.used = self.used;
        Some(entry.checked)
    }

    /// Its content was found to be that of its hash; `false` where it has gone meanwhile.
    pub(super) fn set_checked(&mut self, hash: ExecutableHash) -> bool {
        let entry = self.entries.get_mut(&hash);
        entry.map(|entry| entry.checked = true).is_some()
    }

    pub(super) fn remove(&mut self, hash: ExecutableHash) -> bool {
        let removed = self.entries.remove(&hash);
        self.bytes -= removed.as_ref().map_or(0, |entry| entry.length);
        removed.is_some()
    }

    /// Takes room for one that is on its way; gives those that have to go for it, which are not here any more.
    ///
    /// # Errors
    /// `ResourceExhausted` where not even that makes room: then nothing has changed.
    pub(super) fn reserve(&mut self, length: u64) -> Result<Vec<ExecutableHash>, Failure> {
        let idle = self.entries.iter().filter(|(hash, _)| !self.users.contains_key(hash));
        let mut idle: Vec<(u64, ExecutableHash, u64)> =
            idle.map(|(hash, entry)| (entry.used, *hash, entry.length)).collect();
        idle.sort_unstable();
        let taken = |bytes: u64| bytes.saturating_add(self.reserved).saturating_add(length);
        let mut left = self.bytes;
        let mut going = Vec::new();
        for (_, hash, length) in idle {
            if taken(left) <= self.limit {
                break;
            }
            left -= length;
            going.push(hash);
        }
        if taken(left) > self.limit {
            let (limit, others) = (self.limit, left + self.reserved);
            let message = format!(
                "an executable of {length} bytes does not fit: open jobs' executables take {others} of {limit} bytes; end jobs, or raise --executable-cache"
            );
            return Err(Failure::new(FailureKind::ResourceExhausted, message));
        }
        self.reserved += length;
        for hash in &going {
            self.remove(*hash);
        }
        Ok(going)
    }

    /// Gives room back: what was on its way has come, or has been given up.
    pub(super) fn give_back(&mut self, length: u64) {
        self.reserved -= length;
    }

    pub(super) fn hold(&mut self, hash: ExecutableHash) {
        *self.users.entry(hash).or_default() += 1;
    }

    pub(super) fn release(&mut self, hash: ExecutableHash) {
        if let Some(users) = self.users.get_mut(&hash) {
            *users -= 1;
            if *users == 0 {
                self.users.remove(&hash);
            }
        }
    }

    /// Those that are here.
    pub(super) fn list(&self) -> Vec<ExecutableHash> {
        self.entries.keys().copied().collect()
    }

    /// Those that are here and have users.
    pub(super) fn in_use(&self) -> Vec<ExecutableHash> {
        self.users.keys().filter(|hash| self.entries.contains_key(hash)).copied().collect()
    }

    /// Bytes of those that are here.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u8) -> ExecutableHash {
        ExecutableHash([number; 32])
    }

    /// Three of 30 bytes each where there is room for 100.
    fn three() -> Index {
        let mut index = Index::new(100);
        (1..=3).for_each(|number| index.insert(hash(number), 30, true));
        index
    }

    #[test]
    fn the_least_recently_used_goes_first_and_no_more_than_needed() {
        let mut index = three();
        assert_eq!(index.reserve(10), Ok(vec![]));
        index.touch(hash(1));
        assert_eq!(index.reserve(10), Ok(vec![hash(2)]));
        assert_eq!(index.list(), [hash(1), hash(3)]);
        assert_eq!(index.reserve(80), Ok(vec![hash(3), hash(1)]));
        assert_eq!((index.bytes(), index.list()), (0, vec![]));
    }

    #[test]
    fn what_has_users_stays() {
        let mut index = three();
        index.hold(hash(1));
        index.hold(hash(1));
        index.release(hash(1));
        index.hold(hash(9));
        assert_eq!(index.in_use(), [hash(1)]);
        assert_eq!(index.reserve(71).unwrap_err().kind(), FailureKind::ResourceExhausted);
        assert_eq!(index.list().len(), 3, "nothing went in vain");
        assert_eq!(index.reserve(70), Ok(vec![hash(2), hash(3)]));
        index.release(hash(1));
        index.give_back(70);
        assert_eq!(index.reserve(100), Ok(vec![hash(1)]));
    }

    #[test]
    fn what_is_on_its_way_takes_room() {
        let mut index = Index::new(100);
        assert_eq!(index.reserve(60), Ok(vec![]));
        assert!(index.reserve(60).is_err());
        assert!(index.reserve(u64::MAX).is_err());
        index.give_back(60);
        index.insert(hash(1), 60, true);
        assert_eq!(index.reserve(60), Ok(vec![hash(1)]));
    }

    #[test]
    fn one_that_comes_twice_counts_once() {
        let mut index = Index::new(100);
        index.insert(hash(1), 60, false);
        index.insert(hash(1), 60, true);
        assert_eq!((index.bytes(), index.touch(hash(1))), (60, Some(true)));
        assert!(index.remove(hash(1)) && !index.remove(hash(1)) && !index.set_checked(hash(1)));
        assert_eq!((index.bytes(), index.touch(hash(1))), (0, None));
    }
}
