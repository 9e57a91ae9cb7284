//! The link: this process's session with its home node, and the thread that serves it.
//!
//! All input and output of the SDK happens on one thread of its own with a `current_thread` runtime, whatever runtime the
//! program has: a program that blocks its threads never loses the session. Drivers and workers share this code. A worker's
//! thread may run a short turn in between, as an [errand](mobula_runtime::led).
//!
//! - Any thread [submits](Link::submit): it names the task, makes the [handle](crate::reference::Handle), and leaves a
//!   [`Request`] in the [`Inbox`]. That never waits and never blocks, and wakes the thread only if it sleeps.
//! - The thread ([`io`]) swaps the inbox for an empty one, notes each request in its [`table`], sends what the node's
//!   credit allows ([`outgoing`]), and applies whole batches of frames before it wakes anybody.
//! - What a job needs to survive the loss of its home node is kept in the table, within a bound ([`takeover`]).

mod asks;
mod bulk;
mod command;
mod groups;
mod inbox;
mod io;
mod lanes;
mod outgoing;
mod past;
mod received;
mod requests;
mod start;
mod table;
mod takeover;
mod terms;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use asks::{Interest, Question, odd_answer};
pub(crate) use command::{CallTarget, Command, PutRequest, Request, SubmitRequest};
pub(crate) use groups::Groups;
pub(crate) use inbox::Inbox;
pub(crate) use lanes::{CallerKey, LaneKey};
pub(crate) use requests::Parent;
pub(crate) use start::{Connector, Home, LinkOptions, LinkRole, Opened, start};
pub(crate) use terms::OwnerTerms;

use mobula_types::{ClusterView, Failure, Frame, JobId, NodeId, ObjectId, ObjectIndex, TaskId};
use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What all threads share of a session with a home node.
pub(crate) struct Link {
    inbox: Inbox,
    groups: Groups,
    role: LinkRole,
    tasks: AtomicU64,
    puts: AtomicU64,
    home: RwLock<NodeId>,
    view: RwLock<ClusterView>,
    /// Announced with each change of the view.
    views: Groups,
    runtime: OnceLock<tokio::runtime::Handle>,
}

impl Link {
    pub(crate) fn new(role: LinkRole, home: NodeId, options: LinkOptions) -> Arc<Self> {
        Arc::new(Link {
            inbox: Inbox::new(options),
            groups: Groups::default(),
            role,
            tasks: AtomicU64::new(0),
            puts: AtomicU64::new(0),
            home: RwLock::new(home),
            view: RwLock::default(),
            views: Groups::default(),
            runtime: OnceLock::new(),
        })
    }

    /// The driver's job; `None` on a worker's session.
    pub(crate) fn job(&self) -> Option<JobId> {
        match self.role {
            LinkRole::Driver(job) => Some(job),
            LinkRole::Worker => None,
        }
    }

    pub(crate) fn home(&self) -> NodeId {
        self.home.read().clone()
    }

    pub(crate) fn view(&self) -> ClusterView {
        self.view.read().clone()
    }

    /// Whether the session is over for good.
    pub(crate) fn is_over(&self) -> bool {
        self.inbox.is_over()
    }

    /// The changes of the view.
    pub(crate) fn views(&self) -> &Groups {
        &self.views
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The identity of the driver's next task. Its numbers are its tasks' order.
    pub(crate) fn next_task(&self, job: JobId) -> TaskId {
        TaskId::of_driver(job, self.tasks.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The identity of the driver's next put.
    pub(crate) fn next_put(&self, job: JobId) -> ObjectId {
        let position = self.puts.fetch_add(1, Ordering::Relaxed);
        ObjectId { task: TaskId::of_driver(job, 0), index: ObjectIndex::driver_put(position) }
    }

    /// Leaves a request for the thread.
    ///
    /// # Errors
    /// `Backpressure` where the buffer is full; why the session is over, where it is.
    pub(crate) fn request(&self, request: Request) -> Result<(), Failure> {
        self.inbox.request(request)
    }

    /// Waits until a request of that size would be taken, or the session is over. Cancellation safe.
    pub(crate) async fn room(&self, bytes: usize) {
        self.inbox.room(bytes).await;
    }

    /// Leaves word for the thread. Does nothing once the session is over.
    pub(crate) fn command(&self, command: Command) {
        self.inbox.command(command);
    }

    /// Sends a frame behind everything that this thread requested before.
    pub(crate) fn send(&self, frame: Frame) {
        self.command(Command::Frame(frame));
    }

    /// The runtime of the session's thread. `None` before it has started.
    pub(crate) fn runtime(&self) -> Option<&tokio::runtime::Handle> {
        self.runtime.get()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("role", &self.role).field("home", &self.home()).finish_non_exhaustive()
    }
}
