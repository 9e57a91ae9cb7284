//! Leaves a cluster running behind the command.

use super::{UpArguments, UpReport};
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::settings::state_folder;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// How long the cluster may take until it is ready.
const READY: Duration = Duration::from_secs(60);
/// How much of the end of the log an error shows, in bytes.
const LOG_TAIL: u64 = 4096;

/// Starts the process that runs the cluster, and waits until the cluster is ready.
pub(super) async fn start(arguments: &UpArguments) -> Outcome<UpReport> {
    let log_path = log_path(arguments)?;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        CommandFailure::new(Exit::CannotServe, "cannot start a cluster in the background").because(error)
    };
    // Behind what is there: it may be that of a cluster that has the port, and is to keep its log.
    let log = File::options().create(true).append(true).open(&log_path).map_err(|error| failed(&error))?;
    let begin = log.metadata().map_err(|error| failed(&error))?.len();
    let mut process = Command::new("/proc/self/exe")
        .arg0("mobula")
        .args(supervisor_arguments(arguments))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .process_group(0)
        .spawn()
        .map_err(|error| failed(&error))?;
    let mut line = String::new();
    if let Some(output) = process.stdout.take() {
        let mut output = BufReader::new(output);
        match tokio::time::timeout(READY, output.read_line(&mut line)).await {
            Ok(read) => read.map_err(|error| failed(&error))?,
            Err(_) => {
                let _gone = process.kill().await;
                let what = format!("the cluster was not ready after {} s", READY.as_secs());
                return Err(with_log(CommandFailure::new(Exit::TimedOut, what), &log_path, begin));
            }
        };
    }
    if let Ok(report) = serde_json::from_str(&line) {
        return Ok(report);
    }
    let status = process.wait().await.map_err(|error| failed(&error))?;
    let exit = if status.code() == Some(Exit::CannotServe as i32) { Exit::CannotServe } else { Exit::Failed };
    Err(with_log(
        CommandFailure::new(exit, format!("the cluster did not start ({status})")),
        &log_path,
        begin,
    ))
}

fn supervisor_arguments(arguments: &UpArguments) -> Vec<std::ffi::OsString> {
    let mut result: Vec<std::ffi::OsString> = vec!["up".into(), "--supervise".into()];
    result.extend(["--nodes".into(), arguments.nodes.to_string().into()]);
    result.extend(["--port".into(), arguments.port.to_string().into()]);
    if let Some(data) = &arguments.data {
        result.extend(["--data".into(), data.into()]);
    }
    if let Some(cpus) = arguments.num_cpus {
        result.extend(["--num-cpus".into(), cpus.to_string().into()]);
    }
    result
}

/// The log lies with the data, or, where that is temporary, in the state folder.
fn log_path(arguments: &UpArguments) -> Outcome<PathBuf> {
    let folder = match &arguments.data {
        Some(data) => data.clone(),
        None => state_folder()?.join("logs"),
    };
    std::fs::create_dir_all(&folder).map_err(|error| {
        CommandFailure::new(Exit::CannotServe, format!("cannot make the folder {}", folder.display()))
            .because(&error)
    })?;
    Ok(folder.join(format!("up-{}.log", arguments.port)))
}

/// Adds the end of the log to a failure, as far as it lies behind `begin`.
fn with_log(failure: CommandFailure, path: &Path, begin: u64) -> CommandFailure {
    let tail = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL).max(begin)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    match tail() {
        Ok(text) if !text.is_empty() => {
            failure.because_of(format!("its log, {}, ends with:\n{text}", path.display()))
        }
        _ => failure,
    }
}
