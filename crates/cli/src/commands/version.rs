//! `mobula version`.

use crate::failure::Outcome;
use crate::output::{OutputFormat, print};

/// What the command prints.
#[derive(serde::Serialize)]
struct Version {
    /// The version of the program.
    version: &'static str,
    /// The machine and system that it was built for.
    target: String,
}

/// Runs the command.
pub(crate) fn run(format: OutputFormat) -> Outcome {
    let version = Version {
        version: env!("CARGO_PKG_VERSION"),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
    };
    print(format, &version, || format!("mobula {} ({})", version.version, version.target))
}
