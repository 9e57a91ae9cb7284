//! What heads are asked about actors and supervisors.

use super::enums::{actor_state_from_wire, actor_state_to_wire};
use super::namespace;
use super::spec::{SpecReader, SpecWriter};
use crate::error::{ConvertError, Required};
use crate::identity::{actor, nanos};
use crate::wire;
use crate::wire::actor_request::Request;
use crate::wire::actor_target::Target;
use mobula_types::JobId;
use mobula_types::actor::{ActorFilter, ActorRequest, ActorTarget, CreateActor};
use std::sync::Arc;
use std::time::Duration;

/// How many actors a list has unless its limit is set, and at most.
const DEFAULT_LIMIT: u32 = 1000;
const LONGEST_LIST: u32 = 10_000;

impl From<&ActorRequest> for wire::ActorRequest {
    fn from(request: &ActorRequest) -> Self {
        let request = match request {
            ActorRequest::Create(actors) => Request::Create(create_to_wire(actors)),
            ActorRequest::Find(target) => Request::Find(target.into()),
            ActorRequest::List { filter, limit } => Request::List(list_to_wire(filter, *limit)),
            ActorRequest::Stop { target, kill, grace } => Request::Stop(wire::StopActorTarget {
                target: Some(target.into()),
                kill: *kill,
                grace_nanos: nanos(*grace),
            }),
            ActorRequest::Restart(target) => Request::Restart(target.into()),
            ActorRequest::StartSupervisor { supervisor, namespace, name, job, detached, spec } => {
                Request::StartSupervisor(wire::StartSupervisor {
                    supervisor: Some((*supervisor).into()),
                    namespace: namespace.as_ref().into(),
                    name: name.as_ref().into(),
                    job: job.0,
                    detached: *detached,
                    tree: Some(spec.as_ref().into()),
                })
            }
            ActorRequest::StopSupervisor(target) => Request::StopSupervisor(target.into()),
            ActorRequest::StartChild { supervisor, actor, child } => Request::StartChild(wire::StartChild {
                supervisor: Some(supervisor.into()),
                actor: Some((*actor).into()),
                child: Some(child.into()),
            }),
            ActorRequest::TerminateChild { supervisor, child } => {
                Request::TerminateChild(child_of(supervisor, child))
            }
            ActorRequest::RestartChild { supervisor, child } => {
                Request::RestartChild(child_of(supervisor, child))
            }
            ActorRequest::DeleteChild { supervisor, child } => {
                Request::DeleteChild(child_of(supervisor, child))
            }
            ActorRequest::Children { supervisor, after, limit } => Request::Children(wire::ListChildren {
                supervisor: Some(supervisor.into()),
                after: *after,
                limit: u32::try_from(*limit).unwrap_or(u32::MAX),
            }),
            ActorRequest::ChildSpec { supervisor, child } => Request::ChildSpec(child_of(supervisor, child)),
            ActorRequest::Tree(target) => {
                Request::Tree(wire::TreeRequest { supervisor: target.as_ref().map(Into::into) })
            }
            ActorRequest::ListGroups { namespace, after, limit } => Request::ListGroups(wire::ListGroups {
                namespace: namespace.as_deref().map(Into::into),
                after: after.as_ref().map(|(namespace, name)| wire::GroupName {
                    namespace: namespace.as_ref().into(),
                    name: name.as_ref().into(),
                }),
                limit: u32::try_from(*limit).unwrap_or(u32::MAX),
            }),
        };
        wire::ActorRequest { request: Some(request) }
    }
}

impl TryFrom<wire::ActorRequest> for ActorRequest {
    type Error = ConvertError;
    fn try_from(request: wire::ActorRequest) -> Result<Self, ConvertError> {
        Ok(match request.request.required("actor_request.request")? {
            Request::Create(create) => ActorRequest::Create(create_from_wire(create)?),
            Request::Find(target) => ActorRequest::Find(target.try_into()?),
            Request::List(list) => list_from_wire(list)?,
            Request::Stop(stop) => ActorRequest::Stop {
                target: target(stop.target, "stop_actor_target.target")?,
                kill: stop.kill,
                grace: Duration::from_nanos(stop.grace_nanos),
            },
            Request::Restart(target) => ActorRequest::Restart(target.try_into()?),
            Request::StartSupervisor(start) => ActorRequest::StartSupervisor {
                supervisor: actor(start.supervisor, "start_supervisor.supervisor")?,
                namespace: namespace(start.namespace),
                name: start.name.into(),
                job: JobId(start.job),
                detached: start.detached,
                spec: start.tree.required("start_supervisor.tree")?.try_into()?,
            },
            Request::StopSupervisor(target) => ActorRequest::StopSupervisor(target.try_into()?),
            Request::StartChild(start) => ActorRequest::StartChild {
                supervisor: target(start.supervisor, "start_child.supervisor")?,
                actor: actor(start.actor, "start_child.actor")?,
                child: start.child.required("start_child.child")?.try_into()?,
            },
            Request::TerminateChild(of) => {
                let (supervisor, child) = read_child_of(of)?;
                ActorRequest::TerminateChild { supervisor, child }
            }
            Request::RestartChild(of) => {
                let (supervisor, child) = read_child_of(of)?;
                ActorRequest::RestartChild { supervisor, child }
            }
            Request::DeleteChild(of) => {
                let (supervisor, child) = read_child_of(of)?;
                ActorRequest::DeleteChild { supervisor, child }
            }
            Request::Children(list) => ActorRequest::Children {
                supervisor: target(list.supervisor, "list_children.supervisor")?,
                after: list.after,
                limit: usize::try_from(list.limit).unwrap_or(usize::MAX),
            },
            Request::ChildSpec(of) => {
                let (supervisor, child) = read_child_of(of)?;
                ActorRequest::ChildSpec { supervisor, child }
            }
            Request::Tree(tree) => {
                ActorRequest::Tree(tree.supervisor.map(ActorTarget::try_from).transpose()?)
            }
            Request::ListGroups(list) => ActorRequest::ListGroups {
                namespace: list.namespace.map(Into::into),
                after: list.after.map(|after| (after.namespace.into(), after.name.into())),
                limit: limit(list.limit),
            },
        })
    }
}

fn create_to_wire(actors: &[CreateActor]) -> wire::CreateActors {
    let mut specs = SpecWriter::default();
    let one = |create: &CreateActor| wire::CreateActor {
        actor: Some(create.actor.into()),
        spec: specs.number(&create.spec),
    };
    let actors = actors.iter().map(one).collect();
    wire::CreateActors { specs: specs.finish(), actors }
}

fn create_from_wire(create: wire::CreateActors) -> Result<Vec<CreateActor>, ConvertError> {
    let specs = SpecReader::new(create.specs)?;
    let one = |create: wire::CreateActor| {
        Ok(CreateActor {
            actor: actor(create.actor, "create_actor.actor")?,
            spec: specs.get(create.spec, "create_actor.spec")?,
        })
    };
    create.actors.into_iter().map(one).collect()
}

fn list_to_wire(filter: &ActorFilter, limit: usize) -> wire::ListActors {
    wire::ListActors {
        job: filter.job.map(|job| job.0),
        namespace: filter.namespace.as_deref().map(Into::into),
        state: filter.state.map_or(0, actor_state_to_wire),
        after: filter.after.map(Into::into),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
    }
}

fn list_from_wire(list: wire::ListActors) -> Result<ActorRequest, ConvertError> {
    let state = match list.state {
        0 => None,
        state => Some(actor_state_from_wire(state, "list_actors.state")?),
    };
    Ok(ActorRequest::List {
        filter: ActorFilter {
            job: list.job.map(JobId),
            namespace: list.namespace.map(Into::into),
            state,
            after: list.after.map(Into::into),
        },
        limit: limit(list.limit),
    })
}

fn limit(limit: u32) -> usize {
    (if limit == 0 { DEFAULT_LIMIT } else { limit.min(LONGEST_LIST) }) as usize
}

impl From<&ActorTarget> for wire::ActorTarget {
    fn from(target: &ActorTarget) -> Self {
        let target = match target {
            ActorTarget::Id(actor) => Target::Id((*actor).into()),
            ActorTarget::Named { namespace, name } => Target::Named(wire::ActorName {
                namespace: namespace.as_ref().into(),
                name: name.as_ref().into(),
            }),
        };
        wire::ActorTarget { target: Some(target) }
    }
}

impl TryFrom<wire::ActorTarget> for ActorTarget {
    type Error = ConvertError;
    fn try_from(target: wire::ActorTarget) -> Result<Self, ConvertError> {
        match target.target.required("actor_target.target")? {
            Target::Id(actor) => Ok(ActorTarget::Id(actor.into())),
            Target::Named(named) if named.name.is_empty() => Err(ConvertError::missing("actor_name.name")),
            Target::Named(named) => {
                Ok(ActorTarget::Named { namespace: namespace(named.namespace), name: named.name.into() })
            }
        }
    }
}

fn target(target: Option<wire::ActorTarget>, field: &'static str) -> Result<ActorTarget, ConvertError> {
    target.required(field)?.try_into()
}

fn child_of(supervisor: &ActorTarget, child: &Arc<str>) -> wire::ChildOf {
    wire::ChildOf { supervisor: Some(supervisor.into()), child: child.as_ref().into() }
}

fn read_child_of(of: wire::ChildOf) -> Result<(ActorTarget, Arc<str>), ConvertError> {
    Ok((target(of.supervisor, "child_of.supervisor")?, of.child.into()))
}
