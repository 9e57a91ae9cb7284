//! `mobula list`: what there is in the cluster.

use super::actor_rows::ActorRow;
use super::group_rows::GroupRow;
use super::state::{FunctionRow, JobRow, NodeRow, TaskRow};
use super::supervisor_rows::SupervisorRow;
use crate::arguments::GlobalArguments;
use crate::connection::{Connection, Target};
use crate::failure::Outcome;
use crate::output::{OutputFormat, is_coloured, print_line, render};
use mobula_rpc::node::TaskScope;
use mobula_runtime::clock;
use mobula_types::actor::{
    ActorAnswer, ActorFilter, ActorInfo, ActorRequest, ActorState, GroupInfo, SupervisorInfo,
};
use mobula_types::{JobId, TaskFilter, TaskState};
use std::time::Duration;

/// How long between two looks with `--watch`.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The most actors or groups that are asked for at once.
const PAGE: usize = 1000;

/// The arguments of `mobula list`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ListArguments {
    #[command(subcommand)]
    kind: Kind,
    /// Look again every second, and print what has changed, until Ctrl-C
    #[arg(long, global = true)]
    watch: bool,
}

/// What is listed.
#[derive(Clone, Debug, clap::Subcommand)]
enum Kind {
    /// The nodes, with what they have and how busy they are
    Nodes,
    /// The functions that nodes have by name
    Functions,
    /// The tasks, running ones first
    Tasks(TaskArguments),
    /// The jobs, newest first
    Jobs,
    /// The actors, by id
    Actors(ActorArguments),
    /// The supervisors, each before those below it
    Supervisors(ActorArguments),
    /// The process groups that have members, by namespace and name
    Groups(GroupArguments),
}

/// Which groups are listed.
#[derive(Clone, Debug, clap::Args)]
struct GroupArguments {
    /// Only those in this namespace
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// At most that many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Which actors or supervisors are listed.
#[derive(Clone, Debug, clap::Args)]
struct ActorArguments {
    /// Only those in this namespace
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Only those that stand so
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<ActorStateArgument>,
    /// Only those of this job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// At most that many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// How an actor or supervisor stands.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ActorStateArgument {
    Pending,
    Starting,
    Running,
    Stopping,
    Restarting,
    Isolated,
    Dead,
}

impl From<ActorStateArgument> for ActorState {
    fn from(state: ActorStateArgument) -> Self {
        match state {
            ActorStateArgument::Pending => ActorState::Pending,
            ActorStateArgument::Starting => ActorState::Starting,
            ActorStateArgument::Running => ActorState::Running,
            ActorStateArgument::Stopping => ActorState::Stopping,
            ActorStateArgument::Restarting => ActorState::Restarting,
            ActorStateArgument::Isolated => ActorState::Isolated,
            ActorStateArgument::Dead => ActorState::Dead,
        }
    }
}

/// Which tasks are listed.
#[derive(Clone, Debug, clap::Args)]
struct TaskArguments {
    /// Only those of this job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// Only those that stand so
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<StateArgument>,
    /// Only those whose name contains this
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// At most that many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// How a task stands.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum StateArgument {
    Waiting,
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl From<StateArgument> for TaskState {
    fn from(state: StateArgument) -> Self {
        match state {
            StateArgument::Waiting => TaskState::Waiting,
            StateArgument::Queued => TaskState::Queued,
            StateArgument::Running => TaskState::Running,
            StateArgument::Succeeded => TaskState::Succeeded,
            StateArgument::Failed => TaskState::Failed,
            StateArgument::Cancelled => TaskState::Cancelled,
        }
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: &ListArguments, global: &GlobalArguments) -> Outcome {
    let connection = Connection::open(&Target::find(global)?).await?;
    let mut last = list(&arguments.kind, &connection, global.output).await?;
    show(&last, arguments.watch)?;
    if !arguments.watch {
        return Ok(());
    }
    loop {
        clock::sleep(LOOK_AGAIN).await;
        let next = list(&arguments.kind, &connection, global.output).await?;
        if next != last {
            show(&next, true)?;
            last = next;
        }
    }
}

/// Prints a list; on a terminal, one that is watched takes the place of the one before.
fn show(text: &str, watched: bool) -> Outcome {
    if watched && is_coloured() { print_line(&format!("\u{1b}[2J\u{1b}[H{text}")) } else { print_line(text) }
}

async fn list(kind: &Kind, connection: &Connection, format: OutputFormat) -> Outcome<String> {
    match kind {
        Kind::Nodes => {
            let nodes = NodeRow::all(&connection.view().await?);
            render(format, &nodes, || NodeRow::table(&nodes))
        }
        Kind::Functions => {
            let functions: Vec<FunctionRow> =
                connection.functions().await?.iter().map(FunctionRow::from).collect();
            render(format, &functions, || FunctionRow::table(&functions))
        }
        Kind::Tasks(arguments) => {
            let filter = TaskFilter {
                job: arguments.job,
                state: arguments.state.map(TaskState::from),
                name: arguments.name.clone(),
            };
            let list = connection.tasks(filter, arguments.limit as usize, TaskScope::Cluster).await?;
            for node in &list.silent {
                eprintln!(
                    "mobula: {node} did not answer: of its tasks only those are shown that the head has heard of"
                );
            }
            if list.head_silent {
                eprintln!(
                    "mobula: the head did not answer: tasks that ended and whose results nobody holds are not shown"
                );
            }
            if list.left_out > 0 {
                let count = list.left_out;
                eprintln!(
                    "mobula: {count} ends of tasks are not shown one by one; `mobula list jobs` counts them"
                );
            }
            let tasks: Vec<TaskRow> = list.tasks.iter().map(TaskRow::from).collect();
            render(format, &tasks, || {
                let table = TaskRow::table(&tasks, clock::wall_millis());
                format!("{table}{}", and_more(list.more))
            })
        }
        Kind::Jobs => {
            let jobs: Vec<JobRow> = connection.jobs().await?.iter().map(JobRow::from).collect();
            render(format, &jobs, || JobRow::table(&jobs, clock::wall_millis()))
        }
        Kind::Actors(arguments) => {
            let (actors, more) = actors(arguments, connection).await?;
            let actors: Vec<ActorRow> = actors.iter().map(ActorRow::from).collect();
            render(format, &actors, || {
                format!("{}{}", ActorRow::table(&actors, clock::wall_millis()), and_more(more))
            })
        }
        Kind::Supervisors(arguments) => {
            let (supervisors, more) = supervisors(arguments, connection).await?;
            let supervisors: Vec<SupervisorRow> = supervisors.iter().map(SupervisorRow::from).collect();
            render(format, &supervisors, || {
                format!("{}{}", SupervisorRow::table(&supervisors, clock::wall_millis()), and_more(more))
            })
        }
        Kind::Groups(arguments) => {
            let (groups, more) = groups(arguments, connection).await?;
            let groups: Vec<GroupRow> = groups.iter().map(GroupRow::from).collect();
            render(format, &groups, || format!("{}{}", GroupRow::table(&groups), and_more(more)))
        }
    }
}

fn and_more(more: bool) -> &'static str {
    if more { "\n… and more: --limit shows them" } else { "" }
}

/// The actors, and whether there are more: page after page, each where the one before ended.
async fn actors(arguments: &ActorArguments, connection: &Connection) -> Outcome<(Vec<ActorInfo>, bool)> {
    let limit = arguments.limit as usize;
    let mut found: Vec<ActorInfo> = Vec::new();
    loop {
        let filter = ActorFilter {
            job: arguments.job,
            namespace: arguments.namespace.as_deref().map(Into::into),
            state: arguments.state.map(ActorState::from),
            after: found.last().map(|last| last.actor),
        };
        let request = ActorRequest::List { filter, limit: (limit - found.len()).min(PAGE) };
        let ActorAnswer::List { actors, more } = connection.actors("list the actors", &request).await? else {
            return Err(connection.odd_answer("list the actors"));
        };
        let is_last = !more || actors.is_empty();
        found.extend(actors);
        found.truncate(limit);
        if is_last || found.len() >= limit {
            return Ok((found, more));
        }
    }
}

/// The groups, and whether there are more: page after page, each where the one before ended.
async fn groups(arguments: &GroupArguments, connection: &Connection) -> Outcome<(Vec<GroupInfo>, bool)> {
    let limit = arguments.limit as usize;
    let mut found: Vec<GroupInfo> = Vec::new();
    loop {
        let request = ActorRequest::ListGroups {
            namespace: arguments.namespace.as_deref().map(Into::into),
            after: found.last().map(|last| (last.namespace.clone(), last.name.clone())),
            limit: (limit - found.len()).min(PAGE),
        };
        let answer = connection.actors("list the groups", &request).await?;
        let ActorAnswer::Groups { groups, more } = answer else {
            return Err(connection.odd_answer("list the groups"));
        };
        let is_last = !more || groups.is_empty();
        found.extend(groups);
        found.truncate(limit);
        if is_last || found.len() >= limit {
            return Ok((found, more));
        }
    }
}

/// The supervisors, and whether there are more.
async fn supervisors(
    arguments: &ActorArguments,
    connection: &Connection,
) -> Outcome<(Vec<SupervisorInfo>, bool)> {
    let answer = connection.actors("list the supervisors", &ActorRequest::Tree(None)).await?;
    let ActorAnswer::Tree { mut supervisors, more: cut, .. } = answer else {
        return Err(connection.odd_answer("list the supervisors"));
    };
    let state = arguments.state.map(ActorState::from);
    supervisors.retain(|supervisor| {
        arguments.job.is_none_or(|job| supervisor.job == job)
            && arguments.namespace.as_deref().is_none_or(|namespace| *supervisor.namespace == *namespace)
            && state.is_none_or(|state| supervisor.state == state)
    });
    let more = cut || supervisors.len() > arguments.limit as usize;
    supervisors.truncate(arguments.limit as usize);
    Ok((supervisors, more))
}
