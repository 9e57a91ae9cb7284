//! Supervisors, as actors name them.

use mobula_types::ActorId;

/// A supervisor whose child an actor may become: see [`Creation::supervised_by`](crate::Creation::supervised_by).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct SupervisorHandle {
    id: ActorId,
}

impl SupervisorHandle {
    /// The supervisor with that id.
    pub const fn of(id: ActorId) -> Self {
        SupervisorHandle { id }
    }

    /// Its id.
    pub const fn id(&self) -> ActorId {
        self.id
    }
}
