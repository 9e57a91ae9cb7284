//! How many nodes an executable is on.

use mobula_types::{ClusterView, NodeId, NodeState};

/// Nodes that an executable is on, where there are as many.
const COPIES: usize = 2;

/// To which nodes `own`, which holds an executable, is to offer a copy, in this order, until one takes it: none while
/// another living node has one. `holders` is what the head knows. Nodes begin with the one behind them by name, so that
/// copies spread.
pub fn copy_targets(own: &NodeId, view: &ClusterView, holders: &[NodeId]) -> Vec<NodeId> {
    let is_other = |node: &NodeId| node.name != own.name;
    let lives = |node: &NodeId| view.node(node).is_some_and(|node| node.state == NodeState::Alive);
    let copies = 1 + holders.iter().filter(|holder| is_other(holder) && lives(holder)).count();
    if copies >= COPIES {
        return Vec::new();
    }
    let others = view.nodes.values().map(|node| &node.id).filter(|node| is_other(node) && lives(node));
    let (behind, before): (Vec<_>, Vec<_>) = others.cloned().partition(|node| node.name > own.name);
    [behind, before].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::{NodeInfo, Resources};
    use std::sync::Arc;

    fn node(name: &str) -> NodeId {
        NodeId::new(name, 2)
    }

    fn view(nodes: &[(&str, NodeState)]) -> ClusterView {
        let mut view = ClusterView::default();
        for (name, state) in nodes {
            let info = NodeInfo {
                id: node(name),
                address: "http://127.0.0.1:1".into(),
                resources: Resources::cpus(1),
                labels: Default::default(),
                state: *state,
                functions: Vec::new(),
                object_store_memory: 0,
                version: "1".into(),
                load: Default::default(),
            };
            view.nodes.insert(info.id.name.clone(), Arc::new(info));
        }
        view
    }

    #[test]
    fn a_lone_holder_offers_to_each_living_node_in_turn() {
        use NodeState::{Alive, Dead, Draining};
        let nodes = [("a", Alive), ("b", Alive), ("c", Dead), ("d", Draining), ("e", Alive), ("f", Alive)];
        let view = view(&nodes);
        let own = node("b");
        let targets = [node("e"), node("f"), node("a")];
        // The head may not know yet that this node holds it.
        for holders in [vec![], vec![own.clone()], vec![own.clone(), node("c")], vec![node("d")]] {
            assert_eq!(copy_targets(&own, &view, &holders), targets, "{holders:?}");
        }
        // Nor that an earlier generation has gone.
        assert_eq!(copy_targets(&own, &view, &[own.clone(), NodeId::new("a", 1)]), targets);
    }

    #[test]
    fn two_copies_are_enough_and_one_where_there_is_one_node() {
        let two = view(&[("a", NodeState::Alive), ("b", NodeState::Alive), ("c", NodeState::Alive)]);
        assert_eq!(copy_targets(&node("a"), &two, &[node("c")]), []);
        assert_eq!(copy_targets(&node("a"), &view(&[("a", NodeState::Alive)]), &[]), []);
        assert_eq!(copy_targets(&node("a"), &view(&[]), &[]), [], "before the first view");
    }
}
