//! What the host of actors says, for the node.

use super::shared::WorkerShared;
use super::turns::Actors;
use mobula_host::Completion;
use mobula_host::actor::ActorEvents;
use mobula_types::ExitReason;
use std::sync::{Arc, OnceLock, Weak};

/// Takes the ends of turns and actors from the host.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) shared: Arc<WorkerShared>,
    /// Set right after the host was made, before it hosts anything.
    pub(super) actors: OnceLock<Weak<Actors>>,
}

impl Told {
    fn actors(&self) -> Option<Arc<Actors>> {
        self.actors.get().and_then(Weak::upgrade)
    }
}

impl ActorEvents for Told {
    fn started(&self, key: u32) {
        self.shared.actor_started(key);
    }

    fn exited(&self, key: u32, reason: Option<ExitReason>) {
        if let Some(actors) = self.actors() {
            actors.exited(key);
        }
        self.shared.actor_exited(key, reason);
    }

    fn completed(&self, completion: Completion) {
        let actor = self.actors().and_then(|actors| actors.turn_ended(completion.handle));
        self.shared.finish(completion, actor);
    }

    fn returned(&self, handles: Vec<u64>) {
        match self.actors() {
            Some(actors) => actors.returned(handles),
            None => self.shared.give_back(handles),
        }
    }
}
