//! Which node hosts an actor.
//!
//! What is wanted:
//!
//! 1. **Nothing is granted where it cannot run**: only on nodes that live, take part and do not drain, that have CPUs (a
//!    gateway hosts nothing), satisfy the strategy, and have the class: embedded, or brought along by the job.
//! 2. **Nothing is granted beyond what a node has**: what was granted there and has not ended never exceeds it. Tasks get
//!    what actors leave: the node sees to that.
//! 3. **A child returns to its node** where that has room; otherwise nodes are level: the one with the fewest actors for
//!    its CPUs.
//! 4. **Supervisors' wishes hold**: `AntiAffinity` always, `Affinity` and `Spread` where there is room.
//! 5. **It is cheap**: the usual actor looks at the least loaded node alone.
//! 6. **The same questions get the same answers**: ties are broken by name.

use mobula_types::actor::{ActorSpec, Placement};
use mobula_types::{
    ActorId, ClusterView, FunctionId, JobId, LabelExpression, NodeId, NodeInfo, NodeName, NodeState,
    Quantity, Resources, Strategy,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is to be placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) spec: &'a ActorSpec,
    pub(super) has_executable: bool,
    /// The supervisor, and how it wants its children placed.
    pub(super) supervisor: Option<(ActorId, Placement)>,
    /// Where it was before.
    pub(super) before: Option<&'a NodeId>,
}

/// The nodes, and what was granted to each.
#[derive(Clone, Default, Debug)]
pub(super) struct Placer {
    hosts: BTreeMap<NodeName, Host>,
    /// Nodes that take actors, least loaded first.
    order: BTreeSet<(u64, NodeName)>,
    /// How many children of a supervisor are on each node, where it wants to know.
    siblings: BTreeMap<ActorId, BTreeMap<NodeName, u32>>,
}

#[derive(Clone, Debug)]
struct Host {
    info: Arc<NodeInfo>,
    /// It has joined, and takes part.
    joined: bool,
    used: Resources,
    actors: u64,
    /// How loaded the order has it; nothing where it takes no actors.
    place: Option<u64>,
    /// How many it has of each class that is spread.
    spread: BTreeMap<(JobId, FunctionId), u32>,
}

/// What a view changed.
#[derive(Clone, Default, Debug)]
pub(super) struct Changed {
    /// Something that placements follow from.
    pub(super) any: bool,
    /// Nodes whose grants are to be said again by [`Placer::adopt`].
    pub(super) new: Vec<NodeId>,
}

impl Host {
    fn is_open(&self) -> bool {
        self.joined && self.info.state == NodeState::Alive && self.info.resources.cpu > Quantity::ZERO
    }

    /// Actors per CPU, in thousandths.
    fn level(&self) -> u64 {
        let cpus = (self.info.resources.cpu.steps() / Quantity::ONE.steps()).max(1);
        self.actors.saturating_mul(1000) / cpus
    }

    fn embeds(&self, function: &FunctionId) -> bool {
        self.info.functions.iter().any(|known| {
            known.id.name == function.name
                && (function.version.is_empty() || known.id.version == function.version)
        })
    }

    /// Whether it could host the actor if it hosted no other.
    fn could_host(&self, wish: &Wish<'_>) -> bool {
        self.is_open()
            && self.info.resources.covers(&wish.spec.template.options.resources)
            && (wish.has_executable || self.embeds(&wish.spec.template.function))
    }

    fn has_room(&self, need: &Resources) -> bool {
        let total = &self.info.resources;
        let fits = |total: Quantity, used: Quantity, need: Quantity| {
            need == Quantity::ZERO || used.plus(need) <= total
        };
        fits(total.cpu, self.used.cpu, need.cpu)
            && fits(total.gpu, self.used.gpu, need.gpu)
            && fits(total.memory, self.used.memory, need.memory)
            && need
                .custom
                .iter()
                .all(|(name, need)| fits(total.custom_amount(name), self.used.custom_amount(name), *need))
    }
}

impl Placer {
    /// Takes over what the view says. Gives the nodes that are new or changed.
    pub(super) fn set_view(&mut self, view: &ClusterView) -> Changed {
        let gone: Vec<NodeName> =
            self.hosts.keys().filter(|name| !view.nodes.contains_key(*name)).cloned().collect();
        gone.iter().for_each(|name| self.remove(name));
        let mut changed = Changed::default();
        for (name, info) in &view.nodes {
            let known = self.hosts.get(name).filter(|host| host.info.id == info.id);
            let same = known.is_some_and(|host| {
                let known = &host.info;
                known.state == info.state
                    && known.resources == info.resources
                    && known.labels == info.labels
                    && known.functions == info.functions
            });
            if same {
                continue;
            }
            changed.any = true;
            match self.hosts.get_mut(name) {
                Some(host) if host.info.id == info.id => host.info = info.clone(),
                _ => {
                    changed.new.push(info.id.clone());
                    let (info, used) = (info.clone(), Resources::default());
                    let spread = BTreeMap::new();
                    let host = Host { info, joined: false, used, actors: 0, place: None, spread };
                    self.remove(name);
                    self.hosts.insert(name.clone(), host);
                }
            }
            self.reorder(name);
        }
        changed
    }

    /// A node has joined, or has parted or drains.
    pub(super) fn set_joined(&mut self, node: &NodeId, joined: bool) {
        if let Some(host) = self.host_mut(node) {
            host.joined = joined;
            self.reorder(&node.name);
        }
    }

    fn host_mut(&mut self, node: &NodeId) -> Option<&mut Host> {
        self.hosts.get_mut(&node.name).filter(|host| host.info.id == *node)
    }

    fn remove(&mut self, name: &NodeName) {
        let place = self.hosts.remove(name).and_then(|host| host.place);
        if let Some(place) = place {
            self.order.remove(&(place, name.clone()));
        }
    }

    /// Puts the node where its load belongs.
    fn reorder(&mut self, name: &NodeName) {
        let Some(host) = self.hosts.get_mut(name) else { return };
        let place = host.is_open().then(|| host.level());
        let before = std::mem::replace(&mut host.place, place);
        if before == place {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, name.clone()));
        }
        if let Some(place) = place {
            self.order.insert((place, name.clone()));
        }
    }

    /// Whether the order has the nodes that take actors, each once and by its load.
    pub(super) fn is_in_order(&self) -> bool {
        let open = self.hosts.iter().filter(|(_, host)| host.is_open());
        let open: BTreeSet<(u64, NodeName)> = open.map(|(name, host)| (host.level(), name.clone())).collect();
        open == self.order
    }

    /// Chooses a node that has room now. Nothing is reserved before [`take`](Self::take).
    pub(super) fn choose(&self, wish: &Wish<'_>) -> Option<NodeId> {
        let siblings = wish.supervisor.and_then(|(supervisor, _)| self.siblings.get(&supervisor));
        let beside = |name: &NodeName| siblings.and_then(|counts| counts.get(name)).copied().unwrap_or(0);
        let placement = wish.supervisor.map_or(Placement::Default, |(_, placement)| placement);
        let fits = |name: &NodeName| {
            let host = self.hosts.get(name)?;
            let apart = placement != Placement::AntiAffinity || beside(name) == 0;
            let fits = apart && host.could_host(wish) && host.has_room(&wish.spec.template.options.resources);
            fits.then_some(host)
        };
        match &wish.spec.template.options.strategy {
            Strategy::NodeAffinity { node, soft } => match fits(node) {
                Some(host) => return Some(host.info.id.clone()),
                // One that is there but full is waited for.
                None if !soft || self.hosts.get(node).is_some_and(|host| host.could_host(wish)) => {
                    return None;
                }
                None => {}
            },
            Strategy::Labels(labels) => return self.best(wish, &fits, Some(labels), placement, &beside),
            Strategy::Default | Strategy::Spread => {}
        }
        self.best(wish, &fits, None, placement, &beside)
    }

    fn best<'a>(
        &'a self,
        wish: &Wish<'_>,
        fits: &dyn Fn(&NodeName) -> Option<&'a Host>,
        labels: Option<&LabelExpression>,
        placement: Placement,
        beside: &dyn Fn(&NodeName) -> u32,
    ) -> Option<NodeId> {
        let matches = |host: &&Host| labels.is_none_or(|labels| labels.matches(&host.info.labels));
        let before = wish
            .before
            .and_then(|node| fits(&node.name).filter(matches).filter(|host| host.info.id == *node));
        if let Some(host) = before {
            return Some(host.info.id.clone());
        }
        let mut able =
            self.order.iter().filter_map(|(_, name)| fits(name).filter(matches).map(|host| (name, host)));
        let class = || (wish.spec.job, wish.spec.template.function.clone());
        let found = match placement {
            Placement::Spread => able.min_by_key(|(name, _)| beside(name)),
            // Of equals, the first is taken.
            Placement::Affinity => able.min_by_key(|(name, _)| std::cmp::Reverse(beside(name))),
            Placement::Default | Placement::AntiAffinity
                if matches!(wish.spec.template.options.strategy, Strategy::Spread) =>
            {
                let class = class();
                able.min_by_key(|(_, host)| host.spread.get(&class).copied().unwrap_or(0))
            }
            Placement::Default | Placement::AntiAffinity => able.next(),
        };
        found.map(|(_, host)| host.info.id.clone())
    }

    /// Whether a node is there that could host it if it hosted no other.
    pub(super) fn is_feasible(&self, wish: &Wish<'_>) -> bool {
        self.hosts.iter().any(|(name, host)| {
            let matches = match &wish.spec.template.options.strategy {
                Strategy::NodeAffinity { node, soft } => *soft || name == node,
                Strategy::Labels(labels) => labels.matches(&host.info.labels),
                Strategy::Default | Strategy::Spread => true,
            };
            matches && host.could_host(wish)
        })
    }

    /// An actor is granted there.
    pub(super) fn take(&mut self, node: &NodeId, wish: &Wish<'_>) {
        self.change(node, wish, true);
    }

    /// A grant there is over.
    pub(super) fn give_back(&mut self, node: &NodeId, wish: &Wish<'_>) {
        self.change(node, wish, false);
    }

    /// An actor was granted there by an earlier head. What it uses is counted by [`adopt`](Self::adopt), once the node is in a
    /// view; which siblings are together does not wait for that.
    pub(super) fn inherit(&mut self, node: &NodeId, wish: &Wish<'_>) {
        self.count_sibling(node, wish, true);
    }

    /// An actor was granted there before the node was in a view.
    pub(super) fn adopt(&mut self, node: &NodeId, wish: &Wish<'_>) {
        self.change_host(node, wish, true);
    }

    fn change(&mut self, node: &NodeId, wish: &Wish<'_>, takes: bool) {
        self.count_sibling(node, wish, takes);
        self.change_host(node, wish, takes);
    }

    fn count_sibling(&mut self, node: &NodeId, wish: &Wish<'_>, takes: bool) {
        if let Some((supervisor, _)) =
            wish.supervisor.filter(|(_, placement)| *placement != Placement::Default)
        {
            let counts = self.siblings.entry(supervisor).or_default();
            count(counts, node.name.clone(), takes);
            if counts.is_empty() {
                self.siblings.remove(&supervisor);
            }
        }
    }

    fn change_host(&mut self, node: &NodeId, wish: &Wish<'_>, takes: bool) {
        let Some(host) = self.host_mut(node) else { return };
        let need = &wish.spec.template.options.resources;
        if takes {
            host.used.add(need);
            host.actors += 1;
        } else {
            host.used.try_take(need);
            host.actors = host.actors.saturating_sub(1);
        }
        if matches!(wish.spec.template.options.strategy, Strategy::Spread) {
            count(&mut host.spread, (wish.spec.job, wish.spec.template.function.clone()), takes);
        }
        self.reorder(&node.name);
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K, more: bool) {
    if more {
        *counts.entry(key).or_default() += 1;
        return;
    }
    match counts.get_mut(&key) {
        Some(count) if *count > 1 => *count -= 1,
        Some(_) => drop(counts.remove(&key)),
        None => {}
    }
}
