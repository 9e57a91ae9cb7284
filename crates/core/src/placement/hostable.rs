//! Whether an actor could be hosted anywhere.

use mobula_types::{ClusterView, NodeInfo, NodeState, Strategy, TaskOptions};

/// Why no node of the view could ever host an actor with these options, for people; `None` where one could, were it idle,
/// or where nothing is known of the cluster yet. Looks at nodes until one could: with a node for everything, at one.
pub fn lack_of_host(view: &ClusterView, options: &TaskOptions) -> Option<String> {
    if view.nodes.is_empty() {
        return None;
    }
    let is_open = |node: &NodeInfo| node.state == NodeState::Alive;
    let could = |node: &NodeInfo| is_open(node) && node.resources.covers(&options.resources);
    let mut nodes = view.nodes.values().map(AsRef::as_ref);
    match &options.strategy {
        Strategy::NodeAffinity { node, soft: false } => match view.nodes.get(node) {
            Some(node) if could(node) => None,
            Some(node) if is_open(node) => {
                Some(format!("{} is not large enough for {}", node.id, options.resources))
            }
            _ => Some(format!("the node {node} is not there")),
        },
        Strategy::Labels(labels) => {
            let matches = |node: &&NodeInfo| is_open(node) && labels.matches(&node.labels);
            let mut matching = nodes.filter(matches).peekable();
            if matching.peek().is_none() {
                return Some(format!("no node's labels satisfy '{labels}'"));
            }
            let is_too_small = !matching.any(could);
            is_too_small
                .then(|| format!("no node with labels '{labels}' is large enough for {}", options.resources))
        }
        Strategy::NodeAffinity { .. } | Strategy::Default | Strategy::Spread => {
            let is_too_small = !nodes.any(could);
            is_too_small.then(|| format!("no node is large enough for {}", options.resources))
        }
    }
}
