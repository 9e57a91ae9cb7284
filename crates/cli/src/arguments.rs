//! The command line.

use crate::bench::BenchArguments;
use crate::commands::actor::ActorCommand;
use crate::commands::down::DownArguments;
use crate::commands::get::GetArguments;
use crate::commands::head::HeadArguments;
use crate::commands::healthcheck::HealthcheckArguments;
use crate::commands::job::JobCommand;
use crate::commands::list::ListArguments;
use crate::commands::node::NodeArguments;
use crate::commands::status::StatusArguments;
use crate::commands::supervise::SuperviseArguments;
use crate::commands::task::TaskCommand;
use crate::commands::tree::TreeArguments;
use crate::commands::up::UpArguments;
use crate::commands::use_context::UseArguments;
use crate::output::OutputFormat;
use std::path::PathBuf;

/// Distributed actors, tasks and objects: runs a cluster, and talks to one.
#[derive(Debug, clap::Parser)]
#[command(name = "mobula", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "`mobula COMMAND --help` says more. Exit codes and settings: docs/cli.md")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct GlobalArguments {
    /// The cluster: the URL of any of its nodes, or several with commas between them
    #[arg(long, global = true, env = "MOBULA_CLUSTER", value_name = "URL")]
    pub(crate) cluster: Option<String>,
    /// The file with the cluster's token; the one that `up` stored for the URL where it is not given
    #[arg(long, global = true, env = "MOBULA_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The form of the output
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: OutputFormat,
}

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Run a whole cluster on this machine
    Up(UpArguments),
    /// End a cluster that `up` runs
    Down(DownArguments),
    /// Run a head: the control plane
    Head(Box<HeadArguments>),
    /// Run a node, which runs tasks and stores objects
    Node(Box<NodeArguments>),
    /// Show the cluster at a glance
    Status(StatusArguments),
    /// List what there is in the cluster
    List(ListArguments),
    /// Show one thing in full
    Get(GetArguments),
    /// Show the supervision trees as they are now
    Tree(TreeArguments),
    /// Call functions
    #[command(subcommand)]
    Task(TaskCommand),
    /// Call, stop and restart actors
    #[command(subcommand)]
    Actor(ActorCommand),
    /// Start a supervision tree from a file
    Supervise(SuperviseArguments),
    /// Run programs as jobs of the cluster
    #[command(subcommand)]
    Job(JobCommand),
    /// Measure what the cluster does in a second, and what this machine would do at best
    Bench(BenchArguments),
    /// Tell by the exit code whether a server serves; for probes
    Healthcheck(HealthcheckArguments),
    /// Choose which stored cluster commands talk to, or store one
    Use(UseArguments),
    /// Print what makes a shell complete these commands
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    fn parses(line: &str) -> bool {
        Arguments::try_parse_from(line.split(' ')).is_ok()
    }

    #[test]
    fn the_command_line_makes_sense() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn actors_are_called_and_trees_are_loaded_and_stopped() {
        for line in [
            "mobula actor call tally add -1 {} --timeout 5s --namespace prod",
            "mobula actor call tally add --cast",
            "mobula actor stop tally --grace 5s",
            "mobula list actors --state running --limit 5 --watch",
            "mobula list supervisors --namespace prod",
            "mobula get actor tally --namespace prod",
            "mobula get supervisor tally -o yaml",
            "mobula tree --watch",
            "mobula node drain node-1 --cluster http://node:7421",
            "mobula node --listen 127.0.0.1:0",
            "mobula tree ingest -o json",
            "mobula supervise tree.yaml --check",
            "mobula supervise - --executable ./x --wait",
            "mobula supervise stop ingest --cluster http://node:7421",
            "mobula --cluster http://node:7421 supervise stop ingest",
        ] {
            assert!(parses(line), "{line}");
        }
        for line in [
            "mobula supervise",
            "mobula supervise stop",
            "mobula node drain",
            "mobula node --listen 127.0.0.1:0 drain node-1",
            "mobula supervise tree.yaml --check --wait",
            "mobula actor call tally",
            "mobula actor call tally add --cast --binary",
            "mobula list actors --state asleep",
            "mobula actor stop tally --grace soon",
        ] {
            assert!(!parses(line), "{line}");
        }
    }
}
