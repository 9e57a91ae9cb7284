//! Processes that others have started.

use anyhow::{Context, Result, ensure};
use std::process::Command;

/// How many processes a process has started that still run.
///
/// # Errors
/// Where the system does not list its processes.
pub fn children(process: u32) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc")? {
        // Processes may end while they are looked at.
        let Ok(status) = std::fs::read_to_string(entry?.path().join("stat")) else { continue };
        let Some((_, after_name)) = status.rsplit_once(") ") else { continue };
        let mut fields = after_name.split(' ');
        let (state, parent) = (fields.next(), fields.next());
        count += usize::from(state != Some("Z") && parent == Some(process.to_string().as_str()));
    }
    Ok(count)
}

/// Whether a process runs: one that has ended and that nobody has waited for does not.
pub fn runs(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

/// Sends a process a signal, such as `STOP`.
///
/// # Errors
/// Where it is gone.
pub fn signal(process: u32, name: &str) -> Result<()> {
    let arguments = [format!("-{name}"), process.to_string()];
    let status = Command::new("kill").args(&arguments).status().context("running kill")?;
    ensure!(status.success(), "kill {}: {status}", arguments.join(" "));
    Ok(())
}
