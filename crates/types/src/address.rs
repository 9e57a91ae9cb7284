//! Where an object is asked for.

use crate::{NodeId, ObjectId};

/// An object and the node that owned it when the reference was handed on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct ObjectAddress {
    /// The object.
    pub object: ObjectId,
    /// Its owner as the sender knew it; `None` means the home node of the session that the address travels on.
    pub owner: Option<NodeId>,
}

impl ObjectAddress {
    /// An object of the session's own home node.
    pub const fn at_home(object: ObjectId) -> Self {
        ObjectAddress { object, owner: None }
    }
}
