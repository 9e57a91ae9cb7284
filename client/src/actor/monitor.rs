//! Watching an actor from code that is none.

use crate::context::{self, Context};
use crate::link::Interest;
use crate::{Error, ErrorKind, Result};
use mobula_types::actor::{Down, WatchKind};
use mobula_types::{ActorId, Failure};
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use tokio::sync::oneshot;

/// Waits for the exit of an incarnation; made by [`ActorHandle::monitor`](crate::ActorHandle::monitor). Dropping it ends the
/// watch.
#[derive(Debug)]
#[must_use = "nothing is heard of an exit unless this is awaited"]
pub struct Monitor {
    down: oneshot::Receiver<Down>,
    /// Behind the receiver, which is to be closed before this ends.
    _interest: Interest,
}

impl Monitor {
    pub(super) async fn of(context: &Context, target: ActorId) -> Result<Self, Failure> {
        let link = context.link().clone();
        let _waiting = context::pending_wait();
        let (interest, down) = link.watch(target, WatchKind::Monitor, context.parent()).await?;
        Ok(Monitor { down, _interest: interest })
    }
}

impl Future for Monitor {
    type Output = Result<Down>;
    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Result<Down>> {
        Pin::new(&mut self.down).poll(context).map(|down| {
            down.map_err(|_| Error::new(ErrorKind::SessionExpired, "the session with the node is over"))
        })
    }
}
