//! Placement, question by question; and whatever is asked in whatever order.

mod choices;
mod hostable;
mod random;

use super::{Choice, Lack, Placement, PlacementRequest};
use mobula_types::view::NodeLoad;
use mobula_types::{
    ClusterView, FunctionId, FunctionInfo, FunctionKind, JobId, NodeId, NodeInfo, NodeState, Quantity,
    Resources, Strategy,
};
use std::sync::Arc;

fn node(name: &str, cpu: u64) -> NodeInfo {
    NodeInfo {
        id: NodeId::new(name, 1),
        address: "http://127.0.0.1:1".into(),
        resources: Resources::cpus(cpu),
        labels: Default::default(),
        state: NodeState::Alive,
        functions: Vec::new(),
        object_store_memory: 0,
        version: "0".into(),
        load: NodeLoad::default(),
    }
}

fn function(name: &str, version: &str) -> FunctionInfo {
    FunctionInfo {
        id: FunctionId::new(name, version),
        signature: 1,
        signature_text: "fn()".into(),
        kind: FunctionKind::Async,
        place: "lib.rs:1".into(),
    }
}

fn view(nodes: impl IntoIterator<Item = NodeInfo>) -> ClusterView {
    let nodes = nodes.into_iter().map(|node| (node.id.name.clone(), Arc::new(node))).collect();
    ClusterView { version: Default::default(), nodes }
}

/// A placement on node `a` that sees these nodes.
fn placement(nodes: impl IntoIterator<Item = NodeInfo>) -> Placement {
    let mut placement = Placement::new(NodeId::new("a", 1));
    placement.set_view(&view(nodes));
    placement
}

/// A question with its parts owned, so that a test changes only what it is about.
struct Question {
    resources: Resources,
    strategy: Strategy,
    function: FunctionId,
    has_executable: bool,
    locality: Vec<(NodeId, u64)>,
    avoid: Vec<NodeId>,
    ahead: u32,
    due: u64,
    wanted: u32,
}

impl Question {
    fn cpus(cpu: u64) -> Self {
        Question {
            resources: Resources::cpus(cpu),
            strategy: Strategy::Default,
            function: FunctionId::new("square", "1"),
            has_executable: true,
            locality: Vec::new(),
            avoid: Vec::new(),
            ahead: 0,
            due: 0,
            wanted: 1,
        }
    }

    fn ask(&self, placement: &mut Placement) -> Choice {
        placement.choose(&PlacementRequest {
            resources: &self.resources,
            strategy: &self.strategy,
            function: &self.function,
            job: JobId(1),
            has_executable: self.has_executable,
            locality: &self.locality,
            avoid: &self.avoid,
            ahead: self.ahead,
            due: self.due,
            wanted: self.wanted,
        })
    }

    /// Asks until there is nothing left to place or nowhere to place it: who gets how many.
    fn place(&self, placement: &mut Placement, mut wanted: u32) -> Vec<(String, u32)> {
        let mut placed = Vec::new();
        while wanted > 0 {
            let question = Question { wanted, ..self.clone_parts() };
            let Choice::Assign { node, count } = question.ask(placement) else { break };
            assert!((1..=wanted).contains(&count));
            wanted -= count;
            placed.push((node.name.to_string(), count));
        }
        placed
    }

    fn clone_parts(&self) -> Question {
        Question {
            resources: self.resources.clone(),
            strategy: self.strategy.clone(),
            function: self.function.clone(),
            locality: self.locality.clone(),
            avoid: self.avoid.clone(),
            ..*self
        }
    }
}
