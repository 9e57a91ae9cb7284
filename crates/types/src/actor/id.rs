//! Identities of actors and their incarnations.

use crate::TaskId;
use crate::id::ParseIdError;
use std::fmt;
use std::str::FromStr;

/// An actor, or a supervisor: named by the task that creates it, so that a creation that is sent again finds itself.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct ActorId(pub TaskId);

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorId({:x}:{:x})", self.0.high, self.0.low)
    }
}

impl FromStr for ActorId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(ActorId)
    }
}

/// Which incarnation of an actor: from 1, and raised only when the earlier grant is over. Receivers refuse what comes
/// from an older one than they have heard of. Outside of the cluster it serves as a fencing token.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The next one.
    pub const fn next(self) -> Self {
        Epoch(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One incarnation of an actor.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct Incarnation {
    /// The actor.
    pub actor: ActorId,
    /// Which of its incarnations.
    pub epoch: Epoch,
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.actor, self.epoch)
    }
}
