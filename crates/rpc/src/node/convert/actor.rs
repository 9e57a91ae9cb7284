//! Calls of actors by thin clients.

use super::thin::{millis, request_id};
use super::{access, id, secret_to_text};
use crate::node::request::{Arguments, CallActor};
use bytes::Bytes;
use mobula_proto::error::Required;
use mobula_proto::{ConvertError, wire};
use mobula_types::ObjectId;
use mobula_types::actor::ActorTarget;
use std::time::Duration;
use wire::call_actor_request::{Actor, Arguments as Wire};

impl From<CallActor> for wire::CallActorRequest {
    fn from(request: CallActor) -> Self {
        let reference = |(parameter, object): (u32, ObjectId)| wire::ThinReference {
            parameter,
            object: object.to_string(),
        };
        wire::CallActorRequest {
            request_id: request.request_id.0,
            job: request.access.job.to_string(),
            secret: secret_to_text(&request.access.secret),
            actor: Some(match request.target {
                ActorTarget::Id(actor) => Actor::Id(actor.to_string()),
                ActorTarget::Named { namespace, name } => Actor::Named(wire::ActorName {
                    namespace: namespace.as_ref().into(),
                    name: name.as_ref().into(),
                }),
            }),
            method: request.method,
            arguments: Some(match request.arguments {
                Arguments::Json(text) => Wire::Json(text),
                Arguments::MessagePack(bytes) => Wire::Messagepack(bytes),
            }),
            references: request.references.into_iter().map(reference).collect(),
            options: Some(request.options.into()),
            timeout_millis: request.timeout.map(millis),
            json_value: request.json,
        }
    }
}

impl TryFrom<wire::CallActorRequest> for CallActor {
    type Error = ConvertError;
    fn try_from(request: wire::CallActorRequest) -> Result<Self, ConvertError> {
        if request.method.is_empty() {
            return Err(ConvertError::missing("call_actor_request.method"));
        }
        let reference = |reference: wire::ThinReference| {
            Ok((reference.parameter, id(&reference.object, "thin_reference.object")?))
        };
        Ok(CallActor {
            request_id: request_id(request.request_id)?,
            access: access(&request.job, &request.secret)?,
            target: target(request.actor.required("call_actor_request.actor")?)?,
            method: request.method,
            arguments: match request.arguments {
                None => Arguments::MessagePack(Bytes::new()),
                Some(Wire::Json(text)) => Arguments::Json(text),
                Some(Wire::Messagepack(bytes)) => Arguments::MessagePack(bytes),
            },
            references: request.references.into_iter().map(reference).collect::<Result<_, ConvertError>>()?,
            options: request.options.unwrap_or_default().into(),
            timeout: request.timeout_millis.map(Duration::from_millis),
            json: request.json_value,
        })
    }
}

fn target(actor: Actor) -> Result<ActorTarget, ConvertError> {
    Ok(match actor {
        Actor::Id(actor) => ActorTarget::Id(id(&actor, "call_actor_request.id")?),
        Actor::Named(name) => {
            wire::ActorTarget { target: Some(wire::actor_target::Target::Named(name)) }.try_into()?
        }
    })
}
