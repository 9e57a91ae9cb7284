//! `mobula up`: a whole cluster on this machine, as child processes.

mod detach;
mod state;
mod supervisor;

pub(crate) use state::RunningCluster;
pub(crate) use supervisor::{GRACE, LocalPlan, Supervisor};

use crate::credentials;
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::{OutputFormat, print};
use mobula_runtime::clock;
use std::io::Write;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The arguments of `mobula up`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct UpArguments {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    nodes: u32,
    /// The port of the first node, on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = 7421)]
    port: u16,
    /// Where the cluster keeps its data; a temporary folder, which goes with the cluster, where it is not given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Return when the cluster is ready, and leave it running until `mobula down`
    #[arg(long)]
    detach: bool,
    /// The CPUs that each node offers; the machine's, shared out among the nodes, where it is not given
    #[arg(long, value_name = "N", value_parser = parse_cpus)]
    num_cpus: Option<f64>,
    /// This process is the one that stays behind.
    #[arg(long, hide = true)]
    supervise: bool,
}

fn parse_cpus(text: &str) -> Result<f64, String> {
    let cpus: f64 = text.parse().map_err(|_| format!("'{text}' is not a number of CPUs"))?;
    if (0.0..=1e6).contains(&cpus) { Ok(cpus) } else { Err(format!("'{text}' is not a number of CPUs")) }
}

/// What `up` says when the cluster is ready.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct UpReport {
    /// The URL of the first node: the cluster's.
    cluster: String,
    /// The URLs of all nodes.
    nodes: Vec<String>,
    /// The file that the token is in.
    token_file: PathBuf,
    /// Where the data is.
    data: PathBuf,
    /// How long the start took, in seconds.
    seconds: f64,
}

impl UpReport {
    fn for_people(&self, detached: bool) -> String {
        let nodes = match self.nodes.len() {
            1 => "1 node".to_owned(),
            count => format!("{count} nodes"),
        };
        let end = if detached { "mobula down" } else { "Ctrl-C" };
        format!(
            "{}  ready in {:.2} s: 1 head, {nodes}\n\n  \
             look at it       mobula status --cluster {}\n  \
             use it           export MOBULA_CLUSTER={}\n  \
             its token        {}\n  \
             end it           {end}",
            self.cluster,
            self.seconds,
            self.cluster,
            self.cluster,
            self.token_file.display(),
        )
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: UpArguments, format: OutputFormat) -> Outcome {
    if arguments.detach {
        let report = detach::start(&arguments).await?;
        return print(format, &report, || report.for_people(true));
    }
    supervise(arguments, format).await
}

/// The signals that end a cluster.
struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl EndSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(EndSignals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them. Cancellation safe.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// The folder of the data, and what removes it where it is a temporary one.
fn data_folder(arguments: &UpArguments) -> Outcome<(PathBuf, Option<tempfile::TempDir>)> {
    let failed = |error: std::io::Error, path: &Path| {
        CommandFailure::new(Exit::CannotServe, format!("cannot use the data folder {}", path.display()))
            .because(&error)
            .advise("--data DIR names another one")
    };
    match &arguments.data {
        Some(path) => {
            std::fs::create_dir_all(path).map_err(|error| failed(error, path))?;
            let path = path.canonicalize().map_err(|error| failed(error, path))?;
            Ok((path, None))
        }
        None => {
            let folder = tempfile::Builder::new()
                .prefix("mobula-")
                .tempdir()
                .map_err(|error| failed(error, &std::env::temp_dir()))?;
            Ok((folder.path().to_owned(), Some(folder)))
        }
    }
}

async fn supervise(arguments: UpArguments, format: OutputFormat) -> Outcome {
    let started = clock::now();
    let mut signals = EndSignals::listen()
        .map_err(|error| CommandFailure::new(Exit::Failed, "cannot listen to signals").because(&error))?;
    if arguments.supervise {
        // A session of its own: the terminal's end is not the cluster's.
        let _leads_one_already = rustix::process::setsid();
    }
    let (data, temporary) = data_folder(&arguments)?;
    let token_file = data.join("token");
    credentials::make_token(&token_file)?;
    let starting = Supervisor::start(LocalPlan {
        nodes: arguments.nodes,
        port: arguments.port,
        num_cpus: arguments.num_cpus,
        embed: false,
        etcd: None,
        data: &data,
        token_file: &token_file,
    });
    let supervisor = tokio::select! {
        result = starting => result?,
        // The children that were started go with the future.
        () = signals.next() => return Ok(()),
    };
    let cluster = supervisor.describe(data.clone(), temporary.is_some(), token_file.clone())?;
    let stored_token = credentials::store_for_url(&cluster.url, &token_file)?;
    cluster.store()?;
    let report = UpReport {
        cluster: cluster.url.clone(),
        nodes: supervisor.addresses().to_vec(),
        token_file: stored_token.clone(),
        data,
        seconds: clock::now().since(started).as_secs_f64(),
    };
    let outcome = match announce(&arguments, format, &report) {
        Ok(()) => watch(supervisor, &mut signals).await,
        Err(nobody_waits) => {
            supervisor.stop().await;
            Err(nobody_waits)
        }
    };
    credentials::forget(&stored_token, &token_file);
    cluster.forget();
    outcome
}

/// Says that the cluster is ready: to the process that waits for it, or to people.
fn announce(arguments: &UpArguments, format: OutputFormat, report: &UpReport) -> Outcome {
    if !arguments.supervise {
        return print(format, report, || report.for_people(false));
    }
    let line = serde_json::to_string(report).map_err(|error| {
        CommandFailure::new(Exit::Failed, "cannot say that the cluster is ready").because(&error)
    })?;
    let mut output = std::io::stdout().lock();
    let said = writeln!(output, "{line}").and_then(|()| output.flush());
    said.map_err(|error| CommandFailure::new(Exit::Failed, "nobody waits for the cluster").because(&error))
}

/// Waits for a signal, or for the cluster to fall apart, and ends it.
async fn watch(mut supervisor: Supervisor, signals: &mut EndSignals) -> Outcome {
    loop {
        let lost = tokio::select! {
            () = signals.next() => break,
            lost = supervisor.lost() => lost,
        };
        eprintln!("mobula: {} ended: {}", lost.name, lost.status);
        if lost.head || supervisor.nodes_left() == 0 {
            supervisor.stop().await;
            let what = format!("the cluster is over: its {} ended ({})", lost.name, lost.status);
            return Err(CommandFailure::new(Exit::Failed, what));
        }
    }
    eprintln!("mobula: ending; running work has {} s, and a second Ctrl-C ends it now", GRACE.as_secs());
    tokio::select! {
        () = supervisor.stop() => {}
        // Dropped children are killed.
        () = signals.next() => {}
    }
    Ok(())
}
