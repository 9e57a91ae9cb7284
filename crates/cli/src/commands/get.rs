//! `mobula get`: one thing in full.

use super::actor_rows::ActorRow;
use super::actor_words::{shown, target};
use super::state::TaskRow;
use super::supervisor_rows::SupervisorRow;
use crate::arguments::GlobalArguments;
use crate::connection::{Connection, Target};
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::{OutputFormat, is_coloured, print_line, render};
use mobula_rpc::node::TaskScope;
use mobula_runtime::clock;
use mobula_types::TaskId;
use mobula_types::actor::{ActorAnswer, ActorOptions, ActorRequest, ActorTarget, SupervisorInfo};
use std::time::Duration;

/// How long between two looks with `--watch`.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How many children are asked for at once.
const PAGE: usize = 10_000;

/// The arguments of `mobula get`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GetArguments {
    #[command(subcommand)]
    kind: Kind,
    /// Look again every second, and print what has changed, until Ctrl-C
    #[arg(long, global = true)]
    watch: bool,
}

/// What is shown.
#[derive(Clone, Debug, clap::Subcommand)]
enum Kind {
    /// A task
    Task {
        /// Its id, as `list tasks` shows it
        id: TaskId,
    },
    /// An actor, or a supervisor and its children
    #[command(visible_alias = "supervisor")]
    Actor {
        /// Its name, or its id (32 hexadecimal digits)
        #[arg(value_name = "NAME-OR-ID")]
        name: String,
        /// Where the name is unique
        #[arg(long, value_name = "NAME", default_value = ActorOptions::DEFAULT_NAMESPACE)]
        namespace: String,
    },
}

/// Runs the command.
pub(crate) async fn run(arguments: &GetArguments, global: &GlobalArguments) -> Outcome {
    let connection = Connection::open(&Target::find(global)?).await?;
    let mut last = get(&arguments.kind, &connection, global.output).await?;
    print_line(&last)?;
    if !arguments.watch {
        return Ok(());
    }
    loop {
        clock::sleep(LOOK_AGAIN).await;
        let next = get(&arguments.kind, &connection, global.output).await?;
        if next != last {
            print_line(&if is_coloured() { format!("\u{1b}[2J\u{1b}[H{next}") } else { next.clone() })?;
            last = next;
        }
    }
}

async fn get(kind: &Kind, connection: &Connection, format: OutputFormat) -> Outcome<String> {
    match kind {
        Kind::Task { id } => {
            let task = TaskRow::from(&connection.task(*id, TaskScope::Cluster).await?);
            render(format, &task, || task.details(clock::wall_millis()))
        }
        Kind::Actor { name, namespace } => actor(&target(name, namespace), connection, format).await,
    }
}

async fn actor(target: &ActorTarget, connection: &Connection, format: OutputFormat) -> Outcome<String> {
    let what = format!("look up the actor {}", shown(target));
    match connection.actors(&what, &ActorRequest::Find(target.clone())).await {
        Ok(ActorAnswer::Found(info)) => {
            let actor = ActorRow::from(&*info);
            render(format, &actor, || actor.details(clock::wall_millis()))
        }
        Ok(_) => Err(connection.odd_answer(&what)),
        Err(failure) if failure.exit == Exit::NotFound => {
            supervisor(target, connection, format, failure).await
        }
        Err(failure) => Err(failure),
    }
}

/// A supervisor with all its children, a page after the other.
async fn with_all_children(
    target: &ActorTarget,
    connection: &Connection,
    what: &str,
) -> Outcome<SupervisorInfo> {
    let mut info = children_page(target.clone(), None, connection, what).await?;
    while info.more_after.is_some() {
        // By its id: the name may be another's by the time.
        let supervisor = ActorTarget::Id(info.supervisor);
        let page = children_page(supervisor, info.more_after, connection, what).await?;
        info.children.extend(page.children);
        info.more_after = page.more_after;
    }
    Ok(info)
}

async fn children_page(
    supervisor: ActorTarget,
    after: Option<u64>,
    connection: &Connection,
    what: &str,
) -> Outcome<SupervisorInfo> {
    let request = ActorRequest::Children { supervisor, after, limit: PAGE };
    match connection.actors(what, &request).await? {
        ActorAnswer::Children(page) => Ok(*page),
        _ => Err(connection.odd_answer(what)),
    }
}

/// What is no actor may be a supervisor; where it is neither, the first answer counts.
async fn supervisor(
    target: &ActorTarget,
    connection: &Connection,
    format: OutputFormat,
    no_actor: CommandFailure,
) -> Outcome<String> {
    let what = format!("look up the supervisor {}", shown(target));
    match with_all_children(target, connection, &what).await {
        Ok(info) => {
            let supervisor = SupervisorRow::from(&info);
            render(format, &supervisor, || supervisor.details(clock::wall_millis()))
        }
        Err(failure) if failure.exit == Exit::NotFound => Err(no_actor
            .advise("`mobula list actors` and `mobula tree` show what there is; --namespace says where")),
        Err(failure) => Err(failure),
    }
}
