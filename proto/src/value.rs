//! Values, where they are, and outcomes.

use crate::error::{ConvertError, Required};
use crate::identity::{addresses, nodes};
use crate::wire;
use crate::wire::outcome::End;
use bytes::Bytes;
use mobula_types::outcome::StoredCopy;
use mobula_types::{Failure, Outcome, Payload, ResultValue, StoredValue};
use std::sync::Arc;

/// Up to this many bytes are copied out of the message that they came in, which would otherwise stay in memory, with
/// everything else in it, for as long as they do.
pub(crate) const COPIED_LENGTH: usize = 2 * 1024;

/// Received bytes as a payload.
#[inline]
pub fn payload(bytes: Bytes) -> Payload {
    if bytes.len() <= COPIED_LENGTH { Payload::from(&bytes[..]) } else { Payload::from(bytes) }
}

impl From<&StoredCopy> for wire::StoredCopy {
    fn from(copy: &StoredCopy) -> Self {
        wire::StoredCopy {
            length: copy.length,
            checksum: copy.checksum,
            holders: copy.holders.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<wire::StoredCopy> for StoredCopy {
    type Error = ConvertError;
    fn try_from(copy: wire::StoredCopy) -> Result<Self, ConvertError> {
        Ok(StoredCopy { length: copy.length, checksum: copy.checksum, holders: nodes(copy.holders)? })
    }
}

pub(crate) fn stored(copy: wire::StoredCopy) -> Result<StoredValue, ConvertError> {
    Ok(StoredValue::Stored(Arc::new(copy.try_into()?)))
}

impl From<ResultValue> for wire::ResultValue {
    fn from(result: ResultValue) -> Self {
        let contained = result.contained.as_deref().unwrap_or_default();
        let value = match result.value {
            StoredValue::Inline(payload) => wire::result_value::Value::Inline(payload.into_bytes()),
            StoredValue::Stored(copy) => wire::result_value::Value::Stored(copy.as_ref().into()),
        };
        let contained = contained.iter().cloned().map(Into::into).collect();
        wire::ResultValue { value: Some(value), contained }
    }
}

impl TryFrom<wire::ResultValue> for ResultValue {
    type Error = ConvertError;
    fn try_from(result: wire::ResultValue) -> Result<Self, ConvertError> {
        let value = match result.value.required("result_value.value")? {
            wire::result_value::Value::Inline(bytes) => StoredValue::Inline(payload(bytes)),
            wire::result_value::Value::Stored(copy) => stored(copy)?,
        };
        let contained = match result.contained {
            list if list.is_empty() => None,
            list => Some(addresses(list)?.into()),
        };
        Ok(ResultValue { value, contained })
    }
}

impl From<Outcome> for wire::Outcome {
    fn from(outcome: Outcome) -> Self {
        let end = match outcome {
            Outcome::Value(ResultValue { value: StoredValue::Inline(payload), contained: None }) => {
                End::Inline(payload.into_bytes())
            }
            Outcome::Value(value) => End::Value(value.into()),
            Outcome::Values(values) => {
                End::Values(wire::ResultValues { values: values.into_iter().map(Into::into).collect() })
            }
            Outcome::Failed(failure) => End::Failure(Box::new(failure.into())),
        };
        wire::Outcome { end: Some(end) }
    }
}

impl TryFrom<wire::Outcome> for Outcome {
    type Error = ConvertError;
    fn try_from(outcome: wire::Outcome) -> Result<Self, ConvertError> {
        match outcome.end.required("outcome.end")? {
            End::Inline(bytes) => Ok(Outcome::Value(ResultValue::inline(payload(bytes)))),
            End::Value(value) => Ok(Outcome::Value(value.try_into()?)),
            End::Values(list) => {
                let values = list.values.into_iter().map(ResultValue::try_from).collect::<Result<_, _>>()?;
                Ok(Outcome::Values(values))
            }
            End::Failure(failure) => Ok(Outcome::Failed(Failure::try_from(*failure)?)),
        }
    }
}

/// An outcome that must be there.
pub(crate) fn outcome(outcome: Option<wire::Outcome>, field: &'static str) -> Result<Outcome, ConvertError> {
    outcome.required(field)?.try_into()
}
