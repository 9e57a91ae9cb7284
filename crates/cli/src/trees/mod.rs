//! Supervision trees as data: reads a YAML or JSON file into what a head is asked to start, and says of every mistake in it
//! at which line and column it is.

mod actor;
mod fields;
mod json;
mod located;
mod plan;
mod supervisor;
mod yaml;

pub(crate) use plan::TreePlan;

use located::Problem;

/// The most bytes of a file.
pub(crate) const MOST_BYTES: usize = 64 << 20;

/// Reads a tree from the text of a file.
///
/// # Errors
/// The first mistake in it.
pub(crate) fn read(text: &str) -> Result<TreePlan, Problem> {
    supervisor::read_tree(&yaml::parse(text)?)
}

#[cfg(test)]
mod tests;
