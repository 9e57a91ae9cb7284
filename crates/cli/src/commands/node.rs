//! `mobula node`: one node, for containers and for clusters of several machines.

use super::serve::{check_exposure, end_of_service, parse_listen};
use crate::arguments::GlobalArguments;
use crate::connection::{Connection, Target};
use crate::credentials;
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::print;
use crate::process::{Ready, report_ready};
use crate::settings::{ByteSize, ConfigSource, HumanDuration, Pair, load, one_or_many, pairs};
use mobula_node::{Node, NodeOptions};
use mobula_runtime::telemetry::LogFormat;
use mobula_types::{NodeName, Quantity};
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long running work gets to finish when the node is asked to end.
const GRACE: Duration = Duration::from_secs(5);

/// The arguments of `mobula node`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Every setting may also stand in the file of --config, or in a variable, such as \
    MOBULA_LISTEN. Flags count more than variables, and those more than the file."
)]
pub(crate) struct NodeArguments {
    /// A TOML file with settings
    #[arg(long, env = "MOBULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: NodeSettings,
    /// Report readiness on standard output, and end when standard input does
    #[arg(long, hide = true)]
    as_child: bool,
    /// Run, in this process, the functions that are linked into this executable: those of the benchmark
    #[arg(long, hide = true)]
    embed: bool,
    #[command(subcommand)]
    action: Option<NodeAction>,
}

/// What is done to a node that runs.
#[derive(Clone, Debug, clap::Subcommand)]
enum NodeAction {
    /// Have a node leave: its actors start elsewhere, drivers go on through other nodes, running tasks end first
    Drain {
        /// The node's name
        node: String,
    },
}

/// The settings of a node: as flags, and as keys of the file.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeSettings {
    /// The node's name, unique in the cluster [default: host name and port]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The address and port to listen on; port 0 takes a free one [default: 127.0.0.1:7421]
    #[arg(long, value_name = "IP:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<String>,
    /// The URL under which clients and other nodes reach this node [default: where it listens]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    advertise: Option<String>,
    /// The URLs of the heads [default: http://127.0.0.1:7420]
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    head: Vec<String>,
    /// The CPUs that tasks may use; 0 makes a gateway, which runs no tasks [default: the machine's]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    num_cpus: Option<f64>,
    /// The GPUs that tasks may use [default: 0]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    num_gpus: Option<f64>,
    /// The memory that tasks may ask for [default: 70 % of the machine's]
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<ByteSize>,
    /// An amount of a custom resource; may be given several times (a table `resources` in the file)
    #[arg(long = "resource", value_name = "NAME=N")]
    #[serde(default, with = "pairs", skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Pair<f64>>,
    /// A label; may be given several times (a table `labels` in the file)
    #[arg(long = "label", value_name = "NAME=VALUE")]
    #[serde(default, with = "pairs", skip_serializing_if = "Vec::is_empty")]
    labels: Vec<Pair<String>>,
    /// What the object store may hold [default: 30 % of the machine's memory]
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    object_store_memory: Option<ByteSize>,
    /// The folder for executables and for what jobs write [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    /// What the executables of jobs may take of the data folder [default: 10GiB]
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    executable_cache: Option<ByteSize>,
    /// How long a broken connection of a client may be resumed [default: 30s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    resume_within: Option<HumanDuration>,
    /// How long a worker process stays without work [default: 60s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_worker: Option<HumanDuration>,
    /// How many worker processes of isolated actors start at once [default: the machine's CPUs, at least 2]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    isolated_starts: Option<NonZeroUsize>,
    /// How long a value waits for room in the object store before it is refused [default: 10s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    store_patience: Option<HumanDuration>,
    /// How long running work gets to finish when the node is asked to end [default: 5s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    grace: Option<HumanDuration>,
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
    "name",
    "listen",
    "advertise",
    "head",
    "num_cpus",
    "num_gpus",
    "memory",
    "resources",
    "labels",
    "object_store_memory",
    "data",
    "executable_cache",
    "resume_within",
    "idle_worker",
    "isolated_starts",
    "store_patience",
    "grace",
    "insecure",
    "token_file",
];

fn quantity(name: &str, amount: f64) -> Outcome<Quantity> {
    Quantity::from_f64(amount).ok_or_else(|| {
        CommandFailure::usage(format!("the node cannot offer {amount} of {name}: it is not an amount"))
    })
}

/// Runs the command, until the node is asked to end.
pub(crate) async fn run(arguments: NodeArguments, global: &GlobalArguments) -> Outcome {
    let NodeArguments { config, mut settings, as_child, embed, action } = arguments;
    if let Some(NodeAction::Drain { node }) = action {
        return drain(&node, global).await;
    }
    settings.token_file = global.token_file.clone();
    let source = ConfigSource { role: "node", file: config.as_deref(), keys: KEYS };
    let settings: NodeSettings = load(&source, &settings)?;
    mobula_runtime::telemetry::init(LogFormat::Text, if as_child { "error" } else { "info" });
    let options = options(&settings)?;
    let listen = options.listen;
    let shutdown = end_of_service(as_child)
        .map_err(|error| CommandFailure::new(Exit::Failed, "cannot listen to signals").because(&error))?;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        CommandFailure::new(Exit::CannotServe, format!("the node cannot serve on {listen}")).because(error)
    };
    let embedded = embed.then(mobula::embedded).transpose().map_err(|error| failed(&error))?;
    let node = Node::start(options, embedded).map_err(|error| failed(&error))?;
    if !as_child {
        eprintln!("mobula: the node listens on {}, and joins as soon as a head answers", node.url());
    }
    // What is asked to end before it has joined leaves nothing behind: there is nobody to take leave of.
    let member = tokio::select! {
        member = node.joined() => member,
        () = shutdown.wait() => return Ok(()),
    };
    let Some(member) = member else {
        return Err(CommandFailure::new(Exit::CannotServe, "the node ended before it joined a cluster"));
    };
    if as_child {
        report_ready(&Ready { address: node.url().to_owned() }).map_err(|error| failed(&error))?;
    } else {
        eprintln!("mobula: the node has joined as {member}");
    }
    tokio::select! {
        () = shutdown.wait() => {}
        () = node.ended() => return match node.has_drained() {
            true => Ok(()),
            false => Err(CommandFailure::new(Exit::Failed, format!("the node {member} ended by itself"))),
        },
    }
    node.stop(settings.grace.map_or(GRACE, |grace| grace.0)).await;
    Ok(())
}

async fn drain(node: &str, global: &GlobalArguments) -> Outcome {
    let connection = Connection::open(&Target::find(global)?).await?;
    connection.drain_node(&NodeName::from(node)).await?;
    print(global.output, &serde_json::json!({ "draining": node }), || {
        format!("{node} drains, and leaves once nothing runs there any more")
    })
}

fn options(settings: &NodeSettings) -> Outcome<NodeOptions> {
    let listen = parse_listen("node", settings.listen.as_deref().unwrap_or("127.0.0.1:7421"))?;
    let heads = match settings.head.as_slice() {
        [] => vec!["http://127.0.0.1:7420".to_owned()],
        heads => heads.to_vec(),
    };
    let token = credentials::find_token(settings.token_file.as_deref(), &heads)?;
    check_exposure("node", listen, token.is_some(), settings.insecure)?;
    let mut options = NodeOptions::new(heads, token);
    options.listen = listen;
    options.name = settings.name.clone();
    options.advertise = settings.advertise.clone();
    options.num_cpus = settings.num_cpus.map(|cpus| quantity("CPUs", cpus)).transpose()?;
    options.num_gpus = quantity("GPUs", settings.num_gpus.unwrap_or(0.0))?;
    options.memory = settings.memory.map(|bytes| bytes.0);
    options.object_store_memory = settings.object_store_memory.map(|bytes| bytes.0);
    options.data = settings.data.clone();
    if let Some(ByteSize(bytes)) = settings.executable_cache {
        options.executable_cache = bytes;
    }
    for Pair(name, amount) in &settings.resources {
        options.resources.insert(Arc::from(name.as_str()), quantity(name, *amount)?);
    }
    for Pair(name, value) in &settings.labels {
        options.labels.insert(Arc::from(name.as_str()), Arc::from(value.as_str()));
    }
    if let Some(count) = settings.isolated_starts {
        options.isolated_starts = count.get();
    }
    let set = |target: &mut Duration, value: Option<HumanDuration>| {
        if let Some(HumanDuration(value)) = value {
            *target = value;
        }
    };
    set(&mut options.resume_within, settings.resume_within);
    set(&mut options.idle_worker, settings.idle_worker);
    set(&mut options.store_patience, settings.store_patience);
    Ok(options)
}
