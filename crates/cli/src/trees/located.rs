//! Values that know where they stand in their file.

use std::fmt;
use std::rc::Rc;

/// A place in a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Position {
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
}

/// A value and where it begins. What an alias stands for is shared.
#[derive(Clone, Debug)]
pub(super) struct Located {
    /// Where.
    pub(super) at: Position,
    /// The value.
    pub(super) value: Value,
}

/// A value of a file.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(Rc<str>),
    /// A plain word that YAML reads as something that JSON has not, such as `.inf`.
    NotJson(Rc<str>),
    /// A list.
    List(Rc<Vec<Located>>),
    /// A mapping, in the order of the file.
    Map(Rc<Vec<Entry>>),
}

/// An entry of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its key.
    pub(super) key: Rc<str>,
    /// Where the key begins.
    pub(super) key_at: Position,
    /// Its value.
    pub(super) value: Located,
}

/// A mistake in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// Where it is.
    pub(crate) at: Position,
    /// What it is.
    pub(crate) what: String,
    /// What to do.
    pub(crate) advice: Option<String>,
}

impl Problem {
    /// A mistake at that place.
    pub(super) fn new(at: Position, what: impl Into<String>) -> Self {
        Problem { at, what: what.into(), advice: None }
    }

    /// Says what to do.
    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Value {
    /// What it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::NotJson(_) => "a number that JSON has not",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}
