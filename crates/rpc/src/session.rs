//! Sessions: reliable, ordered channels of frames in both directions.
//!
//! A frame that was sent arrives exactly once and in order as long as the session lives, however often the stream that
//! carries it breaks. What this rests on:
//!
//! - Frames are numbered implicitly: a batch carries the number of its first one. The sender keeps the encoded batches
//!   until the peer's program has taken them; after a break the two sides tell each other how many frames they have
//!   received, the rest is sent again, and what is there already is dropped (`writer`, `core`).
//! - The connecting side resumes by itself (`connect`); the accepting side keeps what belongs to a detached session
//!   as long, in a table that any of a node's servers may look into (`accept`).
//! - Acknowledgements are window and memory of what was delivered in one: the sender has at most a window of frames
//!   under way that the peer's program has not taken. Nobody stops reading a stream because a program is slow, so
//!   acknowledgements always get through.
//! - A frame that is too large for a message goes in pieces, which are numbered and sent again like frames, and taken
//!   when the frame is. It may be larger than the window: it is begun only while the window has room, and then goes out to
//!   its end, so that a program that takes nothing has a window and one such frame waiting at most.
//! - A stream is pulled, not pushed: the transport asks for the next batch when it can write, and gets what has queued
//!   up since. Batches grow with load, a lone frame waits for nobody, and no timer runs.

pub(crate) mod accept;
mod arrive;
pub(crate) mod codec;
pub(crate) mod connect;
pub(crate) mod core;
mod end;
pub(crate) mod handshake;
mod inbox;
mod options;
mod pair;
mod receiver;
mod sender;
pub(crate) mod stream;
mod templates;
mod weight;
pub(crate) mod writer;

pub use connect::NotOpened;
pub use end::{SessionEnd, SessionEvent};
pub use handshake::{SessionRequest, Welcome};
pub use options::{BATCH_BYTES, BATCH_FRAMES, LARGEST_FRAME_BYTES, MESSAGE_BYTES, SessionOptions};
pub use pair::pair;
pub use receiver::FrameReceiver;
pub use sender::{Backlog, FrameSender};
pub use templates::{ReceivedTemplates, SentTemplates};
pub use weight::weight;

use mobula_types::{SessionId, SessionRole};
use std::sync::Arc;

/// The oldest version of the protocol that this build speaks.
pub const PROTOCOL_VERSION_MIN: u32 = 1;
/// The newest version of the protocol that this build speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// One side of a session. The halves may live apart; the session lives as long as the receiver.
#[derive(Debug)]
pub struct Session {
    /// Sends.
    pub sender: FrameSender,
    /// Receives.
    pub receiver: FrameReceiver,
    /// What was agreed on.
    pub info: SessionInfo,
}

/// What the two sides of a session agreed on.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// The session.
    pub id: SessionId,
    /// Who the connecting side is.
    pub role: SessionRole,
    /// The version of the protocol.
    pub version: u32,
    /// The other side's address, for people.
    pub peer: Arc<str>,
}

impl Session {
    pub(crate) fn over(core: &Arc<core::Core>) -> Self {
        Session {
            sender: FrameSender::new(core.clone(), None),
            receiver: FrameReceiver::new(core.clone(), None),
            info: core.info().clone(),
        }
    }
}
