//! Children as they are declared, before it is known whose job they are.

use super::Supervisor;
use crate::actor::{ActorHandle, Creation};
use crate::remote::Declared;
use mobula_types::actor::{
    ActorOptions, ActorSpec, ChildKind, ChildShutdown, ChildSpec, RestartType, SupervisorSpec, Target,
};
use mobula_types::{Failure, JobId};
use std::sync::Arc;

/// A child of a supervisor that is to be started.
#[derive(Debug)]
pub(super) struct Child {
    id: Arc<str>,
    restart: RestartType,
    shutdown: ChildShutdown,
    significant: bool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Actor(Declared),
    Supervisor(Box<Supervisor>),
}

impl Child {
    /// An actor, which is kept as its own options say.
    ///
    /// # Errors
    /// `TooLarge` where its arguments take more than 4 KiB, `InvalidArgument` where there is a reference among them,
    /// `BadArguments` where one does not encode.
    pub(super) fn actor<H: ActorHandle>(id: Arc<str>, creation: Creation<H>) -> Result<Self, Failure> {
        let declared = creation.into_declared().map_err(|cause| {
            Failure::new(cause.kind(), format!("child '{id}' cannot be declared: {}", cause.message()))
                .caused_by(cause)
        })?;
        let own = match &declared.template.options.target {
            Target::Constructor(options) => options.clone(),
            _ => Arc::new(ActorOptions::default()),
        };
        let (restart, shutdown, significant) = (own.restart, own.shutdown, own.significant);
        Ok(Child { id, restart, shutdown, significant, kind: Kind::Actor(declared) })
    }

    /// A supervisor, which is kept as it says itself.
    pub(super) fn supervisor(id: Arc<str>, supervisor: Supervisor) -> Self {
        let (restart, shutdown, significant) =
            (supervisor.restart, supervisor.shutdown, supervisor.significant);
        let kind = Kind::Supervisor(Box::new(supervisor));
        Child { id, restart, shutdown, significant, kind }
    }

    /// As a head is told of it.
    pub(super) fn spec(&self, job: JobId) -> ChildSpec {
        let kind = match &self.kind {
            Kind::Actor(Declared { template, arguments }) => ChildKind::Actor(Arc::new(ActorSpec {
                job,
                template: template.clone(),
                arguments: arguments.clone(),
                inputs: Vec::new(),
            })),
            Kind::Supervisor(below) => ChildKind::Supervisor(Arc::new(below.spec(job))),
        };
        let Child { id, restart, shutdown, significant, .. } = self;
        ChildSpec { id: id.clone(), restart: *restart, shutdown: *shutdown, significant: *significant, kind }
    }

    /// What is wrong with a supervisor below, if anything is.
    pub(super) fn failure(&self) -> Option<&Failure> {
        match &self.kind {
            Kind::Actor(_) => None,
            Kind::Supervisor(below) => below.failure(),
        }
    }
}

impl Supervisor {
    /// As a head is told of it.
    pub(super) fn spec(&self, job: JobId) -> SupervisorSpec {
        SupervisorSpec {
            children: self.children.iter().map(|child| child.spec(job)).collect(),
            ..self.rules.clone()
        }
    }

    /// The first mistake that was made in declaring it.
    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref().or_else(|| self.children.iter().find_map(Child::failure))
    }
}
