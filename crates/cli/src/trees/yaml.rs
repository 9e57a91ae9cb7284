//! From YAML, of which JSON is a part, to values that know where they stand.
//!
//! The parser gives events, and the values are built from them here: so there is a bound on their depth and number before
//! anything is built, an alias within what it stands for is found out, and no value loses its place.

use super::json::Rewritten;
use super::located::{Entry, Located, Position, Problem, Value};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

/// The most values within one another: the levels that a tree may have, and room for arguments.
const MOST_DEEP: usize = 400;
/// The most values in a file.
const MOST_VALUES: usize = 4_000_000;

/// Reads the one document of a file.
///
/// # Errors
/// Where it is no YAML, has none or several documents, refers to itself, or is larger than anybody would write.
pub(super) fn parse(text: &str) -> Result<Located, Problem> {
    let rewritten = Rewritten::of(text);
    let mut builder = Builder::default();
    for event in Parser::new_from_str(&rewritten.text) {
        let (event, span) = event.map_err(|error| {
            let at = rewritten.in_file(position(*error.marker()));
            Problem::new(at, format!("this is neither YAML nor JSON: {}", error.info()))
        })?;
        builder.take(event, rewritten.in_file(position(span.start)))?;
    }
    builder.document.ok_or_else(|| {
        let start = Position { line: 1, column: 1 };
        Problem::new(start, "the file is empty").advise("docs/trees.md shows what a tree looks like")
    })
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// Builds values from events.
#[derive(Default)]
struct Builder {
    /// Lists and mappings that are not complete.
    open: Vec<Open>,
    /// What anchors stand for, and its height; `None` while that is not complete.
    anchors: HashMap<usize, Option<(Located, usize)>>,
    document: Option<Located>,
    values: usize,
}

/// A list or mapping that is not complete.
struct Open {
    at: Position,
    anchor: usize,
    /// How many lists and mappings are within one another in what it has so far, aliases followed.
    height: usize,
    content: Content,
}

enum Content {
    List(Vec<Located>),
    Map { entries: Vec<Entry>, places: HashMap<Rc<str>, Position>, key: Option<(Rc<str>, Position)> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), Problem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.document.is_some() => {
                Err(Problem::new(at, "a second document begins here").advise("a file holds one tree"))
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(text, style, tag.as_deref(), at)?;
                self.complete(Located { at, value }, 0, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                no_tag(tag.as_deref(), "seq", at)?;
                self.begin(Open { at, anchor, height: 0, content: Content::List(Vec::new()) })
            }
            Event::MappingStart(anchor, tag) => {
                no_tag(tag.as_deref(), "map", at)?;
                let content = Content::Map { entries: Vec::new(), places: HashMap::new(), key: None };
                self.begin(Open { at, anchor, height: 0, content })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn begin(&mut self, open: Open) -> Result<(), Problem> {
        if self.awaits_key() {
            return Err(no_key(open.at));
        }
        self.check_depth(1, open.at)?;
        if open.anchor > 0 {
            self.anchors.insert(open.anchor, None);
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(Open { at, anchor, height, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(elements) => Value::List(Rc::new(elements)),
            Content::Map { entries, .. } => Value::Map(Rc::new(entries)),
        };
        self.complete(Located { at, value }, height + 1, anchor)
    }

    /// Whoever reads values may go down into them by recursion.
    fn check_depth(&self, height: usize, at: Position) -> Result<(), Problem> {
        if self.open.len() + height <= MOST_DEEP {
            return Ok(());
        }
        let what = format!("more than {MOST_DEEP} lists and mappings are within one another here");
        Err(Problem::new(at, what))
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Problem> {
        match self.anchors.get(&anchor) {
            Some(Some((meant, height))) => {
                let (meant, height) = (meant.clone(), *height);
                self.check_depth(height, at)?;
                self.complete(meant, height, 0)
            }
            _ => Err(Problem::new(at, "a cycle: this alias is within what it stands for")
                .advise("write out what is meant; a tree ends somewhere")),
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. }))
    }

    /// Puts a complete value where it belongs.
    fn complete(&mut self, value: Located, height: usize, anchor: usize) -> Result<(), Problem> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(Problem::new(value.at, format!("more than {MOST_VALUES} values are in the file")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Some((value.clone(), height)));
        }
        if let Some(open) = self.open.last_mut() {
            open.height = open.height.max(height);
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.document = Some(value),
            Some(Content::List(elements)) => elements.push(value),
            Some(Content::Map { entries, key: pending, places }) => match pending.take() {
                Some((key, key_at)) => entries.push(Entry { key, key_at, value }),
                None => {
                    let Value::Text(key) = value.value else { return Err(no_key(value.at)) };
                    if let Some(first) = places.insert(key.clone(), value.at) {
                        let what = format!("the key '{key}' is there twice: the first is at {first}");
                        return Err(Problem::new(value.at, what));
                    }
                    *pending = Some((key, value.at));
                }
            },
        }
        Ok(())
    }
}

fn no_key(at: Position) -> Problem {
    Problem::new(at, "a key is a text")
        .advise("write a number or a truth value that is meant as a key in quotes")
}

fn no_tag(tag: Option<&Tag>, own: &str, at: Position) -> Result<(), Problem> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == own) => Err(unknown_tag(tag, at)),
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag, at: Position) -> Problem {
    Problem::new(at, format!("the tag {tag} says nothing in a tree")).advise("leave it out")
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Result<Value, Problem> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(Value::Text(text.into())),
        Some(tag) => Err(unknown_tag(tag, at)),
        None if style == ScalarStyle::Plain => Ok(plain(text)),
        None => Ok(Value::Text(text.into())),
    }
}

/// What a word without quotes is, by YAML's core schema.
fn plain(text: Cow<'_, str>) -> Value {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if matches!(text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str(), ".inf" | ".nan") {
        return Value::NotJson(text.into());
    }
    match number(&text) {
        Some(Some(number)) => Value::Number(number),
        Some(None) => Value::NotJson(text.into()),
        None => Value::Text(text.into()),
    }
}

/// A number; `Some(None)` for one that no JSON number can hold.
fn number(text: &str) -> Option<Option<serde_json::Number>> {
    let radix = |digits: &str, radix| {
        let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        is_number.then(|| u64::from_str_radix(digits, radix).ok().map(Into::into))
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !unsigned.contains(|c: char| c.is_ascii_digit())
        || unsigned.contains(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-')))
    {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if unsigned.chars().all(|c| c.is_ascii_digit()) {
        let whole = text.parse::<u64>().map(Into::into).or_else(|_| text.parse::<i64>().map(Into::into));
        return Some(whole.ok());
    }
    let float: f64 = text.parse().ok()?;
    Some(serde_json::Number::from_f64(float))
}
