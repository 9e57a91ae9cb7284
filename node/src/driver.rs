//! Drivers that are run as jobs: programs that a node starts, and that connect back to it.

use crate::service::Service;
use crate::shard::{Call, Workplace};
use crate::workers::{self, JobLogs};
use mobula_rpc::node::{LogSource, OpenedJob};
use mobula_runtime::{Shutdown, TaskHandle, spawn};
use mobula_types::job::JobState;
use mobula_types::{Failure, FailureKind, JobSpec};
use rustix::process::Signal;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a driver whose job is over may take to end by itself.
const DRIVER_GRACE: Duration = Duration::from_secs(5);
/// In the job's folder: what its driver proves itself with.
const SECRET_FILE: &str = ".mobula-job-secret";

impl Service {
    /// Opens a job and starts its driver here, in the job's scratch, as a child that inherits the cluster and the job.
    /// Its exit ends the job.
    pub(crate) async fn run_driver(
        &self,
        mut spec: JobSpec,
        arguments: Vec<String>,
    ) -> Result<OpenedJob, Failure> {
        spec.driven = true;
        let Some(hash) = spec.executable else {
            return Err(Failure::new(FailureKind::InvalidArgument, "a job to be run names no executable"));
        };
        let environment = spec.environment.clone();
        let program = self.transfer.executable(hash).await?;
        let opened = self.open_new_job(spec).await?;
        let job = opened.job;
        let Workplace { logs, folder, end } = self.call(|reply| Call::Workplace { job, reply }).await??;
        if let Err(failure) = folder.prepare(&self.transfer).await {
            let _ended = self.head.end_job(job, JobState::Failed, failure.message()).await;
            return Err(failure);
        }
        let scratch = folder.path();
        let secret: String = opened.secret.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let child = write_secret(scratch, &secret).and_then(|()| {
            start(&program, scratch, &arguments, |command| {
                command.envs(&environment).env("MOBULA_CLUSTER", &*self.info.address);
                command
                    .env("MOBULA_JOB", job.to_string())
                    .env("MOBULA_JOB_SECRET_FILE", scratch.join(SECRET_FILE));
            })
        });
        let child = match child {
            Ok(child) => child,
            Err(error) => {
                let message = format!("could not start the driver {}: {error}", program.display());
                let _ended = self.head.end_job(job, JobState::Failed, &message).await;
                return Err(Failure::new(FailureKind::WorkerStartFailed, message));
            }
        };
        self.head.keep_alive(job);
        self.tell(Call::Own { task: self.watch_driver(child, logs, job, end) }).await?;
        Ok(opened)
    }

    /// Waits for the driver's end, and ends its job with it; ends the driver where its job ends first.
    fn watch_driver(
        &self,
        mut child: Child,
        logs: JobLogs,
        job: mobula_types::JobId,
        end: Shutdown,
    ) -> TaskHandle<()> {
        let head = self.head.clone();
        spawn("own a driver", async move {
            let outputs = (child.stdout.take(), child.stderr.take());
            let printing = async {
                let (stdout, stderr) = outputs;
                let printed = async {
                    if let Some(stdout) = stdout {
                        logs.clone().capture(LogSource::Stdout, "driver".into(), stdout).await;
                    }
                };
                let complained = async {
                    if let Some(stderr) = stderr {
                        logs.clone().capture(LogSource::Stderr, "driver".into(), stderr).await;
                    }
                };
                tokio::join!(printed, complained);
            };
            let (status, ()) = tokio::join!(exit_of(&mut child, &end), printing);
            let (state, reason) = match status {
                Ok(status) if status.success() => (JobState::Ended, "its driver has finished".to_owned()),
                Ok(status) => (JobState::Failed, format!("its driver ended with {status}")),
                Err(error) => (JobState::Failed, format!("its driver was lost: {error}")),
            };
            if let Err(error) = head.end_job(job, state, &reason).await {
                tracing::warn!(%job, %error, "the end of a driver could not be reported");
            }
        })
    }
}

/// How the driver exits: by itself, or because it is told to when its job is over.
async fn exit_of(child: &mut Child, end: &Shutdown) -> io::Result<ExitStatus> {
    let process = child.id();
    tokio::select! {
        status = child.wait() => return status,
        () = end.wait() => {}
    }
    if let Some(process) = process {
        workers::signal_group(process, Signal::TERM);
    }
    if let Ok(status) = tokio::time::timeout(DRIVER_GRACE, child.wait()).await {
        return status;
    }
    if let Some(process) = process {
        workers::signal_group(process, Signal::KILL);
    }
    child.wait().await
}

fn start(
    program: &Path,
    scratch: &Path,
    arguments: &[String],
    environment: impl FnOnce(&mut Command),
) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir(scratch).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    environment(&mut command);
    command.spawn()
}

/// In a file of its own, whatever files the job has brought.
fn write_secret(scratch: &Path, secret: &str) -> io::Result<()> {
    let path = scratch.join(SECRET_FILE);
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())
}
