//! What keeps a value in the store while somebody needs it there.

use crate::ObjectStore;
use crate::store::Inner;
use crate::table::Entry;
use mobula_types::ObjectId;
use mobula_types::outcome::CopyVersion;
use std::fmt;

/// Keeps one version of a value from making room for others. Its owner may free it all the same.
pub struct Pin {
    store: ObjectStore,
    object: ObjectId,
    version: CopyVersion,
    serial: u64,
}

impl Pin {
    pub(crate) fn new(store: &ObjectStore, object: ObjectId, entry: &mut Entry) -> Self {
        entry.pins += 1;
        let version = entry.stored.version();
        Pin { store: store.clone(), object, version, serial: entry.serial }
    }

    /// The object.
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// The version of it that is here.
    pub fn version(&self) -> CopyVersion {
        self.version
    }

    /// Whether it is a copy that its owner has yet to be told of.
    pub fn is_news(&self) -> bool {
        let inner = self.store.inner();
        let entry = inner.objects.get(&self.object).filter(|entry| entry.serial == self.serial);
        entry.and_then(|entry| entry.secondary.as_ref()).is_some_and(|copy| !copy.told)
    }

    /// Its owner knows of the copy from now on, which stays until it is freed or makes room.
    pub fn told(&self) {
        let mut inner = self.store.inner();
        self.change(&mut inner, |entry| entry.secondary.iter_mut().for_each(|copy| copy.told = true));
    }

    /// Changes the record of what is pinned, unless that is gone.
    fn change<T>(&self, inner: &mut Inner, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        inner.objects.get(&self.object).filter(|entry| entry.serial == self.serial)?;
        inner.objects.change(&self.object, change)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut inner = self.store.inner();
        let left = self.change(&mut inner, |entry| {
            entry.pins -= 1;
            let is_news = entry.secondary.as_ref().is_some_and(|copy| !copy.told);
            (entry.is_spare(), entry.pins == 0 && is_news)
        });
        let Some((is_spare, is_unneeded)) = left else { return };
        let gone = if is_unneeded { self.store.take_out(&mut inner, &self.object) } else { None };
        drop(inner);
        drop(gone);
        // What has to stay makes no room: nobody has to look again.
        if is_spare || is_unneeded {
            self.store.announce_room();
        }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({})", self.object)
    }
}
