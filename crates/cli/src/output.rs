//! What commands print: a table for people, JSON or YAML for programs.

use crate::failure::{CommandFailure, Exit, Outcome};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// Rows for people.
#[derive(Debug)]
pub(crate) struct Rows {
    table: Table,
    empty: &'static str,
}

impl Rows {
    /// No rows yet under these titles; `empty` is said when none come.
    pub(crate) fn new(titles: &[&str], empty: &'static str) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(titles.iter().map(|title| title.to_uppercase()));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Rows { table, empty }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.table.add_row(cells);
    }
}

impl std::fmt::Display for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.table.is_empty() {
            return f.write_str(self.empty);
        }
        // The style pads every line to the width of the table.
        for (index, line) in self.table.lines().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Prints `value` in the form that was asked for; `text` makes the one for people.
///
/// # Errors
/// Where standard output cannot be written to.
pub(crate) fn print<T: Serialize>(format: OutputFormat, value: &T, text: impl FnOnce() -> String) -> Outcome {
    print_line(&render(format, value, text)?)
}

/// The text of `value` in the form that was asked for.
pub(crate) fn render<T: Serialize>(
    format: OutputFormat,
    value: &T,
    text: impl FnOnce() -> String,
) -> Outcome<String> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        CommandFailure::new(Exit::Failed, "cannot write the answer in that form").because(error)
    };
    match format {
        OutputFormat::Table => Ok(text()),
        OutputFormat::Json => serde_json::to_string_pretty(value).map_err(|error| failed(&error)),
        OutputFormat::Yaml => {
            let text = serde_norway::to_string(value).map_err(|error| failed(&error))?;
            Ok(text.trim_end().to_owned())
        }
    }
}

/// Prints a line. A reader that has gone, such as `head`, is not an error.
pub(crate) fn print_line(text: &str) -> Outcome {
    let mut output = io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            Err(CommandFailure::new(Exit::Failed, "cannot write to standard output").because(&error))
        }
        Ok(()) => Ok(()),
    }
}

/// Whether text on standard output may have colours and move the cursor.
pub(crate) fn is_coloured() -> bool {
    io::stdout().is_terminal() && no_color_is_unset()
}

/// Whether text on standard error may have colours.
pub(crate) fn errors_are_coloured() -> bool {
    io::stderr().is_terminal() && no_color_is_unset()
}

fn no_color_is_unset() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Bytes for people, in binary units.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// How long ago something was, for people: the largest unit that fits.
pub(crate) fn ago(then_millis: u64, now_millis: u64) -> String {
    let seconds = now_millis.saturating_sub(then_millis) / 1000;
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_line_up_without_trailing_spaces() {
        let mut rows = Rows::new(&["name", "state"], "no nodes");
        assert_eq!(rows.to_string(), "no nodes");
        rows.push(["node-1".into(), "alive".into()]);
        let text = rows.to_string();
        assert!(text.lines().all(|line| line == line.trim_end()), "{text:?}");
        assert!(text.starts_with("NAME") && text.contains("node-1"), "{text}");
    }

    #[test]
    fn ages_are_rounded_down_to_a_unit() {
        assert_eq!(ago(1_000, 31_999), "30s");
        assert_eq!(ago(0, 7_200_000), "2h");
        assert_eq!(ago(5, 0), "0s");
    }
}
