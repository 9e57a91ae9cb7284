//! What JSON has and the reader of YAML does not know: characters escaped as two halves.

use super::located::Position;
use std::borrow::Cow;

/// By how many columns an escape of two halves is longer than what stands in its place.
const LONGER: usize = "\\ud83d\\ude00".len() - "\\U0001f600".len();

/// A text that a reader of YAML understands, and how places in it become those of the file.
#[derive(Debug)]
pub(super) struct Rewritten<'a> {
    pub(super) text: Cow<'a, str>,
    /// Where escapes stand in the text, in order.
    escapes: Vec<Position>,
}

impl<'a> Rewritten<'a> {
    /// The text, with an escape of YAML's for each of two halves where it is JSON.
    pub(super) fn of(text: &'a str) -> Self {
        let has_escapes = text.contains("\\ud") || text.contains("\\uD");
        if !has_escapes || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
            return Rewritten { text: text.into(), escapes: Vec::new() };
        }
        let mut rewritten = String::with_capacity(text.len());
        let mut escapes = Vec::new();
        let mut at = Position { line: 1, column: 1 };
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let length = if let Some(character) = pair(rest) {
                escapes.push(at);
                rewritten.push_str(&format!("\\U{:08x}", u32::from(character)));
                at.column += 10;
                12
            } else if next == '\\' {
                // What follows belongs to it; a backslash that does begins no escape.
                let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                rewritten.push_str(&rest[..length]);
                at.column += 2;
                length
            } else {
                rewritten.push(next);
                at = match next {
                    '\n' => Position { line: at.line + 1, column: 1 },
                    _ => Position { column: at.column + 1, ..at },
                };
                next.len_utf8()
            };
            rest = &rest[length..];
        }
        Rewritten { text: rewritten.into(), escapes }
    }

    /// The place in the file of a place in the text.
    pub(super) fn in_file(&self, at: Position) -> Position {
        let before = self.escapes.partition_point(|escape| *escape < at);
        let in_lines_before = self.escapes.partition_point(|escape| escape.line < at.line);
        Position { column: at.column + LONGER * (before - in_lines_before), ..at }
    }
}

/// The character of two halves that the text begins with.
fn pair(text: &str) -> Option<char> {
    let half = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let halves = [half(text)?, half(text.get(6..)?)?];
    // A first half that no second one follows is no character, and two characters are no pair.
    let mut characters = char::decode_utf16(halves);
    match (characters.next(), characters.next()) {
        (Some(Ok(character)), None) => Some(character),
        _ => None,
    }
}
