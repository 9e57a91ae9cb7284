//! Changes of the nodes, read off the view of the cluster that the home node pushes.

use crate::link::Link;
use futures::Stream;
use futures::stream::{BoxStream, StreamExt};
use mobula_runtime::clock;
use mobula_types::{ClusterView, NodeId, NodeInfo, NodeState};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// Why a node stands otherwise than before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum NodeReason {
    /// It is a member of the cluster.
    Joined,
    /// It was told to drain.
    Draining,
    /// It has drained and is gone.
    Drained,
    /// It was declared dead: its process is gone, or it was silent for too long.
    Lost,
    /// A later generation of it has joined.
    Replaced,
}

/// How a node stands from some moment on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeChange {
    /// The node.
    pub node: NodeId,
    /// How it stands.
    pub state: NodeState,
    /// Why.
    pub reason: NodeReason,
    /// What was known of it last.
    pub info: Arc<NodeInfo>,
    /// When this program heard of it, in milliseconds since 1970.
    pub at_millis: u64,
}

/// How the nodes stand: first all that are there, then each change. Made by
/// [`Cluster::watch_nodes`](crate::Cluster::watch_nodes). It ends with the connection.
///
/// It compares the view of the cluster with what it told before, each time that it is asked for more: who asks seldom is
/// told what has come of it, and nothing piles up.
pub struct NodeChanges(BoxStream<'static, NodeChange>);

struct Watching {
    link: Arc<Link>,
    told: ClusterView,
    next: VecDeque<NodeChange>,
}

impl NodeChanges {
    pub(crate) fn of(link: Arc<Link>) -> Self {
        let watching = Watching { link, told: ClusterView::default(), next: VecDeque::new() };
        let changes = futures::stream::unfold(watching, |mut watching| async {
            let change = watching.next().await?;
            Some((change, watching))
        });
        NodeChanges(changes.boxed())
    }

    /// The next change; `None` once the connection is closed. Cancellation safe.
    pub async fn next(&mut self) -> Option<NodeChange> {
        self.0.next().await
    }
}

impl Stream for NodeChanges {
    type Item = NodeChange;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Option<NodeChange>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for NodeChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeChanges").finish_non_exhaustive()
    }
}

impl Watching {
    async fn next(&mut self) -> Option<NodeChange> {
        loop {
            if let Some(change) = self.next.pop_front() {
                return Some(change);
            }
            let seen = self.link.views().seen();
            let view = self.link.view();
            self.next = differences(&self.told, &view, clock::wall_millis()).into();
            self.told = view;
            if !self.next.is_empty() {
                continue;
            }
            if self.link.is_over() {
                return None;
            }
            self.link.views().changed(seen).await;
        }
    }
}

/// What has changed between two views, by the names of the nodes.
fn differences(before: &ClusterView, after: &ClusterView, at_millis: u64) -> Vec<NodeChange> {
    let change = |info: &Arc<NodeInfo>, state, reason| NodeChange {
        node: info.id.clone(),
        state,
        reason,
        info: info.clone(),
        at_millis,
    };
    let mut changes = Vec::new();
    for (name, old) in &before.nodes {
        let new = after.nodes.get(name);
        let is_gone = new.is_none_or(|new| new.id != old.id);
        if is_gone && old.state != NodeState::Dead {
            let reason = match (old.state, new) {
                (NodeState::Draining, _) => NodeReason::Drained,
                (_, Some(_)) => NodeReason::Replaced,
                (_, None) => NodeReason::Lost,
            };
            changes.push(change(old, NodeState::Dead, reason));
        }
    }
    for (name, new) in &after.nodes {
        let old = before.nodes.get(name).filter(|old| old.id == new.id);
        if old.is_some_and(|old| old.state == new.state) {
            continue;
        }
        let drained = old.is_some_and(|old| old.state == NodeState::Draining);
        let reason = match new.state {
            NodeState::Alive => NodeReason::Joined,
            NodeState::Draining => NodeReason::Draining,
            NodeState::Dead if drained => NodeReason::Drained,
            NodeState::Dead => NodeReason::Lost,
        };
        changes.push(change(new, new.state, reason));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::Resources;
    use mobula_types::view::NodeLoad;

    fn view(nodes: &[(&str, u64, NodeState)]) -> ClusterView {
        let info = |name: &str, generation, state| NodeInfo {
            id: NodeId::new(name, generation),
            address: "".into(),
            resources: Resources::default(),
            labels: Default::default(),
            state,
            functions: Vec::new(),
            object_store_memory: 0,
            version: "".into(),
            load: NodeLoad::default(),
        };
        let nodes = nodes.iter().map(|(name, generation, state)| info(name, *generation, *state));
        let nodes = nodes.map(|info| (info.id.name.clone(), Arc::new(info))).collect();
        ClusterView { nodes, ..ClusterView::default() }
    }

    fn told(before: &ClusterView, after: &ClusterView) -> Vec<(String, NodeState, NodeReason)> {
        let changes = differences(before, after, 5).into_iter();
        changes.map(|change| (change.node.to_string(), change.state, change.reason)).collect()
    }

    #[test]
    fn nodes_join_drain_and_are_lost() {
        use NodeState::{Alive, Dead, Draining};
        let name = |name: &str, generation| NodeId::new(name, generation).to_string();
        let (none, first) =
            (ClusterView::default(), view(&[("a", 1, Alive), ("b", 1, Alive), ("c", 1, Alive)]));
        let joined = |node| (name(node, 1), Alive, NodeReason::Joined);
        assert_eq!(told(&none, &first), ["a", "b", "c"].map(joined));
        assert_eq!(told(&first, &first), []);
        let second = view(&[("a", 1, Draining), ("b", 1, Dead), ("c", 2, Alive)]);
        let expected = [
            (name("c", 1), Dead, NodeReason::Replaced),
            (name("a", 1), Draining, NodeReason::Draining),
            (name("b", 1), Dead, NodeReason::Lost),
            (name("c", 2), Alive, NodeReason::Joined),
        ];
        assert_eq!(told(&first, &second), expected);
        let third = view(&[]);
        let expected = [(name("a", 1), Dead, NodeReason::Drained), (name("c", 2), Dead, NodeReason::Lost)];
        assert_eq!(told(&second, &third), expected);
    }
}
