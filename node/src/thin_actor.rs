//! Unary calls of actors by thin clients.

use crate::requests::Method;
use crate::service::Service;
use crate::shard::Call;
use crate::thin::encode_arguments;
use bytes::Bytes;
use mobula_core::tasks::CallTarget;
use mobula_rpc::node::{CallActor, GetObject, ObjectValue};
use mobula_runtime::clock;
use mobula_types::actor::{ActorAnswer, ActorInfo, ActorRequest, ActorTarget, Caller, Target};
use mobula_types::{
    ArgumentRef, ArgumentShape, Attempt, Failure, FailureKind, FunctionId, ObjectAddress, ObjectId,
    Resources, TaskId, TaskOptions, TaskTemplate,
};
use std::sync::Arc;

impl Service {
    /// Calls an actor, and waits for what it answers. A repeat of the request waits for the same call.
    pub(crate) async fn call_actor_thin(&self, request: CallActor) -> Result<ObjectValue, Failure> {
        let _call = self.begin(&request.access).await?;
        let (access, id) = (request.access.clone(), request.request_id.clone());
        let (timeout, json, cast) = (request.timeout, request.json, request.options.cast);
        let service = self.clone();
        let calling = async move { service.call_new(request).await };
        let task = self.thin.requests.once(Some(access.job), Method::CallActor, &id, calling).await?;
        if cast {
            return Ok(ObjectValue { value: Bytes::new(), json: None });
        }
        let object = ObjectId::result(task, 0);
        self.get_thin(GetObject { access, object, timeout, json }).await
    }

    async fn call_new(&self, request: CallActor) -> Result<TaskId, Failure> {
        let job = request.access.job;
        let info = self.find_actor(request.target).await?;
        let task = TaskId::of_driver(job, self.thin.number());
        let options = TaskOptions {
            resources: Resources::default(),
            num_returns: u32::from(!request.options.cast),
            max_retries: 0,
            target: Target::Method(request.options),
            ..TaskOptions::default()
        };
        let function = method_of(&info, &request.method)?;
        let template = Arc::new(TaskTemplate { function, signature: None, options });
        let arguments = encode_arguments(&request.arguments)?;
        let references = request.references.into_iter().map(|(parameter, object)| ArgumentRef {
            parameter,
            shape: ArgumentShape::Whole,
            address: ObjectAddress::at_home(object),
        });
        let references = references.collect();
        let deadline = request.timeout.map(|left| clock::now() + left);
        // Each such call is a caller of its own: nothing orders it with others.
        let caller = Caller::Task(task, Attempt::default());
        let target = CallTarget { caller, actor: info.actor, sequence: 1, answered_below: 1, parent: None };
        let call =
            |reply| Call::Invoke { job, task, template, arguments, references, deadline, target, reply };
        match self.call(call).await? {
            Some(refused) => Err(refused),
            None => Ok(task),
        }
    }

    async fn find_actor(&self, target: ActorTarget) -> Result<ActorInfo, Failure> {
        match self.head.actors(&ActorRequest::Find(target)).await? {
            ActorAnswer::Found(info) => Ok(*info),
            _ => Err(Failure::new(FailureKind::Malformed, "the head answered something else than an actor")),
        }
    }
}

/// A method of an actor's class. It is named beside the constructor: `crate::module::Type::method`.
fn method_of(info: &ActorInfo, method: &str) -> Result<FunctionId, Failure> {
    let Some((class, _constructor)) = info.class.name.rsplit_once("::") else {
        let message = format!("the constructor {} names no class", info.class);
        return Err(Failure::new(FailureKind::Internal, message));
    };
    Ok(FunctionId::new(&format!("{class}::{method}"), &info.class.version))
}
