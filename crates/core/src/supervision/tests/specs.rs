//! Short ways to write specs, requests and traces.

use mobula_types::actor::*;
use mobula_types::*;
use std::sync::Arc;
use std::time::Duration;

pub(super) const JOB: JobId = JobId(7);
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// What nodes did, by the names of the classes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Start(String),
    Stop(String),
}

pub(super) fn id(number: u64) -> ActorId {
    ActorId(TaskId { high: 1, low: number })
}

/// Asks for a supervisor with its children.
pub(super) fn all_children(of: ActorId) -> ActorRequest {
    ActorRequest::Children { supervisor: ActorTarget::Id(of), after: None, limit: usize::MAX }
}

pub(super) fn options() -> ActorOptions {
    ActorOptions::default()
}

pub(super) fn spec_with(class: &str, options: ActorOptions) -> Arc<ActorSpec> {
    let task = TaskOptions {
        resources: Resources::default(),
        target: Target::Constructor(Arc::new(options)),
        ..TaskOptions::default()
    };
    let template = TaskTemplate { function: FunctionId::new(class, ""), signature: None, options: task };
    Arc::new(ActorSpec {
        job: JOB,
        template: Arc::new(template),
        arguments: Payload::from(&b"1"[..]),
        inputs: Vec::new(),
    })
}

pub(super) fn spec(class: &str) -> Arc<ActorSpec> {
    spec_with(class, options())
}

pub(super) fn child(class: &str) -> ChildSpec {
    ChildSpec {
        id: class.into(),
        restart: RestartType::Permanent,
        shutdown: ChildShutdown::default(),
        significant: false,
        kind: ChildKind::Actor(spec(class)),
    }
}

pub(super) fn below(id: &str, spec: SupervisorSpec) -> ChildSpec {
    let kind = ChildKind::Supervisor(Arc::new(spec));
    ChildSpec { kind, shutdown: ChildShutdown::Infinity, ..child(id) }
}

pub(super) fn tree(strategy: SupervisorStrategy, children: Vec<ChildSpec>) -> SupervisorSpec {
    SupervisorSpec { strategy, children, ..SupervisorSpec::default() }
}

pub(super) fn start_tree(number: u64, name: &str, spec: SupervisorSpec) -> ActorRequest {
    ActorRequest::StartSupervisor {
        supervisor: id(number),
        namespace: "default".into(),
        name: name.into(),
        job: JOB,
        detached: false,
        spec: Arc::new(spec),
    }
}

pub(super) fn create(number: u64, spec: Arc<ActorSpec>) -> ActorRequest {
    ActorRequest::Create(vec![CreateActor { actor: id(number), spec }])
}

/// `+a` for a start, `-a` for a stop.
pub(super) fn steps(text: &str) -> Vec<Step> {
    let step = |word: &str| match word.strip_prefix('+') {
        Some(class) => Step::Start(class.into()),
        None => Step::Stop(word.trim_start_matches('-').into()),
    };
    text.split_whitespace().map(step).collect()
}
