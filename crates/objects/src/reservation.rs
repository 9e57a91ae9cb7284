//! Room for values that are on their way.

use crate::buffer::ValueBuffer;
use crate::pin::Pin;
use crate::secondary::{CopyOf, Secondary};
use crate::store::{ObjectStore, StoredObject};
use crate::table::Entry;
use bytes::Bytes;
use mobula_types::{JobId, ObjectId};
use std::{fmt, io};

/// Room that is held for a value under way; given back when it is dropped unused.
pub struct Reservation {
    store: ObjectStore,
    job: JobId,
    length: u64,
    era: u64,
}

impl Reservation {
    pub(crate) fn new(store: &ObjectStore, job: JobId, length: u64, era: u64) -> Self {
        Reservation { store: store.clone(), job, length, era }
    }

    /// How many bytes are held.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Memory for the value, of the reserved length.
    ///
    /// # Errors
    /// Where the system has no memory for it.
    pub fn buffer(&self) -> io::Result<ValueBuffer> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        ValueBuffer::pooled(self.store.pool(), self.job, length)
    }

    /// A part of the room, as a reservation of its own; `None` where it is more than there is.
    pub fn split(&mut self, length: u64) -> Option<Reservation> {
        self.length = self.length.checked_sub(length)?;
        Some(Reservation { store: self.store.clone(), job: self.job, length, era: self.era })
    }

    /// Stores the value under the reservation. The same version that is already here stays, and this one is dropped;
    /// another one is replaced. Bytes beyond the reserved length are refused: `false`, and nothing is stored.
    pub fn commit(self, object: ObjectId, bytes: Bytes, checksum: u32) -> bool {
        self.store(object, bytes, checksum, None).is_ok()
    }

    /// Stores a copy of a value that another node keeps, in the same way. Nobody knows of it yet: it goes with its last
    /// pin, unless its owner was [told](Pin::told) meanwhile; from then on it may make room for others.
    ///
    /// # Errors
    /// The reservation, where the bytes are more than it has, or it was made before everything was dropped.
    pub fn commit_copy(
        self,
        object: ObjectId,
        bytes: Bytes,
        checksum: u32,
        of: CopyOf,
    ) -> Result<Pin, Reservation> {
        self.store(object, bytes, checksum, Some(Secondary::new(of)))
    }

    fn store(
        mut self,
        object: ObjectId,
        bytes: Bytes,
        checksum: u32,
        secondary: Option<Secondary>,
    ) -> Result<Pin, Reservation> {
        let length = bytes.len() as u64;
        let store = self.store.clone();
        let mut inner = store.inner();
        if length > self.length || inner.era != self.era {
            return Err(self);
        }
        let used_at = inner.use_now();
        let stored = StoredObject { job: self.job, bytes, checksum };
        let version = stored.version();
        let is_here = inner.objects.get(&object).is_some_and(|entry| entry.stored.version() == version);
        let renewed = |entry: &mut Entry| {
            entry.used_at = used_at;
            if secondary.is_none() {
                entry.secondary = None;
            }
            Pin::new(&store, object, entry)
        };
        if is_here && let Some(pin) = inner.objects.change(&object, renewed) {
            return Ok(pin);
        }
        inner.give_back(self.job, self.length - length);
        self.length = 0;
        let owner = secondary.as_ref().map(|copy| copy.owner.clone());
        let mut entry = Entry { stored, secondary, owner, pins: 0, serial: used_at, used_at };
        let pin = Pin::new(&store, object, &mut entry);
        let before = inner.objects.insert(object, entry);
        if let Some(before) = &before {
            inner.give_back(before.stored.job, before.length());
        }
        store.leave_room(&inner);
        drop(inner);
        drop(before);
        Ok(pin)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.length > 0 {
            let mut inner = self.store.inner();
            inner.give_back(self.job, self.length);
            self.store.leave_room(&inner);
            drop(inner);
            self.store.announce_room();
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation({} bytes)", self.length)
    }
}
