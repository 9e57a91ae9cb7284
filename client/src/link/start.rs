//! Starting a link.

use super::io::Io;
use super::{Link, OwnerTerms};
use crate::worker::GuestSide;
use mobula_host::{BoxFuture, BulkAccess};
use mobula_rpc::session::Session;
use mobula_runtime::led::{LedOptions, LedThread};
use mobula_types::{ClusterView, Failure, FailureKind, JobId, NodeId};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Whose session it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkRole {
    /// A driver's: held back by credit, keeps what a take-over needs.
    Driver(JobId),
    /// A worker's: never held back.
    Worker,
}

/// Bounds of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkOptions {
    /// Requests that may wait until they are sent.
    pub(crate) most_requests: usize,
    /// And their bytes.
    pub(crate) most_bytes: usize,
    /// How many bytes one of them may have as a frame.
    pub(crate) largest_frame: u64,
    /// Bytes of specs and puts that are kept for a take-over.
    pub(crate) most_kept: usize,
    /// How long another node is looked for when the home node is lost.
    pub(crate) take_over_within: Duration,
}

impl Default for LinkOptions {
    fn default() -> Self {
        LinkOptions {
            most_requests: 100_000,
            most_bytes: 256 << 20,
            largest_frame: mobula_rpc::session::LARGEST_FRAME_BYTES,
            most_kept: 1 << 30,
            take_over_within: Duration::from_secs(30),
        }
    }
}

/// An open session with a home node.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) session: Session,
    pub(crate) node: NodeId,
    /// How many requests may be sent at first; `None` for a session that is never held back.
    pub(crate) credit: Option<u64>,
    /// The cluster as the node sees it.
    pub(crate) view: ClusterView,
    pub(crate) bulk: Arc<dyn BulkAccess>,
}

/// Finds a driver another home node.
pub(crate) trait Connector: Send + fmt::Debug {
    /// Opens a session of the job with another node of the view than `lost`, each that is asked under a term of its own.
    fn take_over(
        &self,
        view: ClusterView,
        lost: NodeId,
        terms: OwnerTerms,
    ) -> BoxFuture<Result<Home, Failure>>;

    /// Whether other nodes of the view say that the home node is dead. Answers within a second or so.
    fn is_lost(&self, view: ClusterView, home: NodeId) -> BoxFuture<bool>;
}

/// Everything that a link is started with.
pub(crate) struct Start {
    pub(crate) link: Arc<Link>,
    pub(crate) home: Home,
    pub(crate) connector: Option<Box<dyn Connector>>,
    pub(crate) guest: Option<Box<dyn GuestSide>>,
    pub(crate) options: LinkOptions,
}

/// What opening a link gives.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) role: LinkRole,
    pub(crate) home: Home,
    /// A driver's way to another home node.
    pub(crate) connector: Option<Box<dyn Connector>>,
}

/// Starts a link on a thread of its own. `open` runs there, so that the connection belongs to that thread's runtime;
/// `guest` makes the worker's part of it. Returns when the session is open. The thread ends when the session does.
///
/// # Errors
/// `open`'s, and where the thread cannot be made.
pub(crate) async fn start<O, G>(
    name: &str,
    options: LinkOptions,
    open: O,
    guest: G,
) -> Result<(Arc<Link>, LedThread), Failure>
where
    O: FnOnce() -> BoxFuture<Result<Opened, Failure>> + Send + 'static,
    G: FnOnce(&Arc<Link>) -> Option<Box<dyn GuestSide>> + Send + 'static,
{
    let (opened, is_open) = tokio::sync::oneshot::channel();
    let run = move || async move {
        match open().await {
            Err(failure) => drop(opened.send(Err(failure))),
            Ok(Opened { role, home, connector }) => {
                let link = Link::new(role, home.node.clone(), options);
                let _only_set_here = link.runtime.set(tokio::runtime::Handle::current());
                let guest = guest(&link);
                let io = Io::new(Start { link: link.clone(), home, connector, guest, options });
                if opened.send(Ok(link)).is_ok() {
                    io.run().await;
                }
            }
        }
    };
    let thread = LedThread::start(LedOptions::new(name), run).map_err(|error| {
        Failure::new(FailureKind::ResourceExhausted, format!("no thread for a session: {error}"))
    })?;
    let link = is_open.await.unwrap_or_else(|_| {
        Err(Failure::new(FailureKind::Internal, "the thread of a session ended before the session was open"))
    })?;
    Ok((link, thread))
}
