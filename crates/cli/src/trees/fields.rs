//! Reads a mapping key by key; what is not known in it, or is of the wrong kind, is a mistake with its place.

use super::located::{Entry, Located, Position, Problem, Value};
use crate::settings::{ByteSize, HumanDuration};
use mobula_types::Quantity;
use std::time::Duration;

/// How alike two words have to be, from 0 to 1, for one to be meant by the other.
const ALIKE: f64 = 0.75;

/// A mapping of which the keys are known.
pub(super) struct Fields<'a> {
    /// Where it begins.
    pub(super) at: Position,
    /// What it is, for people: "a supervisor".
    what: &'static str,
    entries: &'a [Entry],
}

/// Words and what they stand for.
pub(super) type Words<T> = [(&'static str, T)];

impl<'a> Fields<'a> {
    /// The mapping, with no other keys than these.
    pub(super) fn of(value: &'a Located, what: &'static str, keys: &[&'static str]) -> Result<Self, Problem> {
        let Value::Map(entries) = &value.value else {
            let found = value.value.kind();
            return Err(Problem::new(
                value.at,
                format!("{what} is a mapping of keys to values, not {found}"),
            ));
        };
        for entry in entries.iter() {
            if !keys.contains(&&*entry.key) {
                let what = format!("unknown key '{}' in {what}", entry.key);
                return Err(suggest(Problem::new(entry.key_at, what), &entry.key, keys));
            }
        }
        Ok(Fields { at: value.at, what, entries })
    }

    /// The entry of a key, if it is there and says something.
    pub(super) fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| *entry.key == *key && !matches!(entry.value.value, Value::Null))
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<&'a Located> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &str) -> Result<&'a Located, Problem> {
        self.get(key).ok_or_else(|| Problem::new(self.at, format!("{} needs '{key}'", self.what)))
    }

    /// A text that is not empty.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, Problem> {
        self.get(key).map(|value| text(value, key)).transpose()
    }

    /// A truth value.
    pub(super) fn truth(&self, key: &str) -> Result<bool, Problem> {
        match self.get(key).map(|value| (value.at, &value.value)) {
            None => Ok(false),
            Some((_, Value::Bool(truth))) => Ok(*truth),
            Some((at, other)) => {
                Err(Problem::new(at, format!("'{key}' is true or false, not {}", other.kind())))
            }
        }
    }

    /// A whole number of at least `least`.
    pub(super) fn count(&self, key: &str, least: u32) -> Result<Option<u32>, Problem> {
        self.get(key).map(|value| count(value, key, least)).transpose()
    }

    /// An amount.
    pub(super) fn amount(&self, key: &str) -> Result<Quantity, Problem> {
        self.get(key).map_or(Ok(Quantity::ZERO), |value| amount(value, key))
    }

    /// A number of bytes.
    pub(super) fn bytes(&self, key: &str) -> Result<Quantity, Problem> {
        let Some(value) = self.get(key) else { return Ok(Quantity::ZERO) };
        let bytes = match &value.value {
            Value::Number(number) => number.as_u64(),
            Value::Text(text) => text.parse().ok().map(|ByteSize(bytes)| bytes),
            _ => None,
        };
        bytes.map(Quantity::whole).ok_or_else(|| {
            Problem::new(value.at, format!("'{key}' is a number of bytes, such as 512MiB or 2GiB"))
        })
    }

    /// A length of time.
    pub(super) fn duration(&self, key: &str) -> Result<Option<Duration>, Problem> {
        self.get(key).map(|value| duration(value, key)).transpose()
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &Words<T>) -> Result<Option<T>, Problem> {
        self.get(key).map(|value| word(value, key, words)).transpose()
    }

    /// A list.
    pub(super) fn list(&self, key: &str) -> Result<&'a [Located], Problem> {
        match self.get(key).map(|value| (value.at, &value.value)) {
            None => Ok(&[]),
            Some((_, Value::List(elements))) => Ok(elements),
            Some((at, other)) => Err(Problem::new(at, format!("'{key}' is a list, not {}", other.kind()))),
        }
    }

    /// A mapping whose keys are names.
    pub(super) fn map(&self, key: &str) -> Result<&'a [Entry], Problem> {
        match self.get(key).map(|value| (value.at, &value.value)) {
            None => Ok(&[]),
            Some((_, Value::Map(entries))) => Ok(entries),
            Some((at, other)) => Err(Problem::new(at, format!("'{key}' is a mapping, not {}", other.kind()))),
        }
    }
}

/// A text that is not empty.
pub(super) fn text<'a>(value: &'a Located, key: &str) -> Result<&'a str, Problem> {
    match &value.value {
        Value::Text(text) if text.is_empty() => Err(Problem::new(value.at, format!("'{key}' is empty"))),
        Value::Text(text) => Ok(text),
        other => Err(Problem::new(value.at, format!("'{key}' is a text, not {}", other.kind()))
            .advise("write it in quotes where it is meant as a text")),
    }
}

/// A whole number of at least `least`.
pub(super) fn count(value: &Located, key: &str, least: u32) -> Result<u32, Problem> {
    let number = match &value.value {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    };
    number.filter(|number| *number >= least).ok_or_else(|| {
        Problem::new(value.at, format!("'{key}' is a whole number from {least} to {}", u32::MAX))
    })
}

/// An amount of something.
pub(super) fn amount(value: &Located, key: &str) -> Result<Quantity, Problem> {
    let number = match &value.value {
        Value::Number(number) => number.as_f64().and_then(Quantity::from_f64),
        _ => None,
    };
    number.ok_or_else(|| Problem::new(value.at, format!("'{key}' is an amount, such as 1 or 0.5")))
}

/// A length of time.
pub(super) fn duration(value: &Located, key: &str) -> Result<Duration, Problem> {
    let parsed = match &value.value {
        Value::Text(text) => text.parse().ok().map(|HumanDuration(duration)| duration),
        _ => None,
    };
    parsed.ok_or_else(|| {
        Problem::new(value.at, format!("'{key}' is a length of time, such as 500ms, 30s, 5m or 1h"))
    })
}

/// One of a few words.
pub(super) fn word<T: Copy>(value: &Located, key: &str, words: &Words<T>) -> Result<T, Problem> {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let Value::Text(text) = &value.value else {
        let what = format!("'{key}' is {}, not {}", one_of(&known), value.value.kind());
        return Err(Problem::new(value.at, what));
    };
    match words.iter().find(|(word, _)| **word == **text) {
        Some((_, meaning)) => Ok(*meaning),
        None => Err(suggest(Problem::new(value.at, format!("unknown {key} '{text}'")), text, &known)),
    }
}

/// "a, b or c"
pub(super) fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [before @ .., last] => format!("{} or {last}", before.join(", ")),
    }
}

/// Says which known word was probably meant; where none is alike, which there are.
fn suggest(problem: Problem, wrong: &str, known: &[&str]) -> Problem {
    // What is a part of a known word is meant by it, whatever else is alike.
    let part = known.iter().find(|word| wrong.len() >= 3 && word.contains(wrong));
    if let Some(word) = part {
        return problem.advise(format!("did you mean {word}?"));
    }
    let nearest = known
        .iter()
        .map(|word| (strsim::jaro_winkler(word, wrong), *word))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    match nearest {
        Some((_, word)) => problem.advise(format!("did you mean {word}?")),
        None => problem.advise(format!("it may be {}", one_of(known))),
    }
}
