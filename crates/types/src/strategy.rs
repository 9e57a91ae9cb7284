//! Where a task may run.

use crate::{LabelExpression, NodeName};

/// The placement strategy of a task.
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub enum Strategy {
    /// Pack until nodes are half full, then the least loaded; locality of large arguments wins.
    #[default]
    Default,
    /// The node that runs the fewest of these tasks.
    Spread,
    /// That node; where `soft`, another one if it is gone or can never fit the task.
    NodeAffinity {
        /// The node's name.
        node: NodeName,
        /// Whether another node will do.
        soft: bool,
    },
    /// Only nodes whose labels satisfy the expression.
    Labels(LabelExpression),
}
