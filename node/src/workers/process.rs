//! A running worker process and what its end means.

use mobula_objects::{CrashPage, NotedRun};
use mobula_types::{Failure, FailureKind, WorkerId};
use rustix::process::{Pid, Signal};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use tokio::process::{Child, ChildStderr, ChildStdout};

/// A worker process, from its start to its end. Dropping it kills the process and closes its lifeline.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    pub(crate) worker: WorkerId,
    pub(crate) pid: u32,
    /// The node's ends of the sockets, until the server takes them.
    pub(crate) sockets: Option<(UnixStream, UnixStream)>,
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
    child: Child,
    crash_page: CrashPage,
    _lifeline: OwnedFd,
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WorkerExit {
    /// `WorkerDied`, or `TaskPanicked` where a panic ended the process.
    pub(crate) failure: Failure,
    /// The last runs that its slots had started.
    pub(crate) last: Vec<NotedRun>,
}

impl WorkerProcess {
    pub(crate) fn new(
        worker: WorkerId,
        mut child: Child,
        session: UnixStream,
        bulk: UnixStream,
        crash_page: CrashPage,
        lifeline: OwnedFd,
    ) -> io::Result<Self> {
        let pid = child.id().ok_or_else(|| io::Error::other("the process ended at once"))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let sockets = Some((session, bulk));
        Ok(WorkerProcess { worker, pid, sockets, stdout, stderr, child, crash_page, _lifeline: lifeline })
    }

    /// Waits for the end of the process. Cancellation safe.
    pub(crate) async fn wait(&mut self) -> WorkerExit {
        let status = self.child.wait().await;
        let exit = status.map_or_else(|error| error.to_string(), describe);
        let died = format!("worker {} (process {}) ended", self.worker.0, self.pid);
        let failure = match self.crash_page.panic_note() {
            Some(note) => Failure::new(FailureKind::TaskPanicked, note.message)
                .with(|detail| detail.place = Some(note.place.as_str().into())),
            None => Failure::new(FailureKind::WorkerDied, died),
        };
        let failure = failure.with(|detail| detail.exit = Some(exit.as_str().into()));
        WorkerExit { failure, last: self.crash_page.last_runs() }
    }

    /// Ends the whole process group at once.
    pub(crate) fn kill(&mut self) {
        if !signal_group(self.pid, Signal::KILL) {
            let _already_gone = self.child.start_kill();
        }
    }
}

/// Sends a signal to the group of processes that a process leads; `false` where there is none.
pub(crate) fn signal_group(leader: u32, signal: Signal) -> bool {
    let group = i32::try_from(leader).ok().and_then(Pid::from_raw);
    group.is_some_and(|group| rustix::process::kill_process_group(group, signal).is_ok())
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {signal}{}", signal_name(signal)),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "unknown exit".into(),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}
