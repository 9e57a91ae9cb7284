//! Node to worker: runs and their inputs.

use super::submit::{shape_from_wire, shape_to_wire};
use crate::error::{ConvertError, Required};
use crate::identity::{attempt, nanos, object_id};
use crate::value::{payload, stored};
use crate::wire;
use mobula_types::frame::{Input, Run, RunExtras};
use mobula_types::{StoredValue, TaskId, TemplateId};
use std::time::Duration;

impl From<Run> for wire::Run {
    fn from(run: Run) -> Self {
        let extras = run.extras.map(|extras| *extras).unwrap_or_default();
        wire::Run {
            handle: run.handle,
            slot: run.slot,
            task_high: run.task.high,
            task_low: run.task.low,
            owner_term: run.attempt.owner_term.0,
            attempt: run.attempt.number,
            template: run.template.0,
            arguments: run.arguments.into_bytes(),
            inputs: extras.inputs.into_iter().map(Into::into).collect(),
            deadline_nanos: extras.deadline.map(nanos),
        }
    }
}

impl TryFrom<wire::Run> for Run {
    type Error = ConvertError;
    fn try_from(run: wire::Run) -> Result<Self, ConvertError> {
        let deadline = run.deadline_nanos.map(Duration::from_nanos);
        let extras = RunExtras { inputs: inputs(run.inputs)?, deadline };
        Ok(Run {
            handle: run.handle,
            slot: run.slot,
            task: TaskId { high: run.task_high, low: run.task_low },
            attempt: attempt(run.owner_term, run.attempt),
            template: TemplateId(run.template),
            arguments: payload(run.arguments),
            extras: extras.boxed(),
        })
    }
}

pub(super) fn inputs(inputs: Vec<wire::Input>) -> Result<Vec<Input>, ConvertError> {
    inputs.into_iter().map(Input::try_from).collect()
}

impl From<Input> for wire::Input {
    fn from(input: Input) -> Self {
        let value = match input.value {
            StoredValue::Inline(payload) => wire::input::Value::Inline(payload.into_bytes()),
            StoredValue::Stored(copy) => wire::input::Value::Stored(copy.as_ref().into()),
        };
        wire::Input {
            parameter: input.parameter,
            shape: shape_to_wire(input.shape),
            high: input.object.task.high,
            low: input.object.task.low,
            index: input.object.index.to_bits(),
            value: Some(value),
        }
    }
}

impl TryFrom<wire::Input> for Input {
    type Error = ConvertError;
    fn try_from(input: wire::Input) -> Result<Self, ConvertError> {
        let value = match input.value.required("input.value")? {
            wire::input::Value::Inline(bytes) => StoredValue::Inline(payload(bytes)),
            wire::input::Value::Stored(copy) => stored(copy)?,
        };
        Ok(Input {
            parameter: input.parameter,
            shape: shape_from_wire(input.shape, "input.shape")?,
            object: object_id(input.high, input.low, input.index)?,
            value,
        })
    }
}
