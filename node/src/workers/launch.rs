//! Starting a worker process.

use super::WorkerProcess;
use command_fds::{CommandFdExt, FdMapping};
use mobula_objects::CrashPage;
use mobula_runtime::clock;
use mobula_types::session::JobSecret;
use mobula_types::worker;
use mobula_types::{Failure, FailureKind, WorkerId};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// What a worker is started with.
#[derive(Debug)]
pub(crate) struct Launch {
    /// Its number.
    pub(crate) worker: WorkerId,
    /// The program.
    pub(crate) executable: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its working directory: the job's scratch, which is there.
    pub(crate) scratch: PathBuf,
    /// Its environment, which is otherwise empty.
    pub(crate) environment: BTreeMap<String, String>,
    /// What it proves itself with.
    pub(crate) secret: JobSecret,
}

/// How often, and how long apart, a program is tried that a child about to become another one still holds open.
const BUSY_TRIES: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Starts a worker: sockets already open, its own process group, nothing inherited but what it is given.
///
/// # Errors
/// `WorkerStartFailed`, which names the program and the system's reason.
pub(crate) async fn launch(launch: &Launch) -> Result<WorkerProcess, Failure> {
    let mut tries_left = BUSY_TRIES;
    let started = loop {
        match start(launch) {
            // A child that is being started elsewhere in this process has the file open for writing, as it inherited all
            // that was open, until it has become another program: no flag keeps it from that.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries_left > 0 => {
                tries_left -= 1;
                clock::sleep(BUSY_PAUSE).await;
            }
            started => break started,
        }
    };
    started.map_err(|error| {
        let program = launch.executable.display();
        let message = format!("could not start worker {} from {program}: {error}", launch.worker.0);
        Failure::new(FailureKind::WorkerStartFailed, message)
    })
}

fn start(launch: &Launch) -> io::Result<WorkerProcess> {
    let (session, worker_session) = UnixStream::pair()?;
    let (bulk, worker_bulk) = UnixStream::pair()?;
    let crash_page = CrashPage::new()?;
    let (lifeline_read, lifeline) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let secret = secret_pipe(&launch.secret)?;

    let mut command = tokio::process::Command::new(&launch.executable);
    command
        .args(&launch.arguments)
        .env_clear()
        .envs(&launch.environment)
        .env(worker::WORKER_VARIABLE, "1")
        .env(worker::WORKER_ID_VARIABLE, launch.worker.0.to_string())
        .current_dir(&launch.scratch)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mappings = vec![
        FdMapping { parent_fd: worker_session.into(), child_fd: worker::SESSION_FD },
        FdMapping { parent_fd: worker_bulk.into(), child_fd: worker::BULK_FD },
        FdMapping {
            parent_fd: crash_page.descriptor().try_clone_to_owned()?,
            child_fd: worker::CRASH_PAGE_FD,
        },
        FdMapping { parent_fd: lifeline_read, child_fd: worker::LIFELINE_FD },
        FdMapping { parent_fd: secret, child_fd: worker::SECRET_FD },
    ];
    command.fd_mappings(mappings).map_err(io::Error::other)?;
    let child = command.spawn()?;
    session.set_nonblocking(true)?;
    bulk.set_nonblocking(true)?;
    WorkerProcess::new(launch.worker, child, session, bulk, crash_page, lifeline)
}

/// A pipe that already holds the secret: it is in no argument, no variable and no file.
fn secret_pipe(secret: &JobSecret) -> io::Result<OwnedFd> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    File::from(write).write_all(&secret.0)?;
    Ok(read)
}
