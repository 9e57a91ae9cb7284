//! `mobula head`: one head, for containers and for clusters of several machines.

use super::serve::{check_exposure, end_of_service, parse_listen};
use crate::arguments::GlobalArguments;
use crate::credentials;
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::process::{Ready, report_ready};
use crate::settings::{ConfigSource, HumanDuration, load, one_or_many};
use mobula_head::{Head, HeadOptions, RegistryChoice};
use mobula_runtime::telemetry::LogFormat;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The arguments of `mobula head`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Every setting may also stand in the file of --config, or in a variable, such as \
    MOBULA_LISTEN. Flags count more than variables, and those more than the file.")]
pub(crate) struct HeadArguments {
    /// A TOML file with settings
    #[arg(long, env = "MOBULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: HeadSettings,
    /// Report readiness on standard output, and end when standard input does
    #[arg(long, hide = true)]
    as_child: bool,
}

/// The settings of a head: as flags, and as keys of the file.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadSettings {
    /// The address and port to listen on; port 0 takes a free one [default: 127.0.0.1:7420]
    #[arg(long, value_name = "IP:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<String>,
    /// The URL under which nodes reach this head [default: where it listens]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    advertise: Option<String>,
    /// The name of the cluster in the registry: several clusters may share one etcd [default: default]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_name: Option<String>,
    /// The URLs of etcd, which keeps the registry of a cluster of several machines
    #[arg(long, value_name = "URL", value_delimiter = ',', conflicts_with = "registry_file")]
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    etcd: Vec<String>,
    /// The file that keeps the registry of a cluster with one head
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_file: Option<PathBuf>,
    /// How long a node may be silent before it is declared dead [default: 60s; 12s with two heads]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    node_lease: Option<HumanDuration>,
    /// How long the leading head may be silent before another leads [default: 4s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    leader_lease: Option<HumanDuration>,
    /// How long a job outlives the last connection of its driver [default: 30s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    job_grace: Option<HumanDuration>,
    /// Whether a node whose process provably ended is declared dead before its lease is over [default: true]
    #[arg(long, value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    fast_death: Option<bool>,
    /// Serve anybody who can connect, without a token
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    insecure: bool,
    /// From the command line's own `--token-file`.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
}

/// The names of the settings.
const KEYS: &[&str] = &[
    "listen",
    "advertise",
    "cluster_name",
    "etcd",
    "registry_file",
    "node_lease",
    "leader_lease",
    "job_grace",
    "fast_death",
    "insecure",
    "token_file",
];

/// Runs the command, until the head is asked to end.
pub(crate) async fn run(arguments: HeadArguments, global: &GlobalArguments) -> Outcome {
    let HeadArguments { config, mut settings, as_child } = arguments;
    settings.token_file = global.token_file.clone();
    let source = ConfigSource { role: "head", file: config.as_deref(), keys: KEYS };
    let settings: HeadSettings = load(&source, &settings)?;
    mobula_runtime::telemetry::init(LogFormat::Text, if as_child { "error" } else { "info" });
    let options = options(&settings)?;
    let listen = options.listen;
    let shutdown = end_of_service(as_child)
        .map_err(|error| CommandFailure::new(Exit::Failed, "cannot listen to signals").because(&error))?;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        CommandFailure::new(Exit::CannotServe, format!("the head cannot serve on {listen}")).because(error)
    };
    let starting = Head::start(options);
    let head = tokio::select! {
        started = starting => started.map_err(|error| failed(&error))?,
        () = shutdown.wait() => return Ok(()),
    };
    let url = head.address().to_owned();
    if as_child {
        report_ready(&Ready { address: url }).map_err(|error| failed(&error))?;
    } else {
        eprintln!("mobula: the head serves on {url}");
    }
    shutdown.wait().await;
    head.stop().await;
    Ok(())
}

fn options(settings: &HeadSettings) -> Outcome<HeadOptions> {
    let listen = parse_listen("head", settings.listen.as_deref().unwrap_or("127.0.0.1:7420"))?;
    let token = match &settings.token_file {
        Some(file) => Some(credentials::make_token(file)?),
        None => None,
    };
    check_exposure("head", listen, token.is_some(), settings.insecure)?;
    let usual = HeadOptions::default();
    Ok(HeadOptions {
        listen,
        advertise: settings.advertise.clone(),
        registry: registry(settings)?,
        cluster: settings.cluster_name.clone().unwrap_or(usual.cluster.clone()),
        token,
        insecure: settings.insecure,
        leader_lease: settings.leader_lease.map_or(usual.leader_lease, |lease| lease.0),
        node_lease: settings.node_lease.map(|lease| lease.0),
        job_grace: settings.job_grace.map_or(usual.job_grace, |grace| grace.0),
        fast_death: settings.fast_death.unwrap_or(usual.fast_death),
        ..HeadOptions::default()
    })
}

fn registry(settings: &HeadSettings) -> Outcome<RegistryChoice> {
    match (settings.etcd.as_slice(), &settings.registry_file) {
        ([], Some(file)) => Ok(RegistryChoice::File { path: file.clone() }),
        ([], None) => Err(CommandFailure::usage("the head has no registry").advise(
            "--etcd URL names an etcd, for clusters of several machines; --registry-file FILE keeps it in a file",
        )),
        (endpoints, None) => Ok(RegistryChoice::Etcd { endpoints: endpoints.join(",") }),
        (_, Some(_)) => Err(CommandFailure::usage("the head has two registries")
            .because_of("both etcd and registry_file are set")
            .advise("set one of them")),
    }
}
