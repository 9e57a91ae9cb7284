//! Watching an actor from code that is none.

use crate::context::{self, Context};
use crate::link::Link;
use crate::{Error, ErrorKind, Result};
use mobula_types::actor::{Down, WatchKind};
use mobula_types::frame::Ask;
use mobula_types::{ActorId, Failure};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::oneshot;

/// Waits for the exit of an incarnation; made by [`ActorHandle::monitor`](crate::ActorHandle::monitor). Dropping it ends the
/// watch.
#[derive(Debug)]
#[must_use = "nothing is heard of an exit unless this is awaited"]
pub struct Monitor {
    link: Arc<Link>,
    number: u64,
    down: oneshot::Receiver<Down>,
    is_over: bool,
}

impl Monitor {
    pub(super) async fn of(context: &Context, target: ActorId) -> Result<Self, Failure> {
        let link = context.link().clone();
        let _waiting = context::pending_wait();
        let (number, down) = link.watch(target, WatchKind::Monitor, context.parent()).await?;
        Ok(Monitor { link, number, down, is_over: false })
    }
}

impl Future for Monitor {
    type Output = Result<Down>;
    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Result<Down>> {
        Pin::new(&mut self.down).poll(context).map(|down| {
            self.is_over = true;
            down.map_err(|_| Error::new(ErrorKind::SessionExpired, "the session with the node is over"))
        })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if !self.is_over {
            self.link.tell(Ask::Unwatch { number: self.number });
        }
    }
}
