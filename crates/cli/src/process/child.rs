//! The parent's side.

use super::{ProcessIdentity, Ready};
use rustix::process::Signal;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};

/// The longest line that a child may report itself with, in bytes.
const READY_LINE_LIMIT: u64 = 64 * 1024;

/// A child process of this executable. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: tokio::process::Child,
    output: Option<BufReader<ChildStdout>>,
    /// Held, never written to: the child ends when it closes.
    _lifeline: Option<ChildStdin>,
}

/// Why a child does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    /// It could not be started.
    #[error("cannot start {name} as a child process")]
    Start {
        /// Which child.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended before it served; it has said why on standard error.
    #[error("{name} ended before it was ready ({status}); it says why above or in its log")]
    Ended {
        /// Which child.
        name: String,
        /// How.
        status: ExitStatus,
    },
    /// It did not say that it serves in time.
    #[error("{name} was not ready after {} s", limit.as_secs())]
    TimedOut {
        /// Which child.
        name: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// What it said cannot be read.
    #[error("{name} reported itself with '{line}', which is not what a child says")]
    Garbled {
        /// Which child.
        name: String,
        /// What it said, cut.
        line: String,
    },
    /// Its output broke.
    #[error("cannot read what {name} says")]
    Output {
        /// Which child.
        name: String,
        /// Why.
        source: std::io::Error,
    },
}

impl ChildError {
    /// The exit code of the child, where it ended with one.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        match self {
            ChildError::Ended { status, .. } => status.code(),
            _ => None,
        }
    }
}

impl Child {
    /// Starts this executable with `arguments`. `name` is for messages; `errors` is where its standard error goes.
    ///
    /// # Errors
    /// [`ChildError::Start`]: the system's limits, above all.
    pub(crate) fn start(
        name: impl Into<String>,
        arguments: impl IntoIterator<Item = OsString>,
        errors: Stdio,
    ) -> Result<Self, ChildError> {
        let name = name.into();
        // Not the path of the executable: that may have been replaced since this process started.
        let mut process = Command::new("/proc/self/exe")
            .arg0("mobula")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            // A group of its own, so that Ctrl-C reaches the parent alone, which then ends its children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ChildError::Start { name: name.clone(), source })?;
        let lifeline = process.stdin.take();
        let output = process.stdout.take().map(BufReader::new);
        Ok(Child { name, process, output, _lifeline: lifeline })
    }

    /// Waits until it says that it serves.
    ///
    /// # Errors
    /// Where it ended, says something else, or says nothing for `limit`.
    pub(crate) async fn ready(&mut self, limit: Duration) -> Result<Ready, ChildError> {
        match tokio::time::timeout(limit, self.read_ready()).await {
            Ok(result) => result,
            Err(_) => Err(ChildError::TimedOut { name: self.name.clone(), limit }),
        }
    }

    async fn read_ready(&mut self) -> Result<Ready, ChildError> {
        let mut line = String::new();
        if let Some(output) = &mut self.output {
            let read = output.take(READY_LINE_LIMIT).read_line(&mut line).await;
            read.map_err(|source| ChildError::Output { name: self.name.clone(), source })?;
        }
        if line.is_empty() {
            let status = self.ended().await?;
            return Err(ChildError::Ended { name: self.name.clone(), status });
        }
        serde_json::from_str(&line).map_err(|_| ChildError::Garbled {
            name: self.name.clone(),
            line: line.trim_end().chars().take(200).collect(),
        })
    }

    /// Waits until it is over. Cancellation safe.
    ///
    /// # Errors
    /// Where the system cannot say.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, ChildError> {
        self.process.wait().await.map_err(|source| ChildError::Output { name: self.name.clone(), source })
    }

    /// Asks it to end in order.
    pub(crate) fn ask_to_end(&self) {
        if let Some(identity) = self.identity() {
            identity.signal(Signal::TERM);
        }
    }

    /// Asks it to end in order, and kills it if it has not after `limit`.
    pub(crate) async fn stop(&mut self, limit: Duration) {
        self.ask_to_end();
        if tokio::time::timeout(limit, self.process.wait()).await.is_err() {
            // It may just have ended by itself: then there is nothing to kill.
            let _gone = self.process.kill().await;
        }
    }

    /// Kills it, and waits until it is over.
    pub(crate) async fn kill(&mut self) -> std::io::Result<()> {
        self.process.kill().await
    }

    /// Its name for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its number, while it has not been found to be over.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Which process it is, while it runs.
    pub(crate) fn identity(&self) -> Option<ProcessIdentity> {
        self.pid().and_then(ProcessIdentity::of)
    }
}
