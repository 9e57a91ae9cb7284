//! What is asked of a placement and what it answers.

use mobula_types::{FunctionId, JobId, NodeId, Resources, Strategy};

/// Tasks that are alike and look for a node.
#[derive(Clone, Copy, Debug)]
pub struct PlacementRequest<'a> {
    /// What each of them needs.
    pub resources: &'a Resources,
    /// Where they may run.
    pub strategy: &'a Strategy,
    /// What they run.
    pub function: &'a FunctionId,
    /// Their job.
    pub job: JobId,
    /// Whether the job has an executable, which every node with CPUs can run; without one, only nodes that embed the
    /// function will do.
    pub has_executable: bool,
    /// Bytes of their large arguments by node. Empty where they have none.
    pub locality: &'a [(NodeId, u64)],
    /// Nodes to be left out as long as another one could ever run them: those that refused or lost the attempt.
    pub avoid: &'a [NodeId],
    /// How many tasks may queue on a node for each of its CPUs when nothing is free; 0 for none.
    pub ahead: u32,
    /// How many of them may queue where others' tasks hold everything, when nothing is free: what is due to their job, so
    /// that the node can let them take turns; 0 for none.
    pub due: u64,
    /// How many tasks there are; at least 1.
    pub wanted: u32,
}

impl PlacementRequest<'_> {
    /// What `Spread` counts by.
    pub(super) fn spread_key(&self) -> (JobId, FunctionId) {
        (self.job, self.function.clone())
    }
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Choice {
    /// So many of them go to that node, which is reserved; the caller asks again for the rest.
    Assign {
        /// The node.
        node: NodeId,
        /// How many: from 1 to the number wanted.
        count: u32,
    },
    /// Nothing is free now.
    Wait,
    /// No node that is there could ever run them.
    Infeasible {
        /// What kind of thing is missing.
        lack: Lack,
        /// What is missing, for people.
        reason: String,
    },
}

/// What no node has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lack {
    /// There is no node that takes work.
    Nodes,
    /// The node that the tasks are bound to is not there.
    Node,
    /// No node's labels satisfy the expression.
    Labels,
    /// No node has the function.
    Function,
    /// No node is large enough.
    Resources,
}
