//! Keeps the registry small, makes room in it when it is full, and says so.

use crate::desk::Desk;
use mobula_core::upkeep::{Effect, Event, Look, Upkeep, UpkeepOptions};
use mobula_registry::{Registry, RegistryError, Revision};
use mobula_runtime::clock;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::Notify;

/// Drives the upkeep of a registry. It outlives leaderships, and knows when it has done what.
pub(crate) struct RegistryUpkeep {
    registry: Arc<dyn Registry>,
    desk: Arc<Desk>,
    machine: Upkeep,
}

impl RegistryUpkeep {
    pub(crate) fn new(registry: Arc<dyn Registry>, desk: Arc<Desk>) -> Self {
        RegistryUpkeep { registry, desk, machine: Upkeep::new(UpkeepOptions::default()) }
    }

    /// The leader's part. `refused` is told of writes for which there was no room. Dropping the future at any point is
    /// fine.
    pub(crate) async fn keep(&mut self, refused: &Notify) -> Infallible {
        self.begin_anew().await;
        self.tell(Event::Begun).await;
        loop {
            let deadline = self.machine.next_deadline();
            tokio::select! {
                () = clock::sleep_until(deadline) => self.tell(Event::Tick).await,
                () = refused.notified() => self.tell(Event::Refused).await,
            }
        }
    }

    /// The part of a head that cannot lead because there is no room for its lease: nobody else would make some.
    pub(crate) async fn make_room(&mut self) {
        self.begin_anew().await;
        self.tell(Event::Refused).await;
        self.tell(Event::Tick).await;
    }

    /// What was being done when the future was dropped is not done any more.
    async fn begin_anew(&mut self) {
        if !self.machine.is_resting() {
            self.tell(Event::Failed).await;
        }
    }

    /// Everything that follows from an event, one thing after the other.
    async fn tell(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let mut effects = Vec::new();
            self.machine.on_event(clock::now(), event, &mut effects);
            for effect in effects {
                next = self.perform(effect).await.or(next);
            }
        }
    }

    async fn perform(&self, effect: Effect) -> Option<Event> {
        let done = match effect {
            Effect::Look => self.look().await.map(Event::Seen),
            Effect::Compact { revision } => self.compact(revision).await,
            Effect::Defragment => {
                tracing::info!(registry = %self.desk.registry_name, "the registry is defragmented");
                self.registry.defragment().await.map(|()| Event::Defragmented)
            }
            Effect::Full(look) => {
                tracing::error!("{}", self.shortage(look));
                return None;
            }
            Effect::RoomAgain(look) => {
                tracing::info!(registry = %self.desk.registry_name, size_bytes = look.size_bytes, "the registry takes writes again");
                return None;
            }
        };
        Some(done.unwrap_or_else(|error| {
            tracing::warn!(?effect, %error, "the upkeep of the registry is put off");
            Event::Failed
        }))
    }

    /// Looks how the registry stands, and shows whether it is full.
    async fn look(&self) -> Result<Look, RegistryError> {
        let status = self.registry.status().await?;
        let look = Look {
            revision: status.revision.get(),
            size_bytes: status.size_bytes,
            used_bytes: status.used_bytes,
            is_full: status.no_space,
        };
        let shortage = if look.is_full { self.shortage(look) } else { String::new() };
        self.desk.standing.lock().shortage = shortage;
        Ok(look)
    }

    async fn compact(&self, revision: u64) -> Result<Event, RegistryError> {
        tracing::debug!(revision, "the registry's history is compacted");
        self.registry.compact(Revision::new(revision)).await.map(|()| Event::Compacted)
    }

    fn shortage(&self, look: Look) -> String {
        format!(
            "{} is full and takes no writes: it has {} KiB, of which {} KiB are in use. What runs goes on; nodes cannot join, and jobs cannot be opened. This head frees what it can; else make room on the disk, remove what others keep there, or raise the quota (etcd: --quota-backend-bytes)",
            self.desk.registry_name,
            look.size_bytes / 1024,
            look.used_bytes / 1024,
        )
    }
}
