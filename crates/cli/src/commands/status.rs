//! `mobula status`: the cluster at a glance.

use super::state::{JobRow, NodeRow};
use crate::arguments::GlobalArguments;
use crate::connection::{Connection, Target};
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::print;
use crate::settings::HumanDuration;
use mobula_runtime::clock;
use mobula_types::Time;
use serde::Serialize;
use std::time::Duration;

/// How long between two looks while nodes are waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The arguments of `mobula status`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct StatusArguments {
    /// Wait until that many nodes are alive
    #[arg(long, value_name = "N")]
    wait_nodes: Option<usize>,
    /// How long to wait for them
    #[arg(long, value_name = "TIME", default_value_t = HumanDuration(Duration::from_secs(30)))]
    timeout: HumanDuration,
}

/// What the command prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Status {
    url: String,
    cluster: String,
    head_connected: bool,
    /// The registry, where the head answers.
    registry: Option<String>,
    /// What is wrong with it.
    registry_problem: Option<String>,
    /// Its records that cannot be read, and are left alone.
    quarantined: Vec<String>,
    nodes_alive: usize,
    cpus_used: f64,
    cpus: f64,
    jobs_running: usize,
    nodes: Vec<NodeRow>,
    jobs: Vec<JobRow>,
}

/// Runs the command.
pub(crate) async fn run(arguments: &StatusArguments, global: &GlobalArguments) -> Outcome {
    let target = Target::find(global)?;
    let status = match arguments.wait_nodes {
        Some(wanted) => wait_for_nodes(&target, wanted, arguments.timeout.0).await?,
        None => look(&Connection::open(&target).await?).await?,
    };
    print(global.output, &status, || status.for_people())
}

/// Looks until enough nodes are alive. A cluster that is not there yet is waited for as well.
async fn wait_for_nodes(target: &Target, wanted: usize, limit: Duration) -> Outcome<Status> {
    let deadline = clock::now() + limit;
    let mut counted = None;
    loop {
        let connect_and_look = async { look(&Connection::open(target).await?).await };
        let looked = tokio::time::timeout(deadline.since(clock::now()), connect_and_look).await;
        let seen = match looked {
            Ok(Ok(status)) if status.nodes_alive >= wanted => return Ok(status),
            Ok(Ok(status)) => counted.insert(format!("{} are alive", status.nodes_alive)).clone(),
            // It does not help to go on asking.
            Ok(Err(failure)) if matches!(failure.exit, Exit::Denied | Exit::Usage) => return Err(failure),
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => counted.clone().unwrap_or_else(|| "neither the node nor a head answered".to_owned()),
        };
        if is_over(deadline) {
            let what = format!("{wanted} nodes were not alive after {} s", limit.as_secs_f64());
            return Err(CommandFailure::new(Exit::TimedOut, what)
                .because_of(seen)
                .advise("--timeout TIME waits longer; `mobula list nodes` shows which are there"));
        }
        clock::sleep(LOOK_AGAIN.min(deadline.since(clock::now()))).await;
    }
}

fn is_over(deadline: Time) -> bool {
    deadline.since(clock::now()).is_zero()
}

async fn look(connection: &Connection) -> Outcome<Status> {
    // A head that does not answer keeps nobody from seeing the rest.
    let head = async { Ok(connection.head_status().await.ok()) };
    let (node, view, jobs, head) =
        tokio::try_join!(connection.node_status(), connection.view(), connection.jobs(), head)?;
    let problem = head.as_ref().map(|head| head.registry_problem.clone());
    let nodes = NodeRow::all(&view);
    let jobs: Vec<JobRow> = jobs.iter().map(JobRow::from).filter(JobRow::is_running).collect();
    let (cpus_used, cpus) = NodeRow::cpus(&nodes);
    Ok(Status {
        url: connection.url().to_owned(),
        cluster: node.cluster.to_string(),
        head_connected: node.head_connected,
        registry: head.as_ref().map(|head| head.registry.clone()),
        registry_problem: problem.filter(|problem| !problem.is_empty()),
        quarantined: head.map(|head| head.quarantined).unwrap_or_default(),
        nodes_alive: nodes.iter().filter(|node| node.is_alive()).count(),
        cpus_used,
        cpus,
        jobs_running: jobs.len(),
        nodes,
        jobs,
    })
}

impl Status {
    fn for_people(&self) -> String {
        let head =
            if self.head_connected { "" } else { "\nthe node that was asked has no connection to a head" };
        let mut warnings: Vec<String> = Vec::new();
        warnings.extend(self.registry_problem.iter().map(|problem| format!("\nthe registry: {problem}")));
        let unreadable = self.quarantined.iter();
        warnings
            .extend(unreadable.map(|record| format!("\na record of the registry cannot be read: {record}")));
        let warnings = warnings.concat();
        let mut text = format!(
            "cluster {} at {}: {} nodes alive, {} of {} CPUs in use, {} jobs running{head}{warnings}\n\n{}",
            self.cluster,
            self.url,
            self.nodes_alive,
            self.cpus_used,
            self.cpus,
            self.jobs_running,
            NodeRow::table(&self.nodes),
        );
        if !self.jobs.is_empty() {
            text.push_str("\n\n");
            text.push_str(&JobRow::table(&self.jobs, clock::wall_millis()));
        }
        text
    }
}
