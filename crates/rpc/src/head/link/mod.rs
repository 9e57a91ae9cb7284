//! A node's link to its heads: it joins whichever leads, keeps the lease renewed through any, and passes on what heads
//! say.
//!
//! Promises:
//!
//! - Facts are told to each new head whole, and afterwards by their changes.
//! - The lease is counted from the sending of a renewal, on a clock that counts suspended time.
//! - Messages of a lower term than the highest one seen are ignored, and their sender is left for another head.
//! - A head of a later incarnation of the registry ends the generation that was granted under an earlier one: it is
//!   given up and another one is asked for.
//! - A head that is away costs nothing: the link goes on trying, with pauses up to a second, and says so once.

mod actors;
mod calls;
mod event;
mod handle;
mod join;
mod lease;
mod probe;
mod renew;
mod state;

pub use calls::CallGuard;
pub use event::HeadEvent;
pub use handle::HeadLinkHandle;
pub use lease::LeaseClock;
pub use probe::probe;

use super::client::{HeadClient, HeadClientOptions};
use crate::ClusterToken;
use handle::{LinkOwner, LinkShared};
use join::Joiner;
use mobula_runtime::Shutdown;
use mobula_types::{Failure, NodeId, NodeRegistration, SessionId};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

/// Events that wait for the node; past it the link waits, but goes on renewing the lease.
const EVENT_QUEUE: usize = 1024;

/// What a link needs to know.
#[derive(Clone, Debug)]
pub struct HeadLinkOptions {
    /// Addresses of one or several heads, `http://host:port` or `host:port`.
    pub heads: Vec<String>,
    /// The cluster's token.
    pub token: Option<ClusterToken>,
    /// What the node says of itself.
    pub registration: NodeRegistration,
    /// The generation that this process was granted before and has not given up; `None` at its start.
    pub previous: Option<NodeId>,
}

/// A node's link to its heads.
#[derive(Debug)]
pub struct HeadLink;

impl HeadLink {
    /// Starts the link on the current runtime. It joins by itself; the first event tells how that went.
    ///
    /// # Errors
    /// `InvalidArgument`: no address of a head, or one that is none.
    pub fn start(options: HeadLinkOptions) -> Result<(HeadLinkHandle, mpsc::Receiver<HeadEvent>), Failure> {
        let client = HeadClient::new(HeadClientOptions::new(options.heads, options.token))?;
        let shared = Arc::new(LinkShared {
            state: Mutex::new(state::LinkState::new(options.registration, SessionId(rand::random()))),
            lease: Mutex::new(None),
            changed: Notify::new(),
            rejoin: Notify::new(),
            lease_gone: Notify::new(),
            left: Shutdown::new(),
            client,
        });
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        let joiner = Joiner::new(shared.clone(), events.clone(), options.previous);
        let renewer = renew::run(shared.clone(), events);
        let task = mobula_runtime::spawn("head link", async move {
            tokio::select! {
                () = joiner.run() => {}
                () = renewer => {}
            }
        });
        Ok((HeadLinkHandle { shared, _owner: Arc::new(LinkOwner { _task: task }) }, receiver))
    }
}
