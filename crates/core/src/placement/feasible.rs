//! Which nodes could ever run a task, and what is missing where none could.

use super::model::NodeModel;
use super::{Lack, Placement, PlacementRequest};
use mobula_types::{NodeName, Strategy};

/// What is missing, and the sentence that says so.
pub(super) type Missing = (Lack, String);

impl Placement {
    /// The nodes that could run the tasks if they were idle, by name. Nodes to avoid are among them only where there is
    /// no other.
    pub(super) fn feasible(
        &self,
        request: &PlacementRequest<'_>,
    ) -> Result<Vec<(&NodeName, &NodeModel)>, Missing> {
        let open: Vec<_> = self.nodes.iter().filter(|(_, node)| node.takes_tasks()).collect();
        if open.is_empty() {
            return Err((
                Lack::Nodes,
                "no node with CPUs takes work: add one, or wait until one joins".into(),
            ));
        }
        let feasible = match request.strategy {
            Strategy::Default | Strategy::Spread => fitting(open, request)?,
            Strategy::NodeAffinity { node, soft } => {
                match (bound_to(&open, node).and_then(|bound| fitting(bound, request)), soft) {
                    (Ok(bound), _) => bound,
                    (Err(_), true) => fitting(open, request)?,
                    (Err(missing), false) => return Err(missing),
                }
            }
            Strategy::Labels(expression) => {
                let labelled: Vec<_> =
                    open.into_iter().filter(|(_, node)| expression.matches(&node.info.labels)).collect();
                if labelled.is_empty() {
                    return Err((Lack::Labels, format!("no node's labels satisfy '{expression}'")));
                }
                fitting(labelled, request)?
            }
        };
        if request.avoid.is_empty() {
            return Ok(feasible);
        }
        let preferred: Vec<_> =
            feasible.iter().copied().filter(|(_, node)| !request.avoid.contains(&node.info.id)).collect();
        Ok(if preferred.is_empty() { feasible } else { preferred })
    }
}

type Nodes<'a> = Vec<(&'a NodeName, &'a NodeModel)>;

fn bound_to<'a>(open: &Nodes<'a>, name: &NodeName) -> Result<Nodes<'a>, Missing> {
    let bound: Nodes<'a> = open.iter().copied().filter(|(known, _)| *known == name).collect();
    if bound.is_empty() {
        return Err((
            Lack::Node,
            format!("the tasks are bound to node {name}, which is not there or takes no work"),
        ));
    }
    Ok(bound)
}

/// Those of the nodes that have the function and are large enough.
fn fitting<'a>(nodes: Nodes<'a>, request: &PlacementRequest<'_>) -> Result<Nodes<'a>, Missing> {
    let count = nodes.len();
    let able: Nodes<'a> = nodes
        .into_iter()
        .filter(|(_, node)| request.has_executable || node.embeds(request.function))
        .collect();
    if able.is_empty() {
        let reason = format!(
            "none of the {count} nodes in question embeds {}, and the job has no executable that brings it",
            request.function
        );
        return Err((Lack::Function, reason));
    }
    let large: Nodes<'a> =
        able.iter().copied().filter(|(_, node)| node.could_fit(request.resources)).collect();
    if large.is_empty() {
        let size = |(name, node): &(&NodeName, &NodeModel)| format!("{name} has {}", node.info.resources);
        let sizes: Vec<String> = able.iter().take(8).map(size).collect();
        let reason = format!("no node is large enough for {}: {}", request.resources, sizes.join("; "));
        return Err((Lack::Resources, reason));
    }
    Ok(large)
}
