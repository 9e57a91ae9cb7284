//! From the flat lists that a head answers with to trees.

use crate::commands::actor_words::{actor_state, child_state, strategy_name};
use mobula_types::actor::{ActorId, ActorInfo, ChildInfo, ChildState, SupervisorInfo, SupervisorSpec};
use serde::Serialize;
use std::collections::HashMap;

/// A supervisor or an actor, and what is below it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Grown {
    /// Its id among its siblings; of a root its name.
    pub(super) id: String,
    /// Its name; empty where it has none.
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) actor: String,
    pub(super) strategy: Option<&'static str>,
    pub(super) class: Option<String>,
    pub(super) state: &'static str,
    pub(super) node: Option<String>,
    pub(super) epoch: Option<u64>,
    pub(super) restarts: u64,
    pub(super) last_exit: Option<String>,
    pub(super) children: Vec<Grown>,
}

/// What a head said, by id.
struct Known<'a> {
    supervisors: HashMap<ActorId, &'a SupervisorInfo>,
    actors: HashMap<ActorId, &'a ActorInfo>,
}

impl Grown {
    /// The trees, in the order of their roots.
    pub(super) fn all(supervisors: &[SupervisorInfo], actors: &[ActorInfo]) -> Vec<Grown> {
        let known = Known {
            supervisors: supervisors.iter().map(|info| (info.supervisor, info)).collect(),
            actors: actors.iter().map(|info| (info.actor, info)).collect(),
        };
        let is_root = |info: &&SupervisorInfo| {
            info.parent.is_none_or(|parent| !known.supervisors.contains_key(&parent))
        };
        let roots = supervisors.iter().filter(is_root);
        roots.map(|root| known.supervisor(root, label(&root.name, root.supervisor), 1)).collect()
    }
}

fn label(name: &str, id: ActorId) -> String {
    if name.is_empty() { id.to_string() } else { name.to_owned() }
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl Known<'_> {
    fn supervisor(&self, info: &SupervisorInfo, id: String, level: usize) -> Grown {
        let children = info.children.iter().map(|child| self.child(child, level));
        Grown {
            id,
            name: info.name.to_string(),
            kind: "supervisor",
            actor: info.supervisor.to_string(),
            strategy: Some(strategy_name(info.strategy)),
            class: None,
            state: actor_state(info.state),
            node: None,
            epoch: None,
            restarts: info.restarts,
            last_exit: said(&info.last_exit),
            children: children.collect(),
        }
    }

    fn child(&self, child: &ChildInfo, level: usize) -> Grown {
        let present = child.state == ChildState::Present;
        // What a head says is not trusted to end somewhere.
        if level < SupervisorSpec::MOST_LEVELS
            && let Some(below) = self.supervisors.get(&child.actor).filter(|_| child.is_supervisor && present)
        {
            return self.supervisor(below, child.id.to_string(), level + 1);
        }
        let actor = self.actors.get(&child.actor);
        let state = match actor {
            Some(actor) if present => actor_state(actor.state),
            _ => child_state(child.state),
        };
        Grown {
            id: child.id.to_string(),
            name: actor.map(|actor| actor.name.to_string()).unwrap_or_default(),
            kind: if child.is_supervisor { "supervisor" } else { "actor" },
            actor: child.actor.to_string(),
            strategy: None,
            class: actor.map(|actor| actor.class.to_string()),
            state,
            node: actor.and_then(|actor| Some(actor.node.as_ref()?.name.to_string())),
            epoch: actor.map(|actor| actor.epoch.0),
            restarts: actor.map_or(0, |actor| actor.restarts),
            last_exit: actor.and_then(|actor| said(&actor.last_exit)),
            children: Vec::new(),
        }
    }
}
