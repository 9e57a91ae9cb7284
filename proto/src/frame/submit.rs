//! Client or worker to node: submitted tasks, released objects.

use crate::error::ConvertError;
use crate::identity::{addresses, nanos, object_id, unpack_objects};
use crate::value::payload;
use crate::wire;
use mobula_types::frame::{Charges, Progress, Reoffer, Submit, SubmitExtras};
use mobula_types::{ArgumentRef, ArgumentShape, NodeId, ObjectAddress, TaskId, TemplateId};
use std::time::Duration;

impl From<Submit> for wire::Submit {
    fn from(submit: Submit) -> Self {
        let extras = submit.extras.map(|extras| *extras).unwrap_or_default();
        wire::Submit {
            task_high: submit.task.high,
            task_low: submit.task.low,
            template: submit.template.0,
            arguments: submit.arguments.into_bytes(),
            references: extras.references.into_iter().map(Into::into).collect(),
            contained: extras.contained.into_iter().map(Into::into).collect(),
            deadline_nanos: extras.deadline.map(nanos),
            parent: submit.parent,
            reoffer: extras.reoffer.map(Into::into),
        }
    }
}

impl TryFrom<wire::Submit> for Submit {
    type Error = ConvertError;
    fn try_from(submit: wire::Submit) -> Result<Self, ConvertError> {
        let extras = SubmitExtras {
            references: submit.references.into_iter().map(ArgumentRef::try_from).collect::<Result<_, _>>()?,
            contained: addresses(submit.contained)?,
            deadline: submit.deadline_nanos.map(Duration::from_nanos),
            reoffer: submit.reoffer.map(Reoffer::try_from).transpose()?,
        };
        Ok(Submit {
            task: TaskId { high: submit.task_high, low: submit.task_low },
            template: TemplateId(submit.template),
            arguments: payload(submit.arguments),
            parent: submit.parent,
            extras: extras.boxed(),
        })
    }
}

impl From<Reoffer> for wire::Reoffer {
    fn from(reoffer: Reoffer) -> Self {
        let progress = match reoffer.progress {
            Progress::Unsent => wire::reoffer::Progress::Unsent,
            Progress::Offered => wire::reoffer::Progress::Offered,
            Progress::Ended => wire::reoffer::Progress::Ended,
        };
        wire::Reoffer {
            progress: progress.into(),
            charges: Some(reoffer.charges.into()),
            outcome: reoffer.outcome.map(Into::into),
        }
    }
}

impl TryFrom<wire::Reoffer> for Reoffer {
    type Error = ConvertError;
    fn try_from(reoffer: wire::Reoffer) -> Result<Self, ConvertError> {
        let progress = match wire::reoffer::Progress::try_from(reoffer.progress) {
            Ok(wire::reoffer::Progress::Unsent) => Progress::Unsent,
            Ok(wire::reoffer::Progress::Offered) => Progress::Offered,
            Ok(wire::reoffer::Progress::Ended) => Progress::Ended,
            Err(_) => return Err(ConvertError::unknown("reoffer.progress", reoffer.progress)),
        };
        Ok(Reoffer {
            progress,
            charges: reoffer.charges.unwrap_or_default().into(),
            outcome: reoffer.outcome.map(mobula_types::Outcome::try_from).transpose()?,
        })
    }
}

impl From<Charges> for wire::Charges {
    fn from(charges: Charges) -> Self {
        let loss_nanos = charges.losses.into_iter().map(nanos).collect();
        wire::Charges { retries: charges.retries, loss_nanos }
    }
}

impl From<wire::Charges> for Charges {
    fn from(charges: wire::Charges) -> Self {
        let losses = charges.loss_nanos.into_iter().map(Duration::from_nanos).collect();
        Charges { retries: charges.retries, losses }
    }
}

pub(super) fn shape_to_wire(shape: ArgumentShape) -> i32 {
    match shape {
        ArgumentShape::Whole => wire::ArgumentShape::Whole,
        ArgumentShape::Element => wire::ArgumentShape::Element,
        ArgumentShape::EmptyVec => wire::ArgumentShape::EmptyVec,
    }
    .into()
}

pub(super) fn shape_from_wire(number: i32, field: &'static str) -> Result<ArgumentShape, ConvertError> {
    match wire::ArgumentShape::try_from(number) {
        Ok(wire::ArgumentShape::Whole) => Ok(ArgumentShape::Whole),
        Ok(wire::ArgumentShape::Element) => Ok(ArgumentShape::Element),
        Ok(wire::ArgumentShape::EmptyVec) => Ok(ArgumentShape::EmptyVec),
        Err(_) => Err(ConvertError::unknown(field, number)),
    }
}

impl From<ArgumentRef> for wire::ArgumentRef {
    fn from(reference: ArgumentRef) -> Self {
        let ObjectAddress { object, owner } = reference.address;
        wire::ArgumentRef {
            parameter: reference.parameter,
            shape: shape_to_wire(reference.shape),
            high: object.task.high,
            low: object.task.low,
            index: object.index.to_bits(),
            owner: owner.map(Into::into),
        }
    }
}

impl TryFrom<wire::ArgumentRef> for ArgumentRef {
    type Error = ConvertError;
    fn try_from(reference: wire::ArgumentRef) -> Result<Self, ConvertError> {
        let object = object_id(reference.high, reference.low, reference.index)?;
        let owner = reference.owner.map(NodeId::try_from).transpose()?;
        Ok(ArgumentRef {
            parameter: reference.parameter,
            shape: shape_from_wire(reference.shape, "argument_ref.shape")?,
            address: ObjectAddress { object, owner },
        })
    }
}

pub(super) fn release(objects: Vec<ObjectAddress>) -> wire::Release {
    let mut release = wire::Release::default();
    release.home.reserve_exact(objects.len() * 3);
    for address in objects {
        if address.owner.is_none() {
            let object = address.object;
            release.home.extend([object.task.high, object.task.low, object.index.to_bits()]);
        } else {
            release.foreign.push(address.into());
        }
    }
    release
}

pub(super) fn released(release: wire::Release) -> Result<Vec<ObjectAddress>, ConvertError> {
    let home = unpack_objects(&release.home, "release.home")?;
    let mut objects: Vec<_> = home.into_iter().map(ObjectAddress::at_home).collect();
    objects.extend(addresses(release.foreign)?);
    Ok(objects)
}
