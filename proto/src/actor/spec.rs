//! What actors are started from. Where a message has many, what they share travels once and is shared again.

use crate::error::{ConvertError, Required};
use crate::value::payload;
use crate::wire;
use mobula_types::actor::ActorSpec;
use mobula_types::frame::Input;
use mobula_types::{JobId, TaskTemplate};
use std::collections::HashMap;
use std::sync::Arc;

/// The specs of a message that is written, numbered as they come up.
#[derive(Default)]
pub(super) struct SpecWriter {
    list: wire::ActorSpecs,
    specs: HashMap<*const ActorSpec, u32>,
    templates: HashMap<*const TaskTemplate, u32>,
}

impl SpecWriter {
    /// The number of a spec. What is one allocation has one number.
    pub(super) fn number(&mut self, spec: &Arc<ActorSpec>) -> u32 {
        let address = Arc::as_ptr(spec);
        if let Some(number) = self.specs.get(&address) {
            return *number;
        }
        let number = self.list.specs.len() as u32;
        self.specs.insert(address, number);
        let template = self.template(&spec.template);
        self.list.specs.push(wire::ActorSpec {
            job: spec.job.0,
            template,
            arguments: spec.arguments.clone().into_bytes(),
            inputs: spec.inputs.iter().cloned().map(wire::Input::from).collect(),
        });
        number
    }

    fn template(&mut self, template: &Arc<TaskTemplate>) -> u32 {
        let next = self.list.templates.len() as u32;
        let number = *self.templates.entry(Arc::as_ptr(template)).or_insert(next);
        if number == next {
            self.list.templates.push(template.as_ref().into());
        }
        number
    }

    pub(super) fn finish(self) -> Option<wire::ActorSpecs> {
        (!self.list.specs.is_empty()).then_some(self.list)
    }
}

/// The specs of a message that is read, by their numbers.
pub(super) struct SpecReader(Vec<Arc<ActorSpec>>);

impl SpecReader {
    pub(super) fn new(list: Option<wire::ActorSpecs>) -> Result<Self, ConvertError> {
        let list = list.unwrap_or_default();
        let templates = list.templates.into_iter().map(|template| template.try_into().map(Arc::new));
        let templates: Vec<Arc<TaskTemplate>> = templates.collect::<Result<_, ConvertError>>()?;
        let spec = |spec: wire::ActorSpec| {
            let template = templates.get(spec.template as usize);
            Ok(Arc::new(ActorSpec {
                job: JobId(spec.job),
                template: template
                    .ok_or_else(|| ConvertError::unknown("actor_spec.template", spec.template))?
                    .clone(),
                arguments: payload(spec.arguments),
                inputs: spec.inputs.into_iter().map(Input::try_from).collect::<Result<_, _>>()?,
            }))
        };
        list.specs.into_iter().map(spec).collect::<Result<_, _>>().map(SpecReader)
    }

    pub(super) fn get(&self, number: u32, field: &'static str) -> Result<Arc<ActorSpec>, ConvertError> {
        self.0.get(number as usize).cloned().ok_or_else(|| ConvertError::unknown(field, number))
    }
}

/// One spec by itself.
impl From<&Arc<ActorSpec>> for wire::ActorSpecs {
    fn from(spec: &Arc<ActorSpec>) -> Self {
        let mut writer = SpecWriter::default();
        writer.number(spec);
        writer.list
    }
}

/// One spec by itself.
impl TryFrom<wire::ActorSpecs> for Arc<ActorSpec> {
    type Error = ConvertError;
    fn try_from(list: wire::ActorSpecs) -> Result<Self, ConvertError> {
        SpecReader::new(Some(list))?.0.into_iter().next().required("actor_specs.specs")
    }
}
