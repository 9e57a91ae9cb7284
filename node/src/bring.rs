//! Values that lie elsewhere, on their way into this node's store.

use crate::transfer::Transfer;
use mobula_objects::{CopyOf, Gathered, Pin, Reservation};
use mobula_types::outcome::{CopyVersion, StoredCopy};
use mobula_types::{Failure, FailureKind, JobId, NodeId, ObjectId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a value was not brought here.
#[derive(Clone, Debug)]
pub(crate) enum NotBrought {
    /// That holder says itself that it does not have it, or not that version.
    Gone(NodeId),
    /// A holder could not be reached, or there is no room here. The copies may be there all the same.
    Unavailable(Failure),
}

/// A value that is wanted here.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) object: ObjectId,
    pub(crate) copy: Arc<StoredCopy>,
}

impl Transfer {
    /// Brings values into this node's store, all or none, each from whichever holder has it, and keeps them there as long
    /// as the pins live. What is here is pinned, and room for all the others is taken, in one step before the first byte
    /// comes, so that two who want several never wait for each other's. Copies that were made are [news](Pin::is_news) to `owner`; dropping the future, or the pins,
    /// before it is told undoes them.
    ///
    /// # Errors
    /// The object, and [`NotBrought`]: a copy counts as gone only where its holder itself says so.
    pub(crate) async fn bring(
        &self,
        job: JobId,
        owner: &NodeId,
        wanted: Vec<Wanted>,
    ) -> Result<Vec<Pin>, (ObjectId, NotBrought)> {
        let wanted: BTreeMap<ObjectId, Arc<StoredCopy>> =
            wanted.into_iter().map(|wanted| (wanted.object, wanted.copy)).collect();
        let versions: BTreeMap<ObjectId, CopyVersion> =
            wanted.iter().map(|(object, copy)| (*object, copy.version())).collect();
        let gathered = self.parts.store.gather_within(job, &versions, self.parts.patience).await;
        let Gathered { here: mut pins, missing, mut room } = gathered.map_err(|full| {
            let is_missing =
                |(object, version): &(&ObjectId, &CopyVersion)| !self.parts.store.holds(object, **version);
            let first = versions.iter().find(is_missing).map(|(object, _)| *object).unwrap_or_default();
            let full =
                Failure::new(FailureKind::StoreFull, full.to_string()).on_node(self.parts.node.clone());
            (first, NotBrought::Unavailable(full))
        })?;
        for object in missing {
            let Some(copy) = wanted.get(&object) else { continue };
            // The sum was reserved.
            let Some(part) = room.split(copy.length) else { continue };
            let pin = self.bring_one(object, owner, copy, part).await;
            pins.push(pin.map_err(|failed| (object, failed))?);
        }
        Ok(pins)
    }

    async fn bring_one(
        &self,
        object: ObjectId,
        owner: &NodeId,
        copy: &StoredCopy,
        mut room: Reservation,
    ) -> Result<Pin, NotBrought> {
        let (mut gone, mut unavailable) = (None, None);
        for holder in &copy.holders {
            if *holder == self.parts.node {
                gone = Some(holder.clone());
                continue;
            }
            let failure = match self.pull(object, owner, copy, holder, room).await {
                Ok(Ok(pin)) => return Ok(pin),
                Ok(Err((given_back, failure))) => {
                    room = given_back;
                    failure
                }
                Err(shutting_down) => return Err(NotBrought::Unavailable(shutting_down)),
            };
            tracing::warn!(%object, %holder, %failure, "a holder did not give a value");
            match failure.kind() {
                FailureKind::NotFound | FailureKind::ObjectLost => gone = Some(holder.clone()),
                // No holder can help.
                FailureKind::StoreFull => return Err(NotBrought::Unavailable(failure)),
                _ => unavailable = Some(failure),
            }
        }
        Err(match (gone, unavailable) {
            (Some(holder), _) => NotBrought::Gone(holder),
            (None, Some(failure)) => NotBrought::Unavailable(failure),
            (None, None) => {
                let failure = Failure::new(FailureKind::Unavailable, "no node is known to hold the value");
                NotBrought::Unavailable(failure.of_object(object))
            }
        })
    }

    async fn pull(
        &self,
        object: ObjectId,
        owner: &NodeId,
        copy: &StoredCopy,
        holder: &NodeId,
        room: Reservation,
    ) -> Result<Result<Pin, (Reservation, Failure)>, Failure> {
        let (this, copy) = (self.clone(), copy.clone());
        let of = CopyOf { owner: owner.clone(), keeper: keeper(&copy, holder) };
        let holder = holder.clone();
        let pulling = async move { Ok(this.pull_here(object, &copy, &holder, of, room).await) };
        self.parts.bulk.run("pull a value", pulling).await
    }

    async fn pull_here(
        &self,
        object: ObjectId,
        copy: &StoredCopy,
        holder: &NodeId,
        of: CopyOf,
        room: Reservation,
    ) -> Result<Pin, (Reservation, Failure)> {
        let bytes = async {
            let download = self.client_of(holder)?.fetch(object).await?;
            if download.length != copy.length || download.checksum != copy.checksum {
                let message = format!("{holder} holds another version of the value than its owner knows");
                return Err(Failure::new(FailureKind::ObjectLost, message).of_object(object));
            }
            download.chunks.collect_into(room.buffer(), copy.length, copy.checksum).await
        };
        let bytes = match bytes.await {
            Ok(bytes) => bytes,
            Err(failure) => return Err((room, failure)),
        };
        room.commit_copy(object, bytes, copy.checksum, of)
            .map_err(|room| (room, Failure::new(FailureKind::Unavailable, "the store was emptied meanwhile")))
    }
}

/// Who keeps the value until its owner frees it: the holder that had it first.
fn keeper(copy: &StoredCopy, holder: &NodeId) -> NodeId {
    copy.holders.first().unwrap_or(holder).clone()
}
