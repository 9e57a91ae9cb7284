//! Which node runs a task: a guess that is never trusted, because the node that runs it admits it, and that is good
//! enough to be refused rarely.
//!
//! # What is wanted
//!
//! 1. **Nothing is oversubscribed knowingly.** With `ahead = 0`, what this owner has placed on a node and what others
//!    were last seen to use there never exceeds what the node has.
//! 2. **Nothing is placed where it cannot run.** Only living nodes that do not drain, have CPUs (a gateway has none, and
//!    runs not even tasks of 0 CPUs), satisfy the strategy, and have the function: embedded, or brought along by the job.
//! 3. **What fits is placed.** [`Choice::Wait`] means that no node that could run them has room for one more, or that no
//!    view has come yet.
//! 4. **What can never run says why**: [`Choice::Infeasible`] names what is missing.
//! 5. **Large arguments win**: among the nodes that have room, those that hold the most bytes of the arguments.
//! 6. **Pack, then level**: otherwise the local node, and then the busiest one, until each is half full; then the least
//!    loaded one, so that late tasks find room everywhere.
//!    Under `Spread` the node that has the fewest tasks of the job's function, whatever else it has.
//! 7. **Queues are short and level**: beyond what is free, up to `ahead` tasks for each CPU queue on the node that has
//!    the fewest for its size. What needs more than CPUs queues nowhere.
//! 8. **A node is shared.** Where others' tasks hold everything, a job may queue what is due to it all the same.
//! 9. **It costs a look at each node per call**, and a call places many tasks at once.
//! 10. **The same questions get the same answers**: ties are broken by name.
//!
//! # The model
//!
//! A node is a few numbers: what it has, what this owner has placed there and not seen finished, and what others use.
//! The last comes from sampled loads, in which this owner's own tasks are counted too, as of some moment between the
//! last sample and now. What this owner had there at most in that time is taken for its own share; the rest is others'.
//! So a stale sample makes a node look emptier than it is, never fuller, and the node itself refuses what is too much.
//!
//! ```
//! use mobula_core::placement::{Choice, Placement, PlacementRequest};
//! use mobula_types::{ClusterView, FunctionId, JobId, NodeId, Resources, Strategy};
//! let local = NodeId::new("a", 1);
//! let mut placement = Placement::new(local);
//! placement.set_view(&ClusterView::default());
//! let choice = placement.choose(&PlacementRequest {
//!     resources: &Resources::cpus(1),
//!     strategy: &Strategy::Default,
//!     function: &FunctionId::new("square", ""),
//!     job: JobId(1),
//!     has_executable: true,
//!     locality: &[],
//!     avoid: &[],
//!     ahead: 0,
//!     due: 0,
//!     wanted: 1,
//! });
//! assert_eq!(choice, Choice::Wait, "no node is known yet");
//! ```

mod feasible;
mod hostable;
mod model;
mod request;
mod solver;
#[cfg(test)]
mod tests;

pub use hostable::lack_of_host;
pub use request::{Choice, Lack, PlacementRequest};

use mobula_types::{ClusterView, FunctionId, JobId, NodeId, NodeName, Quantity, Resources, Strategy};
use model::NodeModel;
use std::collections::BTreeMap;

/// Places the tasks of one owner. See the [module](self).
#[derive(Debug)]
pub struct Placement {
    local: NodeId,
    nodes: BTreeMap<NodeName, NodeModel>,
    /// Counts choices, so that equal nodes take turns under `Spread`.
    turn: u64,
}

impl Placement {
    /// A placement for the owner on node `local`, which knows of no node yet.
    pub fn new(local: NodeId) -> Self {
        Placement { local, nodes: BTreeMap::new(), turn: 0 }
    }

    /// Takes over what the view says of the nodes. What was placed on nodes that are still there stays counted.
    pub fn set_view(&mut self, view: &ClusterView) {
        self.nodes.retain(|name, node| {
            let known = view.nodes.contains_key(name);
            if !known {
                node.withdraw();
            }
            known || node.has_tasks()
        });
        for (name, info) in &view.nodes {
            match self.nodes.get_mut(name) {
                Some(node) if node.info.id == info.id => node.update(info),
                _ => {
                    self.nodes.insert(name.clone(), NodeModel::new(info));
                }
            }
        }
    }

    /// Chooses a node for up to `wanted` tasks, and reserves what they need there until [`finished`](Self::finished)
    /// gives it back, once for each task.
    pub fn choose(&mut self, request: &PlacementRequest<'_>) -> Choice {
        match self.solve(request) {
            Ok(Some((name, count))) => self.reserve(&name, request, count),
            Ok(None) => Choice::Wait,
            Err((lack, reason)) => Choice::Infeasible { lack, reason },
        }
    }

    /// A task is on this node that [`choose`](Self::choose) did not place: an owner before did.
    pub fn adopted(&mut self, node: &NodeId, resources: &Resources) {
        let turn = self.turn;
        if let Some(model) = self.nodes.get_mut(&node.name)
            && model.info.id == *node
        {
            model.take(resources, 1, turn);
        }
    }

    /// How many tasks run at once in the usual case, on all nodes that take any.
    pub fn slots(&self) -> u64 {
        self.nodes.values().filter(|node| node.takes_tasks()).map(NodeModel::slots).sum()
    }

    /// To be said after [`adopted`](Self::adopted) for a task under [`Strategy::Spread`].
    pub fn spread_adopted(&mut self, node: &NodeId, job: JobId, function: &FunctionId) {
        if let Some(model) = self.nodes.get_mut(&node.name)
            && model.info.id == *node
        {
            model.take_spread((job, function.clone()), 1);
        }
    }

    /// A task that [`choose`](Self::choose) placed on this node is not there any more, however it ended.
    pub fn finished(&mut self, node: &NodeId, resources: &Resources) {
        if let Some(model) = self.nodes.get_mut(&node.name)
            && model.info.id == *node
        {
            model.give_back(resources);
        }
    }

    /// To be said after [`finished`](Self::finished) for a task under [`Strategy::Spread`]: its function has one less there.
    pub fn spread_finished(&mut self, node: &NodeId, job: JobId, function: &FunctionId) {
        if let Some(model) = self.nodes.get_mut(&node.name)
            && model.info.id == *node
        {
            model.give_back_spread(&(job, function.clone()));
        }
    }

    /// A task that was placed on this node waits for others and has given its CPUs back, or goes on (`waits` is false) and
    /// has them again. Before [`finished`](Self::finished), it goes on.
    pub fn task_waits(&mut self, node: &NodeId, cpu: Quantity, waits: bool) {
        if let Some(model) = self.nodes.get_mut(&node.name)
            && model.info.id == *node
        {
            model.lend_cpu(cpu, waits);
        }
    }

    /// Everything that was placed on this node is gone with it; `finished` is not called for it.
    pub fn forget(&mut self, node: &NodeId) {
        if self.nodes.get(&node.name).is_some_and(|model| model.info.id == *node) {
            self.nodes.remove(&node.name);
        }
    }

    /// The node refused a task with `NoRoom`, with `queued` tasks waiting there: it is taken to be full until its next
    /// view, until another task finishes there, or until [`reopen`](Self::reopen). The refused task itself is to be given
    /// back with [`finished`](Self::finished) before.
    pub fn refused(&mut self, node: &NodeId, queued: u64) {
        if let Some(model) = self.nodes.get_mut(&node.name)
            && model.info.id == *node
        {
            model.refuse(queued);
        }
    }

    /// Nodes that refused may be asked again; to be called now and then while something waits.
    pub fn reopen(&mut self) {
        self.nodes.values_mut().for_each(NodeModel::reopen);
    }

    /// How many tasks of this owner are on that node, as far as it knows.
    pub fn placed_on(&self, node: &NodeId) -> u64 {
        self.nodes.get(&node.name).filter(|model| model.info.id == *node).map_or(0, NodeModel::tasks)
    }

    fn reserve(&mut self, name: &NodeName, request: &PlacementRequest<'_>, count: u32) -> Choice {
        self.turn += 1;
        let turn = self.turn;
        match self.nodes.get_mut(name) {
            Some(node) => {
                node.take(request.resources, count, turn);
                if matches!(request.strategy, Strategy::Spread) {
                    node.take_spread(request.spread_key(), count);
                }
                Choice::Assign { node: node.info.id.clone(), count }
            }
            None => Choice::Wait,
        }
    }
}
