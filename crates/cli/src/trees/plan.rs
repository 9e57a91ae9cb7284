//! A tree as a file declares it, before there is a job for it.

use super::located::Position;
use mobula_types::actor::{
    ActorSpec, AutoShutdown, ChildKind, ChildShutdown, ChildSpec, Intensity, Placement, RestartType,
    SupervisorSpec, SupervisorStrategy,
};
use mobula_types::{JobId, Payload, TaskTemplate};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A tree.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct TreePlan {
    /// Where its name is unique.
    pub(crate) namespace: Arc<str>,
    /// Its name.
    pub(crate) name: Arc<str>,
    /// The program whose classes are meant; `None` for those that nodes embed.
    pub(crate) executable: Option<PathBuf>,
    /// The variables of its job.
    pub(crate) environment: BTreeMap<String, String>,
    /// Its root.
    pub(crate) root: SupervisorPlan,
}

/// A supervisor.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct SupervisorPlan {
    pub(super) strategy: SupervisorStrategy,
    pub(super) intensity: Intensity,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) placement: Placement,
    pub(super) children: Vec<ChildPlan>,
}

/// A child.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ChildPlan {
    pub(super) id: Arc<str>,
    pub(super) restart: RestartType,
    pub(super) shutdown: ChildShutdown,
    pub(super) significant: bool,
    pub(super) kind: KindPlan,
}

/// What a child is.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum KindPlan {
    Actor(ActorPlan),
    Supervisor(SupervisorPlan),
}

/// An actor.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ActorPlan {
    /// Where its class is named.
    pub(super) class_at: Position,
    pub(super) template: Arc<TaskTemplate>,
    pub(super) arguments: Payload,
}

/// How large a tree is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct TreeSize {
    /// Its supervisors, the root too.
    pub(crate) supervisors: usize,
    /// Its actors.
    pub(crate) actors: usize,
    /// Its supervisors above one another.
    pub(crate) levels: usize,
}

impl TreePlan {
    /// What a head is asked to start, in that job.
    pub(crate) fn spec(&self, job: JobId) -> SupervisorSpec {
        self.root.spec(job)
    }

    /// How large it is.
    pub(crate) fn size(&self) -> TreeSize {
        self.root.size()
    }

    /// The names of its constructors, each once, and where the first use of each is.
    pub(crate) fn classes(&self) -> BTreeMap<Arc<str>, Position> {
        let mut classes = BTreeMap::new();
        self.root.collect_classes(&mut classes);
        classes
    }
}

impl SupervisorPlan {
    fn spec(&self, job: JobId) -> SupervisorSpec {
        SupervisorSpec {
            strategy: self.strategy,
            intensity: self.intensity,
            auto_shutdown: self.auto_shutdown,
            placement: self.placement,
            children: self.children.iter().map(|child| child.spec(job)).collect(),
        }
    }

    fn size(&self) -> TreeSize {
        let own = TreeSize { supervisors: 1, actors: 0, levels: 1 };
        self.children.iter().fold(own, |size, child| match &child.kind {
            KindPlan::Actor(_) => TreeSize { actors: size.actors + 1, ..size },
            KindPlan::Supervisor(below) => {
                let below = below.size();
                TreeSize {
                    supervisors: size.supervisors + below.supervisors,
                    actors: size.actors + below.actors,
                    levels: size.levels.max(below.levels + 1),
                }
            }
        })
    }

    fn collect_classes(&self, classes: &mut BTreeMap<Arc<str>, Position>) {
        for child in &self.children {
            match &child.kind {
                KindPlan::Actor(actor) => {
                    classes.entry(actor.template.function.name.clone()).or_insert(actor.class_at);
                }
                KindPlan::Supervisor(below) => below.collect_classes(classes),
            }
        }
    }
}

impl ChildPlan {
    fn spec(&self, job: JobId) -> ChildSpec {
        let kind = match &self.kind {
            KindPlan::Actor(actor) => ChildKind::Actor(Arc::new(ActorSpec {
                job,
                template: actor.template.clone(),
                arguments: actor.arguments.clone(),
                inputs: Vec::new(),
            })),
            KindPlan::Supervisor(below) => ChildKind::Supervisor(Arc::new(below.spec(job))),
        };
        ChildSpec {
            id: self.id.clone(),
            restart: self.restart,
            shutdown: self.shutdown,
            significant: self.significant,
            kind,
        }
    }
}
