//! Keeps the executables of open jobs on two nodes where there are two.
//!
//! A node looks at those that it holds when a job is opened, when nodes come or go, and when it has a head again: where
//! the head knows of no other living holder, it gives a copy away.

use crate::transfer::Transfer;
use mobula_runtime::{TaskHandle, spawn};
use mobula_types::{ClusterView, NodeId, NodeState};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;

/// The task that looks, and what wakes it. Dropping it ends the task.
#[derive(Debug)]
pub(crate) struct Replication {
    wake: Arc<Notify>,
    alive: BTreeSet<NodeId>,
    _task: TaskHandle<()>,
}

impl Replication {
    pub(crate) fn start(transfer: Transfer) -> Self {
        let wake = Arc::new(Notify::new());
        let woken = wake.clone();
        let task = spawn("keep executables on two nodes", async move {
            loop {
                woken.notified().await;
                for hash in transfer.executables_in_use() {
                    if let Err(failure) = transfer.replicate_executable(hash).await {
                        tracing::warn!(%hash, %failure, "no other node has a copy of an executable");
                    }
                }
            }
        });
        Replication { wake, alive: BTreeSet::new(), _task: task }
    }

    /// Something has happened that may call for copies. Several of these while it looks are one more look.
    pub(crate) fn look(&self) {
        self.wake.notify_one();
    }

    /// The cluster as it is now known: looks where nodes have come or gone.
    pub(crate) fn set_view(&mut self, view: &ClusterView) {
        let alive = view.nodes.values().filter(|node| node.state == NodeState::Alive);
        let alive: BTreeSet<NodeId> = alive.map(|node| node.id.clone()).collect();
        if alive != self.alive {
            self.alive = alive;
            self.look();
        }
    }
}
