//! How sessions end, and what happens to their streams meanwhile.

use mobula_types::{Failure, FailureKind};
use std::fmt;

/// Why a session is over. Nothing arrives after it, and what was sent and not yet delivered is lost.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SessionEnd {
    /// One of the sides closed it in order: everything sent before was delivered to the other one.
    Closed,
    /// Its stream broke and was not resumed in time, or the peer does not know the session any more.
    Expired(Failure),
    /// The peer sent something that cannot be read, or said that this side did.
    Malformed(Failure),
    /// More frames or bytes wait for the peer than the session may hold.
    Overflow(Failure),
    /// The peer ended it, and said why.
    Refused(Failure),
}

impl SessionEnd {
    /// The end as a failure, for whoever waited for an answer.
    pub fn failure(&self) -> Failure {
        match self {
            SessionEnd::Closed => Failure::new(FailureKind::Unavailable, "the session was closed"),
            SessionEnd::Expired(failure)
            | SessionEnd::Malformed(failure)
            | SessionEnd::Overflow(failure)
            | SessionEnd::Refused(failure) => failure.clone(),
        }
    }

    /// How a peer's last word is to be taken.
    pub(crate) fn from_peer(failure: Option<Failure>) -> Self {
        match failure {
            None => SessionEnd::Closed,
            Some(failure) => match failure.kind() {
                FailureKind::Malformed => SessionEnd::Malformed(failure),
                FailureKind::SessionExpired => SessionEnd::Expired(failure),
                FailureKind::ResourceExhausted => SessionEnd::Overflow(failure),
                _ => SessionEnd::Refused(failure),
            },
        }
    }
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionEnd::Closed => f.write_str("the session was closed"),
            ended => write!(f, "the session ended: {}", ended.failure()),
        }
    }
}

impl std::error::Error for SessionEnd {}

/// What happens to the streams that serve a session. Only the latest is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionEvent {
    /// Its first stream serves it.
    Opened,
    /// Its stream broke; frames wait.
    Detached,
    /// Another stream serves it: for the how many-th time.
    Resumed(u64),
    /// It is over.
    Ended,
}

impl SessionEvent {
    /// Whether a stream serves the session.
    pub fn is_attached(self) -> bool {
        matches!(self, SessionEvent::Opened | SessionEvent::Resumed(_))
    }
}
