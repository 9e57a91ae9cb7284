//! How much memory and wire a frame takes, roughly: what bounds count.

use mobula_types::actor::{
    ActorAnswer, ActorRequest, CallEnd, ChildKind, ChildSpec, Publication, SupervisorSpec,
};
use mobula_types::frame::{Answer, Ask, AssignmentEnd, Input, SubmitExtras};
use mobula_types::{Frame, Outcome, ResultValue, StoredValue};

/// What every frame costs beside its content.
const BASE: usize = 64;

/// What the reason of an exit takes, with its causes.
const EXIT: usize = 1024;
/// What an actor's spec takes beside its arguments, and a description of an actor or a supervisor.
const SPEC: usize = 512;

/// What a frame that waits takes: bytes, within a small factor, in constant time for frequent frames.
pub fn weight(frame: &Frame) -> u64 {
    let content = match frame {
        Frame::Submit(submit) => {
            submit.arguments.len() + 48 * submit.references().len() + 32 * submit.contained().len()
        }
        Frame::Run(run) => run.arguments.len() + inputs(run.inputs()),
        Frame::Assign(assignment) => assignment.arguments.len() + inputs(&assignment.inputs),
        Frame::Put { value, .. } => result(value),
        Frame::Completed { outcome, .. } | Frame::Got { outcome, .. } | Frame::Resolved { outcome, .. } => {
            self::outcome(outcome)
        }
        Frame::Done { outcome, borrows, .. } => self::outcome(outcome) + 32 * borrows.len(),
        Frame::AssignmentEnded { end, .. } => match &**end {
            AssignmentEnd::Ran { outcome, borrows, .. } => self::outcome(outcome) + 24 * borrows.len(),
            _ => 0,
        },
        Frame::Release { objects } => 32 * objects.len(),
        Frame::Borrow { objects } | Frame::Unborrow { objects } | Frame::Free { objects } => {
            24 * objects.len()
        }
        Frame::Recall { handles } | Frame::Returned { handles } => 8 * handles.len(),
        Frame::RecallAssignments { tasks } | Frame::ConfirmAssignments { tasks } => 32 * tasks.len(),
        Frame::Template { .. } => 512,
        Frame::View(delta) => 512 * delta.changed.len(),
        Frame::Announce { functions } => 256 * functions.len(),
        Frame::FoundJob(found) => {
            let values: usize = found.copies.iter().map(|(_, value)| result(value)).sum();
            96 * found.copies.len() + 32 * found.running.len() + 16 * found.unstarted.len() + values
        }
        Frame::Warning { text } => text.len(),
        Frame::Call(call) => call.arguments.len() + extras(call.extras.as_deref()),
        Frame::Turn(turn) => 128 + turn.arguments.len() + inputs(&turn.inputs),
        Frame::LaneCall(call) => 128 + call.arguments.len() + inputs(&call.inputs),
        Frame::LaneCallEnded(ended) => match &ended.end {
            CallEnd::Ran { outcome, borrows, .. } => self::outcome(outcome) + 24 * borrows.len(),
            CallEnd::NotStarted { .. } | CallEnd::Died { .. } => EXIT,
            CallEnd::Refused { failure } | CallEnd::InputsUnavailable { failure } => {
                failure.message().len() + 256
            }
        },
        Frame::HostActor(host) => 128 + host.arguments.len(),
        Frame::StopActor { .. } | Frame::ActorExited { .. } | Frame::Down { .. } => EXIT,
        Frame::Publish(publication) => self::publication(publication),
        Frame::Published { publication, .. } | Frame::Distribute(publication) => {
            self::publication(publication)
        }
        Frame::Enrol(_) => SPEC,
        Frame::Observed { changes, .. } => {
            let below = changes.iter().filter_map(|change| change.below.as_ref());
            EXIT * changes.len() + below.map(|below| 24 * below.len()).sum::<usize>()
        }
        Frame::Ask { ask, .. } => self::ask(ask),
        Frame::Answered { answer, .. } => self::answer(answer),
        _ => 0,
    };
    (BASE + content) as u64
}

fn extras(extras: Option<&SubmitExtras>) -> usize {
    extras.map_or(0, |extras| 48 * extras.references.len() + 32 * extras.contained.len())
}

fn ask(ask: &Ask) -> usize {
    match ask {
        Ask::Actors(ActorRequest::Create(actors)) => {
            actors.iter().map(|create| SPEC + create.spec.arguments.len()).sum()
        }
        Ask::Actors(ActorRequest::StartSupervisor { spec, .. }) => tree(spec),
        Ask::Actors(ActorRequest::StartChild { child, .. }) => self::child(child),
        _ => SPEC,
    }
}

fn answer(answer: &Answer) -> usize {
    match answer {
        Answer::Actors(ActorAnswer::Created(actors)) => 32 * actors.len(),
        Answer::Actors(ActorAnswer::List { actors, .. }) => SPEC * actors.len(),
        Answer::Actors(ActorAnswer::Tree { supervisors, actors, .. }) => {
            let children: usize = supervisors.iter().map(|supervisor| supervisor.children.len()).sum();
            SPEC * (supervisors.len() + actors.len()) + 128 * children
        }
        Answer::Actors(ActorAnswer::Children(supervisor)) => SPEC + 128 * supervisor.children.len(),
        Answer::Actors(ActorAnswer::ChildSpec(child)) => self::child(child),
        Answer::Actors(ActorAnswer::Groups { groups, .. }) => {
            groups.iter().map(|group| SPEC + 32 * group.members.len()).sum()
        }
        Answer::Members(members) => 32 * members.len(),
        _ => EXIT,
    }
}

fn publication(publication: &Publication) -> usize {
    publication.namespace.len() + publication.topic.len() + publication.payload.len()
}

fn tree(spec: &SupervisorSpec) -> usize {
    128 + spec.children.iter().map(child).sum::<usize>()
}

fn child(child: &ChildSpec) -> usize {
    match &child.kind {
        ChildKind::Actor(spec) => SPEC + spec.arguments.len(),
        ChildKind::Supervisor(spec) => 128 + tree(spec),
    }
}

fn inputs(inputs: &[Input]) -> usize {
    inputs.iter().map(|input| 48 + stored(&input.value)).sum()
}

fn outcome(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Value(value) => result(value),
        Outcome::Values(values) => values.iter().map(|value| 32 + result(value)).sum(),
        Outcome::Failed(failure) => failure.message().len() + 256,
    }
}

fn result(result: &ResultValue) -> usize {
    stored(&result.value) + 32 * result.contained.as_deref().map_or(0, <[_]>::len)
}

fn stored(value: &StoredValue) -> usize {
    match value {
        StoredValue::Inline(payload) => payload.len(),
        StoredValue::Stored(copy) => 32 + 32 * copy.holders.len(),
    }
}
