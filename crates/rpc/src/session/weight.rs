//! How much memory and wire a frame takes, roughly: what bounds count.

use mobula_types::frame::{AssignmentEnd, Input};
use mobula_types::{Frame, Outcome, ResultValue, StoredValue};

/// What every frame costs beside its content.
const BASE: usize = 64;

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
        _ => 0,
    };
    (BASE + content) as u64
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
