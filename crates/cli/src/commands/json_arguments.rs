//! Arguments and results of calls from a shell, as JSON.

use crate::failure::{CommandFailure, Outcome};
use serde_json::Value;

/// Each argument is one JSON value; text that is none is a mistake of quoting more often than a string that was meant.
pub(super) fn json_values(of: &str, arguments: &[String]) -> Outcome<Vec<Value>> {
    let parse = |(index, text): (usize, &String)| {
        serde_json::from_str(text).map_err(|error| {
            CommandFailure::usage(format!("argument {} of {of} is not JSON: {text}", index + 1))
                .because(&error)
                .advise("a text is written '\"so\"', with the quotation marks inside those of the shell")
        })
    };
    arguments.iter().enumerate().map(parse).collect()
}

/// A result for people: a text without its quotation marks, everything else as JSON.
pub(super) fn json_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_bare_word_is_refused_with_how_to_quote_it() {
        let values = json_values("tally.add", &["3".into(), "\"x\"".into()]).expect("both are JSON");
        assert_eq!(values, [serde_json::json!(3), serde_json::json!("x")]);
        let failure = json_values("rooms.join", &["1".into(), "lobby".into()]).expect_err("a bare word");
        assert_eq!(failure.exit, Exit::Usage);
        let text = failure.to_string();
        assert!(text.starts_with("argument 2 of rooms.join is not JSON: lobby\n"), "{text}");
        assert!(text.contains("what to do: a text is written '\"so\"'"), "{text}");
    }

    #[test]
    fn a_text_is_shown_without_quotation_marks() {
        assert_eq!(json_text(&serde_json::json!("so")), "so");
        assert_eq!(json_text(&serde_json::json!({"a": ["so"]})), "{\"a\":[\"so\"]}");
    }
}
