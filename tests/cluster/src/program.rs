//! The programs under test, as `make test` builds them beside this one.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// The command line.
///
/// # Errors
/// Where it has not been built.
pub fn mobula() -> Result<PathBuf> {
    built("mobula")
}

/// An example program.
///
/// # Errors
/// Where it has not been built.
pub fn example(name: &str) -> Result<PathBuf> {
    built(&format!("examples/{name}"))
}

/// The driver whose functions misbehave.
///
/// # Errors
/// Where it has not been built.
pub fn misfits() -> Result<PathBuf> {
    built("misfits")
}

/// The driver whose functions keep references and hand them on.
///
/// # Errors
/// Where it has not been built.
pub(crate) fn referrers() -> Result<PathBuf> {
    built("referrers")
}

/// The driver whose actors do what is promised of actors.
///
/// # Errors
/// Where it has not been built.
pub(crate) fn performers() -> Result<PathBuf> {
    built("performers")
}

/// The driver whose tasks look around.
///
/// # Errors
/// Where it has not been built.
pub fn workplace() -> Result<PathBuf> {
    built("workplace")
}

/// The driver whose actors are supervised.
///
/// # Errors
/// Where it has not been built.
pub fn trees() -> Result<PathBuf> {
    built("trees")
}

/// The driver whose actors are in groups and talk.
///
/// # Errors
/// Where it has not been built.
pub(crate) fn talkers() -> Result<PathBuf> {
    built("talkers")
}

fn built(name: &str) -> Result<PathBuf> {
    // This program is target/PROFILE/deps/NAME.
    let own = std::env::current_exe().context("where this program is")?;
    let profile = own.parent().and_then(Path::parent).context("the folder of this program's profile")?;
    let path = profile.join(name);
    ensure!(path.exists(), "{} is missing: `make test` builds it", path.display());
    Ok(path)
}
