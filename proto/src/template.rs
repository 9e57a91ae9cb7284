//! What repeats from task to task: functions, resources, labels, strategies, options.

use crate::actor::options::{target_from_wire, target_to_wire};
use crate::error::{ConvertError, Required};
use crate::identity::nanos;
use crate::wire;
use crate::wire::strategy::Kind;
use mobula_types::labels::LabelCondition;
use mobula_types::{
    FunctionId, FunctionInfo, FunctionKind, LabelExpression, NodeName, Quantity, Resources, Strategy,
    TaskOptions, TaskTemplate,
};
use std::sync::Arc;
use std::time::Duration;

impl From<FunctionId> for wire::FunctionId {
    fn from(function: FunctionId) -> Self {
        wire::FunctionId { name: function.name.as_ref().into(), version: function.version.as_ref().into() }
    }
}

impl TryFrom<wire::FunctionId> for FunctionId {
    type Error = ConvertError;
    fn try_from(function: wire::FunctionId) -> Result<Self, ConvertError> {
        if function.name.is_empty() {
            return Err(ConvertError::missing("function_id.name"));
        }
        Ok(FunctionId { name: function.name.into(), version: function.version.into() })
    }
}

impl From<FunctionInfo> for wire::FunctionInfo {
    fn from(info: FunctionInfo) -> Self {
        let kind = match info.kind {
            FunctionKind::Blocking => wire::FunctionKind::Blocking,
            FunctionKind::Async => wire::FunctionKind::Async,
        };
        wire::FunctionInfo {
            id: Some(info.id.into()),
            signature: info.signature,
            signature_text: info.signature_text.as_ref().into(),
            kind: kind.into(),
            place: info.place.as_ref().into(),
        }
    }
}

impl TryFrom<wire::FunctionInfo> for FunctionInfo {
    type Error = ConvertError;
    fn try_from(info: wire::FunctionInfo) -> Result<Self, ConvertError> {
        let kind = match wire::FunctionKind::try_from(info.kind) {
            Ok(wire::FunctionKind::Blocking) => FunctionKind::Blocking,
            Ok(wire::FunctionKind::Async) => FunctionKind::Async,
            _ => return Err(ConvertError::unknown("function_info.kind", info.kind)),
        };
        Ok(FunctionInfo {
            id: info.id.required("function_info.id")?.try_into()?,
            signature: info.signature,
            signature_text: info.signature_text.into(),
            kind,
            place: info.place.into(),
        })
    }
}

/// Translates functions, each of which must make sense.
pub fn functions(functions: Vec<wire::FunctionInfo>) -> Result<Vec<FunctionInfo>, ConvertError> {
    functions.into_iter().map(FunctionInfo::try_from).collect()
}

impl From<&Resources> for wire::Resources {
    fn from(resources: &Resources) -> Self {
        wire::Resources {
            cpu: resources.cpu.steps(),
            gpu: resources.gpu.steps(),
            memory: resources.memory.steps(),
            custom: resources
                .custom
                .iter()
                .map(|(name, amount)| (name.as_ref().into(), amount.steps()))
                .collect(),
        }
    }
}

impl From<wire::Resources> for Resources {
    fn from(resources: wire::Resources) -> Self {
        let custom = resources.custom.into_iter();
        Resources {
            cpu: Quantity::from_steps(resources.cpu),
            gpu: Quantity::from_steps(resources.gpu),
            memory: Quantity::from_steps(resources.memory),
            custom: custom.map(|(name, steps)| (name.into(), Quantity::from_steps(steps))).collect(),
        }
    }
}

impl From<LabelExpression> for wire::LabelExpression {
    fn from(expression: LabelExpression) -> Self {
        use wire::LabelOperator::{Equals, Exists, In, NotEquals, NotIn};
        let condition = |condition| {
            let (operator, key, values) = match condition {
                LabelCondition::Equals(key, value) => (Equals, key, vec![value]),
                LabelCondition::NotEquals(key, value) => (NotEquals, key, vec![value]),
                LabelCondition::In(key, values) => (In, key, values),
                LabelCondition::NotIn(key, values) => (NotIn, key, values),
                LabelCondition::Exists(key) => (Exists, key, Vec::new()),
            };
            wire::LabelCondition {
                operator: operator.into(),
                key: key.as_ref().into(),
                values: values.iter().map(|value| value.as_ref().into()).collect(),
            }
        };
        wire::LabelExpression { conditions: expression.conditions.into_iter().map(condition).collect() }
    }
}

impl TryFrom<wire::LabelExpression> for LabelExpression {
    type Error = ConvertError;
    fn try_from(expression: wire::LabelExpression) -> Result<Self, ConvertError> {
        let conditions = expression.conditions.into_iter().map(label_condition).collect::<Result<_, _>>()?;
        Ok(LabelExpression { conditions })
    }
}

fn label_condition(condition: wire::LabelCondition) -> Result<LabelCondition, ConvertError> {
    use wire::LabelOperator::{Equals, Exists, In, NotEquals, NotIn};
    let key: Arc<str> = condition.key.into();
    let values: Vec<Arc<str>> = condition.values.into_iter().map(Into::into).collect();
    let one = |values: Vec<Arc<str>>| {
        values.into_iter().next().ok_or_else(|| ConvertError::missing("label_condition.values"))
    };
    match wire::LabelOperator::try_from(condition.operator) {
        Ok(Equals) => Ok(LabelCondition::Equals(key, one(values)?)),
        Ok(NotEquals) => Ok(LabelCondition::NotEquals(key, one(values)?)),
        Ok(In) => Ok(LabelCondition::In(key, values)),
        Ok(NotIn) => Ok(LabelCondition::NotIn(key, values)),
        Ok(Exists) => Ok(LabelCondition::Exists(key)),
        _ => Err(ConvertError::unknown("label_condition.operator", condition.operator)),
    }
}

fn strategy_to_wire(strategy: Strategy) -> Option<wire::Strategy> {
    let kind = match strategy {
        Strategy::Default => return None,
        Strategy::Spread => Kind::Spread(wire::Empty {}),
        Strategy::NodeAffinity { node, soft } => {
            Kind::NodeAffinity(wire::NodeAffinity { node: node.as_str().into(), soft })
        }
        Strategy::Labels(expression) => Kind::Labels(expression.into()),
    };
    Some(wire::Strategy { kind: Some(kind) })
}

fn strategy_from_wire(strategy: Option<wire::Strategy>) -> Result<Strategy, ConvertError> {
    match strategy.and_then(|strategy| strategy.kind) {
        None => Ok(Strategy::Default),
        Some(Kind::Spread(_)) => Ok(Strategy::Spread),
        Some(Kind::NodeAffinity(affinity)) => {
            Ok(Strategy::NodeAffinity { node: NodeName(affinity.node.into()), soft: affinity.soft })
        }
        Some(Kind::Labels(expression)) => Ok(Strategy::Labels(expression.try_into()?)),
    }
}

impl From<TaskOptions> for wire::TaskOptions {
    fn from(options: TaskOptions) -> Self {
        wire::TaskOptions {
            name: options.name.as_ref().into(),
            resources: Some((&options.resources).into()),
            strategy: strategy_to_wire(options.strategy),
            num_returns: Some(options.num_returns),
            max_retries: Some(options.max_retries),
            timeout_nanos: options.timeout.map(nanos),
            priority: options.priority,
            fail_if_infeasible: options.fail_if_infeasible,
            isolated: options.isolated,
            target: target_to_wire(options.target),
        }
    }
}

impl TryFrom<wire::TaskOptions> for TaskOptions {
    type Error = ConvertError;
    fn try_from(options: wire::TaskOptions) -> Result<Self, ConvertError> {
        let default = TaskOptions::default();
        Ok(TaskOptions {
            name: options.name.into(),
            resources: options.resources.map_or(default.resources, Into::into),
            strategy: strategy_from_wire(options.strategy)?,
            num_returns: options.num_returns.unwrap_or(default.num_returns),
            max_retries: options.max_retries.unwrap_or(default.max_retries),
            timeout: options.timeout_nanos.map(Duration::from_nanos),
            priority: options.priority,
            fail_if_infeasible: options.fail_if_infeasible,
            isolated: options.isolated,
            target: target_from_wire(options.target)?,
        })
    }
}

impl From<&TaskTemplate> for wire::TaskTemplate {
    fn from(template: &TaskTemplate) -> Self {
        wire::TaskTemplate {
            function: Some(template.function.clone().into()),
            signature: template.signature,
            options: Some(template.options.clone().into()),
        }
    }
}

impl TryFrom<wire::TaskTemplate> for TaskTemplate {
    type Error = ConvertError;
    fn try_from(template: wire::TaskTemplate) -> Result<Self, ConvertError> {
        Ok(TaskTemplate {
            function: template.function.required("task_template.function")?.try_into()?,
            signature: template.signature,
            options: template.options.unwrap_or_default().try_into()?,
        })
    }
}
