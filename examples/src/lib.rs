//! What the examples share: nothing but how they print.
//!
//! Run one with `cargo run --release --example wordcount`, on a cluster of its own, or with `--cluster URL` on another.

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// A bar that counts tasks; on a terminal only.
pub fn task_bar(tasks: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>10} {bar:40} {pos}/{len} {elapsed}");
    let bar = ProgressBar::new(tasks as u64).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
