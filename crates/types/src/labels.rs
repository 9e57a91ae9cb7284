//! Labels of nodes and expressions over them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A node's labels.
pub type Labels = BTreeMap<Arc<str>, Arc<str>>;

/// One condition on a label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum LabelCondition {
    /// `key = value`
    Equals(Arc<str>, Arc<str>),
    /// `key != value`; a node without the label satisfies it.
    NotEquals(Arc<str>, Arc<str>),
    /// `key in (a, b)`
    In(Arc<str>, Vec<Arc<str>>),
    /// `key not in (a, b)`; a node without the label satisfies it.
    NotIn(Arc<str>, Vec<Arc<str>>),
    /// `key exists`
    Exists(Arc<str>),
}

/// Conditions that must all hold, written `zone = a && disk in (ssd, nvme) && gpu exists`.
///
/// ```
/// use mobula_types::LabelExpression;
/// let expression: LabelExpression = "zone = a && disk not in (tape)".parse().unwrap();
/// let labels = [("zone".into(), "a".into())].into_iter().collect();
/// assert!(expression.matches(&labels));
/// assert_eq!(expression.to_string(), "zone = a && disk not in (tape)");
/// ```
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct LabelExpression {
    /// All must hold.
    pub conditions: Vec<LabelCondition>,
}

impl LabelExpression {
    /// Whether a node with these labels satisfies every condition.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.conditions.iter().all(|condition| match condition {
            LabelCondition::Equals(key, value) => labels.get(key) == Some(value),
            LabelCondition::NotEquals(key, value) => labels.get(key) != Some(value),
            LabelCondition::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            LabelCondition::NotIn(key, values) => {
                !labels.get(key).is_some_and(|value| values.contains(value))
            }
            LabelCondition::Exists(key) => labels.contains_key(key),
        })
    }
}

/// Text that is not a label expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{condition}' is not a label condition: write key = value, key != value, key in (a, b), key not in (a, b) or key exists, joined by &&"
)]
pub struct ParseLabelError {
    condition: String,
}

impl FromStr for LabelExpression {
    type Err = ParseLabelError;
    fn from_str(text: &str) -> Result<Self, ParseLabelError> {
        let conditions = text.split("&&").map(parse_condition).collect::<Result<_, _>>()?;
        Ok(LabelExpression { conditions })
    }
}

fn parse_condition(text: &str) -> Result<LabelCondition, ParseLabelError> {
    let text = text.trim();
    let error = || ParseLabelError { condition: text.chars().take(80).collect() };
    let word = |text: &str| {
        let text = text.trim();
        let plain = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "=!(),&".contains(c));
        plain.then(|| Arc::<str>::from(text)).ok_or_else(error)
    };
    let values = |text: &str| {
        let inner =
            text.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(error)?;
        inner.split(',').map(word).collect::<Result<Vec<_>, _>>()
    };
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(LabelCondition::NotEquals(word(key)?, word(value)?));
    }
    if let Some((key, value)) = text.split_once('=') {
        return Ok(LabelCondition::Equals(word(key)?, word(value.trim_start_matches('='))?));
    }
    if let Some((key, list)) = text.split_once(" not in") {
        return Ok(LabelCondition::NotIn(word(key)?, values(list)?));
    }
    if let Some((key, list)) = text.split_once(" in") {
        return Ok(LabelCondition::In(word(key)?, values(list)?));
    }
    match text.strip_suffix(" exists") {
        Some(key) => Ok(LabelCondition::Exists(word(key)?)),
        None => Err(error()),
    }
}

impl fmt::Display for LabelExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, condition) in self.conditions.iter().enumerate() {
            if index > 0 {
                f.write_str(" && ")?;
            }
            match condition {
                LabelCondition::Equals(key, value) => write!(f, "{key} = {value}")?,
                LabelCondition::NotEquals(key, value) => write!(f, "{key} != {value}")?,
                LabelCondition::In(key, values) => write!(f, "{key} in ({})", values.join(", "))?,
                LabelCondition::NotIn(key, values) => write!(f, "{key} not in ({})", values.join(", "))?,
                LabelCondition::Exists(key) => write!(f, "{key} exists")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_parses_prints_and_matches() {
        let labels: Labels = [("zone".into(), "a".into()), ("gpu".into(), "t4".into())].into_iter().collect();
        let holds = ["zone = a", "zone != b", "zone in (a, b)", "zone not in (c)", "gpu exists", "x != y"];
        let fails = ["zone = b", "zone != a", "zone in (c)", "zone not in (a)", "x exists", "x in (y)"];
        for (texts, expected) in [(holds, true), (fails, false)] {
            for text in texts {
                let expression: LabelExpression = text.parse().unwrap();
                assert_eq!(expression.to_string(), text);
                assert_eq!(expression.matches(&labels), expected, "{text}");
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "zone", "= a", "zone in a, b", "a && ", "a b = c", "zone in ()"] {
            assert!(text.parse::<LabelExpression>().is_err(), "{text}");
        }
    }
}
