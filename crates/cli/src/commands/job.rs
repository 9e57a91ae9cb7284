//! `mobula job`: programs that run on the cluster.

use super::state::JobRow;
use super::task::origin;
use crate::arguments::GlobalArguments;
use crate::connection::{Connection, Target};
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::{OutputFormat, print, print_line, render};
use crate::upload::{upload_executable, upload_files};
use futures::StreamExt;
use mobula_rpc::node::{LogScope, LogSource, RequestId, SubmitJob};
use mobula_runtime::clock;
use mobula_types::job::JobState;
use mobula_types::{JobId, JobSpec};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// What is done with jobs.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum JobCommand {
    /// Run a program on the cluster as a job, and show its output until it ends
    Submit(SubmitArguments),
    /// List the jobs, newest first
    List,
    /// Show what a job's processes print
    Logs {
        /// The job
        job: JobId,
        /// Go on until the job ends
        #[arg(short, long)]
        follow: bool,
    },
    /// Stop a job: its tasks are cancelled, its objects freed
    Stop {
        /// The job
        job: JobId,
    },
}

/// The arguments of `mobula job submit`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SubmitArguments {
    /// The program: an executable that is linked with the SDK
    program: PathBuf,
    /// A name for people; the program's where it is not given
    #[arg(long)]
    name: Option<String>,
    /// A variable of the job's environment, which is empty otherwise; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<crate::settings::Pair<String>>,
    /// A folder whose files the program and its workers find in their working directory
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
    /// Return as soon as the job runs
    #[arg(long)]
    no_follow: bool,
    /// The program's arguments
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// Runs the command.
pub(crate) async fn run(command: JobCommand, global: &GlobalArguments) -> Outcome {
    let connection = Connection::open(&Target::find(global)?).await?;
    match command {
        JobCommand::Submit(arguments) => submit(arguments, &connection, global.output).await,
        JobCommand::List => {
            let jobs: Vec<JobRow> = connection.jobs().await?.iter().map(JobRow::from).collect();
            print_line(&render(global.output, &jobs, || JobRow::table(&jobs, clock::wall_millis()))?)
        }
        JobCommand::Logs { job, follow } => show_logs(&connection, job, follow).await,
        JobCommand::Stop { job } => {
            connection.stop_job(job).await?;
            print(global.output, &serde_json::json!({ "stopped": job.to_string() }), || {
                format!("stopped {job}")
            })
        }
    }
}

async fn submit(arguments: SubmitArguments, connection: &Connection, format: OutputFormat) -> Outcome {
    let executable = upload_executable(connection.client(), &arguments.program).await?;
    let files = match &arguments.files {
        Some(folder) => Some(upload_files(connection.client(), folder).await?),
        None => None,
    };
    let file_name = arguments.program.file_name().map(|name| name.to_string_lossy().into_owned());
    let spec = JobSpec {
        name: arguments.name.or(file_name).unwrap_or_default(),
        executable: Some(executable),
        files,
        worker_arguments: Vec::new(),
        environment: arguments.env.into_iter().map(|pair| (pair.0, pair.1)).collect::<BTreeMap<_, _>>(),
        weight: 1,
        origin: origin(),
        ..JobSpec::default()
    };
    let request = SubmitJob { request_id: RequestId::random(), spec, arguments: arguments.arguments };
    let opened = connection.submit_job(request).await?;
    if arguments.no_follow {
        return print(format, &serde_json::json!({ "job": opened.job.to_string() }), || {
            opened.job.to_string()
        });
    }
    eprintln!("mobula: job {} runs on {}", opened.job, opened.node);
    if let Err(failure) = show_logs(connection, opened.job, true).await {
        // How the job ends is what counts.
        eprintln!("mobula: {failure}");
    }
    ending(connection, opened.job).await
}

async fn show_logs(connection: &Connection, job: JobId, follow: bool) -> Outcome {
    let mut logs = connection.job_logs(job, follow, LogScope::Cluster).await?;
    while let Some(chunk) = logs.next().await {
        let chunk = chunk.map_err(|failure| {
            CommandFailure::answered(format!("the logs of job {job} broke off"), &failure)
        })?;
        let written = match chunk.source {
            LogSource::Stdout => std::io::stdout().lock().write_all(&chunk.text),
            LogSource::Stderr => std::io::stderr().lock().write_all(&chunk.text),
        };
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => {
                return Err(CommandFailure::new(Exit::Failed, "cannot write the logs").because(&error));
            }
            Ok(()) => {}
        }
    }
    // Nobody is left to read it where this fails.
    let _reader_is_gone = std::io::stdout().flush();
    Ok(())
}

/// Says by the exit code how a job ended.
async fn ending(connection: &Connection, job: JobId) -> Outcome {
    let jobs = connection.jobs().await?;
    let Some(status) = jobs.iter().find(|status| status.info.job == job) else {
        return Err(CommandFailure::new(
            Exit::Failed,
            format!("the cluster does not remember how job {job} ended"),
        ));
    };
    match status.info.state {
        JobState::Ended | JobState::Running => Ok(()),
        JobState::Failed => Err(CommandFailure::new(Exit::WorkFailed, format!("job {job} failed"))
            .because_of(status.info.reason.clone())),
        JobState::Stopped => Err(CommandFailure::new(Exit::WorkFailed, format!("job {job} was stopped"))
            .because_of(status.info.reason.clone())),
    }
}
