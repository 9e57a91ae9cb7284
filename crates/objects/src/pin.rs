//! What keeps a value in the store while somebody needs it there.

use crate::ObjectStore;
use crate::store::Entry;
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
        let entry = inner.objects.get_mut(&self.object).filter(|entry| entry.serial == self.serial);
        if let Some(copy) = entry.and_then(|entry| entry.secondary.as_mut()) {
            copy.told = true;
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut inner = self.store.inner();
        let entry = inner.objects.get_mut(&self.object).filter(|entry| entry.serial == self.serial);
        let Some(entry) = entry else { return };
        entry.pins -= 1;
        let is_last = entry.pins == 0;
        let is_news = entry.secondary.as_ref().is_some_and(|copy| !copy.told);
        let gone = if is_last && is_news { self.store.take_out(&mut inner, &self.object) } else { None };
        drop(inner);
        drop(gone);
        if is_last {
            self.store.announce_room();
        }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({})", self.object)
    }
}
