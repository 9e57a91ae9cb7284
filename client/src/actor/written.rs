//! Handles inside values.

use super::{ActorHandle, ActorRef};
use crate::ObjectRef;
use crate::codec::scope;
use mobula_types::ActorId;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A handle as it is written. `H` is the handle's type, by which a reference knows what it is to.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
enum Written<H> {
    /// Whoever has it keeps the actor alive.
    Counted(ObjectRef<H>),
    /// It does not.
    Uncounted { actor: ActorId, class: String },
}

/// Writes a handle, as part of an argument, a result or a put.
///
/// # Errors
/// Outside of the codec, and where the actor was never created.
pub fn serialize<H: ActorHandle, S: Serializer>(handle: &H, serializer: S) -> Result<S::Ok, S::Error> {
    let actor = handle.actor_ref();
    if actor.is_counted() {
        return Written::<H>::Counted(ObjectRef::new(actor.handle().clone())).serialize(serializer);
    }
    if !scope::is_encoding() {
        return Err(S::Error::custom(scope::OUTSIDE));
    }
    Written::<H>::Uncounted { actor: actor.id(), class: H::class().to_string() }.serialize(serializer)
}

/// Reads a handle.
///
/// # Errors
/// Outside of the codec, and where it is a handle of another class.
pub fn deserialize<'de, H: ActorHandle, D: Deserializer<'de>>(deserializer: D) -> Result<H, D::Error> {
    match Written::<H>::deserialize(deserializer)? {
        Written::Counted(reference) => Ok(H::from_actor_ref(ActorRef::counted(reference.into_handle()))),
        Written::Uncounted { actor, class } if class == H::class() => {
            let link = scope::link_read().map_err(D::Error::custom)?;
            Ok(H::from_actor_ref(ActorRef::uncounted(&link, actor)))
        }
        Written::Uncounted { class, .. } => {
            let message = format!("a handle of an actor of {class} was read as one of {}", H::class());
            Err(D::Error::custom(message))
        }
    }
}
