//! Sessions inside one process: frames change hands without being encoded.

use super::core::Core;
use super::options::SessionOptions;
use super::{FrameReceiver, FrameSender, PROTOCOL_VERSION, Session, SessionInfo};
use mobula_types::{SessionId, SessionRole};
use std::sync::Arc;

/// Two connected sessions: what one sends the other receives. `role` is who the first side is towards the second.
/// There is no stream that could break; the bounds on frames and bytes hold.
pub fn pair(role: SessionRole, options: SessionOptions) -> (Session, Session) {
    let id = SessionId(rand::random());
    let info = SessionInfo { id, role, version: PROTOCOL_VERSION, peer: "this process".into() };
    let (one, two) = (Core::new(info.clone(), options), Core::new(info.clone(), options));
    let side = |own: &Arc<Core>, other: &Arc<Core>| Session {
        sender: FrameSender::new(own.clone(), Some(other.clone())),
        receiver: FrameReceiver::new(own.clone(), Some(other.clone())),
        info: info.clone(),
    };
    (side(&one, &two), side(&two, &one))
}
